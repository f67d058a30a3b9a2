import org.junit.Test

class UntrustTest extends StepTest {
  @Test void anAssetThatSecurityDistrustsStopsEveryDeployment() {
    final String message = fail('''
      notaryNotarize 'app.jar'
      notaryUntrust(assets: ['app.jar'], reason: 'CVE-2026-0001')
      notaryNotarize 'app.jar'
      notaryAuthenticate 'app.jar'
    ''')

    assert message == 'notaryAuthenticate: exit code 1: UNTRUSTED: app.jar is UNTRUSTED: record #2: CVE-2026-0001'
  }

  @Test void onlyARecordThatNamesItLiftsIt() {
    final List found = succeed('''
      def bad = notaryUntrust('app.jar', reason: 'suspicion')
      notaryNotarize('app.jar', supersede: [bad[0].index], reason: 'looked at')
      return notaryAuthenticate('app.jar')
    ''')

    assert found*.status == ['TRUSTED']
  }

  @Test void theResultSaysWhatWasRecorded() {
    assert succeed("return notaryUntrust('app.jar', reason: 'why')")*.subMap(['name', 'status', 'code']) == [[name: 'app.jar', status: 'UNTRUSTED', code: 0]]
  }

  @Test void theReasonIsMandatory() {
    assert fail("notaryUntrust 'app.jar'").startsWith('notaryUntrust: expected reason, got none; allowed are assets, image, reason, ')
    assert jenkins.ran == []
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('assets', 1, 'UNTRUSTED'))
    succeed("notaryUntrust(assets: ['a'], reason: 'it\\'s \$(bad)')")

    assert given().subMap(['NOTARY_COMMAND', 'JENKINS_NOTARY_REASON']) == [NOTARY_COMMAND: 'untrust', JENKINS_NOTARY_REASON: 'it\'s $(bad)']
  }
}

import org.junit.Test

class UnsupportTest extends StepTest {
  @Test void anAssetThatIsOutOfSupportIsNoLongerTrusted() {
    final String message = fail('''
      notaryNotarize 'app.jar'
      notaryUnsupport(assets: ['app.jar'], reason: 'end of life')
      notaryAuthenticate 'app.jar'
    ''')

    assert message == 'notaryAuthenticate: exit code 3: UNSUPPORTED: app.jar is UNSUPPORTED: record #2: end of life'
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('assets', 1, 'UNSUPPORTED'))
    succeed("notaryUnsupport('a', reason: 'old')")

    assert given().subMap(['NOTARY_COMMAND', 'JENKINS_NOTARY_REASON']) == [NOTARY_COMMAND: 'unsupport', JENKINS_NOTARY_REASON: 'old']
  }
}

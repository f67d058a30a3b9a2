import org.junit.Test

class AuthenticateTest extends StepTest {
  @Test void anAssetThatWasNotarizedLetsTheBuildGoOn() {
    final List found = succeed('''
      notaryNotarize 'app.jar'
      return notaryAuthenticate('app.jar')
    ''')

    assert found*.subMap(['name', 'status', 'code', 'job']) == [[name: 'app.jar', status: 'TRUSTED', code: 0, job: JOB]]
    assert jenkins.result == null
  }

  @Test void anUnknownAssetFailsTheBuildAndSaysWhatToDo() {
    final String message = fail('''
      notaryNotarize 'app.jar'
      sh 'echo other > other.jar'
      notaryAuthenticate(assets: ['app.jar', 'other.jar'])
      sh 'touch deployed'
    ''')

    assert message.startsWith('notaryAuthenticate: exit code 2: UNKNOWN: other.jar is UNKNOWN: ')
    assert jenkins.result == 'FAILURE'
    assert !new File(jenkins.workspace, 'deployed').exists()
  }

  @Test void onlyTheOrgThatIsNamedCounts() {
    final String message = fail('''
      notaryNotarize 'app.jar'
      notaryAuthenticate(assets: ['app.jar'], org: 'acme')
    ''')

    assert message.contains('UNKNOWN')
  }

  @Test void aSignerWhoIsNamedCounts() {
    final List found = succeed('''
      def made = notaryNotarize('app.jar')
      return notaryAuthenticate('app.jar', signers: [made[0].signer])
    ''')

    assert found[0].code == 0
    assert jenkins.ran[1].environment.JENKINS_NOTARY_SIGNER == "${found[0].signer}\n"
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('assets', 2))
    succeed("notaryAuthenticate(['a.jar', 'b.jar'], signers: ['0x1', '0x2'], org: 'acme', asOf: '2026-01-31', strict: true, name: 'n')")

    final Map found = given()
    assert found.remove('NOTARY_DIR')
    assert found == [
      NOTARY_COMMAND: 'authenticate', JENKINS_NOTARY_LEDGER: jenkins.env.JENKINS_NOTARY_LEDGER,
      JENKINS_NOTARY_SIGNER: '0x1\n0x2\n', JENKINS_NOTARY_ORG: 'acme', JENKINS_NOTARY_AS_OF: '2026-01-31',
      JENKINS_NOTARY_STRICT: 'true', JENKINS_NOTARY_NAME: 'n',
    ]
    assert names() == ['isUnix', 'pwd', 'writeFile', 'libraryResource', 'sh', 'readFile', 'deleteDir', 'echo']
  }

  @Test void aVerdictMayMarkTheBuildUnstableOnly() {
    final List found = succeed("return notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable')")

    assert found*.code == [2]
    assert jenkins.result == 'UNSTABLE'
  }

  @Test void aLedgerThatIsAlteredFailsTheBuildWhateverOnFailureSays() {
    succeed("notaryNotarize 'app.jar'")
    final File ledger = new File(temporary.root, 'notary/ledger.db')
    jenkins.run('ledger', 'backup', "${temporary.root}/backup")
    ledger.bytes = ledger.bytes.collect { it }.with { it[100..200] = [0] * 101; it } as byte[]
    final String message = fail("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable', onUnavailable: 'unstable')")

    assert message ==~ '(?s)notaryAuthenticate: exit code (65|74|78).*'
  }
}

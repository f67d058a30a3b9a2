import org.junit.Test

class GateTest extends StepTest {
  static final String POLICY = '''
    version: 1
    rules:
      - name: release
        match: {name: ['*.jar']}
        require: {job: ['payments/**']}
  '''.stripIndent()

  @Test void anAssetThatThePolicyAllowsPasses() {
    write('release.yaml', POLICY)
    final List found = succeed('''
      notaryNotarize 'app.jar'
      return notaryGate(policy: 'release.yaml', assets: ['app.jar'])
    ''')

    assert found*.allowed == [true]
    assert found*.rules == [['release']]
  }

  @Test void anAssetThatThePolicyDeniesFailsTheBuildWithTheReason() {
    write('release.yaml', POLICY)
    final String message = fail("notaryGate(policy: 'release.yaml', assets: ['app.jar'])")

    assert message.startsWith('notaryGate: exit code 5: DENIED: app.jar is ')
  }

  @Test void aWrongPolicyNeverAllowsAndNamesAllItsFaultsInOneLine() {
    write('release.yaml', 'version: 1\nrules: [{name: a, assets: x, job: y}]')
    final String message = fail("notaryGate(policy: 'release.yaml', assets: ['app.jar'], onFailure: 'unstable')")

    assert message.startsWith('notaryGate: exit code 78: wrong configuration: 2 faults') && message.readLines().size() == 1
  }

  @Test void aMissingPolicyNeverAllows() {
    assert fail("notaryGate(policy: 'none.yaml', assets: ['app.jar'], onFailure: 'unstable')").startsWith('notaryGate: exit code 66: ')
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('assets'))
    succeed("notaryGate(policy: 'p.yaml', assets: 'a', org: 'acme', asOf: '3')")

    final Map found = given()
    assert found.remove('NOTARY_DIR')
    assert found == [
      NOTARY_COMMAND: 'gate', JENKINS_NOTARY_LEDGER: jenkins.env.JENKINS_NOTARY_LEDGER, JENKINS_NOTARY_POLICY: 'p.yaml',
      JENKINS_NOTARY_ORG: 'acme', JENKINS_NOTARY_AS_OF: '3',
    ]
  }
}

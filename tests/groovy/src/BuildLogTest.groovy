import org.junit.Test

class BuildLogTest extends StepTest {
  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, [records: [[name: 'consoleText', type: 'log', code: 0, digest: 'sha256:00', index: 1]]])
    final List found = succeed('return notaryBuildLog()')

    assert found*.type == ['log']
    final Map given = given()
    assert given.remove('NOTARY_DIR')
    assert given == [
      NOTARY_COMMAND: 'collect', NOTARY_ARG: 'payments/api/main#42', JENKINS_NOTARY_ONLY: 'log',
      JENKINS_NOTARY_LEDGER: jenkins.env.JENKINS_NOTARY_LEDGER,
    ]
  }

  @Test void withoutAccessToJenkinsTheBuildIsUnstable() {
    fakeProgram(69, OutcomeTest.ERROR)
    succeed('notaryBuildLog()')

    assert jenkins.result == 'UNSTABLE'
  }
}

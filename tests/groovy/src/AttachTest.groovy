import org.junit.Test

class AttachTest extends StepTest {
  @Test void aReportIsKeptAsEvidenceOfTheBuild() {
    write("it's \$(a report).xml", '<testsuite/>')
    final List made = succeed("return notaryAttach(file: 'it\\'s \$(a report).xml', label: 'tests')")

    assert made.size() == 1
    assert made[0].type == 'attachment' && made[0].job == JOB
    assert evidence()[0].name.endsWith("it's \$(a report).xml")
    assert names().count('sh') == 1 && !names().contains('archiveArtifacts')
  }

  @Test void aMissingFileFailsTheBuild() {
    assert fail("notaryAttach(file: 'none.xml')").startsWith('notaryAttach: exit code 66: not found: ')
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('records'))
    succeed("notaryAttach(file: 'sbom.json', label: 'sbom', mime: 'application/json', digest: ['sha256:00'], job: 'x#1')")

    final Map found = given()
    assert found.remove('NOTARY_DIR')
    assert found == [
      NOTARY_COMMAND: 'attach', NOTARY_ARG: 'sbom.json', JENKINS_NOTARY_LEDGER: jenkins.env.JENKINS_NOTARY_LEDGER,
      JENKINS_NOTARY_LABEL: 'sbom', JENKINS_NOTARY_MIME: 'application/json', JENKINS_NOTARY_ATTACH_DIGEST: 'sha256:00\n', JENKINS_NOTARY_JOB: 'x#1',
    ]
  }
}

import org.junit.Test

class EvidenceTest extends StepTest {
  @Test void aBuildsRecordsAreFoundByItsJobId() {
    final List found = succeed('''
      notaryNotarize 'app.jar'
      notaryAttach(file: 'app.jar', label: 'copy')
      return notaryEvidence(job: 'payments/api/main#42')
    ''')

    assert found*.type as Set == ['notarization', 'attachment'] as Set
    assert found*.job.unique() == [JOB]
    assert found.getClass() == ArrayList && found[0].getClass() == LinkedHashMap
  }

  @Test void recordsAreFoundByDigestAndByFolder() {
    final List found = succeed('''
      def made = notaryNotarize('app.jar')
      return [notaryEvidence(digest: made[0].digest), notaryEvidence(job: 'payments/*', limit: 1)]
    ''')

    assert found*.size() == [1, 1]
  }

  @Test void onlyTheProgramsReceiptIsLeftOut() {
    final List found = succeed("""
      notaryNotarize(assets: 'app.jar', attributes: [receipt: 'a word'])
      return notaryEvidence(job: 'payments/api/main#42')
    """)

    assert found[0].predicate.attributes == [receipt: 'a word']
    assert !found[0].containsKey('receipt')
  }

  @Test void nothingFoundFailsTheBuild() {
    assert fail("notaryEvidence(job: 'nobody#1')").startsWith('notaryEvidence: exit code 66: not found: ')
  }

  @Test void oneWayToFindIsMandatory() {
    assert fail("notaryEvidence(since: '2026-01-01')").startsWith('notaryEvidence: expected job or digest or commit, got none; allowed are ')
    assert fail("notaryEvidence(job: 'a#1', digest: 'sha256:00')").startsWith('notaryEvidence: expected only one of job or digest or commit, got 2; ')
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('records'))
    succeed("notaryEvidence(commit: 'abc', signer: '0x1', since: '2026-01-01', until: '2026-02-01', asOf: '9', limit: 3)")

    final Map found = given()
    assert found.remove('NOTARY_DIR')
    assert found == [
      NOTARY_COMMAND: 'evidence', JENKINS_NOTARY_LEDGER: jenkins.env.JENKINS_NOTARY_LEDGER, JENKINS_NOTARY_COMMIT: 'abc',
      JENKINS_NOTARY_EVIDENCE_SIGNER: '0x1', JENKINS_NOTARY_SINCE: '2026-01-01', JENKINS_NOTARY_UNTIL: '2026-02-01',
      JENKINS_NOTARY_AS_OF: '9', JENKINS_NOTARY_LIMIT: '3',
    ]
  }
}

/**
 * Finds records by job, digest or commit; see notaryEvidence.txt.
 *
 * @return the records, one plain map each
 */
def call(Map args = [:]) {
  return notaryRun(describe(), args)
}

/** Says what this step is; see notaryRun. */
Map describe() {
  return [
    name: 'notaryEvidence',
    command: 'evidence',
    needs: [['job', 'digest', 'commit']],
    allows: ['signer', 'since', 'until', 'asOf', 'limit'],
    unavailable: ['unstable', 'fail'],
    argument: 'job',
    defaults: [onFailure: 'fail', onUnavailable: 'fail'],
  ]
}

/**
 * Records a file as evidence of this build; see notaryAttach.txt.
 *
 * @return the record, as a list of one plain map
 */
def call(Map args = [:]) {
  return notaryRun(describe(), args)
}

/** Says what this step is; see notaryRun. */
Map describe() {
  return [
    name: 'notaryAttach',
    command: 'attach',
    needs: ['file'],
    allows: ['label', 'mime', 'digest', 'job'],
    unavailable: ['unstable', 'fail'],
    argument: 'file',
    defaults: [onFailure: 'fail', onUnavailable: 'unstable'],
  ]
}

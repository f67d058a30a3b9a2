/**
 * Has the console log of this build collected from Jenkins; see notaryBuildLog.txt.
 *
 * @return the records, one plain map each
 */
def call(Map args = [:]) {
  return notaryRun(describe(), args)
}

/** Says what this step is; see notaryRun. */
Map describe() {
  return [
    name: 'notaryBuildLog',
    command: 'collect',
    needs: ['job'],
    allows: [],
    unavailable: ['unstable', 'fail'],
    argument: 'job',
    values: ['JENKINS_NOTARY_ONLY=log'],
    defaults: [onFailure: 'fail', onUnavailable: 'unstable', job: "${env.JOB_NAME}#${env.BUILD_NUMBER}".toString()],
  ]
}

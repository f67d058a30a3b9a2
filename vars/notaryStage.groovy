import groovy.json.JsonOutput

/**
 * Runs a stage, then records what it made; see notaryStage.txt.
 *
 * The body's error is always the one that the build ends with.
 *
 * @return what was recorded, one plain map an asset
 */
def call(Map args = [:], Object name, Closure body) {
  final Map given = args.findAll { it.key != 'onBodyFailure' }
  final String reaction = args.onBodyFailure ?: 'record'
  notaryRun.check(describe(), given)
  if (!['record', 'untrust', 'skip'].contains(reaction)) {
    error "notaryStage: onBodyFailure: expected record, untrust or skip, got ${notaryRun.plain(reaction)}"
  }
  return stage("${name}") {
    Throwable failure = null
    try {
      body()
    } catch (Throwable problem) {
      failure = problem
    }
    if (failure == null) { return notaryRun(describe(), given) }
    try {
      final boolean isStopped = failure.getClass().simpleName == 'FlowInterruptedException'
      recordFailure(given, "${name}", isStopped ? 'ABORTED' : 'FAILURE', reaction)
    } catch (Throwable problem) {
      echo "notaryStage: the failed stage has no record: ${notaryRun.plain(problem.message)}"
    }
    throw failure
  }
}

/** Records that a stage failed. What it left behind gets no good word, and no bad one unasked. */
void recordFailure(Map args, String name, String result, String reaction) {
  if (reaction == 'untrust') {
    final Map taken = args.findAll { !['digestFile', 'supersede'].contains(it.key) }
    notaryUntrust(taken + [reason: "stage failed: ${name}"])
  }
  if (reaction == 'record' && !args.transport) {
    final String file = "${pwd(tmp: true)}/stage-${UUID.randomUUID()}.json"
    final List assets = notaryRun.asList(args.assets ?: "image://${args.image}").collect { "${it}".toString() }
    writeFile file: file, text: JsonOutput.toJson([stage: name, result: result, assets: assets]), encoding: 'UTF-8'
    final Map taken = args.findAll { ['ledger', 'credentialsId', 'job'].contains(it.key) }
    notaryAttach(taken + [file: file, label: 'failed-stage', mime: 'application/json'])
  }
}

/** Says what this step is: notaryNotarize by another name. */
Map describe() {
  return notaryNotarize.describe() + [name: 'notaryStage']
}

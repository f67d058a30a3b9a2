import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper

/**
 * Runs the program once for a step, and does to the build what its exit code says.
 *
 * Internal: each step says in `step` what it is, and all that they share stands here.
 * Methods that are marked NonCPS are pure: Jenkins may pause in all others.
 *
 * @param step name, command, allowed and needed argument names, defaults
 * @param given the caller's arguments
 * @return the program's results, one plain map each
 */
def call(Map step, Map given) {
  final Map args = check(step, given)
  final Map reactions = listReactions(args, env.JENKINS_NOTARY_MODE ?: '', env.JENKINS_NOTARY_HOOK ? true : false)
  Map answer = run(step, args, args.transport == 'controller')
  if (reactions[answer.kind] == 'queue') {
    echo "${step.name}: ${answer.text}; queued for the hook on the controller"
    answer = run(step, args, true)
  }
  if (answer.lines) { echo "${step.name}:\n${answer.lines}" }
  react("${step.name}: ${answer.text}", reactions[answer.kind])
  return answer.results
}

/** Returns the arguments with their defaults; fails the build if they, or the place, are wrong. */
Map check(Map step, Map given) {
  final Map args = step.defaults + withoutNulls(given)
  final String fault = findFault(step, args, env.JENKINS_NOTARY_MODE ?: '')
  if (fault) { error "${step.name}: ${fault}" }
  if (!env.WORKSPACE) {
    error "${step.name}: needs a node, got none; put it into node { } or give the stage an agent"
  }
  if (args.transport == 'controller' && !env.JENKINS_NOTARY_HOOK) {
    error "${step.name}: transport 'controller' expected the hook on the controller, got none; install it or name a service"
  }
  return args
}

/** Runs the program in a fresh folder, which is removed afterwards, and judges its answer. */
Map run(Map step, Map args, boolean byController) {
  final boolean unix = isUnix()
  final String id = UUID.randomUUID().toString()
  final String room = "${pwd(tmp: true)}/notary-${id.substring(0, 8)}"
  final String folder = "${room}/.jenkins-notary/receipts/${id.substring(0, 8)}"
  final String ledger = args.ledger ?: env.JENKINS_NOTARY_LEDGER ?: ''
  final boolean isService = ledger ==~ '(?i)https?://.*'
  final List claims = byController ? ["JENKINS_NOTARY_CLAIMS=${room}/.jenkins-notary/claims-${id}.json".toString()] : []
  final List values = listValues(step, args, folder) + claims
  Map answer = [:]
  try {
    writeFile file: "${folder}/assets.txt", text: listAssets(args), encoding: 'UTF-8'
    if (isService || byController) { writeAgent(folder, unix) }
    final int code = isService && !byController ?
      executeWithToken(step.name, values, unix, args.credentialsId ?: 'jenkins-notary') :
      execute(step.name, values, unix)
    answer = judge(code, readAnswer(folder))
  } finally {
    leave(room, answer.kind != 'done' ? '' : byController ? 'claims-*.json' : args.archiveReceipts ? 'receipts/**' : '')
  }
  return answer
}

/** Archives with the build what matches, and removes the folder. */
void leave(String room, String pattern) {
  dir(room) {
    try {
      if (pattern) {
        archiveArtifacts artifacts: ".jenkins-notary/${pattern}",
          excludes: '**/notary-agent.pyz,**/notary-agent.sh,**/notary-agent.ps1'
      }
    } finally {
      deleteDir()
    }
  }
}

/** Runs the constant script: the only `sh` or `bat` of a step. Values come by environment. */
int execute(String name, List values, boolean unix) {
  final String script = libraryResource(unix ? 'jenkins_notary/run-agent.sh' : 'jenkins_notary/run-agent.bat')
  withEnv(values) {
    return unix ? sh(script: script, returnStatus: true, label: name) : bat(script: script, returnStatus: true, label: name)
  }
}

/** Runs the script with the service's token, which only this one call sees. */
int executeWithToken(String name, List values, boolean unix, String credentialsId) {
  withCredentials([string(credentialsId: credentialsId, variable: 'JENKINS_NOTARY_TOKEN')]) {
    return execute(name, values, unix)
  }
}

/** Puts beside the list of assets what needs no installed program. */
void writeAgent(String folder, boolean unix) {
  final String script = unix ? 'notary-agent.sh' : 'notary-agent.ps1'
  writeFile file: "${folder}/notary-agent.pyz", encoding: 'Base64',
    text: libraryResource(resource: 'jenkins_notary/notary-agent.pyz', encoding: 'Base64')
  writeFile file: "${folder}/${script}", encoding: 'UTF-8', text: libraryResource("jenkins_notary/${script}")
}

/** Returns what the program printed; '' where it printed nothing. */
String readAnswer(String folder) {
  try {
    return readFile(file: "${folder}/out.json", encoding: 'UTF-8')
  } catch (IOException missing) {
    return ''
  }
}

/** Fails the build, marks it UNSTABLE, says it only, or goes on. */
void react(String text, String reaction) {
  if (reaction == 'fail') { error text }
  if (reaction == 'unstable') { unstable text }
  if (reaction == 'observe') { echo "${text} (only observed: JENKINS_NOTARY_MODE)" }
}

/** The one table of exit codes: which reaction decides, and what each means. */
@NonCPS
Map exitCodes() {
  final List absent = ['fault', 'jenkins-notary is not installed on this agent; install it, put it on PATH, or name a service by ledger:']
  return [
    0: ['done', 'done'],
    1: ['verdict', 'UNTRUSTED'],
    2: ['verdict', 'UNKNOWN'],
    3: ['verdict', 'UNSUPPORTED'],
    4: ['verdict', 'REVOKED'],
    5: ['verdict', 'DENIED'],
    64: ['fault', 'wrong argument'],
    65: ['fault', 'integrity: something was altered'],
    66: ['fault', 'not found'],
    67: ['fault', 'ambiguous'],
    69: ['unavailable', 'unavailable'],
    70: ['fault', 'internal fault'],
    74: ['fault', 'disk full or read-only'],
    77: ['fault', 'permission denied'],
    78: ['fault', 'wrong configuration'],
    126: ['fault', 'jenkins-notary cannot be run on this agent; check its rights'],
    127: absent,
    130: ['fault', 'interrupted'],
    9009: absent, // cmd.exe has this for 127.
  ]
}

/** Exit codes with a document, the worst first, as the program ranks them. */
@NonCPS
List severity() {
  return [65, 70, 74, 78, 77, 69, 67, 66, 64, 1, 4, 3, 5, 2, 0]
}

/** Returns what is wrong with the arguments, or ''. */
@NonCPS
String findFault(Map step, Map args, String mode) {
  final List allowed = (step.needs + step.allows + ['ledger', 'credentialsId', 'onFailure', 'onUnavailable']).flatten()
  final List unknown = args.keySet().findAll { !allowed.contains(it) }.collect { plain(it) }
  if (unknown) { return "unknown argument ${unknown.join(', ')}; allowed are ${allowed.join(', ')}" }
  for (need in step.needs) {
    final List names = need instanceof List ? need : [need]
    final int count = names.count { args.containsKey(it) }
    if (count != 1) { return "expected ${count ? 'only one of ' : ''}${names.join(' or ')}, got ${count ?: 'none'}; allowed are ${allowed.join(', ')}" }
  }
  for (choice in [onFailure: ['fail', 'unstable'], onUnavailable: step.unavailable, transport: ['controller']]) {
    if (args.containsKey(choice.key) && !choice.value.contains("${args[choice.key]}".toString())) {
      return "${choice.key}: expected ${choice.value.join(' or ')}, got ${plain(args[choice.key])}"
    }
  }
  if (mode && !['observe', 'warn', 'enforce'].contains(mode)) {
    return "JENKINS_NOTARY_MODE: expected observe, warn or enforce, got ${plain(mode)}"
  }
  return findValueFault(args)
}

/** Returns which value cannot be handed to the program, or ''. */
@NonCPS
String findValueFault(Map args) {
  for (arg in args) {
    final boolean isMap = arg.value instanceof Map
    if (isMap != (arg.key == 'attributes')) { return "${arg.key}: expected ${isMap ? 'a text or list' : 'a map'}, got ${isMap ? 'a map' : 'none'}" }
    final List values = isMap ? arg.value.collect { "${it.key}=${it.value == null ? '' : it.value}" } : asList(arg.value)
    if (!values && arg.key == 'assets') { return 'assets: expected at least one, got none' }
    for (value in values) {
      final String text = "${value}"
      if (value instanceof Map || value instanceof List) { return "${arg.key}: expected texts, got a list or map in it" }
      if (value == null || !text.trim()) { return "${arg.key}: expected a text, got an empty one" }
      if (text.contains('\n') || text.contains('\r') || text.indexOf(0) >= 0) { return "${arg.key}: expected no line break or NUL, got ${plain(text)}" }
    }
  }
  return ''
}

/** Returns what to do for each kind of outcome. */
@NonCPS
Map listReactions(Map args, String mode, boolean hasHook) {
  final Map reactions = [done: '', verdict: args.onFailure, unavailable: args.onUnavailable, fault: 'fail']
  if (mode == 'enforce') { return reactions + [verdict: 'fail', unavailable: 'fail'] }
  if (reactions.unavailable == 'queue' && !hasHook) { reactions.unavailable = 'unstable' }
  final Map softer = [observe: [fail: 'observe', unstable: 'observe'], warn: [fail: 'unstable']][mode] ?: [:]
  return reactions.collectEntries { kind, reaction -> [kind, softer[reaction] ?: reaction] }
}

/** Returns the environment of the program: options by name, a list with a line for each item. */
@NonCPS
List listValues(Map step, Map args, String folder) {
  final Map names = [
    ledger: 'LEDGER', job: 'JOB', attributes: 'ATTR', attach: 'ATTACH',
    name: 'NAME', reason: 'REASON', supersede: 'SUPERSEDE', digestFile: 'DIGEST_FILE', org: 'ORG', signers: 'SIGNER', signer: 'EVIDENCE_SIGNER',
    asOf: 'AS_OF', strict: 'STRICT', policy: 'POLICY', label: 'LABEL', mime: 'MIME', commit: 'COMMIT', since: 'SINCE',
    until: 'UNTIL', limit: 'LIMIT', digest: step.command == 'evidence' ? 'DIGEST' : 'ATTACH_DIGEST',
  ]
  final List values = ["NOTARY_DIR=${folder}", "NOTARY_COMMAND=${step.command}", "NOTARY_ARG=${step.argument ? args[step.argument] ?: '' : ''}"]
  if (args.archiveReceipts) { values << "JENKINS_NOTARY_RECEIPTS=${folder}" }
  for (arg in args) {
    if (names[arg.key] && arg.key != step.argument) { values << "JENKINS_NOTARY_${names[arg.key]}=${formatValue(arg.value)}" }
  }
  // A Java in a POSIX locale hands on ? for what is not ASCII: the script looks for that.
  if (values.any { !(it ==~ '\\p{ASCII}*') }) { values << 'NOTARY_UTF8=\u2713' }
  return (values + (step.values ?: [])).collect { it.toString() }
}

/** Returns a value's text: a line for each item of a list or map. */
@NonCPS
String formatValue(Object value) {
  if (value instanceof Map) { return value.collect { "${it.key}=${it.value}\n" }.join('') }
  return value instanceof List ? value.collect { "${it}\n" }.join('') : "${value}"
}

/** Returns the list file's text: a line for each asset. */
@NonCPS
String listAssets(Map args) {
  final List words = args.image ? ["image://${args.image}"] : asList(args.assets)
  return words.collect { "${it}\n" }.join('')
}

/** Returns what the exit code and the program's document come to. */
@NonCPS
Map judge(int code, String text) {
  final Map document = readDocument(text)
  final List rows = exitCodes()[code] ?: ['fault', 'an exit code that jenkins-notary does not have']
  final List results = document?.error ? [] : (document?.assets ?: document?.records ?: [])
  final List codes = document?.error ? [document.code] : results.collect { it.code }
  final boolean isWhole = document != null && codes.every { severity().contains(it) } &&
    (severity().find { codes.contains(it) } ?: 0) == code && !(document.error && code < 64)
  if (!isWhole) {
    final String reason = exitCodes()[code] && code > 100 ? rows[1] : "${rows[1]}, but without a whole answer that says the same; it does not count"
    return [kind: 'fault', text: "exit code ${code}: ${reason}".toString(), lines: '', results: []]
  }
  final List reasons = results.findAll { it.code }.take(5).collect { "${it.name} is ${it.status ?: 'not checked'}: ${it.error ? it.error.message : it.reason}" }
  final String said = document.error ? "${document.message}".replaceAll('\\n *', '; ') : reasons.join('; ')
  return [
    kind: rows[0], text: plain("exit code ${code}: ${rows[1]}${said ? ': ' + said : ''}"), results: results,
    lines: results.take(20).collect { plain("${it.status ?: it.type ?: 'ERROR'}  ${it.digest}  ${it.name}") }.join('\n'),
  ]
}

/** Returns a JSON document of results or an error as plain maps; null for anything else. */
@NonCPS
Map readDocument(String text) {
  try {
    // In brackets, for the parser would not see what follows a document.
    final List documents = copy(new JsonSlurper().parseText("[${text}]".toString()))
    final Object document = documents.size() == 1 ? documents[0] : null
    final Object results = document instanceof Map ? document.assets ?: document.records ?: [] : null
    final boolean isOurs = results instanceof List && results.every { it instanceof Map } &&
      (document.error || document.assets instanceof List || document.records instanceof List)
    return isOurs ? document : null
  } catch (Exception broken) {
    return null
  }
}

/** Returns plain maps and lists, which Jenkins can save; receipts are files, not values. */
@NonCPS
Object copy(Object value) {
  if (value instanceof Map) {
    final Map made = [:]
    for (entry in value) {
      if (entry.key != 'receipt') { made[entry.key.toString()] = copy(entry.value) }
    }
    return made
  }
  return value instanceof List ? value.collect { copy(it) } : value
}

/** Returns a text of one line that cannot act on a terminal or a log. */
@NonCPS
String plain(Object value) {
  final String text = "${value}".replaceAll('[\\p{Cc}\\p{Cf}\\u2028\\u2029]', '?')
  return text.length() > 1000 ? text.substring(0, 1000) + '...' : text
}

/** Returns a list as it is, and one value as a list. */
@NonCPS
List asList(Object value) {
  return value instanceof Collection ? value as List : (value == null ? [] : [value])
}

/** Returns the arguments that were given. */
@NonCPS
Map withoutNulls(Map given) {
  return given.findAll { it.value != null }
}

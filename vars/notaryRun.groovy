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
  final boolean hasHook = env.JENKINS_NOTARY_HOOK_CLAIMS ? true : false
  final Map reactions = listReactions(args, env.JENKINS_NOTARY_MODE ?: '', hasHook)
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
  if (args.transport == 'controller' && !env.JENKINS_NOTARY_HOOK_CLAIMS) {
    error "${step.name}: transport 'controller' expected a hook on the controller that takes this job's claims, " +
      'got none; have an administrator accept them, or name a service'
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
  final String claims = byController ? "${room}/.jenkins-notary/claims-${id}.json" : ''
  final List values = listValues(step, args, folder, claims)
  Map answer = [:]
  try {
    writeFile file: "${folder}/assets.txt", text: listAssets(args), encoding: 'UTF-8'
    if (isService || byController) { writeAgent(folder, unix) }
    final int code = isService && !byController ?
      executeWithToken(step.name, values, unix, args.credentialsId ?: 'jenkins-notary') :
      execute(step.name, values, unix)
    answer = judge(step, args, byController, code, readAnswer(folder))
  } catch (Exception problem) {
    // By its name: the plugin with its class may be missing.
    if (problem.getClass().simpleName != 'CredentialNotFoundException') { throw problem }
    answer = [kind: 'fault', text: describeCredential(args, problem.message), lines: '', results: []]
  } finally {
    final String kept = byController ? 'claims-*.json' : args.archiveReceipts ? 'receipts/**' : ''
    leave(room, answer.kind == 'done' ? kept : '')
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
  final String script = libraryResource("jenkins_notary/run-agent.${unix ? 'sh' : 'bat'}")
  final Map call = [script: script, returnStatus: true, label: name]
  // Two blocks: in one, a name would keep the letter case that was inherited.
  withEnv(listBlanks(values)) {
    withEnv(values) {
      return unix ? sh(call) : bat(call)
    }
  }
}

/** Runs the script with the service's token, which only this one call sees. */
int executeWithToken(String name, List values, boolean unix, String credentialsId) {
  withCredentials([string(credentialsId: credentialsId, variable: 'JENKINS_NOTARY_TOKEN')]) {
    return execute(name, values, unix)
  }
}

/** Returns what is said where the service's token is not to be had. */
@NonCPS
String describeCredential(Map args, String problem) {
  final String name = args.credentialsId ?: 'jenkins-notary'
  return plain("credentialsId: expected the secret text '${name}', got: ${problem}; add it, or name another one")
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
  final List absent = ['fault', 'jenkins-notary is not installed on this agent; ' +
    'install it, put it on PATH, or name a service by ledger:']
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
  final List names = (step.needs + step.allows + ['ledger', 'credentialsId', 'onFailure', 'onUnavailable']).flatten()
  final String allowed = "allowed are ${names.join(', ')}"
  final List unknown = args.keySet().findAll { !names.contains(it) }.collect { plain(it) }
  if (unknown) { return "unknown argument ${unknown.join(', ')}; ${allowed}" }
  for (need in step.needs) {
    final int count = asList(need).count { args.containsKey(it) }
    final String expected = asList(need).join(' or ')
    if (count == 0) { return "expected ${expected}, got none; ${allowed}" }
    if (count > 1) { return "expected only one of ${expected}, got ${count}; ${allowed}" }
  }
  final Map choices = [onFailure: ['fail', 'unstable'], onUnavailable: step.unavailable, transport: ['controller']]
  for (choice in choices) {
    final Object given = args[choice.key]
    if (given != null && !choice.value.contains("${given}".toString())) {
      return "${choice.key}: expected ${choice.value.join(' or ')}, got ${plain(given)}"
    }
  }
  if (mode && !['observe', 'warn', 'enforce'].contains(mode)) {
    return "JENKINS_NOTARY_MODE: expected observe, warn or enforce, got ${plain(mode)}"
  }
  for (arg in args) {
    final String fault = findValueFault(arg.key, arg.value)
    if (fault) { return "${arg.key}: ${fault}" }
  }
  return ''
}

/** Returns why a value cannot be handed to the program, or ''. */
@NonCPS
String findValueFault(String name, Object value) {
  if (name == 'archiveReceipts') {
    return value instanceof Boolean ? '' : "expected true or false, got ${plain(value)}"
  }
  if (name == 'attributes' && !(value instanceof Map)) { return 'expected a map, got none' }
  if (name != 'attributes' && value instanceof Map) { return 'expected a text or list, got a map' }
  final List keys = value instanceof Map ? value.keySet().toList() : []
  if (keys.any { "${it}".contains('=') }) { return "expected no = in a key, got ${plain(keys)}" }
  final List values = keys + (value instanceof Map ? value.values().toList() : asList(value))
  if (!values && name == 'assets') { return 'expected at least one, got none' }
  for (one in values) {
    final String text = "${one}"
    if (one instanceof Map || one instanceof Collection) { return 'expected texts, got a list or map in it' }
    if (one == null || !text.trim()) { return 'expected a text, got an empty one' }
    if (text.contains('\n') || text.contains('\r') || text.indexOf(0) >= 0) {
      return "expected no line break or NUL, got ${plain(text)}"
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
List listValues(Map step, Map args, String folder, String claims) {
  final boolean finds = step.command == 'evidence'
  final Map texts = [
    ledger: 'LEDGER', job: 'JOB', name: 'NAME', reason: 'REASON', digestFile: 'DIGEST_FILE', org: 'ORG', asOf: 'AS_OF',
    strict: 'STRICT', policy: 'POLICY', label: 'LABEL', mime: 'MIME', commit: 'COMMIT', signer: 'EVIDENCE_SIGNER',
    since: 'SINCE', until: 'UNTIL', limit: 'LIMIT',
  ] + (finds ? [digest: 'DIGEST'] : [:])
  final Map lists = [attributes: 'ATTR', attach: 'ATTACH', supersede: 'SUPERSEDE', signers: 'SIGNER'] +
    (finds ? [:] : [digest: 'ATTACH_DIGEST'])
  final List values = [
    "NOTARY_DIR=${folder}", "NOTARY_COMMAND=${step.command}", "NOTARY_ARG=${args[step.argument] ?: ''}",
  ]
  if (args.archiveReceipts) { values << "JENKINS_NOTARY_RECEIPTS=${folder}" }
  if (claims) { values << "JENKINS_NOTARY_CLAIMS=${claims}" }
  for (arg in args) {
    if (arg.key == step.argument) { continue }
    if (texts[arg.key]) { values << "JENKINS_NOTARY_${texts[arg.key]}=${arg.value}" }
    if (lists[arg.key]) { values << "JENKINS_NOTARY_${lists[arg.key]}=${formatLines(arg.value)}" }
  }
  // A Java in a POSIX locale hands on ? for what is not ASCII: the script looks for that.
  if (values.any { !(it ==~ '\\p{ASCII}*') }) { values << 'NOTARY_UTF8=\u2713' }
  return (values + (step.values ?: [])).collect { it.toString() }
}

/**
 * Returns what unsets each option that a call decides, or leaves at its default: none is inherited.
 *
 * Where the ledger is, how it and Jenkins are reached, and whose word counts is the environment's to say.
 */
@NonCPS
List listBlanks(List values) {
  final List options = [
    'AGAIN', 'AGAINST', 'AS_OF', 'ATTACH', 'ATTACH_DIGEST', 'ATTR', 'CLAIMS', 'COLLECT_JOB', 'COMMIT', 'DIGEST',
    'DIGEST_FILE', 'EPHEMERAL_OK', 'EVENT_TIMEOUT', 'EVIDENCE_BEFORE', 'EVIDENCE_JOB', 'EVIDENCE_SIGNER', 'FOLLOW',
    'INTERVAL', 'JOB', 'LABEL', 'LIMIT', 'MIME', 'NAME', 'NULL', 'ONLY', 'OUTBOX', 'OUTPUT', 'POLICY', 'QUIET',
    'REASON', 'RECEIPT', 'RECEIPTS', 'SECRETS', 'SINCE', 'SPOOL', 'STARTED', 'SUPERSEDE', 'UNTIL',
  ]
  final List names = (options + listOwnRule(values)).collect { "JENKINS_NOTARY_${it}=".toString() } + ['NOTARY_UTF8=']
  return names + values.collect { it.substring(0, it.indexOf('=') + 1) }
}

/**
 * Returns the options of whose word counts, where the step has a rule of its own, which goes before the site's.
 *
 * The site's rule stays otherwise, and so does `strict`: without them more would pass.
 */
@NonCPS
List listOwnRule(List values) {
  final List rule = ['ORG', 'SIGNER']
  return rule.any { option -> values.any { it.startsWith("JENKINS_NOTARY_${option}=") } } ? rule : []
}

/** Returns a line for each item of a list or map. */
@NonCPS
String formatLines(Object value) {
  final List items = value instanceof Map ? value.collect { "${it.key}=${it.value}" } : asList(value)
  return items.collect { "${it}\n" }.join('')
}

/** Returns the list file's text: a line for each asset. */
@NonCPS
String listAssets(Map args) {
  return formatLines(args.image ? "image://${args.image}" : args.assets)
}

/** Returns what the exit code and the program's document come to. */
@NonCPS
Map judge(Map step, Map args, boolean byController, int code, String text) {
  final Map document = readDocument(text)
  final List row = exitCodes()[code] ?: ['fault', 'an exit code that jenkins-notary does not have']
  final String lack = isAnswer(document, code) ? findLack(step, args, byController, document) :
    'a whole answer that says the same'
  if (lack) {
    final boolean isOurs = code < 100 || !exitCodes()[code]
    final String why = isOurs ? ", but without ${lack}; it does not count" : ''
    return [kind: 'fault', text: "exit code ${code}: ${row[1]}${why}".toString(), lines: '', results: []]
  }
  // Receipts are files: archived with the build, not saved with its program.
  final List results = listResults(document).collect { one -> one.findAll { it.key != 'receipt' } }
  final List reasons = results.findAll { it.code }.take(5).collect {
    "${it.name} is ${it.status ?: 'not checked'}: ${it.error ? it.error.message : it.reason}"
  }
  final String said = document.error ? "${document.message}".replaceAll('\\n *', '; ') : reasons.join('; ')
  return [
    kind: row[0],
    text: plain("exit code ${code}: ${row[1]}${said ? ': ' + said : ''}"),
    lines: formatResults(results),
    results: results,
  ]
}

/** Returns whether a document is whole and its worst code is the exit code. */
@NonCPS
boolean isAnswer(Map document, int code) {
  if (document == null) { return false }
  final List codes = document.error ? [document.code] : listResults(document).collect { it.code }
  final boolean isKnown = codes.every { severity().contains(it) } && !(document.error && code < 64)
  return isKnown && (severity().find { codes.contains(it) } ?: 0) == code
}

/**
 * Returns what an answer lacks of what its command promises, or ''.
 *
 * Silence is no verdict: each word that names assets has a result.
 */
@NonCPS
String findLack(Map step, Map args, boolean byController, Map document) {
  if (document.error) { return '' }
  final boolean ofAssets = ['notarize', 'untrust', 'unsupport', 'authenticate', 'gate'].contains(step.command)
  final String key = ofAssets ? 'assets' : 'records'
  final int least = ofAssets ? asList(args.image ?: args.assets).size() : step.command == 'collect' ? 0 : 1
  final Object results = document[key]
  if (!(results instanceof List) || results.size() < least) { return "its ${key}, ${least} or more".toString() }
  // What could not be read or judged has an error and its code instead.
  return results.findAll { it.code < 64 }.collect { findGap(step.command, byController, it) }.find { it } ?: ''
}

/** Returns what a result lacks of what its command promises, or ''. */
@NonCPS
String findGap(String command, boolean byController, Map one) {
  if (command == 'gate') {
    return one.allowed == (one.code == 0) && [0, 5].contains(one.code) ? '' : 'the decision that the code means'
  }
  if (command == 'authenticate') {
    final String verdict = one.code == 0 ? 'TRUSTED' : exitCodes()[one.code][1]
    return one.status == verdict ? '' : 'the status that the code means'
  }
  // What the hook is to record has no place in the log yet; anything else that was recorded has.
  final boolean hasIndex = one.index instanceof Integer || one.index instanceof Long
  if (hasIndex == byController) { return byController ? 'a mere claim' : 'the index of each record' }
  final String status = [notarize: 'TRUSTED', untrust: 'UNTRUSTED', unsupport: 'UNSUPPORTED'][command]
  return !status || one.status == status && one.code == 0 ? '' : "the status ${status}".toString()
}

/** Returns a document's list of assets or records; an empty one for an error. */
@NonCPS
List listResults(Map document) {
  return document.error ? [] : document.assets ?: document.records ?: []
}

/** Returns a line for each of the first results. */
@NonCPS
String formatResults(List results) {
  final List lines = results.take(20).collect { plain("${it.status ?: it.type ?: 'ERROR'}  ${it.digest}  ${it.name}") }
  return (lines + (results.size() > 20 ? ["and ${results.size() - 20} more"] : [])).join('\n')
}

/** Returns a JSON document of results or an error as plain maps; null for anything else. */
@NonCPS
Map readDocument(String text) {
  try {
    // In brackets, for the parser would not see what follows a document.
    final List documents = copy(new JsonSlurper().parseText("[${text}]".toString()))
    final Object document = documents.size() == 1 ? documents[0] : null
    final Object results = document instanceof Map ? listResults(document) : null
    final boolean isOurs = results instanceof List && results.every { it instanceof Map } &&
      (document.error || document.containsKey('assets') != document.containsKey('records'))
    return isOurs && countKeys(document) == countWrittenKeys(text) ? document : null
  } catch (Exception broken) {
    return null
  }
}

/** Returns how many keys a document has: fewer than were written if one stands twice. */
@NonCPS
int countKeys(Object value) {
  int count = 0
  if (value instanceof Map) {
    for (entry in value) { count += 1 + countKeys(entry.value) }
  } else if (value instanceof List) {
    for (one in value) { count += countKeys(one) }
  }
  return count
}

/** Returns how many keys stand in a JSON text: outside of quotes each has the one colon. */
@NonCPS
int countWrittenKeys(String text) {
  return text.replaceAll('"(?:[^"\\\\]++|\\\\.)*+"', '').replaceAll('[^:]', '').length()
}

/** Returns plain maps and lists, which Jenkins can save: the parser's own maps cannot be. */
@NonCPS
Object copy(Object value) {
  if (value instanceof Map) {
    final Map made = [:]
    for (entry in value) { made[entry.key.toString()] = copy(entry.value) }
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

/** Returns a list of what is a list, a set or an array, and of one value. */
@NonCPS
List asList(Object value) {
  if (value instanceof Collection || value instanceof Object[]) { return value.toList() }
  return value == null ? [] : [value]
}

/** Returns the arguments that were given. */
@NonCPS
Map withoutNulls(Map given) {
  return given.findAll { it.value != null }
}

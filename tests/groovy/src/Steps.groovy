import groovy.transform.CompileStatic
import java.nio.charset.StandardCharsets
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.NoSuchFileException
import java.nio.file.Path

/** What Jenkins throws when a step fails. */
class AbortException extends IOException {
  private static final long serialVersionUID = 1L

  AbortException(String message) { super(message) }
}

/** What the credentials-binding plugin throws; it is known by its name. */
class CredentialNotFoundException extends AbortException {
  private static final long serialVersionUID = 1L

  CredentialNotFoundException(String message) { super(message) }
}

/** `env`: the build's environment within the blocks that are open. */
@CompileStatic
class Env implements Serializable {
  private static final long serialVersionUID = 1L

  @Override Object getProperty(String name) { return Jenkins.current.environment()[name] }
  @Override void setProperty(String name, Object value) { Jenkins.current.env[name] = "${value}".toString() }
}

/** `currentBuild`: a result that only ever gets worse. */
@CompileStatic
class CurrentBuild implements Serializable {
  private static final long serialVersionUID = 1L

  String getResult() { return Jenkins.current.result }
  void setResult(String value) { Jenkins.current.worsen(value) }
  String getCurrentResult() { return Jenkins.current.result ?: 'SUCCESS' }
}

/**
 * The steps of Jenkins that pipelines here use. Files are real, and `sh` runs a real shell
 * in a real workspace; `bat` cannot run here and answers as the test says.
 */
class Steps {
  /** What `Prelude.groovy` runs. */
  static final Set<String> BLOCKS = [
    'node', 'stage', 'withEnv', 'withCredentials', 'dir', 'timeout', 'catchError', 'script', 'parallel',
    'pipeline', 'agent', 'label', 'stages', 'steps', 'post', 'environment', 'options', 'matrix', 'axes', 'axis',
    'name', 'values', 'always', 'success', 'failure',
  ] as Set
  static final Set<String> IN_NODE = [
    'sh', 'bat', 'isUnix', 'pwd', 'writeFile', 'readFile', 'fileExists', 'deleteDir', 'archiveArtifacts', 'copyArtifacts',
  ] as Set
  static final Set<String> ANYWHERE = [
    'echo', 'error', 'unstable', 'libraryResource', 'string', '__open', '__close', '__settle', '__parallel',
  ] as Set

  static boolean isBlock(String name, Object[] args) { return BLOCKS.contains(name) }

  static boolean isKnown(String name) { return IN_NODE.contains(name) || ANYWHERE.contains(name) }

  final Jenkins jenkins

  Steps(Jenkins jenkins) { this.jenkins = jenkins }

  Object run(String name, List args) {
    if (IN_NODE.contains(name) && !jenkins.environment().WORKSPACE) {
      throw new IllegalStateException("Required context class hudson.FilePath is missing (${name})")
    }
    return "$name"(args ? args[0] : [:])
  }

  def echo(message) { jenkins.log << "${text(message)}\n" }
  def error(message) { throw new AbortException(text(message)) }

  def unstable(message) {
    jenkins.log << "WARNING: ${text(message)}\n"
    jenkins.worsen('UNSTABLE')
  }

  private static String text(given) { return given instanceof Map ? given.message : given }

  def isUnix(args) { return jenkins.isUnix }
  def string(Map args) { return [kind: 'string'] + args }

  def pwd(args) {
    final boolean isTmp = args instanceof Map && args.tmp
    return isTmp ? "${jenkins.workspace}@tmp".toString() : jenkins.folder().path
  }

  private File file(String path) {
    final String local = jenkins.isUnix ? path : path.replace('\\', '/')
    return local.startsWith('/') ? new File(local) : new File(jenkins.folder(), local)
  }

  def writeFile(Map args) {
    final File target = file(args.file)
    target.parentFile.mkdirs()
    target.bytes = args.encoding == 'Base64' ? args.text.decodeBase64() : args.text.getBytes(args.encoding ?: 'UTF-8')
  }

  def readFile(args) {
    final File source = file(args instanceof Map ? args.file : args)
    if (!source.file) { throw new NoSuchFileException(source.path) }
    return new String(source.bytes, args instanceof Map ? args.encoding ?: 'UTF-8' : 'UTF-8')
  }

  def fileExists(args) { return file(args instanceof Map ? args.file : args).exists() }
  def deleteDir(args) { jenkins.folder().deleteDir() }

  def libraryResource(args) {
    final File source = new File(Jenkins.ROOT, "resources/${args instanceof Map ? args.resource : args}")
    if (!source.file) { throw new AbortException("No such library resource ${source.name} could be found.") }
    return args instanceof Map && args.encoding == 'Base64' ? source.bytes.encodeBase64().toString() : source.getText('UTF-8')
  }

  def sh(args) {
    final Map given = args instanceof Map ? args : [script: args]
    assert jenkins.isUnix: 'sh on a Windows agent'
    final File script = File.createTempFile('script', '.sh')
    script.setText(given.script, 'UTF-8')
    final List command = given.script.startsWith('#!') ? [script.path] : ['sh', '-xe', script.path]
    script.executable = true
    final ProcessBuilder builder = new ProcessBuilder(command as String[]).directory(jenkins.folder())
    builder.environment().clear()
    builder.environment().putAll(jenkins.agentEnvironment + jenkins.environment().collectEntries { key, value ->
      [key, jenkins.mangles ? value.replaceAll('\\P{ASCII}', '?') : value]
    })
    jenkins.ran << new Ran(script: given.script, label: given.label, environment: new TreeMap(jenkins.environment()))
    final Process process = builder.redirectErrorStream(!given.returnStdout).start()
    process.outputStream.close()
    final String output = new String(process.inputStream.bytes, StandardCharsets.UTF_8)
    if (given.returnStdout) { jenkins.log << new String(process.errorStream.bytes, StandardCharsets.UTF_8) } else { jenkins.log << output }
    final int code = process.waitFor()
    script.delete()
    return finish(given, code, output)
  }

  def bat(args) {
    final Map given = args instanceof Map ? args : [script: args]
    assert !jenkins.isUnix: 'bat on a Unix agent'
    jenkins.ran << new Ran(script: given.script, label: given.label, environment: new TreeMap(jenkins.environment()))
    return finish(given, jenkins.onBat.call(given, jenkins.environment()), '')
  }

  private static finish(Map given, int code, String output) {
    if (given.returnStatus) { return code }
    if (code) { throw new AbortException("script returned exit code ${code}") }
    return given.returnStdout ? output : null
  }

  def archiveArtifacts(args) {
    final Map given = args instanceof Map ? args : [artifacts: args]
    final List<String> found = match(jenkins.folder(), given.artifacts, given.excludes ?: '')
    if (!found && !given.allowEmptyArchive) { throw new AbortException("No artifacts found that match ${given.artifacts}") }
    for (path in found) { copy(new File(jenkins.folder(), path), new File(jenkins.archive, path)) }
  }

  def copyArtifacts(Map args) {
    final File archive = jenkins.archives[args.projectName]
    if (!archive) { throw new AbortException("no such project ${args.projectName}") }
    for (path in match(archive, args.filter ?: '**', '')) { copy(new File(archive, path), file(path)) }
  }

  private static void copy(File source, File target) {
    target.parentFile.mkdirs()
    target.bytes = source.bytes
  }

  /** Returns the files below a folder that match patterns as Ant reads them. */
  private static List<String> match(File root, String patterns, String excludes) {
    final Closure matchers = { String text ->
      text.tokenize(',')*.trim().collectMany { it.contains('**/') ? [it, it.replace('**/', '')] : [it] }
        .collect { FileSystems.default.getPathMatcher("glob:${it}") }
    }
    final List wanted = matchers(patterns)
    final List unwanted = matchers(excludes)
    final List<String> found = []
    root.eachFileRecurse(groovy.io.FileType.FILES) { File one ->
      final Path path = root.toPath().relativize(one.toPath())
      if (wanted.any { it.matches(path) } && !unwanted.any { it.matches(path) }) { found << path.toString() }
    }
    return found.sort()
  }
}

/** A shell step that ran: its script, and what Jenkins added to its environment. */
class Ran {
  String script
  String label
  Map<String, String> environment
}

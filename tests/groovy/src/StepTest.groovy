import groovy.json.JsonOutput
import org.junit.Before
import org.junit.Rule
import org.junit.rules.TemporaryFolder

/** A build on an agent with the installed program and a real ledger. */
abstract class StepTest {
  static final String JOB = 'ci.example.com:payments/api/main#42'
  @Rule public TemporaryFolder temporary = new TemporaryFolder()
  Jenkins jenkins

  @Before void makeLedger() {
    jenkins = new Jenkins(temporary.root).withLedger()
    write('app.jar', 'jar')
  }

  File write(String path, String text) {
    final File file = new File(jenkins.workspace, path)
    file.parentFile.mkdirs()
    file.setText(text, 'UTF-8')
    return file
  }

  /** Runs the body of a node. */
  Flow runNode(String body) { return jenkins.run("node('linux') {\n${body}\n}") }

  /** Runs the body of a node that must succeed; returns its value. */
  Object succeed(String body) {
    final Flow done = runNode(body)
    assert done.failure == null: jenkins.log
    return done.result
  }

  /** Runs the body of a node that must fail; returns the message. */
  String fail(String body) {
    final Flow done = runNode(body)
    assert done.failure instanceof AbortException: "${jenkins.log}\n${done.failure}"
    return done.failure.message
  }

  /** Returns the records of a job in the ledger. */
  List<Map> evidence(String job = JOB) {
    final Map done = jenkins.run('evidence', job)
    return done.code == 66 ? [] : done.document.records
  }

  /** Returns what the program prints when all went well. */
  static Map good(String key, int count = 1, String status = 'TRUSTED') {
    return [(key): (1..count).collect { [name: "a${it}".toString(), status: status, code: 0, digest: 'sha256:00', index: it, allowed: true] }]
  }

  /** Puts a program in the place of the real one: it ends with a code after printing a document. */
  void fakeProgram(int code, Object document) {
    final File programs = temporary.newFolder()
    final String answer = document instanceof String ? document : JsonOutput.toJson(document)
    new File(programs, 'answer').setText(answer, 'UTF-8')
    final File program = new File(programs, 'jenkins-notary')
    program.text = "#!/bin/sh\ncat >/dev/null\ncat '${programs}/answer'\nexit ${code}\n"
    program.executable = true
    jenkins.agentEnvironment.PATH = "${programs}:${System.getenv('PATH')}".toString()
  }

  /** Returns the environment that steps of this project gave to the only shell step. */
  Map<String, String> given() {
    assert jenkins.ran.size() == 1
    return jenkins.ran[0].environment.findAll { it.key.startsWith('NOTARY_') || it.key.startsWith('JENKINS_NOTARY_') }
  }

  List<String> names() { return jenkins.calls*.name }

  List<File> archived() {
    final List<File> found = []
    jenkins.archive.eachFileRecurse(groovy.io.FileType.FILES) { found << it }
    return found.sort()
  }
}

import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.CpsTransformer
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import org.codehaus.groovy.control.CompilerConfiguration

/**
 * A small Jenkins for one build: runs a pipeline that calls the steps of `vars/` under the
 * real CPS transformation, and saves and loads the whole program at every step.
 *
 * What is real: groovy-cps, serialization, files, the shell, the program and its ledger.
 * What is imitated: the steps that Jenkins brings, and saved iterators (see SavedIterators).
 */
class Jenkins {
  static final File ROOT = new File('../..').canonicalFile
  static final File PROGRAMS = new File(System.getenv('JENKINS_NOTARY_BIN') ?: "${ROOT}/.venv/bin")
  static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
  static Jenkins current
  private static File madeOnce
  private static final Map<String, Class> compiled = [:]

  final File home
  final File workspace
  final File archive
  final Map<String, String> env
  final Map<String, String> agentEnvironment
  /** Secret texts by id. */
  final Map<String, String> secrets = [:]
  /** Archives of other jobs, by name. */
  final Map<String, File> archives = [:]
  final StringBuilder log = new StringBuilder()
  final List<Ran> ran = []
  final List<StepCall> calls = []
  boolean isUnix = true
  /** Whether the agent's Java runs in a POSIX locale: seen on a real one. */
  boolean mangles = false
  Closure<Integer> onBat = { Map given, Map environment -> 0 }
  /** Called before each step, by name and arguments: a test throws or looks. */
  Closure onStep = { String name, List args -> }
  String result
  int roundTrips = 0
  private Flow flow

  Jenkins(File home, String job = 'payments/api/main', int number = 42) {
    this.home = home
    workspace = new File(home, "workspace/${job.replace('/', '_')}")
    archive = new File(home, "jobs/${job}/builds/${number}/archive")
    workspace.mkdirs()
    archive.mkdirs()
    env = [
      JENKINS_URL: 'https://ci.example.com/', JOB_NAME: job, BUILD_NUMBER: "${number}".toString(),
      BUILD_URL: "https://ci.example.com/job/${job.replace('/', '/job/')}/${number}/".toString(),
      JENKINS_NOTARY_LEDGER: "sqlite:///${home}/notary/ledger.db".toString(),
    ]
    agentEnvironment = [
      PATH: "${PROGRAMS}:${System.getenv('PATH')}".toString(), HOME: "${home}/agent".toString(),
      LANG: 'C.UTF-8',
    ]
  }

  /** Puts a ledger there, as an administrator does once on a host that stays. */
  Jenkins withLedger() {
    // Made once, and copied: a third of the time of all tests would go into making it.
    if (!madeOnce) {
      madeOnce = Files.createTempDirectory('ledger').toFile()
      addShutdownHook { madeOnce.deleteDir() }
      assert new Jenkins(madeOnce).run('ledger', 'init').code == 0
    }
    for (name in ['agent', 'notary']) {
      new File(madeOnce, name).eachFileRecurse(groovy.io.FileType.FILES) { File one ->
        final File target = new File(home, madeOnce.toPath().relativize(one.toPath()).toString())
        target.parentFile.mkdirs()
        Files.copy(one.toPath(), target.toPath(), StandardCopyOption.COPY_ATTRIBUTES)
      }
    }
    return this
  }

  /** Runs the program outside any build; returns its code and its document. */
  Map run(String... words) {
    final Map done = execute((words as List) + ['-o', 'json'])
    return done + [document: done.text ? new groovy.json.JsonSlurperClassic().parseText(done.text) : null]
  }

  /** Returns what the program prints outside any build. */
  String print(String... words) { return execute(words as List).text }

  private Map execute(List<String> words) {
    final ProcessBuilder builder = new ProcessBuilder(["${PROGRAMS}/jenkins-notary".toString()] + words)
    builder.environment().clear()
    builder.environment().putAll(agentEnvironment + [JENKINS_NOTARY_LEDGER: env.JENKINS_NOTARY_LEDGER])
    final Process process = builder.directory(workspace).start()
    process.outputStream.close()
    final String text = process.inputStream.getText('UTF-8')
    return [code: process.waitFor(), text: text, said: process.errorStream.text]
  }

  /** The environment that Jenkins gives to a step within the blocks that are open. */
  Map<String, String> environment() {
    // Names have no letter case there, and keep that of the first.
    final Map<String, String> found = new TreeMap(String.CASE_INSENSITIVE_ORDER)
    found.putAll(env)
    for (scope in flow?.scopes) {
      if (scope.containsKey('node')) { found.putAll(WORKSPACE: workspace.path, NODE_NAME: scope.node ?: 'built-in') }
      if (scope.stage) { found.STAGE_NAME = scope.stage }
      for (pair in scope.env) {
        final int place = pair.indexOf('=')
        assert place > 0: "withEnv: ${pair}"
        // Jenkins removes a variable whose value is empty.
        if (pair.substring(place + 1)) { found[pair.substring(0, place)] = pair.substring(place + 1) } else { found.remove(pair.substring(0, place)) }
      }
      for (one in scope.credentials) {
        if (!secrets.containsKey(one.credentialsId)) { throw new CredentialNotFoundException("Could not find credentials entry with ID '${one.credentialsId}'") }
        found[one.variable] = secrets[one.credentialsId]
      }
    }
    return found
  }

  /** The folder that steps work in. */
  File folder() {
    File found = workspace
    for (scope in flow.scopes) {
      if (scope.dir) { found = scope.dir.startsWith('/') ? new File(scope.dir) : new File(found, scope.dir) }
    }
    found.mkdirs()
    return found
  }

  List<String> folderNames() { return workspace.list().sort() }

  void worsen(String wanted) {
    if (!result || RESULTS.indexOf(wanted) > RESULTS.indexOf(result)) { result = wanted }
  }

  /** Runs a pipeline to its end; a failure sets the build's result and is returned as `failure`. */
  Flow run(String pipeline) {
    current = this
    final GroovyClassLoader loader = makeLoader(library().values().first().classLoader.parent)
    final Binding variables = new Binding(env: new Env(), currentBuild: new CurrentBuild(), any: 'any', none: 'none', __models: [])
    library().each { name, type -> variables.setVariable(name, make(type, variables)) }
    flow = new Flow(program: new Continuable(make(loader.parseClass(pipeline, 'Jenkinsfile'), variables)))
    final Flow main = drive(flow, loader)
    if (main.failure) {
      worsen('FAILURE')
      log << "ERROR: ${main.failure.message}\n"
    }
    return main
  }

  /** The steps of `vars/` and the block steps, compiled once: the transformation takes its time. */
  private static Map<String, Class> library() {
    if (!compiled) {
      final GroovyClassLoader loader = makeLoader(Jenkins.classLoader)
      compiled.__prelude = loader.parseClass(new File('Prelude.groovy').text, 'Prelude.groovy')
      for (file in new File(ROOT, 'vars').listFiles().findAll { it.name.endsWith('.groovy') }) {
        compiled[file.name - '.groovy'] = loader.parseClass(file.getText('UTF-8'), file.name)
      }
    }
    return compiled
  }

  private static Script make(Class type, Binding variables) {
    final Script script = type.newInstance()
    script.binding = variables
    return script
  }

  private static GroovyClassLoader makeLoader(ClassLoader parent) {
    final CompilerConfiguration configuration = new CompilerConfiguration()
    configuration.addCompilationCustomizers(new CpsTransformer())
    configuration.scriptBaseClass = StepScript.name
    return new GroovyClassLoader(parent, configuration)
  }

  /** Runs a flow step by step; everything is saved and loaded while it waits. */
  private Flow drive(Flow main, GroovyClassLoader loader) {
    final Steps steps = new Steps(this)
    for (int turn = 0; !main.isDone; turn++) {
      final List<Flow> ready = listReady(main)
      Flow on = ready[turn % ready.size()]
      StepCall call = on.advance()
      if (call != null) {
        (main, on, call) = (List) Saved.roundTrip([main, on, call], loader)
        roundTrips++
        flow = on
        perform(steps, on, call, loader)
      }
    }
    return main
  }

  /** Returns the flows that can go on: branches take turns, and who waits for all is last. */
  private static List<Flow> listReady(Flow on) {
    if (!on.branches) { return on.isDone ? [] : [on] }
    final List<Flow> ready = on.branches.values().collectMany { listReady(it) }
    if (ready) { return ready }
    on.thrown = on.branches.values().find { it.failure }?.failure
    on.value = on.thrown ? null : on.branches.collectEntries { name, one -> [name, one.result] }
    on.branches = [:]
    return [on]
  }

  private void perform(Steps steps, Flow on, StepCall call, GroovyClassLoader loader) {
    try {
      switch (call.name) {
        case '__open': on.scopes << call.args[0]; environment(); break
        case '__close': on.scopes.pop(); break
        case '__settle': worsen(call.args[0].result); log << "ERROR: ${call.args[0].message}\n"; break
        case '__parallel': on.branches = call.args[0].findAll { it.key != 'failFast' }.collectEntries { name, body -> [name, makeBranch(loader, body, on)] }; break
        default:
          calls << call
          onStep(call.name, call.args)
          on.value = steps.run(call.name, call.args)
      }
    } catch (Throwable problem) {
      if (call.name == '__open') { on.scopes.pop() }
      on.thrown = problem
    }
  }

  private static Flow makeBranch(GroovyClassLoader loader, Closure body, Flow parent) {
    final Script branch = make(loader.parseClass('__branch()', 'Branch'), new Binding([__branch: body]))
    return new Flow(program: new Continuable(branch), scopes: new ArrayList(parent.scopes))
  }
}

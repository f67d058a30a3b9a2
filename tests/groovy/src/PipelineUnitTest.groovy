import com.lesfurets.jenkins.unit.BasePipelineTest
import groovy.json.JsonOutput
import org.junit.Before
import org.junit.Test

/** JenkinsPipelineUnit, which library authors know, runs every step too; nothing is saved here. */
class PipelineUnitTest extends BasePipelineTest {
  static final Map CALLS = [
    notaryNotarize: [assets: 'a'], notaryAuthenticate: [assets: 'a'], notaryUntrust: [assets: 'a', reason: 'r'],
    notaryUnsupport: [assets: 'a', reason: 'r'], notaryGate: [assets: 'a', policy: 'p'], notaryAttach: [file: 'f'],
    notaryEvidence: [job: 'a#1'], notaryBuildLog: [:], notaryStage: [assets: 'a'],
  ]
  String answer
  int code = 0

  @Override @Before void setUp() throws Exception {
    scriptRoots = ["${Jenkins.ROOT}/vars".toString()]
    scriptExtension = 'groovy'
    super.setUp()
    binding.setVariable('env', [WORKSPACE: '/w', JOB_NAME: 'a', BUILD_NUMBER: '1'])
    helper.registerAllowedMethod('isUnix', []) { true }
    helper.registerAllowedMethod('pwd', [Map]) { '/w@tmp' }
    helper.registerAllowedMethod('writeFile', [Map]) { }
    helper.registerAllowedMethod('readFile', [Map]) { answer }
    helper.registerAllowedMethod('libraryResource', [String]) { 'the script' }
    helper.registerAllowedMethod('withEnv', [List, Closure]) { List values, Closure body -> body() }
    helper.registerAllowedMethod('dir', [String, Closure]) { String path, Closure body -> body() }
    helper.registerAllowedMethod('stage', [String, Closure]) { String name, Closure body -> body() }
    helper.registerAllowedMethod('sh', [Map]) { code }
    helper.registerAllowedMethod('unstable', [String]) { updateBuildStatus('UNSTABLE') }
    ['deleteDir': [], 'archiveArtifacts': [Map], 'echo': [String]].each { name, types -> helper.registerAllowedMethod(name, types) { } }
    final Script run = loadScript('notaryRun.groovy')
    binding.setVariable('notaryRun', run)
    helper.registerAllowedMethod('notaryRun', [Map, Map]) { Map step, Map args -> run.call(step, args) }
    binding.setVariable('notaryNotarize', loadScript('notaryNotarize.groovy'))
  }

  private List called(String name) { return helper.callStack.findAll { it.methodName == name } }

  @Test void everyStepIsTriedHere() {
    final List steps = new File(Jenkins.ROOT, 'vars').list().findAll { it.endsWith('.groovy') }*.minus('.groovy')

    assert CALLS.keySet() + 'notaryRun' == steps as Set
  }

  @Test void everyStepRunsOneScript() {
    CALLS.each { name, args ->
      helper.clearCallStack()
      final String status = [notaryUntrust: 'UNTRUSTED', notaryUnsupport: 'UNSUPPORTED'][name] ?: 'TRUSTED'
      final String key = ['notaryAttach', 'notaryEvidence', 'notaryBuildLog'].contains(name) ? 'records' : 'assets'
      answer = JsonOutput.toJson(StepTest.good(key, 1, status))
      final Script step = loadScript("${name}.groovy")
      final List found = name == 'notaryStage' ? step.call(args, 'Build') { } : step.call(args)

      assert found*.name == ['a1']
      assert called('sh')*.args*.getAt(0) == [[script: 'the script', returnStatus: true, label: name]]
      assert called('bat') == [] && called('withCredentials') == []
    }
    assertJobStatusSuccess()
  }

  @Test void aVerdictFailsTheBuild() {
    answer = '{"assets": [{"name": "a", "status": "UNKNOWN", "code": 2, "reason": "no record"}]}'
    code = 2
    loadScript('notaryAuthenticate.groovy').call(assets: 'a')

    // Its `error` marks the build and goes on.
    assert called('error')*.args*.getAt(0) == ['notaryAuthenticate: exit code 2: UNKNOWN: a is UNKNOWN: no record']
    assertJobStatusFailure()
  }
}

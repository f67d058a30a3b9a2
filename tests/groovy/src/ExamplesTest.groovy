import org.junit.Assume
import org.junit.Test

/** Each Jenkinsfile of `examples/` is run as it stands. */
class ExamplesTest extends StepTest {
  private Flow example(Jenkins on, String path, Map<String, String> changes = [:]) {
    String text = new File(Jenkins.ROOT, "examples/jenkins/${path}").getText('UTF-8')
    // Jenkins loads the library for this line; here `vars/` is there already.
    assert text.startsWith("@Library('notary') _\n")
    text = text.replaceFirst(/.*\n/, '\n')
    changes.each { from, to ->
      assert text.contains(from)
      text = text.replace(from, to)
    }
    return on.run(text)
  }

  private Flow succeeds(Jenkins on, String path, Map<String, String> changes = [:]) {
    final Flow done = example(on, path, changes)
    assert done.failure == null: on.log
    assert on.result == null: on.log
    return done
  }

  @Test void everyExampleIsRunByATest() {
    final List found = []
    new File(Jenkins.ROOT, 'examples/jenkins').eachFileRecurse { if (it.name.startsWith('Jenkinsfile')) { found << it.path } }
    final String tests = new File('src/ExamplesTest.groovy').text

    assert found.size() == 6
    found.each { path -> assert tests.contains("'${path - "${Jenkins.ROOT}/examples/jenkins/"}'") }
  }

  @Test void scripted() {
    succeeds(jenkins, 'scripted/Jenkinsfile')

    assert jenkins.log.contains('1 record of this build; the signer is 0x')
    assert evidence()[0].predicate.job.environment.STAGE_NAME == 'Build'
  }

  @Test void declarative() {
    succeeds(jenkins, 'declarative/Jenkinsfile')

    assert new File(jenkins.workspace, 'deployed.txt').exists()
    assert evidence()*.type as Set == ['notarization', 'attachment'] as Set
  }

  @Test void declarativeWithABrokenBuildKeepsItsResultAndStillAttaches() {
    final Flow done = example(jenkins, 'declarative/Jenkinsfile', ["sh 'echo deployed > deployed.txt'": "sh 'exit 7'"])

    assert done.failure.message == 'script returned exit code 7'
    assert evidence()*.type as Set == ['notarization', 'attachment'] as Set
  }

  @Test void matrix() {
    succeeds(jenkins, 'matrix/Jenkinsfile')

    assert jenkins.log.contains('recorded: out/app-linux-amd64 out/app-linux-arm64 out/app-mac-amd64 out/app-mac-arm64\n')
    assert evidence().collectEntries { [it.name, it.predicate.attributes] }['out/app-mac-arm64'] == [platform: 'mac', cpu: 'arm64']
  }

  @Test void imageWithGate() {
    final String registry = System.getenv('JENKINS_NOTARY_TEST_REGISTRY')
    Assume.assumeTrue('JENKINS_NOTARY_TEST_REGISTRY names no registry', registry != null)
    useTools(registry)
    write('release-policy.yaml', new File(Jenkins.ROOT, 'examples/jenkins/image-gate/release-policy.yaml').text)
    succeeds(jenkins, 'image-gate/Jenkinsfile', ['registry.example.com': registry])

    final String ref = evidence()[0].ref
    assert ref ==~ "\\Q${registry}/payments/app@sha256:\\E[0-9a-f]{64}"
    assert new File(jenkins.workspace, 'kubectl.log').text == "set image deployment/app app=${ref}\n"
  }

  @Test void imageOfAnotherFolderIsNotDeployed() {
    final String registry = System.getenv('JENKINS_NOTARY_TEST_REGISTRY')
    Assume.assumeTrue('JENKINS_NOTARY_TEST_REGISTRY names no registry', registry != null)
    jenkins = new Jenkins(temporary.newFolder(), 'playground/app').withLedger()
    useTools(registry)
    write('release-policy.yaml', new File(Jenkins.ROOT, 'examples/jenkins/image-gate/release-policy.yaml').text)
    final Flow done = example(jenkins, 'image-gate/Jenkinsfile', ['registry.example.com': registry])

    assert done.failure.message.startsWith('notaryGate: exit code 5: DENIED: ')
    assert !new File(jenkins.workspace, 'kubectl.log').exists()
  }

  /** Puts in the place of docker what pushes a real image, and in that of kubectl what writes down its words. */
  private void useTools(String registry) {
    final File tools = temporary.newFolder()
    new File(tools, 'docker').text = '''#!/bin/sh
      set -eu
      while [ $# -gt 1 ]; do
        case "$1" in --metadata-file) metadata=$2 ;; --tag) tag=$2 ;; esac
        shift
      done
      skopeo copy --quiet --dest-tls-verify=false --digestfile digest.txt "oci:$TEST_IMAGE" "docker://$tag"
      printf '{"containerimage.digest": "%s"}' "$(cat digest.txt)" > "$metadata"
    '''
    new File(tools, 'kubectl').text = '#!/bin/sh\necho "$*" >> kubectl.log\n'
    tools.listFiles()*.setExecutable(true)
    jenkins.agentEnvironment.PATH = "${tools}:${jenkins.agentEnvironment.PATH}".toString()
    jenkins.agentEnvironment.TEST_IMAGE = System.getenv('JENKINS_NOTARY_TEST_IMAGE')
    jenkins.env.JENKINS_NOTARY_PLAIN_HTTP = registry
  }

  private List<Jenkins> promote(Map<String, String> changes = [:], Closure between = { File artifact -> }) {
    final Jenkins build = new Jenkins(temporary.root, 'payments/build', 7)
    succeeds(build, 'promotion/Jenkinsfile.build', changes)
    between(new File(build.archive, 'target/app.jar'))
    final Jenkins deploy = new Jenkins(temporary.root, 'payments/deploy', 3)
    deploy.archives['payments/build'] = build.archive
    return [build, deploy]
  }

  @Test void promotionBetweenJobsBySha256() {
    final Jenkins deploy = promote()[1]
    succeeds(deploy, 'promotion/Jenkinsfile')

    assert new File(deploy.workspace, 'deployed.jar').text == 'build 7\n'
    assert deploy.log.contains('of ci.example.com:payments/build#7\n')
  }

  @Test void anArtifactThatWasSwappedOnTheWayIsNotPromoted() {
    final Jenkins deploy = promote([:]) { File artifact -> artifact << 'and more' }[1]
    final Flow done = example(deploy, 'promotion/Jenkinsfile')

    assert done.failure.message.startsWith('notaryAuthenticate: exit code 2: UNKNOWN: target/app.jar is UNKNOWN: ')
    assert !new File(deploy.workspace, 'deployed.jar').exists()
  }

  @Test void anArtifactThatAnotherJobHasRecordedIsNotPromoted() {
    final Jenkins other = new Jenkins(temporary.root, 'playground/build', 7)
    succeeds(other, 'promotion/Jenkinsfile.build')
    final Jenkins deploy = new Jenkins(temporary.root, 'payments/deploy', 3)
    deploy.archives['payments/build'] = other.archive
    final Flow done = example(deploy, 'promotion/Jenkinsfile')

    assert done.failure.message == 'target/app.jar was made by ci.example.com:playground/build#7, expected payments/build'
  }
}

import groovy.json.JsonSlurperClassic
import org.junit.Assume
import org.junit.Before
import org.junit.Test

/** With a service, or through the controller, the agent needs no installed program. */
class ServiceTest extends StepTest {
  static final String TOKEN = System.getenv('JENKINS_NOTARY_TEST_SERVICE_TOKEN')
  static final String AWAY = 'http://127.0.0.1:9'
  String url

  @Before void leaveTheProgramOut() {
    url = System.getenv('JENKINS_NOTARY_TEST_SERVICE')
    Assume.assumeTrue('JENKINS_NOTARY_TEST_SERVICE names no service', url != null)
    jenkins.agentEnvironment.PATH = '/usr/local/bin:/usr/bin:/bin'
    jenkins.secrets['jenkins-notary'] = TOKEN
    jenkins.env.JENKINS_NOTARY_LEDGER = url
    write('app.jar', "jar of ${temporary.root}")
  }

  private List<Map> claims() {
    return archived().findAll { it.name.startsWith('claims-') }.collect { (Map) new JsonSlurperClassic().parse(it) }
  }

  @Test void aServiceRecordsAndAnswersWithNothingInstalled() {
    final List found = succeed('''
      notaryNotarize(assets: ['app.jar'], attributes: [release: '1.2'])
      notaryAuthenticate 'app.jar'
      return notaryEvidence(job: "${env.JOB_NAME}#${env.BUILD_NUMBER}", limit: 1)
    ''')

    assert found*.name == ['app.jar']
    assert archived()*.name as Set == ['app.jar.dsse.json', 'app.jar.tlog-proof', 'assets.txt', 'out.json'] as Set
  }

  @Test void theTokenIsInTheEnvironmentOfTheOneCallAndNowhereElse() {
    succeed("notaryNotarize 'app.jar'; sh 'env | sort > seen.txt'")

    assert jenkins.ran[0].environment.JENKINS_NOTARY_TOKEN == TOKEN
    assert !new File(jenkins.workspace, 'seen.txt').text.contains(TOKEN)
    assert !jenkins.ran*.script.join('').contains(TOKEN)
    assert !jenkins.log.contains(TOKEN)
    assert archived().every { !it.text.contains(TOKEN) }
    assert !jenkins.calls.collect { it.args.toString() }.join('').contains(TOKEN)
  }

  @Test void anotherCredentialIsUsedWhenItIsNamed() {
    jenkins.secrets.clear()
    jenkins.secrets['team-a'] = TOKEN
    succeed("notaryNotarize('app.jar', credentialsId: 'team-a')")

    jenkins.ran.clear()
    assert fail("notaryNotarize 'app.jar'") == "notaryNotarize: credentialsId: expected the secret text 'jenkins-notary', got: " +
      "Could not find credentials entry with ID 'jenkins-notary'; add it, or name another one"
    assert jenkins.ran == []
    assert new File("${jenkins.workspace}@tmp").list() as List == []
  }

  @Test void aMissingCredentialIsOnlyToldWhereTheModeOnlyObserves() {
    jenkins.secrets.clear()
    jenkins.env.JENKINS_NOTARY_MODE = 'observe'
    succeed("notaryNotarize 'app.jar'")

    assert jenkins.result == null
    assert jenkins.log.contains("notaryNotarize: credentialsId: expected the secret text 'jenkins-notary', got: ")
  }

  @Test void aWrongTokenFailsTheBuild() {
    jenkins.secrets['jenkins-notary'] = 'wrong.token'

    assert fail("notaryNotarize(assets: 'app.jar', onUnavailable: 'unstable')").startsWith('notaryNotarize: exit code 77: permission denied: ')
  }

  @Test void anEmbeddedLedgerNeedsNoCredential() {
    jenkins = new Jenkins(temporary.newFolder()).withLedger()
    write('app.jar', 'jar')
    succeed("notaryNotarize 'app.jar'")

    assert !jenkins.ran[0].environment.containsKey('JENKINS_NOTARY_TOKEN')
  }

  @Test void throughTheControllerTheAgentOnlyHashes() {
    jenkins.env.JENKINS_NOTARY_HOOK_CLAIMS = '1'
    jenkins.env.JENKINS_NOTARY_LEDGER = AWAY
    jenkins.secrets.clear()
    final List made = succeed("return notaryNotarize('app.jar', transport: 'controller', attributes: [release: '1.2'])")

    assert made*.subMap(['name', 'status', 'code', 'index']) == [[name: 'app.jar', status: 'TRUSTED', code: 0, index: null]]
    assert archived().size() == 1
    final Map claim = claims()[0]
    assert claim.v == 1 && claim.status == 'TRUSTED' && claim.job.id == JOB && claim.attributes == [release: '1.2']
    assert claim.assets*.name == ['app.jar'] && claim.assets[0].subjects[0].digest == made[0].digest
  }

  @Test void throughTheControllerNeedsAHookThatTakesTheJobsClaims() {
    [null, '1'].each {
      if (it) { jenkins.env.JENKINS_NOTARY_HOOK = it }
      assert fail("notaryNotarize('app.jar', transport: 'controller')").contains("transport 'controller' expected a hook on the controller that takes this job's claims, got none; ")
    }
  }

  @Test void aClaimIsQueuedForTheHookWhenTheServiceIsAway() {
    jenkins.env.JENKINS_NOTARY_HOOK_CLAIMS = '1'
    jenkins.env.JENKINS_NOTARY_LEDGER = AWAY
    jenkins.env.JENKINS_NOTARY_TIMEOUT = '1'
    final List made = succeed("return notaryNotarize('app.jar')")

    assert made*.name == ['app.jar']
    assert jenkins.result == null
    assert claims()*.assets*.name == [['app.jar']]
    assert jenkins.log.contains('queued for the hook on the controller')
    assert jenkins.ran.size() == 2
    assert !jenkins.ran[1].environment.containsKey('JENKINS_NOTARY_TOKEN')
  }

  @Test void aHookThatDoesNotTakeTheJobsClaimsQueuesNothingAndTheBuildIsUnstable() {
    jenkins.env.JENKINS_NOTARY_HOOK = '1'
    jenkins.env.JENKINS_NOTARY_LEDGER = AWAY
    jenkins.env.JENKINS_NOTARY_TIMEOUT = '1'
    succeed("notaryNotarize('app.jar', onUnavailable: 'queue')")

    assert jenkins.result == 'UNSTABLE'
    assert archived() == []
  }

  @Test void enforceFailsInsteadOfQueueing() {
    jenkins.env.JENKINS_NOTARY_HOOK_CLAIMS = '1'
    jenkins.env.JENKINS_NOTARY_MODE = 'enforce'
    jenkins.env.JENKINS_NOTARY_LEDGER = AWAY
    jenkins.env.JENKINS_NOTARY_TIMEOUT = '1'

    assert fail("notaryNotarize('app.jar')").startsWith('notaryNotarize: exit code 69: unavailable: ')
    assert archived() == []
  }
}

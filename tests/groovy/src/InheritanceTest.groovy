import org.junit.Test

/** What a step was not given is unset, whatever folders, parameters and the Jenkinsfile left in the environment. */
class InheritanceTest extends StepTest {
  @Test void aNegativeRecordIsNeverOnlyClaimed() {
    final File claims = new File(temporary.root, 'claims.json')
    jenkins.env.JENKINS_NOTARY_CLAIMS = claims.path
    final List made = succeed("return notaryUntrust(assets: 'app.jar', reason: 'CVE-1')")

    assert made*.index == [1]
    assert evidence()*.status == ['UNTRUSTED']
    assert !claims.exists()
  }

  @Test void theLedgerIsNotAskedAsItWas() {
    succeed("notaryNotarize 'app.jar'; notaryUntrust(assets: 'app.jar', reason: 'CVE-1')")
    jenkins.env.JENKINS_NOTARY_AS_OF = '2'

    assert fail("notaryAuthenticate 'app.jar'").startsWith('notaryAuthenticate: exit code 1: UNTRUSTED: ')
  }

  @Test void aNegativeRecordIsNotLiftedUnasked() {
    succeed("notaryUntrust(assets: 'app.jar', reason: 'CVE-1')")
    jenkins.env.putAll(JENKINS_NOTARY_SUPERSEDE: '1', JENKINS_NOTARY_REASON: 'no reason')
    succeed("notaryNotarize 'app.jar'")

    assert fail("notaryAuthenticate 'app.jar'").contains('UNTRUSTED')
  }

  @Test void onlyWhereTheLedgerIsAndHowItIsReachedIsInherited() {
    final List kept = [
      'CA_FILE', 'CONFIG', 'CONTROLLERS', 'JENKINS_TOKEN_FILE', 'JENKINS_URL', 'JENKINS_USER', 'KEY', 'KEY_PASSPHRASE', 'LEDGER', 'LOG',
      'PASSPHRASE_FILE', 'PLAIN_HTTP', 'STRICT', 'TIMEOUT', 'TOKEN', 'TOKEN_FILE',
    ]
    final List unset = ['AS_OF', 'ATTACH', 'ATTR', 'CLAIMS', 'DIGEST_FILE', 'JOB', 'NAME', 'NULL', 'ORG', 'OUTPUT', 'REASON', 'SIGNER', 'SUPERSEDE']
    (kept + unset).each { jenkins.env["JENKINS_NOTARY_${it}".toString()] = 'inherited' }
    jenkins.env.NOTARY_UTF8 = '?'
    fakeProgram(0, good('assets'))
    succeed("notaryAuthenticate(assets: 'a', org: 'acme')")

    final Map found = given()
    assert found.remove('NOTARY_DIR')
    assert found == kept.collectEntries { ["JENKINS_NOTARY_${it}".toString(), 'inherited'] } +
      [NOTARY_COMMAND: 'authenticate', JENKINS_NOTARY_ORG: 'acme']
  }

  @Test void theSitesRuleOfWhoseWordCountsStays() {
    jenkins.env.putAll(JENKINS_NOTARY_ORG: 'acme', JENKINS_NOTARY_STRICT: 'true')
    fakeProgram(0, good('assets'))
    succeed("notaryAuthenticate 'a'")

    assert given().subMap(['JENKINS_NOTARY_ORG', 'JENKINS_NOTARY_STRICT'])*.value == ['acme', 'true']
  }

  @Test void theStepsRuleReplacesTheSitesWhole() {
    jenkins.env.JENKINS_NOTARY_ORG = 'acme'
    fakeProgram(0, good('assets'))
    succeed("notaryAuthenticate(assets: 'a', signers: ['0x${'1' * 40}'])")

    assert !given().containsKey('JENKINS_NOTARY_ORG')
    assert given().JENKINS_NOTARY_SIGNER.startsWith('0x1')
  }

  @Test void aNameInOtherLettersCannotTakeAnOptionAway() {
    jenkins.env.putAll(jenkins_notary_org: 'x', Jenkins_Notary_Strict: 'false')
    fakeProgram(0, good('assets'))
    succeed("notaryAuthenticate(assets: 'a', org: 'acme', strict: true)")

    assert given().keySet().containsAll(['JENKINS_NOTARY_ORG', 'JENKINS_NOTARY_STRICT'])
    assert given().subMap(['JENKINS_NOTARY_ORG', 'JENKINS_NOTARY_STRICT'])*.value == ['acme', 'true']
  }
}

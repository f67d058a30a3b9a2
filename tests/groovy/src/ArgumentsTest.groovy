import org.junit.Test

/** What every step does with its arguments and its place, before it runs anything. */
class ArgumentsTest extends StepTest {
  private void refused(String call, String message) {
    jenkins.calls.clear()
    assert fail(call) == message
    assert names() == ['error']
  }

  @Test void anUnknownArgumentIsRefusedAndTheAllowedOnesAreNamed() {
    refused("notaryAuthenticate(asset: ['a'], org: 'b')", 'notaryAuthenticate: unknown argument asset; allowed are ' +
      'assets, image, name, signers, org, asOf, strict, ledger, credentialsId, onFailure, onUnavailable')
  }

  @Test void aMissingArgumentIsRefused() {
    refused('notaryAttach(label: "a")', 'notaryAttach: expected file, got none; allowed are file, label, mime, digest, job, ledger, credentialsId, onFailure, onUnavailable')
  }

  @Test void valuesThatNoProgramCanTakeAreRefused() {
    [
      'assets: []': 'assets: expected at least one, got none',
      'assets: ""': 'assets: expected a text, got an empty one',
      'assets: ["a", " "]': 'assets: expected a text, got an empty one',
      'assets: ["a", null]': 'assets: expected a text, got an empty one',
      'assets: ["a", ["b"]]': 'assets: expected texts, got a list or map in it',
      'assets: [a: "b"]': 'assets: expected a text or list, got a map',
      'assets: ["a\\nb"]': 'assets: expected no line break or NUL, got a?b',
      'assets: "a", attributes: ["x=y"]': 'attributes: expected a map, got none',
      'assets: "a", attributes: [x: "a\\nb=c"]': 'attributes: expected no line break or NUL, got a?b=c',
      'assets: "a", attributes: ["x\\n": "a"]': 'attributes: expected no line break or NUL, got x?',
      'assets: "a", attributes: ["x=y": "a"]': 'attributes: expected no = in a key, got [x=y]',
      'assets: "a", attributes: [x: null]': 'attributes: expected a text, got an empty one',
      'assets: "a", archiveReceipts: "no"': 'archiveReceipts: expected true or false, got no',
      'assets: "a", job: "x#1\\u0000"': 'job: expected no line break or NUL, got x#1?',
      'assets: "a", onFailure: "ignore"': 'onFailure: expected fail or unstable, got ignore',
      'assets: "a", onUnavailable: "ignore"': 'onUnavailable: expected queue or unstable or fail, got ignore',
      'assets: "a", transport: "pigeon"': 'transport: expected controller, got pigeon',
    ].each { given, words -> refused("notaryNotarize(${given})", "notaryNotarize: ${words}") }
  }

  @Test void authenticateCannotBeQueued() {
    refused('notaryAuthenticate(assets: "a", onUnavailable: "queue")', 'notaryAuthenticate: onUnavailable: expected unstable or fail, got queue')
  }

  @Test void outsideANodeEveryStepSaysSo() {
    ["notaryNotarize 'a'", "notaryAuthenticate 'a'", "notaryAttach(file: 'a')", "notaryEvidence(job: 'a#1')", 'notaryBuildLog()', "notaryStage('A', assets: 'a') { }"].each {
      final Flow done = jenkins.run(it)

      assert done.failure.message ==~ /notary\w+: needs a node, got none; put it into node \{ \} or give the stage an agent/
    }
    assert jenkins.ran == []
  }

  @Test void listsSetsArraysAndSingleTextsAreAllTaken() {
    ["'a b'.split(' ')": 'a\nb\n', "['a', 'b'] as Set": 'a\nb\n', "'a'": 'a\n', "\"a\${1}\"": 'a1\n'].each { given, list ->
      fakeProgram(0, good('assets', 2))
      jenkins.calls.clear()
      succeed("notaryNotarize(assets: ${given})")

      assert jenkins.calls.find { it.name == 'writeFile' }.args[0].text == list: given
    }
  }

  @Test void aSingleTextOfAListIsNotCutAtCommas() {
    fakeProgram(0, good('assets', 2))
    succeed("notaryNotarize(assets: 'a', attach: 'r,1.xml:tests')")

    assert given().JENKINS_NOTARY_ATTACH == 'r,1.xml:tests\n'
  }

  @Test void aNullCountsAsNotGiven() {
    fakeProgram(0, good('assets', 2))
    succeed("notaryNotarize(assets: 'a', job: null, ledger: null, attributes: null)")

    assert !given().containsKey('JENKINS_NOTARY_JOB')
  }
}

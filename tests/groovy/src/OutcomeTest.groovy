import groovy.json.JsonOutput
import org.junit.Test

/** What each exit code, answer and policy does to the build: the same for every step. */
class OutcomeTest extends StepTest {
  static final Map ERROR = [message: 'ledger: expected an answer, got none', error: 'unavailable', code: 69]

  private static Map assets(int code, String status = 'UNTRUSTED') {
    return [assets: [[name: 'app.jar', status: status, code: code, digest: 'sha256:00', index: 1, reason: 'CVE-1']]]
  }

  @Test void aVerdictFailsTheBuildByDefault() {
    [1: 'UNTRUSTED', 2: 'UNKNOWN', 3: 'UNSUPPORTED', 4: 'REVOKED'].each { code, word ->
      fakeProgram(code, assets(code, word))

      assert fail("notaryAuthenticate 'app.jar'") == "notaryAuthenticate: exit code ${code}: ${word}: app.jar is ${word}: CVE-1"
    }
  }

  @Test void everyOtherCodeOfTheProgramFailsTheBuildWhateverOnFailureSays() {
    [64: 'wrong argument', 65: 'integrity', 66: 'not found', 67: 'ambiguous', 70: 'internal fault', 74: 'disk', 77: 'permission', 78: 'configuration'].each { code, words ->
      fakeProgram(code, [error: 'x', code: code, message: 'the words'])
      final String message = fail("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable', onUnavailable: 'unstable')")

      assert message.startsWith("notaryAuthenticate: exit code ${code}: ")
      assert message.contains(words) && message.endsWith(': the words')
    }
  }

  @Test void codesOfTheShellAndTheSystemNeverCount() {
    [3: 'UNSUPPORTED', 126: 'cannot be run', 127: 'not installed', 137: 'does not have', 255: 'does not have', 130: 'interrupted'].each { code, words ->
      fakeProgram(code, '')
      final String message = fail("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable', onUnavailable: 'unstable')")

      assert message.startsWith("notaryAuthenticate: exit code ${code}: ") && message.contains(words)
    }
  }

  @Test void anAgentWithoutTheProgramIsToldHowToGetIt() {
    jenkins.agentEnvironment.PATH = '/usr/bin:/bin'
    final String message = fail("notaryNotarize 'app.jar'")

    assert message == 'notaryNotarize: exit code 127: jenkins-notary is not installed on this agent; install it, put it on PATH, or name a service by ledger:'
  }

  @Test void anAnswerCountsOnlyWhenItIsWholeAndSaysTheSameCode() {
    final Map answers = [
      'nothing': '', 'half of it': '{"assets": [{"name": "app.jar", "status": "TRUSTED", "code": 0', 'no JSON': 'Trusted!', 'a list': '[]',
      'another document': '{"checks": []}', 'no list': '{"assets": "all"}', 'a worse code': '{"assets": [{"name": "a", "code": 1}]}',
      'an error': '{"error": "usage", "code": 64, "message": "m"}', 'two documents': '{"assets": []}{"assets": []}', 'a code that is none': '{"assets": [{"code": "0"}]}',
      'no code': '{"assets": [{"name": "a"}]}', 'an error of code 0': '{"error": "usage", "code": 0}', 'texts for assets': '{"assets": ["a"]}',
      'two in a row': '{"assets": []},{"assets": []}', 'more behind it': '{"assets": []} TRUSTED',
    ]
    answers.each { about, text ->
      fakeProgram(0, text)
      final String message = fail("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable', onUnavailable: 'unstable')")

      assert message.contains('does not count'): about
    }
  }

  @Test void aVerdictOfAnotherCodeThanTheProgramsNeverCounts() {
    fakeProgram(2, assets(0, 'TRUSTED'))

    assert fail("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable')").contains('does not count')
  }

  /** Returns what a step says of a program that ends well with a text. */
  private String refusal(String call, String text) {
    fakeProgram(0, text)
    return fail("${call.replace(')', '')}, onFailure: 'unstable', onUnavailable: 'unstable')")
  }

  @Test void silenceIsNoVerdictAndNoRecord() {
    final String one = '{"name": "a", "status": "TRUSTED", "code": 0, "digest": "sha256:00", "index": 1, "allowed": true}'
    [
      'notaryNotarize(assets: "a")', 'notaryAuthenticate(assets: "a")', 'notaryGate(assets: "a", policy: "p")', 'notaryNotarize(image: "a")',
      'notaryUntrust(assets: "a", reason: "r")', 'notaryUnsupport(assets: "a", reason: "r")',
    ].each { call ->
      ['{"assets": []}', '{"records": []}', "{\"records\": [${one}]}".toString(), "{\"assets\": [], \"records\": [${one}]}".toString()].each { text ->
        assert refusal(call, text) ==~ '.*without (its assets, 1 or more|a whole answer that says the same); it does not count': "${call} ${text}"
      }
    }
    assert refusal('notaryAuthenticate(assets: ["a", "b"])', "{\"assets\": [${one}]}").endsWith('but without its assets, 2 or more; it does not count')
    ['notaryAttach(file: "a")', 'notaryEvidence(job: "a#1")'].each { call ->
      assert refusal(call, '{"records": []}').endsWith('but without its records, 1 or more; it does not count')
      assert refusal(call, "{\"assets\": [${one}]}").endsWith('but without its records, 1 or more; it does not count')
    }
  }

  @Test void aBuildThatIsWholeAlreadyHasNoNewRecord() {
    fakeProgram(0, [records: []])

    assert succeed('return notaryBuildLog()') == []
  }

  @Test void aResultHasTheStatusThatItsCodeMeans() {
    [
      'notaryAuthenticate(assets: "a")': [[status: 'UNTRUSTED'], [status: null], [:], [status: 'trusted']],
      'notaryGate(assets: "a", policy: "p")': [[allowed: false], [status: 'TRUSTED'], [allowed: 'true']],
      'notaryNotarize(assets: "a")': [[status: 'UNTRUSTED', index: 1], [index: 1]],
      'notaryUntrust(assets: "a", reason: "r")': [[status: 'TRUSTED', index: 1]],
      'notaryUnsupport(assets: "a", reason: "r")': [[status: 'UNTRUSTED', index: 1]],
    ].each { call, results ->
      results.each {
        assert refusal(call, JsonOutput.toJson([assets: [[name: 'zzz', code: 0] + it]])) ==~ '.*but without the (status|decision).*; it does not count': "${call} ${it}"
      }
    }
  }

  @Test void aVerdictHasTheStatusThatItsCodeMeansToo() {
    fakeProgram(2, assets(2, 'UNSUPPORTED'))

    assert fail("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable')").endsWith('but without the status that the code means; it does not count')
  }

  @Test void whatWasRecordedHasItsPlaceInTheLog() {
    [notaryNotarize: 'TRUSTED', notaryUntrust: 'UNTRUSTED', notaryUnsupport: 'UNSUPPORTED'].each { step, status ->
      [[:], [index: null], [index: '1'], [index: 1.5], [index: true]].each {
        final String call = step == 'notaryNotarize' ? "${step}(assets: 'a')" : "${step}(assets: 'a', reason: 'r')"

        assert refusal(call, JsonOutput.toJson([assets: [[name: 'a', status: status, code: 0] + it]])).endsWith('but without the index of each record; it does not count')
      }
    }
  }

  @Test void aKeyThatStandsTwiceDoesNotCount() {
    [
      '{"assets": [{"name": "a", "status": "UNTRUSTED", "code": 1}], "assets": [{"name": "a", "status": "TRUSTED", "code": 0}]}',
      '{"assets": [{"name": "a", "status": "UNTRUSTED", "status": "TRUSTED", "code": 1, "code": 0}]}',
      '{"assets": [{"name": "a", "status": "TRUSTED", "cod\\u0065": 1, "code": 0}]}',
    ].each { assert refusal('notaryAuthenticate(assets: "a")', it).contains('without a whole answer') }
    fakeProgram(0, '{"assets": [{"name": "a\\\\\\": \\"b:\\\\", "digest": ":", "status" : "TRUSTED", "code": 0, "as_of": {"at": [":", {"x\\":": 1}]}}]}')
    succeed("notaryAuthenticate 'a'")
  }

  @Test void theWorstOfSeveralIsTheCode() {
    fakeProgram(1, [assets: assets(0, 'TRUSTED').assets + assets(2, 'UNKNOWN').assets + assets(1).assets])

    assert fail("notaryAuthenticate 'app.jar'").contains('app.jar is UNKNOWN: CVE-1; app.jar is UNTRUSTED: CVE-1')
  }

  @Test void aLedgerThatIsAwayFailsAuthenticateAndMarksNotarizeUnstable() {
    fakeProgram(69, ERROR)

    assert fail("notaryAuthenticate 'app.jar'") == 'notaryAuthenticate: exit code 69: unavailable: ledger: expected an answer, got none'
    jenkins.result = null
    assert succeed("return notaryNotarize('app.jar')") == []
    assert jenkins.result == 'UNSTABLE'
  }

  @Test void aLedgerThatIsAwayDoesWhatOnUnavailableSays() {
    fakeProgram(69, ERROR)

    succeed("notaryAuthenticate(assets: 'app.jar', onUnavailable: 'unstable')")
    assert jenkins.result == 'UNSTABLE'
    fail("notaryNotarize(assets: 'app.jar', onUnavailable: 'fail')")
  }

  @Test void theModeOverridesEveryStep() {
    final Map expected = [
      observe: [verdict: null, away: null, fault: null],
      warn: [verdict: 'UNSTABLE', away: 'UNSTABLE', fault: 'UNSTABLE'],
      enforce: [verdict: 'FAILURE', away: 'FAILURE', fault: 'FAILURE'],
    ]
    expected.each { mode, results ->
      [verdict: [1, assets(1)], away: [69, ERROR], fault: [127, '']].each { kind, answer ->
        fakeProgram(answer[0], answer[1])
        jenkins.env.JENKINS_NOTARY_MODE = mode
        jenkins.result = null
        runNode("notaryAuthenticate(assets: 'app.jar', onFailure: 'unstable', onUnavailable: 'unstable')")

        assert jenkins.result == results[kind]: "${mode} ${kind}"
      }
    }
    assert jenkins.log.contains('only observed')
  }

  @Test void theModeIsRecorded() {
    jenkins.env.JENKINS_NOTARY_MODE = 'warn'
    succeed("notaryNotarize 'app.jar'")

    assert evidence()[0].predicate.job.environment.JENKINS_NOTARY_MODE == 'warn'
  }

  @Test void anUnknownModeIsRefused() {
    jenkins.env.JENKINS_NOTARY_MODE = 'of'

    assert fail("notaryNotarize 'app.jar'") == 'notaryNotarize: JENKINS_NOTARY_MODE: expected observe, warn or enforce, got of'
    assert names() == ['error']
  }

  @Test void ofManyResultsTheFirstTwentyAreShown() {
    fakeProgram(0, [assets: (1..25).collect { [name: "a${it}", status: 'TRUSTED', code: 0, digest: 'sha256:00'] }])
    succeed("notaryAuthenticate 'app.jar'")

    assert jenkins.log.contains('TRUSTED  sha256:00  a20\nand 5 more\n') && !jenkins.log.contains('a21')
  }

  @Test void textOfTheProgramCannotForgeLinesOfTheLog() {
    fakeProgram(1, [assets: [[name: "a\nTRUSTED\u001b[8mha:\u202e", status: 'UNTRUSTED', code: 1, digest: 'sha256:00', reason: 'x\r\ny']]])

    assert fail("notaryAuthenticate 'app.jar'") == 'notaryAuthenticate: exit code 1: UNTRUSTED: a?TRUSTED?[8mha:? is UNTRUSTED: x??y'
    assert jenkins.log.contains('UNTRUSTED  sha256:00  a?TRUSTED?[8mha:?\n')
  }

  @Test void anAbortedBuildStaysAbortedAndNothingIsLeft() {
    jenkins.onStep = { String name, List args -> if (name == 'sh') { throw new InterruptedException('aborted by a person') } }
    final Flow done = runNode("notaryNotarize 'app.jar'")

    assert done.failure instanceof InterruptedException
    assert new File("${jenkins.workspace}@tmp").list() as List == []
  }
}

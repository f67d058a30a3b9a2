import groovy.json.JsonOutput
import org.junit.Before
import org.junit.Test

/** On Windows the same values go to one `bat`; here it cannot run, so it answers as told. */
class WindowsTest extends StepTest {
  @Before void useWindows() {
    jenkins.isUnix = false
    jenkins.onBat = { Map call, Map environment ->
      new File(environment.NOTARY_DIR, 'out.json').text = JsonOutput.toJson(good('assets', 2))
      return 0
    }
  }

  @Test void oneBatWithAConstantScriptGetsTheValuesByEnvironment() {
    final List made = succeed("return notaryNotarize(assets: ['a & calc.exe', '%PATH%'], reason: '\\\" & calc.exe & \\\"')")

    assert made*.name == ['a1', 'a2']
    assert jenkins.ran[0].script == new File(Jenkins.ROOT, 'resources/jenkins_notary/run-agent.bat').text
    assert given().JENKINS_NOTARY_REASON == '" & calc.exe & "'
    assert jenkins.calls.find { it.name == 'writeFile' }.args[0].text == 'a & calc.exe\n%PATH%\n'
    assert names() == ['isUnix', 'pwd', 'writeFile', 'libraryResource', 'bat', 'readFile', 'archiveArtifacts', 'deleteDir', 'echo']
  }

  @Test void theScriptPutsInNoValueBeforeItIsRead() {
    final String script = new File(Jenkins.ROOT, 'resources/jenkins_notary/run-agent.bat').text

    assert script.contains('EnableDelayedExpansion')
    assert !(script =~ /%\w+%/): 'a value that cmd reads as code'
  }

  @Test void anExitCodeMeansTheSame() {
    jenkins.onBat = { Map call, Map environment -> 9009 }

    assert fail("notaryNotarize 'a'").startsWith('notaryNotarize: exit code 9009: jenkins-notary is not installed on this agent')
  }
}

import org.junit.Test

class StageTest extends StepTest {
  @Test void whatAStageMadeIsRecordedWithItsName() {
    final List made = succeed('''
      return notaryStage('Build it', assets: ['out/*'], attributes: [release: '1.2']) {
        sh 'mkdir out; echo made > out/app.bin'
      }
    ''')

    assert made*.name == ['out/app.bin']
    assert evidence()[0].predicate.job.environment.STAGE_NAME == 'Build it'
  }

  @Test void aFailedBodysErrorIsKeptAndTheStageLeavesEvidenceButNoTrust() {
    final String message = fail('''
      notaryStage('Build', assets: ['out/*']) {
        sh 'mkdir out; echo half > out/app.bin; exit 3'
      }
    ''')

    assert message == 'script returned exit code 3'
    assert evidence()*.type == ['attachment']
    final String body = evidence()[0].digest
    assert jenkins.print('inspect', body, '--body') == '{"stage":"Build","result":"FAILURE","assets":["out/*"]}'
    assert evidence()[0].predicate.label == 'failed-stage'
  }

  @Test void aFailedStagesAssetsAreDistrustedWhenThatIsWanted() {
    fail('''
      notaryStage('Build', assets: ['app.jar'], onBodyFailure: 'untrust') { sh 'exit 3' }
    ''')

    assert evidence()*.subMap(['name', 'status']) == [[name: 'app.jar', status: 'UNTRUSTED']]
    assert evidence()[0].predicate.reason == 'stage failed: Build'
  }

  @Test void nothingIsRecordedOfAFailedStageWhenThatIsWanted() {
    assert fail("notaryStage('Build', assets: 'a', onBodyFailure: 'skip') { sh 'exit 3' }") == 'script returned exit code 3'
    assert evidence() == []
  }

  @Test void aFailureOfTheNotaryNeverHidesThatOfTheBody() {
    jenkins.agentEnvironment.PATH = '/usr/bin:/bin'

    assert fail("notaryStage('Build', assets: ['app.jar']) { error 'the compiler broke' }") == 'the compiler broke'
    assert jenkins.log.contains('the failed stage has no record')
  }

  @Test void aFailureOfTheNotaryFailsAStageThatWentWell() {
    assert fail("notaryStage('Build', assets: ['none/*']) { sh 'true' }").startsWith('notaryStage: exit code 66: ')
  }

  @Test void wrongArgumentsAreRefusedBeforeTheBodyRuns() {
    assert fail("notaryStage('Build', asset: ['a']) { sh 'touch ran' }").startsWith('notaryStage: unknown argument asset; ')
    assert fail("notaryStage('Build', assets: ['a'], onBodyFailure: 'x') { sh 'touch ran' }") ==
      'notaryStage: onBodyFailure: expected record, untrust or skip, got x'
    assert jenkins.ran == []
  }

  @Test void stagesInParallelKeepTheirOwnNames() {
    runNode('''
      parallel(
        a: { notaryStage('A', assets: ['a.bin']) { sh 'echo a > a.bin' } },
        b: { notaryStage('B', assets: ['b.bin']) { sh 'echo b > b.bin' } },
      )
    ''')

    assert evidence().collectEntries { [it.name, it.predicate.job.environment.STAGE_NAME] } == ['a.bin': 'A', 'b.bin': 'B']
  }
}

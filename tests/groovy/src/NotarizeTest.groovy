import org.junit.Test

class NotarizeTest extends StepTest {
  static final String DIGEST = 'sha256:0163f1eea7894350060624d315234d40c508ab251ba121714e234503045faadd'

  @Test void recordsAnAssetUnderTheBuildsJobId() {
    final List made = succeed("stage('Build') { return notaryNotarize(assets: ['app.jar'], attributes: [release: '1.2']) }")

    assert made*.subMap(['name', 'kind', 'digest', 'status', 'code', 'job', 'size']) ==
      [[name: 'app.jar', kind: 'file', digest: DIGEST, status: 'TRUSTED', code: 0, job: JOB, size: 3]]
    final Map record = evidence()[0]
    assert record.digest == DIGEST
    assert record.predicate.attributes == [release: '1.2']
    assert record.predicate.job.environment.STAGE_NAME == 'Build'
  }

  @Test void resultsArePlainMapsAndTheProgramWasSavedAtEachStep() {
    final List made = succeed("return notaryNotarize('app.jar')")

    assert made.class == ArrayList
    assert made[0].getClass() == LinkedHashMap
    assert made[0].values()*.getClass().unique() - [null, String, Integer] - org.codehaus.groovy.runtime.NullObject == []
    assert !made[0].containsKey('receipt')
    assert jenkins.roundTrips > 8
  }

  @Test void theCommandAndItsEnvironmentAreExact() {
    fakeProgram(0, good('assets', 2))
    succeed("""notaryNotarize(
      assets: ['a.jar', 'b.jar'], job: 'x#1', ledger: 'sqlite:////data/l.db', attributes: [release: '1.2', by: "team \${1 + 1}"],
      attach: ['r.xml:tests'], name: 'n', reason: 'why', supersede: [3, 4])""")

    assert jenkins.ran[0].script == new File(Jenkins.ROOT, 'resources/jenkins_notary/run-agent.sh').text
    assert jenkins.ran[0].label == 'notaryNotarize'
    final Map found = given()
    final String folder = found.remove('NOTARY_DIR')
    assert folder ==~ "\\Q${jenkins.workspace}@tmp/notary-\\E[0-9a-f]{8}/.jenkins-notary/receipts/[0-9a-f]{8}"
    assert found == [
      NOTARY_COMMAND: 'notarize', JENKINS_NOTARY_LEDGER: 'sqlite:////data/l.db', JENKINS_NOTARY_JOB: 'x#1',
      JENKINS_NOTARY_ATTR: 'release=1.2\nby=team 2\n', JENKINS_NOTARY_ATTACH: 'r.xml:tests\n', JENKINS_NOTARY_NAME: 'n',
      JENKINS_NOTARY_REASON: 'why', JENKINS_NOTARY_SUPERSEDE: '3\n4\n', JENKINS_NOTARY_RECEIPTS: folder,
    ]
    final Map list = jenkins.calls.find { it.name == 'writeFile' }.args[0]
    assert list == [file: "${folder}/assets.txt".toString(), text: 'a.jar\nb.jar\n', encoding: 'UTF-8']
    assert names() == ['isUnix', 'pwd', 'writeFile', 'libraryResource', 'sh', 'readFile', 'archiveArtifacts', 'deleteDir', 'echo']
  }

  @Test void anImageIsNamedByTheDigestThatThePushReported() {
    fakeProgram(0, good('assets', 2))
    succeed("notaryNotarize(image: 'registry.example.com/app:1.2', digestFile: 'build-metadata.json')")

    assert jenkins.calls.find { it.name == 'writeFile' }.args[0].text == 'image://registry.example.com/app:1.2\n'
    assert given().JENKINS_NOTARY_DIGEST_FILE == 'build-metadata.json'
  }

  @Test void receiptsAndAnswerAreArchivedAndVerify() {
    succeed("notaryNotarize(assets: 'app.jar')")

    final List<String> found = archived().collect { jenkins.archive.toPath().relativize(it.toPath()).toString() }
    assert found*.replaceFirst('receipts/[0-9a-f]{8}/', '') == ['app.jar.dsse.json', 'app.jar.tlog-proof', 'assets.txt', 'out.json'].collect { '.jenkins-notary/' + it }
    final String vkey = jenkins.run('ledger', 'status').document.vkey
    final Map proven = jenkins.run('receipt', 'verify', archived()[1].path, '--envelope', archived()[0].path, '--log', vkey)
    assert proven.code == 0
  }

  @Test void nothingIsArchivedWhenItIsNotWanted() {
    succeed("notaryNotarize(assets: 'app.jar', archiveReceipts: false)")

    assert archived() == []
    assert !given().containsKey('JENKINS_NOTARY_RECEIPTS')
  }

  @Test void theFolderOfTheStepIsRemovedEvenWhenItFails() {
    fail("notaryNotarize(assets: 'missing.jar')")

    assert new File("${jenkins.workspace}@tmp").list() as List == []
  }

  @Test void aMissingFileFailsTheBuildWithTheProgramsWords() {
    final String message = fail("notaryNotarize(assets: ['app.jar', 'missing.jar'])")

    assert message.startsWith('notaryNotarize: exit code 66: not found: ')
    assert message.contains('missing.jar')
    assert evidence() == []
  }

  @Test void hostileFileNamesReachTheLedgerUnharmed() {
    final List<String> hostile = [
      "quote'quote.txt", 'double"quote.txt', '$(touch hacked).txt', '`touch hacked`.txt', 'a;touch hacked.txt', '%2F%PATH%.txt',
      '\u202eexe.txt', 'line\nbreak.txt', '\u001b[2J.txt', '$HOME$$.txt', '& touch hacked &.txt', '  blanks  .txt', 'ü' * 100 + '.txt',
    ]
    hostile.each { write("out/${it}", it) }
    succeed("notaryNotarize(assets: ['out/*'])")

    assert evidence()[0].predicate.assets*.name as Set == hostile.collect { "out/${it}".toString() } as Set
    assert jenkins.folderNames() == ['app.jar', 'out']
    assert !jenkins.log.toString().contains('\u001b') && !jenkins.log.toString().contains('\u202e')
  }

  @Test void hostileWordsReachTheLedgerUnharmed() {
    final List<String> hostile = ["it's.txt", 'a"b.txt', '$(touch hacked).txt', '$HOME $$ ${HOME}.txt', '`id`.txt', '%PATH%!PATH!.txt', 'x' * 250]
    hostile.each { write(it, it) }
    jenkins.env.HOSTILE = hostile.join('|')
    succeed("notaryNotarize(assets: env.HOSTILE.split('[|]') as List, attributes: [why: env.HOSTILE])")

    assert evidence()[0].predicate.assets*.name == hostile
    assert evidence()[0].predicate.attributes.why == hostile.join('|')
    assert !new File(jenkins.workspace, 'hacked').exists()
  }

  @Test void whatTheAgentsJavaCannotHandOnIsRefusedAndNotAltered() {
    jenkins.mangles = true
    final String message = fail("notaryNotarize('app.jar', attributes: [city: 'Z\\u00fcrich'])")

    assert message == 'notaryNotarize: exit code 78: wrong configuration: environment: expected an agent that hands on UTF-8, ' +
      'got ? for a letter; start its Java with LANG=C.UTF-8'
    assert evidence() == []
    jenkins.ran.clear()
    succeed("notaryNotarize('app.jar', attributes: [city: 'Zurich'])")
    assert !given().containsKey('NOTARY_UTF8')
  }

  @Test void aHostileJobNameStaysTheJobsName() {
    final String name = "payments/it's \$(touch hacked) %2F" + 'ü' * 100
    jenkins = new Jenkins(temporary.newFolder(), name).withLedger()
    write('app.jar', 'jar')
    succeed("notaryNotarize 'app.jar'")

    assert evidence("ci.example.com:${name}#42")*.name == ['app.jar']
    assert !new File(jenkins.workspace, 'hacked').exists()
  }

  @Test void inADeclarativePipelineItWorksInStepsMatrixAndPost() {
    final Flow done = jenkins.run('''
      pipeline {
        agent { label 'linux' }
        stages {
          stage('Matrix') {
            matrix {
              axes {
                axis { name 'OS'; values 'linux', 'bsd' }
                axis { name 'CPU'; values 'arm', 'amd' }
              }
              stages {
                stage('Build') {
                  steps {
                    sh 'echo "$OS $CPU" > "$OS-$CPU.bin"'
                    notaryNotarize(assets: ["${OS}-${CPU}.bin"], attributes: [os: OS])
                  }
                }
              }
            }
          }
        }
        post {
          always { notaryNotarize 'app.jar' }
        }
      }
    '''.replace('${OS}', '${env.OS}').replace('${CPU}', '${env.CPU}').replace('os: OS', 'os: env.OS'))

    assert done.failure == null: jenkins.log
    assert evidence()*.name as Set == ['app.jar', 'linux-arm.bin', 'linux-amd.bin', 'bsd-arm.bin', 'bsd-amd.bin'] as Set
  }

  @Test void inPostItKeepsTheBuildsOwnFailure() {
    final Flow done = jenkins.run('''
      pipeline {
        agent any
        stages { stage('Build') { steps { sh 'exit 3' } } }
        post { always { notaryNotarize 'missing.jar' } }
      }
    ''')

    assert done.failure.message == 'script returned exit code 3'
    assert jenkins.result == 'FAILURE'
    assert jenkins.log.contains('not found')
  }

  @Test void parallelBranchesLoseNothing() {
    (1..6).each { write("part${it}.bin", "${it}") }
    final Flow done = runNode('''
      def branches = [:]
      for (i in 1..6) {
        def part = "part${i}.bin"
        branches[part] = { notaryNotarize(part) }
      }
      parallel branches
    ''')

    assert done.failure == null: jenkins.log
    assert evidence()*.name as Set == (1..6).collect { "part${it}.bin".toString() } as Set
    assert jenkins.calls*.name.take(6) == ['isUnix'] * 6
  }
}

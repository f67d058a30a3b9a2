"""Run the hook on a real Jenkins controller and look at what it delivers.

Used where `JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` name a throw-away
controller on this machine with the Pipeline, folder, input and credentials plugins.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import command
from tests.parts.controller import (
    TOKEN,
    OutboxService,
    coded,
    open_controller,
    wait,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.controller import RealController

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples/jenkins/freestyle"
SHELL = """<project><builders><hudson.tasks.Shell><command>{}</command>
</hudson.tasks.Shell></builders><publishers><hudson.tasks.ArtifactArchiver>
<artifacts>out/**, .jenkins-notary/**</artifacts>
<allowEmptyArchive>true</allowEmptyArchive>
</hudson.tasks.ArtifactArchiver></publishers></project>"""
STAGES = """
stage('Build') { node { sh 'echo one; echo two' } }
stage('Both') {
  parallel a: { stage('A') { echo 'a1'; echo 'a2' } }, b: { stage('B') { echo 'b1' } }
}
stage('Warn') { unstable 'hm' }
stage('Bad') { error 'no' }
"""


_REPOSITORY = """
def repo = new File(home, 'tmp-hook-repo')
repo.deleteDir(); repo.mkdirs()
new File(repo, 'Jenkinsfile').text = text('%s')
def git = { String... words ->
    def p = new ProcessBuilder(['git', '-c', 'user.name=t', '-c',
        'user.email=t@example.com', *words]).directory(repo)
        .redirectErrorStream(true).start()
    def out = p.text; assert p.waitFor() == 0 : out; out.trim() }
git('init', '-q', '-b', '%s'); git('add', '.'); git('commit', '-qm', 'x')
repo.path + ' ' + git('rev-parse', 'HEAD')
"""
_MULTI = "org.jenkinsci.plugins.workflow.multibranch"
_PROJECT = f"{_MULTI}.WorkflowMultiBranchProject"
_MULTIBRANCH = f"""<{_PROJECT} plugin="workflow-multibranch">
<sources class="jenkins.branch.MultiBranchProject$BranchSourceList"><data>
<jenkins.branch.BranchSource><source class="jenkins.plugins.git.GitSCMSource">
<id>hook</id><remote>{{}}</remote>
<traits><jenkins.plugins.git.traits.BranchDiscoveryTrait/></traits></source>
<strategy class="jenkins.branch.DefaultBranchPropertyStrategy">
<properties class="empty-list"/></strategy></jenkins.branch.BranchSource></data>
<owner class="{_PROJECT}" reference="../.."/></sources>
<factory class="{_MULTI}.WorkflowBranchProjectFactory">
<owner class="{_PROJECT}" reference="../.."/><scriptPath>Jenkinsfile</scriptPath>
</factory></{_PROJECT}>"""


@pytest.fixture(scope="module")
def service() -> Iterator[OutboxService]:
    with OutboxService() as service:
        yield service


@pytest.fixture(scope="module")
def jenkins(service: OutboxService) -> Iterator[RealController]:
    if "JENKINS_NOTARY_TEST_JENKINS_URL" not in os.environ:
        pytest.skip("no real Jenkins: JENKINS_NOTARY_TEST_JENKINS_URL is not set")
    names = [f"JENKINS_NOTARY_TEST_JENKINS_{one}" for one in ("URL", "USER", "TOKEN")]
    with open_controller(*(os.environ[name] for name in names)) as jenkins:
        jenkins.install_hook(service.settings())
        yield jenkins


@pytest.fixture(autouse=True)
def _healthy(service: OutboxService, jenkins: RealController) -> Iterator[None]:
    yield
    service.answer = service.accept
    jenkins.install_hook(service.settings())


def facts_of(service: OutboxService, job: str) -> dict[str, Any]:
    return dict(service.wait_for("finalized", job)["facts"])


def read_lines(jenkins: RealController, job: str, stage: dict[str, Any]) -> list[str]:
    """Return the lines of a stage in the log as Jenkins serves it."""
    path = "".join(f"job/{part}/" for part in job.split("/"))
    answer = jenkins.session.get(
        f"{jenkins.url}{path}lastBuild/consoleText", timeout=60
    )
    log = answer.text.splitlines()
    return [
        log[n - 1] for first, last in stage["lines"] for n in range(first, last + 1)
    ]


def test_pipeline_facts_come_from_the_controller(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_pipeline("facts", STAGES)

    assert jenkins.build(job) == "FAILURE"
    event = service.wait_for("finalized", job)
    facts = event["facts"]
    assert event["controller"]["url"] == jenkins.url
    assert len(event["controller"]["identity"]) == 64
    assert event["job"]["type"] == "WorkflowJob"
    assert event["build"]["number"] == 1
    assert event["build"]["result"] == "FAILURE"
    answer = jenkins.session.get(f"{event['job']['url']}1/api/json", timeout=60)
    assert event["build"]["startedAt"] == answer.json()["timestamp"]
    assert event["build"]["durationMs"] == answer.json()["duration"]
    assert facts["causes"] == [{"kind": "UserIdCause", "user": "alice"}]
    assert facts["script"] == {
        "kind": "pipeline",
        "sha256": hashlib.sha256(STAGES.encode()).hexdigest(),
        "source": "inline",
    }
    assert facts["replay"] == {"isReplay": False}
    assert facts["core"] == event["controller"]["version"]
    assert {"workflow-job", "workflow-cps"} <= {one["name"] for one in facts["plugins"]}
    assert facts["node"][0]["builtIn"] is True
    stages = {one["name"]: one for one in facts["stages"]}
    assert {name: one["status"] for name, one in stages.items()} == {
        "Build": "SUCCESS",
        "Both": "SUCCESS",
        "A": "SUCCESS",
        "B": "SUCCESS",
        "Warn": "UNSTABLE",
        "Bad": "FAILURE",
    }
    assert [x for x in read_lines(jenkins, job, stages["Build"]) if x[0] != "R"] == [
        "+ echo one",
        "one",
        "+ echo two",
        "two",
    ]
    assert read_lines(jenkins, job, stages["A"]) == ["a1", "a2"]
    assert read_lines(jenkins, job, stages["B"]) == ["b1"]
    assert sorted(read_lines(jenkins, job, stages["Both"])) == ["a1", "a2", "b1"]


def test_the_log_is_counted_as_jenkins_serves_it(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("count", SHELL.format("seq 1 1000"))
    jenkins.build(job)
    facts = facts_of(service, job)

    raw = jenkins.script(f"item('{coded(job)}').lastBuild.logFile.length()")
    answer = jenkins.session.get(
        f"{jenkins.url}job/{jenkins.folder}/job/count/1/consoleText", timeout=60
    )
    assert facts["log"] == {"size": int(raw), "lines": answer.text.count("\n")}


def test_secret_parameters_are_told_by_name_only(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_pipeline("secret", "echo 'x'")
    jenkins.build(
        job,
        ", new ParametersAction([new StringParameterValue('WHO', 'me'), "
        "new PasswordParameterValue('PW', 'hunter2'), "
        "new StringParameterValue('API_TOKEN', 'hunter3'), "
        "new BooleanParameterValue('FAST', true)], ['WHO', 'PW', 'API_TOKEN', 'FAST'])",
    )
    event = service.wait_for("finalized", job)

    assert event["facts"]["parameters"] == [
        {"name": "WHO", "value": "me"},
        {"name": "PW", "secret": True},
        {"name": "API_TOKEN", "secret": True},
        {"name": "FAST", "value": "true"},
    ]
    assert "hunter" not in json.dumps(service.requests)


def test_no_fact_holds_a_secret_in_a_name_or_message(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_pipeline(
        "talkative", "stage('curl -u bob:hunter4') { echo 'x' }\nstage('Fine') { }"
    )
    jenkins.build(
        job,
        ", new ParametersAction([new StringParameterValue('DBPW', 'hunter5'), "
        "new StringParameterValue('WHERE', 'Server=db;Pwd=hunter6')])",
    )

    facts = facts_of(service, job)
    assert [one["name"] for one in facts["stages"]] == [
        "(held back: looks like a secret)",
        "Fine",
    ]
    assert "hunter" not in json.dumps(facts)


def test_a_freestyle_build_is_recorded_without_a_line_in_it(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("free", SHELL.format("mkdir -p out; echo x >out/a"))
    jenkins.build(job)
    event = service.wait_for("finalized", job)

    assert event["job"]["type"] == "FreeStyleProject"
    assert event["facts"]["script"] == {"kind": "freestyle"}
    assert event["facts"]["artifacts"] == 1
    assert event["facts"]["node"][0]["name"] == "built-in"
    assert "replay" not in event["facts"]


def test_failed_and_aborted_builds_are_recorded_too(
    service: OutboxService, jenkins: RealController
) -> None:
    failing = jenkins.add_job("failing", SHELL.format("exit 3"))
    hanging = jenkins.add_job("hanging", SHELL.format("sleep 300"))
    piped = jenkins.add_pipeline("piped", "node { sh 'sleep 300' }")
    assert jenkins.build(failing) == "FAILURE"
    for job in (hanging, piped):
        jenkins.start(job)
        running = f"item('{coded(job)}').lastBuild"
        jenkins.script(f"sleep 1500; {running}.executor.interrupt(Result.ABORTED)")

        assert jenkins.wait_build(job) == "ABORTED"
    assert service.wait_for("finalized", failing)["build"]["result"] == "FAILURE"
    assert service.wait_for("finalized", hanging)["build"]["result"] == "ABORTED"
    assert service.wait_for("finalized", piped)["build"]["result"] == "ABORTED"


def test_input_decisions_say_who_and_when(
    service: OutboxService, jenkins: RealController
) -> None:
    script = "input(id: 'Go', message: 'Deploy?', ok: 'Ship it')"
    decide = (
        "def u = User.getById('%s', true)\n"
        "def c = hudson.security.ACL.as2(u.impersonate2())\n"
        "try {{ def r = item('{}').lastBuild\n"
        "  def all = []\n"
        "  while (!all) {{ sleep 100; all = r.getAction(org.jenkinsci.plugins.workflow"
        ".support.steps.input.InputAction)?.executions }}\n"
        "  all[0].%s }} finally {{ c.close() }}"
    )
    jenkins.script(
        "System.setProperty('hudson.security.ACL.x', '')\n"
        "if (User.getById('bob', false) == null) User.getById('bob', true)"
    )
    job = jenkins.add_pipeline("ask", script)
    jenkins.start(job)
    admin = jenkins.session.auth[0]  # type: ignore[index] # requests types it widely.
    jenkins.script((decide % (admin, "proceed([:])")).format(coded(job)))
    assert jenkins.wait_build(job) == "SUCCESS"
    facts = facts_of(service, job)
    (approval,) = facts["approvals"]
    assert approval.pop("at").endswith("Z")
    assert approval == {
        "id": "Go",
        "message": "Deploy?",
        "ok": "Ship it",
        "submitter": admin,
    }
    assert "rejections" not in facts

    jenkins.start(job)
    jenkins.script((decide % (admin, "doAbort()")).format(coded(job)))
    assert jenkins.wait_build(job) == "ABORTED"
    facts = service.wait_for("finalized", job, 2)["facts"]
    (rejection,) = facts["rejections"]
    assert rejection["submitter"] == admin
    assert "approvals" not in facts


def test_a_replay_is_told_with_the_script_that_ran(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_pipeline("again", "echo 'first'")
    jenkins.build(job)
    jenkins.script(
        f"item('{coded(job)}').lastBuild.getAction("
        "org.jenkinsci.plugins.workflow.cps.replay.ReplayAction)"
        ".run2(\"echo 'other'\", [:])"
    )
    facts = service.wait_for("finalized", job, 2)["facts"]

    assert facts["replay"] == {"isReplay": True, "original": 1}
    assert facts["script"]["sha256"] == hashlib.sha256(b"echo 'other'").hexdigest()


def test_upstream_builds_are_named(
    service: OutboxService, jenkins: RealController
) -> None:
    below = jenkins.add_pipeline("below", "echo 'x'")
    above = jenkins.add_pipeline("above", f"build '/{below}'")
    jenkins.build(above)

    (cause,) = facts_of(service, below)["causes"]
    assert cause["upstream"] == {"job": above, "build": 1}


def test_a_library_is_told_with_its_commit(
    service: OutboxService, jenkins: RealController
) -> None:
    commit = jenkins.script("""
        def lib = new File(home, 'tmp-hook-library')
        lib.deleteDir(); new File(lib, 'vars').mkdirs()
        new File(lib, 'vars/greet.groovy').text = "def call() { echo 'hi' }"
        def git = { String... words ->
            def p = new ProcessBuilder(['git', '-c', 'user.name=t', '-c',
                'user.email=t@example.com', *words]).directory(lib)
                .redirectErrorStream(true).start()
            def out = p.text; assert p.waitFor() == 0 : out; out.trim() }
        git('init', '-q', '-b', 'main'); git('add', '.'); git('commit', '-qm', 'x')
        def source = new jenkins.plugins.git.GitSCMSource(lib.path)
        source.traits = [new jenkins.plugins.git.traits.BranchDiscoveryTrait()]
        def c = new org.jenkinsci.plugins.workflow.libs.LibraryConfiguration('hooklib',
            new org.jenkinsci.plugins.workflow.libs.SCMSourceRetriever(source))
        c.defaultVersion = 'main'
        org.jenkinsci.plugins.workflow.libs.GlobalLibraries.get().libraries = [c]
        git('rev-parse', 'HEAD')""")
    job = jenkins.add_pipeline("library", "@Library('hooklib') _\ngreet()")

    try:
        assert jenkins.build(job) == "SUCCESS"
    finally:
        jenkins.script(
            "org.jenkinsci.plugins.workflow.libs.GlobalLibraries.get().libraries = []\n"
            "new File(home, 'tmp-hook-library').deleteDir()"
        )
    (library,) = facts_of(service, job)["libraries"]
    assert library == {
        "name": "hooklib",
        "version": "main",
        "sha": commit,
        "trusted": True,
        "changelog": True,
    }


def test_a_script_from_git_is_told_with_where_it_came_from(
    service: OutboxService, jenkins: RealController
) -> None:
    text = "node { checkout scm }"
    found = jenkins.script(_REPOSITORY % (coded(text), "main"))
    url, commit = found.split()
    job = jenkins.add_pipeline("from-git", "x")
    jenkins.script(
        f"def j = item('{coded(job)}')\n"
        f"def scm = new hudson.plugins.git.GitSCM('{url}')\n"
        "scm.branches = [new hudson.plugins.git.BranchSpec('main')]\n"
        "j.definition = new org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition("
        "scm, 'Jenkinsfile')\nj.save()"
    )

    assert jenkins.build(job) == "SUCCESS"
    facts = facts_of(service, job)
    jenkins.script(f"new File('{url}').deleteDir()")
    assert facts["script"] == {
        "kind": "pipeline",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "source": "scm",
        "scm": {"url": url, "commit": commit, "path": "Jenkinsfile"},
    }
    (revision,) = facts["scm"]
    assert (revision["url"], revision["commit"]) == (url, commit)


def test_a_branch_of_a_multibranch_project_is_told_with_its_revision(
    service: OutboxService, jenkins: RealController
) -> None:
    text = "echo 'from a branch'"
    found = jenkins.script(_REPOSITORY % (coded(text), "feature/x"))
    url, commit = found.split()
    project = jenkins.add_job("multi", _MULTIBRANCH.format(url))
    jenkins.script(f"item('{coded(project)}').scheduleBuild2(0)")
    job = f"{project}/feature%2Fx"

    facts = facts_of(service, job)
    jenkins.script(f"new File('{url}').deleteDir()")
    assert facts["script"] == {
        "kind": "pipeline",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "source": "scm",
        "scm": {"url": url, "commit": commit, "path": "Jenkinsfile"},
    }
    assert "change" not in facts


def test_claims_that_a_build_archives_go_with_its_event(
    service: OutboxService, jenkins: RealController
) -> None:
    good = '{"v":1,"recordId":"00","text":"\u00e9"}'
    job = jenkins.add_job(
        "claims",
        SHELL.format(
            "mkdir -p .jenkins-notary; cd .jenkins-notary\n"
            f"printf '%s' '{good}' &gt;claims-1a.json\n"
            "echo '[1]' &gt;claims-2b.json; echo 'x' &gt;other.json\n"
            "head -c 1100000 /dev/zero &gt;claims-3c.json"
        ),
    )
    jenkins.build(job)

    event = service.wait_for("finalized", job)
    assert event["claims"] == [json.loads(good)]


def test_claims_are_taken_of_named_jobs_and_never_of_a_replay(
    service: OutboxService, jenkins: RealController
) -> None:
    script = (
        'echo "<${env.JENKINS_NOTARY_HOOK_CLAIMS}>"\n'
        "node { writeFile file: '.jenkins-notary/claims-1.json', text: '{\"v\":1}'\n"
        "archiveArtifacts '.jenkins-notary/*' }"
    )
    named = jenkins.add_pipeline("named", script)
    other = jenkins.add_pipeline("unnamed", script)
    jenkins.install_hook({**service.settings(), "claims": named})
    jenkins.build(named)
    jenkins.build(other)
    jenkins.script(
        f"item('{coded(named)}').lastBuild.getAction("
        "org.jenkinsci.plugins.workflow.cps.replay.ReplayAction)"
        f".run2(text('{coded(script)}'), [:])"
    )

    replayed = service.wait_for("finalized", named, 2)
    assert service.find("finalized", named)[0]["claims"] == [{"v": 1}]
    assert service.wait_for("finalized", other)["claims"] == []
    assert replayed["facts"]["replay"]["isReplay"] is True
    assert replayed["claims"] == []
    log = "item('{}').getBuildByNumber({}).log"
    assert "<true>" in jenkins.script(log.format(coded(named), 1))
    assert "<null>" in jenkins.script(log.format(coded(named), 2))
    assert "<null>" in jenkins.script(log.format(coded(other), 1))


_HOSTILE_CLAIMS = """mkdir -p .jenkins-notary; cd .jenkins-notary
deep=$(head -c 100000 /dev/zero | tr '\\0' '[')
printf '{"v":1,"assets":%s' "$deep" &gt;claims-1.json
printf '%s' "$deep" | tr '[' ']' &gt;&gt;claims-1.json; printf '}' &gt;&gt;claims-1.json
printf '{"v":1,"n":%s}' $(head -c 20000 /dev/zero | tr '\\0' 7) &gt;claims-2.json
for i in 3 4 5; do
  { printf '{"v":1,"t":"'; head -c 1040000 /dev/zero | tr '\\0' '\\177'
    printf '"}'; } &gt;claims-$i.json
done
ls -l"""


def test_hostile_claims_files_stop_neither_their_build_nor_the_next(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("hostile", SHELL.format(_HOSTILE_CLAIMS))
    behind = jenkins.add_job("next-to-hostile", SHELL.format("true"))
    jenkins.build(job)
    jenkins.build(behind)

    event = service.wait_for("finalized", job)
    assert event["facts"]["artifacts"] == 5
    assert event["claims"] == []
    service.wait_for("finalized", behind)


def test_watched_builds_see_the_hook_and_excluded_ones_leave_no_event(
    service: OutboxService, jenkins: RealController
) -> None:
    jenkins.install_hook(
        {
            **service.settings(),
            "exclude": f"{jenkins.folder}/left-*",
            "mode": "warn",
            "ledger": "https://notary.example.com",
        }
    )
    script = 'echo "<${env.JENKINS_NOTARY_HOOK} ${env.JENKINS_NOTARY_MODE}>"'
    out = jenkins.add_pipeline("left-out", script)
    watched = jenkins.add_pipeline("watched", script)
    jenkins.build(out)
    jenkins.build(watched)

    assert facts_of(service, watched)["mode"] == "warn"
    assert service.find("finalized", out) == []
    log = "item('{}').lastBuild.log"
    assert "<0.1.0 warn>" in jenkins.script(log.format(coded(watched)))
    assert "<null null>" in jenkins.script(log.format(coded(out)))


def test_a_deleted_build_and_a_deleted_job_are_told(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("gone", SHELL.format("true"))
    for _ in range(4):
        jenkins.build(job)
    jenkins.script(f"item('{coded(job)}').getBuildByNumber(2).delete()")
    jenkins.script(f"item('{coded(job)}').delete()")

    deleted = service.wait_for("build-deleted", job)
    assert deleted["build"]["number"] == 2
    assert deleted["build"]["startedAt"] > 0
    gone = service.wait_for("job-deleted", job)
    assert gone["range"] == {"first": 1, "last": 4, "count": 3}
    assert gone["build"] is None
    assert len(service.find("job-deleted", job)) == 1


def test_builds_that_jenkins_rotates_away_are_told(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("rotated", SHELL.format("true"))
    jenkins.script(
        f"def j = item('{coded(job)}')\n"
        "j.buildDiscarder = new hudson.tasks.LogRotator(-1, 1, -1, -1); j.save()"
    )
    jenkins.build(job)
    jenkins.build(job)

    assert service.wait_for("build-deleted", job)["build"]["number"] == 1
    assert [one["build"]["number"] for one in service.find("finalized", job)] == [1, 2]


def test_a_deleted_folder_tells_of_each_job_in_it(
    service: OutboxService, jenkins: RealController
) -> None:
    folder = jenkins.add_folder("doomed")
    jobs = [jenkins.add_job(f"doomed/{n}", SHELL.format("true")) for n in "ab"]
    jenkins.build(jobs[0])
    jenkins.script(f"item('{coded(folder)}').delete()")

    assert service.wait_for("job-deleted", jobs[0])["range"]["count"] == 1
    assert service.wait_for("job-deleted", jobs[1])["range"]["count"] == 0
    assert service.find("job-deleted", folder) == []


def test_a_renamed_job_and_a_moved_one_are_told(
    service: OutboxService, jenkins: RealController
) -> None:
    old = jenkins.add_job("old", SHELL.format("true"))
    target = jenkins.add_folder("target")
    jenkins.script(f"item('{coded(old)}').renameTo('new')")
    new = jenkins.name("new")
    renamed = service.wait_for("renamed", new)
    assert (renamed["from"], renamed["to"]) == (old, new)

    jenkins.script(f"Items.move(item('{coded(new)}'), item('{coded(target)}'))")
    moved = service.wait_for("moved", f"{target}/new")
    assert (moved["from"], moved["to"]) == (new, f"{target}/new")


def test_a_renamed_folder_is_one_event_and_a_later_move_below_it_another(
    service: OutboxService, jenkins: RealController
) -> None:
    folder = jenkins.add_folder("was")
    for name in "ab":
        jenkins.add_job(f"was/{name}", SHELL.format("true"))
    new = jenkins.name("is")
    # In one request, so on one thread: the folder, then a job by the very same names.
    jenkins.script(f"""
        item('{coded(folder)}').renameTo('is')
        def parent = item('{coded(jenkins.folder)}')
        item('{coded(f"{new}/a")}').delete()
        def again = parent.createProject(
            com.cloudbees.hudson.plugins.folder.Folder, 'was')
        Items.move(again.createProject(FreeStyleProject, 'a'), parent.getItem('is'))
        """)

    service.wait_for("moved", f"{new}/a")
    told = [
        (one["event"], one["from"], one["to"])
        for one in service.events
        if (one.get("to") or "").startswith(new)
    ]
    assert told == [("renamed", folder, new), ("moved", f"{folder}/a", f"{new}/a")]


def test_a_build_whose_job_was_renamed_at_once_has_all_its_facts(
    service: OutboxService, jenkins: RealController
) -> None:
    old = jenkins.add_job("quick", SHELL.format("true"))
    folder = jenkins.add_folder("behind")
    # Without an address the events wait for their facts, under a name that is gone.
    location = "jenkins.model.JenkinsLocationConfiguration.get()"
    jenkins.script(f"{location}.url = null")
    try:
        jenkins.build(old)
        wait(lambda: jenkins.status()["waiting"]["incoming"] == 1, "the event")
        jenkins.script(f"""
            item('{coded(old)}').renameTo('quicker')
            def moving = item('{coded(jenkins.name("quicker"))}')
            Items.move(moving, item('{coded(folder)}'))
            """)
        wait(lambda: jenkins.status()["waiting"]["incoming"] == 3, "waiting events")
        assert service.find("finalized", old) == []
    finally:
        jenkins.script(f"{location}.url = '{jenkins.url}'")
    jenkins.wake("keeper")

    event = service.wait_for("finalized", old)
    assert event["controller"]["url"] == jenkins.url
    assert facts_of(service, old)["log"]["lines"] > 0


def test_running_the_script_again_doubles_no_event(
    service: OutboxService, jenkins: RealController
) -> None:
    for _ in range(3):
        assert "listens" in jenkins.run_hook()
    job = jenkins.add_job("once", SHELL.format("true"))
    jenkins.build(job)
    service.wait_for("finalized", job)

    threads = (
        "Thread.allStackTraces.keySet().count { it.alive && it.name =~ 'notary hook' }"
    )
    assert jenkins.script("watchers().size()") == "3"
    assert jenkins.script(threads) == "3"
    assert len(service.find("finalized", job)) == 1


def test_a_wrong_setting_is_refused_and_the_hook_before_stays(
    service: OutboxService, jenkins: RealController
) -> None:
    answer = jenkins.install_hook({**service.settings(), "mode": "off"})
    assert "mode: expected one of [observe, warn, enforce], got off" in answer

    job = jenkins.add_job("stays", SHELL.format("true"))
    jenkins.build(job)
    service.wait_for("finalized", job)


def test_a_service_that_is_away_gets_every_event_later_in_order(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("away", SHELL.format("true"))
    service.stop()
    for _ in range(3):
        assert jenkins.build(job) == "SUCCESS"
    wait(lambda: jenkins.status()["waiting"]["ready"] == 3, "three waiting events")
    assert "ConnectException" in jenkins.status()["delivery"]
    service.come_back()
    service.answer = lambda _: (500, {"error": "internal", "code": 70, "message": "x"})
    wait(lambda: "HTTP 500: x" in jenkins.status()["delivery"], "the service's fault")
    service.answer = service.accept

    service.wait_for("finalized", job, 3)
    numbers = [one["build"]["number"] for one in service.find("finalized", job)]
    assert numbers == [1, 2, 3]
    wait(lambda: jenkins.status()["waiting"]["ready"] == 0, "an empty outbox")
    assert jenkins.status()["delivery"] == "well"


def test_numbers_have_no_gap_over_all_that_was_delivered(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("last", SHELL.format("true"))
    jenkins.build(job)
    service.wait_for("finalized", job)

    numbers = [one["seq"] for one in service.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {one["body"]["outbox"] for one in service.requests} == {
        json.loads(jenkins.read("jenkins-notary/outbox/outbox.json"))["id"]
    }


def test_the_token_stands_in_the_header_and_nowhere_else(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("token", SHELL.format("true"))
    jenkins.build(job)
    service.wait_for("finalized", job)

    assert service.requests[-1]["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in json.dumps([one["body"] for one in service.requests])
    assert TOKEN not in json.dumps(jenkins.status())


def test_a_refused_event_is_set_aside_and_holds_nothing_up(
    service: OutboxService, jenkins: RealController
) -> None:
    bad = jenkins.add_job("bad", SHELL.format("true"))
    good = jenkins.add_job("good", SHELL.format("true"))

    def refuse(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if any(one["job"]["name"] == bad for one in body["events"]):
            return 422, {"error": "usage", "code": 64, "message": "not this one"}
        service.accept(body)
        return 200, {"accepted": body["events"][-1]["seq"]}

    service.answer = refuse
    jenkins.build(bad)
    jenkins.build(good)
    service.wait_for("finalized", good)

    assert service.find("finalized", bad) == []
    assert jenkins.status()["waiting"]["refused"] == 1
    jenkins.script(
        "new File(home, 'jenkins-notary/outbox/refused').listFiles().each {\n"
        " it.renameTo(new File(home, 'jenkins-notary/outbox/events/' + it.name)) }"
    )
    service.answer = service.accept
    jenkins.wake("courier")
    service.wait_for("finalized", bad)


def test_receipts_and_checkpoints_come_back_to_the_builds(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("receipt", SHELL.format("true"))
    note = "ci.example.com/main\n7\nAAAA\n\n\u2014 ci.example.com/main BBBB\n"

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        service.accept(body)
        jobs = [
            f"ci:{one['job']['name']}#{one['build']['number']}"
            for one in body["events"]
            if one["event"] == "finalized"
        ]
        strangers = {"ci:../../x#1": "no", "a": "no", f"ci:{job}#99": "no", "b#1": None}
        return 200, {
            "accepted": body["events"][-1]["seq"],
            "receipts": {
                **dict.fromkeys(jobs, "c2sp.org/tlog-proof@v1\n"),
                **strangers,
            },
            "checkpoint": note,
        }

    service.answer = answer
    jenkins.build(job)
    folder = jenkins.script(f"item('{coded(job)}').lastBuild.rootDir")
    home = jenkins.script("home.path")
    path = f"{folder.removeprefix(home + '/')}/jenkins-notary.tlog-proof"
    wait(lambda: jenkins.read(path) == "c2sp.org/tlog-proof@v1", "the receipt")
    jenkins.build(job)

    log = jenkins.script(f"item('{coded(job)}').lastBuild.log").splitlines()
    (line,) = [one for one in log if one.startswith("[jenkins-notary] checkpoint ")]
    assert line == f"[jenkins-notary] checkpoint {coded(note)}"


def test_a_broken_outbox_breaks_no_build_and_a_sweep_finds_the_gap(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("unlucky", SHELL.format("true"))
    incoming = "new File(home, 'jenkins-notary/outbox/incoming')"
    wait(lambda: jenkins.status()["waiting"]["incoming"] == 0, "an idle outbox")
    jenkins.script(f"assert {incoming}.deleteDir(); {incoming}.text = ''")
    before = jenkins.status()["faults"]
    assert jenkins.build(job) == "SUCCESS"
    wait(lambda: jenkins.status()["faults"] > before, "the listener's fault")
    jenkins.script(f"{incoming}.delete(); {incoming}.mkdir()")
    assert service.find("finalized", job) == []

    # What has just ended is left to the listener for ten seconds.
    jenkins.script("sleep 10500")
    jenkins.wake("sweeper")
    service.wait_for("finalized", job)
    jenkins.wake("sweeper")
    jenkins.script("sleep 1000")
    assert len(service.find("finalized", job)) == 1


def test_builds_while_the_hook_was_off_are_swept_and_older_ones_are_not(
    service: OutboxService, jenkins: RealController
) -> None:
    job = jenkins.add_job("off", SHELL.format("true"))
    jenkins.uninstall_hook()
    jenkins.build(job)
    jenkins.build(job)
    # The first build becomes one of before the outbox.
    jenkins.script(
        f"def r = item('{coded(job)}').getBuildByNumber(1)\n"
        "def f = Run.getDeclaredField('startTime'); f.accessible = true\n"
        "f.setLong(r, 1000000000000L); r.save(); sleep 10500"
    )
    jenkins.install_hook(service.settings())
    jenkins.wake("sweeper")
    event = service.wait_for("finalized", job)
    assert event["build"]["number"] == 2
    assert event["facts"]["log"]["lines"] > 0

    jenkins.install_hook(
        {**service.settings(), "backfill": "true", "include": job, "sweepMinutes": "1"}
    )
    jenkins.wake("sweeper")
    assert service.wait_for("finalized", job, 2)["build"]["number"] == 1


def test_a_copy_of_the_controller_delivers_nothing_until_accepted(
    service: OutboxService, jenkins: RealController
) -> None:
    location = "jenkins.model.JenkinsLocationConfiguration.get()"
    job = jenkins.add_job("copy", SHELL.format("true"))
    path = "jenkins-notary/outbox/outbox.json"
    # The courier binds a new outbox in its first round.
    wait(lambda: json.loads(jenkins.read(path))["url"] == jenkins.url, "a bound outbox")
    before = json.loads(jenkins.read(path))
    try:
        jenkins.script(f"{location}.url = 'http://copy.example.com/'")
        jenkins.build(job)
        wait(
            lambda: (
                "another controller's: url: expected" in jenkins.status()["delivery"]
            ),
            "the refusal",
        )
        assert service.find("finalized", job) == []

        jenkins.script(
            f"def f = new File(home, '{path}')\n"
            "f.text = f.text.replaceFirst('\\\\{', '{\"accepted\":true,')"
        )
        jenkins.wake("courier")
        service.wait_for("finalized", job)
        after = json.loads(jenkins.read(path))
        assert (after["id"], after["url"]) == (before["id"], "http://copy.example.com/")
        assert "accepted" not in after
        assert [one["url"] for one in after["former"]] == [jenkins.url]
    finally:
        jenkins.script(f"{location}.url = '{jenkins.url}'")
        jenkins.script(
            f"new File(home, '{path}').text = text('{coded(json.dumps(before))}')"
        )


def test_listeners_cost_a_build_a_few_milliseconds(
    service: OutboxService, jenkins: RealController
) -> None:
    jenkins.run_hook()
    job = jenkins.add_pipeline("cost", "echo 'x'")
    jenkins.script(
        f"def j = item('{coded(job)}'); 40.times {{ j.scheduleBuild2(0).get() }}"
    )
    service.wait_for("finalized", job, 40)
    status = jenkins.status()

    # One sync of a file and one of its folder; a busy disk takes its time.
    assert status["listeners"]["finalized"]["count"] == 40
    assert status["listeners"]["finalized"]["averageMs"] < 100


def test_the_installed_command_line_records_what_the_outbox_holds(
    jenkins: RealController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text(os.environ["JENKINS_NOTARY_TEST_JENKINS_TOKEN"])
    environment = {
        "JENKINS_NOTARY_LEDGER": f"sqlite:///{tmp_path}/ledger.db",
        "JENKINS_NOTARY_KEY": f"{tmp_path}/build.pem",
        "JENKINS_NOTARY_JENKINS_URL": jenkins.url,
        "JENKINS_NOTARY_JENKINS_USER": os.environ["JENKINS_NOTARY_TEST_JENKINS_USER"],
        "JENKINS_NOTARY_JENKINS_TOKEN_FILE": f"{token}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert command("key", "generate").code == 0
    assert command("ledger", "init").code == 0
    program = Path(sys.executable).parent / "jenkins-notary"
    settings = {f"command.env.{name}": value for name, value in environment.items()}
    answer = jenkins.install_hook({"command": f"{program}", **settings})
    assert "listens" in answer
    job = jenkins.add_pipeline("by-command", "stage('Build') { echo 'hi' }")
    jenkins.build(job)
    last = f"item('{coded(job)}').lastBuild"
    home = jenkins.script("home.path")
    folder = jenkins.script(f"{last}.rootDir").removeprefix(f"{home}/")
    proof = f"{folder}/jenkins-notary.tlog-proof"
    wait(lambda: jenkins.read(proof).startswith("c2sp.org/tlog-proof@v1"), "a receipt")

    found = {one["type"]: one for one in evidence_of(f"{job}#1")}
    assert set(found) == {"log", "provenance"}
    text = json.dumps(found["provenance"]["predicate"])
    assert hashlib.sha256(b"stage('Build') { echo 'hi' }").hexdigest() in text
    assert [one["name"] for one in found["log"]["predicate"]["stages"]] == ["Build"]
    assert command("log", f"{job}#1", "--stage", "Build").text == "hi\n"

    jenkins.script(f"{last}.delete()")
    wait(
        lambda: any(one["type"] == "deletion" for one in evidence_of(f"{job}#1")),
        "the deletion record",
    )

    sequence = "new File(home, 'jenkins-notary/outbox/sequence')"
    jenkins.uninstall_hook()
    jenkins.script(f"{sequence}.text = ({sequence}.text.trim() as long) + 7")
    jenkins.install_hook({"command": f"{program}", **settings})
    before = jenkins.status()["faults"]
    jenkins.build(job)
    wait(lambda: jenkins.status()["faults"] > before, "word of the lost events")
    wait(lambda: len(evidence_of(f"{job}#2")) > 1, "the build behind them")
    assert "neither recorded nor in the outbox" in jenkins.status()["lost"]


def test_the_freestyle_examples_run(
    service: OutboxService,
    jenkins: RealController,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JENKINS_NOTARY_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("JENKINS_NOTARY_KEY", f"{tmp_path}/build.pem")
    assert command("key", "generate").code == 0
    assert command("ledger", "init").code == 0
    names = ("JENKINS_NOTARY_LEDGER", "JENKINS_NOTARY_KEY", "XDG_STATE_HOME")
    variables = {name: os.environ[name] for name in names}
    variables["PATH+NOTARY"] = f"{Path(sys.executable).parent}"
    properties = "Jenkins.get().globalNodeProperties"
    pairs = ", ".join(f"e('{name}', '{value}')" for name, value in variables.items())
    jenkins.script(f"""
        def e = {{ k, v ->
            new hudson.slaves.EnvironmentVariablesNodeProperty.Entry(k, v) }}
        {properties}.replaceBy([
            new hudson.slaves.EnvironmentVariablesNodeProperty([{pairs}])])""")
    try:
        jobs = [
            jenkins.add_job(path.stem, path.read_text(encoding="utf-8"))
            for path in sorted(EXAMPLES.glob("*.xml"))
        ]
        assert [jenkins.build(job) for job in jobs] == ["SUCCESS", "SUCCESS"]
    finally:
        jenkins.script(f"{properties}.clear()")

    (silent, stepping) = jobs
    assert facts_of(service, silent)["artifacts"] == 1
    # The asset, and its envelope and receipt.
    assert facts_of(service, stepping)["artifacts"] == 3
    (record,) = evidence_of(f"{stepping}#1")
    assert record["status"] == "TRUSTED"


def evidence_of(job: str) -> list[dict[str, Any]]:
    """Return the ledger's records of a build."""
    done = command("evidence", job, "-o", "json")
    assert done.code == 0, done.stderr
    return list(done.json["records"])

"""A real Jenkins, its hook and an agent with a real service: who lies, and how much.

Used where `JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` name a throw-away
controller on this machine with the Pipeline, git and command-launcher plugins.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.parts.controller import CREDENTIAL, coded, open_controller, wait
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.controller import RealController

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

AGENT = Path(__file__).parents[2] / "resources/jenkins_notary/notary-agent.pyz"
NODE = "corroboration-agent"
_NODE = """
def jar = new File(home, 'tmp-agent.jar')
jar.bytes = new URL(Jenkins.get().rootUrl + 'jnlpJars/agent.jar').bytes
def command = 'java -jar ' + jar.path
def security = 'org.jenkinsci.plugins.scriptsecurity.scripts.'
def loader = Jenkins.get().pluginManager.uberClassLoader
def language = loader.loadClass(security + 'languages.SystemCommandLanguage').get()
loader.loadClass(security + 'ScriptApproval').get().preapprove(command, language)
def launcher = new hudson.slaves.CommandLauncher(command)
def path = new File(home, 'tmp-agent').path
def node = new hudson.slaves.DumbSlave('%s', path, launcher)
node.numExecutors = 2
Jenkins.get().addNode(node)
"""
_PIPELINE = """
node('%(node)s') {
  checkout([$class: 'GitSCM', branches: [[name: '*/main']],
    userRemoteConfigs: [[url: '%(repository)s']]])
  sh 'printf "$BUILD_TAG" > app.jar'
  withEnv(%(environment)s) {
    sh '''%(python)s %(agent)s notarize app.jar --job "$JOB_ID"'''
  }
  %(further)s
  archiveArtifacts 'app.jar'
}
"""


class World(NamedTuple):
    """A controller with hook and agent, a service, and a repository."""

    jenkins: RealController
    service: Serving
    instance: str
    repository: Path
    commit: str
    writer: str

    def pipeline(self, *, lie: str = "", further: str = "", other: str = "") -> str:
        """Return a script whose step claims what a build claims, or a lie."""
        job = other or f"{self.instance}:${{env.JOB_NAME}}#${{env.BUILD_NUMBER}}"
        environment = [
            f"JENKINS_NOTARY_LEDGER={self.service.url}",
            f"JENKINS_NOTARY_TOKEN={self.writer}",
            "JENKINS_NOTARY_OUTPUT=json",
            f"JOB_ID={job}",
            "GIT_BRANCH=origin/main",
            lie or f"GIT_COMMIT={self.commit}",
        ]
        quoted = ", ".join(f'"{one}"' for one in environment)
        return _PIPELINE % {
            "node": NODE,
            "repository": self.repository,
            "environment": f"[{quoted}]",
            "python": sys.executable,
            "agent": AGENT,
            "further": further,
        }

    def build(self, job: str) -> Any:  # noqa: ANN401 - a document
        """Return the view of build 1 of a job, once it is read and compared."""
        path = f"/api/v1/evidence?job={self.instance}:{job}%231"

        def view() -> Any:  # noqa: ANN401 - a document
            answer = self.service.ask("GET", path)
            return answer.json.get("build") if answer.status == 200 else None

        def is_done() -> bool:
            found = view()
            return bool(found and found["provenance"] and found["corroborations"])

        wait(is_done, f"corroboration of {job}")
        return view()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if "JENKINS_NOTARY_TEST_JENKINS_URL" not in os.environ:
        pytest.skip("no real Jenkins: JENKINS_NOTARY_TEST_JENKINS_URL is not set")
    names = [f"JENKINS_NOTARY_TEST_JENKINS_{one}" for one in ("URL", "USER", "TOKEN")]
    url, user, token = (os.environ[name] for name in names)
    folder = tmp_path_factory.mktemp("real")
    (folder / "token").write_text(token)
    (folder / "token").chmod(0o600)
    options = ("--jenkins-url", url, "--jenkins-user", user)
    access = ("--jenkins-token-file", str(folder / "token"))
    with (
        open_controller(url, user, token) as jenkins,
        Serving(folder, *options, *access) as service,
    ):
        instance = jenkins.url.split("/")[2].replace(":", "-")
        scope = ("--folder", f"{instance}:*")
        hook = service.token("hook", "--role", "controller", *scope)
        writer = service.token("builds", "--role", "writer", *scope)
        jenkins.install_hook({"url": service.url, "credentialsId": CREDENTIAL})
        jenkins.set_credential(hook)
        jenkins.script(_NODE % NODE)
        repository = make_repository(folder / "repository")
        commit = git(repository, "rev-parse", "HEAD")
        yield World(jenkins, service, instance, repository, commit, writer)
        jenkins.script(
            f"Jenkins.get().removeNode(Jenkins.get().getNode('{NODE}'))\n"
            "new File(home, 'tmp-agent').deleteDir()\n"
            "new File(home, 'tmp-agent.jar').delete()"
        )


def make_repository(path: Path) -> Path:
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "README").write_text("x\n")
    git(path, "add", ".")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    git(path, *who, "commit", "-qm", "x")
    return path


def git(path: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=path, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def verdicts(build: Any) -> dict[str, str]:  # noqa: ANN401 - a document
    fields = build["corroborations"][0]["fields"]
    return {one["field"]: one["verdict"] for one in fields}


def test_an_honest_build_on_an_agent_agrees_and_claims_level_2(world: World) -> None:
    job = world.jenkins.add_pipeline("honest", world.pipeline())

    assert world.jenkins.build(job) == "SUCCESS"
    build = world.build(job)

    assert verdicts(build) == {
        "build": "agrees",
        "commit": "agrees",
        "branch": "agrees",
        "cause": "unavailable",
        "parameters": "unavailable",
        "result": "unavailable",
        "node": "agrees",
    }, json.dumps(build["corroborations"])
    (artifact,) = build["corroborations"][0]["artifacts"]
    assert (artifact["verdict"], artifact["path"]) == ("agrees", "app.jar")
    assert build["slsa"]["level"] == "L2", build["slsa"]
    assert artifact["digest"] in build["slsa"]["artifacts"]


def test_a_build_that_lies_about_commit_and_node_is_found(world: World) -> None:
    lying = world.pipeline(lie=f"GIT_COMMIT={'f' * 40}")
    job = world.jenkins.add_pipeline("liar", lying)

    assert world.jenkins.build(job) == "SUCCESS"
    build = world.build(job)

    assert verdicts(build)["commit"] == "differs"
    assert build["slsa"]["level"] == "L1"
    assert "differs from the controller" in "; ".join(build["slsa"]["because"])


def test_bytes_that_are_swapped_after_the_step_differ(world: World) -> None:
    swapped = world.pipeline(further="sh 'echo evil > app.jar'")
    job = world.jenkins.add_pipeline("swapped", swapped)

    assert world.jenkins.build(job) == "SUCCESS"
    (artifact,) = world.build(job)["corroborations"][0]["artifacts"]

    assert artifact["verdict"] == "differs"
    assert artifact["observed"] != artifact["digest"]


def test_a_claim_for_another_build_is_found(world: World) -> None:
    victim = world.jenkins.add_pipeline("victim", "echo 'x'")
    thief = world.pipeline(other=f"{world.instance}:{victim}#1")
    job = world.jenkins.add_pipeline("thief", thief)
    assert world.jenkins.build(victim) == "SUCCESS"

    assert world.jenkins.build(job) == "SUCCESS"

    build = world.build(victim)
    (found,) = build["corroborations"]
    assert found["verdict"] == "unavailable"
    assert found["artifacts"][0]["why"] == "the build has archived no such file"


def test_coverage_of_the_folder_is_whole_once_the_hook_has_delivered(
    world: World,
) -> None:
    job = world.jenkins.add_pipeline("gone", "echo 'x'")
    assert world.jenkins.build(job) == "SUCCESS"
    wait(lambda: not pending(world), "the outbox")
    world.jenkins.script(f"item('{coded(job)}').getBuildByNumber(1).delete()")
    wait(lambda: not pending(world), "the outbox")
    # Without the hook a build goes unseen.
    world.jenkins.uninstall_hook()
    assert world.jenkins.build(job) == "SUCCESS"
    assert world.jenkins.build(job) == "SUCCESS"
    world.jenkins.script(f"item('{coded(job)}').getBuildByNumber(2).delete()")

    (report,) = coverage(world, world.jenkins.folder)

    jobs = {one["job"]: one for one in report["jobs"]}
    assert jobs[job]["numbers"] == {"lost": [[2, 2]], "missing": [[3, 3]]}
    assert jobs[job]["present"] == 1
    others = [one for name, one in jobs.items() if name != job]
    assert {one["covered"] for one in others} == {True}


def pending(world: World) -> str:
    """Return what waits in the hook's outbox, "" for nothing."""
    return world.jenkins.script(
        "def f = new File(home, 'jenkins-notary/outbox/events')\n"
        "(f.list() ?: []).findAll { it.endsWith('.json') }.join(' ')"
    )


def coverage(world: World, folder: str) -> Any:  # noqa: ANN401 - a document
    """Return what the command line finds on the service's ledger."""
    access = {
        f"JENKINS_NOTARY_JENKINS_{one}": os.environ[
            f"JENKINS_NOTARY_TEST_JENKINS_{one}"
        ]
        for one in ("URL", "USER", "TOKEN")
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "jenkins_notary", "coverage"),
            *("--job", f"{world.instance}:{folder}/*", "-o", "json"),
            *("--ledger", str(world.service.ledger)),
        ],
        env={**world.service.environ, **access},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 66, done.stderr
    return json.loads(done.stdout)["controllers"]

"""Load the steps of this checkout into a real Jenkins controller on this machine.

The controller is a throw-away one, reached as an administrator, that runs builds on
this machine. Its script console makes a git repository of the checkout's `vars/` and
`resources/` a Global Pipeline Library, and takes everything away again.

    with open_library(os.environ, folder) as library:
        build = library.build("app", "@Library('notary') _; node { notaryBuildLog() }")
        assert build.result == "SUCCESS"
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from tests.parts.service import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
PREFIX = "JENKINS_NOTARY_TEST_JENKINS_"
TOKEN_ID = "jenkins-notary"
WAIT_S = 120.0

_PRELUDE = """
import com.cloudbees.hudson.plugins.folder.Folder
import com.cloudbees.plugins.credentials.*
import com.cloudbees.plugins.credentials.domains.Domain
import hudson.model.*
import hudson.slaves.EnvironmentVariablesNodeProperty
import jenkins.model.Jenkins
import jenkins.plugins.git.GitSCMSource
import jenkins.plugins.git.traits.BranchDiscoveryTrait
import org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl
import org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition
import org.jenkinsci.plugins.workflow.job.WorkflowJob
import org.jenkinsci.plugins.workflow.libs.*

given = new groovy.json.JsonSlurperClassic().parseText(
    new String('%s'.decodeBase64(), 'UTF-8'))
folder = Jenkins.get().getItemByFullName(given.folder)
library = { String name ->
    def source = new GitSCMSource(given.source)
    source.traits = [new BranchDiscoveryTrait()]
    def made = new LibraryConfiguration(name, new SCMSourceRetriever(source))
    made.defaultVersion = given.commit
    made.allowVersionOverride = false
    made.includeInChangesets = false
    made
}
withoutOurs = {
    def store = SystemCredentialsProvider.instance.store
    GlobalLibraries.get().libraries = GlobalLibraries.get().libraries
        .findAll { it.name != 'notary' }
    Jenkins.get().globalNodeProperties.removeAll(
        Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty)
            .findAll { it.envVars.JENKINS_NOTARY_LEDGER })
    store.getCredentials(Domain.global()).findAll { it.id == given.tokenId }
        .each { store.removeCredentials(Domain.global(), it) }
}
"""
_OPEN = """
withoutOurs()
GlobalLibraries.get().libraries = GlobalLibraries.get().libraries + [library('notary')]
def entries = given.environment.collect { k, v ->
    new EnvironmentVariablesNodeProperty.Entry(k, v) }
Jenkins.get().globalNodeProperties.add(new EnvironmentVariablesNodeProperty(entries))
SystemCredentialsProvider.instance.store.addCredentials(Domain.global(),
    new StringCredentialsImpl(CredentialsScope.GLOBAL, given.tokenId, '',
        hudson.util.Secret.fromString(given.secret)))
def made = Jenkins.get().createProject(Folder, given.folder)
made.properties.add(new FolderLibraries([library('notary-of-folder')]))
made.save()
Jenkins.get().save()
"""
_CLOSE = """
withoutOurs()
folder?.delete()
Jenkins.get().save()
"""
_START = """
def job = folder.getItem(given.name) ?: folder.createProject(WorkflowJob, given.name)
job.definition = new CpsFlowDefinition(given.pipeline, true)
job.save()
print(job.scheduleBuild2(0).waitForStart().number)
"""
_SET_TOKEN = """
def store = SystemCredentialsProvider.instance.store
store.getCredentials(Domain.global()).findAll { it.id == given.tokenId }.each {
    store.updateCredentials(Domain.global(), it, new StringCredentialsImpl(
        CredentialsScope.GLOBAL, given.tokenId, '',
        hudson.util.Secret.fromString(given.secret)))
}
"""


class Build(NamedTuple):
    """A build that has ended.

    Attributes:
        job: The full name of its job.
        number: Its number.
        result: Jenkins' word, such as `SUCCESS`.
        log: Its console text.
        duration_ms: How long it took, as Jenkins counts.
        artifacts: The paths of what it archived.
    """

    job: str
    number: int
    result: str
    log: str
    duration_ms: int
    artifacts: list[str]


class Library:
    """A controller that has the steps, and one folder on it for the jobs of a test.

    Attributes:
        folder: The folder's name.
        environment: What every build there has in its environment.
        secret: The text of the credential `jenkins-notary`: the stand-in's token.
    """

    def __init__(self, url: str, user: str, token: str, place: Path) -> None:
        self.url = url.rstrip("/") + "/"
        self.session = requests.Session()
        self.session.auth = (user, token)
        self.folder = f"steps-{secrets.token_hex(4)}"
        self.secret = TOKEN
        self.source = place / "library"
        self.commit = make_repository(self.source)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "JENKINS_NOTARY_LEDGER": f"sqlite:///{place}/ledger/ledger.db",
            "JENKINS_NOTARY_KEY": f"{place}/data/jenkins-notary/key.pem",
            "XDG_DATA_HOME": f"{place}/data",
            "XDG_STATE_HOME": f"{place}/state",
            "XDG_CONFIG_HOME": f"{place}/config",
        }
        self.program("key", "generate")
        self.program("ledger", "init")
        self.script(_OPEN, environment=self.environment, secret=self.secret)

    def program(self, *words: str) -> Any:  # noqa: ANN401 - a document of any shape
        """Run the program outside any build, on the ledger of the builds."""
        done = subprocess.run(
            [sys.executable, "-m", "jenkins_notary", *words, "-o", "json"],
            env={**os.environ, **self.environment},
            cwd=self.source.parent,
            capture_output=True,
            check=False,
        )
        document = json.loads(done.stdout)
        assert done.returncode == 0, document
        return document

    def script(self, script: str, **given: object) -> str:
        """Run Groovy on the controller; return what it prints."""
        facts = {
            "folder": self.folder,
            "source": str(self.source),
            "commit": self.commit,
            "tokenId": TOKEN_ID,
            **given,
        }
        coded = base64.b64encode(json.dumps(facts).encode()).decode()
        answer = self.session.post(
            f"{self.url}scriptText",
            data={"script": _PRELUDE % coded + script + "\n''"},
            timeout=WAIT_S,
        )
        answer.raise_for_status()
        assert "\tat " not in answer.text, answer.text[:3000]
        return answer.text.partition("Result:")[0].strip()

    def set_token(self, text: str) -> None:
        """Change the text of the credential."""
        self.script(_SET_TOKEN, secret=text)

    def build(self, name: str, script: str) -> Build:
        """Run a pipeline in the sandbox to its end."""
        number = int(self.script(_START, name=name, pipeline=script))
        url = f"{self.url}job/{self.folder}/job/{name}/{number}/"
        deadline = time.monotonic() + WAIT_S
        while True:
            found = self.session.get(f"{url}api/json", timeout=WAIT_S).json()
            if not found["building"]:
                break
            assert time.monotonic() < deadline, f"{url} did not end"
            time.sleep(0.1)
        log = self.session.get(f"{url}consoleText", timeout=WAIT_S).text
        artifacts = [one["relativePath"] for one in found["artifacts"]]
        job = f"{self.folder}/{name}"
        return Build(job, number, found["result"], log, found["duration"], artifacts)

    def evidence(self, build: Build) -> list[dict[str, Any]]:
        """Return the records of a build, the oldest first."""
        found = self.program("evidence", f"{build.job}#{build.number}")["records"]
        return sorted(found, key=lambda one: one["index"])

    def close(self) -> None:
        """Take everything away from the controller."""
        self.script(_CLOSE)


def make_repository(folder: Path) -> str:
    """Make a git repository of the checkout's library; return its commit."""
    for name in ("vars", "resources"):
        shutil.copytree(ROOT / name, folder / name)
    git = ["git", "-C", str(folder), "-c", "user.name=Test"]
    git += ["-c", "user.email=test@example.com"]
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-q", "-m", "library: the steps of this checkout"),
    ):
        subprocess.run([*git, *words], check=True)
    found = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


@contextlib.contextmanager
def open_library(environ: Mapping[str, str], place: Path) -> Iterator[Library]:
    """Have the steps on the controller that an environment names, until the end.

    Args:
        environ: Where `JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` are.
        place: A new folder for the library's repository and the ledger.
    """
    url, user, token = (environ[f"{PREFIX}{one}"] for one in ("URL", "USER", "TOKEN"))
    library = Library(url, user, token, place)
    try:
        yield library
    finally:
        library.close()

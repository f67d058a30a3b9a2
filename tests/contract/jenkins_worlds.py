"""Two places to run the same tests in: the stand-in, and a real Jenkins controller.

A world makes jobs and builds, puts bytes into logs and takes logs away; the real one
does so by REST and by the script console, so its user must be an administrator. It
works in one folder, which it deletes.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import time
import urllib.parse
from typing import TYPE_CHECKING, Protocol

import requests

from jenkins_notary.jenkins.access import Access
from jenkins_notary.jenkins.client import JenkinsClient
from tests.parts.jenkins import TOKEN, USER, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.parts.jenkins import StandIn

FILES = {"out/a b%c.txt": b"data\n", "out/page.html": b"<p>\n"}
"""What every build of a world archives."""

WAIT_S = 60.0


class World(Protocol):
    """What the tests need of a controller; names are full names."""

    access: Access

    def add_job(self, name: str, *, freestyle: bool = False) -> str:
        """Make a job in the world's folder; return its full name."""

    def run(self, name: str) -> int:
        """Run a build to its end; return its number. It archives :data:`FILES`."""

    def start(self, name: str) -> int:
        """Start a build that goes on until :meth:`stop`; return its number."""

    def stop(self, name: str, number: int) -> None:
        """End a running build."""

    def set_log(self, name: str, number: int, raw: bytes) -> None:
        """Replace the raw log of a build that has ended."""

    def lose_log(self, name: str, number: int) -> None:
        """Delete the raw log of a build that has ended."""

    def delete_build(self, name: str, number: int) -> None:
        """Delete a build."""

    def make_reader(self, *, can_read: bool) -> Access | None:
        """Return a user who has Overall/Read, and Job/Read or nothing else.

        None where the controller has no matrix of permissions.
        """

    def ask(self, path: str, *, with_login: bool = True) -> requests.Response:
        """Send a bare GET below the root URL; follow nothing."""


def make_client(world: World) -> JenkinsClient:
    """Return a client of a world's controller."""
    return JenkinsClient(world.access)


class _Base:
    """What both worlds do alike."""

    access: Access

    def ask(self, path: str, *, with_login: bool = True) -> requests.Response:
        login = (self.access.user or "", self.access.token or "")
        return requests.get(
            self.access.url + path,
            auth=login if with_login else None,
            allow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            timeout=WAIT_S,
        )


class StandInWorld(_Base):
    """The stand-in."""

    def __init__(self, jenkins: StandIn) -> None:
        self.access = Access("ci.example.com", jenkins.url, USER, TOKEN)
        self._jenkins = jenkins

    def add_job(self, name: str, *, freestyle: bool = False) -> str:
        return self._jenkins.add_job(f"contract/{name}", freestyle=freestyle).name

    def run(self, name: str) -> int:
        job = self._jenkins.jobs[name]
        log = b"Started by user notary\nhello\nFinished: SUCCESS\n"
        stages = [{"id": "6", "name": "Build", "status": "SUCCESS"}]
        is_pipeline = "WorkflowJob" in job.classes[0]
        build = job.add_build(
            log=log, artifacts=dict(FILES), stages=stages if is_pipeline else None
        )
        return build.number

    def start(self, name: str) -> int:
        number = self.run(name)
        build = self._jenkins.jobs[name].builds[number]
        build.building, build.log = True, b"Started by user notary\nhello\npart"
        return number

    def stop(self, name: str, number: int) -> None:
        build = self._jenkins.jobs[name].builds[number]
        build.append(b"\nFinished: ABORTED\n")
        build.finish("ABORTED")

    def set_log(self, name: str, number: int, raw: bytes) -> None:
        self._jenkins.jobs[name].builds[number].log = raw

    def lose_log(self, name: str, number: int) -> None:
        self._jenkins.jobs[name].builds[number].log_lost = True

    def delete_build(self, name: str, number: int) -> None:
        self._jenkins.jobs[name].builds[number].delete()

    def make_reader(self, *, can_read: bool) -> Access | None:
        for job in self._jenkins.jobs.values():
            job.denied = 0 if can_read else 404
        return self.access


_FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder/>"
_SHELL = """mkdir -p out
printf 'data\\n' > 'out/a b%c.txt'
printf '&lt;p&gt;\\n' > out/page.html
echo hello
while [ -e ../hold ]; do printf part; sleep 1; done
"""
_FREESTYLE = f"""<project><builders><hudson.tasks.Shell><command>{_SHELL}</command>
</hudson.tasks.Shell></builders><publishers><hudson.tasks.ArtifactArchiver>
<artifacts>out/*</artifacts></hudson.tasks.ArtifactArchiver></publishers></project>"""
_PIPELINE = f"""<flow-definition plugin="workflow-job">
<definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition"><script>
node {{ stage('Build') {{ sh '''{
    _SHELL.replace("&lt;", "<")
    .replace("&gt;", ">")
    .replace("<", "&lt;")
    .replace(">", "&gt;")
    .replace(chr(92), chr(92) * 2)
}'''
archiveArtifacts 'out/*' }} }}</script><sandbox>true</sandbox></definition>
</flow-definition>"""


class RealWorld(_Base):
    """A real controller, used as an administrator."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.folder = f"contract-{secrets.token_hex(4)}"
        self._session = requests.Session()
        self._session.auth = (access.user or "", access.token or "")
        self._client = JenkinsClient(access)
        self._create("", self.folder, _FOLDER)

    def close(self) -> None:
        """Delete the folder with all in it."""
        self._script(f"item('{self.folder}').delete()")

    def add_job(self, name: str, *, freestyle: bool = False) -> str:
        folder, _, last = f"{self.folder}/{name}".rpartition("/")
        made = ""
        for part in folder.split("/"):
            if made and not self._exists(f"{made}/{part}"):
                self._create(made, part, _FOLDER)
            made = f"{made}/{part}".lstrip("/")
        # Only a multibranch project makes names with "%"; a rename does not mind.
        self._create(folder, "new", _FREESTYLE if freestyle else _PIPELINE)
        self._script(f"item('{folder}/new').renameTo(text('{_text(last)}'))")
        return f"{folder}/{last}"

    def run(self, name: str) -> int:
        number = self._trigger(name)
        self._wait(name, number, is_building=False)
        return number

    def start(self, name: str) -> int:
        self._script(f"hold('{_text(name)}', true)")
        number = self._trigger(name)
        self._wait(name, number, is_building=True)
        deadline = time.monotonic() + WAIT_S
        while b"hello" not in self._console(name, number):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return number

    def stop(self, name: str, number: int) -> None:
        self._script(f"hold('{_text(name)}', false)")
        self._wait(name, number, is_building=False)

    def set_log(self, name: str, number: int, raw: bytes) -> None:
        file = f"log('{_text(name)}', {number})"
        self._script(f"{file}.bytes = new byte[0]")
        # Groovy takes literals of up to 65,535 characters.
        for place in range(0, len(raw), 48_000):
            coded = base64.b64encode(raw[place : place + 48_000]).decode()
            self._script(f"{file} << '{coded}'.decodeBase64()")

    def lose_log(self, name: str, number: int) -> None:
        self._script(f"assert log('{_text(name)}', {number}).delete()")

    def delete_build(self, name: str, number: int) -> None:
        self._script(f"item(text('{_text(name)}')).getBuildByNumber({number}).delete()")

    def make_reader(self, *, can_read: bool) -> Access | None:
        user = f"{self.folder}-{'reader' if can_read else 'nobody'}"
        rights = "['READ', 'Item.READ']" if can_read else "['READ']"
        token = self._script(
            "def j = jenkins.model.Jenkins.get(); def s = j.authorizationStrategy\n"
            "if (s.class.simpleName != 'GlobalMatrixAuthorizationStrategy') return\n"
            f"j.securityRealm.createAccount('{user}', '{secrets.token_hex(16)}')\n"
            f"def u = hudson.model.User.getById('{user}', true)\n"
            "def t = u.getProperty(jenkins.security.ApiTokenProperty).tokenStore"
            ".generateNewToken('t'); u.save()\n"
            f"if ('READ' in {rights}) s.add(jenkins.model.Jenkins.READ, '{user}')\n"
            f"if ('Item.READ' in {rights}) s.add(hudson.model.Item.READ, '{user}')\n"
            "j.save(); print t.plainValue"
        )
        return self.access._replace(user=user, token=token) if token else None

    def _console(self, name: str, number: int) -> bytes:
        with self._client.console(name, number) as stream:
            return stream.read()

    def _trigger(self, name: str) -> int:
        number = self._script(f"print item(text('{_text(name)}')).nextBuildNumber")
        path = "".join(f"job/{_quote(part)}/" for part in name.split("/"))
        answer = self._session.post(f"{self.access.url}{path}build", timeout=WAIT_S)
        answer.raise_for_status()
        return int(number)

    def _wait(self, name: str, number: int, *, is_building: bool) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            assert time.monotonic() < deadline, (name, number)
            with contextlib.suppress(Exception):
                build = self._client.build(name, number)
                if {build["building"], build["inProgress"]} == {is_building}:
                    return
            time.sleep(0.1)

    def _exists(self, name: str) -> bool:
        return self._script(f"print item('{name}') != null") == "true"

    def _create(self, folder: str, name: str, config: str) -> None:
        path = "".join(f"job/{part}/" for part in folder.split("/") if part)
        answer = self._session.post(
            f"{self.access.url}{path}createItem",
            params={"name": name},
            data=config,
            headers={"Content-Type": "text/xml"},
            timeout=WAIT_S,
        )
        answer.raise_for_status()

    def _script(self, script: str) -> str:
        """Run a Groovy script on the controller; return what it prints."""
        head = (
            "text = { new String(it.decodeBase64(), 'UTF-8') }\n"
            "item = { jenkins.model.Jenkins.get().getItemByFullName(it) }\n"
            "log = { n, b -> new File(item(text(n)).getBuildByNumber(b).rootDir, "
            "'log') }\n"
            "hold = { n, on -> def w = jenkins.model.Jenkins.get()"
            ".getWorkspaceFor(item(text(n))).sibling('hold'); "
            "on ? w.write('', 'UTF-8') : w.delete() }\n"
        )
        answer = self._session.post(
            f"{self.access.url}scriptText",
            data={"script": f"{head}{script}\nnull"},
            timeout=WAIT_S,
        )
        answer.raise_for_status()
        assert "Exception" not in answer.text, answer.text[:2000]
        return answer.text.strip()


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _text(text: str) -> str:
    """Return a text in base64: no name can break out of a script."""
    return base64.b64encode(text.encode()).decode()


@contextlib.contextmanager
def open_world(kind: str, environ: Mapping[str, str]) -> Iterator[World]:
    """Open the world `stand-in` or `real` until the block ends."""
    if kind == "stand-in":
        with serve_jenkins("/ci") as jenkins:
            yield StandInWorld(jenkins)
        return
    names = [f"JENKINS_NOTARY_TEST_JENKINS_{one}" for one in ("URL", "USER", "TOKEN")]
    url, user, token = (environ[name] for name in names)
    world = RealWorld(
        Access("ci.example.com", url.rstrip("/") + "/", user or None, token or None)
    )
    try:
        yield world
    finally:
        world.close()

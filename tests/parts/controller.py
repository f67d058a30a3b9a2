"""Drive a real Jenkins controller with the hook, for the tests of the hook.

The controller is a throw-away one, reached as an administrator: its script console puts
the hook's files into its home, makes jobs and builds, and takes everything away again.

    with open_controller(url, user, token) as jenkins, OutboxService() as service:
        jenkins.install_hook(service.settings())
        job = jenkins.add_pipeline("app", "echo 'hi'")
        jenkins.build(job)
        event = service.wait_for("finalized", job)
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import json
import secrets
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SOURCES = Path(__file__).parents[2] / "resources/init.groovy.d"
TOKEN = "hook.s3cret-token"
CREDENTIAL = "jenkins-notary-hook-test"
WAIT_S = 60.0

_PRELUDE = """
import com.cloudbees.plugins.credentials.*
import com.cloudbees.plugins.credentials.domains.Domain
import org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl
import hudson.model.*
import jenkins.model.Jenkins
text = { new String(it.decodeBase64(), 'UTF-8') }
item = { Jenkins.get().getItemByFullName(text(it)) }
home = Jenkins.get().rootDir
watchers = { [hudson.model.listeners.RunListener, hudson.model.listeners.ItemListener,
    EnvironmentContributor].collectMany { t -> t.all().findAll {
        it.class.name.startsWith('notaryhook.') } } }
"""

_UNPACK = """
def folder = new File(home, 'init.groovy.d')
def stream = new java.util.zip.ZipInputStream(
    new ByteArrayInputStream('%s'.decodeBase64()))
def entry
while ((entry = stream.nextEntry) != null) {
    def file = new File(folder, entry.name)
    file.parentFile.mkdirs()
    file.bytes = stream.readAllBytes()
}
"""

_CREDENTIAL = """
def store = SystemCredentialsProvider.instance.store
store.getCredentials(Domain.global()).findAll { it.id == '%(id)s' }
    .each { store.removeCredentials(Domain.global(), it) }
store.addCredentials(Domain.global(), new StringCredentialsImpl(
    CredentialsScope.GLOBAL, '%(id)s', '', hudson.util.Secret.fromString('%(secret)s')))
"""

_UNINSTALL = """
watchers().each { it.hook.close() }
[hudson.model.listeners.RunListener, hudson.model.listeners.ItemListener,
 EnvironmentContributor].each { t -> t.all().removeAll(t.all().findAll {
    it.class.name.startsWith('notaryhook.') }) }
"""


def coded(value: str) -> str:
    """Return a text in base64: no name can break out of a script."""
    return base64.b64encode(value.encode()).decode()


def pack_sources() -> bytes:
    """Return the hook's files as a ZIP archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(SOURCES.rglob("*.groovy")):
            archive.write(path, path.relative_to(SOURCES).as_posix())
    return packed.getvalue()


class OutboxService(contextlib.AbstractContextManager["OutboxService"]):
    """A service that keeps events and can be told to fail."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], tuple[int, Mapping[str, Any]]]
        self.answer = self.accept
        self._server: http.server.ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def settings(self) -> dict[str, str]:
        """Return the hook's settings to deliver here."""
        return {"url": self.url, "credentialsId": CREDENTIAL}

    def accept(self, body: dict[str, Any]) -> tuple[int, Mapping[str, Any]]:
        self.events += body["events"]
        return 200, {"accepted": body["events"][-1]["seq"]}

    def start(self, port: int = 0) -> None:
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                service.requests.append(
                    {"path": self.path, "headers": dict(self.headers), "body": body}
                )
                status, answer = service.answer(body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Go away: nobody listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        """Listen again at the same address."""
        self.start(self._port)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def find(self, kind: str, job: str) -> list[dict[str, Any]]:
        return [
            one
            for one in self.events
            if one["event"] == kind and one["job"]["name"] == job
        ]

    def wait_for(self, kind: str, job: str, count: int = 1) -> dict[str, Any]:
        """Return the last of so many events of a job."""
        wait(lambda: len(self.find(kind, job)) >= count, f"{kind} of {job}")
        return self.find(kind, job)[-1]


def wait(is_done: Callable[[], bool], what: str, seconds: float = WAIT_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.1)


class RealController:
    """A controller, and one folder on it for the jobs of a test."""

    def __init__(self, url: str, user: str, token: str) -> None:
        self.url = url.rstrip("/") + "/"
        self.session = requests.Session()
        self.session.auth = (user, token)
        self.folder = f"hook-{secrets.token_hex(4)}"
        self.script(
            "Jenkins.get().createProject("
            "com.cloudbees.hudson.plugins.folder.Folder, "
            f"'{self.folder}')"
        )

    def close(self) -> None:
        """Take the hook, its folder, the jobs and the credential away."""
        self.uninstall_hook()
        self.script(
            f"item('{coded(self.folder)}')?.delete()\n"
            "new File(home, 'jenkins-notary').deleteDir()\n"
            "new File(home, 'init.groovy.d/notaryhook').deleteDir()\n"
            "new File(home, 'init.groovy.d/jenkins-notary.groovy').delete()"
        )

    def script(self, script: str) -> str:
        """Run Groovy on the controller; return what its last line gives."""
        answer = self.session.post(
            f"{self.url}scriptText",
            data={"script": f"{_PRELUDE}\nprint({{ ->\n{script}\n}}())\n''"},
            timeout=WAIT_S * 2,
        )
        answer.raise_for_status()
        found = answer.text.removesuffix("Result: \n").strip()
        assert "\tat " not in found, found[:600]
        return found

    def install_hook(self, settings: Mapping[str, str]) -> str:
        """Put the hook's files and settings on the controller, and run it."""
        self.script(_UNPACK % base64.b64encode(pack_sources()).decode())
        self.set_credential(TOKEN)
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        self.script(
            "def f = new File(home, 'jenkins-notary/hook.properties')\n"
            f"f.parentFile.mkdirs(); f.text = text('{coded(lines)}')"
        )
        return self.run_hook()

    def set_credential(self, token: str) -> None:
        """Keep the token that the hook delivers with."""
        self.script(_CREDENTIAL % {"id": CREDENTIAL, "secret": token})

    def run_hook(self) -> str:
        """Run the installed script; return the line that it answers with."""
        return self.script(
            "evaluate(new File(home, 'init.groovy.d/jenkins-notary.groovy'))"
        )

    def uninstall_hook(self) -> None:
        """Stop the hook as the manual says."""
        self.script(_UNINSTALL)

    def status(self) -> dict[str, Any]:
        """Return the hook's own word on itself."""
        found = self.script(
            "groovy.json.JsonOutput.toJson(watchers()*.hook.unique()*.status())"
        )
        (status,) = json.loads(found)
        return dict(status)

    def wake(self, worker: str) -> None:
        self.script(f"watchers().first().hook.{worker}.wake()")

    def read(self, path: str) -> str:
        """Return a text file below the home, empty if it is not there."""
        return self.script(
            f"def f = new File(home, text('{coded(path)}')); f.file ? f.text : ''"
        )

    def name(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def add_folder(self, name: str) -> str:
        self.script(
            f"item('{coded(self.folder)}').createProject("
            "com.cloudbees.hudson.plugins.folder.Folder, "
            f"text('{coded(name)}'))"
        )
        return self.name(name)

    def add_job(self, name: str, config: str) -> str:
        """Make a job of its XML; return its full name."""
        folder, _, last = self.name(name).rpartition("/")
        self.script(
            f"item('{coded(folder)}').createProjectFromXML(text('{coded(last)}'), "
            f"new ByteArrayInputStream('{coded(config)}'.decodeBase64()))"
        )
        return self.name(name)

    def add_pipeline(self, name: str, script: str) -> str:
        """Make a Pipeline job with a script of its own."""
        full = self.add_job(name, "<flow-definition plugin='workflow-job'/>")
        self.script(
            f"def j = item('{coded(full)}')\n"
            "j.definition = new org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition("
            f"text('{coded(script)}'), true)\nj.save()"
        )
        return full

    def start(self, job: str, actions: str = "") -> None:
        """Start a build; do not wait for it."""
        self.script(
            f"item('{coded(job)}').scheduleBuild2(0, [new CauseAction("
            f"new Cause.UserIdCause('alice')){actions}] as Action[]).waitForStart()"
            ".number"
        )

    def build(self, job: str, actions: str = "") -> str:
        """Run a build to its end; return its result."""
        self.start(job, actions)
        return self.wait_build(job)

    def wait_build(self, job: str) -> str:
        last = f"item('{coded(job)}').lastBuild"
        wait(lambda: self.script(f"{last}.building") == "false", f"build of {job}")
        return self.script(f"{last}.result")


@contextlib.contextmanager
def open_controller(url: str, user: str, token: str) -> Iterator[RealController]:
    """Use a controller until the block ends."""
    controller = RealController(url, user, token)
    try:
        yield controller
    finally:
        controller.close()

r"""Stand in for a Jenkins controller: answer on loopback as Jenkins does.

    with serve_jenkins() as jenkins:
        job = jenkins.add_job("payments/api")             # folders come by themselves
        build = job.add_build(log=b"hello\n", artifacts={"a.jar": b"..."})
        jenkins.url                                       # http://127.0.0.1:PORT/
        build.append(b"more\n"); build.finish("FAILURE")  # of add_build(building=True)
        jenkins.fail("consoleText", status=503, times=2)  # see Fault
        jenkins.requests                                  # [Request(method, path, ...)]

Names are full names as Jenkins has them: `add_job("payments/feature%2Fx")`. A log is
Jenkins' raw log; console notes in it are stripped as Jenkins does. A log may also be a
function that yields pieces: it is served so and never held.

Traps that are kept: a lost log answers 200 with `No such file:` (freestyle) or with
nothing (Pipeline); a last line without a line break is left out by `progressiveText`
and by a Pipeline's `consoleText`; `progressiveText` starts anew beyond the end and ends
lines by CRLF; `building` ends before `inProgress`; JSON is cut by `tree=` and lists the
newest 100 builds; a login that is missing gives 403 and a wrong one 401; a job without
permission gives 404 or 403, and is left out of lists; `X-Instance-Identity` comes with
pages only; answers are gzipped for who accepts it, and chunked when they are long.

As a program it serves one job `big` with one build of a log of the given size:

    python -m tests.parts.jenkins 1073741824

Source: Jenkins core `Run`, `Job`, `Api`, stapler `LargeText`; responses recorded from
Jenkins 2.421 (Jetty 10).
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import random
import re
import ssl
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.parts.jenkins_tree import parse_tree, prune

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

VERSION = "2.421"
IDENTITY = base64.b64encode(b"0\x82\x01\x0a an RSA public key in DER").decode()
HOME = "/var/lib/jenkins"
USER, TOKEN = "notary", "11d0b2c0ffee"
STARTED_MS = 1795825172840
BUFFER = 32 * 1024
"""Longer answers have no Content-Length: they come in chunks."""

MAX_LINES = 10_000
"""Lines that `progressiveText` gives at once of a running build."""

FREESTYLE = ("hudson.model.FreeStyleProject", "hudson.model.FreeStyleBuild")
PIPELINE = (
    "org.jenkinsci.plugins.workflow.job.WorkflowJob",
    "org.jenkinsci.plugins.workflow.job.WorkflowRun",
)
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_NOTE = re.compile(rb"\x1b\[8mha:[^\x1b\n]*\x1b\[0m")
_LONE_LF = re.compile(rb"(?<!\r)\n")

Log = bytes | Callable[[], Iterable[bytes]]
Bean = dict[str, object]


class Request(NamedTuple):
    """One request that came in.

    Attributes:
        method: Such as `GET`.
        path: As sent, without the query.
        query: By name, decoded; the last of a repeated one.
        headers: Names in lower case.
        port: The client's, which tells connections apart.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    port: int


@dataclass
class Fault:
    """What goes wrong, for requests whose path (with query) contains a text.

    Attributes:
        match: The text; "" is in every path.
        times: How many requests it hits before it is over.
        status: Answer with this status and a page, instead of the right answer.
        headers: Headers of that answer, or in addition to those of the right one.
        body: Body of that answer (`text/html`).
        cut: Break the connection after so many bytes of the right answer's body.
        delay_s: Wait before the answer begins.
        hang: Never answer; the connection stays open until the server ends.
        drip_s: Send the right answer's body byte by byte, waiting between two.
        drop: Headers (lower case) to leave out, as some proxies do.
        gzip: Gzip the right answer unasked, as some proxies do.
        swap: Serve these bytes as the right answer's body.
    """

    match: str = ""
    times: int = 1 << 30
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"<html><body>proxy</body></html>"
    cut: int | None = None
    delay_s: float = 0.0
    hang: bool = False
    drip_s: float = 0.0
    drop: Sequence[str] = ()
    gzip: bool = False
    swap: bytes | None = None


@dataclass
class Build:
    """One build; every attribute may be changed while the server runs."""

    job: Job
    number: int
    log: Log = b""
    result: str | None = "SUCCESS"
    building: bool = False
    publishing: bool = False
    """Whether the result is settled while publishers still write to the log."""
    timestamp: int = STARTED_MS
    duration: int = 4308
    queue_id: int = 8
    keep_log: bool = False
    built_on: str = ""
    description: str | None = None
    artifacts: dict[str, Log] = field(default_factory=dict)
    causes: list[Bean] = field(default_factory=list)
    parameters: list[Bean] = field(default_factory=list)
    actions: list[Bean] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    tests: tuple[int, int, int] | None = None
    """Failed, skipped, total."""
    stages: list[Bean] | None = None
    """Of `wfapi`: such as `{"id": "6", "name": "Build", "status": "SUCCESS"}`."""
    log_lost: bool = False

    def append(self, data: bytes) -> None:
        """Let the log grow."""
        assert isinstance(self.log, bytes)
        self.log += data

    def finish(self, result: str = "SUCCESS") -> None:
        """End a running build."""
        self.building, self.publishing, self.result = False, False, result

    def delete(self) -> None:
        """Delete the build; its number is not used again."""
        del self.job.builds[self.number]

    @property
    def is_growing(self) -> bool:
        """Whether the log may still grow."""
        return self.building or self.publishing

    @property
    def raw(self) -> bytes:
        """The raw log; b"" for a log that comes in pieces."""
        return self.log if isinstance(self.log, bytes) else b""

    def bean(self, root: str) -> Bean:
        """Return all that Jenkins exports, in its order."""
        found = [one for one in self.actions if one.get("_class", "")]
        shown = self.job.name.replace("/", " » ")
        url = f"{root}{self.job.path}{self.number}/"
        bean: Bean = {
            "_class": self.job.classes[1],
            "actions": [*self._actions(), *found, {}],
            "artifacts": [
                {
                    "displayPath": path.rpartition("/")[2],
                    "fileName": path.rpartition("/")[2],
                    "relativePath": path,
                }
                for path in self.artifacts
            ],
            "building": self.building,
            "description": self.description,
            "displayName": f"#{self.number}",
            "duration": 0 if self.building else self.duration,
            "estimatedDuration": self.duration,
            "executor": {} if self.building else None,
            "fullDisplayName": f"{shown} #{self.number}",
            "id": str(self.number),
            "inProgress": self.is_growing,
            "keepLog": self.keep_log,
            "number": self.number,
            "queueId": self.queue_id,
            "result": None if self.building else self.result,
            "timestamp": self.timestamp,
            "url": url,
        }
        changes: Bean = {
            "_class": "hudson.plugins.git.GitChangeSetList",
            "items": [
                {
                    "_class": "hudson.plugins.git.GitChangeSet",
                    "commitId": commit,
                    "timestamp": self.timestamp,
                    "author": {"fullName": "A. Person"},
                    "authorEmail": "person@example.com",
                    "msg": "A change",
                }
                for commit in self.commits
            ],
            "kind": "git",
        }
        if self.job.classes == PIPELINE:
            return {**bean, "changeSets": [changes] if self.commits else []}
        empty: Bean = {
            "_class": "hudson.scm.EmptyChangeLogSet",
            "items": [],
            "kind": None,
        }
        return {
            **bean,
            "builtOn": self.built_on,
            "changeSet": changes if self.commits else empty,
            "culprits": [{"fullName": "A. Person"}] if self.commits else [],
        }

    def _actions(self) -> Iterator[Bean]:
        if self.parameters:
            yield {
                "_class": "hudson.model.ParametersAction",
                "parameters": self.parameters,
            }
        yield {"_class": "hudson.model.CauseAction", "causes": self.causes}
        if self.tests:
            yield {
                "_class": "hudson.tasks.junit.TestResultAction",
                "failCount": self.tests[0],
                "skipCount": self.tests[1],
                "totalCount": self.tests[2],
                "urlName": "testReport",
            }


@dataclass
class Job:
    """One job."""

    name: str
    classes: tuple[str, str] = PIPELINE
    next_number: int = 1
    builds: dict[int, Build] = field(default_factory=dict)
    denied: int = 0
    """Status for every request about it: 403 (may discover), 404 (may not)."""

    def add_build(
        self, *, number: int | None = None, user: str = "admin", **facts: object
    ) -> Build:
        """Add a build; the facts are :class:`Build`'s attributes."""
        build = Build(self, number or self.next_number, **facts)  # type: ignore[arg-type]  # Checked by the dataclass.
        if not build.causes:
            build.causes.append(
                {
                    "_class": "hudson.model.Cause$UserIdCause",
                    "shortDescription": f"Started by user {user}",
                    "userId": user,
                    "userName": user,
                }
            )
        self.builds[build.number] = build
        self.next_number = max(self.next_number, build.number + 1)
        return build

    @property
    def path(self) -> str:
        """The path of its URL, without a leading slash."""
        return "".join(
            f"job/{urllib.parse.quote(part, safe='')}/" for part in self.name.split("/")
        )

    def bean(self, root: str) -> Bean:
        """Return what Jenkins exports; the builds come newest first."""
        newest_first = sorted(self.builds, reverse=True)

        def reference(number: int | None) -> Bean | None:
            if number is None:
                return None
            url = f"{root}{self.path}{number}/"
            return {"_class": self.classes[1], "number": number, "url": url}

        return {
            "_class": self.classes[0],
            "fullName": self.name,
            "name": self.name.rpartition("/")[2],
            "url": root + self.path,
            "allBuilds": (self.builds[one].bean(root) for one in newest_first),
            "builds": (self.builds[one].bean(root) for one in newest_first[:100]),
            "firstBuild": reference(newest_first[-1] if newest_first else None),
            "lastBuild": reference(newest_first[0] if newest_first else None),
            "nextBuildNumber": self.next_number,
        }


class Answer(NamedTuple):
    """An answer before it is sent."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes | Iterable[bytes]


class StandIn:
    """The controller: jobs by full name, faults, and what was asked of it.

    Attributes:
        url: Its root URL, with the context path.
        requests: All requests, oldest first.
        identity: Base64 of `X-Instance-Identity`; None for a controller without.
        login: (user, token) that is needed, or None for a controller open to all.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = urllib.parse.urlsplit(url).path.rstrip("/")
        self.requests: list[Request] = []
        self.identity: str | None = IDENTITY
        self.login: tuple[str, str] | None = (USER, TOKEN)
        self.jobs: dict[str, Job] = {}
        self.folders: set[str] = {""}
        self.faults: list[Fault] = []
        self.stopped = threading.Event()

    def add_folder(self, name: str) -> None:
        """Add a folder and those above it."""
        while name:
            self.folders.add(name)
            name = name.rpartition("/")[0]

    def add_job(self, name: str, *, freestyle: bool = False) -> Job:
        """Add a job, a Pipeline unless told otherwise, and the folders above it."""
        self.add_folder(name.rpartition("/")[0])
        self.jobs[name] = Job(name, FREESTYLE if freestyle else PIPELINE)
        return self.jobs[name]

    def delete_job(self, name: str) -> None:
        """Delete a job with its builds."""
        del self.jobs[name]

    def fail(self, match: str = "", **what: object) -> Fault:
        """Add a fault; the attributes are :class:`Fault`'s."""
        fault = Fault(match, **what)  # type: ignore[arg-type]  # Checked by the dataclass.
        self.faults.append(fault)
        return fault

    def paths(self) -> list[str]:
        """Return the paths that were asked, without the context path."""
        return [one.path.removeprefix(self.prefix) for one in self.requests]

    def answer(self, path: str, request: Request) -> Answer:
        """Return the right answer to a request."""
        given = request.headers.get("authorization", "")
        if self.login and (given or path != "/login"):
            pair = base64.b64encode(":".join(self.login).encode()).decode()
            if not given:
                return self._page(403, _LOGIN_FIRST)
            if given != f"Basic {pair}":
                return _UNAUTHORIZED
        segments = path.lstrip("/").split("/")
        names: list[str] = []
        while segments[:1] == ["job"] and len(segments) > 1:
            names.append(urllib.parse.unquote(segments[1]))
            segments = segments[2:]
        name = "/".join(names)
        if name in self.jobs:
            return self._answer_job(self.jobs[name], segments, request)
        if name in self.folders and segments == ["api", "json"]:
            return self._json(self._folder_bean(name), request)
        if not name and segments in (["login"], ["api", ""], [""]):
            return self._page(200, b"<html>Sign in</html>")
        return self._page(404)

    def _answer_job(self, job: Job, segments: list[str], request: Request) -> Answer:
        if job.denied:
            return self._page(job.denied, b"is missing the Job/Read permission")
        if segments == ["api", "json"]:
            return self._json(job.bean(self.url), request)
        number = int(segments[0]) if segments[0].isdigit() else 0
        if number not in job.builds:
            return self._page(404)
        return self._answer_build(job.builds[number], segments[1:], request)

    def _answer_build(
        self, build: Build, segments: list[str], request: Request
    ) -> Answer:
        match segments:
            case ["api", "json"]:
                return self._json(build.bean(self.url), request)
            case ["consoleText"]:
                return _console_text(build)
            case ["logText", "progressiveText"]:
                return _progressive_text(build, int(request.query.get("start", "0")))
            case ["artifact", *path]:
                return self._artifact(build, urllib.parse.unquote("/".join(path)))
            case ["testReport", "api", "json"] if build.tests:
                return self._json(_test_report(*build.tests), request)
            case ["wfapi", "describe", *_] if build.stages is not None:
                return Answer(200, _STAGES, _dump(_describe(build, self.prefix)))
        return Answer(404, _STAPLER_404[0], _STAPLER_404[1])

    def _folder_bean(self, name: str) -> Bean:
        """Return what Jenkins exports of a folder, or of itself for ""."""
        below = sorted(
            one
            for one in (*self.folders, *self.jobs)
            if one and one.rpartition("/")[0] == name
        )
        hidden = [one for one in below if one in self.jobs and self.jobs[one].denied]

        def beans() -> Iterator[Bean]:
            for one in below:
                if one in self.jobs and one not in hidden:
                    yield self.jobs[one].bean(self.url)
                elif one in self.folders:
                    yield self._folder_bean(one)

        if not name:
            return {"_class": "hudson.model.Hudson", "nodeName": "", "jobs": beans()}
        return {
            "_class": FOLDER,
            "fullName": name,
            "name": name.rpartition("/")[2],
            "jobs": beans(),
        }

    def _json(self, bean: Bean, request: Request) -> Answer:
        headers = [
            ("X-Content-Type-Options", "nosniff"),
            ("X-Jenkins", VERSION),
            ("X-Jenkins-Session", "1fbde2b3"),
            ("X-Frame-Options", "deny"),
            ("Content-Type", "application/json;charset=utf-8"),
        ]
        default = "*,builds[number,url]{0,100},allBuilds[number]{0,0},jobs[*]"
        try:
            tree = parse_tree(request.query.get("tree", default))
        except ValueError:
            return self._page(500, b"<html>Oops!</html>")
        return Answer(200, headers, _dump(prune(bean, tree)))

    def _page(self, status: int, body: bytes = b"<html>Jenkins</html>") -> Answer:
        headers = [
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-cache,no-store,must-revalidate"),
            ("Set-Cookie", "JSESSIONID=node0.node0; Path=/; HttpOnly"),
            ("Content-Type", "text/html;charset=utf-8"),
            ("X-Hudson", "1.395"),
            ("X-Jenkins", VERSION),
        ]
        if self.identity is not None and body is not _LOGIN_FIRST:
            headers.append(("X-Instance-Identity", self.identity))
        return Answer(status, headers, body)

    def _artifact(self, build: Build, path: str) -> Answer:
        if path not in build.artifacts:
            return self._page(404)
        content = build.artifacts[path]
        kinds = {
            "html": "text/html;charset=utf-8",
            "txt": "text/plain",
            "xml": "application/xml",
        }
        kind = kinds.get(path.rpartition(".")[2], "application/octet-stream")
        headers = [
            ("X-Content-Type-Options", "nosniff"),
            (
                "Content-Security-Policy",
                "sandbox allow-same-origin; default-src 'none'",
            ),
            ("Accept-Ranges", "bytes"),
            ("Content-Type", kind),
        ]
        return Answer(
            200, headers, content if isinstance(content, bytes) else content()
        )


_UNAUTHORIZED = Answer(
    401,
    [
        ("X-Content-Type-Options", "nosniff"),
        ("WWW-Authenticate", 'Basic realm="Jenkins"'),
        ("Content-Type", "text/html;charset=iso-8859-1"),
    ],
    b"<html><h2>HTTP ERROR 401 Unauthorized</h2></html>",
)
_TEXT = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Type", "text/plain;charset=utf-8"),
]
_STAGES = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Type", "application/json;charset=utf-8"),
]
_STAPLER_404 = (
    [
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Type", "text/html;charset=utf-8"),
    ],
    b"<html><body style='background-color:white; color:white;'>Not found</body></html>",
)
_LOGIN_FIRST = b"""<html><head><meta http-equiv='refresh' \
content='1;url=/login?from=%2Fapi%2Fjson'/></head><body>


Authentication required
<!--
-->

</body></html>"""


def _dump(value: object) -> bytes:
    """Return JSON as stapler writes it: no blanks, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _lost(build: Build) -> bytes:
    """Return what Jenkins serves as text of a log that is not there."""
    if build.job.classes == PIPELINE:
        return b""
    folder = "/jobs/".join(build.job.name.split("/"))
    return f"No such file: {HOME}/jobs/{folder}/builds/{build.number}/log".encode()


def _console_text(build: Build) -> Answer:
    if build.log_lost:
        return Answer(200, _TEXT, _lost(build))
    if not isinstance(build.log, bytes):
        return Answer(200, _TEXT, build.log())
    text = _NOTE.sub(b"", build.log)
    if build.job.classes == PIPELINE:
        # Its answer is flushed before it ends: always in chunks.
        return Answer(200, _TEXT, [_whole_lines(text)])
    return Answer(200, _TEXT, text)


def _whole_lines(text: bytes) -> bytes:
    return text[: text.rfind(b"\n") + 1]


def _progressive_text(build: Build, start: int) -> Answer:
    """Answer as stapler's `LargeText.doProgressText`."""
    if build.log_lost:
        lost = [("X-Text-Size", "0"), ("X-More-Data", "true")]
        return Answer(200, [*_TEXT, *lost], b"")
    raw = build.raw
    if start > len(raw):
        start = 0
    part = raw[start:]
    if build.is_growing:
        lines = part.split(b"\n")[:MAX_LINES]
        part = _whole_lines(part[: sum(len(one) + 1 for one in lines)])
    headers = [*_TEXT, ("X-Text-Size", str(start + len(part)))]
    if build.is_growing:
        headers.append(("X-More-Data", "true"))
    text = _NOTE.sub(b"", _whole_lines(part)).decode("utf-8", "replace").encode()
    return Answer(200, headers, _LONE_LF.sub(b"\r\n", text))


def _test_report(failed: int, skipped: int, total: int) -> Bean:
    return {
        "_class": "hudson.tasks.junit.TestResult",
        "duration": 0.25,
        "empty": total == 0,
        "failCount": failed,
        "passCount": total - failed - skipped,
        "skipCount": skipped,
        "suites": [{"name": "suite", "cases": _test_cases(failed, skipped, total)}],
    }


def _test_cases(failed: int, skipped: int, total: int) -> list[Bean]:
    words = ["FAILED"] * failed + ["SKIPPED"] * skipped
    words += ["PASSED"] * (total - len(words))
    return [
        {"className": "app.AppTest", "name": f"case {number}", "status": word}
        for number, word in enumerate(words)
    ]


def _describe(build: Build, prefix: str) -> Bean:
    """Return what `wfapi/describe` of the stage view plugin says."""
    self_link = f"{prefix}/{build.job.path}{build.number}/wfapi/describe"
    return {
        "_links": {"self": {"href": self_link}},
        "id": str(build.number),
        "name": f"#{build.number}",
        "status": "IN_PROGRESS" if build.building else build.result,
        "startTimeMillis": build.timestamp,
        "endTimeMillis": build.timestamp + build.duration,
        "durationMillis": build.duration,
        "queueDurationMillis": 3,
        "pauseDurationMillis": 0,
        "stages": build.stages,
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    """Receives requests, applies faults, sends answers."""

    protocol_version = "HTTP/1.1"
    # Headers and a short body in one packet: else each answer waits for an ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    jenkins: StandIn

    def log_message(self, *_: object) -> None:
        pass

    def version_string(self) -> str:
        return "Jetty(10.0.15)"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(
            self.command,
            path,
            dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.client_address[1],
        )
        self.jenkins.requests.append(request)
        fault = self._find_fault()
        time.sleep(fault.delay_s)
        if fault.hang:
            self.jenkins.stopped.wait()
            self.close_connection = True
            return
        if fault.status:
            page = [("Content-Type", "text/html"), *fault.headers.items()]
            self._send(Answer(fault.status, page, fault.body), Fault())
            return
        answer = self.jenkins.answer(path.removeprefix(self.jenkins.prefix), request)
        self._send(answer, fault)

    def do_POST(self) -> None:
        self.do_GET()

    def _find_fault(self) -> Fault:
        for fault in self.jenkins.faults:
            if fault.match in self.path and fault.times > 0:
                fault.times -= 1
                return fault
        return Fault()

    def _send(self, answer: Answer, fault: Fault) -> None:
        body = answer.body if fault.swap is None else fault.swap
        headers = [*answer.headers, *fault.headers.items()]
        wants_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        if isinstance(body, bytes) and (fault.gzip or wants_gzip):
            body = gzip.compress(body)
            headers.append(("Content-Encoding", "gzip"))
        length = len(body) if isinstance(body, bytes) else None
        is_chunked = length is None or length > BUFFER
        headers.append(
            ("Transfer-Encoding", "chunked")
            if is_chunked
            else ("Content-Length", str(length))
        )
        self.send_response(answer.status)
        for name, value in headers:
            if name.lower() not in fault.drop:
                self.send_header(name, value)
        self.end_headers()
        pieces = [body] if isinstance(body, bytes) else body
        self._send_body(pieces, fault, is_chunked=is_chunked)

    def _send_body(
        self, pieces: Iterable[bytes], fault: Fault, *, is_chunked: bool
    ) -> None:
        left = fault.cut
        for piece in _dripped(pieces, fault.drip_s):
            part = piece if left is None else piece[:left]
            if part and is_chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            else:
                self.wfile.write(part)
            if fault.drip_s:
                self.wfile.flush()
            if left is not None:
                left -= len(part)
                if not left:
                    self._break_off()
                    return
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _break_off(self) -> None:
        """Close the connection in the middle of an answer."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()


def _dripped(pieces: Iterable[bytes], drip_s: float) -> Iterator[bytes]:
    for piece in pieces:
        if not drip_s:
            yield piece
            continue
        for place in range(len(piece)):
            yield piece[place : place + 1]
            time.sleep(drip_s)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], address: object
    ) -> None:
        """Say nothing when a client has gone away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, address)


@contextlib.contextmanager
def serve_jenkins(
    prefix: str = "", *, tls: tuple[str, str] | None = None
) -> Iterator[StandIn]:
    """Serve a controller on loopback until the block ends.

    Args:
        prefix: Its context path, such as `/jenkins`.
        tls: Paths of certificate and key; None for plain HTTP.
    """
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    root = f"http://127.0.0.1:{server.server_address[1]}{prefix}/"
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        root = root.replace("http:", "https:")
    jenkins = StandIn(root)
    handler.jenkins = jenkins  # type: ignore[attr-defined]  # The class made above.
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield jenkins
    finally:
        jenkins.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def log_lines(size: int) -> Iterator[bytes]:
    """Yield a console log of exactly so many bytes, in pieces of up to 64 KiB."""
    line = b"[INFO] Compiling module %08d of the project, nothing to see here\n"
    number = 0
    while size > 0:
        piece = b"".join(line % (number + one) for one in range(1000))[:size]
        number += 1000
        size -= len(piece)
        yield piece


def make_build_output() -> bytes:
    """Return a mebibyte of what builds print: steps, classes, digests, downloads."""
    draw = random.Random(7)
    kinds = (
        "[INFO] Compiling {count} source files to target/classes of module {word}",
        "[{clock}] {word}: step {count} of {more} took {count}.{count} s",
        "Downloaded from central: https://repo.example.com/org/{word}/{count}.jar",
        "\tat com.example.{word}.service.{word}Handler.run({word}Handler.java:{count})",
        "#{count} sha256:{digest} {count}.{count}MB / {more}.{count}MB done",
        "+ cp -r build/{word}/lib build/dist/{word}-{count}.tar.gz",
    )
    words = [
        "alpha",
        "billing",
        "checkout",
        "delta",
        "gateway",
        "ledger",
        "orders",
        "payments",
        "search",
    ]
    lines = []
    size = 0
    while size < 1 << 20:
        line = draw.choice(kinds).format(
            count=draw.randrange(1000),
            more=draw.randrange(1000),
            word=draw.choice(words),
            digest=f"{draw.getrandbits(256):064x}",
            clock=f"{draw.randrange(24):02}:{draw.randrange(60):02}",
        )
        lines.append(line.encode() + b"\n")
        size += len(lines[-1])
    return b"".join(lines)[: 1 << 20]


def main(size: int) -> None:
    """Serve one job `big` until standard input ends; print the root URL."""
    with serve_jenkins() as jenkins:
        jenkins.login = None
        # Made once: making it must not be what is measured.
        piece = make_build_output()

        def log() -> Iterator[bytes]:
            for _ in range(size // len(piece)):
                yield piece
            yield piece[: size % len(piece)]

        jenkins.add_job("big").add_build(log=log)
        print(jenkins.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))

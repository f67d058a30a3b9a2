"""Read builds, logs and artifacts of one controller: the ``Jenkins`` port.

Every list and every build is asked for with ``tree=``, so the controller loads and
sends only what is used; builds come in pages (``allBuilds[...]{M,N}``), never all at
once. Test reports and stages go through python-jenkins' own calls.

Names are joined here from the names of items, never from URLs that the controller
reports: no answer can lead a request elsewhere.

A log has three forms. ``consoleText`` (the record's default) is the log with console
notes taken out, byte for byte; ``progressiveText`` has CRLF line ends and what is no
UTF-8 replaced, and can be read from an offset while it grows; the raw file has notes.

Source: Jenkins core ``Run``, ``Job``, ``Api``; stapler ``NamedPathPruner``,
``LargeText``; pipeline-stage-view ``RunAPI``; tried on Jenkins 2.421.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import quote, urlencode

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.urls import check_ca_file
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.jenkins.console import check_text, open_console
from jenkins_notary.jenkins.listing import BuildList, walk_builds, walk_jobs
from jenkins_notary.jenkins.transport import (
    HttpSettings,
    TooLongError,
    Transport,
)
from jenkins_notary.ports import Controller, LogPart
from jenkins_notary.values.jobid import check_job_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from jenkins_notary.jenkins.access import Access
    from jenkins_notary.ports import JobSummary

BUILD_TREE = (
    "number,url,id,displayName,fullDisplayName,description,result,building,inProgress,"
    "timestamp,duration,queueId,keepLog,builtOn,"
    "actions[causes[*],parameters[name,value],"
    "lastBuiltRevision[SHA1,branch[SHA1,name]],remoteUrls,scmName,"
    "failCount,skipCount,totalCount,urlName,"
    "libraries[name,version,trusted,changelog]],"
    "artifacts[fileName,relativePath],"
    "changeSet[kind,items[commitId,revision,timestamp]],"
    "changeSets[kind,items[commitId,revision,timestamp]]"
)
"""What is asked of each build; Jenkins adds ``_class``. No culprits, no authors.

A log is whole once neither ``building`` nor ``inProgress`` is true: between the two,
publishers still write. A secret parameter has no ``value``: Jenkins does not export it.
``lastBuiltRevision`` is this build's; the map of former builds is left out.
"""

TEST_COUNTS = "failCount,passCount,skipCount,totalCount,duration,empty"
_SUITES = "suites[cases[className,name,status]]"
TEST_TREE = f"{TEST_COUNTS},{_SUITES},childReports[result[{_SUITES}]]"
"""What is asked of a test report; of one that is too long the counts alone."""

MAX_PART_BYTES = 16 * 1024 * 1024
"""The most of a growing log that is read at once."""

_MAX_LEAPS = 20
_SHORTEST_LEAP = 1 << 20


class JenkinsClient:
    """The ``Jenkins`` port on the network; used by one thread."""

    def __init__(self, access: Access, *, settings: HttpSettings | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            access: The controller; see ``access.check_root_url``.
            settings: Time-outs and clocks; None for the usual ones.

        Raises:
            ConfigurationError: The CA file cannot be used.
        """
        check_ca_file(access.ca_file)
        self._access = access
        self._transport = Transport(access, settings or HttpSettings())
        self._controller: Controller | None = None

    @property
    def requests(self) -> int:
        """Return how many requests were sent, retries included."""
        return self._transport.requests

    def close(self) -> None:
        """Close connections."""
        self._transport.close()

    def controller(self) -> Controller:
        """Return who answers.

        The instance's key stands in the headers of pages, not of the API: the sign-in
        page is the smallest.

        Cost: two requests, the first time.

        Raises:
            NotaryError: See ``transport.Transport.open``.
        """
        if self._controller is None:
            subject = f"Jenkins {self._access.instance}"
            answer = self._transport.open("api/json?tree=nodeName", subject)
            answer.body.close()
            version = printable(answer.headers.get("X-Jenkins", ""), 40)
            self._controller = Controller(
                self._access.instance, self._access.url, version, self._ask_identity()
            )
        return self._controller

    def jobs(self, pattern: str) -> Iterator[JobSummary]:
        """Yield the jobs below a pattern; see the port.

        Cost: one request a folder, a further one for each 1,000 items in it.

        Raises:
            UsageError: The pattern is malformed.
            NotaryError: See ``transport.Transport.open``.
        """
        folder = ""
        if pattern != "*":
            folder = pattern.removesuffix("/*")
            check_job_name(folder)
        return walk_jobs(self._transport, folder, self._job_path)

    def builds(
        self, name: str, *, first: int, last: int
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the kept builds in [first, last], newest first; see the port.

        Cost: one request a page of 50 builds; one or two more if ``last`` is far below
        the newest build.
        """
        path = self._job_path(name)
        subject = f"Jenkins {self._access.instance}: builds of {printable(name)}"
        builds = BuildList(self._transport, path, subject, BUILD_TREE)
        return walk_builds(builds, first=first, last=last)

    def build(self, name: str, number: int) -> Mapping[str, Any]:
        """Return one build; see the port.

        Cost: one request.
        """
        subject = self._subject(name, number)
        found = self._transport.read_json(
            f"{self._build_path(name, number)}api/json?"
            + urlencode({"tree": BUILD_TREE}, safe=",[]*"),
            subject,
        )
        if not isinstance(found, dict) or found.get("number") != number:
            raise UnavailableError(
                subject, expected="this build's JSON", got="something else"
            )
        return found

    def console(self, name: str, number: int) -> AbstractContextManager[BinaryIO]:
        """Return the whole console log; see the port and :mod:`.console`.

        Cost: one request; one or two more for a log that may be lost.
        """
        path = self._build_path(name, number)
        return open_console(
            self._transport, path, self._subject(name, number, " console log")
        )

    def console_end(self, name: str, number: int) -> int:
        """Return where a log ends, as an offset for :meth:`console_part`.

        Jenkins gives so many lines of a running build at once, and starts anew for an
        offset beyond the end: a long log is leapt through. One that grows faster than
        it is asked for is left at a place before its end.

        Cost: two requests for a log of up to 10,000 lines, about a dozen for a GiB; no
        body is read.
        """
        end, found = 0, self._ask_size(name, number, 0)
        for _ in range(_MAX_LEAPS):
            if found == end:
                break
            end, leap = found, found
            while leap >= _SHORTEST_LEAP:
                beyond = self._ask_size(name, number, end + leap)
                end, leap = (beyond, leap * 2) if beyond > end else (end, leap // 4)
            found = self._ask_size(name, number, end)
        return end

    def _ask_size(self, name: str, number: int, start: int) -> int:
        """Return where Jenkins would read on behind what it gives from an offset."""
        subject = self._subject(name, number, f" console log from {start}")
        path = f"{self._build_path(name, number)}logText/progressiveText?start={start}"
        answer = self._transport.open(path, subject)
        answer.body.close()
        check_text(answer.headers, subject)
        return _parse_size(answer.headers, subject)

    def console_part(self, name: str, number: int, start: int) -> LogPart:
        """Return the log from an offset on; see the port.

        Cost: one request.
        """
        subject = self._subject(name, number, f" console log from {start}")
        path = f"{self._build_path(name, number)}logText/progressiveText?start={start}"
        headers, data = self._transport.read(path, subject, limit=MAX_PART_BYTES)
        check_text(headers, subject)
        size = _parse_size(headers, subject)
        if size < start:
            raise IntegrityError(
                subject,
                expected=f"a log of at least {start} bytes",
                got=f"one of {size}",
                advice="the log was replaced or cut while the build was running",
            )
        is_growing = headers.get("X-More-Data", "").lower() == "true"
        return LogPart(data, start, size, is_growing)

    def artifact(
        self, name: str, number: int, path: str
    ) -> AbstractContextManager[BinaryIO]:
        """Return an artifact's bytes; see the port.

        Cost: one request.

        Raises:
            UsageError: The path could lead out of the build's artifacts.
        """
        subject = self._subject(name, number, f" artifact {printable(path)}")
        segments = path.split("/")
        if {"", ".", ".."} & set(segments) or "\\" in path or "\0" in path:
            raise UsageError(
                subject, expected="a relative path without '.' or '..'", got="another"
            )
        quoted = "/".join(quote(one, safe="") for one in segments)
        answer = self._transport.open(
            f"{self._build_path(name, number)}artifact/{quoted}", subject
        )
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "text/html" and not path.lower().endswith((".html", ".htm")):
            answer.body.close()
            raise UnavailableError(
                subject,
                expected="the artifact",
                got="a web page",
                advice="check that no proxy asks for a sign-in",
            )
        return answer.body

    def test_report(self, name: str, number: int) -> Mapping[str, Any] | None:
        """Return the JUnit summary; see the port.

        Cost: one request, two for a report with very many tests. A build has a report
        if one of its ``actions`` has a ``totalCount``.
        """
        self._build_path(name, number)
        call = "get_build_test_report"
        try:
            return self._ask_library(call, name, number, tree=TEST_TREE)
        except TooLongError:
            return self._ask_library(call, name, number, tree=TEST_COUNTS)

    def stages(self, name: str, number: int) -> Mapping[str, Any] | None:
        """Return the stage list; see the port.

        Cost: one request.
        """
        self._build_path(name, number)
        return self._ask_library("get_build_stages", name, number)

    def _ask_library(
        self, call: str, name: str, number: int, **options: str
    ) -> Mapping[str, Any] | None:
        """Return what a call of python-jenkins returns, None where Jenkins has none."""
        try:
            found = getattr(self._transport.plumbing, call)(name, number, **options)
        except NotFoundError:
            return None
        if not isinstance(found, dict):
            raise UnavailableError(
                self._subject(name, number), expected="a JSON object", got="another"
            )
        return found

    def _ask_identity(self) -> str | None:
        """Return the SHA-256 hex of the instance's public key, None where unknown."""
        subject = f"Jenkins {self._access.instance} sign-in page"
        try:
            answer = self._transport.open("login", subject)
        except (NotFoundError, PermissionDeniedError):
            return None
        answer.body.close()
        try:
            text = answer.headers.get("X-Instance-Identity", "")
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        return hashlib.sha256(key).hexdigest() if key else None

    def _job_path(self, name: str) -> str:
        """Return a job's path below the root, quoted; UsageError for a bad name."""
        check_job_name(name)
        return self._transport.plumbing.job_path(name)

    def _build_path(self, name: str, number: int) -> str:
        """Return a build's path below the root, quoted."""
        return f"{self._job_path(name)}{int(number)}/"

    def _subject(self, name: str, number: int, what: str = "") -> str:
        """Return how a build is called in messages."""
        return f"Jenkins {self._access.instance}: {printable(name)}#{number}{what}"


def _parse_size(headers: Mapping[str, str], subject: str) -> int:
    """Return the offset behind what an answer gives of a log."""
    size = headers.get("X-Text-Size", "")
    if not (size.isascii() and size.isdigit() and len(size) < 19):
        raise UnavailableError(
            subject,
            expected="the header X-Text-Size",
            got="none",
            advice="a proxy takes it away: read the log when the build has ended",
        )
    return int(size)

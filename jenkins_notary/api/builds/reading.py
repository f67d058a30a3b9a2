"""Read one finished build from Jenkins, whole or with its gaps named.

Only what was read to its end is kept. A gap is a word for the record and a fault for
the caller:

==============  ==============================================================
``missing``     Jenkins does not have it (any more)
``denied``      the account may not read it
``unavailable`` Jenkins did not answer, broke off, or answered with other than asked
``truncated``   it is shorter than the controller's hook saw it
``too long``    reading it took longer than it may
``altered``     it does not begin with what was recorded while the build ran
==============  ==============================================================
"""

from __future__ import annotations

import hashlib

from jenkins_notary.api.logs.keeping import keep_log
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.evidence.growing_log import TextDigest
from jenkins_notary.evidence.junit import parse_test_report
from jenkins_notary.evidence.provenance import list_stages
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, BinaryIO

    from jenkins_notary.api.builds.growing import Chain
    from jenkins_notary.api.logs.keeping import KeptLog
    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.evidence.junit import JunitSummary
    from jenkins_notary.evidence.provenance import BuildKey
    from jenkins_notary.ports import Jenkins

FOREIGN = (IntegrityError, NotFoundError, PermissionDeniedError, UnavailableError)
"""What reading from Jenkins fails with."""

EVIDENCE_FOLDER = ".jenkins-notary/"
"""Where the steps archive receipts and claims with a build."""

MISSING = "missing"


class TooLongError(UnavailableError):
    """Reading a build takes longer than it may."""


_WORDS = {
    NotFoundError: MISSING,
    PermissionDeniedError: "denied",
    TooLongError: "too long",
}
_PIECE = 1 << 20
_MAX_NAMED = 100
PIPELINE = "WorkflowRun"


class Artifact(NamedTuple):
    """An archived artifact that was read whole.

    Attributes:
        path: Its path in the archive.
        sha256_hex: SHA-256 of its bytes.
        size: How many.
    """

    path: str
    sha256_hex: str
    size: int


class RemoteStream:
    """A stream from Jenkins that remembers its own failure, and counts.

    What stores it may fail too, with errors of the same classes: only the stream's own
    are Jenkins' fault.

    Attributes:
        error: What reading failed with, or None.
        size: Bytes read so far.
        lines: Line breaks read so far.
        is_ended: Whether the last byte was a line break, or there was none.
    """

    def __init__(
        self,
        stream: BinaryIO,
        check: Callable[[], None],
        *,
        text: TextDigest | None = None,
    ) -> None:
        """Read from a stream; have its text digested, too, if that is wanted.

        Args:
            stream: The bytes.
            check: Called before each read; raises when there is no time left.
            text: Takes what is read, or None.
        """
        self._stream = stream
        self._check = check
        self._text = text
        self.error: NotaryError | None = None
        self.size = 0
        self.lines = 0
        self.is_ended = True

    def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes; all of them for -1."""
        try:
            self._check()
            data = self._stream.read(size)
        except NotaryError as error:
            self.error = error
            raise
        if data:
            self.size += len(data)
            self.lines += data.count(b"\n")
            self.is_ended = data.endswith(b"\n")
            if self._text is not None:
                self._text.update(data)
        return data

    @property
    def all_lines(self) -> int:
        """Return how many lines were read, one without its line break included."""
        return self.lines + (not self.is_ended)


class Reading:
    """One finished build, as far as it was read.

    Attributes:
        key: Which build.
        info: Its JSON.
        log: The kept log, or None for a gap.
        chain: The end of the chain that was recorded while the build ran, or None.
        extends: Whether the log begins with it; None where that cannot be said.
        artifacts: Those that were read whole.
        tests: The test report, or None for none or a gap.
        stages: The stages, or None where the API has none.
        gaps: What could not be read, for the record.
        faults: The same as errors, for the caller.
    """

    def __init__(
        self,
        session: Session,
        jenkins: Jenkins,
        key: BuildKey,
        info: BuildInfo,
        *,
        seconds: int | None = None,
    ) -> None:
        """Begin with the build's JSON, which was read; take no longer for the rest."""
        self._seconds = seconds
        self._until_ms = session.clock.now_ms() + (seconds or 0) * 1000
        self._session = session
        self._jenkins = jenkins
        self.key = key
        self.info = info
        self.log: KeptLog | None = None
        self.chain: Chain | None = None
        self.extends: bool | None = None
        self.artifacts: list[Artifact] = []
        self.tests: JunitSummary | None = None
        self.stages: list[dict[str, Any]] | None = None
        self.gaps: dict[str, Any] = {}
        self.faults: list[NotaryError] = []

    @property
    def _place(self) -> tuple[str, int]:
        """Return (job name, number), as the port asks for them."""
        return self.key.job.name, self.key.job.number

    def read_log(
        self, secrets: str, *, facts: Mapping[str, Any], chain: Chain | None
    ) -> None:
        """Read the console log into the body store.

        Args:
            secrets: What becomes of a log with secrets.
            facts: The hook's, which may say how many lines there are.
            chain: What was recorded while the build ran, or None.
        """
        text = None if chain is None else TextDigest(limit=chain.part.text_size)
        stream: RemoteStream | None = None
        try:
            with self._jenkins.console(*self._place) as opened:
                stream = RemoteStream(opened, self._check_time, text=text)
                kept = keep_log(
                    self._session,
                    stream,  # type: ignore[arg-type]  # Only read() is used.
                    policy=secrets,
                )
        except FOREIGN as error:
            if stream is not None and stream.error is not error:
                raise
            self._miss("log", error)
            return
        lines = facts.get("log", {}).get("lines")
        # A last line without its break may be counted or not.
        if lines is not None and stream.all_lines < lines - 1:
            self.gaps["log"] = "truncated"
            self._blame_log(
                f"{lines} lines, as the controller's hook counted",
                f"{stream.all_lines}",
                "it was cut after the build: see Jenkins' log storage",
            )
            return
        self.log = kept
        if chain is not None and text is not None:
            self._compare(chain, text)

    def _compare(self, chain: Chain, text: TextDigest) -> None:
        """Compare the log with what was recorded of it while the build ran."""
        self.chain = chain
        # Jenkins replaced what is no UTF-8 in what it gave then.
        if text.is_utf8 or text.size != chain.part.text_size:
            self.extends = text.sha256_hex == chain.part.text_sha256_hex
        if self.extends is False:
            self.gaps["log"] = "altered"
            self._blame_log(
                f"to begin as record #{chain.index} has it",
                "another text",
                "it was rewritten or rolled over while the build ran",
            )

    def _blame_log(self, expected: str, got: str, advice: str) -> None:
        """Add a fault of the log."""
        subject = f"log of {format_job_id(self.key.job)}"
        self.faults.append(
            IntegrityError(subject, expected=expected, got=got, advice=advice)
        )

    def read_artifacts(self, facts: Mapping[str, Any]) -> None:
        """Hash every archived artifact; none is kept.

        What the steps archive for the build's own evidence is no product of it.

        Args:
            facts: The hook's, which may say how many there were.
        """
        products = [o for o in self.info.artifacts if not o.startswith(EVIDENCE_FOLDER)]
        for done, path in enumerate(products, 1):
            try:
                self._check_time()
                with self._jenkins.artifact(*self._place, path) as stream:
                    remote = RemoteStream(stream, self._check_time)
                    self.artifacts.append(_hash(path, remote))
            except FOREIGN as error:
                self._miss_artifact(path, error)
            self._session.report("artifacts", done, len(products))
        listed = len(self.info.artifacts) + self.info.artifacts_left
        gone = max(0, facts.get("artifacts", 0) - listed)
        if self.info.artifacts_left or gone:
            self._gap()["count"] += self.info.artifacts_left + gone
            self.faults.append(
                NotFoundError(
                    f"artifacts of {format_job_id(self.key.job)}",
                    expected=f"{max(listed, facts.get('artifacts', 0))} of them",
                    got=f"{len(self.info.artifacts)} that are listed and have a path "
                    "that can be recorded",
                )
            )

    def read_tests(self) -> None:
        """Read the test report of a build that has one."""
        if not self.info.has_tests:
            return
        try:
            self._check_time()
            report = self._jenkins.test_report(*self._place)
            if report is not None:
                self.tests = parse_test_report(report, subject="test report")
        except FOREIGN as error:
            self._miss("tests", error)

    def read_stages(self) -> None:
        """Read the stages of a Pipeline, where the API lists them."""
        if self.info.kind != PIPELINE:
            return
        try:
            self._check_time()
            self.stages = list_stages(self._jenkins.stages(*self._place))
        except FOREIGN as error:
            self._miss("stages", error)

    def check_unchanged(self) -> NotaryError | None:
        """Read the build's JSON once more; return what changed, None for nothing.

        A build that was deleted meanwhile is a gap only: all that was read of it was.
        """
        subject = f"build {format_job_id(self.key.job)}"
        try:
            again = parse_build(self._jenkins.build(*self._place), subject=subject)
        except NotFoundError as error:
            self._miss("build", error)
            self.gaps["build"] = "deleted"
            return None
        except FOREIGN as error:
            return error
        if again == self.info:
            return None
        changed = [
            name
            for name, before, after in zip(again._fields, self.info, again, strict=True)
            if before != after
        ]
        return UnavailableError(
            subject,
            expected="the same while it was read",
            got=f"another {', '.join(changed)}",
            advice="collect it again",
        )

    def _check_time(self) -> None:
        """Check that there is time left.

        Raises:
            TooLongError: There is none.
        """
        if self._seconds is None or self._session.clock.now_ms() <= self._until_ms:
            return
        raise TooLongError(
            f"build {format_job_id(self.key.job)}",
            expected=f"to be read within {self._seconds} s",
            got="more",
            advice=f"jenkins-notary collect {format_job_id(self.key.job)} --again",
        )

    def _miss(self, what: str, error: NotaryError) -> None:
        """Name a gap."""
        self.gaps[what] = _WORDS.get(type(error), "unavailable")
        self.faults.append(error)

    def _gap(self) -> dict[str, Any]:
        """Return the gap of the artifacts, made on first use."""
        gap: dict[str, Any]
        gap = self.gaps.setdefault("artifacts", {"count": 0, "named": []})
        return gap

    def _miss_artifact(self, path: str, error: NotaryError) -> None:
        """Name an artifact that was not read whole; a hundred, and how many in all."""
        gap = self._gap()
        gap["count"] += 1
        if len(gap["named"]) < _MAX_NAMED:
            why = _WORDS.get(type(error), "unavailable")
            gap["named"].append({"path": path, "why": why})
            self.faults.append(error)


def _hash(path: str, stream: RemoteStream) -> Artifact:
    """Read an artifact to its end."""
    digest, size = hashlib.sha256(), 0
    while data := stream.read(_PIECE):
        digest.update(data)
        size += len(data)
    return Artifact(path, digest.hexdigest(), size)

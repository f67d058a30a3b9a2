r"""Bind what a build says to the one build that runs: sessions.

A token names folders, a session names one build. A build proves which one it is

- by a line in its own log: the service gives it a nonce, its program prints the line,
  and the service finds it in the log of that build, on the controller that it knows
  itself, while the build runs; or
- by an id token that the controller has issued to it (:mod:`.id_tokens`).

::

    POST /sessions {"job": "ci.example.com:payments/api/main#42"}
    {"session": "ID.SECRET", "line": "jenkins-notary: session 4f1c...", ...}

The line is in a log that others read, so it is worth nothing: requests show the secret
(``Notary-Session``), of which the SHA-256 is kept. A line counts if it is a line of its
own, behind the place where the log ended when the session was opened: a commit message
or parameter that is printed within a line proves nothing. What a build prints as lines
of their own from a stranger's hand does: see docs/sessions.md.

A session is of one token and one build (instance, name, number, start). It ends with
the build, which is looked at again every :data:`CHECK_S`, or after its hours.

Cost: opening takes three requests of the controller, proving two or more, a later check
one. Without access to a controller there are no sessions for its builds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.builds.classes import classify, show
from jenkins_notary.service.builds.id_tokens import IdTokens
from jenkins_notary.service.builds.running import RunningBuilds
from jenkins_notary.service.commits import BusyError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.builds.classes import BuildsSection
    from jenkins_notary.service.builds.running import RunningBuild
    from jenkins_notary.service.state import ServiceState

LINE = "jenkins-notary: session {}"
"""What a build prints, with its nonce."""

CHECK_S = 60.0
"""How long a build that ran is taken to run still."""

WAIT_S = 6.0
"""How long one request waits for the line; the client sends it again."""

OPEN_MS = 600_000
"""How long a session may stay without its proof."""

MAX_OPEN = 1000
"""Sessions of one token that wait for their proof."""

MAX_KNOWN = 10_000
MAX_TEXT = 200
_PAUSES_S = (0.1, 0.2, 0.4, 0.8)
_KIND, _OPENED = "session", "session-opened"
_STAMP = rb"(?:\[[0-9T:.,Z+ -]{8,40}\] )?"
"""What the Timestamper plugin puts before each line."""


class ProvenBuild(NamedTuple):
    """A build that has proved which one it is.

    Attributes:
        job: Its full job id.
        identity: By what: ``nonce`` or ``oidc``.
        kind: Its class.
    """

    job: str
    identity: str
    kind: str


class Sessions:
    """The sessions of one service."""

    def __init__(self, state: ServiceState, section: BuildsSection) -> None:
        """Use the service's state.

        Args:
            state: What survives a restart.
            section: What the administrator decided of builds.
        """
        self._state = state
        self._section = section
        self._builds = RunningBuilds()
        self._id_tokens = IdTokens(section)
        self._checked: dict[str, tuple[dict[str, Any], float]] = {}

    def open(
        self, session: Session, who: Principal, named: str, *, id_token: str | None
    ) -> dict[str, Any]:
        """Begin a session of a build; return the answer, whose session may be None.

        Args:
            session: An open ledger, with the controllers that may be read.
            who: Whose request it is; the job is within his folders.
            named: The job id.
            id_token: A token that the controller has issued to the build, or None.

        Raises:
            BusyError: Too many wait for their proof.
            PermissionDeniedError: The id token does not hold, or is another build's.
            UnavailableError: The controller, or the issuer, does not answer.
        """
        job = self._builds.resolve(session, parse_job_id(named))
        if job is None:
            return _without("the service has no access to this build's controller")
        try:
            with self._builds.ask(session, job, who.name) as asked:
                info = asked.read()
                offset = asked.log_end() if info.is_running else 0
        except (NotFoundError, PermissionDeniedError) as error:
            return _without(f"the service cannot read it: {error}")
        if not info.is_running:
            return _without("the build has ended")
        value = {
            "token": who.name,
            "job": format_job_id(job),
            "started": info.started_at_ms,
            "offset": offset,
            "nonce": secrets.token_hex(16),
            "identity": None,
        }
        if id_token is not None and self._id_tokens.has(job.instance):
            self._id_tokens.check(job, id_token)
            return self._keep_proven(
                value, classify(self._section, job, show(info, {}))
            )
        return self._keep_opened(value)

    def recall(self, text: str, who: Principal) -> ProvenBuild | None:
        """Return the build of a session that was looked at lately, without waiting.

        None where the controller must be asked: see :meth:`prove`.
        """
        ident, _, secret = text[:MAX_TEXT].partition(".")
        value, checked_s = self._checked.get(ident, ({}, 0.0))
        if not value or time.monotonic() - checked_s > CHECK_S:
            return None
        if not _is_of(value, secret, who) or value["ends"] <= _now_ms():
            return None
        return _proven(value)

    def prove(self, session: Session, text: str, who: Principal) -> ProvenBuild:
        """Return the build of a session; look for its line, or whether it still runs.

        Raises:
            PermissionDeniedError: There is no such session, or it is over.
            BusyError: The line is not there yet: come again.
            UnavailableError: The controller does not answer.
        """
        ident, _, secret = text[:MAX_TEXT].partition(".")
        value = self._state.get(_KIND, ident)
        if value is None or not _is_of(value, secret, who):
            raise _no_session("one that is over, or of another token")
        job = parse_job_id(value["job"])
        try:
            with self._builds.ask(session, job, who.name) as asked:
                if value["identity"] is None:
                    self._find_line(ident, value, asked)
                info = asked.read()
        except NotFoundError as error:
            self.forget(ident)
            raise _no_session("a build that is gone") from error
        if not info.is_running or info.started_at_ms != value["started"]:
            self.forget(ident)
            raise _no_session("a build that has ended")
        if value["identity"] is None:
            kind = classify(self._section, job, show(info, {}))
            value = {**value, "identity": "nonce", "kind": kind}
            value["ends"] = self._last_ms()
            self._state.put(_KIND, ident, value, ends_ms=value["ends"])
            self._state.delete(_OPENED, f"{who.name}/{ident}")
        self._remember(ident, value)
        return _proven(value)

    def forget(self, ident: str) -> None:
        """End a session."""
        self._state.delete(_KIND, ident)
        self._checked.pop(ident, None)

    def can_prove(self, session: Session, job: str) -> bool:
        """Return whether a build could have a session."""
        return self._builds.resolve(session, parse_job_id(job)) is not None

    def _keep_opened(self, value: dict[str, Any]) -> dict[str, Any]:
        """Keep a session that waits for its proof; return the answer."""
        token = value["token"]
        waiting = self._state.scan(_OPENED, prefix=f"{token}/", limit=MAX_OPEN)
        if len(waiting) >= MAX_OPEN:
            raise BusyError(
                f"token {token}",
                expected=f"at most {MAX_OPEN} sessions that wait for their proof",
                got="more",
            )
        ends_ms = _now_ms() + OPEN_MS
        text = self._keep(value, ends_ms)
        ident = text.partition(".")[0]
        self._state.put(_OPENED, f"{token}/{ident}", None, ends_ms=ends_ms)
        return {
            "session": text,
            "nonce": value["nonce"],
            "line": LINE.format(value["nonce"]),
            "expires": format_time(ends_ms),
        }

    def _keep_proven(self, value: dict[str, Any], kind: str) -> dict[str, Any]:
        """Keep a session that an id token has proved; return the answer."""
        ends_ms = self._last_ms()
        value = {**value, "identity": "oidc", "kind": kind}
        return {
            "session": self._keep(value, ends_ms),
            "nonce": None,
            "line": None,
            "expires": format_time(ends_ms),
        }

    def _keep(self, value: dict[str, Any], ends_ms: int) -> str:
        """Keep a session under a new secret; return its text."""
        ident, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        value = {**value, "ends": ends_ms, "secret": _hash(secret)}
        self._state.put(_KIND, ident, value, ends_ms=ends_ms)
        return f"{ident}.{secret}"

    def _last_ms(self) -> int:
        """Return when a session that is proved now ends, should its build go on."""
        return _now_ms() + self._section.session_hours * 3_600_000

    def _find_line(
        self, ident: str, value: dict[str, Any], asked: RunningBuild
    ) -> None:
        """Find a session's line in its build's log.

        Raises:
            BusyError: It is not there in time.
            PermissionDeniedError: The log is no longer what it was.
        """
        line = LINE.format(value["nonce"]).encode()
        wanted = re.compile(rb"^" + _STAMP + re.escape(line) + rb"\r?$", re.MULTILINE)
        deadline = time.monotonic() + WAIT_S
        pauses = iter(_PAUSES_S)
        try:
            while not asked.find(wanted, value):
                pause_s = next(pauses, _PAUSES_S[-1])
                if time.monotonic() + pause_s > deadline:
                    self._state.put(_KIND, ident, value, ends_ms=value["ends"])
                    raise BusyError(
                        f"session of {value['job']}",
                        expected="its line in the log of this build",
                        got="none yet",
                        advice="standard error must go to the build's log",
                    )
                time.sleep(pause_s)
        except IntegrityError as error:
            self.forget(ident)
            raise _no_session("a log that was cut") from error

    def _remember(self, ident: str, value: dict[str, Any]) -> None:
        """Know for a while that a build runs."""
        while len(self._checked) >= MAX_KNOWN:
            self._checked.pop(next(iter(self._checked)), None)
        self._checked[ident] = (value, time.monotonic())


def _proven(value: dict[str, Any]) -> ProvenBuild:
    """Return the build of a session that has its proof."""
    return ProvenBuild(value["job"], value["identity"], value["kind"])


def _is_of(value: dict[str, Any], secret: str, who: Principal) -> bool:
    """Return whether a session is that of a secret and a token."""
    given = _hash(secret)
    return hmac.compare_digest(given, value["secret"]) and value["token"] == who.name


def _hash(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _without(reason: str) -> dict[str, Any]:
    """Return the answer to who can have no session."""
    return {"session": None, "reason": reason}


def _no_session(got: str) -> PermissionDeniedError:
    """Return the error for a session that does not hold."""
    return PermissionDeniedError(
        "session",
        expected="a session of a build that runs",
        got=got,
        advice="open another one",
    )


def _now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000

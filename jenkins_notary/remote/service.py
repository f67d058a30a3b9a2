"""Ask a notary service, trying again within a bounded time; failures by their status.

Every request may be sent twice: records are idempotent by their ``recordId``, bodies by
their digest, and the rest only reads. So a broken connection, 429 and 5xx are tried
again, with growing pauses and as the service's ``Retry-After`` asks, as long as the
time of the call lasts (20 s). A redirect is never followed: the token would go along.

=================  ==================  ===========================================
status             failure             when the body is no error of ours
=================  ==================  ===========================================
400, 413, 422      usage (64)          the request is wrong
401, 403           permission (77)     no token, or one without the right
404                not found (66)
409                ambiguous (67)
507                storage (74)        the service's disk is full
429, 5xx, others   unavailable (69)    after all attempts
=================  ==================  ===========================================

A 200 whose body is not the JSON that was asked for comes from something else (a login
page, a proxy): unavailable, never an answer.

Source: docs/formats/service-api.md.
"""

from __future__ import annotations

import json
import time

from jenkins_notary.errors import (
    AmbiguousError,
    ConfigurationError,
    FaultsError,
    IntegrityError,
    InternalError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.remote.http import CertificateError, Request, Route, exchange
from jenkins_notary.values.canonical import load_json
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, BinaryIO

    from jenkins_notary.remote.http import Answer

API = "/api/v1"
USER_AGENT = f"jenkins-notary-agent/{VERSION}"

ATTEMPTS = 6
"""How often a request is sent at most."""

BYTES_A_SECOND = 256 << 10
"""An upload may take longer: a second more for so many bytes."""

MAX_FETCHED = 4 << 30
"""The longest body that is fetched where no record told its size."""

_FIRST_PAUSE_S = 0.2
_LAST_MOMENT_S = 0.25
_MAX_TEXT = 2000
_MAX_FAULTS = 100
_RETRIED = frozenset({429, 500, 502, 503, 504})
_BY_STATUS: dict[int, type[NotaryError]] = {
    **dict.fromkeys((400, 413, 422), UsageError),
    **dict.fromkeys((401, 403), PermissionDeniedError),
    404: NotFoundError,
    409: AmbiguousError,
    507: StorageError,
}
_BY_WORD: dict[str, type[NotaryError]] = {
    kind.word: kind
    for kind in (
        *(AmbiguousError, ConfigurationError, IntegrityError, InternalError),
        *(NotFoundError, PermissionDeniedError, StorageError, UnavailableError),
        UsageError,
    )
}
_ADVICE = {
    401: "set JENKINS_NOTARY_TOKEN to a token of the service, or name --token-file",
    403: "the token may not do this: ask the service's administrator for another role",
    404: "check --ledger: is this a notary service?",
}


class UnknownTokenError(PermissionDeniedError):
    """The service does not know the token: nothing at all can be done with it."""


class Service:
    """A notary service, asked by one call of the program.

    Attributes:
        url: Its URL, for messages.
        timeout_s: Seconds that all requests of the call may take together.
        wait_s: How long it asked to wait, when it did so last.
    """

    def __init__(
        self,
        route: Route,
        *,
        token: str | None,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            route: The way to it.
            token: The bearer token, or None to ask without one.
            timeout_s: Seconds that all requests of the call may take together.
            clock: Monotonic seconds.
            pause: Waits between attempts.
        """
        self.url = str(route.address)
        self._route = route
        self._headers = (
            ("User-Agent", USER_AGENT),
            ("Accept", "application/json"),
            *([("Authorization", f"Bearer {token}")] if token else []),
        )
        self.timeout_s = timeout_s
        self.wait_s = 0.0
        self._clock = clock
        self._pause = pause
        self._spent_s = 0.0

    def get(self, path: str) -> Mapping[str, Any]:
        """Return the JSON object that a path gives.

        Raises:
            NotaryError: What the service says, or that it does not answer.
        """
        return self._read(self._ask(Request("GET", self._target(path), self._headers)))

    def read_file(self, path: str) -> bytes:
        """Return the bytes that a path beside the API gives: the log's own files.

        Raises:
            NotaryError: What the service says, or that it does not answer.
        """
        target = f"{self._route.address.path}{path}"
        return self._ask(Request("GET", target, self._headers)).body

    def post(
        self,
        path: str,
        value: Mapping[str, object],
        *,
        meanwhile: Callable[[], object] = bool,
        session: str | None = None,
    ) -> Mapping[str, Any]:
        """Return the JSON object that answers one that is sent.

        Args:
            path: Where it goes.
            value: What is sent.
            meanwhile: Called while the service works.
            session: The session of the build that sends it, or None.

        Raises:
            NotaryError: What the service says, or that it does not answer.
        """
        data = json.dumps(value, separators=(",", ":")).encode("ascii")
        headers = (
            ("Content-Type", "application/json"),
            *([("Notary-Session", session)] if session else []),
        )
        return self._send(path, data, headers, meanwhile)

    def send(self, path: str, data: bytes) -> Mapping[str, Any]:
        """Return the JSON object that answers some bytes.

        Raises:
            NotaryError: What the service says, or that it does not answer.
        """
        kind = ("Content-Type", "application/octet-stream")
        return self._send(path, data, (kind,), bool)

    def _send(
        self,
        path: str,
        data: bytes,
        headers: tuple[tuple[str, str], ...],
        meanwhile: Callable[[], object],
    ) -> Mapping[str, Any]:
        """Return the JSON object that answers a body."""
        request = Request(
            "POST",
            self._target(path),
            (*self._headers, *headers),
            len(data),
            lambda: (data,),
            meanwhile,
        )
        return self._read(self._ask(request))

    def put(
        self, path: str, size: int, pieces: Callable[[], Iterable[bytes]]
    ) -> Mapping[str, Any]:
        """Return the JSON object that answers a body that is sent in pieces.

        Args:
            path: Where it goes.
            size: Its bytes.
            pieces: Makes the pieces anew for each attempt.

        Raises:
            NotaryError: What the service says, or that it does not answer.
        """
        headers = (*self._headers, ("Content-Type", "application/octet-stream"))
        return self._read(
            self._ask(
                Request("PUT", self._target(path), headers, size, pieces),
                more_s=size / BYTES_A_SECOND,
            )
        )

    def fetch(self, path: str, size: int | None, file: BinaryIO) -> None:
        """Write the bytes that a path gives into a file, which holds nothing else.

        Args:
            path: Where they are.
            size: How many they are, others are refused; None for :data:`MAX_FETCHED`
                at most.
            file: Where they go, from its start.

        Raises:
            IntegrityError: They are more or fewer.
            NotaryError: What the service says, or that it does not answer.
        """

        def begin() -> None:
            file.seek(0)
            file.truncate()

        def take(piece: bytes) -> None:
            if file.tell() + len(piece) > limit:
                raise wrong_size("more")
            file.write(piece)

        def wrong_size(got: str) -> IntegrityError:
            return IntegrityError(
                f"{self.url}{path}", expected=f"{limit} bytes", got=got
            )

        limit = MAX_FETCHED if size is None else size

        request = Request(
            "GET", self._target(path), self._headers, meanwhile=begin, sink=take
        )
        self._ask(request, more_s=limit / BYTES_A_SECOND)
        if size is not None and file.tell() != size:
            raise wrong_size(str(file.tell()))

    def stream(
        self,
        path: str,
        sink: Callable[[bytes], object],
        *,
        headers: Iterable[tuple[str, str]] = (),
        silence_s: float,
        seconds: float,
    ) -> None:
        """Hand the bytes that a path sends to a sink as they come, until it ends.

        Args:
            path: Where they are.
            sink: Takes each piece.
            headers: Further fields of the request.
            silence_s: How long the service may be silent.
            seconds: How long it may go on.

        Raises:
            NotaryError: What the service says, or that it does not answer.
        """
        route = self._route._replace(silence_s=silence_s)
        request = Request(
            "GET", self._target(path), (*self._headers, *headers), sink=sink
        )
        found, _ = self._try(request, self._clock() + seconds, route)
        if isinstance(found, UnavailableError):
            raise found

    def _target(self, path: str) -> str:
        """Return the request's target for a path of the service."""
        return f"{self._route.address.path}{API}{path}"

    def _ask(self, request: Request, *, more_s: float = 0.0) -> Answer:
        """Send until there is a good answer; return it."""
        started = self._clock()
        deadline = started + self.timeout_s - self._spent_s + more_s
        pause_s = _FIRST_PAUSE_S
        try:
            for attempt in range(1, ATTEMPTS + 1):
                found, wait_s = self._try(request, deadline)
                if not isinstance(found, UnavailableError):
                    return found
                self.wait_s = wait_s
                pause_s = max(pause_s, wait_s)
                left_s = deadline - self._clock() - _LAST_MOMENT_S
                if attempt == ATTEMPTS or pause_s > left_s:
                    raise found
                self._pause(pause_s)
                pause_s *= 2
            raise AssertionError
        finally:
            # What an upload may take longer, the record behind it need not make up.
            self._spent_s += max(0.0, self._clock() - started - more_s)

    def _try(
        self, request: Request, deadline: float, route: Route | None = None
    ) -> tuple[Answer | UnavailableError, float]:
        """Return (the answer, or a failure that may pass; seconds to wait).

        Args:
            request: What is sent.
            deadline: When all must be done.
            route: Another way than usual, or None.

        Raises:
            NotaryError: A failure that another attempt would not mend.
        """
        try:
            answer = exchange(route or self._route, request, deadline)
        except CertificateError:
            raise
        except UnavailableError as failure:
            return failure, 0.0
        if answer.status in _RETRIED:
            wait_s = _retry_after(answer)
            error = _read_error(self.url, answer) or UnavailableError(
                self.url, expected="an answer", got=f"HTTP {answer.status}"
            )
            if not isinstance(error, UnavailableError):
                raise error
            if wait_s:
                error.advice = error.advice or f"it asks to wait {wait_s:.0f} s"
            return error, wait_s
        if answer.status not in {200, 201}:
            refusal = _read_error(self.url, answer) or self._name(answer)
            if answer.status == 401:
                raise UnknownTokenError(
                    refusal.subject,
                    expected=refusal.expected,
                    got=refusal.got,
                    advice=refusal.advice or _ADVICE[401],
                )
            raise refusal
        return answer, 0.0

    def _read(self, answer: Answer) -> dict[str, Any]:
        """Return the JSON object of a good answer."""
        try:
            value = load_json(answer.body, subject=self.url)
        except IntegrityError:
            value = None
        if not isinstance(value, dict):
            kind = answer.headers.get("content-type", "no type")[:60]
            raise UnavailableError(
                self.url,
                expected="a notary service's JSON",
                got=f"{len(answer.body)} bytes of {kind}",
                advice="check --ledger: is this a notary service?",
            )
        return value

    def _name(self, answer: Answer) -> NotaryError:
        """Return the failure that a status alone stands for."""
        status = answer.status
        if 300 <= status < 400:
            return UnavailableError(
                self.url,
                expected="an answer",
                got=f"HTTP {status}, a redirect, which is not followed with a token",
                advice="set --ledger to where it leads, if that is right",
            )
        kind = _BY_STATUS.get(status, UnavailableError)
        return kind(
            self.url,
            expected="an answer",
            got=f"HTTP {status}",
            advice=_ADVICE.get(status, ""),
        )


def _retry_after(answer: Answer) -> float:
    """Return the seconds that the service asks to wait; 0.0 if it asks for none."""
    value = answer.headers.get("retry-after", "")
    is_plain = value.isascii() and value.isdigit() and len(value) < 6
    return float(value) if is_plain else 0.0


def _read_error(url: str, answer: Answer) -> NotaryError | None:
    """Return the failure that a service describes in its body, None for no such."""
    try:
        value = load_json(answer.body, subject=url)
    except IntegrityError:
        return None
    return parse_error(value)


def parse_error(value: object) -> NotaryError | None:
    """Return the failure that :meth:`NotaryError.to_dict` wrote, None for another.

    The kind follows from the word and must agree with the code, so that no service can
    end the program with a code that is a verdict.
    """
    if not isinstance(value, dict):
        return None
    listed = value.get("faults")
    if value.get("error") == FaultsError.word and isinstance(listed, list):
        faults = [parse_error(one) for one in listed[:_MAX_FAULTS]]
        known = [one for one in faults if one is not None]
        if not known or len(known) != len(faults):
            return None
        return FaultsError(known, advice=_text(value, "advice"))
    kind = _BY_WORD.get(str(value.get("error")))
    if kind is None or value.get("code") != kind.exit_code:
        return None
    return kind(
        _text(value, "subject"),
        expected=_text(value, "expected"),
        got=_text(value, "got"),
        advice=_text(value, "advice"),
    )


def _text(value: Mapping[str, object], key: str) -> str:
    """Return a text of bounded length; "" for none."""
    text = value.get(key)
    return text[:_MAX_TEXT] if isinstance(text, str) else ""

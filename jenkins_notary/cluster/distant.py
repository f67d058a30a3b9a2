"""Ask a notary service what its ledger says, by a token of the role reader.

- What changes comes by its events, at once. Where these cannot be had, because a proxy
  holds them back, say, its size is asked for each interval.
- Records that the token may not see are noticed by the numbers that are left out: then
  all digests are judged again.
- Each verdict is held to its receipt and, with ``--log``, to the log's key.
- A service that shows an older state than before is not believed: what was seen stays,
  and is stale.

The level of signers and the address of builds are asked for apart, and kept.
"""

from __future__ import annotations

import random
import threading
import time

from jenkins_notary.api.results import AsOf
from jenkins_notary.cluster.board import Verdict
from jenkins_notary.cluster.builds import MAX_LOOKED_AT, Build, read_build
from jenkins_notary.cluster.judging import WIDE_TYPES, Answers, News, group_by_rule
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.remote.reading.events import listen
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.status import NEGATIVE, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cluster.judging import Question
    from jenkins_notary.remote.reading.events import Event
    from jenkins_notary.remote.reading.notary import RemoteReader
    from jenkins_notary.trust.verdict import TrustRule

BATCH = 200
"""Digests of one request."""

MAX_BUILDS = 20_000
MAX_PAUSE_S = 30.0
NO_EVENTS_S = 60.0
"""How long the size is asked for alone, after a stream that told nothing."""

# Tuples: what is looked for among them comes from outside, and may be anything.
_NEGATIVE = tuple(one.name for one in NEGATIVE)
_WIDE = tuple(WIDE_TYPES)


class RemoteSource:
    """A service's ledger; its events are read by a thread of its own."""

    def __init__(
        self,
        open_reader: Callable[[], RemoteReader],
        *,
        interval_s: float,
        wake: Callable[[], object],
    ) -> None:
        """Ask nothing yet.

        Args:
            open_reader: Returns the service, whose time begins anew.
            interval_s: How often it is asked where it sends no events.
            wake: Called when there is something new.
        """
        self._open = open_reader
        self._interval_s = interval_s
        self._wake = wake
        self._lock = threading.Lock()
        self._news = News(is_wide=True)
        self._error: Exception | None = None
        self._size = 0
        self._levels: dict[str, int] | None = None
        self._builds: dict[int | tuple[int, str], Build] = {}
        self._deaf_until = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def poll(self) -> News:
        """Return what has changed since the last call; all, at the first."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="ledger events", daemon=True
            )
            self._thread.start()
        with self._lock:
            if self._error is not None:
                raise self._error
            news, self._news = self._news, News()
        if news.is_wide:
            self._levels = None
        return news

    def judge(self, questions: Sequence[Question]) -> Answers:
        """Return what the ledger says of some digests, as of one state of it.

        Several requests may see several states: told is the oldest.
        """
        verdicts: dict[Question, Verdict] = {}
        oldest: AsOf | None = None
        for rule, group in group_by_rule(questions).items():
            for start in range(0, len(group), BATCH):
                batch = group[start : start + BATCH]
                for one, item in zip(batch, self._ask(batch, rule), strict=True):
                    verdict = self._read(one.digest, item)
                    verdicts[one] = verdict
                    seen = verdict.as_of
                    if oldest is None or (seen and seen.tree_size < oldest.tree_size):
                        oldest = seen or oldest
        return Answers(oldest or self._ask_state(), verdicts)

    def close(self) -> None:
        """Have the thread end."""
        self._stop.set()

    def _ask(self, batch: Sequence[Question], rule: TrustRule) -> list[dict[str, Any]]:
        """Return the checked items of one request."""
        with self._open() as reader:
            items = reader.authenticate(
                [one.digest for one in batch], org=rule.org, keys=rule.keys
            )
        return [one.to_dict() for one in items]

    def _ask_state(self) -> AsOf:
        """Return the state of the log."""
        with self._open() as reader:
            found = reader.ledger.status().to_dict()
        size = self._check_size(found.get("tree_size"))
        return AsOf(size, str(found.get("timestamp", "")))

    def _read(self, digest: str, item: dict[str, Any]) -> Verdict:
        """Return the verdict of a checked item."""
        error, state = item.get("error"), item.get("as_of")
        if error is not None or item.get("status") is None:
            told = error.get("message") if isinstance(error, dict) else None
            return Verdict.unknown(str(told or item.get("reason") or "no verdict"))
        if not isinstance(state, dict):
            raise IntegrityError("verdict", expected="the state that it holds for")
        self._check_size(state.get("tree_size"))
        signer, index = item.get("signer"), item.get("index")
        build = Build()
        if index is not None:
            build = self._find_build(index, None if item.get("job") else digest)
        return Verdict(
            Status[item["status"]],
            None if signer is None else self._level_of(signer),
            signer,
            str(item.get("reason", "")),
            item.get("job") or build.job,
            build.url,
            build.commit,
            index,
            None,
            AsOf(state["tree_size"], str(state.get("timestamp", ""))),
            item.get("receipt"),
        )

    def _check_size(self, size: object) -> int:
        """Return the size that the service shows, which is no less than it was.

        Raises:
            IntegrityError: It does.
        """
        with self._lock:
            if type(size) is not int or size < self._size:
                raise IntegrityError(
                    "log of the service",
                    expected=f"at least {self._size} records, as seen before",
                    got=str(size)[:40],
                    advice="an older copy answers: see ledger audit",
                )
            self._size = size
            return size

    def _level_of(self, signer: str) -> int | None:
        """Return a signer's level, None where the token may not know it."""
        if self._levels is None:
            try:
                with self._open() as reader:
                    self._levels = {
                        one.value["signer"]: one.value["level"]
                        for one in reader.signers.list()
                    }
            except PermissionDeniedError:
                self._levels = {}
        return self._levels.get(signer)

    def _find_build(self, index: int, digest: str | None) -> Build:
        """Return the build of a record, nothing where the token may not see it.

        Args:
            index: The record's place in the log.
            digest: What it is about, if it names no build: then the one that made it.
        """
        key = index if digest is None else (index, digest)
        found = self._builds.get(key)
        if found is None:
            found = (
                self._ask_build(index) if digest is None else self._ask_maker(digest)
            )
            self._builds[key] = found
            if len(self._builds) > MAX_BUILDS:
                del self._builds[next(iter(self._builds))]
        return found

    def _ask_build(self, index: int) -> Build:
        """Ask for a record, and read its build."""
        return _build_of(self._ask_for(f"/records/{index}").get("record"))

    def _ask_maker(self, digest: str) -> Build:
        """Ask for the records of a digest; read the newest build of one enrolled."""
        records = self._ask_for(
            "/evidence", digest=digest, limit=str(MAX_LOOKED_AT)
        ).get("records")
        listed: list[Any] = records if isinstance(records, list) else []
        for one in reversed(listed):
            made = _build_of(one)
            if made.job is not None and one.get("standing") == "enrolled":
                return made
        return Build()

    def _ask_for(self, path: str, **parameters: str) -> Mapping[str, Any]:
        """Return an answer, an empty one for what the token may not see."""
        try:
            with self._open() as reader:
                return reader.ask(path, **parameters)
        except (NotFoundError, PermissionDeniedError):
            return {}

    def _run(self) -> None:
        """Follow the service; a fault of this program is raised by the next poll."""
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
            self._fail(error)

    def _follow(self) -> None:
        """Follow the service until told to end."""
        failures = 0
        expected: int | None = None
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                size = self._ask_state().tree_size
                if expected is not None and size != expected:
                    self._tell(News(is_wide=True))
                self._tell(None)
                expected = self._listen(size)
                failures = 0
            except NotaryError as error:
                failures += 1
                self._fail(error)
            if time.monotonic() - began < self._interval_s:
                pause = min(self._interval_s * 2 ** min(failures, 10), MAX_PAUSE_S)
                self._stop.wait(pause * (0.5 + random.random() / 2))  # noqa: S311 - jitter

    def _listen(self, size: int) -> int:
        """Listen from a size on; return the size that was seen at the end."""
        if time.monotonic() < self._deaf_until:
            return size
        expected, heard = [size], False

        def take(event: Event) -> None:
            nonlocal heard
            if self._stop.is_set():
                raise UnavailableError("events", got="closed")
            heard = True
            news = _read_event(event, expected[0])
            expected[0] = max(expected[0], event.index + 1)
            self._tell(news)

        try:
            with self._open() as reader:
                listen(reader.connect(), size - 1, take)
        except NotaryError:
            # Whether the service answers at all is asked next.
            if not heard:
                self._deaf_until = time.monotonic() + NO_EVENTS_S
        return expected[0]

    def _tell(self, news: News | None) -> None:
        """Keep news for the next poll; that it answers is news too."""
        with self._lock:
            was_away, self._error = self._error is not None, None
            if news is not None:
                self._news += news
        if was_away or (news is not None and (news.digests or news.is_wide)):
            self._wake()

    def _fail(self, error: Exception) -> None:
        """Keep why the service does not answer."""
        with self._lock:
            self._error = error
        self._wake()


def _build_of(record: object) -> Build:
    """Return the build that a record's JSON names."""
    predicate = record.get("predicate") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(predicate, dict):
        return Build()
    job = record.get("job")
    return read_build(
        str(record.get("type")), predicate, job if isinstance(job, str) else None
    )


def _read_event(event: Event, expected: int) -> News:
    """Return what an event may have changed.

    Args:
        event: The event.
        expected: Index of the next record that was to be told.
    """
    record = event.record
    if record is None:
        return News(is_wide=event.index >= expected)
    digests = record.get("digests")
    named = frozenset(
        digest_hex(one)
        for one in (digests if isinstance(digests, list) else ())
        if isinstance(one, str)
    )
    is_wide = (
        event.index > expected
        or record.get("type") in _WIDE
        or record.get("status") in _NEGATIVE
        or bool(record.get("supersedes"))
    )
    return News(named, is_wide)

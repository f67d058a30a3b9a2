"""Judge what is to start: at once where the ledger's word is known, in time elsewhere.

One thread asks the ledger (``judging.Source``); it looks for what is new each interval,
so that a word that is kept is at most that old. Where the ledger does not answer:

- an image that was judged is *stale*: its last word holds, for as long as was settled
  (``max_stale_s``), for a node that fails meanwhile must not take its pods along;
- but a word is dropped once a new record names its image, and asked for again at once
  where news reach wide, as when a signer is revoked: it is known to be old;
- one that was not is unavailable;
- a ledger that was altered or rolled back is no outage: then nothing is judged.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from jenkins_notary.cluster.board import Judged, now_ms
from jenkins_notary.cluster.judging import Question
from jenkins_notary.errors import IntegrityError, NotaryError, UnavailableError
from jenkins_notary.values.digest import digest_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from jenkins_notary.cluster.board import Verdict
    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.cluster.judging import News, Source
    from jenkins_notary.cluster.settings import Settings

MAX_KEPT = 20_000
"""Words that are kept; the one that was asked for longest ago goes."""
PAGE = 200
"""Words that are asked for again in one go, with requests in between."""


class LedgerJudge:
    """A ledger's word on what is to start; for any number of threads."""

    def __init__(
        self,
        settings: Settings,
        open_source: Callable[[Callable[[], object]], Source],
        *,
        max_stale_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            settings: Whose word counts where, exemptions, the interval.
            open_source: Opens the ledger; it is given what to call when there is
                something new.
            max_stale_s: How long a last word holds while the ledger is away.
            monotonic: The time.
        """
        from concurrent.futures import ThreadPoolExecutor

        self._settings = settings
        self._max_stale_s = max_stale_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[Question, Verdict] = OrderedDict()
        self._fresh: set[Question] = set()
        self._error: NotaryError | None = UnavailableError("ledger", got="not asked")
        self._seen_s: float | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._source = open_source(self._wake.set)
        # The source is for one thread.
        self._asker = ThreadPoolExecutor(1, "ledger")
        self._looker = threading.Thread(target=self._look, name="news", daemon=True)

    def start(self) -> None:
        """Begin to look for what is new."""
        self._looker.start()

    def stop(self) -> None:
        """Ask nothing more."""
        self._stop.set()
        self._wake.set()
        self._asker.submit(self._source.close)
        self._asker.shutdown(wait=False)

    @property
    def is_ready(self) -> bool:
        """Return whether the ledger has answered once."""
        return self._seen_s is not None

    def judge(self, containers: Sequence[Container], limit_s: float) -> list[Judged]:
        """Return what is known of containers, in order.

        Args:
            containers: Each with its digest.
            limit_s: How long it may take.

        Raises:
            UnavailableError: It cannot be said in time.
            IntegrityError: The ledger was altered.
            NotaryError: It refuses.
        """
        asked = [self._question_of(one) for one in containers]
        error: NotaryError | None = None
        try:
            self._ask([*dict.fromkeys(asked)], limit_s)
        except IntegrityError:
            raise
        except NotaryError as fault:
            error = fault
        return [
            self._answer(one, question, error)
            for one, question in zip(containers, asked, strict=True)
        ]

    def _question_of(self, container: Container) -> Question:
        """Return what is asked of the ledger."""
        assert container.digest is not None  # noqa: S101 - the caller has looked
        rule = self._settings.trust.rule_of(container.namespace)
        return Question(container.digest, rule)

    def _ask(self, asked: list[Question], limit_s: float) -> None:
        """Have the ledger asked for what is not fresh.

        Raises:
            NotaryError: It does not answer, or not in time.
        """
        with self._lock:
            if isinstance(self._error, IntegrityError):
                raise self._error
            if self._error is not None and all(one in self._kept for one in asked):
                # Who looks for what is new tells when it answers again.
                raise self._error
            missing = [one for one in asked if one not in self._fresh]
        if not missing:
            return
        work: Future[None] = self._asker.submit(self._fetch, missing)
        try:
            work.result(limit_s)
        except TimeoutError as error:
            work.cancel()
            raise UnavailableError(
                "ledger", expected=f"an answer in {limit_s:g} s", got="none"
            ) from error

    def _fetch(self, missing: Sequence[Question]) -> None:
        """Ask the ledger; in its own thread."""
        self._poll()
        try:
            verdicts = self._source.judge(missing).verdicts
        except NotaryError as error:
            with self._lock:
                self._error = error
            raise
        with self._lock:
            for one, verdict in verdicts.items():
                self._kept[one] = verdict
                self._kept.move_to_end(one)
                self._fresh.add(one)
            while len(self._kept) > MAX_KEPT:
                self._fresh.discard(self._kept.popitem(last=False)[0])

    def _answer(
        self, container: Container, question: Question, error: NotaryError | None
    ) -> Judged:
        """Return what is known of one container.

        Raises:
            NotaryError: Nothing is, or not lately enough.
        """
        with self._lock:
            verdict = self._kept.get(question)
            is_fresh = error is None and question in self._fresh
            away_s = self._monotonic() - (self._seen_s or 0.0)
        if verdict is None or (not is_fresh and away_s > self._max_stale_s):
            raise error or UnavailableError("ledger", expected="its word", got="none")
        return Judged(
            container,
            verdict,
            self._settings.exemption_of(container, now_ms()),
            not is_fresh,
            0,
        )

    def _look(self) -> None:
        """Look for what is new until told to stop."""
        from contextlib import suppress

        while not self._stop.is_set():
            with suppress(NotaryError, RuntimeError):
                self._asker.submit(self._poll).result()
                while (old := self._find_old()) and not self._stop.is_set():
                    self._asker.submit(self._fetch, old).result()
            self._wake.wait(self._settings.watch.interval)
            self._wake.clear()

    def _find_old(self) -> list[Question]:
        """Return some of the words that are kept and not fresh."""
        with self._lock:
            if len(self._fresh) == len(self._kept):
                return []
            return [one for one in self._kept if one not in self._fresh][:PAGE]

    def _poll(self) -> None:
        """Take what is new; in the ledger's thread.

        Raises:
            NotaryError: The ledger does not answer.
        """
        try:
            news = self._source.poll()
        except NotaryError as error:
            with self._lock:
                self._error = error
            raise
        with self._lock:
            self._error = None
            self._seen_s = self._monotonic()
            self._forget(news)

    def _forget(self, news: News) -> None:
        """Hold no longer for fresh what may have changed; the lock is held."""
        if news.digests:
            named = [o for o in self._kept if digest_hex(o.digest) in news.digests]
            for one in named:
                del self._kept[one]
                self._fresh.discard(one)
        if news.is_wide:
            self._fresh.clear()

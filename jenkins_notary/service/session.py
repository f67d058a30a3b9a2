"""Open a ledger for many requests at once.

Requests read through one store of their own and write through the one thread of
:mod:`~jenkins_notary.service.commits`. What was verified of a checkpoint once (its
signature, that it extends what was seen before, who may speak) holds for every request
that reads at the same checkpoint.
"""

from __future__ import annotations

import copy
import threading
import time
from functools import partial

from jenkins_notary.api.session import Session
from jenkins_notary.engines.recent import RecentStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.ledger.pins import Pin, size_of
from jenkins_notary.ledger.view import LedgerView, open_view
from jenkins_notary.service.commits import Committer
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.places import Places
    from jenkins_notary.api.session import Choices
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.ports import Signer, Store
    from jenkins_notary.service.builds.voices import Voices
    from jenkins_notary.service.commits import Waiting, Work
    from jenkins_notary.values.jobid import JobId


PIN_S = 1.0
"""How often the pin's file is moved: a process that starts anew proves the rest."""


class _Known(NamedTuple):
    """A checkpoint that was verified.

    Attributes:
        note: Its signed note.
        view: A view that was opened on it, whose trust was read.
        vkeys: The keys that signed the log so far.
    """

    note: bytes
    view: LedgerView
    vkeys: tuple[str, ...]


class _Heads:
    """The newest checkpoint that was verified, shared by all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: _Known | None = None
        self.pinned_at = time.monotonic()


class _SharedSession(Session):
    """A session whose views are verified once for all."""

    def __init__(
        self,
        ledger: str | None,
        choices: Choices,
        environ: Mapping[str, str],
        heads: _Heads,
    ) -> None:
        """Open nothing yet."""
        super().__init__(ledger, choices, environ)
        self._heads = heads

    def check_can_write(self) -> None:
        """Check nothing: the engine has opened ledger and key, and each commit does."""

    def _open_view(self) -> LedgerView:
        """Open the newest checkpoint, verified now or before."""
        note, known = self.store.checkpoint(), self._heads.known
        if known is None or known.note != note:
            with self._heads.lock:
                known = self._heads.known
                if known is None or known.note != note:
                    known = self._verify(known)
        self._vkeys = known.vkeys
        view = LedgerView(
            self.store, known.view.checkpoint, known.note, self.signatures
        )
        view.adopt_trust(known.view)
        return view

    def _verify(self, before: _Known | None) -> _Known:
        """Verify the newest checkpoint and remember it."""
        view = None if before is None else self._extend(before)
        if view is None:
            if before is not None:
                self._move_pin(before)
            view = super()._open_view()
        view.trust()
        known = self._heads.known = _Known(view.note, view, self._vkeys)
        return known

    def _extend(self, before: _Known) -> LedgerView | None:
        """Return the newest checkpoint as what follows one that was verified.

        None where it must be opened like one that is met anew: keys have changed, or
        an older log was put in its place.

        Raises:
            IntegrityError: It is a fork of what was verified.
        """
        seen = before.view.checkpoint
        try:
            keys = [load_log_verifier(one) for one in before.vkeys]
            view = open_view(self.store, keys, self.signatures)
        except IntegrityError:
            return None
        if (view.checkpoint.origin, False) != (seen.origin, view.size < seen.size):
            return None
        view.check_consistent(seen.size, seen.root)
        view.check_trust_consistent(seen.trust)
        view.adopt_trust(before.view)
        self._vkeys = before.vkeys
        if time.monotonic() - self._heads.pinned_at > PIN_S:
            self._move_pin(_Known(view.note, view, before.vkeys))
        return view

    def _move_pin(self, known: _Known) -> None:
        """Remember a checkpoint beyond this process, unless a newer one is."""
        self._heads.pinned_at = time.monotonic()
        seen = known.view.checkpoint
        kept = self.load_pin(seen.origin)
        if kept is None or size_of(kept) < seen.size:
            self.remember(seen.origin, Pin(known.vkeys[0], known.note))


class WriterSession(_SharedSession):
    """What the one committing thread has open.

    Its view is that of the group which is being recorded: it is opened once for all of
    it, and once more behind the commit.
    """

    def opener(self) -> Callable[[], Store]:
        """Return what opens a ledger that keeps at hand what it has just committed."""
        if self.places.engine == "sqlite":
            return partial(RecentStore.open, self.places.ledger)
        return super().opener()

    def view(self) -> LedgerView:
        """Return the view of this group."""
        if self._view is None:
            self._view = self._open_view()
        return self._view

    def append(self, envelopes: Sequence[bytes]) -> list[int]:
        """Append envelopes; return their indexes, once durable."""
        # Another process may have written, or put another log in its place.
        self.begin()
        return super().append(envelopes)

    def begin(self) -> None:
        """Forget what belongs to another group."""
        self._view = None

    def close(self) -> None:
        """Remember what was seen last, and release the ledger."""
        if self._heads.known is not None:
            self._move_pin(self._heads.known)
        super().close()


class ServiceSession(_SharedSession):
    """What one request has open; made by :meth:`Engine.session`."""

    recorder = "service"
    _committer: Committer
    _voices: Voices | None = None

    def classify_build(
        self, job: JobId, info: BuildInfo | None, facts: Mapping[str, Any]
    ) -> str | None:
        """Return the class of a build."""
        if self._voices is None:
            return super().classify_build(job, info, facts)
        return self._voices.classify(job, info, facts)

    def sign_for_build(self, job: JobId, kind: str | None) -> Signer:
        """Return the key of a build's folder and class, enrolled if that can be."""
        if self._voices is None or kind is None:
            return super().sign_for_build(job, kind)
        return self._voices.of_controller(self, job, kind)

    def append(self, envelopes: Sequence[bytes]) -> list[int]:
        """Append envelopes with those of other requests; return their indexes."""
        indexes = self._committer.append(envelopes)
        self.refresh()
        return indexes

    def fork(self) -> ServiceSession:
        """Return a session for another request, on the same store and keys."""
        other = copy.copy(self)
        other.begin()
        return other

    def begin(self) -> None:
        """Forget what belongs to another request."""
        self._view = None
        self._controllers = None

    def close(self) -> None:
        """Close what this request has open; the store is every request's."""
        self.close_controllers()


class Engine:
    """A ledger that is open as long as the service runs."""

    def __init__(
        self, ledger: str | None, choices: Choices, environ: Mapping[str, str]
    ) -> None:
        """Open the ledger, its key and the signer's.

        Raises:
            NotaryError: They cannot be opened, or the ledger was altered.
        """
        heads = _Heads()
        self._writer = WriterSession(ledger, choices, environ, heads)
        Session.check_can_write(self._writer)
        self._template = ServiceSession(ledger, choices, environ, heads)
        self._writer.signer()
        # The signer's key and the reading store are opened once, before any thread.
        self._template.signer()
        self._template.view()
        self._template.blobs  # noqa: B018 - imported before any thread
        self._committer = Committer(self._writer)
        self._template._committer = self._committer  # noqa: SLF001 - of this module

    @property
    def store(self) -> Store:
        """Return the store that requests read."""
        return self._template.store

    @property
    def places(self) -> Places:
        """Return where everything is."""
        return self._template.places

    def use_voices(self, voices: Voices) -> None:
        """Have what builds claim signed by other keys than the administrator's."""
        self._template._voices = voices  # noqa: SLF001 - of this module

    def on_commit(self, call: Callable[[], object]) -> None:
        """Have something called after each commit; it must not wait."""
        self._committer.on_commit = call

    def submit(self, work: Work, on_done: Callable[[Waiting], object]) -> None:
        """Have work recorded with that of other requests.

        Raises:
            BusyError: Too many wait.
        """
        self._committer.submit(work, on_done)

    def session(self) -> ServiceSession:
        """Return a session for one request."""
        return self._template.fork()

    def close(self) -> None:
        """Commit what waits and release the ledger."""
        self._committer.close()
        self._writer.close()
        self._template.store.close()

"""Ask registries what images contain, beside what judges, and remember the answers.

- A thread a registry asks for one image after the other, and ends when none is left:
  one that is slow keeps no other waiting. Few run at a time.
- An image has a bounded time. A thread that still hangs after that is left alone, and
  so is its registry until it ends.
- What an image contains never changes, so it is kept while the image runs. What failed
  is asked again after :data:`RETRY_S`, and not before: by the next container that has
  the digest, from its own repository and with its own pull secrets.
"""

from __future__ import annotations

import random
import threading
import time
from queue import SimpleQueue

from jenkins_notary.cluster.pulling import LIMIT_S, Place, late_error, place_of
from jenkins_notary.errors import NotaryError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.cluster.links import Links

    Find = Callable[[Place, float], Links]

RETRY_S = 900.0
MAX_BUSY = 4
MAX_HANGING = 12
MAX_KEPT = 20_000
MAX_PLACES = 4
"""Places that one digest is looked for at."""


class _Entry:
    """What is known of a digest: what it contains, or why not, or nothing yet."""

    def __init__(self) -> None:
        self.links: Links | None = None
        self.error: str | None = None
        self.places: set[Place] = set()
        self.retry_s = float("inf")


class _Lane:
    """What one registry is asked for; its thread takes, who judges puts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Place, None] = {}
        self._asked: tuple[Place, float] | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_idle(self) -> bool:
        """Return whether no thread works for it."""
        return self._thread is None or not self._thread.is_alive()

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits."""
        return not self._waiting

    def put(self, place: Place) -> None:
        """Have a place asked for."""
        with self._lock:
            self._waiting[place] = None

    def drop(self, place: Place) -> None:
        """Have a place not asked for."""
        with self._lock:
            self._waiting.pop(place, None)

    def take(self, now_s: float) -> Place | None:
        """Return what is asked for next, None for nothing."""
        with self._lock:
            place = next(iter(self._waiting), None)
            self._asked = None if place is None else (place, now_s)
            if place is not None:
                del self._waiting[place]
            return place

    def begin(self, work: Callable[[_Lane], object]) -> None:
        """Have a thread work for it."""
        self._thread = threading.Thread(
            target=work, args=(self,), name="registry", daemon=True
        )
        self._thread.start()

    def hanging(self, now_s: float) -> Place | None:
        """Return what has been asked for too long, or None."""
        asked = self._asked
        if asked is None or now_s - asked[1] <= LIMIT_S:
            return None
        return asked[0]


class Registries:
    """What registries say of images; for one thread."""

    def __init__(
        self, find: Find, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask nothing yet.

        Args:
            find: Asks a registry; called in threads.
            monotonic: The time.
        """
        self._find = find
        self._monotonic = monotonic
        self._entries: dict[str, _Entry] = {}
        self._lanes: dict[str, _Lane] = {}
        self._results: SimpleQueue[tuple[Place, Links | str]] = SimpleQueue()
        self._used_by: dict[str, set[str]] = {}
        self._changed: set[str] = set()

    def want(self, container: Container) -> None:
        """Have a registry asked for what a container runs, unless one was."""
        digest = str(container.digest)
        entry = self._entries.get(digest)
        if entry is None:
            if len(self._entries) >= MAX_KEPT:
                return
            entry = self._entries[digest] = _Entry()
        if entry.links is not None or len(entry.places) >= MAX_PLACES:
            return
        try:
            place = place_of(container)
        except UsageError as error:
            # Another container can tell more.
            if entry.error is None:
                entry.error = str(error)
                self._changed.add(digest)
            return
        if place not in entry.places:
            entry.places.add(place)
            self._lanes.setdefault(place.reference.registry, _Lane()).put(place)

    def links_of(self, digest: str) -> Links | None:
        """Return what an image contains, None where that is not known."""
        entry = self._entries.get(digest)
        return None if entry is None else entry.links

    def error_of(self, digest: str) -> str | None:
        """Return why that is not known, None where nobody was asked yet."""
        entry = self._entries.get(digest)
        return None if entry is None else entry.error

    def using(self, digests: frozenset[str]) -> set[str]:
        """Return the images that contain one of some digests."""
        return {
            one
            for digest in digests & self._used_by.keys()
            for one in self._used_by[digest]
        }

    def collect(self, is_running: Callable[[str], bool]) -> set[str]:
        """Take what was answered, ask for more; return of which digests more is known.

        Args:
            is_running: Says of a digest whether it still runs.
        """
        now_s = self._monotonic()
        for digest in [one for one in self._entries if not is_running(one)]:
            self._forget(digest)
        while not self._results.empty():
            self._settle(*self._results.get())
        for lane in self._lanes.values():
            hanging = lane.hanging(now_s)
            if hanging is not None and self.error_of(_digest_of(hanging)) is None:
                self._settle(hanging, str(late_error(hanging)))
        for digest in [k for k, one in self._entries.items() if one.retry_s <= now_s]:
            self._forget(digest)
            self._changed.add(digest)
        self._start(now_s)
        changed, self._changed = self._changed, set()
        return changed

    def _settle(self, place: Place, found: Links | str) -> None:
        """Keep an answer."""
        digest = _digest_of(place)
        entry = self._entries.get(digest)
        if entry is None or entry.links is not None:
            return
        self._changed.add(digest)
        if isinstance(found, str):
            entry.error = found
            jitter = random.uniform(0.9, 1.1)  # noqa: S311 - not for secrets
            entry.retry_s = min(entry.retry_s, self._monotonic() + RETRY_S * jitter)
            return
        entry.links, entry.error, entry.retry_s = found, None, float("inf")
        for one in found.digests:
            self._used_by.setdefault(one, set()).add(digest)

    def _forget(self, digest: str) -> None:
        """Forget a digest, and ask for it no more."""
        entry = self._entries.pop(digest)
        for place in entry.places:
            lane = self._lanes.get(place.reference.registry)
            if lane is not None:
                lane.drop(place)
        for one in () if entry.links is None else entry.links.digests:
            users = self._used_by[one]
            users.discard(digest)
            if not users:
                del self._used_by[one]

    def _start(self, now_s: float) -> None:
        """Have threads begin for registries that none asks, as many as may run."""
        for name, lane in [*self._lanes.items()]:
            if lane.is_idle and lane.is_empty:
                del self._lanes[name]
        idle = [one for one in self._lanes.values() if one.is_idle]
        running = len(self._lanes) - len(idle)
        late = sum(1 for o in self._lanes.values() if o.hanging(now_s) is not None)
        free = min(MAX_BUSY + late, MAX_HANGING) - running
        for lane in idle[: max(0, free)]:
            lane.begin(self._work)

    def _work(self, lane: _Lane) -> None:
        """Ask a registry for all that waits; in its thread."""
        while (place := lane.take(began_s := self._monotonic())) is not None:
            try:
                found: Links | str = self._find(place, began_s + LIMIT_S)
            except NotaryError as error:
                found = str(error)
            except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
                found = f"image {place.reference}: {type(error).__name__}"
            self._results.put((place, found))


def _digest_of(place: Place) -> str:
    """Return the digest that a place is asked for."""
    return str(place.reference.digest)

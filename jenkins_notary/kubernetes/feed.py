"""Follow all objects of one kind: list them once, then watch what changes.

1. All are listed, in pages, with the version that the list holds for.
2. A watch from that version on tells each change. The server sends *bookmarks* now and
   then: a version without a change, so that a watch can go on from there.
3. A watch ends after some minutes, or breaks; the next one begins where it stopped, and
   nothing is missed.
4. A version that is too old (410) means that all must be listed again. What is no
   longer among them has gone meanwhile. Where the watch of a new list fails too, the
   next list waits, and it is told that nothing is followed.
5. What fails is tried again, after a pause that doubles up to a minute, with jitter, so
   that a thousand watchers do not come back at once; what the server asks to wait is
   waited. A watch that ends at once counts as a failure too: a proxy may do that.

Only (1) and (4) cost more than what changed. Memory: one page.

Source: Kubernetes API concepts, "Efficient detection of changes"; the reflector of
client-go.
"""

from __future__ import annotations

import random
import time

from jenkins_notary.errors import NotaryError, UnavailableError
from jenkins_notary.kubernetes.client import BusyError, GoneError, explain_status
from jenkins_notary.shapes import NamedTuple, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from jenkins_notary.kubernetes.client import ClusterClient

PAGE = 500
WATCH_S = 300
"""Seconds that a watch lasts at most; each takes between half of them and all."""

SILENCE_S = 90.0
"""The server sends a bookmark a minute: a longer silence is a broken connection."""

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 60.0
_LEAST_WATCH_S = 1.0


class Receiver(Protocol):
    """Who takes what a feed tells; called in the feed's thread."""

    def changed(self, value: dict[str, Any]) -> None:
        """Take an object that was listed, added or modified."""

    def gone(self, uid: str) -> None:
        """Take that an object is no more."""

    def listed(self) -> None:
        """Take that all objects were listed, and told."""

    def answered(self) -> None:
        """Take that the server has answered, with or without a change."""

    def failed(self, error: NotaryError) -> None:
        """Take that the server does not answer, or refuses."""


class Feed:
    """All objects of one kind at one path, followed by one thread.

    Attributes:
        lists: How often all were listed.
        watches: How often a watch was begun.
    """

    def __init__(
        self,
        client: ClusterClient,
        path: str,
        receiver: Receiver,
        *,
        selector: str = "",
        wait: Callable[[float], bool] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            client: The API server.
            path: Such as ``/api/v1/pods``.
            receiver: Who takes what is told.
            selector: A field selector, or "".
            wait: Waits for so many seconds; returns whether all is to end. None never
                ends.
            chance: A number of [0, 1), for jitter.
        """
        self._client = client
        self._path = path
        self._receiver = receiver
        self._selector = selector or None
        self._wait = wait or _sleep
        self._chance = chance
        self._version: str | None = None
        self._known: set[str] = set()
        self._failures = 0
        self.lists = 0
        self.watches = 0

    def run(self) -> None:
        """Follow until told to end."""
        while not self._wait(self._step()):
            pass

    def _step(self) -> float:
        """List if that is needed, and watch once; return how long to wait then."""
        began = time.monotonic()
        try:
            if self._version is None:
                self._list()
            events = self._watch()
        except GoneError as error:
            self._version = None
            if self._failures:
                # Once is usual. Again and again, nothing is followed.
                self._receiver.failed(error)
            return self._back_off(0.0)
        except NotaryError as error:
            self._receiver.failed(error)
            asked_s = error.wait_s if isinstance(error, BusyError) else 0.0
            return self._back_off(asked_s)
        if not events and time.monotonic() - began < _LEAST_WATCH_S:
            return self._back_off(0.0)
        self._failures = 0
        return 0.0

    def _list(self) -> None:
        """List all objects, and tell which are gone."""
        seen: set[str] = set()
        version = ""
        for page in list_pages(self._client, self._path, self._selector or ""):
            for one in page.items:
                seen.add(_uid_of(one))
                self._known.add(_uid_of(one))
                self._receiver.changed(one)
            version = page.version
        for uid in self._known - seen:
            self._forget(uid)
        self._version = version
        self.lists += 1
        self._receiver.answered()
        self._receiver.listed()

    def _watch(self) -> int:
        """Watch until the server ends it; return how many events there were."""
        self.watches += 1
        events = 0
        with self._client.stream(
            self._path,
            silence_s=SILENCE_S,
            watch=1,
            allowWatchBookmarks="true",
            resourceVersion=self._version,
            timeoutSeconds=round(WATCH_S * (1 + self._chance()) / 2),
            fieldSelector=self._selector,
        ) as stream:
            self._receiver.answered()
            for event in stream:
                self._take(event)
                events += 1
                self._failures = 0
                self._receiver.answered()
        return events

    def _take(self, event: dict[str, Any]) -> None:
        """Take one event.

        Raises:
            GoneError: The version is too old.
            NotaryError: The server reports another failure.
        """
        kind, value = event.get("type"), event.get("object")
        if not isinstance(value, dict):
            raise UnavailableError(self._path, expected="events with an object")
        if kind == "ERROR":
            code, message = value.get("code"), value.get("message")
            status = code if isinstance(code, int) else 500
            raise explain_status(status, str(message)[:300], f"watch of {self._path}")
        if kind in {"ADDED", "MODIFIED"}:
            self._known.add(_uid_of(value))
            self._receiver.changed(value)
        elif kind == "DELETED":
            self._forget(_uid_of(value))
        self._version = _metadata(value, "resourceVersion") or self._version

    def _forget(self, uid: str) -> None:
        """Tell that an object is gone."""
        self._known.discard(uid)
        self._receiver.gone(uid)

    def _back_off(self, asked_s: float) -> float:
        """Return how long to wait after a failure."""
        pause = min(FIRST_PAUSE_S * 2.0**self._failures, MAX_PAUSE_S)
        self._failures = min(self._failures + 1, 16)
        return max(asked_s, pause * (0.5 + self._chance()))


class Page(NamedTuple):
    """A page of objects.

    Attributes:
        items: The objects.
        version: The version that the whole list holds for.
    """

    items: list[dict[str, Any]]
    version: str


def list_pages(client: ClusterClient, path: str, selector: str = "") -> Iterator[Page]:
    """Yield all objects at a path, page by page, as of one version.

    Args:
        client: The API server.
        path: Such as ``/api/v1/pods``.
        selector: A field selector, or "".

    Raises:
        GoneError: The server keeps the version no longer: list again.
        NotaryError: It refuses, or does not answer.
    """
    token: str | None = None
    while True:
        found = client.get(
            path,
            limit=PAGE,
            fieldSelector=selector or None,
            **{"continue": token},
        )
        items = found.get("items")
        listed = items if isinstance(items, list) else []
        yield Page(
            [one for one in listed if isinstance(one, dict)],
            _metadata(found, "resourceVersion"),
        )
        token = _metadata(found, "continue") or None
        if token is None:
            return


def list_all(
    client: ClusterClient, path: str, selector: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield all objects at a path; see :func:`list_pages`."""
    for page in list_pages(client, path, selector):
        yield from page.items


def _uid_of(value: dict[str, Any]) -> str:
    """Return an object's uid, "" for none."""
    return _metadata(value, "uid")


def _metadata(value: dict[str, Any], key: str) -> str:
    """Return a text of an object's metadata, "" for none."""
    metadata = value.get("metadata")
    found = metadata.get(key) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def _sleep(seconds: float) -> bool:
    """Wait; never end."""
    time.sleep(seconds)
    return False

"""Bound what one caller may take of a service: requests, records, bytes, the disk.

========================  ==========================================================
requests a minute         of each token or person, and of each address that shows
                          nobody who is known; a bucket that refills
records and bytes a day   of each token or person, and of each folder; days of UTC
free bytes                below them bodies are refused (507), records still come in
========================  ==========================================================

Who asks for too much gets 429 with ``Retry-After``. Counts of a day are kept every few
seconds: those of the last ones are lost in a crash, in the caller's favour.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from jenkins_notary.errors import StorageError, UnavailableError, UsageError
from jenkins_notary.service.access.scopes import is_within, parse_scope
from jenkins_notary.service.monitoring.measures import free_bytes
from jenkins_notary.service.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.service.monitoring.alerts import Alerts
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.serving.metrics import Metrics

MAX_CALLERS = 10_000
DAY_S = 86_400
SAVE_S = 5.0
LOOK_S = 5.0
_KIND = "quota"


class FolderQuota(Section, frozen=True):
    """What a folder may record, whoever sends it.

    Attributes:
        folder: As for a token.
        records_a_day: Records, or None for any number.
        bytes_a_day: Bytes of the bodies that they attach, or None.
    """

    folder: str
    records_a_day: int | None = None
    bytes_a_day: int | None = None

    def __post_init__(self) -> None:
        """Check the folder."""
        try:
            parse_scope(self.folder)
        except UsageError as error:
            raise ValueError(str(error)) from error


class LimitSettings(Section, frozen=True):
    """What one caller may take.

    Attributes:
        requests_a_minute: Of each token or person; None for any number.
        strangers_a_minute: Of each address, requests that show nobody who is known.
        records_a_day: Of each token or person; None for any number.
        bytes_a_day: Of each, bytes of bodies that are sent; None for any number.
        folders: What folders may record.
        min_free_bytes: Below so much room on the disk no body is taken.
    """

    requests_a_minute: int | None = None
    strangers_a_minute: int = 600
    records_a_day: int | None = None
    bytes_a_day: int | None = None
    folders: tuple[FolderQuota, ...] = ()
    min_free_bytes: int = 1 << 30


class TooManyError(UnavailableError):
    """One caller asks for too much; later there is room again.

    Attributes:
        retry_s: Seconds until then.
    """

    retry_s = 1

    @classmethod
    def of(cls, subject: str, expected: str, retry_s: float) -> TooManyError:
        """Return the error for a caller."""
        error = cls(subject, expected=expected, got="more")
        error.retry_s = int(retry_s) + 1
        return error


class Buckets:
    """A bucket for each caller, of so many requests a minute."""

    def __init__(
        self, a_minute: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fill each; None for no bound."""
        self._size = a_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, subject: str) -> None:
        """Take one request out of a caller's bucket.

        Raises:
            TooManyError: It is empty.
        """
        if self._size is None:
            return
        with self._lock:
            now_s = self._clock()
            left, at_s = self._left.pop(caller, (float(self._size), now_s))
            left = min(float(self._size), left + (now_s - at_s) * self._size / 60)
            is_empty = left < 1
            self._left[caller] = (left if is_empty else left - 1, now_s)
            if len(self._left) > MAX_CALLERS:
                self._left.popitem(last=False)
        if is_empty:
            raise TooManyError.of(
                subject, f"at most {self._size} requests a minute", 60 / self._size
            )


class Quotas:
    """What tokens and folders have recorded today."""

    def __init__(
        self,
        settings: LimitSettings,
        state: ServiceState,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Go on with the counts that were kept."""
        self._settings = settings
        self._state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._changed: set[str] = set()
        self._folders = [(one, (parse_scope(one.folder),)) for one in settings.folders]

    def take_record(self, caller: str, job: str | None, size: int) -> None:
        """Count a record and the bodies that it attaches.

        Raises:
            TooManyError: The caller, or a folder of the job, has had all of a day.
        """
        limit = self._settings.records_a_day
        wanted = [(f"records of {caller}", 1, limit)]
        for one, scope in self._folders:
            if is_within(scope, job):
                name = f"folder {one.folder}"
                wanted.append((f"records of {name}", 1, one.records_a_day))
                wanted.append((f"bytes of {name}", size, one.bytes_a_day))
        self._take(wanted)

    def take_bytes(self, caller: str, size: int) -> None:
        """Count a body that a caller has sent.

        Raises:
            TooManyError: It has had all of a day.
        """
        self._take([(f"bytes of {caller}", size, self._settings.bytes_a_day)])

    def save(self) -> None:
        """Keep what has changed."""
        with self._lock:
            changed, self._changed = self._changed, set()
            counts = {key: self._counts[key] for key in changed}
        ends_ms = int(self._clock() + 2 * DAY_S) * 1000
        for key, count in counts.items():
            self._state.put(_KIND, key, count, ends_ms=ends_ms)

    def _take(self, wanted: list[tuple[str, int, int | None]]) -> None:
        """Count all of it, or none if one of it is too much."""
        now_s = self._clock()
        day = int(now_s // DAY_S)
        bounded = [(name, by, top) for name, by, top in wanted if top is not None]
        with self._lock:
            for name, by, top in bounded:
                if self._count(f"{day} {name}") + by > top:
                    raise TooManyError.of(
                        name, f"at most {top} a day", (day + 1) * DAY_S - now_s
                    )
            for name, by, _ in bounded:
                self._counts[f"{day} {name}"] += by
                self._changed.add(f"{day} {name}")

    def _count(self, key: str) -> int:
        """Return what was counted under a key; one of an earlier day is forgotten."""
        if key not in self._counts:
            today = key.partition(" ")[0] + " "
            for old in [one for one in self._counts if not one.startswith(today)]:
                if old not in self._changed:
                    del self._counts[old]
            self._counts[key] = self._state.get(_KIND, key) or 0
        return self._counts[key]


class Watermark:
    """Whether there is room for bodies."""

    def __init__(self, path: str, settings: LimitSettings, alerts: Alerts) -> None:
        """Look where a file lies."""
        self._path = path
        self._least = settings.min_free_bytes
        self._alerts = alerts
        self.is_reached = False

    def look(self) -> None:
        """Look how much room there is, and tell when it turns."""
        free = free_bytes(self._path)
        self.is_reached = free < self._least
        self._alerts.tell(
            "disk",
            "bodies",
            "full" if self.is_reached else None,
            "no more bodies are taken: the disk is nearly full"
            if self.is_reached
            else "bodies are taken again: the disk has room",
            free=free,
            least=self._least,
        )

    def check(self) -> None:
        """Check that a body may be taken.

        Raises:
            StorageError: There is too little room.
        """
        if self.is_reached:
            raise StorageError("body", expected="room on the disk", got="too little")


class Limits:
    """All bounds of one service.

    Attributes:
        callers: Requests of who is known.
        strangers: Requests of who is not.
        quotas: What was recorded today.
        watermark: Whether there is room for bodies.
    """

    def __init__(
        self, settings: LimitSettings, state: ServiceState, path: str, alerts: Alerts
    ) -> None:
        """Bound a service whose ledger is a file."""
        self.callers = Buckets(settings.requests_a_minute)
        self.strangers = Buckets(settings.strangers_a_minute)
        self.quotas = Quotas(settings, state)
        self.watermark = Watermark(path, settings, alerts)

    def start(self, tasks: Tasks, metrics: Metrics) -> None:
        """Begin to look at the disk and to keep counts."""
        tasks.every(SAVE_S, "quotas", self.quotas.save)
        tasks.every(LOOK_S, "disk", self.watermark.look)
        metrics.gauge(
            "bodies_refused",
            "Whether the disk is too full for bodies.",
            read=lambda: float(self.watermark.is_reached),
        )

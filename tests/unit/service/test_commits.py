"""Group commit: one append for many, each alone with its own fault."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import StorageError, UsageError
from jenkins_notary.service.commits import BusyError, Committer, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence


class Log:
    """A session that only appends; it can be held, and refuses bad envelopes."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.size = 0
        self.full = False

    def begin(self) -> None:
        """Forget nothing: there is nothing to forget."""

    def append(self, envelopes: Sequence[bytes]) -> list[int]:
        self.entered.set()
        self.gate.wait(10)
        if self.full:
            raise StorageError("disk", got="full")
        if b"bad" in envelopes:
            raise UsageError("envelope", got="bad")
        if b"broken" in envelopes:
            raise RuntimeError("broken")
        self.groups.append([*envelopes])
        first, self.size = self.size, self.size + len(envelopes)
        return [*range(first, self.size)]


def start(log: Log, **options: int) -> Committer:
    session: Any = log
    return Committer(session, **options)


def run_all(committer: Committer, log: Log, all_data: Sequence[bytes]) -> list[object]:
    """Append each from a thread of its own, all while the first is held."""
    found: list[object] = [None] * len(all_data)

    def run(place: int) -> None:
        try:
            found[place] = committer.append([all_data[place]])
        except Exception as error:  # noqa: BLE001 - looked at by the test
            found[place] = error

    log.gate.clear()
    first = threading.Thread(target=committer.append, args=([b"first"],))
    first.start()
    assert log.entered.wait(10)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(all_data))]
    for one in threads:
        one.start()
    while committer._queue.qsize() < len(all_data):
        pass
    log.gate.set()
    for one in [first, *threads]:
        one.join(10)
    return found


def test_who_waits_shares_one_commit() -> None:
    log = Log()
    committer = start(log)

    found = run_all(committer, log, [b"%d" % n for n in range(20)])
    committer.close()

    assert len(log.groups) == 2
    assert sorted(n for one in found for n in one) == [*range(1, 21)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", [b"bad", b"broken"])
def test_fault_of_one_is_nobody_elses(fault: bytes) -> None:
    log = Log()
    committer = start(log)

    found = run_all(committer, log, [b"a", fault, b"b"])
    committer.close()

    assert isinstance(found[1], Exception)
    assert {type(found[0]), type(found[2])} == {list}
    assert [one for group in log.groups for one in group] == [b"first", b"a", b"b"]


def test_full_disk_is_told_to_all_and_tried_once() -> None:
    log = Log()
    committer = start(log)
    log.full = True
    for _ in range(2):
        with pytest.raises(StorageError):
            committer.append([b"a"])
    committer.close()

    assert log.groups == []


def test_full_queue_is_busy() -> None:
    log = Log()
    committer = start(log, max_waiting=1)
    log.gate.clear()
    thread = threading.Thread(target=committer.append, args=([b"first"],))
    thread.start()
    assert log.entered.wait(10)
    waiting: list[Waiting] = []
    committer.submit(_Nothing(), waiting.append)

    with pytest.raises(BusyError, match="too many that wait"):
        committer.append([b"third"])

    log.gate.set()
    thread.join(10)
    committer.close()
    assert [one.result for one in waiting] == ["done"]


def test_closed_is_busy_and_what_waited_is_done() -> None:
    log = Log()
    committer = start(log)
    committer.append([b"a"])
    committer.close()

    with pytest.raises(BusyError, match="one that stops"):
        committer.append([b"b"])
    assert log.groups == [[b"a"]]
    assert committer.append([]) == []


def test_fault_in_preparing_or_answering_is_ones_own() -> None:
    log = Log()
    committer = start(log)
    done: list[Waiting] = []
    event = threading.Event()

    def keep(waiting: Waiting) -> None:
        done.append(waiting)
        if len(done) == 3:
            event.set()

    committer.submit(_Nothing(prepare=UsageError("claim")), keep)
    committer.submit(_Nothing(finish=RuntimeError("x")), keep)
    committer.submit(_Nothing(), keep)
    assert event.wait(10)
    committer.close()

    assert [one.error and one.error.word for one in done] == ["usage", "internal", None]


class _Nothing:
    """Work of one envelope that may fail."""

    def __init__(
        self, *, prepare: Exception | None = None, finish: Exception | None = None
    ) -> None:
        self._faults = prepare, finish

    def prepare(self, _: object) -> Sequence[bytes]:
        if self._faults[0] is not None:
            raise self._faults[0]
        return [b"x"]

    def finish(self, _: object, __: Sequence[int]) -> str:
        if self._faults[1] is not None:
            raise self._faults[1]
        return "done"

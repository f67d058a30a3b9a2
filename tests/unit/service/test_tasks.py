"""What a service does beside the requests."""

from __future__ import annotations

import threading

from jenkins_notary.errors import UnavailableError
from jenkins_notary.service.tasks import Tasks


def test_a_task_is_done_again_and_again_until_stopped() -> None:
    """It ends with the service."""
    enough, count = threading.Event(), [0]

    def work() -> None:
        count[0] += 1
        if count[0] == 3:
            enough.set()

    tasks = Tasks(lambda *_: None)
    tasks.every(0.001, "work", work)
    assert enough.wait(10)
    tasks.stop()
    tasks.join()
    done = count[0]

    assert tasks.is_stopping
    assert count[0] == done


def test_a_fault_is_told_and_ends_neither_its_task_nor_another() -> None:
    """Whatever is raised is counted; the next time comes."""
    told: list[tuple[str, str]] = []
    both = threading.Barrier(2)
    faults: list[Exception] = [
        UnavailableError("Jenkins", got="nothing"),
        ValueError("x" * 900),
    ]

    def fail() -> None:
        if faults:
            raise faults.pop(0)
        both.wait(20)

    tasks = Tasks(lambda name, text: told.append((name, text)))
    tasks.every(0.01, "bad", fail)
    tasks.every(0.01, "good", lambda: None)
    both.wait(20)
    tasks.stop()
    tasks.join()

    assert tasks.faults == {"bad": 2, "good": 0}
    assert [name for name, _ in told] == ["bad", "bad"]
    assert "Jenkins" in told[0][1]
    assert told[1][1].startswith("ValueError: x")
    assert len(told[1][1]) == 500

"""A bar appears late, seldom, and leaves nothing behind."""

from __future__ import annotations

import io

import pytest

from jenkins_notary.cli.progress import ProgressBar, format_bar


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_bar_appears_after_a_second_and_at_most_ten_times_a_second() -> None:
    stream, clock = io.BytesIO(), Time()
    bar = ProgressBar(stream, clock)
    draws = []
    for step in range(200):
        clock.now = step / 100
        bar.update("records", step, 200)
        draws.append(stream.getvalue().count(b"\r"))

    assert draws[99] == 0
    assert draws[-1] in {10, 11}


def test_quick_work_draws_nothing() -> None:
    stream, clock = io.BytesIO(), Time()
    bar = ProgressBar(stream, clock)

    bar.update("records", 1, 1)
    bar.clear()

    assert stream.getvalue() == b""


def test_cleared_bar_leaves_an_empty_line() -> None:
    stream, clock = io.BytesIO(), Time()
    bar = ProgressBar(stream, clock)
    clock.now = 2

    bar.update("records", 1, 2)
    bar.clear()
    bar.clear()

    assert stream.getvalue().endswith(b"records\r\x1b[K")


def test_terminal_that_went_away_is_no_failure() -> None:
    stream, clock = io.BytesIO(), Time()
    bar = ProgressBar(stream, clock)
    clock.now = 2
    stream.close()

    bar.update("records", 1, 2)
    bar.update("records", 2, 2)


@pytest.mark.parametrize(
    ("label", "done", "total", "expected"),
    [
        ("records", 3, None, "3  records"),
        ("records", 30, 20, "[########################] 100%  30/20  records"),
        ("hashing, 2 files", 5 << 40, None, "5.0 TiB  hashing, 2 files"),
        ("a\x1bb", 0, 1, "[                        ]   0%  0/1  a?b"),
    ],
)
def test_line_tells_how_far(
    label: str, done: int, total: int | None, expected: str
) -> None:
    assert format_bar(label, done, total) == expected

"""Find the lines of a stage in a build's log, and say who says so.

The controller gives bounds: a list under ``stages`` in a record, each with ``name``,
``id`` and ``lines``, pairs of first and last line (from 1); a stage whose branches ran
beside others has several. Without them the lines are found by the text that Pipeline
prints, ``[Pipeline] { (NAME)`` and its closing ``[Pipeline] }``. Any build can print
such text too: bounds by text are forgeable, and labelled so.

Blocks of parallel branches are interwoven in the text, so an end found there may be
another branch's.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONTROLLER = "controller"
TEXT = "text"
RECORD = "record"

MAX_STAGES = 1000
MAX_RANGES = 100_000

_OPEN = re.compile(rb"\[Pipeline\] \{(?: \((.*)\))?\s*")
_CLOSE = re.compile(rb"\[Pipeline\] \}\s*")


class Stage(NamedTuple):
    """One run of a stage.

    Attributes:
        name: Its name.
        id: Its id in the controller, or None.
        ranges: (first, last) line of each of its parts, from 1, in order; none where
            the controller gave no lines.
    """

    name: str
    id: str | None
    ranges: tuple[tuple[int, int], ...]


def parse_stages(value: object, *, subject: str = "stages") -> list[Stage]:
    """Return the stages that a record lists.

    >>> parse_stages([{"name": "Build", "id": "7", "lines": [[3, 9], [12, 12]]}])
    [Stage(name='Build', id='7', ranges=((3, 9), (12, 12)))]

    Raises:
        IntegrityError: Not such a list.
    """
    if not isinstance(value, list) or len(value) > MAX_STAGES:
        raise IntegrityError(subject, expected=f"a list of at most {MAX_STAGES}")
    stages = []
    for one in value:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise IntegrityError(subject, expected="objects with a name")
        own_id = one.get("id")
        stages.append(
            Stage(
                name,
                own_id if isinstance(own_id, str) else None,
                _parse_ranges(one.get("lines", []), f"{subject} {name[:80]!r}"),
            )
        )
    return stages


def find_stages_by_text(lines: Iterable[tuple[int, bytes]], name: str) -> list[Stage]:
    """Return the runs of a stage that Pipeline's marks show.

    Args:
        lines: (number, line) of the lines in which ``[Pipeline] `` stands.
        name: The stage's name.

    Returns:
        One range each; its last line is 0 for a block that does not end.
    """
    wanted = name.encode("utf-8", "surrogateescape")
    found: list[Stage] = []
    start, depth = 0, 0
    for number, line in lines:
        opened = _OPEN.fullmatch(line)
        if opened:
            if not depth and opened[1] == wanted and len(found) < MAX_STAGES:
                start, depth = number, 1
            elif depth:
                depth += 1
        elif depth and _CLOSE.fullmatch(line):
            depth -= 1
            if not depth:
                found.append(Stage(name, None, ((start, number),)))
    if depth:
        found.append(Stage(name, None, ((start, 0),)))
    return found


def join_ranges(stages: Iterable[Stage]) -> list[tuple[int, int]]:
    """Return the lines of all stages, sorted, each line once.

    >>> join_ranges([Stage("a", None, ((5, 9), (1, 2))), Stage("a", None, ((8, 12),))])
    [(1, 2), (5, 12)]
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(one for stage in stages for one in stage.ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined


def select_lines(
    lines: Iterable[tuple[int, bytes]], ranges: list[tuple[int, int]]
) -> Iterator[tuple[int, bytes]]:
    """Yield those of the numbered lines that lie in joined ranges."""
    place = 0
    for number, line in lines:
        while place < len(ranges) and ranges[place][1] < number:
            place += 1
        if place == len(ranges):
            return
        if ranges[place][0] <= number:
            yield number, line


def _parse_ranges(value: object, subject: str) -> tuple[tuple[int, int], ...]:
    """Return pairs of first and last line."""
    if not isinstance(value, list) or len(value) > MAX_RANGES:
        raise IntegrityError(subject, expected="a list of ranges of lines")
    ranges = []
    for pair in value:
        if not (
            isinstance(pair, list)
            and len(pair) == 2
            and all(type(one) is int for one in pair)
            and 1 <= pair[0] <= pair[1] < 1 << 53
        ):
            raise IntegrityError(
                subject, expected="pairs of first and last line", got=repr(pair)[:60]
            )
        ranges.append((pair[0], pair[1]))
    return tuple(ranges)

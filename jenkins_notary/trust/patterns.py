"""Match names by patterns, segment by segment: ``payments/**`` and ``*.jar``.

A name is segments joined by ``/``. In a pattern ``*`` stands for any characters of one
segment, and a segment ``**`` for any number of whole segments, none included; every
other character stands for itself. So ``payments`` never means ``payments-evil``:

>>> is_match("payments/**", "payments/api/main")
True
>>> is_match("payments/**", "payments-evil")
False

Cost: pattern times name, whatever both hold; a name comes from strangers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def is_match(pattern: str, name: str) -> bool:
    """Return whether a pattern matches a whole name."""
    return _match(
        pattern.split("/"), name.split("/"), wild="**", is_equal=_is_segment_match
    )


def _is_segment_match(pattern: str, segment: str) -> bool:
    """Return whether one segment of a pattern matches one of a name."""
    return _match(pattern, segment, wild="*", is_equal=str.__eq__)


def _match(
    pattern: Sequence[str],
    items: Sequence[str],
    *,
    wild: str,
    is_equal: Callable[[str, str], bool],
) -> bool:
    """Return whether items are what a pattern says, ``wild`` being any number of them.

    Only the last wild part is ever widened: what an earlier one could take instead, it
    can take too.
    """
    at = place = 0
    last_wild, widened = -1, 0
    while place < len(items):
        if at < len(pattern) and pattern[at] == wild:
            last_wild, widened = at, place
            at += 1
        elif at < len(pattern) and is_equal(pattern[at], items[place]):
            at += 1
            place += 1
        elif last_wild >= 0:
            widened += 1
            at, place = last_wild + 1, widened
        else:
            return False
    return all(one == wild for one in pattern[at:])

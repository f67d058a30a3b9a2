"""List the records of a row's key: what one commit adds is a value, in hex.

immudb keeps every value that a key ever had, with the newest one at hand. So a commit
sets the key to the indexes that it adds, without reading what was there; the list is
the key's history. One that has been set once, as most are, is read in one call, and so
is the newest record of any::

    sha256/ba7816bf…   0000000000000029
    sha256/ba7816bf…   000000000000003a 000000000000003b

An erasure adds what it takes away, behind a ``-``. The key of a row that was cut stands
in full behind a line feed.

>>> format_change(Change((41, 42)))
b'0000000000000029 000000000000002a'
>>> fold([Change((1, 2)), Change((2,), is_gone=True), Change((7,))])
(1, 7)
"""

from __future__ import annotations

import re

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GONE = b"-"
_CHANGE = re.compile(rb"(-?)([0-9a-f]{16}(?: [0-9a-f]{16})*)(?:\n(.*))?", re.DOTALL)


class Change(NamedTuple):
    """What one commit does to a list.

    Attributes:
        indexes: Indexes in the main log, in order, each once.
        is_gone: Whether they are taken away.
        key: The row's key, where it does not stand in immudb's.
    """

    indexes: Sequence[int]
    is_gone: bool = False
    key: bytes | None = None


def format_change(change: Change) -> bytes:
    """Return the value of a change."""
    text = b" ".join(b"%016x" % index for index in change.indexes)
    start = _GONE if change.is_gone else b""
    return start + text + (b"" if change.key is None else b"\n" + change.key)


def parse_change(value: bytes) -> Change:
    """Return the change of a value; the inverse of :func:`format_change`.

    Raises:
        ValueError: It is none.
    """
    found = _CHANGE.fullmatch(value)
    if found is None:
        raise ValueError
    indexes = tuple(int(one, 16) for one in found[2].split(b" "))
    return Change(indexes, found[1] == _GONE, found[3])


def fold(changes: Iterable[Change]) -> tuple[int, ...]:
    """Return the list that changes make, the oldest first."""
    found: dict[int, None] = {}
    for change in changes:
        for index in change.indexes:
            if change.is_gone:
                found.pop(index, None)
            else:
                found[index] = None
    return tuple(sorted(found))

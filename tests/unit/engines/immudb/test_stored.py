"""Head and checkpoint as they are stored, and databases of other layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.engines.immudb.stored import StoredHead, StoredNote
from jenkins_notary.errors import ConfigurationError, IntegrityError
from jenkins_notary.ports import Head

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = StoredHead(Head(b"main", b"trust", 7), {"main": 3, "trust": 1}, 9)
NOTE = StoredNote(3, b"note\n")


def test_head_and_checkpoint_come_back() -> None:
    assert StoredHead.decode(HEAD.encode(), 9, "x") == HEAD
    assert StoredNote.decode(NOTE.encode(), "x") == NOTE


@pytest.mark.parametrize(
    "read",
    [
        lambda value: StoredHead.decode(value, 1, "x"),
        lambda v: StoredNote.decode(v, "x"),
    ],
    ids=["head", "checkpoint"],
)
def test_another_layout_is_refused_and_a_cut_value_is_damaged(
    read: Callable[[bytes], object],
) -> None:
    # Layout 1 began with a size, of which the first byte is zero.
    for first, told in ((b"\0", "layout 1"), (b"", "layout 1"), (b"\3", "layout 3")):
        with pytest.raises(ConfigurationError, match=f"layout 2, got {told}"):
            read(first + HEAD.encode()[1:] if first else b"")
    for value in (b"\2\0\0", b"{}"):
        with pytest.raises(IntegrityError):
            read(value)

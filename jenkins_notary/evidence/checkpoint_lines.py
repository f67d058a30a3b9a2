r"""Write and read checkpoints in console logs, a line each.

A controller prints the last checkpoint that it knows when a build completes. The log
then shows how far the ledger had come, whoever keeps the log::

    [jenkins-notary] checkpoint <the signed note in standard base64>

Any build can print such a line. It counts only if the note bears a good signature by
the ledger's key; all others are counted, and not shown.

>>> line = format_checkpoint_line(b"example.com/log\n...")
>>> line
b'[jenkins-notary] checkpoint ZXhhbXBsZS5jb20vbG9nCi4uLg==\n'
>>> parse_checkpoint_line(line), parse_checkpoint_line(b"[jenkins-notary] hello")
(b'example.com/log\n...', None)

Source: C2SP tlog-checkpoint; the line is this project's.
"""

from __future__ import annotations

import binascii
from base64 import b64encode

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import open_checkpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.tlog.note import NoteVerifier

MARK = b"[jenkins-notary] checkpoint "
MAX_NOTE = 8192
"""The longest note that is printed or read."""

MAX_CHECKED = 1000
"""Lines whose signature is checked; further ones are ignored like forged ones."""


class CheckpointLine(NamedTuple):
    """A checkpoint in a log that the ledger's key has signed.

    Attributes:
        line: Number of the line, from 1.
        checkpoint: What was signed.
    """

    line: int
    checkpoint: Checkpoint


class CheckpointLines(NamedTuple):
    """What the lines of a log that look like checkpoints come to.

    Attributes:
        verified: Those that the ledger's key has signed.
        ignored: How many others there are: forged, malformed, another log's.
    """

    verified: tuple[CheckpointLine, ...]
    ignored: int


def format_checkpoint_line(note: bytes) -> bytes:
    """Return the line of a signed note.

    Raises:
        UsageError: A note longer than :data:`MAX_NOTE`.
    """
    if not 0 < len(note) <= MAX_NOTE:
        raise UsageError("checkpoint line", expected=f"a note of 1 to {MAX_NOTE} bytes")
    return MARK + b64encode(note) + b"\n"


def parse_checkpoint_line(line: bytes) -> bytes | None:
    """Return the note that a line holds, unverified; None if it holds none."""
    before, mark, text = line.rstrip(b"\r\n").partition(MARK)
    if before or not mark or len(text) > 2 * MAX_NOTE:
        return None
    try:
        note = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return note if 0 < len(note) <= MAX_NOTE else None


def read_checkpoint_lines(
    lines: Iterable[tuple[int, bytes]], verifiers: Sequence[NoteVerifier]
) -> CheckpointLines:
    """Return which of some lines are checkpoints of the ledger.

    Whether a verified one is consistent with the ledger is the caller's to check.

    Args:
        lines: (number, line) of the lines in which :data:`MARK` stands.
        verifiers: The ledger's key, and those that followed it.

    Cost: a signature check a line, at most :data:`MAX_CHECKED`.
    """
    verified: list[CheckpointLine] = []
    ignored = checked = 0
    known: dict[bytes, Checkpoint | None] = {}
    for number, line in lines:
        note = parse_checkpoint_line(line)
        if note is not None and note not in known and checked < MAX_CHECKED:
            checked += 1
            known[note] = _open(note, verifiers)
        found = None if note is None else known.get(note)
        if found is None:
            ignored += 1
        elif len(verified) < MAX_CHECKED:
            verified.append(CheckpointLine(number, found))
    return CheckpointLines(tuple(verified), ignored)


def _open(note: bytes, verifiers: Sequence[NoteVerifier]) -> Checkpoint | None:
    """Return the checkpoint of a note that its log's key has signed, or None."""
    try:
        return open_checkpoint(note, verifiers).checkpoint
    except IntegrityError:
        return None

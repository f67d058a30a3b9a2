"""Serve the log as C2SP tlog-tiles: checkpoint, hash tiles, entry bundles.

Only what the published checkpoint covers is served, under the canonical path alone, so
nothing that was served ever changes. What is read is what the store holds: a client
checks it against the checkpoint, as it does with any static host. The trust log is
served below ``/trust``.

Source: C2SP tlog-tiles, "Checkpoints", "Merkle Tree", "Log entries".
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.tiles import (
    TILE_WIDTH,
    encode_bundle,
    parse_entries_path,
    parse_tile_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import LogName, LogReader


def read_checkpoint(reader: LogReader) -> bytes:
    """Return the published checkpoint.

    Raises:
        NotFoundError: There is none yet.
    """
    note = reader.checkpoint()
    if note is None:
        raise NotFoundError("checkpoint", got="none yet")
    return note


def read_tile(reader: LogReader, log: LogName, path: str) -> bytes:
    """Return the bytes of a tile or bundle.

    Args:
        reader: The ledger.
        log: Which of its logs.
        path: ``tile/...``, as C2SP writes it.

    Raises:
        NotFoundError: No such path, or the checkpoint does not cover it.
        IntegrityError: The store lacks what its checkpoint covers.
    """
    checkpoint = parse_checkpoint(parse_note(read_checkpoint(reader)).text)
    size = checkpoint.size if log == "main" else checkpoint.trust.size
    try:
        if path.startswith("tile/entries/"):
            level, (n, width) = 0, parse_entries_path(path)
        else:
            level, n, width = parse_tile_path(path)
    except UsageError as error:
        raise NotFoundError("tile", expected="a path of the log") from error
    covered = (size >> (8 * level)) - n * TILE_WIDTH
    if width > covered:
        raise NotFoundError(f"{path}", expected=f"a tile of a log of {size} entries")
    if path.startswith("tile/entries/"):
        start = n * TILE_WIDTH
        entries = reader.entries(log, start, start + width)
        _check_count(path, width, len(entries))
        return encode_bundle(entries)
    data = reader.tile(log, level, n, width)
    _check_count(path, width * 32, len(data))
    return data


def _check_count(path: str, wanted: int, got: int) -> None:
    """Check that the store gave all that the checkpoint covers."""
    if got != wanted:
        raise IntegrityError(path, expected=f"{wanted}", got=f"{got}")

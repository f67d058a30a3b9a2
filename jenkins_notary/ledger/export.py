"""Write a log as static files: the C2SP tlog-tiles layout, for any web server.

::

    checkpoint                 the signed note, written last
    tile/<L>/<N>[.p/<W>]       hash tiles
    tile/entries/<N>[.p/<W>]   entry bundles
    trust/tile/...             the same of the trust log, whose root the checkpoint
                               binds in its extension line

Whatever is written was hashed from the entries and proven against the checkpoint. An
export is continued: files that are there with the same bytes are left as they are,
and a target whose checkpoint is not a prefix of the log is refused. A reader that
comes in the middle finds the old checkpoint and all of its tiles.

Envelopes and bodies are not exported: they may hold names and are erasable.

Source: C2SP tlog-tiles, "Checkpoints", "Merkle Tree", "Partial Tiles", "Log entries".
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.shapes import NamedTuple, Protocol
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.merkle import Frontier, hash_leaf, root_of
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.proofs import consistency_proof, verify_consistency
from jenkins_notary.tlog.tiles import (
    TILE_WIDTH,
    encode_bundle,
    entries_path,
    tile_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ports import LogName, LogReader
    from jenkins_notary.tlog.checkpoint import Checkpoint, TreeHead

CHECKPOINT_PATH = "checkpoint"
_PREFIXES: dict[LogName, str] = {"main": "", "trust": "trust/"}


class ExportTarget(Protocol):
    """Where an export goes: a folder, a bucket."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes at a path, None if there is nothing."""

    def write(self, path: str, data: bytes) -> None:
        """Put bytes at a path: whole or not at all, never a half."""


class ExportResult(NamedTuple):
    """What an export did.

    Attributes:
        size: Records under the exported checkpoint.
        trust_size: Entries of the trust log.
        written: Files that were written.
        kept: Files that were there with the same bytes.
    """

    size: int
    trust_size: int
    written: int
    kept: int

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return dict(self._asdict())


def export_tiles(
    reader: LogReader,
    checkpoint: Checkpoint,
    note: bytes,
    target: ExportTarget,
    *,
    progress: Progress = no_progress,
) -> ExportResult:
    """Write the static files of a log at a checkpoint.

    Args:
        reader: The ledger.
        checkpoint: Verified by the caller.
        note: Its signed note.
        target: A place that is new, or holds an earlier export of this log.
        progress: Called with (phase, done, total).

    Returns:
        What was written.

    Raises:
        IntegrityError: The target holds another log, or one that this one does not
            extend; or the ledger is not what was signed. No checkpoint is written.
    """
    _check_target(reader, checkpoint, target)
    export = _Export(reader, target)
    size = checkpoint.size
    export.write_log("main", size, checkpoint.root, progress)
    export.write_log("trust", *checkpoint.trust, progress)
    export.put(CHECKPOINT_PATH, note)
    return ExportResult(size, checkpoint.trust.size, export.written, export.kept)


class _Export:
    """One run: files are compared, written and counted.

    Attributes:
        written: Files that were written.
        kept: Files that were there.
    """

    def __init__(self, reader: LogReader, target: ExportTarget) -> None:
        """Start with nothing written."""
        self._reader = reader
        self._target = target
        self.written = 0
        self.kept = 0

    def put(self, path: str, data: bytes) -> None:
        """Write a file unless it is there with the same bytes."""
        if self._target.read(path) == data:
            self.kept += 1
            return
        self._target.write(path, data)
        self.written += 1

    def write_log(
        self, log: LogName, size: int, root: bytes, progress: Progress
    ) -> None:
        """Write the bundles and tiles of a log.

        Raises:
            IntegrityError: The entries are not those of the root.
        """
        prefix, frontier = _PREFIXES[log], Frontier()
        open_tiles: dict[int, list[bytes]] = {}
        counts: dict[int, int] = {}
        for start in range(0, size, TILE_WIDTH):
            stop = min(start + TILE_WIDTH, size)
            entries = self._reader.entries(log, start, stop)
            if len(entries) != stop - start:
                raise _altered(log, f"{size} entries", f"{start + len(entries)}")
            hashes = [hash_leaf(entry) for entry in entries]
            frontier = frontier.append(hashes)
            n = start // TILE_WIDTH
            bundle = encode_bundle(entries)
            self.put(prefix + entries_path(n, len(entries)), bundle)
            self._put_tile(prefix, (0, n), hashes)
            level = 0
            while len(hashes) == TILE_WIDTH:
                level += 1
                hashes, fresh = open_tiles.setdefault(level, []), root_of(hashes)
                hashes.append(fresh)
                if len(hashes) == TILE_WIDTH:
                    n = counts.get(level, 0)
                    self._put_tile(prefix, (level, n), hashes)
                    open_tiles[level], counts[level] = [], n + 1
            progress(f"{log} log", stop, size)
        for level, hashes in open_tiles.items():
            if hashes:
                self._put_tile(prefix, (level, counts.get(level, 0)), hashes)
        if frontier.root() != root:
            raise _altered(log, f"the signed root {root.hex()}", frontier.root().hex())

    def _put_tile(
        self, prefix: str, place: tuple[int, int], hashes: Sequence[bytes]
    ) -> None:
        """Write a hash tile, full or partial."""
        path = prefix + tile_path(*place, len(hashes))
        self.put(path, b"".join(hashes))


def _check_target(
    reader: LogReader, checkpoint: Checkpoint, target: ExportTarget
) -> None:
    """Refuse a target that holds another log, or a past that is not this one's."""
    kept = target.read(CHECKPOINT_PATH)
    if kept is None:
        return
    old = parse_checkpoint(parse_note(kept).text)
    if old.origin != checkpoint.origin:
        raise IntegrityError(
            "export",
            expected=f"a new place, or an export of {checkpoint.origin}",
            got=f"one of {old.origin}",
            advice="name another folder",
        )
    logs: dict[LogName, tuple[TreeHead | Checkpoint, TreeHead | Checkpoint]] = {
        "main": (old, checkpoint),
        "trust": (old.trust, checkpoint.trust),
    }
    for log, (before, now) in logs.items():
        if before.size > now.size:
            raise IntegrityError(
                f"export of the {log} log",
                expected=f"at least {before.size} entries, as exported before",
                got=f"{now.size}",
                advice="the ledger is older than its export: a fork or a rollback",
            )
        hashes = read_hashes(reader, log, now.size)
        proof = consistency_proof(before.size, now.size, hashes)
        verify_consistency(before.size, before.root, now.size, now.root, proof)


def _altered(log: LogName, expected: str, got: str) -> IntegrityError:
    """Return the error for a ledger whose entries are not the signed ones."""
    return IntegrityError(
        f"{log} log",
        expected=expected,
        got=got,
        advice="the ledger was altered: run jenkins-notary ledger verify",
    )

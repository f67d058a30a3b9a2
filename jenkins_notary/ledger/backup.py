"""Describe a backup, and check one before anything is restored from it.

A backup is a folder::

    manifest.json       what it is, below
    ledger.db           the store, one state of it
    ledger.db.blobs/    the bodies, if there are any
    ledger.db.held/     logs that are held back, if there are any
    ledger.db.tokens    who may ask the ledger's service, if it has one
    ledger.db.service   what the service remembers, without what ends by itself
    ledger.db.key       the ledger's own key, only when asked for
    ledger.db.keys/     the keys that the service signs with, only when asked for

The names are those of a ledger, so a backup can be read as one where it lies.

    {"checkpoint": "<note>", "origin": "example.com/1a2b3c4d", "size": 42, "v": 1,
     "vkey": "example.com/1a2b3c4d+..."}

The manifest proves nothing: the copy is verified whole, as the ledger would be, when it
is made and again when it is restored.

What is left out: copying the store itself, which is the engine's affair.
"""

from __future__ import annotations

from contextlib import suppress

from jenkins_notary.errors import ConfigurationError, IntegrityError, NotFoundError
from jenkins_notary.ledger.bodies import find_bodies, read_body
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.values.canonical import canonical_json, load_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.verify import VerifyReport
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Blobs, Store
    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.tlog.note import NoteVerifier
    from jenkins_notary.values.body import Body

MANIFEST = "manifest.json"
LEDGER = "ledger.db"
BODIES = "ledger.db.blobs"
HELD = "ledger.db.held"
KEY = "ledger.db.key"

VERSION = 1
SCHEMA = 1
"""The schema of a store that this program reads and writes."""

_LIMIT = 1 << 20
_STEP = 1000


class Manifest(NamedTuple):
    """What a backup says of itself.

    Attributes:
        origin: The log.
        vkey: Its verifier key.
        size: Records under the checkpoint.
        checkpoint: The checkpoint note of the copy.
    """

    origin: str
    vkey: str
    size: int
    checkpoint: bytes


def format_manifest(manifest: Manifest) -> bytes:
    """Return the manifest file's bytes."""
    return canonical_json(
        {
            "v": VERSION,
            "origin": manifest.origin,
            "vkey": manifest.vkey,
            "size": manifest.size,
            "checkpoint": manifest.checkpoint.decode(),
        }
    )


def parse_manifest(data: bytes, *, subject: str = "backup manifest") -> Manifest:
    """Return the manifest in a file's bytes; inverse of :func:`format_manifest`.

    Raises:
        IntegrityError: Damaged, or of a newer program.
    """
    value = load_json(data, subject=subject, limit=_LIMIT)
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise IntegrityError(
            subject,
            expected=f"a manifest of version {VERSION}",
            advice="a newer program may have made the backup: upgrade",
        )
    texts = [value.get(key) for key in ("origin", "vkey", "checkpoint")]
    size = value.get("size")
    if not all(isinstance(one, str) for one in texts) or type(size) is not int:
        raise IntegrityError(subject, expected="origin, vkey, size and checkpoint")
    try:
        note = str(texts[2]).encode()
    except UnicodeEncodeError as error:
        raise IntegrityError(subject, expected="UTF-8") from error
    return Manifest(str(texts[0]), str(texts[1]), size, note)


def check_copy(
    manifest: Manifest,
    store: Store,
    report: VerifyReport,
    verifiers: Sequence[NoteVerifier],
) -> Checkpoint:
    """Check that a copy is sound and the one that its manifest names.

    Args:
        manifest: The backup's manifest.
        store: The copy.
        report: What ``verify_ledger`` found in it.
        verifiers: The log's keys, from a place that the caller trusts.

    Returns:
        The copy's checkpoint.

    Raises:
        FaultsError: The copy is altered; each finding is named.
        IntegrityError: The copy is another log, or an older state, than the manifest
            says.
    """
    report.raise_findings()
    note = store.checkpoint()
    found = open_checkpoint(note or b"", verifiers).checkpoint
    named = open_checkpoint(manifest.checkpoint, verifiers).checkpoint
    if (found.origin, found.size, found.root) != (named.origin, named.size, named.root):
        raise IntegrityError(
            "backup",
            expected=f"{named.origin} at size {named.size}, as its manifest says",
            got=f"{found.origin} at size {found.size}",
            advice="files of two backups were mixed: take another backup",
        )
    return found


def copy_bodies(
    view: LedgerView,
    source: Blobs,
    target: Blobs,
    *,
    progress: Progress = no_progress,
) -> int:
    """Copy every body that a record describes, each checked; return how many.

    Bodies that were pruned or erased are left out, as are those that are there.

    Raises:
        IntegrityError: A stored body is not the one that was signed.
        StorageError: The target's disk is full.
    """
    copied = 0
    for record in view.records(range(view.size)):
        if record.index % _STEP == 0:
            progress("bodies", record.index, view.size)
        if record.statement is None:
            continue
        for sha, body in find_bodies(record.statement).items():
            if target.has(sha) or not source.has(sha):
                continue
            with suppress(NotFoundError):
                copy_one_body(source, target, body)
                copied += 1
    progress("bodies", view.size, view.size)
    return copied


def copy_one_body(source: Blobs, target: Blobs, body: Body) -> None:
    """Copy one body, checked.

    Raises:
        NotFoundError: It is not there.
        IntegrityError: The stored body is not the one that was signed.
        StorageError: The target's disk is full.
    """
    stream = _ChunkStream(read_body(source, body))
    put = target.put(stream)  # type: ignore[arg-type]  # It only reads.
    if put != body:
        raise IntegrityError(
            f"body {body.sha256_hex}", expected=f"{body}", got=f"{put}"
        )


def upgrade_ledger(store: Store) -> list[str]:
    """Bring a store to this program's schema; return what was done.

    There is only one schema so far, so there is nothing to do.

    Raises:
        ConfigurationError: A newer program's.
    """
    found = store.get_setting("schema")
    if found is not None and found != b"%d" % SCHEMA:
        raise ConfigurationError(
            "ledger",
            expected=f"schema {SCHEMA}",
            got=f"schema {found[:20].decode('ascii', 'replace')}",
            advice="upgrade jenkins-notary",
        )
    return []


class _ChunkStream:
    """A binary stream over chunks, as far as a blob store reads it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        """Begin before the first chunk."""
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``; b"" at the end."""
        while size and not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        end = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:end], self._rest[end:]
        return data

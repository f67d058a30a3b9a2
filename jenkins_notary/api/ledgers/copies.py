"""Copy a ledger, bring it back, follow it with another one."""

from __future__ import annotations

import os

from jenkins_notary.api.ledgers.one_file import (
    check_is_free,
    copy_from_file,
    copy_to_file,
)
from jenkins_notary.api.places import find_places
from jenkins_notary.blobs.files import FileBlobs
from jenkins_notary.blobs.opening import open_blobs
from jenkins_notary.engines.companions import TOKENS, copy_companions
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    StorageError,
    UsageError,
)
from jenkins_notary.keys.log_key import (
    generate_log_key,
    load_log_verifier,
)
from jenkins_notary.keys.pem import read_private_file, write_private_file
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.backup import (
    BODIES,
    HELD,
    KEY,
    LEDGER,
    MANIFEST,
    Manifest,
    check_copy,
    copy_bodies,
    format_manifest,
    parse_manifest,
    upgrade_ledger,
)
from jenkins_notary.ledger.genesis import check_origin, make_origin
from jenkins_notary.ledger.pins import Pin
from jenkins_notary.ledger.rotation import open_followed_view
from jenkins_notary.ledger.succession import check_continuable, succeed_log
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import open_checkpoint, parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.receipt import parse_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.api.places import Places
    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Signer
    from jenkins_notary.tlog.note import Ed25519Verifier

    Progress = Callable[[str, int, int], None]

RECEIPT_HEADER = b"c2sp.org/tlog-proof@"
_MANIFEST_LIMIT = 1 << 20


class BackupResult(NamedTuple):
    """What was copied.

    Attributes:
        folder: Where to.
        origin: The log.
        size: Records.
        bodies: Bodies.
        with_key: Whether the ledger's own key is in the copy.
        with_tokens: Whether a service's tokens are in the copy.
    """

    folder: str
    origin: str
    size: int
    bodies: int
    with_key: bool
    with_tokens: bool

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return dict(self._asdict())


def backup(
    session: Session, folder: str, *, with_key: bool, progress: Progress
) -> BackupResult:
    """Copy the ledger while others write, and check the copy whole.

    Args:
        session: An open ledger.
        folder: A new or empty one.
        with_key: Copy the ledger's own key too, and the keys that its service signs
            with: whoever has them can sign for the log and for builds.
        progress: Called with (phase, done, total).

    Raises:
        UsageError: The folder is not empty.
        FaultsError: The ledger is altered: what was found in the copy.
    """
    _make_empty(folder)
    session.view()
    copy = os.path.join(folder, LEDGER)
    companions = copy_companions(session.places.ledger, copy, with_keys=with_key)
    copy_to_file(session, copy, progress=progress)
    store = SqliteStore.open(copy)
    try:
        view, vkeys = open_followed_view(
            store, session.first_vkey(), load_log_verifier, session.signatures
        )
        manifest = Manifest(view.checkpoint.origin, vkeys[0], view.size, view.note)
        _check_whole(store, manifest, vkeys, progress)
        bodies = 0
        for source, name in ((session.blobs, BODIES), (session.held, HELD)):
            target = FileBlobs(os.path.join(folder, name))
            bodies += copy_bodies(view, source, target, progress=progress)
    finally:
        store.close()
    if with_key:
        key = read_private_file(session.places.log_key)
        write_private_file(os.path.join(folder, KEY), key)
    write_private_file(os.path.join(folder, MANIFEST), format_manifest(manifest))
    return BackupResult(
        folder,
        manifest.origin,
        manifest.size,
        bodies,
        with_key,
        TOKENS in companions,
    )


def restore(
    session: Session, folder: str, *, published: Sequence[bytes], progress: Progress
) -> None:
    """Bring a ledger back from a backup, if that does not fork what was published.

    Args:
        session: Where the ledger goes; there must be none.
        folder: The backup.
        published: Receipts and checkpoints that went out, beside the user's own pin.
        progress: Called with (phase, done, total).

    Raises:
        UsageError: There is a ledger already.
        NotFoundError: No backup.
        IntegrityError: The backup was altered, or is older than what was seen of the
            log: to continue it would be a fork.
    """
    places = session.places
    check_is_free(session)
    manifest = _read_manifest(folder)
    pin = session.load_pin(manifest.origin)
    first = session.expected_vkey(pin, manifest.vkey)
    copy = SqliteStore.open(os.path.join(folder, LEDGER))
    try:
        try:
            view, vkeys = open_followed_view(
                copy, first, load_log_verifier, session.signatures
            )
        except IntegrityError as error:
            raise IntegrityError(
                f"backup {folder}",
                expected=f"a checkpoint signed by {first} or a key that followed it",
                got=error.got,
                advice="take a backup of this log, from after its key was rotated",
            ) from error
        verifiers = [load_log_verifier(one) for one in vkeys]
        _check_whole(copy, manifest, vkeys, progress)
        seen = [_read_published(one) for one in published]
        seen += [] if pin is None else [pin.note]
        check_continuable(view, seen, verifiers)
        if not seen:
            session.notify(
                "nothing shows how far the log was published: if receipts or "
                "checkpoints are newer than this backup, writing forks the log; "
                "name them with --published"
            )
        os.makedirs(os.path.dirname(places.ledger), mode=0o700, exist_ok=True)
        for target, name in ((session.blobs, BODIES), (session.held, HELD)):
            source = FileBlobs(os.path.join(folder, name))
            copy_bodies(view, source, target, progress=progress)
        _restore_key(folder, places)
        _restore_companions(session, folder)
        copy_from_file(session, view, copy, progress=progress)
    finally:
        copy.close()
    # What was open here before is not what lies here now.
    session.close()


def succeed(
    session: Session,
    url: str,
    *,
    origin: str | None,
    co_signers: Sequence[Signer],
    published: Sequence[bytes],
    progress: Progress,
) -> None:
    """Begin a new log that follows the session's, and take its records over.

    Args:
        session: The old ledger, a restored copy perhaps.
        url: Where the new ledger goes; there must be none.
        origin: The new log's name; None for one made of the host's name.
        co_signers: Further administrators' keys.
        published: Receipts and checkpoints that went out, beside the user's own pin.
        progress: Called with (phase, done, total).

    Raises:
        UsageError: There is a ledger already, or the name is taken.
        PermissionDeniedError: The keys are not those of enough administrators.
        IntegrityError: The old ledger was altered.
    """
    import socket

    places = find_places(url, None, session.environ)
    for there in (places.ledger, places.log_key):
        if os.path.exists(there):
            raise UsageError(f"file {there}", expected="none yet", got="one")
    name = origin or make_origin(socket.gethostname())
    check_origin(name)
    old, vkeys = open_followed_view(
        session.store, session.first_vkey(), load_log_verifier, session.signatures
    )
    verifiers = [load_log_verifier(one) for one in vkeys]
    report = verify_ledger(session.store, verifiers, KeyVerifier, progress=progress)
    report.raise_findings()
    pin = session.load_pin(old.checkpoint.origin)
    seen = [_read_published(one) for one in published]
    seen += [] if pin is None else [pin.note]
    last_note = _newer_note(seen, old, verifiers)
    os.makedirs(os.path.dirname(places.ledger), mode=0o700, exist_ok=True)
    unfinished, waiting = f"{places.ledger}.new", f"{places.log_key}.new"
    _clear(unfinished, waiting)
    signer = generate_log_key(waiting, name)
    SqliteStore.create(unfinished).close()
    store = SqliteStore.open(unfinished)
    try:
        store.put_setting("origin", name.encode())
        store.put_setting("vkey", signer.vkey.encode())
        succeed_log(
            old,
            session.store,
            store,
            signer,
            author=session.author(*co_signers),
            last_note=last_note,
            old_verifiers=verifiers,
            progress=progress,
        )
        note = store.checkpoint() or b""
    except BaseException:
        store.close()
        _clear(unfinished, waiting)
        raise
    store.close()
    for source, target in (
        (session.blobs, places.blobs),
        (session.held, places.held),
    ):
        copy_bodies(old, source, open_blobs(target), progress=progress)
    copy_companions(session.places.ledger, places.ledger)
    os.rename(waiting, places.log_key)
    os.rename(unfinished, places.ledger)
    session.save_pin(name, Pin(signer.vkey, note))
    lost = 0 if last_note is None else _read_size(last_note) - old.size
    session.notify(
        f"{name} follows {old.checkpoint.origin}: {old.size} records were taken over, "
        f"{lost} that were published are lost: resend them from where they came"
    )


def _clear(unfinished: str, waiting: str) -> None:
    """Remove what an interrupted succession left behind."""
    for left in (unfinished, f"{unfinished}-wal", f"{unfinished}-shm", waiting):
        if os.path.exists(left):
            os.unlink(left)


def upgrade(session: Session) -> list[str]:
    """Bring the store to this program's schema; return what was done."""
    return upgrade_ledger(session.store)


def _make_empty(folder: str) -> None:
    """Make a folder that holds nothing."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.listdir(folder):
            raise UsageError(f"folder {folder}", expected="a new or an empty one")
    except OSError as error:
        raise StorageError(f"folder {folder}", got=f"{error.strerror}") from error


def _check_whole(
    store: SqliteStore, manifest: Manifest, vkeys: Sequence[str], progress: Progress
) -> None:
    """Check a copy whole, and that it is what its manifest names."""
    verifiers = [load_log_verifier(one) for one in vkeys]
    report = verify_ledger(
        store, verifiers, KeyVerifier, VerifyOptions(), progress=progress
    )
    check_copy(manifest, store, report, verifiers)


def _read_manifest(folder: str) -> Manifest:
    """Return a backup's manifest."""
    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, "rb") as file:
            data = file.read(_MANIFEST_LIMIT)
    except OSError as error:
        raise NotFoundError(
            f"backup {folder}", expected=MANIFEST, got=f"{error.strerror}"
        ) from error
    return parse_manifest(data, subject=path)


def _restore_key(folder: str, places: Places) -> None:
    """Bring the ledger's key back, if the backup has it and it is not there."""
    path = os.path.join(folder, KEY)
    if not os.path.exists(path):
        return
    key = read_private_file(path)
    try:
        write_private_file(places.log_key, key)
    except FileExistsError as error:
        if read_private_file(places.log_key) != key:
            raise IntegrityError(
                f"key file {places.log_key}",
                expected="the key of the backup",
                got="another",
                advice="move it away, if it is not needed",
            ) from error


def _restore_companions(session: Session, folder: str) -> None:
    """Bring a service's tokens and state back, where there are none."""
    source, target = os.path.join(folder, LEDGER), session.places.ledger
    if TOKENS in copy_companions(source, target):
        session.notify(
            "the service's tokens are those of the backup: revoke again what was "
            "revoked since then, and rotate again what was rotated"
        )
    elif os.path.exists(source + TOKENS):
        session.notify(f"the service's tokens stay those of {target}{TOKENS}")


def _newer_note(
    seen: Sequence[bytes], old: LedgerView, verifiers: Sequence[Ed25519Verifier]
) -> bytes | None:
    """Return the newest checkpoint that was seen if the ledger is older than it.

    Raises:
        IntegrityError: It was signed by a key that the ledger does not know yet.
    """
    note = max(seen, key=_read_size, default=None)
    if note is None or _read_size(note) <= old.checkpoint.size:
        return None
    try:
        open_checkpoint(note, verifiers)
    except IntegrityError as error:
        raise IntegrityError(
            f"ledger {old.checkpoint.origin} at size {old.size}",
            expected="a state that knows the key of the last checkpoint seen",
            got="one from before the ledger's key was rotated",
            advice="use a backup from after the rotation",
        ) from error
    return note


def _read_size(note: bytes) -> int:
    """Return the tree size that a checkpoint note names."""
    return parse_checkpoint(parse_note(note).text).size


def _read_published(data: bytes) -> bytes:
    """Return the checkpoint note in a published file: a note or a receipt."""
    if data.startswith(RECEIPT_HEADER):
        return parse_receipt(data).checkpoint_note
    parse_note(data)
    return data

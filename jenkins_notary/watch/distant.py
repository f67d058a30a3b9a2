"""Open the log of a service, and check it with what this user has seen of it.

The key that must have signed comes from ``--log``, else from the pin, else from the
service itself: then this is a first contact, which is said.

Everything is checked here; nothing is taken from the service but bytes.
"""

from __future__ import annotations

import os
import time
from functools import partial

from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError, NotFoundError, StorageError
from jenkins_notary.files.export_folder import FolderTarget
from jenkins_notary.files.pins import PinFiles
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.export import export_tiles
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.ledger.mirror import Mirror
from jenkins_notary.ledger.pins import Pin, check_pin
from jenkins_notary.ledger.rotation import open_followed_view
from jenkins_notary.ledger.succession import follow_succession
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.tiles import tile_path, tiles_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.keys.log_policy import LogPolicy
    from jenkins_notary.ledger.audit import AuditResult
    from jenkins_notary.ledger.export import ExportResult
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.pacing import Pace
    from jenkins_notary.ledger.verify import VerifyReport
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import LogName
    from jenkins_notary.remote.reading.packed import PackedRecord
    from jenkins_notary.remote.service import Service
    from jenkins_notary.watch.log import ServiceLog
    from jenkins_notary.watch.packed import PackedLog
    from jenkins_notary.watch.rounds import Round

WITNESS_ATTEMPTS = 6
WITNESS_PAUSE_S = 2.0


class DistantChoices(NamedTuple):
    """What the caller chose.

    Attributes:
        log: The verifier key that must have signed, or None.
        pins: The folder of this user's pins.
        notify: Called with one-line notices.
        progress: Called with (phase, done, total).
        policy: Whose cosignatures are asked for, or None.
    """

    log: str | None
    pins: str
    notify: Callable[[str], None]
    progress: Progress = no_progress
    policy: LogPolicy | None = None


class DistantLedger:
    """A ledger that a service keeps, seen through its log.

    Attributes:
        reader: The log.
        signatures: Signature checks.
        choices: What the caller chose.
        vkeys: The accepted keys once a view was opened, the newest last.
    """

    def __init__(
        self,
        reader: ServiceLog,
        open_service: Callable[[], Service],
        choices: DistantChoices,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Read nothing yet."""
        self._pause = pause
        self.reader = reader
        self.signatures = KeyVerifier()
        self.choices = choices
        self.vkeys: tuple[str, ...] = ()
        self._open = open_service
        self._pins = PinFiles(choices.pins)

    def check_witnessed(self, view: LedgerView, least: int) -> int:
        """Return how much of a log enough witnesses have signed; 0 if none are asked.

        Witnesses sign some seconds after a commit, so it is waited for a while.

        Args:
            view: The log.
            least: Records that must be covered: those of the round before.

        Raises:
            IntegrityError: The cosigned checkpoint is of another log or past, or
                covers less.
        """
        policy = self.choices.policy
        if policy is None or not policy.has_quorum:
            return 0
        for attempt in range(WITNESS_ATTEMPTS):
            note = self._open().get("/witnesses").get("cosigned")
            if isinstance(note, str):
                found = policy.check(note.encode("utf-8", "replace")).checkpoint
                if found.size > view.checkpoint.size:
                    view = self.open_view()
                view.check_consistent(found.size, found.root)
                if found.size >= least:
                    return found.size
            if attempt + 1 < WITNESS_ATTEMPTS:
                self._pause(WITNESS_PAUSE_S)
        raise IntegrityError(
            f"log {view.checkpoint.origin}",
            expected=f"a quorum of witnesses for its first {least} records",
            got="none",
            advice="a log that is shown to you alone gets none: ask the witnesses",
        )

    def ask_verdicts(self, digests: list[str]) -> list[dict[str, object]]:
        """Return what the service says of digests, in order: a claim.

        Raises:
            IntegrityError: It does not say something of each.
        """
        assets = [{"name": one, "kind": "digest", "digest": one} for one in digests]
        answer = self._open().post("/verdicts", {"assets": assets})
        found = answer.get("assets")
        if (
            not isinstance(found, list)
            or not all(isinstance(one, dict) for one in found)
            or [one.get("digest") for one in found] != digests
        ):
            raise IntegrityError(
                "answer of the service", expected="a verdict on each digest"
            )
        return found

    def audit(self, state_file: str, *, full: bool = False) -> Round:
        """Check that the log only grew, and that the service says what it holds.

        Args:
            state_file: What the auditor keeps between looks; made at first.
            full: Read every record again, not a sample of the old ones.

        Raises:
            IntegrityError: The log was forked, rolled back or altered, or the service
                hides what is in it.
        """
        import random

        from jenkins_notary.watch.rounds import run_round

        generator = random.SystemRandom()

        def draw(population: int, count: int) -> list[int]:
            return generator.sample(range(population), count)

        return run_round(self, state_file, full=full, draw=draw)

    def probe(self, state_file: str) -> AuditResult:
        """Check with very little traffic that the log only grew; see ``watch.probe``.

        Args:
            state_file: What is kept from one look to the next, as of ``audit``.

        Raises:
            IntegrityError: The log was forked, rolled back or altered.
        """
        from jenkins_notary.watch.probe import run_probe

        return run_probe(self, state_file)

    def ask_proof(self, query: str) -> list[bytes]:
        """Return the hashes of a proof: a claim."""
        from jenkins_notary.watch.probe import decode_proof

        return decode_proof(self._open().get(f"/proofs?{query}").get("hashes"))

    def read_packed(self, index: int) -> PackedRecord:
        """Return one record, packed on its way: a claim."""
        from jenkins_notary.watch.packed import read_packed

        return read_packed(self._open().read_file, index, index + 1)[0]

    def open_view(self, seen: Pin | None = None) -> LedgerView:
        """Return the log at its newest checkpoint, signed and beyond what was seen.

        Args:
            seen: What an auditor keeps apart from this user's pin, or None.

        Raises:
            NotFoundError: The service has no checkpoint.
            IntegrityError: It is not signed by the expected key or one that followed
                it; or the log was forked or rolled back.
        """
        note = self.reader.checkpoint()
        if note is None:
            raise NotFoundError("checkpoint", got="none at the service")
        origin = _origin_of(note)
        is_same = seen is not None and _origin_of(seen.note) == origin
        pin = seen if is_same else self._pins.load(origin)
        first = self.choices.log or (pin.vkey if pin else self._claimed_key())
        view, vkeys = open_followed_view(
            self.reader, first, load_log_verifier, self.signatures
        )
        self.vkeys = tuple(vkeys)
        if pin is None:
            self._meet(view)
        else:
            check_pin(pin, view)
        if seen is not None and not is_same and not self._follow(seen, view):
            # The log that was audited is gone: what stands here does not follow it.
            check_pin(seen, view)
        self._remember(origin, Pin(first, view.note))
        return view

    def open_reader(self, pace: Pace) -> PackedLog:
        """Return the log for who reads all of it in order, no faster than a pace."""
        from jenkins_notary.watch.packed import PackedLog

        return PackedLog(self._open, pace)

    def export(self, folder: str) -> ExportResult:
        """Write the log as static tiles, as it is read and checked."""
        view = self.open_view()
        return export_tiles(
            self.reader,
            view.checkpoint,
            view.note,
            FolderTarget(folder),
            progress=self.choices.progress,
        )

    def verify(self, *, signatures: bool = True, bodies: bool = True) -> VerifyReport:
        """Read the whole log, derive all of it again, and check that.

        Not checked is the service's own index: it is derived here anew.

        Args:
            signatures: Check every record's signature too.
            bodies: Not done over HTTP, which is said.

        Raises:
            IntegrityError: A leaf, envelope or tile is not what was signed.
        """
        import tempfile

        if bodies:
            self.choices.notify("bodies are not read: check them at the service")
        view = self.open_view()
        with tempfile.TemporaryDirectory(prefix="jenkins-notary-") as folder:
            path = os.path.join(folder, "copy.db")
            store = open_copy(path, view.checkpoint.origin, self.vkeys[0])
            try:
                mirror = Mirror(store, self.signatures)
                mirror.grow(view, self.reader, progress=self.choices.progress)
                self._check_tiles(mirror, view)
                return verify_ledger(
                    store,
                    [load_log_verifier(one) for one in self.vkeys],
                    KeyVerifier,
                    VerifyOptions(
                        with_signatures=signatures,
                        workers=len(os.sched_getaffinity(0)),
                        open_store=partial(SqliteStore.open, path),
                    ),
                    progress=self.choices.progress,
                )
            finally:
                store.close()

    def _check_tiles(self, mirror: Mirror, view: LedgerView) -> None:
        """Check that each tile of the service is the one that the leaves give."""
        sizes: tuple[tuple[LogName, int], ...] = (
            ("main", view.checkpoint.size),
            ("trust", view.checkpoint.trust.size),
        )
        for log, size in sizes:
            for tile in tiles_of(size):
                wanted = mirror.store.tile(log, *tile)
                if self.reader.tile(log, *tile) != wanted:
                    raise IntegrityError(
                        f"{log} log, {tile_path(*tile)}",
                        expected="the hashes that its leaves give",
                        got="others",
                    )

    def _claimed_key(self) -> str:
        """Return the key that the service itself names."""
        vkey = self._open().get("/status").get("vkey")
        if not isinstance(vkey, str):
            raise IntegrityError("status of the service", expected="its vkey")
        return vkey

    def _meet(self, view: LedgerView) -> None:
        """Say that the log is seen for the first time."""
        if self.choices.log is None:
            self.choices.notify(
                f"first contact with {view.checkpoint.origin}: its key "
                f"{self.vkeys[0]} is now pinned; compare it with what its "
                "administrator publishes"
            )
        inherits = view.trust().inherits
        if inherits is not None:
            old = self._pins.load(_origin_of(inherits.checkpoint))
            if old is not None:
                self._follow(old, view)

    def _follow(self, seen: Pin, view: LedgerView) -> bool:
        """Return whether a log follows one that was seen; say how.

        Raises:
            IntegrityError: It claims to, and does not.
        """
        done = follow_succession(seen, view, self.reader, load_log_verifier)
        if done is None:
            return False
        self.choices.notify(
            f"{done.origin} follows {done.old_origin}: {done.inherited_size} "
            f"records were taken over, {done.lost} are lost"
        )
        return True

    def _remember(self, origin: str, pin: Pin) -> None:
        """Move this user's pin; what was asked is answered even where that fails."""
        try:
            self._pins.save(origin, pin)
        except StorageError as error:
            self.choices.notify(f"what was seen of {origin} is not kept: {error}")


def _origin_of(note: bytes | str) -> str:
    """Return the origin that a checkpoint note names, unproven."""
    data = note.encode() if isinstance(note, str) else note
    return parse_checkpoint(parse_note(data).text).origin


def open_copy(path: str, origin: str, vkey: str) -> SqliteStore:
    """Return the store of a copy, which is made if there is none.

    Raises:
        IntegrityError: It is a copy of another log.
    """
    if not os.path.exists(path):
        SqliteStore.create(path).close()
    store = SqliteStore.open(path)
    kept = store.get_setting("origin")
    if kept is None:
        store.put_setting("origin", origin.encode())
        store.put_setting("vkey", vkey.encode())
    elif kept.decode() != origin:
        store.close()
        raise IntegrityError(
            f"copy {path}", expected=f"one of {origin}", got=kept.decode()
        )
    return store

"""Open what a call needs, once: ledger, keys, bodies, pins.

Nothing is opened before it is asked for, and nothing makes a ledger here (``creation``
does): reading one that is not there is NotFoundError. Every view that is handed out was
checked against the user's pin, and moves the pin forward.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress

from jenkins_notary.api.places import find_places
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
)
from jenkins_notary.files.locks import FileLock
from jenkins_notary.files.pins import PinFiles
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.pins import Pin, check_pin, size_of
from jenkins_notary.ledger.seal import Seals, read_seal, sealed_error
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.view import LedgerView, open_view
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import open_checkpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from jenkins_notary.api.places import Places
    from jenkins_notary.blobs.several import SeveralBlobs
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.jenkins.controllers import Controllers
    from jenkins_notary.keys.log_key import LogSigner
    from jenkins_notary.keys.signatures import KeyVerifier
    from jenkins_notary.ports import BodyStore, Signer, Store
    from jenkins_notary.tlog.note import Ed25519Verifier
    from jenkins_notary.values.envelope import Envelope
    from jenkins_notary.values.jobid import JobId


class SystemClock:
    """The Clock port over the system's time."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000


class JenkinsChoices(NamedTuple):
    """Where Jenkins is; the token comes by environment or from a file of its own.

    Attributes:
        url: Root URL of the one controller, or None.
        user: Who reads, or None for nobody.
        token_file: File with the user's API token, or None.
        file: YAML file of several controllers, or None.
    """

    url: str | None = None
    user: str | None = None
    token_file: str | None = None
    file: str | None = None


class Choices(NamedTuple):
    """What the caller chose beside the ledger; see ``Notary`` for each."""

    key: str | None = None
    log: str | None = None
    passphrase: bytes | None = None
    co_keys: tuple[str, ...] = ()
    ca_file: str | None = None
    plain_http: tuple[str, ...] = ()
    stdin: BinaryIO | None = None
    notify: Callable[[str], None] | None = None
    progress: Callable[[str, int, int | None], None] | None = None
    jenkins: JenkinsChoices = JenkinsChoices()


class Session:
    """What one call, or one program, has open.

    Attributes:
        choices: What the caller chose.
        environ: The environment, read once.
        places: Where everything is.
        clock: The time.
        recorder: ``service`` where a service records, whose key no build can reach;
            else None.
    """

    recorder: str | None = None

    def __init__(
        self, ledger: str | None, choices: Choices, environ: Mapping[str, str]
    ) -> None:
        """Keep the choices; open nothing."""
        self.choices = choices
        self.environ = environ
        self.places: Places = find_places(ledger, choices.key, environ)
        self.clock = SystemClock()
        self._store: Store | None = None
        self._view: LedgerView | None = None
        self._sequencer: Sequencer | None = None
        self._signer: Signer | None = None
        self._verifier: KeyVerifier | None = None
        self._vkeys: tuple[str, ...] = ()
        self._controllers: Controllers | None = None
        self._pins = PinFiles(self.places.pins)

    def reopen(self, ledger: str, *, log: str | None = None) -> Session:
        """Return a session on another ledger, with the same choices but its key."""
        return Session(ledger, self.choices._replace(log=log), self.environ)

    def notify(self, notice: str) -> None:
        """Say something to the person, if anyone listens."""
        if self.choices.notify is not None:
            self.choices.notify(notice)

    def report(self, what: str, done: int, total: int | None) -> None:
        """Say how far long work has come, if anyone listens."""
        if self.choices.progress is not None:
            self.choices.progress(what, done, total)

    def co_signers(self) -> list[Signer]:
        """Return the further administrators' keys."""
        from jenkins_notary.keys.pem import load_signer

        passphrase = self.choices.passphrase
        return [load_signer(o, passphrase=passphrase) for o in self.choices.co_keys]

    def controllers(self) -> Controllers:
        """Return the Jenkins controllers that may be read; none is asked yet.

        Raises:
            ConfigurationError: They are configured wrongly.
        """
        if self._controllers is None:
            from jenkins_notary.jenkins.controllers import load_controllers

            url, user, token_file, file = self.choices.jenkins
            self._controllers = load_controllers(
                url=url,
                user=user,
                token_file=token_file,
                file=file,
                ca_file=self.choices.ca_file,
                plain_http_hosts=self.choices.plain_http,
                environ=self.environ,
            )
        return self._controllers

    def close_controllers(self) -> None:
        """Close what is open to Jenkins; the next call opens it anew."""
        if self._controllers is not None:
            self._controllers.close()
            self._controllers = None

    def has_ledger(self) -> bool:
        """Return whether there is a ledger with a checkpoint."""
        try:
            return self.store.checkpoint() is not None
        except NotFoundError:
            return False

    def close(self) -> None:
        """Release the ledger; the next call opens it anew."""
        self.forget()
        self.close_controllers()
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def store(self) -> Store:
        """Return the open ledger.

        Raises:
            NotFoundError: There is none.
        """
        if self._store is None:
            self._store = self.opener()()
            if self.places.replicas:
                from jenkins_notary.api.ledgers.immudb import listen

                listen(self._store, self.notify)
        return self._store

    def opener(self) -> Callable[[], Store]:
        """Return what opens the ledger anew, in another process too."""
        from functools import partial

        if self.places.engine == "immudb":
            from jenkins_notary.api.ledgers.immudb import make_opener

            return make_opener(self)
        return partial(SqliteStore.open, self.places.ledger)

    @property
    def signatures(self) -> KeyVerifier:
        """Return the signature checks."""
        if self._verifier is None:
            from jenkins_notary.keys.signatures import KeyVerifier

            self._verifier = KeyVerifier()
        return self._verifier

    @property
    def blobs(self) -> BodyStore:
        """Return the bodies beside the ledger, or where they are kept instead."""
        from jenkins_notary.blobs.opening import open_blobs

        return open_blobs(self.places.blobs)

    @property
    def held(self) -> BodyStore:
        """Return the logs that are held back; nothing is printed from here."""
        from jenkins_notary.blobs.opening import open_blobs

        return open_blobs(self.places.held)

    @property
    def all_bodies(self) -> SeveralBlobs:
        """Return all bodies, those held back too: to erase, prune, copy and check."""
        from jenkins_notary.blobs.several import SeveralBlobs

        return SeveralBlobs(self.places.blobs, self.places.held)

    def view(self) -> LedgerView:
        """Return the ledger at its newest checkpoint, checked against the pin.

        Whoever needs one state throughout keeps what is returned.

        Raises:
            NotFoundError: There is no ledger, or none that was initialized.
            IntegrityError: The checkpoint is not signed by the expected key, or the
                log is not the one that was seen before.
        """
        # Another process may have written since this one last looked.
        if self._view is None or self.store.checkpoint() != self._view.note:
            self._view = self._open_view()
        return self._view

    def followed_view(self) -> LedgerView:
        """Return the view after the log's rotations of its key were followed.

        Raises:
            IntegrityError: A key that was rotated out has signed the checkpoint.
        """
        view = self.view()
        if view.trust().ledger_keys:
            self._follow_keys()
        return self.view()

    def vkey(self) -> str:
        """Return the key that signs the log now: the expected one, or its successor."""
        return self.vkeys()[-1]

    def vkeys(self) -> tuple[str, ...]:
        """Return the expected key and those that followed it, the newest last."""
        self.followed_view()
        return self._vkeys

    def first_vkey(self) -> str:
        """Return the key that this user expects; it may have been rotated since."""
        pin = self.load_pin(self._setting("origin"))
        return self.expected_vkey(pin, self._setting("vkey"))

    def expected_vkey(self, pin: Pin | None, claimed: str) -> str:
        """Return the key that must have signed: given, pinned, or else claimed."""
        if self.choices.log is not None:
            return self.choices.log
        return claimed if pin is None else pin.vkey

    def load_pin(self, origin: str) -> Pin | None:
        """Return what this user has seen of a log, None for nothing."""
        return self._pins.load(origin)

    def save_pin(self, origin: str, pin: Pin) -> None:
        """Remember a checkpoint that was verified."""
        self._pins.save(origin, pin)

    def forget(self) -> None:
        """Read view, keys and writer anew at the next call."""
        self._view = None
        self._sequencer = None
        self._vkeys = ()

    def check_administrators(self, co_signers: Sequence[Signer]) -> None:
        """Check that the keys at hand are those of enough administrators.

        Raises:
            PermissionDeniedError: They are not.
        """
        view = self.view()
        trust = view.trust()
        ours = [one.keyid for one in (self.signer(), *co_signers)]
        valid = {
            one for one in trust.administrators if not trust.is_revoked(one, view.size)
        }
        if len(valid & set(ours)) < trust.threshold:
            raise PermissionDeniedError(
                "trust record",
                expected=f"signatures of {trust.threshold} of the administrators "
                + ", ".join(sorted(valid)),
                got=", ".join(ours),
                advice="use an administrator's key: --key FILE, --co-key FILE",
            )

    def refresh(self) -> LedgerView:
        """Return the view anew, after records were appended."""
        self._view = None
        return self.view()

    def append(self, envelopes: Sequence[bytes]) -> list[int]:
        """Append envelopes; return their indexes, once durable."""
        # The pin is checked first, so that nothing is added to a log that was
        # exchanged for another or an older one.
        self.view()
        with self.writing() as sequencer:
            indexes = [one.index for one in sequencer.append(envelopes)]
        self.refresh()
        return indexes

    @contextmanager
    def writing(self) -> Iterator[Sequencer]:
        """Give the ledger's writer, with a key that stays its key meanwhile.

        Any number of writers go on at once; a rotation of the key waits for them, and
        they for it. The key is read anew each time.
        """
        self.finish_rotation()
        with FileLock(self.lock_path, shared=True):
            self._sequencer = None
            yield self.sequencer()

    def check_can_write(self) -> None:
        """Check that the ledger and its key are here.

        Raises:
            NotFoundError: The ledger, or its key: it can only be read here.
        """
        self.store.engine  # noqa: B018 - opened for its failure
        self._load_log_key()

    @property
    def lock_path(self) -> str:
        """Return the ledger's lock file."""
        return f"{self.places.ledger}.lock"

    def finish_rotation(self) -> None:
        """Finish a rotation of the ledger's key that was recorded and interrupted."""
        if os.path.exists(self.waiting_key):
            from jenkins_notary.api.ledgers.rotation import finish_rotation

            with FileLock(self.lock_path):
                if os.path.exists(self.waiting_key):
                    finish_rotation(self)

    def sequencer(self) -> Sequencer:
        """Return the ledger's writer.

        Raises:
            NotFoundError: The ledger's key is not here: it can only be read.
        """
        if self._sequencer is None:
            # A ledger that is not there is the first thing to say.
            self.store  # noqa: B018 - opened for its failure
            from jenkins_notary.keys.log_key import load_log_verifier

            signer = self._load_log_key()
            # A writer accepts its own checkpoints only: one whose key was rotated out
            # must not sign beyond the rotation.
            verifiers = [load_log_verifier(signer.vkey)]
            self._check_current(signer, verifiers)
            self._sequencer = Sequencer(
                self.store,
                signer,
                verifiers,
                self.clock,
                seals=Seals(self.is_administered, self.places.ledger_url),
            )
        return self._sequencer

    def is_administered(self, envelope: Envelope) -> bool:
        """Return whether enough of the administrators, as of now, have signed."""
        view = self.view()
        return view.trust().has_quorum(envelope, view.size)

    @property
    def waiting_key(self) -> str:
        """Return where a new ledger key waits for its rotation to be recorded."""
        return f"{self.places.log_key}.new"

    def classify_build(
        self,
        job: JobId,  # noqa: ARG002 - a service's session looks at it
        info: BuildInfo | None,  # noqa: ARG002 - as above
        facts: Mapping[str, Any],  # noqa: ARG002 - as above
    ) -> str | None:
        """Return the class of a build, None where builds have none.

        Args:
            job: Which build.
            info: What its controller's API says of it, or None.
            facts: What its hook says, empty without one.
        """
        return None

    def sign_for_build(self, job: JobId, kind: str | None) -> Signer:  # noqa: ARG002 - as above
        """Return who signs what a build of a class claims."""
        return self.signer()

    def author(self, *co_signers: Signer) -> Author:
        """Return who signs the records of one call; its record id is new."""
        return Author(
            (self.signer(), *co_signers), os.urandom(16).hex(), self.clock.now_ms()
        )

    def signer(self) -> Signer:
        """Return the signer, whose key is made on first use, which is said once.

        Raises:
            ConfigurationError: The key cannot be used.
        """
        if self._signer is None:
            self._signer = self._load_or_make_signer()
        return self._signer

    def _open_view(self) -> LedgerView:
        """Open the newest checkpoint, check it against the pin, move the pin."""
        origin = self._setting("origin")
        pin = self._pins.load(origin)
        vkey = self.expected_vkey(pin, self._setting("vkey"))
        self._vkeys = self._vkeys or (vkey,)
        try:
            view = open_view(self.store, self.verifiers(), self.signatures)
        except NotFoundError as error:
            if pin is None:
                raise
            raise IntegrityError(
                f"ledger {self.places.ledger_url}",
                expected="a checkpoint, as seen before",
                got="none",
                advice="it was altered: run jenkins-notary ledger verify",
            ) from error
        except IntegrityError:
            view = self._follow_keys()
        if view.checkpoint.origin != origin:
            raise IntegrityError(
                f"ledger {self.places.ledger_url}",
                expected=f"the log {origin}",
                got=view.checkpoint.origin,
            )
        if pin is None:
            self._meet(view)
        elif size_of(pin) > view.checkpoint.size:
            view = self._open_pinned(pin, view)
        if pin is None or check_pin(pin, view):
            self.remember(origin, Pin(self._vkeys[0], view.note))
        return view

    def _open_pinned(self, pin: Pin, view: LedgerView) -> LedgerView:
        """Return the view at the pinned checkpoint if the ledger holds all of it.

        A published checkpoint is not made durable of its own, for it can be made again
        from the head. After a power cut the pin's can be the newer of the two. Where
        the ledger does not hold what it signs, the given view is returned, which the
        pin then refuses.

        Raises:
            ConfigurationError: The log was sealed here, and has gone on elsewhere.
            UnavailableError: It was read from a replica, which is behind.
        """
        with suppress(IntegrityError):
            opened = open_checkpoint(pin.note, self.verifiers())
            newer = LedgerView(self.store, opened.checkpoint, pin.note, self.signatures)
            newer.check_consistent(newer.checkpoint.size, newer.computed_root())
            newer.check_consistent(view.checkpoint.size, view.checkpoint.root)
            return newer
        # Who has seen it go on elsewhere is told where, not that it was rolled back.
        trust = view.trust()
        place = read_seal(
            self.store, view.size, lambda one: trust.has_quorum(one, view.size)
        )
        if place is not None:
            raise sealed_error(view.size, place)
        if self.places.replicas:
            from jenkins_notary.api.ledgers.immudb import check_not_behind

            check_not_behind(self.store, size_of(pin), view.size)
        return view

    def remember(self, origin: str, pin: Pin) -> None:
        """Move the pin; what was asked for is answered even where that fails."""
        try:
            self._pins.save(origin, pin)
        except StorageError as error:
            self.notify(f"what was seen of {origin} cannot be remembered: {error}")

    def _follow_keys(self) -> LedgerView:
        """Open the newest checkpoint by the keys that followed the expected one."""
        from jenkins_notary.keys.log_key import load_log_verifier
        from jenkins_notary.ledger.rotation import open_followed_view

        view, vkeys = open_followed_view(
            self.store, self._vkeys[0], load_log_verifier, self.signatures
        )
        self._vkeys = tuple(vkeys)
        return view

    def _meet(self, view: LedgerView) -> None:
        """Say that a log is seen for the first time, and whether it follows another.

        Raises:
            IntegrityError: It claims to follow a log that was seen, and does not.
        """
        if self.choices.log is None:
            self.notify(
                f"first contact with {view.checkpoint.origin}: its key "
                f"{self._vkeys[0]} is now pinned; compare it with what its "
                "administrator publishes"
            )
        inherits = view.trust().inherits
        if inherits is None:
            return
        from jenkins_notary.keys.log_key import load_log_verifier
        from jenkins_notary.ledger.succession import follow_succession
        from jenkins_notary.tlog.checkpoint import parse_checkpoint
        from jenkins_notary.tlog.note import parse_note

        old_origin = parse_checkpoint(parse_note(inherits.checkpoint).text).origin
        old_pin = self._pins.load(old_origin)
        if old_pin is None:
            return
        done = follow_succession(old_pin, view, self.store, load_log_verifier)
        if done is not None:
            self.notify(
                f"{done.origin} follows {done.old_origin}: {done.inherited_size} "
                f"records were taken over, {done.lost} are lost"
            )

    def verifiers(self) -> list[Ed25519Verifier]:
        """Return the checkpoint verifiers for the log in the store."""
        from jenkins_notary.keys.log_key import load_log_verifier

        return [load_log_verifier(o) for o in self._vkeys or (self.first_vkey(),)]

    def followed_verifiers(self) -> list[Ed25519Verifier]:
        """Return the verifiers of the expected key and of all that followed it.

        Read without the view, so that an altered ledger can still be looked into.
        """
        self._vkeys = self._vkeys or (self.first_vkey(),)
        # Whoever checks an altered ledger with what is known will say what is wrong.
        with suppress(IntegrityError, NotFoundError):
            self._follow_keys()
        return self.verifiers()

    def _setting(self, name: str) -> str:
        """Return a setting that every ledger has."""
        value = self.store.get_setting(name)
        if value is None and self.store.checkpoint() is not None:
            raise IntegrityError(
                f"ledger {self.places.ledger_url}",
                expected=f"its {name}, as it has a checkpoint",
                got="none",
                advice="restore it from a backup",
            )
        if value is None:
            raise NotFoundError(
                f"ledger {self.places.ledger_url}",
                expected=f"an initialized ledger with its {name}",
                got="none",
                advice="jenkins-notary ledger init",
            )
        return value.decode()

    def _load_log_key(self) -> LogSigner:
        """Return the ledger's key, which must be the log's."""
        from jenkins_notary.keys.log_key import load_log_key

        signer = load_log_key(self.places.log_key)
        if signer.name != self._setting("origin"):
            raise ConfigurationError(
                f"key file {self.places.log_key}",
                expected=f"the key of {self._setting('origin')}",
                got=f"that of {signer.name}",
            )
        return signer

    def _check_current(
        self, signer: LogSigner, verifiers: Sequence[Ed25519Verifier]
    ) -> None:
        """Check that the ledger's key here is the one that signs the log now."""
        note = self.store.checkpoint()
        if note is None:
            return
        try:
            open_checkpoint(note, verifiers)
        except IntegrityError as error:
            raise ConfigurationError(
                f"key file {self.places.log_key}",
                expected=f"the key that signs {signer.name} now",
                got="another: it was rotated out, or is no key of this log",
                advice="copy the ledger's present key here",
            ) from error

    def _load_or_make_signer(self) -> Signer:
        """Return the signer's key; make the default one on first use."""
        from jenkins_notary.keys.pem import generate_signer, load_signer

        path = self.places.key
        try:
            return load_signer(path, passphrase=self.choices.passphrase)
        except NotFoundError:
            if path != find_places(None, None, self.environ).key:
                raise
        try:
            signer = generate_signer(path, passphrase=self.choices.passphrase)
        except FileExistsError:
            return load_signer(path, passphrase=self.choices.passphrase)
        self.notify(f"created signing key {path}, signer {signer.keyid}")
        return signer

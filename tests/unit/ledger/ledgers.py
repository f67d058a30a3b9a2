"""Small ledgers for the tests of this folder, with every part at hand."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.keys.log_key import LogSigner, load_log_verifier
from jenkins_notary.keys.signatures import Ed25519Signer, KeyVerifier
from jenkins_notary.ledger.author import Author, describe_signer
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.pins import Pin
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger
from jenkins_notary.ledger.view import LedgerView, open_view
from jenkins_notary.values.body import format_body
from jenkins_notary.values.statement import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.blobs.files import FileBlobs
    from jenkins_notary.engines.sqlite import SqliteStore
    from jenkins_notary.ledger.verify import VerifyReport
    from jenkins_notary.ports import Appended
    from jenkins_notary.values.body import Body

ORIGIN = "ci.example.com/test"
VERIFIER = KeyVerifier()


def digest(name: str) -> str:
    """Return the SHA-256 hex of a name: an artifact's digest."""
    return hashlib.sha256(name.encode()).hexdigest()


def person(name: str) -> Ed25519Signer:
    """Return the signer with a key of that name."""
    seed = hashlib.sha256(b"person " + name.encode()).digest()
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(seed))


def log_key(name: str, *, number: int = 0) -> LogSigner:
    """Return a log's key."""
    seed = hashlib.sha256(f"log {name} {number}".encode()).digest()
    return LogSigner(name, Ed25519PrivateKey.from_private_bytes(seed))


class StepClock:
    """A clock that goes on by one second with each call."""

    def __init__(self, start_ms: int = 1_767_323_045_000) -> None:
        self.at_ms = start_ms

    def now_ms(self) -> int:
        self.at_ms += 1000
        return self.at_ms


class Ledger:
    """A ledger with its key, an administrator, and bodies."""

    def __init__(
        self,
        store: MemoryStore | SqliteStore | None = None,
        *,
        origin: str = ORIGIN,
        blobs: MemoryBlobs | FileBlobs | None = None,
        administrators: Sequence[str] = ("admin",),
        threshold: int = 1,
    ) -> None:
        self.store: Any = MemoryStore() if store is None else store
        self.blobs = MemoryBlobs() if blobs is None else blobs
        self.key = log_key(origin)
        self.verifiers = [load_log_verifier(self.key.vkey)]
        self.clock = StepClock()
        self.sequencer = Sequencer(self.store, self.key, self.verifiers, self.clock)
        self._calls = 0
        if self.store.head() is None:
            append_genesis(
                self.sequencer,
                self.author(*administrators),
                origin,
                threshold=threshold,
            )

    def author(self, *names: str) -> Author:
        """Return an author for one call."""
        self._calls += 1
        record_id = hashlib.sha256(f"{id(self)} {self._calls}".encode()).hexdigest()
        signers = tuple(person(name) for name in names or ("admin",))
        return Author(signers, record_id[:32], self.clock.at_ms)

    def add(
        self,
        name: str,
        status: str = "TRUSTED",
        *,
        by: str = "admin",
        job: str = "ci.example.com:payments/main#42",
        commit: str | None = None,
        **facts: object,
    ) -> int:
        """Record an artifact; return the record's index."""
        others = {} if commit is None else {"gitCommit": commit}
        envelope = self.author(by).sign(
            "notarization",
            [Subject(name, digest(name), others)],
            {
                "status": status,
                "job": {"id": job},
                "assets": [{"kind": "file", "name": name, "subjects": [0]}],
                **facts,
            },
        )
        return self.append(envelope)[0].index

    def fill(self, count: int) -> None:
        """Record many artifacts in a few commits."""
        for start in range(0, count, 1000):
            self.append(
                *(
                    self.author().sign(
                        "notarization",
                        [Subject(f"f{place}", digest(f"f{place}"))],
                        {"status": "TRUSTED", "job": {"id": f"ci:fill#{place + 1}"}},
                    )
                    for place in range(start, min(start + 1000, count))
                )
            )

    def attach(self, data: bytes, *, label: str = "log", by: str = "admin") -> int:
        """Record a body; return the record's index."""
        body = self.put(data)
        envelope = self.author(by).sign(
            "attachment",
            [Subject("log.txt", body.sha256_hex)],
            {
                "attachments": [
                    {"name": "log.txt", "label": label, "body": format_body(body)}
                ]
            },
        )
        return self.append(envelope)[0].index

    def put(self, data: bytes) -> Body:
        """Store a body."""
        return self.blobs.put(io.BytesIO(data))

    def order(
        self, action: str, *, by: Sequence[str] = ("admin",), **facts: object
    ) -> int:
        """Record a trust record; return its index."""
        envelope = self.author(*by).sign(
            "trust", [], {"action": action, "origin": self.key.name, **facts}
        )
        return self.append(envelope)[0].index

    def enrol(self, name: str, level: int = 1) -> int:
        """Enrol a signer; return the record's index."""
        described = describe_signer(person(name))
        return self.order(
            "enrol",
            signerId=described["id"],
            publicKey=described["publicKey"],
            level=level,
        )

    def append(self, *envelopes: bytes) -> list[Appended]:
        """Append envelopes."""
        return self.sequencer.append(list(envelopes))

    def view(self) -> LedgerView:
        """Return the newest view."""
        return open_view(self.store, self.verifiers, VERIFIER)

    def pin(self) -> Pin:
        """Return a pin of the newest checkpoint."""
        return Pin(self.key.vkey, self.view().note)

    def verify(self, *, bodies: bool = True, signatures: bool = True) -> VerifyReport:
        """Check the whole ledger in this process."""
        options = VerifyOptions(
            with_signatures=signatures,
            open_blobs=(lambda: self.blobs) if bodies else None,
        )
        return verify_ledger(self.store, self.verifiers, KeyVerifier, options)

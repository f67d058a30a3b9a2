"""Build records, trust and whole logs for tests: real keys, real signatures."""

from __future__ import annotations

import hashlib
import itertools
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.keys.log_key import LogSigner, load_log_verifier
from jenkins_notary.keys.signatures import Ed25519Signer, KeyVerifier
from jenkins_notary.ledger.author import Author, describe_signer
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.view import open_view
from jenkins_notary.trust.record import ProvenRecord
from jenkins_notary.trust.signers import Trust
from jenkins_notary.trust.verdict import TrustRule, decide
from jenkins_notary.values.envelope import (
    PAYLOAD_TYPE,
    Signature,
    format_envelope,
    pae,
    parse_envelope,
)
from jenkins_notary.values.leaf import project_leaf
from jenkins_notary.values.statement import (
    Subject,
    format_statement,
    parse_statement,
    predicate_uri,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Store
    from jenkins_notary.tlog.note import Ed25519Verifier
    from jenkins_notary.trust.verdict import Verdict

ORIGIN = "log.example.com/0a1b2c3d"
VERIFIER = KeyVerifier()
_record_ids = itertools.count()


@cache
def key(name: str) -> Ed25519Signer:
    """Return the key of a name, the same in every run."""
    seed = hashlib.sha256(name.encode()).digest()
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(seed))


def sid(name: str) -> str:
    """Return the signer id of a name."""
    return key(name).keyid


def digest(name: str) -> str:
    """Return the SHA-256 hex of a name: the digest of an asset of that name."""
    return hashlib.sha256(name.encode()).hexdigest()


def author(*names: str) -> Author:
    """Return an author with a record id of its own."""
    record_id = f"{next(_record_ids):032x}"
    return Author(tuple(key(name) for name in names), record_id, 1_700_000_000_000)


def notarization(
    status: str | None,
    names: Sequence[str],
    by: Sequence[str] = ("ci",),
    **facts: object,
) -> bytes:
    """Return the envelope of a notarization; several names are one linked asset."""
    described: dict[str, object] = {
        "assets": [{"kind": "image", "subjects": list(range(len(names)))}],
        "status": status,
    }
    subjects = [Subject(name, digest(name)) for name in names]
    return author(*by).sign("notarization", subjects, {**described, **facts})


def trust_act(action: str, by: Sequence[str] = ("admin",), **facts: object) -> bytes:
    """Return the envelope of a trust record."""
    return author(*by).sign("trust", [], {"action": action, **facts})


def enrolment(name: str, level: int = 1, orgs: Sequence[str] = ()) -> dict[str, Any]:
    """Return the facts that enrol a name's key."""
    return {
        "signerId": sid(name),
        "publicKey": b64encode(key(name).public_der).decode(),
        "level": level,
        "orgs": list(orgs),
    }


def genesis_facts(names: Sequence[str], threshold: int = 1) -> dict[str, Any]:
    """Return the facts of a genesis."""
    return {
        "origin": ORIGIN,
        "administrators": [describe_signer(key(name)) for name in names],
        "threshold": threshold,
    }


def forge(envelope: bytes, keyid: str, sig: bytes | None = None) -> bytes:
    """Return an envelope whose signature claims to be another signer's."""
    parsed = parse_envelope(envelope)
    sig = parsed.signatures[0].sig if sig is None else sig
    return format_envelope(parsed.payload, (Signature(keyid, sig),))


def foreign(
    predicate_type: str, names: Sequence[str], facts: Mapping[str, object], by: str
) -> bytes:
    """Return the envelope of a statement with a standard predicate."""
    subjects = [Subject(name, digest(name)) for name in names]
    predicate = {"jenkinsNotary_record": {"signer": describe_signer(key(by)), **facts}}
    return author(by).sign_payload(
        format_statement(predicate_type, subjects, predicate)
    )


def sign_predicate(own_type: str, predicate: object, *names: str) -> bytes:
    """Return the envelope of any predicate, signed as it is."""
    payload = format_statement(predicate_uri(own_type), [], predicate)  # type: ignore[arg-type]  # Any shape is the point.
    message = pae(PAYLOAD_TYPE, payload)
    signed = tuple(Signature(sid(name), key(name).sign(message)) for name in names)
    return format_envelope(payload, signed)


def prove(envelope_bytes: bytes, index: int, at_ms: int | None = None) -> ProvenRecord:
    """Return the proven record of an envelope, as a ledger would hand it out."""
    envelope = parse_envelope(envelope_bytes)
    statement = parse_statement(envelope.payload)
    leaf = project_leaf(
        envelope_bytes, envelope, statement, 1000 + index if at_ms is None else at_ms
    )
    return ProvenRecord(index, leaf, envelope, statement)


class Records:
    """A log of proven records without a tree; record 0 is a genesis."""

    def __init__(self, admins: Sequence[str] = ("admin",), threshold: int = 1) -> None:
        self.all: list[ProvenRecord] = []
        self.add(trust_act("genesis", admins, **genesis_facts(admins, threshold)))

    def add(self, envelope: bytes, at_ms: int | None = None) -> int:
        self.all.append(prove(envelope, len(self.all), at_ms))
        return len(self.all) - 1

    def enrol(self, name: str, level: int = 1, *orgs: str) -> int:
        return self.add(trust_act("enrol", **enrolment(name, level, orgs)))

    def act(self, action: str, by: Sequence[str] = ("admin",), **facts: object) -> int:
        return self.add(trust_act(action, by, **facts))

    def note(
        self, status: str | None, *names: str, by: str = "ci", **facts: object
    ) -> int:
        return self.add(notarization(status, names, (by,), **facts))

    def erase(self, index: int, erased_by: int = 99) -> None:
        self.all[index] = self.all[index]._replace(
            envelope=None, statement=None, erased_by=erased_by
        )

    def trust(self) -> Trust:
        trust = Trust(VERIFIER)
        for record in self.all:
            if record.leaf.type == "trust":
                trust.apply(record)
        return trust

    def decide(self, name: str, rule: TrustRule = TrustRule()) -> Verdict:  # noqa: B008 - immutable
        return decide(digest(name), self.all, self.trust(), rule, verifier=VERIFIER)

    def status(self, name: str, rule: TrustRule = TrustRule()) -> str:  # noqa: B008 - immutable
        return self.decide(name, rule).status.name


class TickingClock:
    """A clock that a test sets."""

    def __init__(self, at_ms: int = 1_700_000_000_000, step_ms: int = 1) -> None:
        self.at_ms = at_ms
        self.step_ms = step_ms

    def now_ms(self) -> int:
        self.at_ms += self.step_ms
        return self.at_ms


class Log:
    """A whole log on a store: sequencer, key and views."""

    def __init__(
        self, store: Store | None = None, origin: str = ORIGIN, *, begin: bool = True
    ) -> None:
        self.store: Any = MemoryStore() if store is None else store
        self.signer = LogSigner(origin, Ed25519PrivateKey.generate())
        self.verifiers: list[Ed25519Verifier] = [load_log_verifier(self.signer.vkey)]
        self.clock = TickingClock()
        self.sequencer = self.another()
        if begin:
            append_genesis(self.sequencer, author("admin"), origin)

    def another(self) -> Sequencer:
        """Return a second writer of the same log."""
        return Sequencer(self.store, self.signer, self.verifiers, self.clock)

    def append(self, *envelopes: bytes) -> list[int]:
        return [one.index for one in self.sequencer.append(envelopes)]

    def note(
        self, status: str | None, *names: str, by: str = "ci", **facts: object
    ) -> int:
        return self.append(notarization(status, names, (by,), **facts))[0]

    def enrol(self, name: str, level: int = 1, *orgs: str) -> int:
        return self.append(trust_act("enrol", **enrolment(name, level, orgs)))[0]

    def view(self) -> LedgerView:
        return open_view(self.store, self.verifiers, VERIFIER)

    def status(self, name: str, rule: TrustRule = TrustRule()) -> str:  # noqa: B008 - immutable
        return self.view().verdict(digest(name), rule).status.name

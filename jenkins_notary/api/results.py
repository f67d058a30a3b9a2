"""Hold what the commands answer, with the JSON form that scripts rely on.

Source: DESIGN section 7 (JSON contract).
"""

from __future__ import annotations

from jenkins_notary.ledger.author import format_time
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.errors import NotaryError
    from jenkins_notary.ports import ServerStanding
    from jenkins_notary.trust.record import ProvenRecord


class AssetRecord(NamedTuple):
    """One asset that was recorded.

    Attributes:
        name: As recorded.
        kind: The asset's kind.
        digest: ``sha256:`` and 64 hex digits.
        ref: ``name@sha256:...`` for images, or None.
        size: Bytes, or None.
        status: What was recorded.
        job: The full job id, or None.
        signer: The signer id.
        timestamp: Commit time, RFC 3339 UTC.
        index: The record's place in the log.
        receipt: The tlog-proof's text.
    """

    name: str
    kind: str
    digest: str
    ref: str | None
    size: int | None
    status: Status
    job: str | None
    signer: str
    timestamp: str
    index: int  # type: ignore[assignment]  # It hides tuple.index.
    receipt: str

    @property
    def code(self) -> int:
        """Return 0: it was recorded."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = self._asdict()
        value["status"] = self.status.name
        value["code"] = self.code
        return value


class AsOf(NamedTuple):
    """The state of the log that an answer holds for.

    Attributes:
        tree_size: Records that were seen.
        timestamp: Commit time of the last of them, RFC 3339 UTC.
    """

    tree_size: int
    timestamp: str


class AssetVerdict(NamedTuple):
    """The ledger's word on one asset, or why there is none.

    Attributes:
        name: The asset as asked for.
        kind: The asset's kind, or "" when it could not be read.
        digest: Its digest, or "".
        ref: ``name@sha256:...`` for images, or None.
        size: Bytes, or None.
        status: The verdict, or None when there is an error.
        record: The record that decides, or None.
        job: The job id that the record claims, or None.
        as_of: The state of the log, or None when there is an error.
        reason: Why.
        advice: What to do next, or "".
        error: Why there is no verdict, or None.
        changes: Directories: how the tree differs from the one recorded before.
        receipt: The deciding record's tlog-proof, or None.
    """

    name: str
    kind: str
    digest: str
    ref: str | None
    size: int | None
    status: Status | None
    record: ProvenRecord | None
    job: str | None
    as_of: AsOf | None
    reason: str
    advice: str
    error: NotaryError | None
    changes: dict[str, list[str]] | None
    receipt: str | None

    @property
    def code(self) -> int:
        """Return the exit code: the status, or that of the error."""
        if self.error is not None:
            return self.error.exit_code
        return Status.UNKNOWN.value if self.status is None else self.status.value

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        leaf = None if self.record is None else self.record.leaf
        value: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "digest": self.digest,
            "ref": self.ref,
            "size": self.size,
            "status": None if self.status is None else self.status.name,
            "code": self.code,
            "job": self.job,
            "signer": leaf and leaf.signer,
            "timestamp": leaf and format_time(leaf.at_ms),
            "index": self.record and self.record.index,
            "receipt": self.receipt,
            "as_of": self.as_of and self.as_of._asdict(),
            "reason": self.reason,
            "advice": self.advice,
        }
        if self.changes is not None:
            value["changes"] = self.changes
        if self.error is not None:
            value["error"] = self.error.to_dict()
        return value


class RecordView(NamedTuple):
    """One proven record, for people and programs.

    Attributes:
        record: The record.
        standing: ``enrolled``, ``revoked``, ``not enrolled`` (nobody vouches for the
            signer) or ``erased``; a bad signature never gets here.
        receipt: Its tlog-proof's text, or None when not asked for.
        engine_proof: Where it stands in immudb, or None when not asked for.
    """

    record: ProvenRecord
    standing: str
    receipt: str | None
    engine_proof: EngineProof | None = None

    @property
    def code(self) -> int:
        """Return 0: it was found and proven."""
        return 0

    @property
    def job(self) -> str | None:
        """Return the job id that the record claims, or None."""
        statement = self.record.statement
        return None if statement is None else statement.job_id

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the leaf's facts, then what the statement says.

        ``name`` to ``size`` are those of the record's first asset.
        """
        index, leaf, _, statement, erased_by = self.record
        value: dict[str, Any] = {
            **_describe_first(self.record),
            "index": index,
            "type": leaf.type,
            "timestamp": format_time(leaf.at_ms),
            "signer": leaf.signer,
            "standing": self.standing,
            "status": leaf.status and leaf.status.name,
            "code": self.code,
            "job": self.job,
            "digests": [f"sha256:{one}" for one in leaf.subjects],
            "supersedes": list(leaf.supersedes),
            "envelope": f"sha256:{leaf.envelope_hex}",
            "erased_by": erased_by,
            "receipt": self.receipt,
        }
        if statement is not None:
            value["predicate_type"] = statement.predicate_type
            value["subjects"] = [
                {
                    "name": one.name,
                    "digest": {"sha256": one.sha256_hex, **one.others},
                }
                for one in statement.subjects
            ]
            value["predicate"] = dict(statement.predicate)
        if self.engine_proof is not None:
            value["engine_proof"] = self.engine_proof.to_dict()
        return value


class EngineProof(NamedTuple):
    """Where a record stands in immudb, proven there.

    Attributes:
        ledger: The database's URL.
        database: Its name.
        transaction: What set the record, and the keys that lead to it.
        keys: (kind, key, revision): ``leaf``, ``checksum`` or ``job``; the key as an
            operator types it; which of the key's values it is, by immudb's word, or
            None.
        state_transaction: The newest state that was verified; all is proven to it.
        state_hash: That state's hash, hex.
        state_signed: Whether its signature was checked with the server's pinned key.
    """

    ledger: str
    database: str
    transaction: int
    keys: tuple[tuple[str, str, int | None], ...]
    state_transaction: int
    state_hash: str
    state_signed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "engine": "immudb",
            "ledger": self.ledger,
            "database": self.database,
            "transaction": self.transaction,
            "keys": [
                {"kind": kind, "key": key, "revision": revision}
                for kind, key, revision in self.keys
            ],
            "verified": ["inclusion", "dual proof"],
            "state": {
                "transaction": self.state_transaction,
                "hash": self.state_hash,
                "signed": self.state_signed,
            },
        }


def _describe_first(record: ProvenRecord) -> dict[str, Any]:
    """Return what the JSON form says of a record's first asset or subject."""
    leaf, statement = record.leaf, record.statement
    digest = leaf.subjects[0] if leaf.subjects else None
    name, asset = None, {}
    if statement is not None and statement.subjects:
        name, digest = statement.subjects[0].name, statement.subjects[0].sha256_hex
        assets = statement.predicate.get("assets")
        if isinstance(assets, list) and assets and isinstance(assets[0], dict):
            asset = assets[0]
    return {
        "name": asset.get("name", name),
        "kind": asset.get("kind", leaf.type),
        "digest": digest and f"sha256:{digest}",
        "ref": asset.get("ref"),
        "size": asset.get("size"),
    }


class LedgerStatus(NamedTuple):
    """Where a ledger stands.

    Attributes:
        origin: The log's name.
        vkey: Its verifier key.
        tree_size: Records.
        root: The main tree's root, hex.
        trust_size: Records that can change a verdict.
        checkpoint: The signed note's text.
        engine: Where it lives.
        ledger: Its URL.
        timestamp: Commit time of the last record, RFC 3339 UTC.
        servers: Where each server of a ledger on several stands.
    """

    origin: str
    vkey: str
    tree_size: int
    root: str
    trust_size: int
    checkpoint: str
    engine: str
    ledger: str
    timestamp: str
    servers: tuple[ServerStanding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; servers only where there are several."""
        value = self._asdict()
        del value["servers"]
        if self.servers:
            value["servers"] = [one._asdict() for one in self.servers]
        return value


class KeyInfo(NamedTuple):
    """A signer's key.

    Attributes:
        signer: The signer id.
        kind: ``ed25519`` or ``ecdsa-p256``.
        path: The private key's file.
        pem: The public key's PEM.
    """

    signer: str
    kind: str
    path: str
    pem: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self._asdict()


class SignerInfo(NamedTuple):
    """One signer that a ledger knows.

    Attributes:
        signer: The signer id.
        level: Its level.
        orgs: Orgs that it belongs to now.
        administrator: Whether it may sign trust records.
        enrolled_at: Index of its enrolment.
        revoked_from: First index that is revoked, or None.
    """

    signer: str
    level: int
    orgs: tuple[str, ...]
    administrator: bool
    enrolled_at: int
    revoked_from: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**self._asdict(), "orgs": list(self.orgs)}


class Check(NamedTuple):
    """One thing that ``doctor`` looked at.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it should be.
        found: What was found.
        advice: What to do, or "".
        code: 0, or the exit code of the fault.
    """

    name: str
    ok: bool
    found: str
    advice: str
    code: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self._asdict()

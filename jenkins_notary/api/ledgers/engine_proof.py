"""Prove records by the engine that keeps them: only immudb has proofs of its own."""

from __future__ import annotations

from jenkins_notary.api.results import EngineProof
from jenkins_notary.engines.immudb.url import parse_url
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.ledger.rows import derive_rows
from jenkins_notary.values.digest import digest_hex, parse_digest
from jenkins_notary.values.leaf import parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.engines.immudb.standing import Stand
    from jenkins_notary.engines.immudb.store import ImmudbStore
    from jenkins_notary.ports import Row
    from jenkins_notary.trust.record import ProvenRecord

_KINDS = {"subject": "checksum", "name": "job"}


def check_engine(engine: str) -> None:
    """Check that an engine proves by itself what it keeps.

    Raises:
        UsageError: It does not.
    """
    if engine != "immudb":
        raise UsageError(
            "--engine-proof",
            expected="a ledger in immudb: only immudb has proofs of its own",
            got=engine,
            advice="--receipt shows the proof that any ledger has",
        )


def prove_records(
    session: Session, digest: str, records: Sequence[RecordView]
) -> list[RecordView]:
    """Return proven records of a digest, each with where it stands in immudb.

    Args:
        session: The ledger, in immudb; see :func:`check_engine`.
        digest: What they were found by.
        records: The records.

    Raises:
        IntegrityError: One is not proven there, or has another leaf there.
    """
    store: ImmudbStore = session.store  # type: ignore[assignment]  # As was checked.
    subject = bytes.fromhex(digest_hex(parse_digest(digest)))
    found = []
    for one in records:
        record = one.record
        rows = [
            row
            for row in derive_rows(record.index, record.leaf, record.statement)
            if row.kind == "name" or (row.kind, row.key) == ("subject", subject)
        ]
        stand = store.find_stand(record.index, rows)
        _check_leaf(record, stand)
        proof = _describe(session.places.ledger_url, rows, stand)
        found.append(one._replace(engine_proof=proof))
    return found


def _check_leaf(record: ProvenRecord, stand: Stand) -> None:
    """Check that immudb proves the very leaf that the log does."""
    subject = f"record #{record.index} in immudb transaction {stand.tx}"
    if parse_leaf(stand.leaf, subject=subject) != record.leaf:
        raise IntegrityError(
            subject,
            expected="the leaf that is in the log",
            got="another",
            advice="run jenkins-notary ledger verify",
        )


def _describe(url: str, rows: Sequence[Row], stand: Stand) -> EngineProof:
    """Return for people and programs where a record stands."""
    kinds = ["leaf", *(_KINDS[row.kind] for row in rows)]
    places = tuple(
        (kind, key.decode("utf-8", "backslashreplace"), revision)
        for kind, (key, revision) in zip(kinds, stand.places, strict=True)
    )
    return EngineProof(
        url,
        parse_url(url).database,
        stand.tx,
        places,
        stand.state_tx,
        stand.state_hash.hex(),
        stand.is_signed,
    )

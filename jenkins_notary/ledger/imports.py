"""Make import records of another log's records, and find how far they have come.

Each record of the other log becomes one of type ``import``, with the same subjects,
job, status and assets, signed by who brings it. Its predicate says where from::

    {"imported": {"origin": "edge.example.com/1a2b3c4d", "index": 41,
                  "type": "notarization", "signer": "0x...", "at": 1767323045000,
                  "envelope": {"sha256": "<64 hex>", "text": "<the DSSE envelope>"},
                  "receipt": "<the C2SP tlog-proof of the record>"}}

One more subject, a digest of the other log's origin, leads to all that came from it:
the newest of these imports tells where to go on, for whoever has a ledger and no memory
of its own. Imports come in the order of their log, and leave none out.

- What means something in its own log only (trust, administration, erasure) is evidence
  and has no status here. So is what another log had imported itself.
- ``supersedes`` is not taken over: an import lifts nothing.
- An erased record comes without an envelope; a negative one keeps its status.
- An envelope of more than 4 MiB is named by its digest alone.
"""

from __future__ import annotations

import hashlib

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.receipt import parse_receipt
from jenkins_notary.trust.imports import TYPE, may_import
from jenkins_notary.trust.record import check_author, check_signature
from jenkins_notary.values.leaf import check_agreement
from jenkins_notary.values.statement import Subject, is_index
from jenkins_notary.values.status import NEGATIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ledger.author import Author
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Verifier
    from jenkins_notary.values.leaf import Leaf
    from jenkins_notary.values.statement import Statement

MAX_TEXT_BYTES = 4 << 20
"""The longest envelope that is kept in an import."""

LOCAL_TYPES = frozenset({"administration", "erasure", "trust", TYPE})
"""Types whose records say something of their own log only."""

_CONTEXT = b"jenkins-notary origin\n"


class Progress(NamedTuple):
    """How far a log was imported.

    Attributes:
        size: Records of it that are here.
        note: A checkpoint of it that an import holds, or None before the first.
    """

    size: int
    note: bytes | None


def hash_origin(origin: str) -> str:
    """Return the digest that all imports from a log name, as hex.

    >>> hash_origin("edge.example.com/1a2b3c4d")[:16]
    'd5e85411b5d1b0d0'
    """
    return hashlib.sha256(_CONTEXT + origin.encode()).hexdigest()


def make_import(
    source: LedgerView,
    index: int,
    data: bytes | None,
    *,
    author: Author,
    signatures: Verifier,
) -> bytes:
    """Return the envelope of an import, once all that it says was checked.

    Args:
        source: The other log at a checkpoint that its key has signed.
        index: Which of its records.
        data: The record's envelope; None if there is none.
        author: Who brings it.
        signatures: Signature checks.

    Raises:
        IntegrityError: The leaf is not in the log, the envelope is not the leaf's or
            not by its signer, or is gone without an erasure.
    """
    where = f"record #{index} of {source.checkpoint.origin}"
    _, leaf = source.leaf(index)
    statement = None
    if data is None:
        source.record(index)
    else:
        envelope, statement = check_agreement(leaf, data, subject=where)
        check_author(envelope, statement, signatures, subject=where)
    kept: dict[str, object] = {"sha256": leaf.envelope_hex}
    if data is not None and len(data) <= MAX_TEXT_BYTES:
        kept["text"] = data.decode()
    origin = source.checkpoint.origin
    facts = {
        **_repeat(leaf, statement),
        "imported": {
            "origin": origin,
            "index": index,
            "type": leaf.type,
            "signer": leaf.signer,
            "at": leaf.at_ms,
            "envelope": kept,
            "receipt": make_receipt(source, index).decode(),
        },
    }
    named = (
        [Subject("", one) for one in leaf.subjects]
        if statement is None
        else list(statement.subjects)
    )
    return author.sign(TYPE, [*named, Subject(origin, hash_origin(origin))], facts)


def find_progress(here: LedgerView, origin: str, signatures: Verifier) -> Progress:
    """Return how far a log was imported here.

    Only imports by those who may import from it are believed: anyone may append. One
    whose envelope was erased is counted by its leaf.

    Cost: one record and those newer ones that were erased; a leaf of each other one.

    Raises:
        IntegrityError: This ledger was altered.
    """
    trust = here.trust()
    erased = 0
    for index in here.find_digest(hash_origin(origin)):
        _, leaf = here.leaf(index)
        if leaf.type != TYPE or not may_import(trust, leaf.signer, origin, index):
            continue
        record = here.record(index)
        if record.statement is None:
            erased += 1
            continue
        check_signature(record, trust.signers[leaf.signer].public_der, signatures)
        found = _read(record.statement, origin)
        if found is not None:
            return found._replace(size=found.size + erased)
    return Progress(erased, None)


def is_unheard(leaf: Leaf) -> bool:
    """Return whether a record of another log says nothing of its digests here."""
    return leaf.type in LOCAL_TYPES or leaf.status is None


def _repeat(leaf: Leaf, statement: Statement | None) -> dict[str, object]:
    """Return what an import says as its record does."""
    is_said = not is_unheard(leaf) and (statement or leaf.status in NEGATIVE)
    status = leaf.status.name if is_said and leaf.status is not None else None
    if statement is None:
        return {"status": status}
    facts = statement.facts
    return {
        "job": facts.get("job"),
        "status": status,
        "reason": facts.get("reason"),
        "assets": facts.get("assets"),
    }


def _read(statement: Statement, origin: str) -> Progress | None:
    """Return how far a log was imported by what an import says; None if of another."""
    imported = statement.facts.get("imported")
    if not isinstance(imported, dict) or imported.get("origin") != origin:
        return None
    index, receipt = imported.get("index"), imported.get("receipt")
    if not is_index(index) or not isinstance(receipt, str):
        raise IntegrityError(
            f"import from {origin}", expected="an index and a receipt", got="others"
        )
    assert isinstance(index, int)  # noqa: S101 - is_index has said so
    return Progress(index + 1, parse_receipt(receipt.encode()).checkpoint_note)

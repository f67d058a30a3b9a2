"""Project an envelope to its leaf: the entry that the log holds for ever.

A leaf holds digests and closed words only, no person, no name, no free text::

    {"at":1767323045000,"envelope":"<64 hex>","job":"<64 hex>","signer":"0x<40 hex>",
     "status":"TRUSTED","subjects":["<64 hex>"],"supersedes":[12],
     "type":"notarization","v":1}

``envelope`` is the SHA-256 of the envelope's bytes, ``job`` that of the full job id,
``subjects`` are sorted and unique, ``at`` is the commit time in ms UTC that the
sequencer set. ``job``, ``status`` and ``supersedes`` stand only where the statement
has them. Leaf and envelope must agree field by field, ``at`` apart.

The trust log repeats, for the records that can change a verdict, the leaf with its
place in the main log::

    {"index":7,"leaf":{...}}

Source: DESIGN sections 4 and 5.
"""

from __future__ import annotations

import hashlib
import re

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.statement import (
    MAX_IMPORT_SUBJECTS,
    is_index,
    parse_statement,
)
from jenkins_notary.values.status import NEGATIVE, RECORDED, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.values.envelope import Envelope
    from jenkins_notary.values.statement import Statement

VERSION = 1
MAX_BYTES = 65_535
"""The longest entry of a tile (C2SP tlog-tiles, entry bundles)."""

MAX_LEAF_BYTES = MAX_BYTES - 64
"""The longest leaf: it must fit into a tile with its trust entry's frame around it."""

_SIGNER = re.compile(r"0x[0-9a-f]{40}")
_TYPE = re.compile(r"[a-z][a-z-]{0,31}")
_REQUIRED = frozenset({"at", "envelope", "signer", "subjects", "type", "v"})
_OPTIONAL = frozenset({"job", "status", "supersedes"})
_STATUS = {status.name: status for status in RECORDED}
_NAME_CONTEXT = "jenkins-notary job name\n"


class Leaf(NamedTuple):
    """A parsed leaf; proven only when its hash was.

    Attributes:
        type: The record type.
        envelope_hex: SHA-256 of the envelope's bytes.
        signer: The signer id of the envelope's first signature, or "" for none of
            ours.
        subjects: Sorted unique SHA-256 hex digests.
        at_ms: Commit time in milliseconds UTC.
        job_hex: SHA-256 of the full job id, or None.
        status: The recorded status, or None.
        supersedes: Indexes of the records that this one lifts.
    """

    type: str
    envelope_hex: str
    signer: str
    subjects: tuple[str, ...]
    at_ms: int
    job_hex: str | None
    status: Status | None
    supersedes: tuple[int, ...]

    @property
    def counts_for_trust(self) -> bool:
        """Return whether the record stands in the trust log too.

        Everything that can make a verdict worse or better than its positive
        records: a negative status, a superseding record, and trust records.
        """
        return (
            self.status in NEGATIVE or bool(self.supersedes) or self.type in TRUST_TYPES
        )


TRUST_TYPES = frozenset({"trust"})
"""Record types that stand in the trust log whatever their status."""


def hash_job(job_id: str) -> str:
    """Return the SHA-256 hex of a full job id, as a leaf holds it."""
    return hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()


def hash_job_name(name: str, instance: str | None = None) -> str:
    """Return the SHA-256 hex by which a job's or folder's name is found.

    Args:
        name: Full name of a job or folder.
        instance: The controller's instance; None for any.

    >>> hash_job_name("payments/api", "ci.example.com")[:16]
    'feea19b12c14c937'
    """
    where = f"{instance}:" if instance else ""
    text = f"{_NAME_CONTEXT}{where}{name}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def project_leaf(
    envelope_bytes: bytes, envelope: Envelope, statement: Statement, at_ms: int
) -> Leaf:
    """Return the leaf of an envelope and its statement.

    Args:
        envelope_bytes: The envelope as it is kept.
        envelope: The same, parsed.
        statement: The statement in its payload.
        at_ms: Commit time, set by the sequencer.
    """
    keyid = envelope.signatures[0].keyid
    job = statement.job_id
    return Leaf(
        statement.type,
        hashlib.sha256(envelope_bytes).hexdigest(),
        keyid if _SIGNER.fullmatch(keyid) else "",
        tuple(sorted({one.sha256_hex for one in statement.subjects})),
        at_ms,
        None if job is None else hash_job(job),
        statement.status,
        statement.supersedes,
    )


def format_leaf(leaf: Leaf) -> bytes:
    """Return the entry's bytes.

    Raises:
        UsageError: The entry would be longer than a tile can hold.
    """
    entry = canonical_json(_leaf_object(leaf))
    if len(entry) > MAX_LEAF_BYTES:
        raise UsageError(
            "record",
            expected=f"a leaf of at most {MAX_LEAF_BYTES} bytes",
            got=f"{len(entry)} bytes",
            advice="name fewer superseded records",
        )
    return entry


def stamp_leaf(entry: bytes, at_ms: int) -> bytes:
    """Return a leaf's entry with another commit time, which is its first key.

    >>> stamp_leaf(b'{"at":1,"envelope":"","signer":""}', 27)
    b'{"at":27,"envelope":"","signer":""}'
    """
    return b'{"at":%d%b' % (at_ms, entry[entry.index(b",") :])


def parse_leaf(entry: bytes, *, subject: str = "leaf") -> Leaf:
    """Return the leaf in an entry's bytes; inverse of :func:`format_leaf`.

    Raises:
        IntegrityError: Not a leaf of version 1, or not in its one form.
    """
    value = load_json(entry, subject=subject, limit=MAX_LEAF_BYTES)
    leaf = _parse_object(value, subject)
    # Of what was understood, not of what was read: `"job":null` or `"v":1.0` would be
    # a second spelling of the same leaf.
    if canonical_json(_leaf_object(leaf)) != entry:
        raise IntegrityError(subject, expected="canonical JSON", got="another form")
    return leaf


def format_trust_entry(index: int, leaf: Leaf) -> bytes:
    """Return the trust log's entry for the record at an index of the main log."""
    return canonical_json({"index": index, "leaf": _leaf_object(leaf)})


def parse_trust_entry(
    entry: bytes, *, subject: str = "trust entry"
) -> tuple[int, Leaf]:
    """Return (index in the main log, leaf) of an entry of the trust log.

    Raises:
        IntegrityError: Not an entry of the trust log, or not in its one form.
    """
    value = load_json(entry, subject=subject, limit=MAX_BYTES)
    if (
        not isinstance(value, dict)
        or value.keys() != {"index", "leaf"}
        or not is_index(value["index"])
    ):
        raise IntegrityError(subject, expected="an index and a leaf")
    index, leaf = value["index"], _parse_object(value["leaf"], subject)
    if format_trust_entry(index, leaf) != entry:
        raise IntegrityError(subject, expected="canonical JSON", got="another form")
    return index, leaf


def check_agreement(
    leaf: Leaf, envelope_bytes: bytes, *, subject: str
) -> tuple[Envelope, Statement]:
    """Check that an envelope is the one that a proven leaf names, field by field.

    Args:
        leaf: A proven leaf.
        envelope_bytes: What the store holds for ``leaf.envelope_hex``.
        subject: Which record, for the message.

    Returns:
        The envelope and its statement; signatures are not verified here.

    Raises:
        IntegrityError: Another envelope, or one whose fields differ from the leaf.
    """
    got = hashlib.sha256(envelope_bytes).hexdigest()
    if got != leaf.envelope_hex:
        raise IntegrityError(
            f"{subject} envelope", expected=f"SHA-256 {leaf.envelope_hex}", got=got
        )
    envelope = parse_envelope(envelope_bytes, subject=f"{subject} envelope")
    statement = parse_statement(envelope.payload, subject=f"{subject} statement")
    made = project_leaf(envelope_bytes, envelope, statement, leaf.at_ms)
    for field, left, right in zip(leaf._fields, leaf, made):
        if left != right:
            raise IntegrityError(
                f"{subject} {field}", expected=f"{left} (leaf)", got=f"{right}"
            )
    return envelope, statement


def _leaf_object(leaf: Leaf) -> dict[str, object]:
    """Return the JSON object of a leaf."""
    value: dict[str, object] = {
        "at": leaf.at_ms,
        "envelope": leaf.envelope_hex,
        "signer": leaf.signer,
        "subjects": list(leaf.subjects),
        "type": leaf.type,
        "v": VERSION,
    }
    if leaf.job_hex is not None:
        value["job"] = leaf.job_hex
    if leaf.status is not None:
        value["status"] = leaf.status.name
    if leaf.supersedes:
        value["supersedes"] = list(leaf.supersedes)
    return value


def _parse_object(value: object, subject: str) -> Leaf:
    """Return the leaf in a JSON object, every field checked."""
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise IntegrityError(
            subject,
            expected=f"a leaf of version {VERSION}",
            got=repr(value)[:60],
            advice="a newer program may have written it: upgrade",
        )
    if not (_REQUIRED <= value.keys() <= _REQUIRED | _OPTIONAL):
        keys = str(sorted(value))[:120]
        raise IntegrityError(subject, expected="a leaf's keys", got=keys)
    wrong = [key for key, check in _CHECKS.items() if not check(value.get(key))]
    if wrong:
        raise IntegrityError(
            f"{subject} {wrong[0]}",
            expected="the form of a leaf",
            got=repr(value[wrong[0]])[:60],
        )
    word = value.get("status")
    return Leaf(
        value["type"],
        value["envelope"],
        value["signer"],
        tuple(value["subjects"]),
        value["at"],
        value.get("job"),
        None if word is None else _STATUS[word],
        tuple(value.get("supersedes") or ()),
    )


def _is_subject_list(value: object) -> bool:
    """Return whether a value is a sorted list of unique hex digests."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_IMPORT_SUBJECTS
        and all(is_hex_digest(one) for one in value)
        and all(left < right for left, right in zip(value, value[1:]))
    )


def _is_index_list(value: object) -> bool:
    """Return whether a value is absent or a list of indexes that is not empty."""
    return value is None or (
        isinstance(value, list)
        and bool(value)
        and all(is_index(index) for index in value)
    )


_CHECKS = {
    "type": lambda value: isinstance(value, str) and _TYPE.fullmatch(value),
    "envelope": is_hex_digest,
    "signer": lambda value: (
        isinstance(value, str) and (not value or _SIGNER.fullmatch(value))
    ),
    "subjects": _is_subject_list,
    "at": lambda value: type(value) is int and 0 <= value < 1 << 53,
    "job": lambda value: value is None or is_hex_digest(value),
    "status": lambda value: (
        value is None or (isinstance(value, str) and value in _STATUS)
    ),
    "supersedes": _is_index_list,
}

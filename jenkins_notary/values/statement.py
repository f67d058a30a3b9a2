"""Build and read in-toto statements: what a record says, before it is signed.

A notarization, as it is signed (canonical JSON; shown with line breaks)::

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "app.jar", "digest": {"sha256": "<64 hex>"}}],
     "predicateType": "urn:jenkins-notary:notarization:v1",
     "predicate": {
       "recordId": "<32 hex>", "claimedAt": "2026-01-02T03:04:05Z",
       "signer": {"id": "0x<40 hex>", "publicKey": "<base64 DER>"},
       "job": {"id": "ci.example.com:payments/api/main#42", ...},
       "status": "TRUSTED", "reason": "...", "supersedes": [12],
       "assets": [{"kind": "file", "name": "app.jar", "size": 9, "subjects": [0]}],
       "attributes": {"release": "1.2"},
       "attachments": [{"name": "log.txt", "label": "build", "mime": "text/plain",
                        "body": {"sha256": ..., "size": ..., ...}}]}}

``recordId`` is 128 random bits made once a call and kept through every retry.
Standard predicates (SLSA provenance, test results, SBOMs) keep their own shape; what
this project must know of them stands under the one extension key
:data:`EXTENSION`, with the same names.

Source: in-toto Attestation Framework v1.1, spec/v1/statement.md. The predicate types
of our own are URNs, because a promise must not hang on a domain name.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.status import RECORDED, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_PREFIX = "urn:jenkins-notary:"
EXTENSION = "jenkinsNotary_record"
MAX_SUBJECTS = 500
"""Subjects a record; a larger batch is split, so that a leaf fits into a tile entry."""
MAX_IMPORT_SUBJECTS = MAX_SUBJECTS + 1
"""An import names, beside what its record names, the log that it comes from."""
MAX_SUPERSEDES = 1000
"""Superseded records a record; with the subjects they fit into a leaf."""

OWN_TYPES = frozenset(
    {
        "notarization",
        "attachment",
        "log",
        "corroboration",
        "deletion",
        "alias",
        "gate",
        "erasure",
        "administration",
        "trust",
        "import",
    }
)
_STANDARD_TYPES = {
    "https://slsa.dev/provenance/v1": "provenance",
    "https://slsa.dev/verification_summary/v1": "vsa",
    "https://in-toto.io/attestation/test-result/v0.1": "test-result",
    "https://in-toto.io/attestation/vulns/v0.2": "vulns",
    "https://cyclonedx.org/bom": "cyclonedx",
    "https://spdx.dev/Document": "spdx",
}
OTHER_TYPE = "attestation"
"""The leaf type of a statement whose predicate type is none of the known ones."""


_NO_OTHERS: Mapping[str, str] = {}


class Subject(NamedTuple):
    """One subject of a statement.

    Attributes:
        name: The artifact's name, as given; free text.
        sha256_hex: 64 hex digits.
        others: Further digests by algorithm, such as ``gitCommit``.
    """

    name: str
    sha256_hex: str
    others: Mapping[str, str] = _NO_OTHERS


class Statement(NamedTuple):
    """A parsed statement; as trustworthy as the envelope that it came from.

    Attributes:
        type: The leaf type: a word of :data:`OWN_TYPES`, of the standard ones, or
            :data:`OTHER_TYPE`.
        predicate_type: The predicate's type URI.
        subjects: In the order of the statement.
        predicate: The predicate's JSON object.
        facts: Where ``recordId``, ``job``, ``status``, ``supersedes`` stand: the
            predicate itself, or its extension object for standard predicates.
    """

    type: str
    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def job_id(self) -> str | None:
        """Return the full job id that the statement claims, or None."""
        job = self.facts.get("job")
        return job.get("id") if isinstance(job, dict) else None

    @property
    def status(self) -> Status | None:
        """Return the status that the statement gives, or None."""
        word = self.facts.get("status")
        return Status[word] if isinstance(word, str) else None

    @property
    def supersedes(self) -> tuple[int, ...]:
        """Return the indexes of the negative records that this one lifts."""
        return tuple(self.facts.get("supersedes", ()))


def predicate_uri(own_type: str) -> str:
    """Return the predicate type of one of our own record types.

    >>> predicate_uri("log")
    'urn:jenkins-notary:log:v1'
    """
    return f"{PREDICATE_PREFIX}{own_type}:v1"


def format_statement(
    predicate_type: str, subjects: Sequence[Subject], predicate: Mapping[str, object]
) -> bytes:
    """Return the canonical bytes of a statement: the payload to sign.

    Args:
        predicate_type: The predicate's type URI.
        subjects: At most :data:`MAX_SUBJECTS`.
        predicate: The predicate's JSON object.
    """
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": one.name, "digest": {"sha256": one.sha256_hex, **one.others}}
                for one in subjects
            ],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def parse_statement(payload: bytes, *, subject: str = "statement") -> Statement:
    """Return the statement in an envelope's payload.

    Args:
        payload: JSON from anywhere.
        subject: What the bytes are, for the message.

    Returns:
        The statement, every field that this project reads checked for its form.

    Raises:
        IntegrityError: No in-toto v1 statement, a subject without SHA-256, too many
            subjects, or a malformed ``recordId``, ``job``, ``status`` or
            ``supersedes``.
    """
    value = load_json(payload, subject=subject)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise IntegrityError(subject, expected=f"_type {STATEMENT_TYPE}")
    predicate_type = value.get("predicateType")
    predicate = {} if value.get("predicate") is None else value["predicate"]
    listed = value.get("subject")
    if not isinstance(predicate_type, str) or not isinstance(predicate, dict):
        raise IntegrityError(subject, expected="predicateType and a predicate object")
    word = type_of(predicate_type)
    most = MAX_IMPORT_SUBJECTS if word == "import" else MAX_SUBJECTS
    if not isinstance(listed, list) or len(listed) > most:
        raise IntegrityError(subject, expected=f"at most {most} subjects")
    facts = predicate if word in OWN_TYPES else predicate.get(EXTENSION, {})
    if not isinstance(facts, dict):
        raise IntegrityError(subject, expected=f"{EXTENSION} to be an object")
    _check_facts(facts, subject)
    return Statement(
        word,
        predicate_type,
        tuple([_parse_subject(one, subject) for one in listed]),
        predicate,
        facts,
    )


def type_of(predicate_type: str) -> str:
    """Return the leaf type of a predicate type.

    >>> type_of("https://slsa.dev/provenance/v1"), type_of("https://e.example/x")
    ('provenance', 'attestation')

    Raises:
        IntegrityError: One of our own that this version does not know. It is no mere
            attestation: it could be one that changes verdicts.
    """
    if predicate_type.startswith(PREDICATE_PREFIX):
        word, _, version = predicate_type[len(PREDICATE_PREFIX) :].partition(":")
        if word in OWN_TYPES and version == "v1":
            return word
        raise IntegrityError(
            f"predicate type {predicate_type[:80]!r}",
            expected="one that this version knows",
            advice="a newer program may have written it: upgrade",
        )
    return _STANDARD_TYPES.get(predicate_type, OTHER_TYPE)


def is_index(value: object) -> bool:
    """Return whether a value is an integer from 0 that JSON carries exactly."""
    return isinstance(value, int) and type(value) is int and 0 <= value < 1 << 53


def _parse_subject(value: object, subject: str) -> Subject:
    """Return one subject; its SHA-256 is required, other digests are kept."""
    if not isinstance(value, dict):
        raise IntegrityError(f"{subject} subject", expected="a sha256 digest")
    digests = value.get("digest")
    if not isinstance(digests, dict) or not is_hex_digest(digests.get("sha256")):
        raise IntegrityError(f"{subject} subject", expected="a sha256 digest")
    name = value.get("name", "")
    if not isinstance(name, str):
        raise IntegrityError(f"{subject} subject", expected="a name that is text")
    if len(digests) == 1:
        return Subject(name, digests["sha256"], _NO_OTHERS)
    others = {key: text for key, text in digests.items() if key != "sha256"}
    if not all(isinstance(text, str) for text in others.values()):
        raise IntegrityError(f"{subject} subject", expected="digests that are text")
    return Subject(name, digests["sha256"], others)


def _check_facts(facts: Mapping[str, Any], subject: str) -> None:
    """Check the form of every field that verdicts and indexes read."""
    job = facts.get("job")
    if job is not None and not (
        isinstance(job, dict) and isinstance(job.get("id"), str) and job["id"]
    ):
        raise IntegrityError(f"{subject} job", expected="an object with an id")
    word = facts.get("status")
    if word is not None and not (isinstance(word, str) and word in _RECORDED_WORDS):
        raise IntegrityError(f"{subject} status", expected="TRUSTED, UNTRUSTED, ...")
    indexes = facts.get("supersedes", [])
    if (
        not isinstance(indexes, list)
        or len(indexes) > MAX_SUPERSEDES
        or not all(is_index(index) for index in indexes)
    ):
        raise IntegrityError(
            f"{subject} supersedes", expected=f"at most {MAX_SUPERSEDES} indexes"
        )


_RECORDED_WORDS = frozenset(status.name for status in RECORDED)

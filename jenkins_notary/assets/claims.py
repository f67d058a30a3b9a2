"""Write and read claims: what an agent says of assets that it has hashed.

A claim is what the agent part sends to a notary service (``POST /records``) and, with
``"v": 1``, what it writes to a *claims file* where nothing may be sent from the agent::

    {"v": 1,
     "recordId": "<32 hex>", "claimedAt": "2026-01-02T03:04:05.006Z",
     "status": "TRUSTED",
     "job": {"id": "ci.example.com:app/main#42", "ci": "jenkins", "environment": {}},
     "reason": null, "supersedes": [], "attributes": {"release": "1.2"},
     "assets": [{"name": "app.jar", "kind": "file", "size": 9, "ref": null,
                 "metadata": {"contentType": "application/java-archive"},
                 "dirty": false,
                 "subjects": [{"name": "app.jar", "digest": "sha256:<64 hex>",
                               "algorithms": {}}]}],
     "attachments": []}

``recordId`` is 128 random bits, made once a call and kept through every retry.
Whoever records a claim signs it; until then it is only what some agent said. Reading is
strict: an unknown key, a value of another type or a digest that is none is refused.
"""

from __future__ import annotations

import re

from jenkins_notary.assets.asset import KINDS, Asset, Subject, is_digest
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.ci import ALLOWED, MAX_VALUE_BYTES
from jenkins_notary.values.claim import (
    Claim,
    check_attributes,
    check_claim,
    check_label,
    check_reason,
)
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.status import RECORDED, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

VERSION = 1
MAX_ASSETS = 100_000
MAX_NAME = 32 * 1024
MAX_SUBJECTS = 500
MAX_ENVIRONMENT = 256
_KEYS = frozenset(
    {
        *("v", "recordId", "claimedAt", "status", "job", "reason", "supersedes"),
        *("attributes", "assets", "attachments"),
    }
)
_RECORD_ID = re.compile(r"[0-9a-f]{32}")
_TIME = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,9})?Z"
)
_ALGORITHM = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,31}")
_HEX = re.compile(r"[0-9a-f]{32,128}")
_FACT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Attachment(NamedTuple):
    """A body that goes with a claim; its bytes are elsewhere.

    Attributes:
        name: A file name.
        label: A word to find it by, or None.
        mime: Its media type.
        sha256_hex: SHA-256 of its bytes.
        size: How many.
    """

    name: str
    label: str | None
    mime: str
    sha256_hex: str
    size: int


class SentClaim(NamedTuple):
    """A claim as it travels.

    Attributes:
        record_id: 32 hex digits.
        claimed_at: The agent's clock, RFC 3339 UTC.
        claim: Status, attributes, reason, superseded records; its job is an id.
        job: The job's JSON form, with what the environment said, or None.
        assets: At least one.
        attachments: Bodies that were or will be sent apart.
    """

    record_id: str
    claimed_at: str
    claim: Claim
    job: Mapping[str, Any] | None
    assets: Sequence[Asset]
    attachments: Sequence[Attachment]


def format_claim(sent: SentClaim) -> dict[str, Any]:
    """Return the JSON form, without ``v``; the inverse of :func:`parse_claim`."""
    claim = sent.claim
    return {
        "recordId": sent.record_id,
        "claimedAt": sent.claimed_at,
        "status": claim.status.name,
        "job": None if sent.job is None else dict(sent.job),
        "reason": claim.reason or None,
        "supersedes": sorted(set(claim.supersedes)),
        "attributes": dict(claim.attributes),
        "assets": [_format_asset(one) for one in sent.assets],
        "attachments": [
            {
                "name": one.name,
                "label": one.label,
                "mime": one.mime,
                "body": {"sha256": one.sha256_hex, "size": one.size},
            }
            for one in sent.attachments
        ],
    }


def parse_claim(value: object) -> SentClaim:
    """Return the claim in a JSON object that a stranger sent.

    Raises:
        UsageError: A key is unknown or missing, or a value breaks its form.
    """
    if not isinstance(value, dict) or not value.keys() <= _KEYS:
        unknown = sorted(value.keys() - _KEYS) if isinstance(value, dict) else "no keys"
        _refuse("its keys alone", str(unknown)[:80])
    if value.get("v", VERSION) != VERSION:
        _refuse(f"version {VERSION}", repr(value["v"])[:40])
    record_id, claimed_at = value.get("recordId"), value.get("claimedAt")
    if not isinstance(record_id, str) or not _RECORD_ID.fullmatch(record_id):
        _refuse("a recordId of 32 hex digits", repr(record_id)[:60])
    if not isinstance(claimed_at, str) or not _TIME.fullmatch(claimed_at):
        _refuse("claimedAt in RFC 3339 UTC", repr(claimed_at)[:60])
    job = _parse_job(value.get("job"))
    claim = _parse_facts(value, None if job is None else job["id"])
    assets = [_parse_asset(one) for one in _list(value, "assets", MAX_ASSETS)]
    if not assets:
        _refuse("at least one asset", "none")
    attachments = [_parse_attachment(one) for one in _list(value, "attachments", 1000)]
    return SentClaim(record_id, claimed_at, claim, job, assets, attachments)


def _format_asset(asset: Asset) -> dict[str, Any]:
    """Return the JSON form of an asset."""
    return {
        "name": asset.name,
        "kind": asset.kind,
        "size": asset.size,
        "ref": asset.ref,
        "metadata": dict(asset.metadata),
        "dirty": asset.dirty,
        "subjects": [
            {
                "name": one.name,
                "digest": one.digest,
                "algorithms": dict(one.algorithms),
            }
            for one in asset.subjects
        ],
    }


def _parse_facts(value: Mapping[str, Any], job: str | None) -> Claim:
    """Return what is said of all assets."""
    word, reason = value.get("status"), value.get("reason")
    status = Status.__members__.get(word) if isinstance(word, str) else None
    if status not in RECORDED:
        _refuse("a status that can be recorded", repr(word)[:40])
    if reason is not None and not isinstance(reason, str):
        _refuse("a reason of text", repr(reason)[:40])
    supersedes = _list(value, "supersedes", 1000)
    if not all(type(one) is int and 0 <= one < 1 << 53 for one in supersedes):
        _refuse("supersedes of indexes", repr(supersedes)[:60])
    attributes = _default(value.get("attributes"))
    if not isinstance(attributes, dict):
        _refuse("attributes by name", repr(attributes)[:40])
    check_attributes(attributes)
    assert status is not None  # noqa: S101 - one of RECORDED
    claim = Claim(status, job, attributes, reason, tuple(supersedes))
    check_claim({}, claim)
    check_reason(claim)
    return claim


def _parse_job(value: object) -> dict[str, Any] | None:
    """Return the job's JSON form: an id in its own spelling, and plain facts."""
    if value is None:
        return None
    if not isinstance(value, dict) or not value.keys() <= {"id", "ci", "environment"}:
        _refuse("a job with id, ci and environment", repr(value)[:60])
    job_id, ci = value.get("id"), value.get("ci")
    environment = value.get("environment", {})
    if not isinstance(job_id, str) or format_job_id(parse_job_id(job_id)) != job_id:
        _refuse("a job id", repr(job_id)[:80])
    if not (ci is None or (isinstance(ci, str) and _FACT.fullmatch(ci))):
        _refuse("the name of a CI system", repr(ci)[:40])
    if (
        not isinstance(environment, dict)
        or len(environment) > MAX_ENVIRONMENT
        or not all(isinstance(one, str) for one in environment.values())
    ):
        _refuse("an environment of texts", repr(environment)[:60])
    if ci is None:
        return {"id": job_id}
    # Whatever an agent sends, only what this project records of an environment stays.
    kept = {
        name: environment[name][:MAX_VALUE_BYTES]
        for system, names in ALLOWED.items()
        for name in names
        if system == ci and name in environment
    }
    return {"id": job_id, "ci": ci, "environment": kept}


def _parse_asset(value: object) -> Asset:
    """Return one asset."""
    if not isinstance(value, dict):
        _refuse("an asset", repr(value)[:60])
    kind, size, ref = value.get("kind"), value.get("size"), value.get("ref")
    metadata, dirty = _default(value.get("metadata")), value.get("dirty", False)
    subjects = _list(value, "subjects", MAX_SUBJECTS)
    if (
        kind not in KINDS
        or not (size is None or (type(size) is int and 0 <= size < 1 << 63))
        or not (ref is None or _is_name(ref))
        or not isinstance(dirty, bool)
        or not isinstance(metadata, dict)
        or not all(
            _FACT.fullmatch(str(key))
            and isinstance(one, (str, int, bool))
            and len(str(one)) <= MAX_NAME
            for key, one in metadata.items()
        )
        or not subjects
    ):
        _refuse("kind, size, ref, metadata, dirty and subjects", repr(value)[:120])
    return Asset(
        _name(value),
        kind,
        size,
        tuple([_parse_subject(one) for one in subjects]),
        ref,
        metadata,
        dirty=dirty,
    )


def _parse_subject(value: object) -> Subject:
    """Return one digest of an asset."""
    digest = value.get("digest") if isinstance(value, dict) else None
    algorithms = _default(value.get("algorithms")) if isinstance(value, dict) else {}
    if (
        not isinstance(value, dict)
        or not isinstance(digest, str)
        or not is_digest(digest)
        or not isinstance(algorithms, dict)
        or not all(
            _ALGORITHM.fullmatch(key) and isinstance(one, str) and _HEX.fullmatch(one)
            for key, one in algorithms.items()
        )
    ):
        _refuse("a subject with name, digest and algorithms", repr(value)[:120])
    return Subject(_name(value), digest, tuple(sorted(algorithms.items())))


def _parse_attachment(value: object) -> Attachment:
    """Return one attachment."""
    body = value.get("body") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(body, dict):
        _refuse("an attachment with its body", repr(value)[:80])
    label, mime, size = value.get("label"), value.get("mime"), body.get("size")
    sha256_hex = body.get("sha256")
    if (
        not is_hex_digest(sha256_hex)
        or type(size) is not int
        or not 0 <= size < 1 << 53
        or not (label is None or isinstance(label, str))
        or not isinstance(mime, str)
        or not mime.isprintable()
        or len(mime) > 200
    ):
        _refuse("label, mime, and a body of sha256 and size", repr(value)[:120])
    return Attachment(_name(value), check_label(label), mime, str(sha256_hex), size)


def _default(value: Any) -> Any:  # noqa: ANN401 - checked by the caller
    """Return a value, or an empty object for an absent one."""
    return {} if value is None else value


def _name(value: Mapping[str, Any]) -> str:
    """Return a name of bounded length."""
    name = value.get("name")
    if not _is_name(name):
        _refuse("a name", repr(name)[:60])
    return str(name)


def _is_name(value: object) -> bool:
    """Return whether a value is a text that a record can hold as a name."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        return False
    return not any(0xD800 <= ord(char) < 0xE000 for char in value)


def _list(value: Mapping[str, Any], key: str, limit: int) -> list[Any]:
    """Return a list of bounded length; an absent one is empty."""
    found = value.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > limit:
        _refuse(f"{key}: a list of at most {limit}", repr(found)[:40])
    return found


def _refuse(expected: str, got: str) -> NoReturn:
    """Raise what is wrong with a claim."""
    raise UsageError("claim", expected=expected, got=got)

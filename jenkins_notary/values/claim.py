"""Say what a call claims of all its assets, and check it without a ledger.

>>> from jenkins_notary.values.status import Status
>>> claim = Claim(Status.TRUSTED, "ci.example.com:app/main#42", {"release": "1.2"})
>>> describe_claim({}, claim)["job"]
{'id': 'ci.example.com:app/main#42'}
"""

from __future__ import annotations

import re

from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.ci import read_ci
from jenkins_notary.values.jobid import format_job_id, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.values.status import Status

MANIFEST_LABEL = "manifest"
"""The label of a directory's manifest among the attachments."""

MAX_ATTRIBUTES = 64
MAX_VALUE = 1024
MAX_REASON = 4096
MAX_LABEL = 200
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_NO_ATTRIBUTES: Mapping[str, str | int | bool] = {}


class Claim(NamedTuple):
    """What is said of all assets of a call.

    Attributes:
        status: The status to record.
        job: A job id as the user gave it, or None for that of the environment.
        attributes: Further facts, text, number or boolean by name.
        reason: Free text, or None.
        supersedes: Indexes of negative records that this one lifts.
        attachments: (path, label or None) of files to keep with the record.
    """

    status: Status
    job: str | None = None
    attributes: Mapping[str, str | int | bool] = _NO_ATTRIBUTES
    reason: str | None = None
    supersedes: Sequence[int] = ()
    attachments: Sequence[tuple[str, str | None]] = ()


def describe_claim(environ: Mapping[str, str], claim: Claim) -> dict[str, Any]:
    """Return the predicate's facts that all records of a call share.

    Raises:
        UsageError: As :func:`check_claim`.
    """
    check_claim(environ, claim)
    return {
        "status": claim.status.name,
        "job": describe_job(environ, claim.job),
        "attributes": dict(claim.attributes) or None,
        "reason": claim.reason or None,
        "supersedes": sorted(set(claim.supersedes)) or None,
    }


def check_claim(environ: Mapping[str, str], claim: Claim) -> None:
    """Check what can be checked of a claim without a ledger.

    Raises:
        UsageError: An attribute, the reason or the job is wrong.
    """
    check_attributes(claim.attributes)
    if claim.reason is not None and len(claim.reason) > MAX_REASON:
        raise UsageError("reason", expected=f"at most {MAX_REASON} characters")
    describe_job(environ, claim.job)


def check_reason(claim: Claim) -> None:
    """Check that a negative claim says why.

    Raises:
        UsageError: It does not.
    """
    if claim.status.name != "TRUSTED" and not (claim.reason or "").strip():
        raise UsageError("reason", expected="why", got="none", advice="give --reason")


def check_attributes(attributes: Mapping[str, object]) -> None:
    """Check the names and values of attributes.

    Raises:
        UsageError: Too many, or a name or value out of bounds.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise UsageError("attributes", expected=f"at most {MAX_ATTRIBUTES}")
    for name, value in attributes.items():
        if not _ATTRIBUTE.fullmatch(name):
            raise UsageError(
                f"attribute {name[:80]!r}",
                expected="a letter, then letters, digits, '_', '.', '-'",
            )
        if not isinstance(value, (str, int, bool)) or len(str(value)) > MAX_VALUE:
            raise UsageError(
                f"attribute {name}",
                expected=f"text of at most {MAX_VALUE} characters, a number or boolean",
            )


def check_label(label: str | None) -> str | None:
    """Return a label for one line of text, None for an empty one.

    Raises:
        UsageError: Too long, or with control characters.
    """
    if label is not None and (len(label) > MAX_LABEL or not label.isprintable()):
        raise UsageError("label", expected=f"at most {MAX_LABEL} printable characters")
    return label or None


def describe_job(
    environ: Mapping[str, str], given: str | None
) -> dict[str, Any] | None:
    """Return the JSON form of the job: the one given, else the environment's.

    The environment's facts are added only when it is the same build's.
    """
    found = read_ci(environ)
    ours = None if found is None else found.job
    job = ours if given is None else parse_job_id(given)
    if job is None:
        return None
    if ours is not None and job == ours._replace(instance=None):
        job = ours
    if job != ours:
        found = None
    described: dict[str, Any] = {"id": format_job_id(job)}
    if found is not None:
        described["ci"] = found.ci
        described["environment"] = dict(found.environment)
    return described

"""Keep a build's log: where its body goes is decided by what stands in it.

A log is looked through for secrets while it is stored, in one pass. Where nothing is
found it is stored like any body. Where something is found, the policy decides:

========== ==============================================================
``store``  it is stored all the same
``hold``   it is kept apart, where nobody reads it until it is released
``digest`` it is not kept: the digest alone is recorded
========== ==============================================================

Body first, record second: after a crash in between a body lies there that no record
names, and is in nobody's way.
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.scanning import ScannedStream
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.body import format_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import BodyStore
    from jenkins_notary.values.body import Body

STORE, HOLD, DIGEST = POLICIES = ("store", "hold", "digest")
DEFAULT_POLICY = HOLD

STORED = "stored"
HELD = "held"
_KEPT = {STORE: STORED, HOLD: HELD, DIGEST: DIGEST}


class KeptLog(NamedTuple):
    """A log that was read whole and is kept as the policy says.

    Attributes:
        body: Its descriptor, over all bytes, kept or not.
        facts: What its ``log`` record says of it: ``body`` (the descriptor's JSON
            form), ``findings`` (``count``, ``kinds``, ``lines``) and ``kept``
            (``stored``, ``held`` or ``digest``).
    """

    body: Body
    facts: dict[str, object]


def keep_log(
    session: Session, stream: BinaryIO, *, policy: str = DEFAULT_POLICY
) -> KeptLog:
    """Keep all bytes of a log, durably, and return what its record says of it.

    Call it before the record is appended. What the stream itself raises comes through
    as it is, and nothing stays.

    Args:
        session: An open ledger whose view was checked.
        stream: The log, read to its end with ``read(size)``.
        policy: A word of :data:`POLICIES`.

    Returns:
        Body and facts; the facts go into the predicate as they are.

    Raises:
        UsageError: No such policy.
        StorageError: The disk is full, read-only or failing.
        PermissionDeniedError: The folder of bodies may not be written.

    Cost: one pass and constant memory; about 120 MiB a second.
    """
    if policy not in POLICIES:
        raise UsageError(
            "--secrets", expected="store, hold or digest", got=repr(policy)[:40]
        )
    scanned = ScannedStream(stream)
    kept = STORED

    def choose() -> BodyStore | None:
        nonlocal kept
        if scanned.findings()["count"]:
            kept = _KEPT[policy]
        return {STORED: session.blobs, HELD: session.held}.get(kept)

    body = session.blobs.put_where(scanned, choose)  # type: ignore[arg-type]  # It only reads.
    findings = scanned.findings()
    if findings["count"]:
        session.notify(_describe(findings, kept))
    return KeptLog(
        body, {"body": format_body(body), "findings": findings, "kept": kept}
    )


def _describe(findings: dict[str, object], kept: str) -> str:
    """Return the notice on a log in which something was found."""
    kinds = findings["kinds"]
    assert isinstance(kinds, dict)  # noqa: S101 - the scanner made it
    found = ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
    outcome = {
        STORED: "it is stored as it is",
        HELD: "it is held: nobody reads it before jenkins-notary log release",
        DIGEST: "its digest is recorded, its text is not kept",
    }[kept]
    return f"the log seems to hold secrets: {found}; {outcome}"

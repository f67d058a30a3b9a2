"""Check a pack whole, with no ledger at hand: every record, every body, nothing else.

1. The archive has the one form (``pack_archive``), and its checkpoint is signed by the
   given key or one that followed it (``pack_view``).
2. The trust log is the one that the checkpoint binds, whole: no UNTRUST and no
   revocation of the log can have been left out.
3. Each record in the pack is proven, agrees with its envelope, and is signed by its own
   signer. A record without an envelope was erased, which another record says, or is
   withheld, which the head says.
4. Each body that a selected record names is there and is the one that was signed, or
   the head says why not. No other body is there.
5. The verdict on each artifact follows from what is in the pack.
6. Of a period of the whole log: no record of it is missing. What belongs to a build or
   a release only the ledger knows; there the selection is the packer's word.

Source: DESIGN sections 5, 6; FEATURES F6.
"""

from __future__ import annotations

import hashlib

from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.bodies import list_bodies
from jenkins_notary.evidence.pack_archive import ENVELOPE, body_name, record_name
from jenkins_notary.evidence.pack_head import PERIOD
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.merkle import Frontier, hash_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from jenkins_notary.evidence.pack_head import PackHead
    from jenkins_notary.evidence.pack_view import PackReader, PackView
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.trust.verdict import TrustRule
    from jenkins_notary.values.body import Body
    from jenkins_notary.values.status import Status

LEAVES_AT_ONCE = 64


class Artifact(NamedTuple):
    """What the ledger says of one artifact of a pack, as of the pack's checkpoint.

    Attributes:
        name: As it was recorded.
        sha256_hex: Its digest.
        status: The verdict.
        index: The record that decides, or None.
        reason: Why.
    """

    name: str
    sha256_hex: str
    status: Status
    index: int | None  # type: ignore[assignment]  # It hides tuple.index.
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "digest": f"sha256:{self.sha256_hex}",
            "status": self.status.name,
            "code": self.status.value,
            "index": self.index,
            "reason": self.reason,
        }


class CheckedPack(NamedTuple):
    """What a pack has proven.

    Attributes:
        head: What it says of itself, as far as it can be checked now true.
        records: How many records were proven.
        bodies: How many bodies.
        body_bytes: How long they are in all.
        artifacts: The verdict on each artifact.
        is_complete: Whether it is proven that no record of the period is missing; None
            where that cannot be proven.
    """

    head: PackHead
    records: int
    bodies: int
    body_bytes: int
    artifacts: tuple[Artifact, ...]
    is_complete: bool | None


def check_pack(
    reader: PackReader, view: PackView, rule: TrustRule, *, progress: Progress
) -> CheckedPack:
    """Check all that is in a pack.

    Args:
        reader: The pack.
        view: Its view, whose checkpoint was verified.
        rule: Whose word counts.
        progress: Called with (phase, done, total).

    Raises:
        IntegrityError: Something is altered, missing, or too much.
    """
    view.trust()
    head = reader.head
    indexes = frozenset(reader.indexes)
    missing = [one for one in head.selected if one not in indexes]
    if missing:
        raise _missing(f"record #{missing[0]}", "in the pack, for it is selected")
    for index in head.withheld:
        if index in head.selected or record_name(index, ENVELOPE) in reader.members:
            raise IntegrityError(
                f"pack: record #{index}",
                expected="not to be selected, and without an envelope: it is withheld",
                got="it selected, or with one",
            )
    for done, record in enumerate(view.records(reader.indexes), 1):
        view.standing(record)
        if record.statement is None and record.erased_by is None:
            _check_withheld(head, record)
        progress("records", done, len(reader.indexes))
    left_out = {(one.index, one.sha256_hex) for one in head.left_out}
    bodies = list(_named(view, head, left_out))
    size = _check_bodies(reader, bodies, progress)
    artifacts = tuple(judge_artifacts(view, head.selected, rule))
    return CheckedPack(
        head,
        len(indexes),
        len({one.sha256_hex for one in bodies}),
        size,
        artifacts,
        _check_complete(view, head),
    )


def find_artifacts(view: LedgerView, indexes: Iterable[int]) -> dict[str, str]:
    """Return the name of each digest that some records give a status, by its hex."""
    found: dict[str, str] = {}
    for record in view.records(indexes):
        if record.statement is not None and record.leaf.status is not None:
            for one in record.statement.subjects:
                found.setdefault(one.sha256_hex, one.name)
    return found


def judge_artifacts(
    view: LedgerView, indexes: Iterable[int], rule: TrustRule
) -> Iterator[Artifact]:
    """Yield the verdict on each artifact that some records are about."""
    for sha256_hex, name in find_artifacts(view, indexes).items():
        verdict = view.verdict(sha256_hex, rule)
        decides = verdict.record and verdict.record.index
        yield Artifact(name, sha256_hex, verdict.status, decides, verdict.reason)


def find_period(view: LedgerView, since: str | None, until: str | None) -> range:
    """Return the indexes of a ledger's records that were committed in a time."""
    first, stop = 0, view.size
    if since is not None:
        first = view.count_until(time_ms(since) - 1)
    if until is not None:
        stop = view.count_until(time_ms(until))
    return range(first, stop)


def time_ms(text: str) -> int:
    """Return the ms UTC of an RFC 3339 time of a selection.

    Raises:
        IntegrityError: It is none.
    """
    try:
        _, at_ms = parse_as_of(text)
    except UsageError:
        at_ms = None
    if at_ms is None:
        raise IntegrityError("pack: time", expected="RFC 3339", got=repr(text[:60]))
    return at_ms


def _check_withheld(head: PackHead, record: ProvenRecord) -> None:
    """Check that a record without an envelope may be without one."""
    if record.index not in head.withheld:
        raise _missing(f"envelope of record #{record.index}", "in the pack")


def _named(
    view: PackView, head: PackHead, left_out: set[tuple[int, str]]
) -> Iterator[Body]:
    """Yield the bodies that must be in a pack, each descriptor once."""
    seen: set[Body] = set()
    for record in view.records(head.selected):
        for body in list_bodies(record):
            if (record.index, body.sha256_hex) in left_out or body in seen:
                continue
            seen.add(body)
            yield body


def _check_bodies(reader: PackReader, bodies: list[Body], progress: Progress) -> int:
    """Check that just these bodies are in a pack, and that they are what was signed."""
    named = {body_name(one.sha256_hex) for one in bodies}
    there = {one for one in reader.members if one.startswith("bodies/")}
    if odd := named ^ there:
        name = min(odd)
        raise IntegrityError(
            f"pack: {name}",
            expected="a body that a selected record names" if name in there else "it",
            got="one that none names" if name in there else "none",
        )
    size = sum(reader.members[one].size for one in there)
    done = 0
    for body in bodies:
        frontier, whole = Frontier(), hashlib.sha256()
        leaves: list[bytes] = []
        for chunk in reader.stream(body_name(body.sha256_hex), body.chunk_size):
            whole.update(chunk)
            leaves.append(hash_leaf(chunk))
            if len(leaves) == LEAVES_AT_ONCE:
                frontier, leaves = frontier.append(leaves), []
            done += len(chunk)
            progress("bodies", done, size)
        root = frontier.append(leaves).root().hex()
        got = (whole.hexdigest(), root, reader.members[body_name(body.sha256_hex)].size)
        if got != (body.sha256_hex, body.root_hex, body.size):
            raise IntegrityError(
                f"pack: {body_name(body.sha256_hex)}",
                expected=f"the {body.size} bytes that were signed",
                got=f"{got[2]} bytes with sha256:{got[0]}",
            )
    return size


def _check_complete(view: PackView, head: PackHead) -> bool | None:
    """Check that a period's pack has all its records; None where that is not known."""
    selection = head.selection
    if selection.kind != PERIOD or selection.folder is not None:
        return None
    first, stop = (head.selected or (0,))[0], (head.selected or (-1,))[-1] + 1
    if len(head.selected) != stop - first or not head.selected:
        raise _missing("a record of the period", "each of them in the pack")
    # Commit times never run backwards: the two neighbours bound all that lies beyond.
    try:
        if first:
            _, before = view.leaf(first - 1)
            is_before = selection.since is not None and (
                before.at_ms < time_ms(selection.since)
            )
            if not is_before:
                raise _missing(f"record #{first - 1}", "in the period's pack")
        if stop < view.size:
            _, after = view.leaf(stop)
            is_after = selection.until is not None and (
                after.at_ms > time_ms(selection.until)
            )
            if not is_after:
                raise _missing(f"record #{stop}", "in the period's pack")
    except NotFoundError as error:
        raise _missing("neighbours of the period", "in the pack") from error
    return True


def _missing(subject: str, expected: str) -> IntegrityError:
    """Return the error for a pack that lacks something."""
    return IntegrityError(
        f"pack: {subject}",
        expected=expected,
        got="none",
        advice="it was altered, or made by another program: get it again",
    )

"""Make packs of a ledger, and check them where there is none.

Into a pack goes what was asked for, and of the rest of the log only what the verdicts
on it follow from: the trust log, all trust records, the records on the same artifacts,
and what erased or released something. What the reader may not see of these goes in as
its leaf alone, which holds digests and closed words; a verdict then rests on that leaf.

A log that is held back is never packed before it is released.
"""

from __future__ import annotations

from importlib.resources import files

from jenkins_notary.api.bodies import check_readable, place_of
from jenkins_notary.api.logs.holding import find_release, is_held
from jenkins_notary.api.packs.reports import describe_pack, make_report
from jenkins_notary.api.packs.selection import select_records
from jenkins_notary.api.places import find_places
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.evidence.bodies import list_bodies
from jenkins_notary.evidence.pack_archive import (
    MAX_MEMBER,
    PAGE,
    POLICY,
    REPORT,
    VERIFIER,
)
from jenkins_notary.evidence.pack_check import CheckedPack, check_pack, find_artifacts
from jenkins_notary.evidence.pack_head import (
    HELD,
    NOT_AS_SIGNED,
    NOT_KEPT,
    NOT_STORED,
    NOT_WANTED,
    PERIOD,
    LeftOut,
    PackHead,
    Selection,
)
from jenkins_notary.evidence.pack_view import PackReader, WithholdingView, open_pack
from jenkins_notary.evidence.pack_writer import PackPlan, write_pack
from jenkins_notary.files.pins import PinFiles
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.pages.reports import render_html, render_markdown
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.keys import parse_signer_id
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.leaf import parse_trust_entry
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from jenkins_notary.api.session import Choices, Session
    from jenkins_notary.evidence.pack_check import Artifact
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Blobs
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.body import Body

    Sees = Callable[[ProvenRecord], bool]

_TRUST_MARK = b'"type":"trust"'


def make_pack(
    session: Session,
    selection: Selection,
    *,
    sees: Sees = lambda _: True,
    policy: bytes | None = None,
    with_bodies: bool = True,
) -> Iterator[bytes]:
    """Return the bytes of a pack, in pieces that are made as they are taken.

    Args:
        session: An open ledger.
        selection: What is asked for.
        sees: Says of a record whether the reader may see it.
        policy: A policy's bytes, to go along; nobody vouches for it.
        with_bodies: Whether logs and attachments go in.

    Raises:
        UsageError: Not a selection, or too much of it.
        NotFoundError: Nothing matches.
        AmbiguousError: A job id matches several builds.
        IntegrityError: The ledger was altered; while iterating too.
    """
    view = session.followed_view()
    plan = _Planner(session, view, sees).plan(selection, with_bodies=with_bodies)
    if policy is not None:
        plan = plan._replace(files={POLICY: policy, **plan.files})
    return write_pack(view, plan, progress=session.report)


class PackCheck(NamedTuple):
    """What a pack has proven, and to whom.

    Attributes:
        checked: What was proven.
        vkey: The key that it was checked with.
        has_texts: Whether report and verifier in it are what this version writes; False
            for those of another version, which nobody has checked.
        at_ms: When the last of the log's records in it was committed.
    """

    checked: CheckedPack
    vkey: str
    has_texts: bool
    at_ms: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        head = self.checked.head
        return {
            "log": head.origin,
            "vkey": self.vkey,
            "tree_size": head.tree_size,
            "timestamp": format_time(self.at_ms),
            "selection": head.selection.to_dict(),
            "about": str(head.selection),
            "made_by": head.made_by,
            "report": "proven" if self.has_texts else "not compared",
            "records": self.checked.records,
            "selected": len(head.selected),
            "withheld": len(head.withheld),
            "complete": self.checked.is_complete,
            "bodies": self.checked.bodies,
            "body_bytes": self.checked.body_bytes,
            "left_out": [
                {"index": one.index, "sha256": one.sha256_hex, "why": one.why}
                for one in head.left_out
            ],
            "assets": [one.to_dict() for one in self.checked.artifacts],
        }


def verify_pack(
    file: BinaryIO,
    choices: Choices,
    environ: Mapping[str, str],
    *,
    org: str | None = None,
    keys: Sequence[str] = (),
) -> PackCheck:
    """Check a pack with no ledger at hand; return what it proves.

    Args:
        file: The pack; it can seek.
        choices: The log's key, and what shows progress.
        environ: The environment: where pins are.
        org: Only signers of this org count; wins over ``keys``.
        keys: Only these signer ids count.

    Raises:
        UsageError: No key of the log is known here.
        IntegrityError: It is not whole, or not of that log.
    """
    reader = PackReader(file)
    vkey = choices.log or _pinned(reader.head, environ)
    view = open_pack(reader, vkey, load_log_verifier, KeyVerifier())
    rule = TrustRule(org, tuple(parse_signer_id(one) for one in keys))
    checked = check_pack(reader, view, rule, progress=choices.progress or no_progress)
    _, last = view.leaf(reader.indexes[-1])
    # The report tells the verdicts of nobody's rule in particular.
    judged = checked.artifacts if rule == TrustRule() else None
    return PackCheck(checked, vkey, _check_texts(reader, view, judged), last.at_ms)


def _pinned(head: PackHead, environ: Mapping[str, str]) -> str:
    """Return the key of a log that this user has met.

    Raises:
        UsageError: None.
    """
    pin = PinFiles(find_places(None, None, environ).pins).load(head.origin)
    if pin is None:
        raise UsageError(
            "--log",
            expected=f"the verifier key of {head.origin}, from who runs it",
            got="none, and that log was never met here",
            advice=f"the pack itself says {head.vkeys[0]}: compare before you trust it",
        )
    return pin.vkey


def make_texts(
    view: LedgerView, head: PackHead, judged: Sequence[Artifact] | None = None
) -> dict[str, bytes]:
    """Return what is in a pack for a person, and the verifier, by name."""
    report = make_report(view, head.selection, head.selected, judged=judged)
    said = describe_pack(head.left_out, len(head.withheld))
    source = files("jenkins_notary.standalone").joinpath(VERIFIER)
    return {
        PAGE: render_html(report, said),
        REPORT: render_markdown(report, said),
        VERIFIER: source.read_bytes(),
    }


def _check_texts(
    reader: PackReader, view: LedgerView, judged: Sequence[Artifact] | None
) -> bool:
    """Check that a pack tells a person what it proves; return whether it could be.

    Another version writes another report: it cannot be made again here.

    Raises:
        IntegrityError: This version would have written another.
    """
    if reader.head.made_by != VERSION:
        return False
    for name, text in make_texts(view, reader.head, judged).items():
        if reader.read(name, len(text)) != text:
            raise IntegrityError(
                f"pack: {name}",
                expected=f"what version {VERSION} writes of these records",
                got="another text",
                advice="do not read it: it was altered",
            )
    return True


class _Planner:
    """Decide what goes into one pack."""

    def __init__(self, session: Session, view: LedgerView, sees: Sees) -> None:
        """Plan on one view, for one reader."""
        self._session = session
        self._view = view
        self._sees = sees
        self._bodies: dict[str, tuple[Blobs, Body]] = {}
        self._left_out: list[LeftOut] = []

    def plan(self, selection: Selection, *, with_bodies: bool) -> PackPlan:
        """Return the plan of a pack."""
        view = self._view
        selected = select_records(view, selection, sees=self._sees)
        beside = self._find_neighbours(selection, selected)
        needed = self._find_needed(selected)
        withheld = {
            one for one in needed - set(selected) if not self._is_open(view.record(one))
        } | (beside - needed - set(selected))
        for record in view.records(selected):
            for body in list_bodies(record):
                self._place_body(record, body, is_wanted=with_bodies)
        head = PackHead(
            VERSION,
            selection,
            view.checkpoint.origin,
            view.checkpoint.size,
            self._session.vkeys(),
            selected,
            tuple(sorted(withheld)),
            tuple(self._left_out),
        )
        indexes = tuple(sorted({*selected, *needed, *beside}))
        # What the reader may not see must not speak from the report either.
        seen = WithholdingView(
            self._session.store,
            view.checkpoint,
            view.note,
            self._session.signatures,
            withheld=withheld,
        )
        return PackPlan(head, indexes, self._bodies, make_texts(seen, head))

    def _find_neighbours(
        self, selection: Selection, selected: Sequence[int]
    ) -> set[int]:
        """Return the records next to a period of the whole log: they bound it."""
        if selection.kind != PERIOD or selection.folder is not None:
            return set()
        around = {selected[0] - 1, selected[-1] + 1}
        return {one for one in around if 0 <= one < self._view.size}

    def _find_needed(self, selected: Sequence[int]) -> set[int]:
        """Return the records that verdicts on the selected ones follow from."""
        view, needed = self._view, set(_list_trust_records(self._view))
        artifacts = find_artifacts(view, selected)
        for done, sha256_hex in enumerate(artifacts, 1):
            verdict = view.verdict(sha256_hex, TrustRule())
            needed |= {one.index for one in verdict.records}
            self._session.report("artifacts", done, len(artifacts))
        for record in view.records(selected):
            if is_held(record):
                release = find_release(self._session, record)
                if release is not None and release.index < view.size:
                    needed.add(release.index)
        for record in view.records(sorted({*selected, *needed})):
            if record.erased_by is not None:
                needed.add(record.erased_by)
        return needed

    def _is_open(self, record: ProvenRecord) -> bool:
        """Return whether a record that was not asked for may be read whole."""
        return record.leaf.type == "trust" or self._sees(record)

    def _place_body(self, record: ProvenRecord, body: Body, *, is_wanted: bool) -> None:
        """Note where a body lies, or why it is left out."""
        why = self._refuse(record, body) if is_wanted else NOT_WANTED
        if why is not None:
            self._left_out.append(LeftOut(record.index, body.sha256_hex, why))
            return
        if body.size > MAX_MEMBER:
            raise UsageError(
                f"body sha256:{body.sha256_hex} of record #{record.index}",
                expected=f"at most {MAX_MEMBER} bytes in a pack",
                got=f"{body.size}",
                advice="--no-bodies, and hand it over beside the pack",
            )
        place = place_of(self._session, record, body)
        self._bodies.setdefault(body.sha256_hex, (place, body))

    def _refuse(self, record: ProvenRecord, body: Body) -> str | None:
        """Return why a body cannot go in, None if it can.

        Raises:
            IntegrityError: A signer that counts has signed another body than is stored.
        """
        try:
            check_readable(self._session, record)
        except PermissionDeniedError:
            return HELD
        except NotFoundError:
            return NOT_KEPT
        blobs = place_of(self._session, record, body)
        if not blobs.has(body.sha256_hex):
            return NOT_STORED
        try:
            blobs.leaf_hashes(body)
        except IntegrityError:
            # Anybody may describe another's body wrongly; that must not stop a pack.
            if self._view.standing(record) == "enrolled":
                raise
            return NOT_AS_SIGNED
        return None


def _list_trust_records(view: LedgerView) -> Iterator[int]:
    """Yield the indexes of all records of who may speak."""
    for entry in view.trust_entries():
        if _TRUST_MARK in entry:
            index, leaf = parse_trust_entry(entry)
            if leaf.type == "trust":
                yield index

"""Make the report of a build, a release or a period: facts for a person, all proven.

A report is made of a view alone, of a ledger's or of a pack's: so whoever checks a pack
makes its report again and compares.
"""

from __future__ import annotations

from jenkins_notary.api.evidence import show_record
from jenkins_notary.evidence.build_view import describe_build
from jenkins_notary.evidence.pack_check import judge_artifacts
from jenkins_notary.evidence.pack_head import BUILD
from jenkins_notary.ledger.author import format_time
from jenkins_notary.trust.verdict import TrustRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.evidence.pack_check import Artifact
    from jenkins_notary.evidence.pack_head import LeftOut, Selection
    from jenkins_notary.ledger.view import LedgerView

MAX_BUILDS = 200
"""Builds that a report shows in detail; of the others it has a line."""

MAX_ROWS = 2000
"""Rows of one table."""


def make_report(
    view: LedgerView,
    selection: Selection,
    selected: Sequence[int],
    *,
    judged: Sequence[Artifact] | None = None,
) -> dict[str, Any]:
    """Return the facts of a report.

    Args:
        view: A ledger, or a pack of it.
        selection: What was asked for.
        selected: The records that this is, in order; at least one.
        judged: The verdicts of this view on its artifacts, if they were made already.

    Returns:
        Plain values: ``title``, ``log``, ``root``, ``tree_size``, ``first`` and
        ``last`` (times), ``records``, ``artifacts``, ``counts`` (artifacts by status),
        ``builds`` (views of builds, the first of them whole), ``others`` (records of no
        build), ``signers``, ``rows`` (the most that a table shows).

    Raises:
        IntegrityError: A record was altered.
    """
    artifacts = judged
    if artifacts is None:
        artifacts = list(judge_artifacts(view, selected, TrustRule()))
    groups, others = _group(view, selection, selected)
    by_digest = {f"sha256:{one.sha256_hex}": one for one in artifacts}
    builds = [
        _describe_build(view, indexes, by_digest, is_whole=place < MAX_BUILDS)
        for place, indexes in enumerate(groups)
    ]
    counts: dict[str, int] = {}
    for one in artifacts:
        counts[one.status.name] = counts.get(one.status.name, 0) + 1
    return {
        "title": str(selection),
        "log": view.checkpoint.origin,
        "root": view.checkpoint.root.hex(),
        "tree_size": view.size,
        "first": format_time(view.leaf(selected[0])[1].at_ms),
        "last": format_time(view.leaf(selected[-1])[1].at_ms),
        "records": len(selected),
        "artifacts": [one.to_dict() for one in artifacts],
        "counts": dict(sorted(counts.items())),
        "builds": builds,
        "others": [_describe_other(view, index) for index in others[:MAX_ROWS]],
        "others_left": max(0, len(others) - MAX_ROWS),
        "signers": _list_signers(view, selected),
        "rows": MAX_ROWS,
    }


def describe_pack(left_out: Sequence[LeftOut], withheld: int) -> dict[str, Any]:
    """Return what the report in a pack says of the pack."""
    return {
        "left_out": [one._asdict() for one in left_out[:MAX_ROWS]],
        "left_out_more": max(0, len(left_out) - MAX_ROWS),
        "withheld": withheld,
    }


def _group(
    view: LedgerView, selection: Selection, selected: Sequence[int]
) -> tuple[list[list[int]], list[int]]:
    """Return (the records of each build, records of no build), in order."""
    if selection.kind == BUILD:
        return [list(selected)], []
    groups: dict[str, list[int]] = {}
    others: list[int] = []
    for record in view.records(selected):
        job = None if record.statement is None else record.statement.job_id
        if job is None:
            others.append(record.index)
        else:
            groups.setdefault(job, []).append(record.index)
    return list(groups.values()), others


def _describe_build(
    view: LedgerView,
    indexes: Sequence[int],
    artifacts: Mapping[str, Artifact],
    *,
    is_whole: bool,
) -> dict[str, Any]:
    """Return the view of a build, with what the ledger says of its artifacts."""
    shown = [
        show_record(view, one, receipt=False).to_dict() for one in view.records(indexes)
    ]
    build = describe_build(shown)
    for one in build["artifacts"]:
        judged = artifacts.get(one["digest"])
        one["status"] = None if judged is None else judged.status.name
    statuses = [one["status"] for one in build["artifacts"] if one["status"]]
    row = {
        "job": build["job"],
        "started": build["started"],
        "result": build["result"],
        "level": build["slsa"]["level"],
        "artifacts": len(build["artifacts"]),
        "bad": sum(one != "TRUSTED" for one in statuses),
        "indexes": [indexes[0], indexes[-1]],
    }
    if not is_whole:
        return {**row, "whole": None}
    lines = [
        {key: one[key] for key in ("index", "timestamp", "type", "status", "standing")}
        for one in shown[:MAX_ROWS]
    ]
    return {**row, "whole": {**build, "timeline": lines}}


def _describe_other(view: LedgerView, index: int) -> dict[str, Any]:
    """Return a record of no build."""
    found = show_record(view, view.record(index), receipt=False).to_dict()
    keys = ("index", "timestamp", "type", "status", "name", "standing")
    return {key: found[key] for key in keys}


def _list_signers(view: LedgerView, selected: Sequence[int]) -> list[dict[str, Any]]:
    """Return whose records these are, and how each stands."""
    trust = view.trust()
    found: dict[str, int] = {}
    for _, leaf in view.leaves(selected):
        found[leaf.signer] = found.get(leaf.signer, 0) + 1
    orgs = trust.orgs()
    return [
        {
            "signer": signer,
            "records": count,
            "level": trust.level(signer),
            "orgs": [org for org, members in orgs.items() if signer in members],
            "administrator": signer in trust.administrators,
            "revoked": trust.is_revoked(signer, view.size),
        }
        for signer, count in sorted(found.items())
    ]

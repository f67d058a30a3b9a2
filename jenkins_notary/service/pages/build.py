"""Make the page of one build: all that is on record of it, in one view."""

from __future__ import annotations

import re

from jenkins_notary.api.builds.jobs import list_builds
from jenkins_notary.api.evidence import search_records, show_record
from jenkins_notary.api.lookup import Wanted, time_of
from jenkins_notary.errors import AmbiguousError, NotaryError, NotFoundError
from jenkins_notary.evidence.build_view import (
    describe_build,
    facts_of,
    object_of,
    objects_of,
    predicate_of,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.pages.findings import describe_level, list_verdicts
from jenkins_notary.pages.links import outside_url
from jenkins_notary.pages.records import describe_record
from jenkins_notary.service.answers.handlers import within
from jenkins_notary.service.http.asks import check_known, parse_number, text_of
from jenkins_notary.service.pages.site import page
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.digest import digest_hex, is_hex_digest
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.pages.links import Links
    from jenkins_notary.service.answers.handlers import Call
    from jenkins_notary.serving.replies import Reply
    from jenkins_notary.values.jobid import JobId

    Record = Mapping[str, Any]

MAX_RECORDS = 1000
"""Records of one page."""

MAX_JUDGED = 100
"""Artifacts whose status is asked for."""

_COMMIT = re.compile("[0-9a-f]{40}")
_LOOKED_AT = 5000
_NEAR = 20
_STAGES = 300


def show_build(call: Call, job: str) -> Reply:
    """Return the page of a build.

    Raises:
        NotFoundError: No record of it may be seen.
    """
    check_known(call.query, {"started", "before"})
    named = within(call.who, format_job_id(parse_job_id(job)))
    view = call.session.followed_view()
    started = text_of(call.query, "started", 100)
    before = parse_number(call.query, "before", None)
    query = Query(job=named, limit=MAX_RECORDS, started=started, before=before)
    try:
        found, older = search_records(
            view, query, sees=call.who.sees, max_looked_at=_LOOKED_AT
        )
    except AmbiguousError as error:
        return page(
            call,
            "error",
            f"Several builds are {named[:200]}",
            section="Jobs",
            status=409,
            error=error.to_dict(),
            choices=_choices(call, view, named),
        )
    if not found:
        raise NotFoundError(f"build {named[:200]}", got="none that this token may see")
    records = [show_record(view, one, receipt=False).to_dict() for one in found]
    build = describe_build(records)
    listed = build["artifacts"]
    return page(
        call,
        "build",
        named,
        section="Jobs",
        page={
            **_facts(call, named, build, records),
            "artifacts_left": max(0, len(listed) - MAX_JUDGED),
            "older_records": older
            and call.link.build(named, started=started, before=older),
        },
        build=build,
        artifacts=[_judge(view, one) for one in listed[:MAX_JUDGED]],
        timeline=[describe_record(one) for one in records],
        slsa=describe_level(build),
        verdicts=list_verdicts(build),
    )


def _facts(
    call: Call, job: str, build: Mapping[str, Any], records: Sequence[Record]
) -> dict[str, Any]:
    """Return what the page shows beside the view of the build."""
    parsed = parse_job_id(job)
    asked = {"started": call.query.get("started")}
    older, newer = _neighbours(call, parsed)
    counting = [one for one in records if one["standing"] == "enrolled"]
    provenance = next(
        (one for one in reversed(counting) if one["type"] == "provenance"), None
    )
    definition = object_of(predicate_of(provenance).get("buildDefinition"))
    internal = object_of(definition.get("internalParameters"))
    ran = object_of(facts_of(provenance).get("build"))
    tests = object_of((build["tests"] or {}).get("counts"))
    log = build["log"]
    is_text_kept = log is not None and log["kept"] == "stored"
    return {
        "job": job,
        "job_name": job.rpartition("#")[0],
        "number": parsed.number,
        "older": older,
        "newer": newer,
        "duration_ms": ran.get("durationMs"),
        "commits": [_split_commit(one) for one in build["commits"]],
        "other_names": [one for one in build["names"] if one != build["job"]],
        "identities": sorted(set(_identities(counting))),
        "tests": ", ".join(f"{count} {name}" for name, count in tests.items()),
        "url": outside_url(internal.get("url")),
        "log": log and call.link.log(job, **asked),
        "log_text": call.link.api("log", job=job, **asked) if is_text_kept else None,
        "pack": call.link.api("pack", job=job, **asked),
        "stages": list(_stages(call.link, provenance, job, asked)) if log else [],
        "gaps": [
            (what, _say_gap(why)) for what, why in object_of(build["gaps"]).items()
        ],
    }


def _split_commit(text: str) -> tuple[str | None, str]:
    """Return (commit id, its source) of a line of the view, None for no commit id."""
    commit, _, uri = text.partition("  ")
    return (commit, uri) if _COMMIT.fullmatch(commit) else (None, text)


def _identities(records: Sequence[Record]) -> Iterator[str]:
    """Yield how it is known that records are of this build."""
    for one in records:
        job = object_of(facts_of(one).get("job"))
        word = facts_of(one).get("identity") or job.get("identity")
        if isinstance(word, str):
            yield _IDENTITIES.get(word, word[:80])


_IDENTITIES = {
    "asserted": "asserted: only who sent a record says that it is of this build",
    "controller": "controller: its records came through the controller's own hook",
    "nonce": "nonce: the service found what it had said in the running build's log",
    "oidc": "oidc: an id token of the controller names this build",
}


def _stages(
    link: Links, provenance: Record | None, job: str, asked: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the stages that a provenance lists among its byproducts."""
    details = object_of(predicate_of(provenance).get("runDetails"))
    for byproduct in objects_of(details.get("byproducts")):
        if byproduct.get("name") != "stages":
            continue
        listed = object_of(byproduct.get("annotations")).get("stages")
        for one in objects_of(listed)[:_STAGES]:
            name, at_ms = one.get("name"), one.get("startedAt")
            if isinstance(name, str):
                yield {
                    "name": name,
                    "path": link.log(job, stage=name, **asked),
                    "status": one.get("status"),
                    "duration_ms": one.get("durationMs"),
                    "started": _time(at_ms),
                }


def _time(at_ms: object) -> str | None:
    """Return a time, None for what is none."""
    if isinstance(at_ms, str):
        return at_ms
    is_time = type(at_ms) is int and 0 <= at_ms < _LATEST_MS
    return format_time(at_ms) if is_time else None  # type: ignore[arg-type]  # it is an int


_LATEST_MS = 253_402_300_800_000


def _say_gap(why: object) -> str:
    """Return why something could not be read, in a line."""
    found = object_of(why)
    if found:
        return f"{found.get('count')} of them"
    return str(why)


def _judge(view: LedgerView, one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an artifact with the ledger's word on it."""
    digest = one["digest"]
    sha256_hex = digest.removeprefix("sha256:")
    if not is_hex_digest(sha256_hex):
        return {**one, "status": None, "why": None}
    try:
        verdict = view.verdict(digest_hex(digest), TrustRule())
    except NotaryError as error:
        return {**one, "status": "ERROR", "why": str(error)}
    return {**one, "status": verdict.status.name, "why": verdict.reason}


def _neighbours(call: Call, job: JobId) -> tuple[str | None, str | None]:
    """Return the paths of the builds before and after one, where they are near."""
    view = call.session.followed_view()
    name = format_job_id(job).rpartition("#")[0]
    found, _ = list_builds(
        view, name, sees=call.who.sees, before=job.number + _NEAR, limit=2 * _NEAR
    )
    numbers = {one.job.number: one.job for one in found}
    older = max((one for one in numbers if one < job.number), default=None)
    newer = min((one for one in numbers if one > job.number), default=None)
    return tuple(  # type: ignore[return-value]  # it has two
        None if one is None else call.link.build(format_job_id(numbers[one]))
        for one in (older, newer)
    )


def _choices(call: Call, view: LedgerView, job: str) -> list[tuple[str | None, str]]:
    """Return (path, text) of each build that a job id may mean."""
    wanted = Wanted(view, job)
    found: dict[str, tuple[str | None, str]] = {}
    for index in list(wanted.candidates())[:_LOOKED_AT]:
        record = view.record(index)
        if not (wanted.matches(record) and call.who.sees(record)):
            continue
        own = None if record.statement is None else record.statement.job_id
        at_ms = time_of(record)
        if own is not None and at_ms is not None:
            started = format_time(at_ms)
            text = f"{own}, started at {started}"
            found[text] = call.link.build(own, started=started), text
    return [found[text] for text in sorted(found)]

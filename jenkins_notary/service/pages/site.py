"""Answer the requests of people's browsers with pages.

Each page is made of what the API gives the same person: proven records that he may see.
Nothing here decides anything; the view of a build is that of ``evidence JOB_ID``.
"""

from __future__ import annotations

import json
from contextlib import suppress

from jenkins_notary.api.authenticate import authenticate_assets
from jenkins_notary.api.evidence import search_records, show_record
from jenkins_notary.api.ledgers.maintenance import describe_ledger
from jenkins_notary.api.signers import list_signers
from jenkins_notary.assets.asset import Asset, Subject
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.build_view import trace_digest
from jenkins_notary.evidence.coverage import STATES, UNCOVERED
from jenkins_notary.ledger.author import format_time
from jenkins_notary.pages.chart import draw_growth
from jenkins_notary.pages.records import describe_record
from jenkins_notary.pages.site import STATIC, Frame, read_static, render
from jenkins_notary.service.answers.handlers import see
from jenkins_notary.service.builds.coverage import find_coverage
from jenkins_notary.service.http.asks import check_known, parse_number, text_of
from jenkins_notary.service.monitoring.audits import list_audits
from jenkins_notary.service.pages.words import find_meaning
from jenkins_notary.serving.replies import PAGE_HEADERS, Reply
from jenkins_notary.tlog.cosignature import parse_cosignature
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.trust.verdict import TrustRule, linked_digests
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.pages.records import RecordLine
    from jenkins_notary.service.answers.handlers import Call

HTML = "text/html; charset=utf-8"
MAX_LISTED = 200
"""Records of one list."""

_RECENT = 15
_LOOKED_AT = 300
_SUBJECTS = 500
_LINES = 5000
_POINTS = 48
_LATEST_S = 253_402_300_800
"""The year 10000, which no time here is written for."""


def home(call: Call) -> Reply:
    """Return the first page: search, and what was recorded lately."""
    check_known(call.query, set())
    return page(call, "home", "Search", recent=list(_recent(call)), words="")


def search(call: Call) -> Reply:
    """Return what some words mean: mostly the way to another page."""
    check_known(call.query, {"q", "before"})
    words = (text_of(call.query, "q", 4096) or "").strip()
    meaning = find_meaning(words, call.link)
    if meaning is None:
        return page(
            call, "search", "Search", heading="Search", words=words, records=None
        )
    if isinstance(meaning, str):
        return Reply(b"", HTML, 303, {**PAGE_HEADERS, "Location": meaning})
    before = parse_number(call.query, "before", None)
    records, older = _search(call, meaning._replace(before=before))
    what = "Commit" if meaning.commit else "Signer"
    return page(
        call,
        "search",
        f"{what} {words}",
        section="Search",
        heading=f"{what} {words}",
        words=words,
        records=records[::-1],
        older=older and call.link.search(words, before=older),
    )


def show_digest(call: Call) -> Reply:
    """Return what the ledger says of a digest, and where it was made and used."""
    check_known(call.query, {"before"})
    sha256_hex = call.path["sha256"]
    if not is_hex_digest(sha256_hex):
        raise UsageError("digest", expected="sha256: and 64 hex digits")
    digest = f"sha256:{sha256_hex}"
    asset = Asset(digest, "digest", None, (Subject(digest, digest),), None)
    (verdict,) = authenticate_assets(
        call.session, [digest], lambda _: [asset], TrustRule()
    )
    view = call.session.followed_view()
    before = parse_number(call.query, "before", None)
    query = Query(digest=digest, limit=MAX_LISTED, before=before)
    found, older = search_records(view, query, sees=call.who.sees, max_looked_at=_LINES)
    shown = [show_record(view, one, receipt=False).to_dict() for one in found]
    names = list(dict.fromkeys(_names_of(shown, sha256_hex)))
    counting = [one for one in found if view.standing(one) == "enrolled"]
    linked = linked_digests(sha256_hex, counting) - {sha256_hex}
    told = verdict.to_dict()
    return page(
        call,
        "digest",
        names[0] if names else digest,
        section="Search",
        page={
            "digest": digest,
            "name": names[0] if names else None,
            "names": names[1:21],
            "linked": [f"sha256:{one}" for one in sorted(linked)][:100],
            "is_whole": before is None and older is None,
        },
        verdict={**told, "status": told["status"] or "ERROR"},
        trace=trace_digest(shown),
        records=[describe_record(one) for one in reversed(shown)],
        older=older and call.link.digest(digest, before=older),
    )


def show_one_record(call: Call) -> Reply:
    """Return one record, whole."""
    check_known(call.query, set())
    record = see(call)
    shown = show_record(call.session.followed_view(), record, receipt=False).to_dict()
    subjects = shown.get("subjects") or []
    predicate = shown.get("predicate")
    text = "" if predicate is None else json.dumps(predicate, indent=2)
    lines = text.splitlines()
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], "... the envelope holds all of it"]
    return page(
        call,
        "record",
        f"Record #{record.index}",
        one=shown,
        said=describe_record(shown).said,
        subjects=subjects[:_SUBJECTS],
        subjects_left=max(0, len(subjects) - _SUBJECTS),
        predicate=lines,
    )


def show_ledger(call: Call) -> Reply:
    """Return where the ledger stands, how it grew, who signs and who watches."""
    check_known(call.query, set())
    view = call.session.followed_view()
    points = list(_growth(view))
    curve = draw_growth(points)
    state = describe_ledger(call.session).to_dict()
    return page(
        call,
        "ledger",
        "Ledger",
        state=state,
        chart=curve
        and {
            "points": curve,
            "first": format_time(points[0][0]),
            "last": format_time(points[-1][0]),
        },
        witnesses=list(_witnesses(view)),
        signers=[one.to_dict() for one in list_signers(call.session)],
    )


def show_coverage(call: Call) -> Reply:
    """Return which builds are on record and which are not."""
    check_known(call.query, {"folder"})
    reports = find_coverage(call, call.query.get("folder"))
    return page(
        call,
        "coverage",
        "Coverage",
        reports=reports,
        states=STATES,
        lacking=sorted(UNCOVERED),
    )


def show_audits(call: Call) -> Reply:
    """Return who watches the log, and how one does."""
    check_known(call.query, set())
    return page(
        call,
        "audit",
        "Audit",
        audits=list_audits(call.service.state),
        witnesses=call.service.witnesses.describe(),
        vkey=call.session.vkey(),
    )


def read_page_file(name: str) -> Reply:
    """Return a file that pages use; anybody may have it.

    Raises:
        NotFoundError: There is no such file.
    """
    if name not in STATIC:
        raise NotFoundError("path", expected="a path of this service")
    forever = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Reply(read_static(name), STATIC[name], headers=forever)


def page(
    call: Call,
    template: str,
    title: str,
    *,
    section: str | None = None,
    status: int = 200,
    **facts: object,
) -> Reply:
    """Return a page for whoever asks.

    Args:
        call: The request.
        template: The page's template.
        title: Its title.
        section: Which entry of the menu it belongs to; the title's if left out.
        status: The HTTP status.
        facts: What the template shows.
    """
    view = call.session.followed_view()
    _, last = view.leaf(view.size - 1)
    frame = Frame(
        title,
        call.who.name,
        title if section is None else section,
        view.size,
        view.checkpoint.origin,
        format_time(last.at_ms),
        call.has_login,
        call.root,
    )
    body = render(template, frame, status=status, **facts)
    return Reply(body, HTML, status, PAGE_HEADERS)


def _recent(call: Call) -> Iterator[RecordLine]:
    """Yield the newest record of each build that was recorded lately."""
    view = call.session.followed_view()
    seen: set[str] = set()
    for record in view.records(range(view.size - 1, -1, -1)[:_LOOKED_AT]):
        job = None if record.statement is None else record.statement.job_id
        if job is None or job in seen or not call.who.sees(record):
            continue
        seen.add(job)
        yield describe_record(show_record(view, record, receipt=False).to_dict())
        if len(seen) >= _RECENT:
            return


def _search(call: Call, query: Query) -> tuple[list[RecordLine], int | None]:
    """Return (lines of the records that match, ``before`` of the next page)."""
    view = call.session.followed_view()
    found, older = search_records(
        view,
        query._replace(limit=MAX_LISTED),
        sees=call.who.sees,
        max_looked_at=_LINES,
    )
    shown = [show_record(view, one, receipt=False).to_dict() for one in found]
    return [describe_record(one) for one in shown], older


def _names_of(records: Sequence[Mapping[str, Any]], sha256_hex: str) -> Iterator[str]:
    """Yield what records call a digest, the newest name first."""
    for record in reversed(records):
        for one in record.get("subjects") or ():
            is_named = one["digest"]["sha256"] == sha256_hex
            if is_named and record["standing"] == "enrolled":
                yield one["name"]


def _witnesses(view: LedgerView) -> Iterator[dict[str, str]]:
    """Yield who else has signed the checkpoint, as its signature lines say."""
    for one in parse_note(view.note).signatures:
        with suppress(IntegrityError):
            seconds = parse_cosignature(one.signature).timestamp
            if seconds < _LATEST_S:
                yield {"name": one.name, "timestamp": format_time(seconds * 1000)}


def _growth(view: LedgerView) -> Iterator[tuple[int, int]]:
    """Yield (commit time, records) at some sizes of the log."""
    step = max(1, (view.size - 1) // _POINTS)
    for index in [*range(0, view.size - 1, step), view.size - 1]:
        yield view.leaf(index)[1].at_ms, index + 1

"""Make the page of a build's log: some of its lines at a time, each proven."""

from __future__ import annotations

from collections import deque
from itertools import islice

from jenkins_notary.api.bodies import body_of, check_readable
from jenkins_notary.api.logs.reading import list_stages, read_lines
from jenkins_notary.errors import NotFoundError, PermissionDeniedError
from jenkins_notary.pages.text import MAX_TEXT
from jenkins_notary.service.answers.listings import find_readable
from jenkins_notary.service.http.asks import check_known, parse_number, text_of
from jenkins_notary.service.pages.site import page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.api.logs.reading import LogExtract
    from jenkins_notary.service.answers.handlers import Call
    from jenkins_notary.serving.replies import Reply

MAX_LINES = 1000
"""Lines of one page."""

MAX_TAIL_BYTES = 64 << 20
"""The longest log whose end is looked for: it is read from its beginning."""

_KEPT_BYTES = 4 * MAX_TEXT + 4
_MARK = b"[Pipeline]"
_ASKED = ("stage", "grep", "started")


def show_log(call: Call, job: str) -> Reply:
    """Return the page of a build's log, or of one of its stages.

    Raises:
        NotFoundError: There is none that may be seen.
    """
    check_known(call.query, {*_ASKED, "from", "at"})
    # A form sends its empty fields, too.
    call = call._replace(query={key: one for key, one in call.query.items() if one})
    extract = find_readable(call, job)
    grep = text_of(call.query, "grep", 1000) or ""
    first = max(1, parse_number(call.query, "from", 1) or 1)
    stages = list_stages(call.session, extract.log)
    refusal = _refusal(call, extract)
    lines: list[tuple[int, bytes]] = []
    if refusal is None:
        lines = _read(call, extract, grep, first)
    shown = [(number, line, line.startswith(_MARK)) for number, line in lines]
    found_job = extract.log.job
    return page(
        call,
        "log",
        f"Log of {found_job}",
        section="Jobs",
        page={
            "build": call.link.build(job, started=call.query.get("started")),
            "job_name": job.rpartition("#")[0],
            "number": job.rpartition("#")[2],
            "bounds": extract.bounds,
            **_ways(call, job, extract, lines),
        },
        log=extract.log.to_dict(),
        asked={
            "stage": call.query.get("stage", ""),
            "started": call.query.get("started", ""),
            "grep": grep,
            "first": first if first > 1 else "",
        },
        stages=list(dict.fromkeys(one.name for one in stages if one.ranges)),
        refusal=refusal,
        lines=shown[:MAX_LINES],
    )


def _read(
    call: Call, extract: LogExtract, grep: str, first: int
) -> list[tuple[int, bytes]]:
    """Return the lines of a page, and one more where there are more."""
    found = read_lines(call.session, extract, grep=grep or None, lines=(first, 1 << 62))
    # A thousand of the longest lines would be 64 MiB; a page shows less of each.
    lines = ((number, line[:_KEPT_BYTES]) for number, line in found)
    if call.query.get("at") == "end" and _size(extract) <= MAX_TAIL_BYTES:
        return list(deque(lines, MAX_LINES))
    return list(islice(lines, MAX_LINES + 1))


def _ways(
    call: Call, job: str, extract: LogExtract, lines: list[tuple[int, bytes]]
) -> dict[str, Any]:
    """Return the ways from here: to the text, the begin, the end, back and onward."""
    asked: Mapping[str, Any] = {key: call.query.get(key) for key in _ASKED}
    start = extract.ranges[0][0] if extract.ranges else 1
    is_end = call.query.get("at") == "end"
    first = lines[0][0] if lines else start
    onward = lines[MAX_LINES][0] if len(lines) > MAX_LINES else None
    can_end = onward is not None and _size(extract) <= MAX_TAIL_BYTES
    has_before = first > start and (is_end or not asked["grep"])
    back = max(start, first - MAX_LINES)
    return {
        "text": call.link.api("log", job=job, **asked),
        "begin": call.link.log(job, **asked) if first > start or is_end else None,
        "back": call.link.log(job, **{**asked, "from": back}) if has_before else None,
        "onward": onward and call.link.log(job, **{**asked, "from": onward}),
        "end": call.link.log(job, **asked, at="end")
        if can_end and not is_end
        else None,
    }


def _size(extract: LogExtract) -> int:
    """Return how many bytes the log has."""
    return sum(body_of(one).size for one in extract.log.pieces)


def _refusal(call: Call, extract: LogExtract) -> dict[str, Any] | None:
    """Return why the text is not shown, None where it is."""
    try:
        for one in extract.log.pieces:
            check_readable(call.session, one)
    except (NotFoundError, PermissionDeniedError) as error:
        return error.to_dict()
    return None

"""Find the records that a pack or report is about: of a build, a release, a period.

A release is all records of every build that recorded an attribute (``release=1.2``) and
those that carry it without a build. There is no index on attributes, so the log is read
from its end: a folder or a time makes that shorter.
"""

from __future__ import annotations

from jenkins_notary.api.evidence import search_records
from jenkins_notary.api.lookup import time_of
from jenkins_notary.errors import AmbiguousError, NotFoundError, UsageError
from jenkins_notary.evidence.pack_check import find_period
from jenkins_notary.evidence.pack_head import BUILD, MAX_SELECTED, RELEASE, Selection
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord

    Sees = Callable[[ProvenRecord], bool]

_PAGE = 1000
_EPOCH = "1970-01-01T00:00:00Z"


def select_records(
    view: LedgerView, selection: Selection, *, sees: Sees
) -> tuple[int, ...]:
    """Return the indexes of the records that are asked for, in order.

    Args:
        view: The ledger.
        selection: What is asked for.
        sees: Says of a record whether the reader may see it; what may not is left out.

    Raises:
        UsageError: Not one of the three, or more than a pack holds.
        NotFoundError: Nothing is there, or nothing that may be seen.
        AmbiguousError: A job id matches several builds.
    """
    _check(selection)
    if selection.kind == BUILD:
        found = _of_build(view, selection.job or "", selection.started, sees)
    elif selection.kind == RELEASE:
        found = _of_release(view, selection, sees)
    else:
        found = _of_period(view, selection, sees)
    indexes: set[int] = set()
    for index in found:
        indexes.add(index)
        if len(indexes) > MAX_SELECTED:
            raise UsageError(
                f"{selection}",
                expected=f"at most {MAX_SELECTED} records",
                got="more",
                advice="make several packs: --folder, --since, --until",
            )
    if not indexes:
        raise NotFoundError(
            f"{selection}",
            expected="a record",
            got="none",
            advice="check the name and the times: jenkins-notary evidence",
        )
    return tuple(sorted(indexes))


def _check(selection: Selection) -> None:
    """Check that a selection asks for one thing.

    Raises:
        UsageError: For none, or for several.
    """
    has_time = selection.since is not None or selection.until is not None
    if selection.kind == BUILD and (has_time or selection.folder or selection.release):
        raise UsageError(
            "JOB_ID", expected="no --release, --folder, --since or --until beside it"
        )
    if selection.started is not None and selection.kind != BUILD:
        raise UsageError("--started", expected="a JOB_ID beside it", got="none")
    if selection.kind == RELEASE and "=" not in (selection.release or ""):
        raise UsageError(
            "--release", expected="NAME=VALUE", got=f"{selection.release}"[:80]
        )
    for option in ("since", "until"):
        text = selection._asdict()[option]
        if text is not None and parse_as_of(str(text))[1] is None:
            raise UsageError(option, expected="an RFC 3339 time", got=str(text)[:60])
    if selection.kind not in {BUILD, RELEASE} and not has_time:
        raise UsageError(
            "selection",
            expected="a JOB_ID, --release NAME=VALUE, --since or --until",
            got="none",
        )


def _of_build(
    view: LedgerView, job: str, started: str | None, sees: Sees
) -> Iterator[int]:
    """Yield the records of one build, with those that say that it was deleted."""
    if "#" not in job and "://" not in job:
        raise UsageError("JOB_ID", expected="NAME#NUMBER or a build's URL", got=job)
    query = Query(job=job, started=started, limit=MAX_SELECTED + 1)
    found, _ = search_records(view, query, sees=sees, max_looked_at=MAX_SELECTED)
    yield from (one.index for one in found)


def _of_period(view: LedgerView, selection: Selection, sees: Sees) -> Iterator[int]:
    """Yield the records of a time, of one folder or of the whole log."""
    if selection.folder is None:
        # All of them, whatever they are: that none is missing can then be proven.
        yield from find_period(view, selection.since, selection.until)
        return
    for record in _read(view, selection, sees):
        yield record.index


def _of_release(view: LedgerView, selection: Selection, sees: Sees) -> Iterator[int]:
    """Yield the records of every build that carries an attribute."""
    name, _, value = (selection.release or "").partition("=")
    builds: set[tuple[str, int | None]] = set()
    for record in _read(view, selection, sees):
        if record.statement is None:
            continue
        attributes = record.statement.facts.get("attributes")
        if not isinstance(attributes, dict) or _text(attributes.get(name)) != value:
            continue
        yield record.index
        job = record.statement.job_id
        if job is not None:
            builds.add((job, time_of(record)))
    for job, at_ms in sorted(builds, key=str):
        yield from _of_released_build(view, job, at_ms, sees)


def _of_released_build(
    view: LedgerView, job: str, at_ms: int | None, sees: Sees
) -> Iterator[int]:
    """Yield the records of a build that carries a release's attribute."""
    started = None if at_ms is None else format_time(at_ms)
    try:
        yield from _of_build(view, job, started, sees)
    except (AmbiguousError, UsageError, NotFoundError):
        # A record may claim any job; what carries the attribute itself is in already.
        return


def _read(view: LedgerView, selection: Selection, sees: Sees) -> Iterator[ProvenRecord]:
    """Yield the records of a folder and a time, page by page."""
    before: int | None = None
    since = selection.since
    if since is None and selection.folder is None and selection.until is None:
        since = _EPOCH
    while True:
        query = Query(
            job=selection.folder,
            since=since,
            until=selection.until,
            limit=_PAGE,
            before=before,
        )
        found, before = search_records(view, query, sees=sees, max_looked_at=_PAGE)
        yield from found
        if before is None:
            return


def _text(value: object) -> str | None:
    """Return an attribute's value as the command line writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)

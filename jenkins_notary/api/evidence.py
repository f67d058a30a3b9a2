"""Find what was recorded.

Everything that is returned was proven: rows are hints only. A job id that matches
several builds is never chosen for the caller (AmbiguousError).
"""

from __future__ import annotations

from jenkins_notary.api.authenticate import view_as_of
from jenkins_notary.api.lookup import Wanted
from jenkins_notary.api.results import RecordView
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    UsageError,
)
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.ledger.rows import exact_range, find_commits
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.digest import digest_hex, parse_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.query import Query


def find_records(
    session: Session, query: Query, *, receipts: bool = False
) -> list[RecordView]:
    """Return proven records that match, in log order.

    Of more than the query's limit the newest are returned.

    Raises:
        NotFoundError: Nothing matches.
        AmbiguousError: A job id matches several builds.
        UsageError: No key, or a malformed one.
    """
    view = view_as_of(session, query.as_of)
    first, last = _time_bounds(view, query)
    wanted = None if query.job is None else Wanted(view, query.job)
    if query.started is not None and (wanted is None or wanted.number is None):
        raise UsageError("--started", expected="a build, NAME#NUMBER", got="none")
    found: list[ProvenRecord] = []
    for index in _candidates(view, query, wanted, range(first, last)):
        if not first <= index < last:
            continue
        record = view.record(index)
        if not _matches(record, query) or not (
            wanted is None or wanted.matches(record)
        ):
            continue
        found.append(record)
        # Whether a job id names one build only all its records tell.
        if len(found) >= query.limit and (wanted is None or wanted.number is None):
            break
    if wanted is not None:
        found = _choose_build(view, query, wanted, found)
    if not found:
        raise NotFoundError(
            f"evidence of {_describe(query)}",
            got="none in this ledger",
            advice="check --ledger and the id: jenkins-notary ledger status",
        )
    found.sort(key=lambda record: record.index)
    newest = found[-query.limit :]
    return [show_record(view, one, receipt=receipts) for one in newest]


def search_records(
    view: LedgerView,
    query: Query,
    *,
    sees: Callable[[ProvenRecord], bool],
    max_looked_at: int,
) -> tuple[list[ProvenRecord], int | None]:
    """Return (a page of records in log order, ``before`` of the next page or None).

    Of more than the query's limit the newest are returned.

    Args:
        view: The ledger.
        query: What is looked for.
        sees: Says of a record whether it may be seen; what may not is left out.
        max_looked_at: Records that are read for the page at most, but for a build's:
            all of them tell whether its id names one build.

    Raises:
        AmbiguousError: A job id matches several builds.
        UsageError: No key, or a malformed one.
    """
    first, last = _time_bounds(view, query)
    wanted = None if query.job is None else Wanted(view, query.job)
    if query.started is not None and (wanted is None or wanted.number is None):
        raise UsageError("started", expected="a build, NAME#NUMBER", got="none")
    if wanted is not None and wanted.number is not None:
        return _page_build(view, query, wanted, sees)
    found: list[ProvenRecord] = []
    looked_at = 0
    for index in _candidates(view, query, wanted, range(first, last)):
        if not first <= index < last:
            continue
        if len(found) >= query.limit or looked_at >= max_looked_at:
            return found[::-1], index + 1
        looked_at += 1
        record = view.record(index)
        is_meant = wanted is None or wanted.matches(record)
        if _matches(record, query) and is_meant and sees(record):
            found.append(record)
    return found[::-1], None


def _page_build(
    view: LedgerView,
    query: Query,
    wanted: Wanted,
    sees: Callable[[ProvenRecord], bool],
) -> tuple[list[ProvenRecord], int | None]:
    """Return (a page of one build's records, ``before`` of the next page or None)."""
    first, last = _time_bounds(view, query._replace(before=None))
    indexes = _candidates(view, query, wanted, range(first, last))
    records = view.records([one for one in indexes if first <= one < last])
    found = [one for one in records if _matches(one, query) and wanted.matches(one)]
    chosen = _choose_build(view, query._replace(before=None), wanted, found)
    before = view.size if query.before is None else query.before
    shown = sorted(
        (one for one in chosen if one.index < before and sees(one)),
        key=lambda one: one.index,
    )
    page = shown[-query.limit :]
    return page, page[0].index if len(shown) > len(page) else None


def show_record(
    view: LedgerView, record: ProvenRecord, *, receipt: bool = True
) -> RecordView:
    """Return a proven record with the standing of its signer.

    Raises:
        IntegrityError: It bears a bad signature.
    """
    return RecordView(
        record,
        view.standing(record),
        make_receipt(view, record.index).decode() if receipt else None,
    )


def _candidates(
    view: LedgerView, query: Query, wanted: Wanted | None, bounds: range
) -> Iterator[int]:
    """Yield the indexes that the query's narrowest key leads to, the newest first."""
    if query.digest is not None:
        yield from view.find_digest(digest_hex(parse_digest(query.digest)))
    elif query.commit is not None:
        key = exact_range(_parse_commit(query.commit))
        yield from view.find("commit", *key, newest_first=True)
    elif wanted is not None:
        yield from wanted.candidates()
    elif query.signer is not None:
        from jenkins_notary.trust.keys import parse_signer_id

        key = exact_range(bytes.fromhex(parse_signer_id(query.signer)[2:]))
        yield from view.find("signer", *key, newest_first=True)
    elif query.since is not None or query.until is not None:
        yield from reversed(bounds)
    else:
        raise UsageError(
            "evidence",
            expected="a job id, --digest, --commit, --signer or --since",
            got="nothing to look for",
        )


def _choose_build(
    view: LedgerView, query: Query, wanted: Wanted, found: list[ProvenRecord]
) -> list[ProvenRecord]:
    """Return the records of one build, with those that say that it was deleted."""
    found = wanted.check_one(found, view, query.started)
    if query.digest is not None or query.commit is not None:
        return found
    known = {one.index for one in found}
    first, last = _time_bounds(view, query)
    return found + [
        one
        for one in wanted.deletions(found)
        if one.index not in known
        and first <= one.index < last
        and query.signer in {None, one.leaf.signer}
    ]


def _matches(record: ProvenRecord, query: Query) -> bool:
    """Return whether a proven record has every key of the query."""
    leaf = record.leaf
    if query.digest is not None:
        wanted = digest_hex(parse_digest(query.digest))
        if wanted not in leaf.subjects:
            raise _forged_row(record, f"sha256:{wanted}")
    if (
        query.commit is not None
        and record.statement is not None
        and query.commit.lower() not in find_commits(record.statement)
    ):
        raise _forged_row(record, f"commit {query.commit}")
    return query.signer is None or leaf.signer == query.signer.lower()


def _forged_row(record: ProvenRecord, key: str) -> IntegrityError:
    """Return the error for a row that leads to a record without its key."""
    return IntegrityError(
        f"row of {key}",
        expected="a record that names it",
        got=f"record #{record.index}, which does not",
        advice="the index was altered: run jenkins-notary ledger verify",
    )


def _time_bounds(view: LedgerView, query: Query) -> tuple[int, int]:
    """Return (first index, index behind the last) of the query's times."""
    first, last = 0, view.size
    if query.since is not None:
        first = view.count_until(_time_ms(query.since, "--since") - 1)
    if query.until is not None:
        last = view.count_until(_time_ms(query.until, "--until"))
    if query.before is not None:
        last = min(last, query.before)
    return first, last


def _time_ms(text: str, option: str) -> int:
    """Return the ms UTC of an RFC 3339 time."""
    _, at_ms = parse_as_of(text)
    if at_ms is None:
        raise UsageError(option, expected="an RFC 3339 time", got=text[:60])
    return at_ms


def _parse_commit(text: str) -> bytes:
    """Return the raw bytes of a git commit id."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) not in {20, 32}:
        raise UsageError(
            f"commit {text[:80]!r}",
            expected="a full commit id of 40 or 64 hex digits",
            advice="git rev-parse REVISION",
        )
    return raw


def _describe(query: Query) -> str:
    """Return what was looked for, for a message."""
    keys = ("job", "digest", "commit", "signer", "since", "until")
    parts = [f"{k} {v}" for k in keys if (v := getattr(query, k)) is not None]
    return ", ".join(parts)

"""Find what was recorded.

Everything that is returned was proven: rows are hints only. A job id that matches
several builds is never chosen for the caller (AmbiguousError).
"""

from __future__ import annotations

from jenkins_notary.api.authenticate import view_as_of
from jenkins_notary.api.results import RecordView
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotFoundError,
    UsageError,
)
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.ledger.rows import below_range, exact_range, name_range
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.digest import digest_hex, parse_digest
from jenkins_notary.values.jobid import format_job_id, parse_job_id, parse_job_prefix
from jenkins_notary.values.leaf import hash_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.jobid import JobId
    from jenkins_notary.values.query import Query
    from jenkins_notary.values.statement import Statement


def find_records(
    session: Session, query: Query, *, receipts: bool = False
) -> list[RecordView]:
    """Return proven records that match, in log order.

    Raises:
        NotFoundError: Nothing matches.
        AmbiguousError: A job id without an instance matches several.
        UsageError: No key, or a malformed one.
    """
    view = view_as_of(session, query.as_of)
    first, last = _time_bounds(view, query)
    found = []
    for index in _candidates(view, query, range(first, last)):
        if not first <= index < last:
            continue
        record = view.record(index)
        if not _matches(record, query):
            continue
        found.append(record)
        if len(found) >= query.limit:
            break
    if not found:
        raise NotFoundError(
            f"evidence of {_describe(query)}",
            got="none in this ledger",
            advice="check --ledger and the id: jenkins-notary ledger status",
        )
    found.sort(key=lambda record: record.index)
    return [show_record(view, one, receipt=receipts) for one in found]


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


def _candidates(view: LedgerView, query: Query, bounds: range) -> Iterator[int]:
    """Yield the indexes that the query's narrowest key leads to, the newest first."""
    if query.digest is not None:
        yield from view.find_digest(digest_hex(parse_digest(query.digest)))
    elif query.commit is not None:
        key = exact_range(_parse_commit(query.commit))
        yield from view.find("commit", *key, newest_first=True)
    elif query.job is not None:
        yield from _job_candidates(view, query.job)
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


def _job_candidates(view: LedgerView, text: str) -> Iterator[int]:
    """Yield the indexes of a build's or a folder's records."""
    if "#" not in text and "://" not in text:
        _, folder = parse_job_prefix(text)
        # Rows are in the order of names, and an alias leads to a record once more.
        below = {*view.find("name", *name_range(folder))}
        below.update(view.find("name", *below_range(folder)))
        yield from sorted(below, reverse=True)
        return
    job = parse_job_id(text)
    if job.instance is not None:
        key = bytes.fromhex(hash_job(format_job_id(job)))
        seen = set()
        for index in view.find("job", *exact_range(key), newest_first=True):
            seen.add(index)
            yield index
        # An alias finds the build by its other name too.
        for index in view.find(
            "name", *exact_range(_alias_key(text)), newest_first=True
        ):
            if index not in seen:
                yield index
        return
    indexes = sorted({*view.find("name", *name_range(job.name, job.number))})
    ids = {
        record.statement.job_id
        for record in (view.record(index) for index in indexes)
        if record.statement is not None and record.statement.job_id
    }
    if len(ids) > 1:
        raise AmbiguousError(
            f"job id {text}",
            expected="one build",
            got=", ".join(sorted(ids)[:10]),
            advice="name the instance: INSTANCE:NAME#NUMBER",
        )
    yield from reversed(indexes)


def _alias_key(text: str) -> bytes:
    """Return the ``name`` key of a full job id."""
    from jenkins_notary.ledger.rows import name_key

    key = name_key(text)
    assert key is not None  # noqa: S101 - it was parsed before
    return key


def _matches(record: ProvenRecord, query: Query) -> bool:
    """Return whether a proven record has every key of the query."""
    leaf = record.leaf
    if query.digest is not None:
        wanted = digest_hex(parse_digest(query.digest))
        if wanted not in leaf.subjects:
            raise _forged_row(record, f"sha256:{wanted}")
    if query.commit is not None and record.statement is not None:
        commits = {one.others.get("gitCommit") for one in record.statement.subjects}
        if query.commit.lower() not in commits:
            raise _forged_row(record, f"commit {query.commit}")
    if query.signer is not None and leaf.signer != query.signer.lower():
        return False
    return query.job is None or _is_of_job(record, query.job)


def _is_of_job(record: ProvenRecord, text: str) -> bool:
    """Return whether a record is of a build, or of a job or folder."""
    statement = record.statement
    if "#" in text or "://" in text:
        job = parse_job_id(text)
        if job.instance is not None and record.leaf.job_hex == hash_job(
            format_job_id(job)
        ):
            return True
        named = [] if statement is None else _job_ids(statement)
        return any(
            (one.name, one.number) == (job.name, job.number)
            and job.instance in {None, one.instance}
            for one in named
        )
    instance, folder = parse_job_prefix(text)
    return statement is not None and any(
        (one.name == folder or one.name.startswith(f"{folder}/"))
        and instance in {None, one.instance}
        for one in _job_ids(statement)
    )


def _job_ids(statement: Statement) -> list[JobId]:
    """Return the parsed job ids of a statement: its own and its aliases."""
    aliases = statement.facts.get("aliases")
    named = [statement.job_id, *(aliases if isinstance(aliases, list) else ())]
    parsed = []
    for one in named:
        if isinstance(one, str):
            try:
                parsed.append(parse_job_id(one))
            except UsageError:
                # A foreign statement may claim anything; it matches nothing.
                continue
    return parsed


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

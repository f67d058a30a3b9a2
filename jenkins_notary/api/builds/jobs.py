"""List the jobs below a folder, and the builds of a job, page by page.

Rows of the index lead the way; each job and build that is returned is proven by a
record of it that may be seen. A job that was renamed stands under each of its names,
with the builds that were recorded under it. Signers that do not count are looked at as
any other: a list says what is on record, not what it is worth.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.rows import below_range, derive_keys, name_key, name_range
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import (
    JobId,
    check_job_name,
    format_job_id,
    parse_job_prefix,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord

    Sees = Callable[[ProvenRecord], bool]

MAX_LOOKED_AT = 2000
"""Rows that one page reads at most."""

MAX_TRIED = 200
"""Rows of one job of which one must be of a record that may be seen."""

_PAGE = 16
_NUMBER_BYTES = 8
_LAST = b"\xff"
_SKIPPED_AT = 500
"""Rows of one job after which the next name is looked up instead."""


class ListedJob(NamedTuple):
    """A job that is on record.

    Attributes:
        name: Its full name.
        newest: Its newest build that may be seen.
        record: The newest record of that build.
    """

    name: str
    newest: JobId
    record: ProvenRecord


class ListedBuild(NamedTuple):
    """A build that is on record.

    Attributes:
        job: Its job id.
        record: Its newest record that may be seen.
    """

    job: JobId
    record: ProvenRecord


def list_jobs(
    view: LedgerView,
    *,
    sees: Sees,
    prefix: str = "",
    after: str = "",
    limit: int = 100,
) -> tuple[list[ListedJob], str | None]:
    """Return (a page of jobs by name, ``after`` of the next page or None).

    Args:
        view: The ledger.
        sees: Says of a record whether it may be seen.
        prefix: ``[INSTANCE:]FOLDER`` that the jobs are, or are below; "" for all.
        after: Name of the last job of the page before.
        limit: The most that are returned. A page may be empty and have a next one.

    Raises:
        UsageError: A malformed prefix or name.
        IntegrityError: A row leads to a record that is not of its job.

    Cost: a row look-up and a proof for each job.
    """
    instance, folder = parse_job_prefix(prefix) if prefix else (None, "")
    if after:
        check_job_name(after)
    found: list[ListedJob] = []
    budget = MAX_LOOKED_AT
    for name in _names(view, folder, after):
        if budget <= 0 or len(found) >= limit:
            return found, after
        tried = 0
        for job, index in _builds(view, name, None):
            tried += 1
            record = _prove(view, job, index)
            if record and instance in {None, job.instance} and sees(record):
                found.append(ListedJob(name, job, record))
                break
            if tried >= MAX_TRIED:
                break
        budget -= max(1, tried)
        after = name
    return found, None


def list_builds(
    view: LedgerView,
    name: str,
    *,
    sees: Sees,
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[ListedBuild], int | None]:
    """Return (a page of a job's builds, newest first, ``before`` of the next or None).

    Args:
        view: The ledger.
        name: ``[INSTANCE:]FULL NAME`` of the job.
        sees: Says of a record whether it may be seen.
        before: Only builds of lower numbers.
        limit: The most that are returned, but for builds of one number.

    Raises:
        UsageError: A malformed name.
        IntegrityError: A row leads to a record that is not of its build.
    """
    instance, full_name = parse_job_prefix(name)
    found: dict[JobId, ListedBuild] = {}
    looked_at = 0
    for job, index in _builds(view, full_name, before):
        if job in found or instance not in {None, job.instance}:
            continue
        if len(found) >= limit or looked_at >= MAX_LOOKED_AT:
            return list(found.values()), job.number + 1
        looked_at += 1
        record = _prove(view, job, index)
        if record is not None and sees(record):
            found[job] = ListedBuild(job, record)
    return list(found.values()), None


def _names(view: LedgerView, folder: str, after: str) -> Iterator[str]:
    """Yield the names of a folder's own job and of all below it, each once."""
    ranges = [name_range(folder), below_range(folder)] if folder else [(b"", _LAST)]
    for low, high in ranges:
        start: bytes | None = max(low, after.encode() + b"\x01") if after else low
        while start is not None:
            rows = view.find_rows("name", start, high)
            last, start = b"", None
            for place, (key, _) in enumerate(rows):
                raw = key.partition(b"\x00")[0]
                if raw != last:
                    last = raw
                    yield raw.decode(errors="replace")
                elif place > _SKIPPED_AT:
                    start = raw + b"\x01"
                    break


def _builds(
    view: LedgerView, name: str, before: int | None
) -> Iterator[tuple[JobId, int]]:
    """Yield (build, index of a record) as the rows of a job say, newest first."""
    low, high = name_range(name)
    if before is not None:
        high = low + min(before, 1 << 63).to_bytes(_NUMBER_BYTES, "big")
    rows = view.find_rows("name", low, high, newest_first=True, page=_PAGE)
    for key, index in rows:
        number, instance = key[len(low) :][:_NUMBER_BYTES], key[len(low) + 8 :]
        yield (
            JobId(
                instance.decode("ascii", "replace") or None,
                name,
                int.from_bytes(number, "big"),
            ),
            index,
        )


def _prove(view: LedgerView, job: JobId, index: int) -> ProvenRecord | None:
    """Return the record that a row leads to; None where it only names the build too.

    Raises:
        IntegrityError: It does not name the row's build at all.
    """
    record = view.record(index)
    text = format_job_id(job)
    if ("name", name_key(text)) not in derive_keys(record.leaf, record.statement):
        raise IntegrityError(
            f"row of {text}",
            expected="a record of that build",
            got=f"record #{index}, which is not",
            advice="the index was altered: run jenkins-notary ledger verify",
        )
    assert record.statement is not None  # noqa: S101 - names come from a statement
    return record if record.statement.job_id == text else None

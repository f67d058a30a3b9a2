"""Follow the names of jobs: a job that was renamed has several, one after the other.

An *alias* record says that a job, or a folder with all below it, had one name before
it and has another from it on (``evidence.lifecycle``). So a name and a range of the
log name one job, and a job is a chain of such segments::

    payments/api  [0, 812)   ->   billing/api  [812, ...)

What was recorded under the new name before the alias, or under the old one after it,
is another job. Asked for a name, all jobs that ever had it are found, each by all its
names. Aliases count by enrolled signers only; a row leads to one, its proven leaf and
statement must say the same.

What is left out: what moved out of a folder or into it is found by its own names, not
by the folder's.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import check_job_name
from jenkins_notary.values.leaf import hash_job_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.jobid import JobId

MAX_HOPS = 16
"""The longest chain of names that is followed, each way."""

MAX_ALIASES = 1000
"""Aliases of one name that are weighed."""


class Segment(NamedTuple):
    """One name of a job, and for how long it had it.

    Attributes:
        instance: The controller's, or None for any.
        name: Full name of the job or folder.
        first: Index of the first record that may be of it.
        stop: Index behind the last one.
    """

    instance: str | None
    name: str
    first: int
    stop: int


class _Alias(NamedTuple):
    """One alias that counts: another name from an index on."""

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    instance: str
    old: str
    new: str


def find_segments(view: LedgerView, name: str, instance: str | None) -> list[Segment]:
    """Return every name, with its time, of every job that ever had a name.

    The first is the name itself, for all time. Chains are followed for at most
    :data:`MAX_HOPS` names each way.

    Cost: a row look-up for each folder above, for each name.
    """
    found = {Segment(instance, name, 0, view.size): None}
    for alias in _find_aliases(view, name, instance):
        for one in _follow(view, alias, name, is_back=True):
            found[one] = None
        for one in _follow(view, alias, name, is_back=False):
            found[one] = None
    return list(found)


def find_present(view: LedgerView, name: str, instance: str) -> list[Segment]:
    """Return the names of the one job that has a name now, that name first.

    What was recorded under the name before its last alias is another job's.

    Cost: as :func:`find_segments`.
    """
    aliases = _find_aliases(view, name, instance)
    if not aliases:
        return [Segment(instance, name, 0, view.size)]
    last = aliases[-1]
    own = Segment(instance, name, last.index, view.size)
    if not _is_at_or_below(name, last.new):
        return [own]
    return [own, *_follow(view, last, name, is_back=True)]


def names_of(view: LedgerView, job: JobId, index: int) -> list[str]:
    """Return the names that a job has had since a record was made, the newest first.

    Args:
        view: The ledger.
        job: The job id that the record has.
        index: The record's index.
    """
    names = [job.name]
    aliases = _find_aliases(view, job.name, job.instance)
    later = [one for one in aliases if one.index > index]
    if later and _is_at_or_below(job.name, later[0].old):
        segments = _follow(view, later[0], job.name, is_back=False)
        names += [one.name for one in segments]
    return names[::-1]


def check_subject(record: ProvenRecord, digest: str) -> None:
    """Refuse a row that leads to a record without its key.

    Raises:
        IntegrityError: The index was altered.
    """
    if digest not in record.leaf.subjects:
        raise IntegrityError(
            f"row of sha256:{digest}",
            expected="a record that names it",
            got=f"record #{record.index}, which does not",
            advice="the index was altered: run jenkins-notary ledger verify",
        )


def _follow(
    view: LedgerView, alias: _Alias, name: str, *, is_back: bool
) -> list[Segment]:
    """Return the segments of a job behind an alias of its name, in one direction.

    Args:
        view: The ledger.
        alias: An alias of the name or of a folder above it.
        name: The name on this side of the alias.
        is_back: Whether to go to what it was before, or to what it is after.
    """
    segments: list[Segment] = []
    while len(segments) < MAX_HOPS:
        here, there = (alias.new, alias.old) if is_back else (alias.old, alias.new)
        if not _is_at_or_below(name, here):
            break
        name = there + name[len(here) :]
        others = _find_aliases(view, name, alias.instance)
        if is_back:
            beyond = [one for one in others if one.index < alias.index][::-1]
            end = beyond[0].index if beyond else 0
            segments.append(Segment(alias.instance, name, end, alias.index))
        else:
            beyond = [one for one in others if one.index > alias.index]
            end = beyond[0].index if beyond else view.size
            segments.append(Segment(alias.instance, name, alias.index, end))
        if not beyond:
            break
        alias = beyond[0]
    return segments


def _find_aliases(view: LedgerView, name: str, instance: str | None) -> list[_Alias]:
    """Return the aliases of a name and of the folders above it, in log order."""
    found: dict[int, _Alias] = {}
    for prefix in list_prefixes(name):
        digest = hash_job_name(prefix, instance)
        for index in view.find_digest(digest):
            record = view.record(index)
            check_subject(record, digest)
            alias = _parse_alias(record)
            if alias is None or prefix not in {alias.old, alias.new}:
                continue
            if view.standing(record) == "enrolled":
                found[index] = alias
            if len(found) >= MAX_ALIASES:
                break
    return [found[index] for index in sorted(found)]


def _parse_alias(record: ProvenRecord) -> _Alias | None:
    """Return the alias that a record is, None for any other one."""
    if record.leaf.type != "alias" or record.statement is None:
        return None
    said = record.statement.predicate
    old, new, instance = said.get("from"), said.get("to"), said.get("instance")
    if not (isinstance(old, str) and isinstance(new, str) and old != new):
        return None
    if not isinstance(instance, str):
        return None
    try:
        check_job_name(old)
        check_job_name(new)
    except UsageError:
        return None
    return _Alias(record.index, instance, old, new)


def list_prefixes(name: str) -> list[str]:
    """Return a name and the folders above it.

    >>> list_prefixes("a/b/c")
    ['a', 'a/b', 'a/b/c']
    """
    parts = name.split("/")
    return ["/".join(parts[:stop]) for stop in range(1, len(parts) + 1)]


def _is_at_or_below(name: str, folder: str) -> bool:
    """Return whether a name is a folder's, or below it."""
    return name == folder or name.startswith(f"{folder}/")

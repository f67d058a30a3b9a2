"""Find the records of a build, job or folder, by every name that it had.

A number is not unique: a job that is deleted and made again counts from 1. Records of a
build carry when it started, and where they differ none is chosen. That a job or a
folder above it was deleted is said with its builds.

Which names there are: :mod:`~jenkins_notary.api.builds.names`.
"""

from __future__ import annotations

from jenkins_notary.api.builds.names import check_subject, find_segments, list_prefixes
from jenkins_notary.errors import AmbiguousError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.rows import below_range, exact_range, name_key, name_range
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.jobid import (
    JobId,
    format_job_id,
    parse_job_id,
    parse_job_prefix,
)
from jenkins_notary.values.leaf import hash_job, hash_job_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jenkins_notary.api.builds.names import Segment
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.statement import Statement

_TOLD = 10


class Wanted:
    """A build, job or folder that is looked for, under all its names.

    Attributes:
        number: The build's number, or None for a job or folder.
    """

    def __init__(self, view: LedgerView, text: str) -> None:
        """Read what is asked for, and follow the aliases of its name.

        Args:
            view: The ledger.
            text: A job id, a build's URL, or a job or folder (``payments/*``).

        Raises:
            UsageError: Malformed.
        """
        self._view = view
        self._text = text
        if "#" in text or "://" in text:
            instance, name, number = parse_job_id(text)
            self.number: int | None = number
        else:
            instance, name = parse_job_prefix(text)
            self.number = None
        self._instance = instance
        self._segments = find_segments(view, name, instance)
        self._hashes = {} if self.number is None else self._hash_segments(self.number)

    def candidates(self) -> Iterator[int]:
        """Yield the indexes that rows lead to, the newest first."""
        found: set[int] = set()
        for one in self._segments:
            found.update(i for i in self._rows(one) if one.first <= i < one.stop)
        yield from sorted(found, reverse=True)

    def matches(self, record: ProvenRecord) -> bool:
        """Return whether a proven record is of what is looked for."""
        if record.leaf.job_hex in self._hashes and any(
            one.first <= record.index < one.stop
            for one in self._hashes[record.leaf.job_hex or ""]
        ):
            return True
        named = [] if record.statement is None else _job_ids(record.statement)
        return any(
            self._is_within(one, record.index, job)
            for one in self._segments
            for job in named
        )

    def check_one(
        self, records: Sequence[ProvenRecord], view: LedgerView, started: str | None
    ) -> list[ProvenRecord]:
        """Return the records of the one build that is meant.

        Records that do not say when their build started belong to any.

        Args:
            records: Those that match.
            view: The ledger.
            started: When the build started, or None where there is only one.

        Raises:
            AmbiguousError: They are of several builds, and none was chosen.
        """
        if self.number is None:
            return list(records)
        if self._instance is None:
            self._check_instances(records)
        times = {one.index: time_of(one) for one in records}
        if started is not None:
            wanted = _parse_time(started)
            return [one for one in records if times[one.index] in {None, wanted}]
        known = {
            at
            for one in records
            if (at := times[one.index]) is not None and view.standing(one) == "enrolled"
        }
        if len(known) > 1:
            listed = ", ".join(format_time(at) for at in sorted(known)[:_TOLD])
            raise AmbiguousError(
                f"job id {self._text}",
                expected="one build",
                got=f"{len(known)}, that started at {listed}: the job was made again",
                advice="choose one: --started TIME",
            )
        return list(records)

    def deletions(self, records: Sequence[ProvenRecord]) -> list[ProvenRecord]:
        """Return the records that say that the job or a folder of it was deleted.

        Args:
            records: Those of the build or job: a deletion before all of them is that
                of another one.
        """
        if not records:
            return []
        first = min(one.index for one in records)
        found = {}
        for one in self._segments:
            for name in list_prefixes(one.name):
                digest = hash_job_name(name, one.instance)
                for index in self._view.find_digest(digest):
                    record = self._view.record(index)
                    check_subject(record, digest)
                    in_time = max(first, one.first) < index <= one.stop
                    if in_time and self._is_deletion(record, name):
                        found[index] = record
        return [found[index] for index in sorted(found)]

    def _is_deletion(self, record: ProvenRecord, name: str) -> bool:
        """Return whether a record deletes a job by name, and the build with it."""
        if record.leaf.type != "deletion" or record.statement is None:
            return False
        said = record.statement.predicate
        bounds = said.get("range")
        if self.number is not None and isinstance(bounds, dict):
            first, last = bounds.get("first"), bounds.get("last")
            if type(first) is int and type(last) is int:
                return said.get("name") == name and first <= self.number <= last
        return said.get("name") == name

    def _rows(self, one: Segment) -> Iterator[int]:
        """Yield the indexes of a segment's rows."""
        view = self._view
        if self.number is None:
            yield from view.find("name", *name_range(one.name))
            yield from view.find("name", *below_range(one.name))
        elif one.instance is None:
            yield from view.find("name", *name_range(one.name, self.number))
        else:
            job = format_job_id(JobId(one.instance, one.name, self.number))
            yield from view.find("job", *exact_range(bytes.fromhex(hash_job(job))))
            # A record of another id may name this one beside its own.
            yield from view.find("name", *exact_range(name_key(job) or b""))

    def _hash_segments(self, number: int) -> dict[str, list[Segment]]:
        """Return the segments by the hash of the job id that each gives."""
        hashes: dict[str, list[Segment]] = {}
        for one in self._segments:
            if one.instance is not None:
                job = format_job_id(JobId(one.instance, one.name, number))
                hashes.setdefault(hash_job(job), []).append(one)
        return hashes

    def _is_within(self, one: Segment, index: int, job: JobId) -> bool:
        """Return whether a job id at an index lies in a segment."""
        if not one.first <= index < one.stop or one.instance not in {
            None,
            job.instance,
        }:
            return False
        if self.number is not None:
            return (job.name, job.number) == (one.name, self.number)
        return job.name == one.name or job.name.startswith(f"{one.name}/")

    def _check_instances(self, records: Sequence[ProvenRecord]) -> None:
        """Refuse records of several controllers, where none was named."""
        ids: dict[str | None, str] = {}
        for record in records:
            job = None if record.statement is None else record.statement.job_id
            if job:
                ids[next((o.instance for o in _parse_ids([job])), None)] = job
        if len(ids) > 1:
            raise AmbiguousError(
                f"job id {self._text}",
                expected="one build",
                got=", ".join(sorted(ids.values())[:_TOLD]),
                advice="name the instance: INSTANCE:NAME#NUMBER",
            )


def time_of(record: ProvenRecord) -> int | None:
    """Return when a record's build started, ms UTC, or None where it does not say."""
    build = None if record.statement is None else record.statement.facts.get("build")
    text = build.get("startedAt") if isinstance(build, dict) else None
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        return parse_as_of(text)[1]
    except UsageError:
        # A foreign statement may say anything; it says nothing of a time.
        return None


def _job_ids(statement: Statement) -> list[JobId]:
    """Return the parsed job ids of a statement: its own and further ones."""
    aliases = statement.facts.get("aliases")
    return _parse_ids(
        [statement.job_id, *(aliases if isinstance(aliases, list) else ())]
    )


def _parse_ids(texts: Sequence[object]) -> list[JobId]:
    """Return the job ids among some values."""
    parsed = []
    for one in texts:
        if isinstance(one, str):
            try:
                parsed.append(parse_job_id(one))
            except UsageError:
                # A foreign statement may claim anything; it matches nothing.
                continue
    return parsed


def _parse_time(text: str) -> int:
    """Return the ms UTC of a build's start.

    Raises:
        UsageError: No RFC 3339 time.
    """
    _, at_ms = parse_as_of(text)
    if at_ms is None:
        raise UsageError("--started", expected="an RFC 3339 time", got=text[:60])
    return at_ms

"""Find what a ledger has of the builds of one job, number by number.

A build is on record when a signer that counts has recorded it: its provenance or its
log as the controller showed it, or at least a claim of it. Rows are hints: what they
lead to is proven, and must say that it is of this build.
"""

from __future__ import annotations

from jenkins_notary.api.builds.names import find_present
from jenkins_notary.api.builds.records import build_of, is_log, is_of_build
from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.build_claim import read_claim
from jenkins_notary.evidence.corroboration import CLOCK_MS
from jenkins_notary.evidence.provenance import BuildKey
from jenkins_notary.ledger.rows import name_range
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import JobId, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Controller
    from jenkins_notary.trust.record import ProvenRecord

MAX_RECORDS = 1000
"""Records of one number that are looked through."""

_TELLING = frozenset({"provenance", "log", "notarization", "deletion"})


class Found(NamedTuple):
    """What the ledger has of a build.

    Attributes:
        is_read: Whether it was read from its controller.
        is_claimed: Whether a claim tells of it.
        is_deleted: Whether a record says that it was deleted.
        names: Names of the artifacts that are on record.
        started_at: When it started, RFC 3339, where that is recorded.
    """

    is_read: bool = False
    is_claimed: bool = False
    is_deleted: bool = False
    names: frozenset[str] = frozenset()
    started_at: str | None = None

    @property
    def is_present(self) -> bool:
        """Return whether it is on record."""
        return self.is_read or self.is_claimed

    @property
    def is_only_claimed(self) -> bool:
        """Return whether nobody has read it from the controller."""
        return self.is_claimed and not self.is_read

    def has(self, path: str) -> bool:
        """Return whether an archived file is on record, by its name."""
        if path in self.names:
            return True
        # A claim names files as the build saw them.
        last = path.rpartition("/")[2]
        return not self.is_read and any(
            one == last or one.endswith(f"/{path}") or path.endswith(f"/{one}")
            for one in self.names
        )


class RecordedBuilds:
    """The builds of one job in one ledger."""

    def __init__(self, view: LedgerView, controller: Controller, name: str) -> None:
        """Look at a job by the names that it has had.

        Args:
            view: The ledger.
            controller: Who runs the job.
            name: Its full name now.
        """
        self._view = view
        self._controller = controller
        self._name = name
        self._segments = find_present(view, name, controller.instance)

    def find(self, number: int, info: BuildInfo | None) -> Found:
        """Return what the ledger has of a build.

        Args:
            number: Its number.
            info: The build that Jenkins has; None where any of that number is meant.
        """
        found = Found()
        call: object = None
        for record in self._records(number):
            assert record.statement is not None  # noqa: S101 - it names the job
            facts = record.statement.facts
            if record.leaf.type == "deletion":
                found = found._replace(is_deleted=True)
            elif _is_read(record):
                if not self._is_of(record, number, info):
                    continue
                found = found._replace(is_read=True, started_at=_started_at(record))
                # The parts of the newest provenance, not those of an older one.
                if record.leaf.type == "provenance" and call in {
                    None,
                    facts.get("recordId"),
                }:
                    call = facts.get("recordId")
                    names = {one.name for one in record.statement.subjects}
                    found = found._replace(names=found.names | names)
            else:
                found = _add_claim(found, record, info)
        return found

    def numbers_between(self, bottom: int, first: int) -> list[int]:
        """Return the numbers that rows lead to in [bottom, first), the highest first.

        A record that names another controller may be behind one.
        """
        numbers: set[int] = set()
        for segment in self._segments:
            low, _ = name_range(segment.name, bottom)
            high, _ = name_range(segment.name, first)
            place = len(segment.name.encode()) + 1
            for key, _ in self._view.find_rows("name", low, high):
                numbers.add(int.from_bytes(key[place : place + 8]))
        return sorted(numbers, reverse=True)

    def _records(self, number: int) -> Iterator[ProvenRecord]:
        """Yield the records of a number that count, the newest first."""
        for segment in self._segments:
            rows = self._view.find_rows(
                "name", *name_range(segment.name, number), newest_first=True
            )
            for place, (_, index) in enumerate(rows):
                if place >= MAX_RECORDS:
                    break
                is_in = segment.first <= index < segment.stop
                if not is_in or self._view.leaf(index)[1].type not in _TELLING:
                    continue
                record = self._view.record(index)
                if self._names(record, segment.name, number) and (
                    self._view.standing(record) == "enrolled"
                ):
                    yield record

    def _names(self, record: ProvenRecord, name: str, number: int) -> bool:
        """Return whether a record is of a build of this controller, by its job id."""
        named = None if record.statement is None else record.statement.job_id
        try:
            job = parse_job_id(named or "")
        except UsageError:
            return False
        is_here = job.instance in {None, self._controller.instance}
        return is_here and (job.name, job.number) == (name, number)

    def _is_of(self, record: ProvenRecord, number: int, info: BuildInfo | None) -> bool:
        """Return whether a record is of the build that is meant."""
        if info is None:
            return True
        job = JobId(self._controller.instance, self._name, number)
        key = BuildKey(job, info.started_at_ms)
        return is_of_build(record, key, self._controller.identity)


def _is_read(record: ProvenRecord) -> bool:
    """Return whether a record was read from a controller: a provenance, or a log."""
    assert record.statement is not None  # noqa: S101 - the caller looked
    if record.leaf.type == "provenance":
        return "sources" in record.statement.facts
    is_whole = is_log(record, "whole")
    return is_whole and record.statement.predicate.get("source") == "controller"


def _started_at(record: ProvenRecord) -> str | None:
    """Return when a record's build started, None where it does not say."""
    started_at = (build_of(record) or {}).get("startedAt")
    return started_at if isinstance(started_at, str) else None


def _add_claim(found: Found, record: ProvenRecord, info: BuildInfo | None) -> Found:
    """Return what is known with what a claim tells, if the record is one."""
    claim = read_claim(record, "")
    if claim is None:
        return found
    if info is not None and claim.at_ms < info.started_at_ms - CLOCK_MS:
        return found
    names = {one.name for one in claim.assets}
    return found._replace(is_claimed=True, names=found.names | names)

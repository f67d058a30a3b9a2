"""Account for the builds of jobs: every number that Jenkins gave out has one state.

=============  ===============================================================
``present``    the ledger has a record of it by a signer that counts
``missing``    Jenkins has it, the ledger does not
``lost``       neither has it: it was deleted unrecorded, or the number was skipped
``deleted``    Jenkins has it no more, and a record says so
``exempt``     it would be missing or lost, and an administrator exempted its job
``open``       it runs, or has ended a moment ago: it is not to be there yet
=============  ===============================================================

>>> account = Account("ci.example.com", "payments/api")
>>> for number, state in ((1, PRESENT), (2, MISSING), (3, MISSING), (4, OPEN)):
...     account.add(number, state)
>>> found = account.close()
>>> found.counts["missing"], found.ranges["missing"], found.is_covered
(2, ((2, 3),), False)

An *exemption* is an administration record, for a job or a folder with all below it; the
newest of a name counts, until it ends::

    {"action": "coverage-exempt", "name": "sandbox", "instance": "ci.example.com",
     "owner": "platform team", "reason": "throw-away jobs",
     "expiresAt": "2027-01-01T00:00:00.000Z"}

Nothing here reads anything: who does tells what it found.
"""

from __future__ import annotations

import hashlib

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from jenkins_notary.errors import NotaryError

PRESENT, MISSING, LOST = "present", "missing", "lost"
DELETED, EXEMPT, OPEN = "deleted", "exempt", "open"
STATES = (PRESENT, MISSING, LOST, DELETED, EXEMPT, OPEN)
UNCOVERED = frozenset({MISSING, LOST})

EXEMPT_ACTION = "coverage-exempt"
EXEMPTION_SUBJECT = hashlib.sha256(b"jenkins-notary coverage exemption\n").hexdigest()
"""The one digest that every exemption is found by."""

MAX_RANGES = 200
"""Ranges of numbers of one state that are told of a job; the counts hold for all."""

MAX_ARTIFACTS = 100
"""Artifacts of a job that are told by name; the count holds for all."""


class Exemption(NamedTuple):
    """One exemption.

    Attributes:
        index: The record's, which matters where several are of one name.
        instance: The controller's, or None for any.
        name: Full name of a job, or of a folder with all below it.
        owner: Who answers for it.
        reason: Why.
        expires_at_ms: Until when, ms UTC.
        expires_at: The same, RFC 3339.
        signer: Who recorded it.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    instance: str | None
    name: str
    owner: str
    reason: str
    expires_at_ms: int
    expires_at: str
    signer: str

    def covers(self, instance: str, job: str) -> bool:
        """Return whether it is for a job."""
        is_at = job == self.name or job.startswith(f"{self.name}/")
        return is_at and self.instance in {None, instance}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = self._asdict()
        del value["expires_at_ms"]
        return value


def find_exemption(
    exemptions: Iterable[Exemption], instance: str, job: str, *, now_ms: int
) -> Exemption | None:
    """Return what exempts a job now, None for nothing."""
    newest: dict[tuple[str | None, str], Exemption] = {}
    for one in sorted(exemptions, key=lambda one: one.index):
        newest[one.instance, one.name] = one
    for one in newest.values():
        if one.covers(instance, job) and one.expires_at_ms > now_ms:
            return one
    return None


class JobCoverage(NamedTuple):
    """What came of one job.

    Attributes:
        instance: The controller's.
        job: Full name.
        counts: Builds by state, all of :data:`STATES`.
        ranges: (first, last) of the numbers in each state but ``present``, at most
            :data:`MAX_RANGES` each.
        claimed: Builds among the present ones that only a claim tells of: nobody has
            read them from the controller.
        artifacts: Archived files of the present builds.
        unrecorded: How many of them the ledger does not know.
        unrecorded_named: (number, path) of the first of them.
        exemption: What exempts the job, or None.
        fault: Why it could not be looked at, or None.
    """

    instance: str
    job: str
    counts: Mapping[str, int]
    ranges: Mapping[str, Sequence[tuple[int, int]]]
    claimed: int
    artifacts: int
    unrecorded: int
    unrecorded_named: Sequence[tuple[int, str]]
    exemption: Exemption | None
    fault: NotaryError | None

    @property
    def is_covered(self) -> bool:
        """Return whether nothing of it is missing."""
        gaps = sum(self.counts[state] for state in UNCOVERED)
        return not gaps and not self.unrecorded and self.fault is None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "instance": self.instance,
            "job": self.job,
            "covered": self.is_covered,
            **self.counts,
            "claimed": self.claimed,
            "artifacts": self.artifacts,
            "unrecorded": self.unrecorded,
            "numbers": {state: [*map(list, r)] for state, r in self.ranges.items()},
            "unrecorded_artifacts": [
                {"number": number, "path": path}
                for number, path in self.unrecorded_named
            ],
            "exemption": self.exemption and self.exemption.to_dict(),
            "fault": self.fault and self.fault.to_dict(),
        }


class Account:
    """Count the builds of one job."""

    def __init__(
        self, instance: str, job: str, exemption: Exemption | None = None
    ) -> None:
        """Begin with no build.

        Args:
            instance: The controller's.
            job: Full name.
            exemption: What exempts the job, or None.
        """
        self._place = (instance, job)
        self._exemption = exemption
        self._numbers: dict[str, list[int]] = {state: [] for state in STATES}
        self._claimed = 0
        self._artifacts = 0
        self._unrecorded = 0
        self._named: list[tuple[int, str]] = []

    def add(self, number: int, state: str, *, is_claimed: bool = False) -> None:
        """Count a build; each number once."""
        if state in UNCOVERED and self._exemption is not None:
            state = EXEMPT
        self._numbers[state].append(number)
        self._claimed += is_claimed

    def add_artifacts(
        self, number: int, *, listed: int, missing: Sequence[str]
    ) -> None:
        """Count the archived files of a build that is present.

        Args:
            number: The build's.
            listed: How many Jenkins lists.
            missing: Paths of those that the ledger does not know.
        """
        self._artifacts += listed
        if self._exemption is None:
            self._unrecorded += len(missing)
            room = MAX_ARTIFACTS - len(self._named)
            self._named += [(number, path) for path in missing[: max(0, room)]]

    def close(self, fault: NotaryError | None = None) -> JobCoverage:
        """Return what was counted."""
        ranges = {
            state: join_numbers(numbers)[:MAX_RANGES]
            for state, numbers in self._numbers.items()
            if numbers and state != PRESENT
        }
        return JobCoverage(
            *self._place,
            {state: len(numbers) for state, numbers in self._numbers.items()},
            ranges,
            self._claimed,
            self._artifacts,
            self._unrecorded,
            tuple(self._named),
            self._exemption,
            fault,
        )


def join_numbers(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return numbers as ranges, in order.

    >>> join_numbers([5, 1, 2, 3])
    ((1, 3), (5, 5))
    """
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)


def sum_coverage(jobs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of several jobs together, from their JSON forms."""
    total = dict.fromkeys(_SUMMED, 0)
    uncovered = count = 0
    for one in jobs:
        count += 1
        uncovered += not one["covered"]
        for key in _SUMMED:
            total[key] += one[key]
    return {"jobs": count, "uncovered_jobs": uncovered, **total}


def sum_folders(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the figures by folder, sorted; a job at the root is in folder ``""``."""
    folders: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in jobs:
        folder = one["job"].rpartition("/")[0]
        folders.setdefault((one["instance"], folder), []).append(one)
    return [
        {"instance": instance, "folder": folder, **sum_coverage(listed)}
        for (instance, folder), listed in sorted(folders.items())
    ]


_SUMMED = (*STATES, "claimed", "artifacts", "unrecorded")

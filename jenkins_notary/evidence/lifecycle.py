r"""Say what became of builds and jobs: deletions, and new names of old things.

A *deletion* record says that a controller deleted a build, or a job with all builds.
An *alias* record says that a job, or a folder with all below it, has another name from
then on. Both are what an event of the controller's outbox says, and worth as much.

A leaf holds digests only, so a job's name is found by the digest of its name: the
subjects of an alias are four, of the old and the new name, each with and without the
instance::

    SHA-256 of UTF-8 "jenkins-notary job name\n" "ci.example.com:payments/api"
    SHA-256 of UTF-8 "jenkins-notary job name\n" "payments/api"

What was recorded under the new name before the alias, or under the old name after it,
is another job; who follows aliases decides by log order.
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.provenance import describe_controller, drop_none
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.jobid import format_job_id
from jenkins_notary.values.leaf import hash_job_name
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.evidence.events import Event, Origin

NAME_SUBJECT = "job-name"
"""The name of each subject that is the digest of a job's name."""


def name_subjects(instance: str, *names: str) -> list[Subject]:
    """Return the subjects of a record that is found by names of jobs."""
    digests = [
        hash_job_name(name, where) for name in names for where in (instance, None)
    ]
    return [Subject(NAME_SUBJECT, one) for one in digests]


def describe_deletion(origin: Origin) -> tuple[list[Subject], dict[str, Any]]:
    """Return (subjects, facts) of the deletion record of an event.

    A deleted build is found by its job id, a deleted job by its name.

    Raises:
        UsageError: The event is no deletion.
    """
    event = origin.event
    _check_kind(event, "build-deleted", "job-deleted")
    job, build = event.build_id, event.build
    facts: dict[str, Any] = {
        "event": origin.describe(),
        "controller": describe_controller(event.controller),
    }
    if job is None or build is None:
        facts = {**facts, "name": event.job, "range": event.range}
        return name_subjects(event.controller.instance, event.job), drop_none(facts)
    described = {
        **build,
        "startedAt": format_time(build["startedAt"]),
    }
    return [], {**facts, "job": {"id": format_job_id(job)}, "build": described}


def describe_alias(origin: Origin) -> tuple[list[Subject], dict[str, Any]]:
    """Return (subjects, facts) of the alias record of an event.

    Raises:
        UsageError: The event is no rename or move, or changes nothing.
    """
    event = origin.event
    _check_kind(event, "renamed", "moved")
    old, new = event.old_name, event.new_name
    if old is None or new is None or old == new:
        raise UsageError(f"event {event.seq}", expected="two names that differ")
    instance = event.controller.instance
    facts = {
        "event": origin.describe(),
        "controller": describe_controller(event.controller),
        "instance": instance,
        "from": old,
        "to": new,
    }
    return name_subjects(instance, old, new), facts


def _check_kind(event: Event, *kinds: str) -> None:
    """Check that an event is of a kind that its record can be made of."""
    if event.kind not in kinds:
        raise UsageError(
            f"event {event.seq}", expected=" or ".join(kinds), got=event.kind
        )

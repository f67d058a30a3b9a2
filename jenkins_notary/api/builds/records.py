"""Make the records of a build, and find those that a ledger has.

A build's records carry ``build.startedAt`` and the controller beside the job id, for a
job that was deleted and made again counts from 1 again. The last record of a build's
commit is its provenance, so that whoever looks for the newest finds it first.
"""

from __future__ import annotations

from jenkins_notary.evidence.events import derive_record_id
from jenkins_notary.evidence.junit import TEST_RESULT_TYPE, make_test_result
from jenkins_notary.evidence.provenance import (
    PROVENANCE_TYPE,
    BuildSources,
    describe_build,
    drop_none,
    make_provenance,
    shorten_sources,
)
from jenkins_notary.ledger.author import Author, format_time
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.values.canonical import canonical_json
from jenkins_notary.values.jobid import format_job_id
from jenkins_notary.values.leaf import hash_job
from jenkins_notary.values.statement import MAX_SUBJECTS, Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.builds.reading import Artifact
    from jenkins_notary.api.logs.keeping import KeptLog
    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.events import Origin
    from jenkins_notary.evidence.junit import JunitSummary
    from jenkins_notary.evidence.provenance import BuildKey
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord

LOG_NAME = "build log"
CONSOLE_TEXT = "consoleText"
MAX_PREDICATE_BYTES = 4 << 20
"""The longest predicate without its subjects: an envelope has 16 MiB for both."""

SETTLED = frozenset(
    {"altered", "deleted", "missing", "refused", "too long", "truncated"}
)
"""Gaps that no further reading closes."""


class BuildWriter:
    """Sign the records of one build."""

    def __init__(
        self, session: Session, sources: BuildSources, *, origin: Origin | None = None
    ) -> None:
        """Take all that is known of the build.

        Args:
            session: Whose key signs.
            sources: What is known.
            origin: The hook's event that these are the records of, or None.
        """
        job, started_ms = sources.key
        # Nothing in it is random or the present time: what is read twice, or written
        # twice after a failure that left it open whether it was, is the same record.
        if origin is None:
            name = (job.instance or "", job.name, str(job.number), str(started_ms))
            record_id = derive_record_id("build", *name)
            claimed_at_ms = _finished_ms(sources)
        else:
            record_id, claimed_at_ms = origin.record_id, origin.event.at_ms
        self._author = Author((session.signer(),), record_id, claimed_at_ms)
        kind = session.classify_build(job, sources.info, sources.facts)
        self._sources = sources._replace(kind=kind)
        self._job = drop_none({"id": format_job_id(job), "class": kind})
        self._build = describe_build(sources)
        self._event = None if origin is None else origin.describe()
        self._recorder = session.recorder
        self._gaps = dict(sources.gaps)
        if origin is not None and origin.event.faults:
            self._gaps["facts"] = dict(origin.event.faults)
        if origin is not None:
            self._gaps.update(origin.event.lost)

    def log(
        self, kept: KeptLog, *, previous: int | None, extends: bool | None
    ) -> bytes:
        """Return the envelope of the whole log's record.

        Args:
            kept: The log, stored.
            previous: Index of the last record of the log as it grew, or None.
            extends: Whether the log begins with what was recorded as it grew.
        """
        stages = [
            {**one, "source": "controller"}
            for one in self._sources.facts.get("stages", ())
            if "lines" in one
        ]
        if len(canonical_json(stages)) > MAX_PREDICATE_BYTES:
            stages = []
        return self._author.sign(
            "log",
            [Subject(LOG_NAME, kept.body.sha256_hex)],
            {
                "job": self._job,
                "build": self._build,
                "name": LOG_NAME,
                "form": CONSOLE_TEXT,
                "source": "controller",
                "state": "whole",
                "previous": previous,
                "extends": extends,
                "stages": stages or None,
                "event": self._event,
                **kept.facts,
            },
        )

    def test_result(
        self, summary: JunitSummary, artifacts: Sequence[Artifact], kept: KeptLog | None
    ) -> bytes:
        """Return the envelope of the test result's record."""
        url = f"{self._build_url()}testReport/"
        return self._author.sign_standard(
            TEST_RESULT_TYPE,
            self._subjects(artifacts[:MAX_SUBJECTS], kept),
            make_test_result(summary, url=url, job=self._job["id"]),
            self._facts({"tests": summary.counts}),
        )

    def provenance(
        self, artifacts: Sequence[Artifact], kept: KeptLog | None
    ) -> Iterator[bytes]:
        """Yield the envelopes of the provenance, one for each 500 artifacts."""
        predicate, fields = make_provenance(self._sources)
        gaps = self._gaps
        if len(canonical_json(predicate)) > MAX_PREDICATE_BYTES:
            # Names of stages, values of parameters: a build chooses them. It is not to
            # get round its record by making it too long.
            predicate, fields = make_provenance(shorten_sources(self._sources))
            gaps = {**gaps, "fields": "too long"}
        parts = [
            artifacts[start : start + MAX_SUBJECTS]
            for start in range(0, max(1, len(artifacts)), MAX_SUBJECTS)
        ]
        for place, part in enumerate(parts, 1):
            facts = {
                "sources": fields,
                "gaps": gaps or None,
                "sizes": [one.size for one in part] or None,
                "part": {"number": place, "of": len(parts)} if len(parts) > 1 else None,
            }
            yield self._author.sign_standard(
                PROVENANCE_TYPE,
                self._subjects(part, kept),
                predicate,
                self._facts(facts),
            )

    def _facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the facts under the extension key."""
        return {
            "job": self._job,
            "build": self._build,
            "event": self._event,
            "recorder": self._recorder,
            **facts,
        }

    def _subjects(
        self, artifacts: Sequence[Artifact], kept: KeptLog | None
    ) -> list[Subject]:
        """Return what the build is known by: its artifacts, or else its log."""
        if artifacts:
            return [Subject(one.path, one.sha256_hex) for one in artifacts]
        return [] if kept is None else [Subject(LOG_NAME, kept.body.sha256_hex)]

    def _build_url(self) -> str:
        """Return the build's URL, or the controller's where it is not known."""
        info = self._sources.info
        return (info.url if info else "") or self._sources.controller.url


def describe_log(kept: KeptLog) -> dict[str, Any]:
    """Return a log as a byproduct of its build."""
    return {
        "name": LOG_NAME,
        "digest": {"sha256": kept.body.sha256_hex},
        "mediaType": "text/plain",
        "annotations": {"form": CONSOLE_TEXT, "size": kept.body.size},
    }


def describe_tests(summary: JunitSummary) -> dict[str, Any]:
    """Return a test report as a byproduct of its build."""
    return {"name": "test report", "annotations": dict(summary.counts)}


def find_build(
    view: LedgerView, key: BuildKey, identity: str | None
) -> Iterator[ProvenRecord]:
    """Yield the records of a build by signers that count, the newest first.

    Cost: a proof and an envelope for each record of the job id, as far as it is read.

    Args:
        view: The ledger.
        key: Which build.
        identity: The controller's; a record that names another one is not its.
    """
    job = bytes.fromhex(hash_job(format_job_id(key.job)))
    for index in view.find("job", *exact_range(job), newest_first=True):
        record = view.record(index)
        if is_of_build(record, key, identity) and view.standing(record) == "enrolled":
            yield record


def find_whole(
    view: LedgerView,
    key: BuildKey,
    identity: str | None,
    *,
    only_log: bool,
    origin: Origin | None = None,
) -> ProvenRecord | None:
    """Return the newest record that says that a build was read whole, None for none.

    Args:
        view: The ledger.
        key: Which build.
        identity: The controller's, or None.
        only_log: Whether the whole log is enough.
        origin: The hook's event whose facts must be in it, or None for any.
    """
    wanted = None if origin is None else origin.describe()
    for record in find_build(view, key, identity):
        if not only_log and is_whole(record) and _is_from(record, wanted):
            return record
        if is_log(record, "whole") and only_log:
            return record
        # Records of a build that runs come before those of its end.
        if is_log(record, "growing"):
            return None
    return None


def _is_from(record: ProvenRecord, event: Mapping[str, Any] | None) -> bool:
    """Return whether a record is of an event; of any one for None."""
    return event is None or (
        record.statement is not None and record.statement.facts.get("event") == event
    )


def is_of_build(record: ProvenRecord, key: BuildKey, identity: str | None) -> bool:
    """Return whether a record says that it is of exactly this build."""
    build = build_of(record)
    if build is None or build.get("startedAt") != format_time(key.started_at_ms):
        return False
    controller = build.get("controller")
    known = controller.get("identity") if isinstance(controller, dict) else None
    return known is None or identity is None or known == identity


def build_of(record: ProvenRecord) -> Mapping[str, Any] | None:
    """Return the ``build`` object of a record, None for none."""
    if record.statement is None:
        return None
    build = record.statement.facts.get("build")
    return build if isinstance(build, dict) else None


def is_log(record: ProvenRecord, state: str) -> bool:
    """Return whether a record is the log of a whole build in a state."""
    return (
        record.leaf.type == "log"
        and record.statement is not None
        and record.statement.predicate.get("state") == state
        and record.statement.predicate.get("stage") is None
    )


def is_whole(record: ProvenRecord) -> bool:
    """Return whether a provenance record has no gap that could still be closed."""
    if record.leaf.type != "provenance" or record.statement is None:
        return False
    gaps = record.statement.facts.get("gaps")
    if not isinstance(gaps, dict):
        return True
    return all(
        (one in SETTLED)
        if isinstance(one, str)
        else all(named.get("why") in SETTLED for named in one.get("named", ()))
        for one in gaps.values()
    )


def _finished_ms(sources: BuildSources) -> int:
    """Return when the build ended, as far as that is known."""
    if sources.info is not None:
        return sources.info.finished_at_ms
    duration = (sources.finished or {}).get("durationMs", 0)
    return sources.key.started_at_ms + int(duration)

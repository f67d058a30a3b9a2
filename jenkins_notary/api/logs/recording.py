"""Record the logs of builds, and find them.

Of several logs of a build that of the controller goes before one that an agent put, a
whole one before one that was recorded while it grew, and then the newest counts. Only
signers that count are asked at all.

A log that grew is a chain of records, each of a piece; ``previous`` names the one
before.
"""

from __future__ import annotations

from jenkins_notary.api.attachments import record_body
from jenkins_notary.api.evidence import find_records
from jenkins_notary.api.logs.keeping import (
    DEFAULT_POLICY,
    DIGEST,
    HELD,
    STORED,
    keep_log,
)
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.claim import check_label, describe_job
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject, is_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.trust.record import ProvenRecord

LOG_NAME = "build log"
"""The name of a log's subject."""

CONSOLE_TEXT = "consoleText"
CONTROLLER, AGENT = "controller", "agent"
WHOLE, GROWING = "whole", "growing"
MAX_PIECES = 100_000
"""The longest chain of a log that grew."""

MAX_RECORDS = 100_000
"""Records of one build that are looked through."""


class FoundLog(NamedTuple):
    """A log that was found, and what its record says of it.

    Attributes:
        pieces: Its records: one, or the chain of a log that grew, in order.
        job: The job id that the record names.
        source: ``controller`` or ``agent``: who read it.
        state: ``whole`` or ``growing``.
        form: Which of Jenkins' byte forms it has.
        kept: ``stored``, ``held`` or ``digest``.
        stage: The stage that it is of, or None for the whole build.
    """

    pieces: tuple[ProvenRecord, ...]
    job: str
    source: str
    state: str
    form: str
    kept: str
    stage: str | None

    @property
    def record(self) -> ProvenRecord:
        """Return its newest record."""
        return self.pieces[-1]

    @property
    def started(self) -> str | None:
        """Return when the build started, as the record says, or None."""
        return started_of(self.record)

    @property
    def findings(self) -> int | None:
        """Return how many places look like secrets; None where nobody looked."""
        counts = [_find_count(one) for one in self.pieces]
        known = [one for one in counts if one is not None]
        return sum(known) if known else None

    def describe(self) -> str:
        """Return one line for a person."""
        whose = "read from the controller" if self.source == CONTROLLER else "put"
        pieces = f", {len(self.pieces)} pieces" if len(self.pieces) > 1 else ""
        stage = f", stage {self.stage}" if self.stage else ""
        return (
            f"log of {self.job}{stage}: record #{self.record.index}, {whose} by "
            f"{self.record.leaf.signer}, {self.state}{pieces}, form {self.form}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "job": self.job,
            "index": self.record.index,
            "indexes": [one.index for one in self.pieces],
            "signer": self.record.leaf.signer,
            "timestamp": format_time(self.record.leaf.at_ms),
            "started": self.started,
            "source": self.source,
            "state": self.state,
            "form": self.form,
            "kept": self.kept,
            "stage": self.stage,
            "findings": self.findings,
        }


def put_log(
    session: Session,
    stream: BinaryIO,
    *,
    job: str | None,
    stage: str | None = None,
    form: str = CONSOLE_TEXT,
    secrets: str = DEFAULT_POLICY,
) -> RecordView:
    """Keep a build's log and record it; return the record, once both are durable.

    Args:
        session: An open ledger.
        stream: The log's bytes.
        job: The job id, or None for that of the environment.
        stage: The stage that the log is of, or None for the whole build.
        form: Which of Jenkins' byte forms of a log it is.
        secrets: What becomes of a log in which secrets are found, see ``keep_log``.

    Raises:
        UsageError: No job, a malformed stage, or no such policy.
    """
    described = describe_job(session.environ, job)
    if described is None:
        raise UsageError(
            "log",
            expected="a job that it belongs to",
            got="none",
            advice="name the JOB_ID",
        )
    facts = {
        "job": described,
        "name": LOG_NAME,
        "stage": check_label(stage),
        "form": form,
        "source": AGENT,
        "state": WHOLE,
    }
    session.view()
    kept = keep_log(session, stream, policy=secrets)
    subject = Subject(LOG_NAME, kept.body.sha256_hex)
    return record_body(session, "log", [subject], {**facts, **kept.facts})


def find_log(
    session: Session,
    job: str,
    *,
    stage: str | None = None,
    started: str | None = None,
    as_of: str | None = None,
) -> FoundLog:
    """Return the log of a build, or of one of its stages.

    Args:
        session: An open ledger.
        job: A job id.
        stage: The stage whose own log is meant; None for that of the whole build.
        started: When the build started, where several have the id.
        as_of: A tree size or time; None for now.

    Raises:
        NotFoundError: The build has no such log, or none by an enrolled signer.
        AmbiguousError: The job id matches several builds.
        IntegrityError: The chain of a log that grew is broken.
    """
    # A folder has no log of its own, and none of its builds' is to be picked.
    parse_job_id(job)
    query = Query(job=job, limit=MAX_RECORDS, as_of=as_of, started=started)
    found = find_records(session, query)
    logs = [one for one in found if _is_log(one.record, stage)]
    counting = [one.record for one in logs if one.standing == "enrolled"]
    if not counting:
        raise _no_log(job, stage, found, len(logs))
    best = max(counting, key=_rank)
    assert best.statement is not None  # noqa: S101 - it is a log by its statement
    said = best.statement.predicate
    state = said.get("state")
    pieces: tuple[ProvenRecord, ...] = (best,)
    if state == GROWING:
        pieces = _follow_chain(best, {one.index: one for one in counting})
    return FoundLog(
        pieces,
        best.statement.job_id or job,
        CONTROLLER if said.get("source") == CONTROLLER else AGENT,
        GROWING if state == GROWING else WHOLE,
        str(said.get("form", CONSOLE_TEXT))[:80],
        _kept_as(pieces),
        stage,
    )


def started_of(record: ProvenRecord) -> str | None:
    """Return when a record's build started, as its statement says, or None."""
    if record.statement is None:
        return None
    build = record.statement.facts.get("build")
    started = build.get("startedAt") if isinstance(build, dict) else None
    return started if isinstance(started, str) else None


def _rank(record: ProvenRecord) -> tuple[bool, bool, int]:
    """Return how a log ranks among those of its build."""
    assert record.statement is not None  # noqa: S101 - it is a log by its statement
    said = record.statement.predicate
    return (
        said.get("source") == CONTROLLER,
        said.get("state") != GROWING,
        record.index,
    )


def _follow_chain(
    last: ProvenRecord, known: dict[int, ProvenRecord]
) -> tuple[ProvenRecord, ...]:
    """Return the records of a log that grew, the first one first.

    Args:
        last: The newest of them.
        known: The build's logs by signers that count, by index: none else is followed.
    """
    pieces = [last]
    while (previous := _previous_of(pieces[-1])) is not None:
        record = known.get(previous)
        is_piece = record is not None and _is_growing(record)
        if record is None or not is_piece or previous >= pieces[-1].index:
            raise IntegrityError(
                f"record #{pieces[-1].index}",
                expected="the piece of the log before it",
                got=f"#{previous}, which is none of this build that counts",
            )
        pieces.append(record)
        if len(pieces) > MAX_PIECES:
            raise IntegrityError(
                f"log of record #{last.index}", expected=f"at most {MAX_PIECES} pieces"
            )
    pieces.reverse()
    return tuple(pieces)


def _previous_of(record: ProvenRecord) -> int | None:
    """Return the index of the piece before a record's, None for the first."""
    assert record.statement is not None  # noqa: S101 - it is a log by its statement
    previous = record.statement.predicate.get("previous")
    if previous is None:
        return None
    if not is_index(previous):
        raise IntegrityError(f"record #{record.index} previous", expected="an index")
    return int(previous)


def _is_growing(record: ProvenRecord) -> bool:
    """Return whether a log record is a piece of one that grew."""
    return (
        record.statement is not None
        and record.statement.predicate.get("state") == GROWING
    )


def _kept_as(pieces: Sequence[ProvenRecord]) -> str:
    """Return how a log is kept: what keeps any piece from being read goes first."""
    words = [
        one.statement.predicate.get("kept")
        for one in pieces
        if one.statement is not None
    ]
    return next((word for word in (HELD, DIGEST) if word in words), STORED)


def _find_count(record: ProvenRecord) -> int | None:
    """Return how many findings a log record tells of, None where it tells nothing."""
    if record.statement is None:
        return None
    findings = record.statement.predicate.get("findings")
    count = findings.get("count") if isinstance(findings, dict) else None
    return count if is_index(count) else None


def _no_log(
    job: str, stage: str | None, found: Sequence[RecordView], others: int
) -> NotFoundError:
    """Return the error of a build without a log, which says all that is known of it."""
    stages = sorted({s for one in found if (s := _stage_of(one.record))})
    got = f"none, and {others} by others" if others else "none notarized"
    gap = next((g for one in reversed(found) if (g := _log_gap(one))), None)
    if gap is not None:
        got = f"none: it was {gap[1]} when record #{gap[0]} was made"
    advice = f"jenkins-notary log put {job} FILE"
    if stages:
        advice = f"there are logs of stages, see --stage: {', '.join(stages)[:200]}"
    return NotFoundError(
        f"log of {job}" + (f", stage {stage}" if stage else ""),
        expected="one by an enrolled signer",
        got=got,
        advice=advice,
    )


def _log_gap(view: RecordView) -> tuple[int, str] | None:
    """Return (index, why) where a build's record says that its log was not read."""
    statement = view.record.statement
    if statement is None or view.standing != "enrolled":
        return None
    gaps = statement.facts.get("gaps")
    why = gaps.get("log") if isinstance(gaps, dict) else None
    return (view.record.index, why[:40]) if isinstance(why, str) else None


def _stage_of(record: ProvenRecord) -> str | None:
    """Return the stage that a log record is of, None for any other record."""
    if record.leaf.type != "log" or record.statement is None:
        return None
    stage = record.statement.predicate.get("stage")
    return stage if isinstance(stage, str) else None


def _is_log(record: ProvenRecord, stage: str | None) -> bool:
    """Return whether a record is the log of a build or of one stage."""
    return (
        record.leaf.type == "log"
        and record.statement is not None
        and record.statement.predicate.get("stage") == stage
    )

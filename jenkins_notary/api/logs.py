"""Record the logs of builds, and find them.

The log of a build is that of its newest ``log`` record by a signer that counts.
"""

from __future__ import annotations

from jenkins_notary.api.attachments import record_body
from jenkins_notary.api.evidence import find_records
from jenkins_notary.api.log_keeping import DEFAULT_POLICY, keep_log
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.values.claim import check_label, describe_job
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.trust.record import ProvenRecord

LOG_NAME = "build log"
"""The name of a log's subject."""


def put_log(
    session: Session,
    stream: BinaryIO,
    *,
    job: str | None,
    stage: str | None = None,
    form: str = "consoleText",
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
    facts = {"job": described, "name": LOG_NAME, "stage": check_label(stage)}
    session.view()
    kept = keep_log(session, stream, policy=secrets)
    return record_body(
        session,
        "log",
        [Subject(LOG_NAME, kept.body.sha256_hex)],
        {**facts, "form": form, **kept.facts},
    )


def find_log(
    session: Session, job: str, *, stage: str | None = None, as_of: str | None = None
) -> ProvenRecord:
    """Return the newest ``log`` record of a build by a signer that counts.

    Args:
        session: An open ledger.
        job: A job id.
        stage: The stage whose log is meant; None for that of the whole build.
        as_of: A tree size or time; None for now.

    Raises:
        NotFoundError: The build has no such log, or none by an enrolled signer.
        AmbiguousError: The job id matches builds of several controllers.
    """
    # A folder has no log of its own, and none of its builds' is to be picked.
    parse_job_id(job)
    found = find_records(session, Query(job=job, limit=100_000, as_of=as_of))
    logs = [one for one in found if _is_log(one.record, stage)]
    counting = [one.record for one in logs if one.standing == "enrolled"]
    if not counting:
        stages = sorted({s for one in found if (s := _stage_of(one.record))})
        raise NotFoundError(
            f"log of {job}" + (f", stage {stage}" if stage else ""),
            expected="one by an enrolled signer",
            got=f"none, and {len(logs)} by others" if logs else "none notarized",
            advice=f"there are logs of stages, see --stage: {', '.join(stages)[:200]}"
            if stages
            else f"jenkins-notary log put {job} FILE",
        )
    return counting[-1]


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

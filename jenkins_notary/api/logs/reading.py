"""Read a build's log: whole, some lines, one stage, what its checkpoints say.

Every byte is proven before it is handed out.
"""

from __future__ import annotations

from itertools import chain

from jenkins_notary.api.bodies import body_of, check_readable, place_of
from jenkins_notary.api.evidence import find_records
from jenkins_notary.api.logs.recording import CONTROLLER, MAX_RECORDS, find_log
from jenkins_notary.errors import NotFoundError
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.evidence.checkpoint_lines import MARK, read_checkpoint_lines
from jenkins_notary.evidence.lines import cut_blocks, grep_chunks, number_lines
from jenkins_notary.evidence.stages import (
    MAX_STAGES,
    RECORD,
    TEXT,
    find_stages_by_text,
    join_ranges,
    parse_stages,
    select_lines,
)
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from jenkins_notary.api.logs.recording import FoundLog
    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.checkpoint_lines import CheckpointLines
    from jenkins_notary.evidence.stages import Stage
    from jenkins_notary.trust.record import ProvenRecord

_NAMES_TOLD = 20
_PIPELINE = b"[Pipeline] "


class LogExtract(NamedTuple):
    """What was asked for of a log.

    Attributes:
        log: The log.
        ranges: The lines of a stage, (first, last) from 1, joined; None where the
            whole log is meant.
        stages: The runs of the stage; empty where the log is the stage's own.
        bounds: Who gave the ranges: ``controller``, ``text`` (forgeable), ``record``
            (the log is the stage's own), or None where no stage was asked for.
    """

    log: FoundLog
    ranges: list[tuple[int, int]] | None = None
    stages: tuple[Stage, ...] = ()
    bounds: str | None = None

    def describe(self) -> str | None:
        """Return a line on the stage for a person, None for none."""
        if self.ranges is None:
            return None
        lines = ", ".join(f"{first}-{last}" for first, last in self.ranges[:10])
        more = ", ..." if len(self.ranges) > 10 else ""
        runs = f"{len(self.stages)} runs, " if len(self.stages) > 1 else ""
        whose = {
            CONTROLLER: "bounds by the controller",
            TEXT: "bounds by text, forgeable: any build can print such marks",
        }.get(self.bounds or "", "")
        return f"stage {self.stages[0].name}: {runs}lines {lines}{more}; {whose}"

    @property
    def about(self) -> list[str]:
        """Return lines for a person: on the log, and on the stage if there is one."""
        stage = self.describe()
        return [self.log.describe(), *([] if stage is None else [stage])]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the log's facts, and those of the stage."""
        found = self.log.to_dict()
        if self.bounds is not None:
            found["bounds"] = self.bounds
        if self.ranges is not None:
            found["lines"] = [list(one) for one in self.ranges]
            found["stages"] = [
                {
                    "name": one.name,
                    "id": one.id,
                    "lines": [list(pair) for pair in one.ranges],
                }
                for one in self.stages
            ]
        return found


def find_extract(
    session: Session,
    job: str,
    *,
    stage: str | None = None,
    started: str | None = None,
    as_of: str | None = None,
) -> LogExtract:
    """Return a build's log, or where a stage stands in it.

    A stage that has a log of its own is that log. Else the controller's bounds cut the
    whole log; without any the text's marks do, for a stage that the controller knows
    or where it told of none.

    Raises:
        NotFoundError: No such log, or no such stage in it.
        PermissionDeniedError: The log is held back.
        AmbiguousError: The job id matches several builds.
    """
    choice = {"started": started, "as_of": as_of}
    if stage is None:
        return LogExtract(find_log(session, job, **choice))
    try:
        return LogExtract(find_log(session, job, stage=stage, **choice), bounds=RECORD)
    except NotFoundError as error:
        missing = error
    try:
        log = find_log(session, job, **choice)
    except NotFoundError:
        raise missing from None
    listed = list_stages(session, log, as_of)
    bounds, found = CONTROLLER, [one for one in listed if one.name == stage]
    # Marks of a stage that the controller does not know are forged ones.
    is_told = bool(listed) and len(listed) < MAX_STAGES
    has_bounds = any(one.ranges for one in listed)
    if not has_bounds and (found or not is_told):
        bounds, found = TEXT, _find_by_text(session, log, stage)
    ranges = join_ranges(found)
    if not ranges:
        names = list(dict.fromkeys(one.name for one in listed))
        raise NotFoundError(
            f"stage {stage!a} of {log.job}",
            expected="a stage of the log: " + ", ".join(names[:_NAMES_TOLD])
            if names
            else "a log of its own, or marks of it in the log's text",
            got="none",
            advice="" if names else missing.advice,
        )
    return LogExtract(log, ranges, tuple(found), bounds)


def read_log(session: Session, log: FoundLog) -> Iterator[bytes]:
    """Return an iterator over a log's proven bytes, its pieces joined.

    Raises:
        NotFoundError: A body was erased, pruned or not kept.
        PermissionDeniedError: The log is held back.
        IntegrityError: A body is not the one that was signed; while iterating too.
    """
    for record in log.pieces:
        check_readable(session, record)
    return chain.from_iterable(_read_piece(session, record) for record in log.pieces)


def read_lines(
    session: Session,
    extract: LogExtract,
    *,
    grep: str | None = None,
    lines: tuple[int, int] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of what was asked for; numbers are the whole log's.

    Args:
        session: An open ledger.
        extract: Log and stage.
        grep: Text that stands in the line, or None.
        lines: (first, last) line, from 1, both included, or None.
    """
    chunks = read_log(session, extract.log)
    found = number_lines(chunks) if grep is None else grep_chunks(chunks, grep)
    if extract.ranges is not None:
        found = select_lines(found, extract.ranges)
    return found if lines is None else select_lines(found, [lines])


def read_checkpoints(session: Session, log: FoundLog) -> CheckpointLines:
    """Return the ledger's checkpoints that stand in a log, forged ones counted.

    Raises:
        IntegrityError: One that the ledger's key has signed contradicts the ledger:
            it was forked, or rolled back.
    """
    view = session.followed_view()
    marked = grep_chunks(read_log(session, log), MARK)
    found = read_checkpoint_lines(marked, session.followed_verifiers())
    for one in found.verified:
        view.check_consistent(one.checkpoint.size, one.checkpoint.root)
        view.check_trust_consistent(one.checkpoint.trust)
    return found


def _read_piece(session: Session, record: ProvenRecord) -> Iterator[bytes]:
    """Return an iterator over the bytes of one record's body."""
    body = body_of(record)
    return read_body(place_of(session, record, body), body)


def list_stages(
    session: Session, log: FoundLog, as_of: str | None = None
) -> list[Stage]:
    """Return the stages that the controller gave: with the log, else with the build."""
    record = log.record
    assert record.statement is not None  # noqa: S101 - it is a log by its statement
    listed = _of_controller(record.statement.predicate.get("stages"))
    if listed or log.source != CONTROLLER:
        return parse_stages(listed, subject=f"record #{record.index} stages")
    query = Query(job=log.job, started=log.started, as_of=as_of, limit=MAX_RECORDS)
    for one in reversed(find_records(session, query)):
        statement = one.record.statement
        if one.standing != "enrolled" or statement is None:
            continue
        if one.record.leaf.type == "provenance":
            found = _stages_of_provenance(statement.predicate)
            if found is not None:
                return parse_stages(found, subject=f"record #{one.record.index} stages")
    return []


def _of_controller(listed: object) -> list[object]:
    """Return those of a record's stages that the controller gave."""
    if not isinstance(listed, list):
        return []
    return [
        one
        for one in listed
        if isinstance(one, dict) and one.get("source") == CONTROLLER
    ]


def _stages_of_provenance(predicate: Any) -> object | None:  # noqa: ANN401 - a part of a JSON document
    """Return the stage list among the byproducts of a provenance, None for none."""
    details = predicate.get("runDetails")
    byproducts = details.get("byproducts") if isinstance(details, dict) else None
    for one in byproducts if isinstance(byproducts, list) else ():
        if isinstance(one, dict) and one.get("name") == "stages":
            annotations = one.get("annotations")
            return annotations.get("stages") if isinstance(annotations, dict) else None
    return None


def _find_by_text(session: Session, log: FoundLog, stage: str) -> list[Stage]:
    """Return the runs of a stage by the marks in the log's text."""
    marked = grep_chunks(read_log(session, log), _PIPELINE)
    found = find_stages_by_text(marked, stage)
    if any(not last for one in found for _, last in one.ranges):
        last_line = 0
        for block in cut_blocks(read_log(session, log)):
            last_line = block.line + block.lines - 1
        found = [
            one._replace(
                ranges=tuple((first, last or last_line) for first, last in one.ranges)
            )
            for one in found
        ]
    return found

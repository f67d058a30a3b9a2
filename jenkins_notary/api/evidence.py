"""Find what was recorded, and the bodies beside it; attach more.

Everything that is returned was proven: rows are hints only. A job id that matches
several builds is never chosen for the caller (AmbiguousError).
"""

from __future__ import annotations

import io
import os
from contextlib import suppress

from jenkins_notary.api.authenticate import view_as_of
from jenkins_notary.api.results import RecordView
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.ledger.rows import below_range, exact_range, name_range
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.body import format_body, parse_body
from jenkins_notary.values.claim import MANIFEST_LABEL, check_label, describe_job
from jenkins_notary.values.digest import digest_hex, parse_digest
from jenkins_notary.values.jobid import format_job_id, parse_job_id, parse_job_prefix
from jenkins_notary.values.leaf import hash_job
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.body import Body
    from jenkins_notary.values.jobid import JobId
    from jenkins_notary.values.statement import Statement


def find_records(
    session: Session, query: Query, *, receipts: bool = False
) -> list[RecordView]:
    """Return proven records that match, in log order.

    Raises:
        NotFoundError: Nothing matches.
        AmbiguousError: A job id without an instance matches several.
        UsageError: No key, or a malformed one.
    """
    view = view_as_of(session, query.as_of)
    first, last = _time_bounds(view, query)
    found = []
    for index in _candidates(view, query, range(first, last)):
        if not first <= index < last:
            continue
        record = view.record(index)
        if not _matches(record, query):
            continue
        found.append(record)
        if len(found) >= query.limit:
            break
    if not found:
        raise NotFoundError(
            f"evidence of {_describe(query)}",
            got="none in this ledger",
            advice="check --ledger and the id: jenkins-notary ledger status",
        )
    found.sort(key=lambda record: record.index)
    return [show_record(view, one, receipt=receipts) for one in found]


def show_record(
    view: LedgerView, record: ProvenRecord, *, receipt: bool = True
) -> RecordView:
    """Return a proven record with the standing of its signer.

    Raises:
        IntegrityError: It bears a bad signature.
    """
    return RecordView(
        record,
        view.standing(record),
        make_receipt(view, record.index).decode() if receipt else None,
    )


def attach_body(
    session: Session,
    stream: BinaryIO,
    *,
    own_type: str,
    name: str,
    job: str | None,
    digests: Sequence[str] = (),
    facts: dict[str, object],
) -> RecordView:
    """Store a body and record it; return the record, once both are durable.

    The body's own digest is a subject of the record, so that it is found by it.

    Args:
        session: An open ledger.
        stream: The body's bytes.
        own_type: ``attachment`` or ``log``.
        name: The body's name.
        job: The job id, or None for that of the environment.
        digests: Assets that the body is about.
        facts: Further facts of the predicate.
    """
    described = describe_job(session.environ, job)
    if described is None and not digests:
        raise UsageError(
            own_type,
            expected="a job or a digest that it belongs to",
            got="neither",
            advice="give --job or --digest",
        )
    session.view()
    body = session.blobs.put(stream)
    subjects = [Subject(name, body.sha256_hex)]
    subjects += [Subject(one, digest_hex(parse_digest(one))) for one in digests]
    envelope = session.author().sign(
        own_type,
        subjects,
        {"job": described, "name": name, "body": format_body(body), **facts},
    )
    (index,) = session.append([envelope])
    view = session.view()
    return show_record(view, view.record(index))


def store_bodies(
    session: Session,
    attachments: Sequence[tuple[str, str | None]],
    assets: Sequence[Asset],
) -> list[dict[str, object]]:
    """Store attached files and directory manifests; return their JSON form.

    Args:
        session: An open ledger.
        attachments: (path, label or None) of each file.
        assets: Those with a manifest have it kept, to tell later what changed.
    """
    manifests = [one for one in assets if one.manifest is not None]
    if not attachments and not manifests:
        return []
    from jenkins_notary.api.authenticate import remember_directory

    # Nothing is stored beside a ledger that was exchanged for another one.
    session.view()
    stored: list[dict[str, object]] = []
    for path, label in attachments:
        with open_file(path) as stream:
            body = session.blobs.put(stream)
        stored.append(
            {
                "name": os.path.basename(path),
                "label": check_label(label),
                "mime": guess_mime(path),
                "body": format_body(body),
            }
        )
    for one in manifests:
        body = session.blobs.put(io.BytesIO(one.manifest or b""))
        stored.append(
            {
                "name": one.name,
                "label": MANIFEST_LABEL,
                "mime": "application/json",
                "body": format_body(body),
            }
        )
        remember_directory(session, one.name, one.digest)
    return stored


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


def body_of(record: ProvenRecord) -> Body:
    """Return the body that a log or attachment record names.

    Raises:
        NotFoundError: The record's envelope was erased.
        IntegrityError: The record names none.
    """
    if record.statement is None:
        raise NotFoundError(
            f"record #{record.index}", got=f"erased by #{record.erased_by}"
        )
    return parse_body(
        record.statement.predicate.get("body"), subject=f"record #{record.index} body"
    )


def find_body(session: Session, digest: str) -> tuple[ProvenRecord, Body]:
    """Return the record that attaches a body, and the body, by the body's digest.

    Raises:
        NotFoundError: No record attaches it.
    """
    wanted = digest_hex(parse_digest(digest))
    view = session.followed_view()
    for record in view.records(view.find_digest(wanted)):
        # A foreign statement may name anything as a body; it hides no other one.
        with suppress(IntegrityError):
            for one in bodies_of(record):
                if one.sha256_hex == wanted:
                    return record, one
    raise NotFoundError(f"attachment {digest}", got="no record that attaches it")


def bodies_of(record: ProvenRecord) -> list[Body]:
    """Return every body that a record's statement names."""
    if record.statement is None:
        return []
    predicate = record.statement.predicate
    named = [predicate.get("body")] if "body" in predicate else []
    listed = predicate.get("attachments")
    attachments = listed if isinstance(listed, list) else []
    named += [one.get("body") for one in attachments if isinstance(one, dict)]
    return [parse_body(one, subject=f"record #{record.index} body") for one in named]


def open_file(path: str) -> BinaryIO:
    """Open a regular file for reading, with this project's errors.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It may not be read.
        UsageError: A directory or a device.
        StorageError: It cannot be read.
    """
    if not path.strip():
        raise UsageError("file", expected="a path", got="an empty one")
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(f"file {path}", expected="a regular file")
        return open(path, "rb")
    except (FileNotFoundError, ValueError) as error:
        # ValueError: a path with a NUL or what is no Unicode text names no file.
        raise NotFoundError(f"file {path!a}", got="no such file") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"file {path}", got="not readable") from error
    except OSError as error:
        raise StorageError(f"file {path}", got=f"{error.strerror}") from error


def guess_mime(path: str) -> str:
    """Return the media type that a file's name suggests."""
    import mimetypes

    return mimetypes.guess_type(path, strict=False)[0] or "application/octet-stream"


def _candidates(view: LedgerView, query: Query, bounds: range) -> Iterator[int]:
    """Yield the indexes that the query's narrowest key leads to, the newest first."""
    if query.digest is not None:
        yield from view.find_digest(digest_hex(parse_digest(query.digest)))
    elif query.commit is not None:
        key = exact_range(_parse_commit(query.commit))
        yield from view.find("commit", *key, newest_first=True)
    elif query.job is not None:
        yield from _job_candidates(view, query.job)
    elif query.signer is not None:
        from jenkins_notary.trust.keys import parse_signer_id

        key = exact_range(bytes.fromhex(parse_signer_id(query.signer)[2:]))
        yield from view.find("signer", *key, newest_first=True)
    elif query.since is not None or query.until is not None:
        yield from reversed(bounds)
    else:
        raise UsageError(
            "evidence",
            expected="a job id, --digest, --commit, --signer or --since",
            got="nothing to look for",
        )


def _job_candidates(view: LedgerView, text: str) -> Iterator[int]:
    """Yield the indexes of a build's or a folder's records."""
    if "#" not in text and "://" not in text:
        _, folder = parse_job_prefix(text)
        # Rows are in the order of names, and an alias leads to a record once more.
        below = {*view.find("name", *name_range(folder))}
        below.update(view.find("name", *below_range(folder)))
        yield from sorted(below, reverse=True)
        return
    job = parse_job_id(text)
    if job.instance is not None:
        key = bytes.fromhex(hash_job(format_job_id(job)))
        seen = set()
        for index in view.find("job", *exact_range(key), newest_first=True):
            seen.add(index)
            yield index
        # An alias finds the build by its other name too.
        for index in view.find(
            "name", *exact_range(_alias_key(text)), newest_first=True
        ):
            if index not in seen:
                yield index
        return
    indexes = sorted({*view.find("name", *name_range(job.name, job.number))})
    ids = {
        record.statement.job_id
        for record in (view.record(index) for index in indexes)
        if record.statement is not None and record.statement.job_id
    }
    if len(ids) > 1:
        raise AmbiguousError(
            f"job id {text}",
            expected="one build",
            got=", ".join(sorted(ids)[:10]),
            advice="name the instance: INSTANCE:NAME#NUMBER",
        )
    yield from reversed(indexes)


def _alias_key(text: str) -> bytes:
    """Return the ``name`` key of a full job id."""
    from jenkins_notary.ledger.rows import name_key

    key = name_key(text)
    assert key is not None  # noqa: S101 - it was parsed before
    return key


def _matches(record: ProvenRecord, query: Query) -> bool:
    """Return whether a proven record has every key of the query."""
    leaf = record.leaf
    if query.digest is not None:
        wanted = digest_hex(parse_digest(query.digest))
        if wanted not in leaf.subjects:
            raise _forged_row(record, f"sha256:{wanted}")
    if query.commit is not None and record.statement is not None:
        commits = {one.others.get("gitCommit") for one in record.statement.subjects}
        if query.commit.lower() not in commits:
            raise _forged_row(record, f"commit {query.commit}")
    if query.signer is not None and leaf.signer != query.signer.lower():
        return False
    return query.job is None or _is_of_job(record, query.job)


def _is_of_job(record: ProvenRecord, text: str) -> bool:
    """Return whether a record is of a build, or of a job or folder."""
    statement = record.statement
    if "#" in text or "://" in text:
        job = parse_job_id(text)
        if job.instance is not None and record.leaf.job_hex == hash_job(
            format_job_id(job)
        ):
            return True
        named = [] if statement is None else _job_ids(statement)
        return any(
            (one.name, one.number) == (job.name, job.number)
            and job.instance in {None, one.instance}
            for one in named
        )
    instance, folder = parse_job_prefix(text)
    return statement is not None and any(
        (one.name == folder or one.name.startswith(f"{folder}/"))
        and instance in {None, one.instance}
        for one in _job_ids(statement)
    )


def _job_ids(statement: Statement) -> list[JobId]:
    """Return the parsed job ids of a statement: its own and its aliases."""
    aliases = statement.facts.get("aliases")
    named = [statement.job_id, *(aliases if isinstance(aliases, list) else ())]
    parsed = []
    for one in named:
        if isinstance(one, str):
            try:
                parsed.append(parse_job_id(one))
            except UsageError:
                # A foreign statement may claim anything; it matches nothing.
                continue
    return parsed


def _forged_row(record: ProvenRecord, key: str) -> IntegrityError:
    """Return the error for a row that leads to a record without its key."""
    return IntegrityError(
        f"row of {key}",
        expected="a record that names it",
        got=f"record #{record.index}, which does not",
        advice="the index was altered: run jenkins-notary ledger verify",
    )


def _time_bounds(view: LedgerView, query: Query) -> tuple[int, int]:
    """Return (first index, index behind the last) of the query's times."""
    first, last = 0, view.size
    if query.since is not None:
        first = view.count_until(_time_ms(query.since, "--since") - 1)
    if query.until is not None:
        last = view.count_until(_time_ms(query.until, "--until"))
    return first, last


def _time_ms(text: str, option: str) -> int:
    """Return the ms UTC of an RFC 3339 time."""
    _, at_ms = parse_as_of(text)
    if at_ms is None:
        raise UsageError(option, expected="an RFC 3339 time", got=text[:60])
    return at_ms


def _parse_commit(text: str) -> bytes:
    """Return the raw bytes of a git commit id."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) not in {20, 32}:
        raise UsageError(
            f"commit {text[:80]!r}",
            expected="a full commit id of 40 or 64 hex digits",
            advice="git rev-parse REVISION",
        )
    return raw


def _describe(query: Query) -> str:
    """Return what was looked for, for a message."""
    keys = ("job", "digest", "commit", "signer", "since", "until")
    parts = [f"{k} {v}" for k in keys if (v := getattr(query, k)) is not None]
    return ", ".join(parts)

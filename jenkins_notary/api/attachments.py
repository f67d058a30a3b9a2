"""Keep files as evidence beside the ledger."""

from __future__ import annotations

import io
import os

from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.inputs import open_file
from jenkins_notary.assets.facts import guess_mime
from jenkins_notary.errors import UsageError
from jenkins_notary.values.body import format_body
from jenkins_notary.values.claim import MANIFEST_LABEL, check_label, describe_job
from jenkins_notary.values.digest import digest_hex, parse_digest
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset


def attach_body(
    session: Session,
    stream: BinaryIO,
    *,
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
        name: The body's name.
        job: The job id, or None for that of the environment.
        digests: Assets that the body is about.
        facts: Further facts of the predicate.
    """
    described = describe_job(session.environ, job)
    if described is None and not digests:
        raise UsageError(
            "attachment",
            expected="a job or a digest that it belongs to",
            got="neither",
            advice="give --job or --digest",
        )
    session.view()
    body = session.blobs.put(stream)
    subjects = [Subject(name, body.sha256_hex)]
    subjects += [Subject(one, digest_hex(parse_digest(one))) for one in digests]
    return record_body(
        session,
        "attachment",
        subjects,
        {"job": described, "name": name, "body": format_body(body), **facts},
    )


def record_body(
    session: Session,
    own_type: str,
    subjects: Sequence[Subject],
    facts: dict[str, object],
) -> RecordView:
    """Record a body that is stored; return the record, once it is durable."""
    envelope = session.author().sign(own_type, subjects, facts)
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

"""Take over the records of another log, which ``ledger sync`` brings to a service.

``GET /imports`` says how far a log was imported; ``POST /imports`` appends what comes
next. Each import is signed by whoever brings it, at the other end: a member of the org
``import:ORIGIN``, who has proven each record before. Here it is checked that he has
signed it, that he may, and that none was left out or came twice.
"""

from __future__ import annotations

import threading

from jenkins_notary.errors import AmbiguousError, IntegrityError, UsageError
from jenkins_notary.ledger.bodies import find_described
from jenkins_notary.ledger.imports import find_progress
from jenkins_notary.remote.reading.packed import unpack_envelopes
from jenkins_notary.service.http.asks import required_text
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.imports import TYPE, may_import, not_importer
from jenkins_notary.trust.keys import parse_signer_id
from jenkins_notary.trust.record import check_author
from jenkins_notary.values.envelope import idempotency_key, parse_envelope
from jenkins_notary.values.statement import is_index, parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Verifier
    from jenkins_notary.service.answers.handlers import Call

MAX_IMPORTS = 256
"""Imports of one request."""

_one_at_a_time = threading.Lock()
"""What comes next must be known until it was appended."""


class _Import(NamedTuple):
    """An import that its signer has signed.

    Attributes:
        data: Its envelope.
        key: Its key for idempotency.
        signer: Who brings it.
        origin: The other log.
        index: Its record's place there.
        voice: Who said it there, "" where nothing is said of the digests.
        job: The job id, or None.
    """

    data: bytes
    key: bytes
    signer: str
    origin: str
    index: int  # type: ignore[assignment]  # It hides tuple.index.
    voice: str
    job: str | None


def parse_imports(data: bytes, limit: int) -> dict[str, Any]:  # noqa: ARG001 - a parser's
    """Return the envelopes of a request's body.

    Raises:
        UsageError: They are not packed as they must be.
    """
    try:
        envelopes = unpack_envelopes(data)
    except IntegrityError as error:
        raise UsageError(
            error.subject, expected=error.expected, got=error.got
        ) from error
    if not 0 < len(envelopes) <= MAX_IMPORTS:
        raise UsageError(
            "imports", expected=f"1 to {MAX_IMPORTS}", got=str(len(envelopes))
        )
    return {"envelopes": envelopes}


def show_progress(call: Call) -> dict[str, Any]:
    """Return how far a log was imported, and whether a signer may go on."""
    origin = required_text(call.query, "origin", 1000)
    signer = parse_signer_id(required_text(call.query, "signer", 100))
    view = call.session.view()
    found = find_progress(view, origin, call.session.signatures)
    return {
        "ledger": view.checkpoint.origin,
        "origin": origin,
        "size": found.size,
        "checkpoint": None if found.note is None else found.note.decode(),
        "allowed": may_import(view.trust(), signer, origin, view.size),
    }


def take_imports(call: Call) -> dict[str, Any]:
    """Append imports; say who of those that speak in them is not enrolled.

    Raises:
        UsageError: One is malformed.
        PermissionDeniedError: Its signer may not import from that log.
        AmbiguousError: They do not go on where the last ones ended.
    """
    session = call.session
    given = [_read(one, session.signatures) for one in call.value["envelopes"]]
    with _one_at_a_time:
        view = session.refresh()
        _check_right(view, given)
        known = session.store.first_rows([one.key for one in given])
        fresh = [one for one in given if one.key not in known]
        _check_order(view, fresh, session.signatures)
        for one in fresh:
            call.service.limits.quotas.take_record(call.who.title, one.job, 0)
        if fresh:
            session.append([one.data for one in fresh])
    voices = {one.voice for one in given if one.voice}
    unknown = voices - session.view().trust().signers.keys()
    return {"appended": len(fresh), "unenrolled": sorted(unknown)}


def _read(data: bytes, signatures: Verifier) -> _Import:
    """Return an import that its signer has signed."""
    try:
        envelope = parse_envelope(data)
        statement = parse_statement(envelope.payload)
        check_author(envelope, statement, signatures, subject="import")
        bodies = find_described(statement)
    except IntegrityError as error:
        # The request is wrong; nothing that is kept was altered.
        raise UsageError(
            error.subject, expected=error.expected, got=error.got
        ) from error
    imported = statement.facts.get("imported")
    told = imported if isinstance(imported, dict) else {}
    origin, index = told.get("origin"), told.get("index")
    is_import = statement.type == TYPE and isinstance(origin, str) and is_index(index)
    if not is_import or bodies:
        raise UsageError("import", expected="an import without bodies", got="another")
    voice = told.get("signer")
    return _Import(
        data,
        idempotency_key(envelope),
        envelope.signatures[0].keyid,
        str(origin),
        int(str(index)),
        voice if isinstance(voice, str) and statement.status is not None else "",
        statement.job_id,
    )


def _check_right(view: LedgerView, given: Sequence[_Import]) -> None:
    """Check that each signer may import."""
    trust = view.trust()
    for signer, origin in {(one.signer, one.origin) for one in given}:
        if not may_import(trust, signer, origin, view.size):
            raise not_importer(signer, origin)


def _check_order(
    view: LedgerView, fresh: Sequence[_Import], signatures: Verifier
) -> None:
    """Check that imports of one log go on where the last ones ended."""
    if not fresh:
        return
    origin = fresh[0].origin
    size = find_progress(view, origin, signatures).size
    places = [(one.origin, one.index) for one in fresh]
    if places != [(origin, size + n) for n in range(len(fresh))]:
        raise AmbiguousError(
            f"imports from {origin}",
            expected=f"record #{size} and those that follow",
            got=f"#{fresh[0].index}, {len(fresh)} records",
            advice="another sync was faster: run it again",
        )

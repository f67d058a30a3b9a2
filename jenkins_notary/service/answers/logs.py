"""Find a build's log for a client that proves it itself.

The answer names the log's records with their receipts and envelopes; the client checks
them, gets each body by its digest and hashes it. So it need not take the service's word
for the text of a log.
"""

from __future__ import annotations

from jenkins_notary.api.bodies import check_readable
from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.logs.reading import find_extract
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.service.answers.handlers import within
from jenkins_notary.service.http.asks import required_text, text_of
from jenkins_notary.values.jobid import format_job_id, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.answers.handlers import Call

MAX_PIECES = 1000
"""Pieces of a log that grew; a longer chain is read where the ledger is."""


def find_log(call: Call) -> dict[str, Any]:
    """Return which log of a build there is, where a stage stands in it, its records."""
    asked = call.query
    job = parse_job_id(required_text(asked, "job", 4096))
    extract = find_extract(
        call.session,
        within(call.who, format_job_id(job)),
        stage=text_of(asked, "stage", 4096),
        started=text_of(asked, "started", 100),
        as_of=text_of(asked, "asOf", 100),
    )
    pieces = extract.log.pieces
    if not all(call.who.sees(one) for one in pieces):
        raise NotFoundError(f"log of {asked['job']}", got="none that may be seen")
    if len(pieces) > MAX_PIECES:
        raise UsageError(
            f"log of {extract.log.job}",
            expected=f"at most {MAX_PIECES} pieces",
            got=str(len(pieces)),
            advice="read it on the service's own host",
        )
    view = call.session.followed_view()
    for one in pieces:
        check_readable(call.session, one)
    return {
        "log": extract.to_dict(),
        "about": extract.about,
        "pieces": [
            {
                "record": show_record(view, one).to_dict(),
                "envelope": (view.envelope_bytes(one) or b"").decode(),
            }
            for one in pieces
        ],
    }

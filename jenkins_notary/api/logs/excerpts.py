r"""Write lines of a log with all that proves them, and check such a file offline.

The file (shown with line breaks, contents shortened)::

    {"format": "jenkins-notary-proof-v1",
     "excerpts": [{"format": "jenkins-notary-excerpt-v1", ...}],
     "envelope": "{\"payload\": ...}",
     "receipt": "c2sp.org/tlog-proof@v1\n..."}

The receipt proves that the record of the envelope stands in the log, the envelope is
signed and names the body, and each excerpt proves its lines to stand in that body. So
the file and the log's verifier key are all that a reader needs.
"""

from __future__ import annotations

from jenkins_notary.api.bodies import body_of, open_body
from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.excerpts import (
    excerpt,
    format_excerpt,
    open_excerpt,
    parse_excerpt,
)
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.record import ProvenRecord
from jenkins_notary.values.canonical import load_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jenkins_notary.api.logs.reading import LogExtract
    from jenkins_notary.api.receipts import ReceiptView
    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.excerpts import ProvenLines

FORMAT = "jenkins-notary-proof-v1"
MAX_EXCERPTS = 100
MAX_PROOF_BYTES = 64 << 20
"""The longest file that is read."""


class ProvenExcerpts(NamedTuple):
    """Lines that a file has proven.

    Attributes:
        receipt: What the receipt has proven of the record.
        lines: The lines, in the order of the file.
    """

    receipt: ReceiptView
    lines: tuple[ProvenLines, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the receipt's facts, then the lines."""
        return {
            **self.receipt.to_dict(),
            "lines": [
                {
                    "first": one.first_line,
                    "offset": one.offset,
                    "text": one.text.decode(errors="backslashreplace"),
                }
                for one in self.lines
            ],
        }


def make_proof(
    session: Session, extract: LogExtract, lines: tuple[int, int] | None
) -> dict[str, object]:
    """Return the file's JSON form for lines of a log.

    Args:
        session: An open ledger.
        extract: Log and stage.
        lines: (first, last) line, from 1, both included; None for a stage's.

    Raises:
        UsageError: Neither lines nor a stage, both, or too many of them; or a log that
            grew, which has no one body.
        NotFoundError: The log has not as many lines.
        PermissionDeniedError: The log is held back.
    """
    ranges: Sequence[tuple[int, int]] = [lines] if lines else extract.ranges or []
    if not ranges or len(ranges) > MAX_EXCERPTS or (lines and extract.ranges):
        raise UsageError(
            "--excerpt",
            expected=f"--lines, or a stage of 1 to {MAX_EXCERPTS} ranges of lines",
            got="both" if ranges and lines else f"{len(ranges)} ranges",
        )
    if len(extract.log.pieces) > 1:
        raise UsageError(
            "--excerpt",
            expected="a log that was recorded whole",
            got=f"one of {len(extract.log.pieces)} pieces",
        )
    record = extract.log.record
    blobs, body = open_body(session, record)
    view = session.view()
    envelope = view.envelope_bytes(record)
    if envelope is None:
        raise NotFoundError(f"record #{record.index}", got="erased meanwhile")
    return {
        "format": FORMAT,
        "excerpts": [format_excerpt(excerpt(blobs, body, *one)) for one in ranges],
        "envelope": envelope.decode(),
        "receipt": make_receipt(view, record.index).decode(),
    }


def verify_proof(data: bytes, *, vkey: str) -> ProvenExcerpts:
    """Check a file of proven lines offline; return the lines.

    Args:
        data: The file's bytes.
        vkey: The log's verifier key, from a place that the caller trusts.

    Raises:
        IntegrityError: Malformed, altered, or another log's.
        ConfigurationError: The key is malformed.
    """
    value = load_json(data, subject="excerpt file", limit=MAX_PROOF_BYTES)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise IntegrityError("excerpt file", expected=f"the format {FORMAT}")
    envelope, receipt = value.get("envelope"), value.get("receipt")
    listed = value.get("excerpts")
    if not isinstance(envelope, str) or not isinstance(receipt, str):
        raise IntegrityError("excerpt file", expected="envelope and receipt as texts")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_EXCERPTS:
        raise IntegrityError("excerpt file", expected=f"1 to {MAX_EXCERPTS} excerpts")
    # (1) The record stands in the log, and its envelope is the signed one.
    proven = verify_receipt(
        _encode(receipt, "receipt"), vkey=vkey, envelope=_encode(envelope, "envelope")
    )
    checked = proven.checked
    record = ProvenRecord(
        checked.index, checked.leaf, checked.envelope, checked.statement
    )
    # (2) Each excerpt stands in the body that the record names.
    body = body_of(record)
    lines = tuple(
        open_excerpt(parse_excerpt(one, subject=f"excerpt {place}"), body)
        for place, one in enumerate(listed, 1)
    )
    return ProvenExcerpts(proven, lines)


def _encode(text: str, subject: str) -> bytes:
    """Return a text's UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise IntegrityError(subject, expected="UTF-8") from error

r"""Remember what a log showed: a pin, and the checks of a log against it.

A pin is the newest checkpoint of an origin that this user has seen, with the key that
signed it. Whoever later puts an older or another copy in the log's place is found,
because a log can only grow. Without a pin a reader meets the log for the first time:
it then takes the key that it was given, or the one that the ledger itself shows, and
must say so.

The file holds the vkey and the signed note, so that it can be shown to others as
evidence::

    {"note": "example.com/log\n3\n...", "vkey": "example.com/log+...", "v": 1}

Source: DESIGN section 5 (pins); RFC 6962 section 5.3 (auditing).
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.values.canonical import canonical_json, load_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ledger.view import LedgerView

VERSION = 1
MAX_BYTES = 1 << 20


class Pin(NamedTuple):
    """What was seen of a log.

    Attributes:
        vkey: The log's verifier key.
        note: The newest checkpoint note that was seen.
    """

    vkey: str
    note: bytes


def format_pin(pin: Pin) -> bytes:
    """Return the pin file's bytes."""
    return canonical_json({"v": VERSION, "vkey": pin.vkey, "note": pin.note.decode()})


def parse_pin(data: bytes, *, subject: str) -> Pin:
    """Return the pin in a file's bytes; inverse of :func:`format_pin`.

    Raises:
        IntegrityError: Damaged: the file must not be taken for "never seen".
    """
    value = load_json(data, subject=subject, limit=MAX_BYTES)
    if (
        not isinstance(value, dict)
        or value.get("v") != VERSION
        or not _is_text(value.get("vkey"))
        or not _is_text(value.get("note"))
    ):
        raise IntegrityError(
            subject,
            expected="a pin file",
            got="a damaged one",
            advice="restore it, or delete it and give the log's key with --log",
        )
    return Pin(value["vkey"], value["note"].encode())


def size_of(pin: Pin) -> int:
    """Return the tree size that a pin's checkpoint names."""
    return parse_checkpoint(parse_note(pin.note).text).size


def check_pin(pin: Pin, view: LedgerView) -> bool:
    """Check that a log extends what was seen of it; return whether it has grown.

    The pin's note was verified before it was kept, and the file is the user's own.

    Raises:
        IntegrityError: The log was forked or rolled back, its trust log was rewritten,
            or the pin is another log's.
    """
    seen = parse_checkpoint(parse_note(pin.note).text)
    if seen.origin != view.checkpoint.origin:
        raise IntegrityError(
            f"pin of {view.checkpoint.origin}",
            expected="a checkpoint of that log",
            got=f"one of {seen.origin}",
            advice="delete the pin and give the log's key with --log",
        )
    view.check_consistent(seen.size, seen.root)
    view.check_trust_consistent(seen.trust)
    return view.checkpoint.size > seen.size


def _is_text(value: object) -> bool:
    """Return whether a value is text that can be written as UTF-8."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)

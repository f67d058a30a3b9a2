"""Say in a line what a record is, from its JSON form.

What a stranger signed may have any shape: a key without the value that belongs there is
as if it were not there.
"""

from __future__ import annotations

from jenkins_notary.evidence.build_view import facts_of, object_of, predicate_of
from jenkins_notary.pages.text import format_size
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Record = Mapping[str, Any]

_NAME = 120


class RecordLine(NamedTuple):
    """A record in a list.

    Attributes:
        index: Its place in the log.
        type: Its leaf's type.
        said: What it is, in a few words.
        word: A status or result, for a badge, or None.
        reason: Why, as its signer says, or None.
        standing: How its signer stands.
        job: The job id that it claims, or None.
        signer: The signer's id.
        timestamp: Commit time, RFC 3339.
        has_envelope: Whether what was signed is still there.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    type: str
    said: str
    word: str | None
    reason: str | None
    standing: str
    job: str | None
    signer: str
    timestamp: str
    has_envelope: bool


def describe_record(record: Record) -> RecordLine:
    """Return a record's line, from its JSON form."""
    kind = record["type"]
    reason = predicate_of(record).get("reason")
    describe = _DESCRIBED.get(kind)
    said, word = (kind, None) if describe is None else describe(record)
    erased_by = record.get("erased_by")
    return RecordLine(
        record["index"],
        kind,
        said if erased_by is None else f"{kind}, erased",
        record.get("status") or _word(word),
        reason if isinstance(reason, str) else None,
        record["standing"],
        record["job"] if isinstance(record["job"], str) else None,
        record["signer"] or "",
        record["timestamp"],
        erased_by is None,
    )


def _notarization(record: Record) -> tuple[str, object]:
    listed = predicate_of(record).get("assets")
    count = len(listed) if isinstance(listed, list) else 1
    more = f" and {count - 1} more" if count > 1 else ""
    return f"{_text(record.get('name')) or 'asset'}{more}", None


def _log(record: Record) -> tuple[str, object]:
    said = predicate_of(record)
    size = format_size(object_of(said.get("body")).get("size"))
    stage = f" of stage {_text(said['stage'])}" if said.get("stage") else ""
    what = "piece of the log" if said.get("state") == "growing" else f"log{stage}"
    return f"{what}, {size}" if size else what, None


def _attachment(record: Record) -> tuple[str, object]:
    said = predicate_of(record)
    label = f" ({_text(said['label'])})" if said.get("label") else ""
    return f"attached {_text(said.get('name'))}{label}", None


def _provenance(record: Record) -> tuple[str, object]:
    build = object_of(facts_of(record).get("build"))
    return "how the build ran", build.get("result")


def _test_result(record: Record) -> tuple[str, object]:
    return "tests", predicate_of(record).get("result")


def _deletion(record: Record) -> tuple[str, object]:
    what = "build" if record["job"] else "job"
    return f"{what} deleted in Jenkins", "deleted"


def _alias(record: Record) -> tuple[str, object]:
    said = predicate_of(record)
    return f"renamed from {_text(said.get('from'))} to {_text(said.get('to'))}", None


def _act(record: Record) -> tuple[str, object]:
    said = predicate_of(record)
    about = said.get("signerId") or said.get("org") or ""
    action = _text(said.get("action")).replace("-", " ")
    return f"{record['type']}: {action} {_text(about)}".rstrip(": "), None


def _gate(record: Record) -> tuple[str, object]:
    said = predicate_of(record)
    return "gate", said.get("decision", said.get("result"))


def _corroboration(record: Record) -> tuple[str, object]:
    return "held to the controller", predicate_of(record).get("verdict")


_DESCRIBED: Mapping[str, Callable[[Record], tuple[str, object]]] = {
    "administration": _act,
    "alias": _alias,
    "attachment": _attachment,
    "corroboration": _corroboration,
    "deletion": _deletion,
    "gate": _gate,
    "log": _log,
    "notarization": _notarization,
    "provenance": _provenance,
    "test-result": _test_result,
    "trust": _act,
}


def _text(value: object) -> str:
    """Return a text that fits into a line, "" for what is none."""
    if not isinstance(value, str):
        return ""
    return value if len(value) <= _NAME else f"{value[:_NAME]}…"


def _word(value: object) -> str | None:
    """Return a word of a badge, None for what is none."""
    return value if isinstance(value, str) and len(value) <= 40 else None

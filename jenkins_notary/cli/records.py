"""Print records, as ``inspect``, ``evidence`` and the trust commands show them."""

from __future__ import annotations

from jenkins_notary.cli.output import format_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.cli.context import Context
    from jenkins_notary.remote.notary import RemoteItem


def show_records(context: Context, records: Sequence[RecordView | RemoteItem]) -> int:
    """Print proven records; return 0."""
    found = [one.to_dict() for one in records]
    context.output.show({"records": found}, lambda: format_records(found))
    return 0


def format_records(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of records: one each, then its facts."""
    for one in records:
        yield f"#{one['index']}  {one['type']}  {one['status'] or ''}".rstrip()
        yield from format_fields(_list_fields(one))
        for subject in one.get("subjects") or []:
            sha256 = subject["digest"].get("sha256", "")
            yield f"    sha256:{sha256}  {subject['name']}"


def _list_fields(one: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield label and value of a record's facts."""
    for key in ("timestamp", "job", "signer"):
        yield key, one.get(key)
    predicate = one.get("predicate") or {}
    for key in ("action", "org", "signerId", "level", "fromIndex"):
        yield key, predicate.get(key)
    for key in ("reason", "label", "stage", "name"):
        yield key, predicate.get(key)
    attributes = predicate.get("attributes") or {}
    yield "attr", ", ".join(f"{key}={value}" for key, value in attributes.items())
    for attachment in predicate.get("attachments") or []:
        yield "attached", f"{attachment.get('name')} ({attachment.get('label') or '-'})"
    if one.get("erased_by") is not None:
        yield "erased by", f"#{one['erased_by']}"

"""Hand the log's envelopes to whoever checks the whole log.

An envelope is asked for by its digest, which stands in a leaf; or entries and envelopes
come together, packed for a slow link. They tell of a build whatever folder that is in,
so only a token of all folders gets them.
"""

from __future__ import annotations

from jenkins_notary.errors import PermissionDeniedError, UsageError
from jenkins_notary.remote.reading.packed import (
    MEDIA_TYPE,
    PackedRecord,
    pack_records,
)
from jenkins_notary.service.http.asks import parse_number
from jenkins_notary.serving.replies import Reply
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.leaf import parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.answers.handlers import Call

MAX_DIGESTS = 256
MAX_RECORDS = 256
MAX_BYTES = 8 << 20
"""Bytes of envelopes in one answer; the rest is asked for again."""


def show_envelopes(call: Call) -> dict[str, Any]:
    """Return envelopes by digest, null for one that the ledger does not hold.

    Raises:
        PermissionDeniedError: The token is bound to folders.
        UsageError: No digests, or too many.
    """
    check_unbound(call.who)
    digests = call.value.get("digests")
    if not isinstance(digests, list) or not 0 < len(digests) <= MAX_DIGESTS:
        raise UsageError("digests", expected=f"a list of 1 to {MAX_DIGESTS}")
    if not all(is_hex_digest(one) for one in digests):
        raise UsageError("digests", expected="64 hex digits each")
    found: dict[str, str | None] = {}
    total = 0
    for one in digests:
        digest = bytes.fromhex(one)
        data = call.session.store.envelopes([digest]).get(digest)
        total += len(data or b"")
        if found and total > MAX_BYTES:
            break
        found[one] = None if data is None else data.decode()
    return {"envelopes": found}


def show_packed(call: Call) -> Reply:
    """Return records of a range, entries with envelopes, packed.

    Fewer than were asked for, but one at least, where they are long.

    Raises:
        PermissionDeniedError: The token is bound to folders.
        UsageError: No such range.
    """
    check_unbound(call.who)
    view, store = call.session.followed_view(), call.session.store
    start = parse_number(call.query, "from", None)
    stop = parse_number(call.query, "to", None)
    if start is None or stop is None or not start < stop <= view.size:
        raise UsageError("range", expected=f"from and to, at most {view.size}")
    entries = store.entries("main", start, min(stop, start + MAX_RECORDS))
    records: list[PackedRecord] = []
    total = 0
    for entry in entries:
        digest = bytes.fromhex(parse_leaf(entry, subject="entry").envelope_hex)
        data = store.envelopes([digest]).get(digest)
        total += len(data or b"")
        if records and total > MAX_BYTES:
            break
        records.append(PackedRecord(entry, data))
    return Reply(pack_records(records), MEDIA_TYPE)


def check_unbound(who: Principal) -> None:
    """Check that a token sees all folders.

    Raises:
        PermissionDeniedError: It is bound to some.
    """
    if who.scopes:
        raise PermissionDeniedError(
            f"token {who.name}",
            expected="a token of all folders, to check the whole log",
            got="one of some folders",
        )

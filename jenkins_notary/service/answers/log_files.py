"""Hand the log's envelopes to whoever checks the whole log.

An envelope is asked for by its digest, which stands in a leaf. It tells of a build
whatever folder that is in, so only a token of all folders gets it.
"""

from __future__ import annotations

from jenkins_notary.errors import PermissionDeniedError, UsageError
from jenkins_notary.values.digest import is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.answers.handlers import Call

MAX_DIGESTS = 256
MAX_BYTES = 8 << 20
"""Bytes of envelopes in one answer; the rest is asked for again."""


def show_envelopes(call: Call) -> dict[str, Any]:
    """Return envelopes by digest, null for one that the ledger does not hold.

    Raises:
        PermissionDeniedError: The token is bound to folders.
        UsageError: No digests, or too many.
    """
    if call.who.scopes:
        raise PermissionDeniedError(
            f"token {call.who.name}",
            expected="a token of all folders, to check the whole log",
            got="one of some folders",
        )
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

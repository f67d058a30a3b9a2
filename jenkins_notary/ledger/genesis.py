"""Begin a log: the genesis record names its administrators, for good.

Leaf 0 of every log is a trust record of action ``genesis``, signed by the keys that
it names. A log that follows another one binds the last checkpoint that is known of it
(``succeeds``), so that whoever trusted the old origin's administrators can follow.
"""

from __future__ import annotations

import os
import re

from jenkins_notary.errors import UsageError
from jenkins_notary.ledger.author import describe_signer
from jenkins_notary.values.envelope import MAX_SIGNATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ledger.author import Author
    from jenkins_notary.ledger.sequencer import Sequencer
    from jenkins_notary.ports import Appended

_HOST = re.compile(r"[^a-z0-9.-]+")
_ORIGIN = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
MAX_ORIGIN = 200


def make_origin(host: str) -> str:
    """Return a new log's name: ``<host>/<8 random hex>``; random, so never reused."""
    slug = _HOST.sub("-", host.lower()).strip("-.") or "localhost"
    return f"{slug[:120]}/{os.urandom(4).hex()}"


def check_origin(origin: str) -> None:
    """Check a name that a person chose for a log.

    Raises:
        UsageError: Not path segments of letters, digits, ``.``, ``_`` and ``-``.
    """
    if (
        not _ORIGIN.fullmatch(origin)
        or len(origin) > MAX_ORIGIN
        or not {".", ".."}.isdisjoint(origin.split("/"))
    ):
        raise UsageError(
            f"origin {origin[:80]!r}",
            expected="segments of letters, digits, '.', '_', '-' joined by '/'",
        )


def append_genesis(
    sequencer: Sequencer,
    author: Author,
    origin: str,
    *,
    threshold: int = 1,
    succeeds: bytes | None = None,
) -> Sequence[Appended]:
    """Append the first record of a log.

    Args:
        sequencer: The writer of an empty store.
        author: The administrators' keys; each is named and signs.
        origin: The log's name; the ledger key's name too.
        threshold: How many administrators must sign a trust record.
        succeeds: The last checkpoint note of the origin that this log follows.

    Returns:
        Where it stands; nothing where an interrupted call had appended it already.

    Raises:
        UsageError: The log has records, has another name, or the threshold cannot be
            reached: such a genesis would make it useless for ever.
    """
    check_origin(origin)
    keys = len({one.keyid for one in author.signers})
    if origin != sequencer.origin or not 1 <= threshold <= min(keys, MAX_SIGNATURES):
        raise UsageError(
            f"genesis of {origin}",
            expected=f"the name {sequencer.origin}, a threshold of 1 to {keys}",
            got=f"threshold {threshold}",
        )
    if sequencer.reader.entries("main", 0, 1):
        if sequencer.reader.checkpoint() is not None:
            raise UsageError(
                f"genesis of {origin}", expected="an empty log", got="records"
            )
        # The process died between commit and publication: publish what stands.
        return sequencer.append([])
    facts = {
        "action": "genesis",
        "origin": origin,
        "administrators": [describe_signer(one) for one in author.signers],
        "threshold": threshold,
        "succeeds": None if succeeds is None else succeeds.decode(),
    }
    return sequencer.append([author.sign("trust", [], facts)])

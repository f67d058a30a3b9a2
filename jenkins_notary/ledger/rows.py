"""Derive the rows that lead from a key to records; see ``ports.ROW_KINDS``.

Rows are derived from a leaf and its statement alone, so that they can be derived
again and compared: a row that was forged, left out or added is found.
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.ports import Row
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.ports import RowKind
    from jenkins_notary.values.leaf import Leaf
    from jenkins_notary.values.statement import Statement

_COMMIT_HEX = frozenset("0123456789abcdef")
_COMMIT_LENGTHS = (40, 64)
OTHER_KEYS = 3
"""Keys of a record beside its rows: two entries and an envelope."""

MAX_ALIASES = 100
"""Aliases of one record that lead to it; further ones are not indexed."""

MAX_SOURCES = 100
"""Sources of one build that lead to its provenance, likewise."""


def derive_rows(index: int, leaf: Leaf, statement: Statement | None) -> list[Row]:
    """Return the rows of a record, the ``statement`` row apart.

    Args:
        index: Its place in the main log.
        leaf: Its leaf.
        statement: Its statement; None once erased, when only the leaf's rows stay.
    """
    return [Row(kind, key, index) for kind, key in derive_keys(leaf, statement)]


def derive_keys(leaf: Leaf, statement: Statement | None) -> list[tuple[RowKind, bytes]]:
    """Return (kind, key) of each row of :func:`derive_rows`."""
    keys: list[tuple[RowKind, bytes]] = [
        ("subject", bytes.fromhex(one)) for one in leaf.subjects
    ]
    if leaf.job_hex is not None:
        keys.append(("job", bytes.fromhex(leaf.job_hex)))
    if leaf.signer:
        keys.append(("signer", bytes.fromhex(leaf.signer[2:])))
    if statement is not None:
        keys += _derive_named_keys(statement)
    return keys


def derive_named_rows(index: int, statement: Statement) -> list[Row]:
    """Return the rows that hold or come from what an erasure destroys."""
    return [Row(kind, key, index) for kind, key in _derive_named_keys(statement)]


def _derive_named_keys(statement: Statement) -> list[tuple[RowKind, bytes]]:
    """Return (kind, key) of each row of :func:`derive_named_rows`."""
    names = {key for job in _job_ids(statement) if (key := name_key(job)) is not None}
    keys: list[tuple[RowKind, bytes]] = [("name", key) for key in sorted(names)]
    keys += [("commit", bytes.fromhex(one)) for one in sorted(find_commits(statement))]
    return keys


def find_commits(statement: Statement) -> set[str]:
    """Return the git commits that a statement is found by, as hex.

    They are those of its subjects, and those that a provenance names as sources.
    """
    digests = [one.others for one in statement.subjects if one.others]
    if statement.type == "provenance":
        digests += _list_sources(statement)
    return {one["gitCommit"] for one in digests if _is_commit(one.get("gitCommit"))}


def name_key(job_id: str) -> bytes | None:
    r"""Return the ``name`` key of a job id, None for one that cannot be parsed.

    >>> name_key("ci.example.com:a/b#7")
    b'a/b\x00\x00\x00\x00\x00\x00\x00\x00\x07ci.example.com'
    """
    try:
        job = parse_job_id(job_id)
    except UsageError:
        # A foreign statement may claim anything; it is found by its other keys.
        return None
    number = job.number.to_bytes(8, "big")
    return b"%b\x00%b%b" % (job.name.encode(), number, (job.instance or "").encode())


def name_range(name: str, number: int | None = None) -> tuple[bytes, bytes]:
    """Return (low, high) of the ``name`` keys of a job's builds, or of one build."""
    if number is None:
        return name.encode() + b"\x00", name.encode() + b"\x01"
    low = b"%b\x00%b" % (name.encode(), number.to_bytes(8, "big"))
    # An instance is ASCII, so that 0x80 stands behind every one.
    return low, low + b"\x80"


def below_range(folder: str) -> tuple[bytes, bytes]:
    """Return (low, high) of the ``name`` keys of all jobs below a folder."""
    return folder.encode() + b"/", folder.encode() + b"0"


def exact_range(key: bytes) -> tuple[bytes, bytes]:
    """Return (low, high) of the rows with exactly this key."""
    return key, key + b"\x00"


def _job_ids(statement: Statement) -> list[str]:
    """Return every job id that a statement is found by: its own, and aliases."""
    own = statement.job_id
    found = [own] if own else []
    aliases = statement.facts.get("aliases")
    if isinstance(aliases, list):
        found += [one for one in aliases[:MAX_ALIASES] if isinstance(one, str)]
    return found


def _list_sources(statement: Statement) -> Sequence[Mapping[str, Any]]:
    """Return the digests of what went into a build, by its provenance."""
    definition = statement.predicate.get("buildDefinition")
    if not isinstance(definition, dict):
        return []
    listed = definition.get("resolvedDependencies")
    digests = [
        one.get("digest")
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict)
    ]
    return [one for one in digests if isinstance(one, dict)][:MAX_SOURCES]


def _is_commit(text: object) -> bool:
    """Return whether a value is the hex of a git commit id."""
    return (
        isinstance(text, str)
        and len(text) in _COMMIT_LENGTHS
        and _COMMIT_HEX.issuperset(text)
    )

r"""Say what a pack holds: its first member, ``pack.json``.

Canonical JSON (shown with line breaks, texts shortened)::

    {"format": "jenkins-notary-pack", "v": 1, "madeBy": "0.1.0",
     "selection": {"kind": "build", "job": "ci.example.com:payments/main#42"},
     "origin": "example.com/1a2b3c4d", "treeSize": 120,
     "vkeys": ["example.com/1a2b3c4d+60db519f+AddamAGC..."],
     "selected": [[7, 9], [12, 12]],
     "withheld": [31],
     "leftOut": [{"index": 9, "sha256": "<64 hex>", "why": "held"}]}

``selected`` are the records that were asked for, as ranges with both ends; all other
records are there because a verdict on these needs them. ``withheld`` lost their
envelopes because whoever packed may not read them. ``leftOut`` are bodies.

Nobody signs this file: it is the packer's word. What it says of records and bodies is
proven or refuted by them (``pack_check``); ``vkeys`` are never believed.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.statement import is_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = "jenkins-notary-pack"
VERSION = 1
MAX_BYTES = 64 << 20
MAX_SELECTED = 100_000
"""Records that a pack may be asked for."""

BUILD, RELEASE, PERIOD = "build", "release", "period"
HELD, NOT_KEPT, NOT_STORED = "held", "not kept", "not stored"
NOT_WANTED, NOT_AS_SIGNED = "not asked for", "not as signed"
WHY = frozenset({HELD, NOT_KEPT, NOT_STORED, NOT_WANTED, NOT_AS_SIGNED})
"""Why a body is left out of a pack."""

_KEYS = frozenset(
    {
        *("format", "v", "madeBy", "selection", "origin", "treeSize", "vkeys"),
        *("selected", "withheld", "leftOut"),
    }
)


class Selection(NamedTuple):
    """What a pack was asked for.

    Attributes:
        kind: ``build``, ``release`` or ``period``.
        job: Of a build: its job id.
        started: Of a build: when it started, where several have the id; or None.
        release: Of a release: ``NAME=VALUE``, an attribute of its records.
        folder: A job or folder that the rest is bound to, or None.
        since: First commit time, RFC 3339, or None.
        until: Last commit time, RFC 3339, or None.
    """

    kind: str
    job: str | None = None
    started: str | None = None
    release: str | None = None
    folder: str | None = None
    since: str | None = None
    until: str | None = None

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form: what is set."""
        return {key: str(one) for key, one in self._asdict().items() if one is not None}

    def __str__(self) -> str:
        """Return it in one line, for a person.

        >>> str(Selection("release", release="release=1.2", folder="payments"))
        'release release=1.2, folder payments'
        """
        first = {BUILD: self.job, RELEASE: self.release}.get(self.kind) or ""
        rest = [
            f"{key} {one}"
            for key in ("started", "folder", "since", "until")
            if (one := self._asdict()[key]) is not None
        ]
        return ", ".join([f"{self.kind} {first}".strip(), *rest])


def suggest_name(selection: Selection) -> str:
    """Return the name of a pack's file.

    >>> suggest_name(Selection("build", "ci.example.com:payments/main#42"))
    'build-ci.example.com-payments-main-42.pack.tar'
    """
    words = [one for one in selection if one is not None]
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words)).strip("-.")
    return f"{slug[:120]}.pack.tar"


class LeftOut(NamedTuple):
    """A body that is not in a pack.

    Attributes:
        index: The record that names it.
        sha256_hex: SHA-256 of its bytes.
        why: A word of :data:`WHY`.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    sha256_hex: str
    why: str


class PackHead(NamedTuple):
    """What a pack says of itself.

    Attributes:
        made_by: Version of the program that made it.
        selection: What it was asked for.
        origin: The log's name.
        tree_size: Records of the log that it is of.
        vkeys: The keys that signed the log so far, the newest last: a claim.
        selected: Indexes of the records that were asked for, in order.
        withheld: Indexes of records whose envelope is kept back.
        left_out: Bodies that are not in it.
    """

    made_by: str
    selection: Selection
    origin: str
    tree_size: int
    vkeys: tuple[str, ...]
    selected: tuple[int, ...]
    withheld: tuple[int, ...]
    left_out: tuple[LeftOut, ...]


def format_head(head: PackHead) -> bytes:
    """Return the file's bytes."""
    return canonical_json(
        {
            "format": FORMAT,
            "v": VERSION,
            "madeBy": head.made_by,
            "selection": head.selection.to_dict(),
            "origin": head.origin,
            "treeSize": head.tree_size,
            "vkeys": list(head.vkeys),
            "selected": _join_ranges(head.selected),
            "withheld": list(head.withheld),
            "leftOut": [
                {"index": one.index, "sha256": one.sha256_hex, "why": one.why}
                for one in head.left_out
            ],
        }
    )


def parse_head(data: bytes) -> PackHead:
    """Return what a file says; the inverse of :func:`format_head`.

    Raises:
        IntegrityError: Not such a file, of another version, or not in its one form.
    """
    value = load_json(data, subject=f"pack: {FORMAT}", limit=MAX_BYTES)
    if not isinstance(value, dict) or (value.get("format"), value.get("v")) != (
        FORMAT,
        VERSION,
    ):
        raise _malformed(f"the format {FORMAT}, version {VERSION}")
    texts = ("madeBy", "origin")
    if value.keys() != _KEYS or not all(isinstance(value[key], str) for key in texts):
        raise _malformed("its keys, no others")
    vkeys, withheld = value["vkeys"], value["withheld"]
    if not _are(vkeys, str) or not vkeys or not is_index(value["treeSize"]):
        raise _malformed("vkeys and treeSize")
    if not isinstance(withheld, list) or not all(map(is_index, withheld)):
        raise _malformed("withheld as indexes")
    head = PackHead(
        value["madeBy"],
        _parse_selection(value["selection"]),
        value["origin"],
        value["treeSize"],
        tuple(vkeys),
        _split_ranges(value["selected"]),
        tuple(withheld),
        _parse_left_out(value["leftOut"]),
    )
    if format_head(head) != data:
        raise _malformed("canonical JSON")
    return head


def _parse_selection(value: object) -> Selection:
    """Return what a pack was asked for."""
    fields = set(Selection._fields)
    if not isinstance(value, dict) or not {"kind"} <= value.keys() <= fields:
        raise _malformed("a selection")
    found = Selection(**value) if _are(list(value.values()), str) else None
    if found is None or found.kind not in {BUILD, RELEASE, PERIOD}:
        raise _malformed("a selection of texts")
    return found


def _parse_left_out(value: object) -> tuple[LeftOut, ...]:
    """Return the bodies that are not in a pack."""
    found = []
    for one in value if isinstance(value, list) else [None]:
        if not isinstance(one, dict) or one.keys() != {"index", "sha256", "why"}:
            raise _malformed("leftOut as objects")
        index, sha256, why = one["index"], one["sha256"], one["why"]
        if not is_index(index) or not is_hex_digest(sha256) or why not in WHY:
            raise _malformed("index, sha256 and why of leftOut")
        found.append(LeftOut(index, sha256, why))
    return tuple(found)


def _join_ranges(indexes: Iterable[int]) -> list[list[int]]:
    """Return sorted indexes as ranges with both ends.

    >>> _join_ranges([7, 8, 9, 12])
    [[7, 9], [12, 12]]
    """
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ranges


def _split_ranges(value: object) -> tuple[int, ...]:
    """Return the indexes of ranges; the inverse of :func:`_join_ranges`."""
    found: list[int] = []
    for one in value if isinstance(value, list) else [None]:
        if not isinstance(one, list) or len(one) != 2 or not all(map(is_index, one)):
            raise _malformed("selected as ranges")
        first, last = one
        after = found[-1] if found else -1
        if not after < first <= last or last - first >= MAX_SELECTED - len(found):
            raise _malformed(f"ranges in order, of at most {MAX_SELECTED} records")
        found += range(first, last + 1)
    return tuple(found)


def _are(values: object, kind: type) -> bool:
    """Return whether a value is a list of one type."""
    return isinstance(values, list) and all(isinstance(one, kind) for one in values)


def _malformed(expected: str) -> IntegrityError:
    """Return the error for a file that says nothing of a pack."""
    return IntegrityError("pack: pack.json", expected=expected, got="another")

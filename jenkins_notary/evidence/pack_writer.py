"""Write a pack as a stream of bytes, in constant memory.

What goes in was decided before (:class:`PackPlan`); the order and the form of each
member are those of ``pack_archive``. Every record is proven as it is read, every chunk
of a body too: what is altered ends the stream with an error, and a pack that was cut
short is refused by whoever reads it.

The same ledger at the same checkpoint, asked for the same thing by the same version,
gives the same bytes.
"""

from __future__ import annotations

from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.evidence.pack_archive import (
    CHECKPOINT,
    ENVELOPE,
    HEAD,
    LEAF,
    PROOF,
    TRUST,
    body_name,
    record_name,
    write_end,
    write_member,
)
from jenkins_notary.evidence.pack_head import format_head
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jenkins_notary.evidence.pack_head import PackHead
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Blobs
    from jenkins_notary.values.body import Body


class PackPlan(NamedTuple):
    """What goes into a pack.

    Attributes:
        head: What the pack says of itself.
        indexes: The records in it, in order: the selected ones and those that a verdict
            on them needs.
        bodies: Each body once, with the place where it lies, by its SHA-256.
        files: Further members by name, in the order of an archive.
    """

    head: PackHead
    indexes: tuple[int, ...]
    bodies: Mapping[str, tuple[Blobs, Body]]
    files: Mapping[str, bytes]


def write_pack(
    view: LedgerView, plan: PackPlan, *, progress: Progress
) -> Iterator[bytes]:
    """Yield the bytes of a pack.

    Args:
        view: The ledger that the plan was made on.
        plan: What goes in.
        progress: Called with (phase, done, total).

    Raises:
        IntegrityError: While iterating: a record or body is not what was signed.
        NotFoundError: While iterating: a body is not stored any more.
        UsageError: While iterating: a body is longer than a member can be.
    """
    yield from _small(HEAD, format_head(plan.head))
    yield from _small(CHECKPOINT, view.note)
    entries = view.trust_entries()
    yield from _small(TRUST, b"".join([one + b"\n" for one in entries]))
    withheld = frozenset(plan.head.withheld)
    for done, index in enumerate(plan.indexes, 1):
        record = view.record(index)
        data = None if index in withheld else view.envelope_bytes(record)
        if data is not None:
            yield from _small(record_name(index, ENVELOPE), data)
        yield from _small(record_name(index, LEAF), view.leaf(index)[0])
        yield from _small(record_name(index, PROOF), make_receipt(view, index))
        progress("records", done, len(plan.indexes))
    for done, (sha256_hex, (blobs, body)) in enumerate(sorted(plan.bodies.items()), 1):
        name = body_name(sha256_hex)
        yield from write_member(name, body.size, read_body(blobs, body))
        progress("bodies", done, len(plan.bodies))
    for name, data in plan.files.items():
        yield from _small(name, data)
    yield write_end()


def _small(name: str, data: bytes) -> Iterator[bytes]:
    """Yield one member whose bytes are at hand."""
    yield from write_member(name, len(data), [data])

"""Trust no index: read the whole log and find records by their leaves alone.

``--strict`` and followers use this. Every leaf is hashed into the signed root, so a
ledger that leaves out a row, or a negative record from its trust log, is found.

Cost: all entries of the log, once; constant memory.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.values.leaf import format_trust_entry, parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from jenkins_notary.ledger.view import LedgerView

_PAGE = 4096
_TRUST_MARKS = (
    b'"status":"UNTRUSTED"',
    b'"status":"UNSUPPORTED"',
    b'"supersedes"',
    b'"type":"trust"',
)


def check_rows(view: LedgerView, digests: Collection[str]) -> None:
    """Check that rows and trust log leave out no record on some digests.

    Args:
        view: The ledger.
        digests: SHA-256 hex digests that are to be judged.

    Raises:
        IntegrityError: The entries are not the signed log, or a row or an entry of
            the trust log is missing or too much.
    """
    named: dict[str, list[int]] = {one: [] for one in digests}
    needles = [(one, one.encode()) for one in digests]
    trust = Frontier()
    for index, entry in read_log(view):
        for one, needle in needles:
            if needle in entry and one in parse_leaf(entry).subjects:
                named[one].append(index)
        if any(mark in entry for mark in _TRUST_MARKS):
            # A leaf holds digests and closed words only: a mark stands in it if and
            # only if it counts for the trust log.
            leaf = parse_leaf(entry, subject=f"leaf {index}")
            trust = trust.append([hash_leaf(format_trust_entry(index, leaf))])
    size, root = view.checkpoint.trust
    if (trust.size, trust.root()) != (size, root):
        raise IntegrityError(
            "trust log",
            expected=f"the {trust.size} records that the main log holds",
            got=f"{size} others",
            advice="the ledger hides or invents a verdict: do not use it",
        )
    for one, indexes in named.items():
        found = sorted(view.find_digest(one))
        if found != [index for index in indexes if index < view.size]:
            raise IntegrityError(
                f"rows of sha256:{one}",
                expected=f"records {indexes[:20]}",
                got=f"{found[:20]}",
                advice="a row was left out or added: run jenkins-notary ledger verify",
            )


def read_log(view: LedgerView) -> Iterator[tuple[int, bytes]]:
    """Yield (index, entry) of the whole signed log, proven when exhausted.

    Raises:
        IntegrityError: The entries are not the signed log; raised at the end.
    """
    size, frontier = view.checkpoint.size, Frontier()
    while frontier.size < size:
        start = frontier.size
        page = view.read_entries(start, min(size, start + _PAGE))
        if not page:
            break
        frontier = frontier.append([hash_leaf(entry) for entry in page])
        yield from enumerate(page, start)
    if frontier.size != size or frontier.root() != view.checkpoint.root:
        raise IntegrityError(
            "main log",
            expected=f"the signed root over {size} entries",
            got=f"another over {frontier.size}",
            advice="the ledger was altered: run jenkins-notary ledger verify",
        )

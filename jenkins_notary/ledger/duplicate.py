"""Give a store all that another one holds of a log, whatever the engines.

The copy is the same log: its entries, its envelopes, its name and its key's name. Each
leaf is proven to stand in the signed tree, and each envelope to be the leaf's, before
it is kept; index, tiles and trust log are derived anew. The source may grow meanwhile:
what is copied is one state of it. An interrupted copy is gone on with by the next call.

What is left out: bodies, keys, and whatever a service keeps beside its ledger.
"""

from __future__ import annotations

from jenkins_notary.ledger.mirror import Mirror
from jenkins_notary.ledger.transfer import Transfer, find_statement_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Store, Verifier

SETTINGS = ("origin", "vkey")
"""What every ledger has beside its log."""


def duplicate_log(
    view: LedgerView,
    source: Store,
    target: Store,
    signatures: Verifier,
    *,
    progress: Progress,
) -> None:
    """Copy a log as it stands at a checkpoint.

    Args:
        view: The log at that checkpoint, which its key has signed.
        source: The same log.
        target: An empty store, or one that an interrupted call left behind.
        signatures: Signature checks.
        progress: Called with (phase, done, total).

    Raises:
        IntegrityError: The source is altered, or the target holds another log.
        StorageError: The target's disk is full.
    """
    for name in SETTINGS:
        value = source.get_setting(name)
        if value is not None and target.get_setting(name) != value:
            target.put_setting(name, value)
    mirror = Mirror(target, signatures)
    mirror.grow(view, source, progress=progress)
    rows = find_statement_rows(source, mirror.erased)
    Transfer(target, resume=True).add_rows(rows)

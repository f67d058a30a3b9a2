"""Open the chosen ledger as a whole: on this machine, or as a service shows it."""

from __future__ import annotations

import time
from contextlib import contextmanager

from jenkins_notary.cli.context import is_service_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.api.ledgers.keeper import LedgerKeeper
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.cli.context import Context
    from jenkins_notary.remote.notary import RemoteNotary
    from jenkins_notary.watch.distant import DistantLedger


@contextmanager
def open_kept_ledger(context: Context) -> Iterator[LedgerKeeper | DistantLedger]:
    """Give the chosen ledger; both kinds have the methods that only read.

    Raises:
        NotaryError: It cannot be opened.
    """
    if is_service_url(context.text("ledger")):
        yield open_distant_ledger(context, context.client())
        return
    with context.notary() as notary:
        yield notary.ledger


def open_distant_ledger(
    context: Context, remote: Notary | RemoteNotary
) -> DistantLedger:
    """Return the log of a service; nothing is read yet.

    Args:
        context: What the caller chose.
        remote: The service.

    Raises:
        NotaryError: Its URL, the proxy's or the token is wrong.
    """
    from jenkins_notary.api.places import find_places
    from jenkins_notary.keys.log_policy import load_policy
    from jenkins_notary.ledger.findings import no_progress
    from jenkins_notary.ledger.pacing import Pace
    from jenkins_notary.remote.notary import RemoteNotary
    from jenkins_notary.watch.distant import DistantChoices, DistantLedger
    from jenkins_notary.watch.packed import PackedLog

    assert isinstance(remote, RemoteNotary)  # noqa: S101 - of a service's URL
    remote.connect()
    named = context.text("log")
    choices = DistantChoices(
        context.log_key(),
        find_places(None, None, context.environ).pins,
        context.output.notice,
        context.choices().progress or no_progress,
        None if named is None else load_policy(named),
    )
    reader = PackedLog(remote.connect, Pace(None, time.monotonic, time.sleep))
    return DistantLedger(reader, remote.connect, choices)

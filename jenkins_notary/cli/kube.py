"""Watch what runs in a cluster: ``kube watch``."""

from __future__ import annotations

import signal
import sys
import threading

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.context import is_service_url
from jenkins_notary.cli.options import (
    add_all,
    add_cluster,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.cluster.judging import Source
    from jenkins_notary.cluster.settings import Settings
    from jenkins_notary.cluster.watching import Watcher

LOOK_S = 1.0


def declare(parser: Parser) -> None:
    """Add the options of ``kube watch``."""
    add_cluster(parser)
    parser.option(
        "--settings", "what is watched, and whose word counts", metavar="FILE"
    )
    parser.option("--namespace", "only this one; may be given again", metavar="NAME")
    parser.option("--org", "only its signers count", metavar="NAME")
    parser.option("--signer", "only this signer counts", metavar="ID")
    add_all(parser, add_ledger, add_service, add_registry)


def run(context: Context) -> int:
    """Watch until told to stop."""
    from jenkins_notary.cluster.board import Board
    from jenkins_notary.cluster.logs import ChangeLog
    from jenkins_notary.cluster.watching import Watcher
    from jenkins_notary.kubernetes.client import ClusterClient
    from jenkins_notary.kubernetes.kubeconfig import find_access

    settings = read_settings(context)
    access = find_access(
        context.environ,
        context.text("kubeconfig"),
        context=context.text("kube-context"),
    )
    board = Board()
    board.stand(is_leader=True, pages_url=settings.pages_url)
    log = ChangeLog(board, _write_line)
    watcher = Watcher(
        board,
        settings,
        ClusterClient(access),
        lambda wake: open_source(context, settings, wake),
    )
    log.tell("started", server=access.url)
    watcher.start()
    try:
        _wait(watcher, log.tell_standing)
    finally:
        watcher.stop()
    log.tell("stopped")
    if watcher.fault is not None:
        raise InternalError(
            "kube watch", got=f"{type(watcher.fault).__name__}: {watcher.fault}"
        ) from watcher.fault
    return 0


def read_settings(context: Context) -> Settings:
    """Return the settings of the file, with what options say in their place.

    Raises:
        NotaryError: They are not of the form.
    """
    from jenkins_notary.cluster.settings import load_settings

    return load_settings(context.text("settings")).replace(
        namespaces=context.texts("namespace"),
        org=context.text("org"),
        keys=context.texts("signer"),
    )


def open_source(
    context: Context, settings: Settings, wake: Callable[[], object]
) -> Source:
    """Return the chosen ledger, to be asked again and again."""
    from jenkins_notary.cluster.distant import RemoteSource
    from jenkins_notary.cluster.judging import LocalSource

    if is_service_url(context.text("ledger")):
        # What is wrong with the options is said at once.
        context.remote_reader().connect()
        interval_s = settings.watch.interval
        return RemoteSource(context.remote_reader, interval_s=interval_s, wake=wake)
    return LocalSource(context.session)


def _wait(watcher: Watcher, look: Callable[[], object]) -> None:
    """Wait until a signal, or a fault, ends it."""
    told = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: told.set())
    while not told.wait(LOOK_S) and not watcher.wait(0.0):
        look()


def _write_line(data: bytes) -> None:
    """Write a line of the log to standard output."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


COMMANDS = {
    "kube watch": Command(
        declare,
        run,
        """
kube watch --ledger https://notary.example.com --settings settings.yaml
kube watch --kubeconfig ~/.kube/config --namespace shop --org acme
""",
        "Lists and watches pods, and says of each container what the ledger says of\n"
        "the digest that it runs; no registry is asked. Standard output has a line of\n"
        "JSON for each change. In a pod the service account is used, elsewhere a\n"
        "kubeconfig. Needs the extra: pip install 'jenkins-notary[service]'.",
        "0 stopped as told",
    )
}

"""Watch what runs in a cluster: ``kube watch``."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.context import is_service_url
from jenkins_notary.cli.listening import add_listening, read_place
from jenkins_notary.cli.options import (
    add_all,
    add_cluster,
    add_key,
    add_ledger,
    add_registry,
    add_rule,
    add_service,
)
from jenkins_notary.errors import ConfigurationError, InternalError
from jenkins_notary.serving.place import missing_extra
from jenkins_notary.values.urls import scrub_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.api.session import Session
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.cluster.board import Board
    from jenkins_notary.cluster.judging import Source
    from jenkins_notary.cluster.logs import ChangeLog
    from jenkins_notary.cluster.settings import Settings
    from jenkins_notary.cluster.watching import Watcher
    from jenkins_notary.kubernetes.client import ClusterClient
    from jenkins_notary.remote.notary import RemoteNotary
    from jenkins_notary.remote.reading.notary import RemoteReader
    from jenkins_notary.serving.place import Place

PORT = 9581
LOOK_S = 0.25


def declare(parser: Parser) -> None:
    """Add the options of ``kube watch``."""
    add_listening(parser, PORT)
    add_key(parser)
    declare_watched(parser)


def declare_watched(parser: Parser) -> None:
    """Add what says what is watched, and whose word counts."""
    parser.option("--settings", "what is watched, whose word counts", metavar="FILE")
    parser.option("--namespace", "only this one; may be given again", metavar="NAME")
    add_all(parser, add_rule, add_cluster, add_ledger, add_service, add_registry)


def run(context: Context) -> int:
    """Watch until told to stop."""
    check_extra("kube watch")
    from jenkins_notary.cluster.board import Board
    from jenkins_notary.cluster.logs import ChangeLog

    settings = read_settings(context)
    place = read_place(context, PORT)
    client = open_client(context)
    board = Board()
    ledger = scrub_url(context.text("ledger") or "")
    # Where people read of a build, unless they go there another way than this program.
    pages_url = ledger.rstrip("/") if is_service_url(ledger) else None
    board.stand(
        is_leader=settings.lease is None,
        ledger=ledger,
        pages_url=settings.pages_url or pages_url,
    )
    log = ChangeLog(board, _write_line)
    watcher = _make_watcher(context, settings, client, board)
    _lead(watcher, client, settings, log)
    _record(context, settings, watcher, log)
    watcher.begin("log", lambda: _tell_standing(watcher, log))
    log.tell("started", server=client.access.url)
    watcher.start()
    try:
        _serve(board, place, context.output.notice)
    finally:
        watcher.stop()
    log.tell("stopped")
    if watcher.fault is not None:
        raise InternalError(
            "kube watch", got=f"{type(watcher.fault).__name__}: {watcher.fault}"
        ) from watcher.fault
    return 0


def check_extra(command: str) -> None:
    """Check that what a command needs beyond the package is installed.

    Raises:
        ConfigurationError: It is not.
    """
    try:
        import jenkins_notary.cluster.port  # noqa: F401 - to see whether it can be
    except ImportError as error:
        raise missing_extra(command, error) from error


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


def open_client(context: Context) -> ClusterClient:
    """Return the API server that is meant; nothing is asked yet.

    Raises:
        ConfigurationError: None is found, or it cannot be reached as is said.
    """
    from jenkins_notary.kubernetes.client import ClusterClient
    from jenkins_notary.kubernetes.kubeconfig import find_access

    return ClusterClient(
        find_access(
            context.environ,
            context.text("kubeconfig"),
            context=context.text("kube-context"),
        )
    )


def open_source(
    context: Context, settings: Settings, wake: Callable[[], object]
) -> Source:
    """Return the chosen ledger, to be asked again and again."""
    from jenkins_notary.cluster.distant import RemoteSource
    from jenkins_notary.cluster.judging import LocalSource

    told: set[str] = set()

    def notify_once(notice: str) -> None:
        if notice not in told:
            told.add(notice)
            context.output.notice(notice)

    def open_reader() -> RemoteReader:
        return context.remote_reader(notify=notify_once)

    def open_session() -> Session:
        session = context.session()
        session.choices = session.choices._replace(notify=notify_once)
        return session

    if not context.is_remote:
        return LocalSource(open_session)
    # What is wrong with the options is said at once.
    open_reader().connect()
    return RemoteSource(open_reader, interval_s=settings.watch.interval, wake=wake)


def _serve(board: Board, place: Place, notify: Callable[[str], object]) -> None:
    """Serve the board until a signal comes."""
    from jenkins_notary.cluster.bulk_sign import format_script
    from jenkins_notary.cluster.port import serve_board
    from jenkins_notary.serving.metrics import Metrics

    def say(address: str) -> None:
        notify(f"serving {address}")

    serve_board(board, place, metrics=Metrics(), bulk_sign=format_script, on_ready=say)


def _make_watcher(
    context: Context, settings: Settings, client: ClusterClient, board: Board
) -> Watcher:
    """Return the watcher; a fault in it ends the program."""
    from jenkins_notary.cluster.watching import Watcher

    return Watcher(
        board,
        settings,
        client,
        lambda wake: open_source(context, settings, wake),
        on_fault=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )


def _lead(
    watcher: Watcher, client: ClusterClient, settings: Settings, log: ChangeLog
) -> None:
    """Have replicas agree on one that leads, where the settings name a lease."""
    if settings.lease is None:
        return
    from jenkins_notary.kubernetes.lease import Lease

    name, namespace = settings.lease.name, settings.lease.namespace
    # A process that comes back in the same pod is another one.
    identity = f"{socket.gethostname()}_{os.urandom(6).hex()}"
    lease = Lease(client, namespace or client.access.namespace, name, identity)
    watcher.begin(
        "lease",
        lambda: lease.run(
            watcher.wait,
            lambda is_held: watcher.board.stand(is_leader=is_held),
            log.tell_lease,
        ),
    )


def _record(
    context: Context, settings: Settings, watcher: Watcher, log: ChangeLog
) -> None:
    """Record what changes in the ledger, where the settings ask for it."""
    chosen = settings.history
    if chosen is None:
        return
    from jenkins_notary.cluster.history import History

    token_file = chosen.token_file
    if context.is_remote and token_file is None:
        raise ConfigurationError(
            "settings history", expected="token-file: of a token that may attach"
        )

    def open_writer() -> Notary | RemoteNotary:
        if token_file is None or not context.is_remote:
            return context.notary()
        return context.service_with(token_file)

    history = History(
        watcher.board, open_writer, cluster=chosen.cluster, job=chosen.job
    )

    def report(error: str) -> None:
        log.tell("history", is_warning=True, error=error, waiting=len(history))

    watcher.begin("history", lambda: history.run(watcher.wait, report))


def _tell_standing(watcher: Watcher, log: ChangeLog) -> None:
    """Log what stops or begins to answer, until told to end."""
    while not watcher.wait(LOOK_S):
        log.tell_standing()


def _write_line(data: bytes) -> None:
    """Write a line of the log; whoever reads it may be gone, and others still look."""
    with suppress(OSError, ValueError):
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
        "the digest that it runs; no registry is asked unless the settings say so.\n"
        "The port has /status, /metrics, /results and /bulk_sign; standard output has\n"
        "a line of JSON for each change. In a pod the service account is used,\n"
        "elsewhere a kubeconfig.\n"
        "Needs the extra: pip install 'jenkins-notary[service]'.",
        "0 stopped as told",
    ),
}

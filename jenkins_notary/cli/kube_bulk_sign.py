"""Notarize what runs in a cluster as it is: ``kube bulk-sign``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_cluster,
    add_key,
    add_ledger,
    add_service,
)
from jenkins_notary.cli.output import format_table
from jenkins_notary.errors import UsageError, worst_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.cluster.baseline import BaselineLedger
    from jenkins_notary.cluster.bulk_sign import Fate, Seen


def declare(parser: Parser) -> None:
    """Add the options of ``kube bulk-sign``."""
    parser.option(
        "--results",
        "what runs, as a watcher's /results told; - is standard input; else the API "
        "server is asked",
        metavar="FILE",
    )
    add_cluster(parser)
    parser.option("--namespace", "only this one; may be given again", metavar="NAME")
    parser.option("--dry-run", "only say what would be signed; needs no key")
    parser.option("--attr", "a further fact", metavar="KEY=VALUE", short="-a")
    parser.option("--job", "a job id that the records name", metavar="ID")
    add_all(parser, add_ledger, add_service, add_key)


def run(context: Context) -> int:
    """Record what is unknown; return the worst status that is left."""
    from jenkins_notary.cluster.baseline import sign_baseline
    from jenkins_notary.cluster.bulk_sign import find_images

    images = find_images(_read_seen(context))
    fates = [
        *sign_baseline(
            images,
            _open_ledger(context),
            is_dry_run=context.flag("dry-run"),
            attributes=context.pairs("attr"),
            job=context.text("job"),
            report=context.choices().progress or (lambda *_: None),
        )
    ]
    found = [one.to_dict() for one in fates]
    context.output.show({"assets": found}, lambda: format_table(_list_rows(fates)))
    for outcome, count in _count(fates).items():
        context.output.notice(f"{count} {outcome}")
    return worst_code([one.status.value for one in fates])


def _open_ledger(context: Context) -> BaselineLedger:
    """Return the ledger; the key signs here, wherever it is."""
    from jenkins_notary.cluster.baseline import LocalLedger, ServiceLedger

    if not context.is_remote:
        return LocalLedger(context.session())
    return ServiceLedger(
        context.remote_reader(is_read=True),
        context.text("key"),
        context.choices().passphrase,
    )


def _read_seen(context: Context) -> Sequence[Seen]:
    """Return what runs."""
    from jenkins_notary.api.inputs import open_file
    from jenkins_notary.cluster.bulk_sign import MAX_RESULTS_BYTES, read_results

    path = context.text("results")
    if path is None:
        return _list_seen(context)
    if path != "-":
        with open_file(path) as stream:
            return read_results(stream.read(MAX_RESULTS_BYTES + 1))
    if context.stdin is None:
        raise UsageError("--results -", expected="standard input", got="none")
    return read_results(context.stdin.read(MAX_RESULTS_BYTES + 1))


def _list_seen(context: Context) -> Sequence[Seen]:
    """Return what the API server says that runs."""
    from jenkins_notary.cli.kube import open_client
    from jenkins_notary.cluster.bulk_sign import see_containers
    from jenkins_notary.cluster.containers import read_containers
    from jenkins_notary.cluster.watching import list_scopes, make_selector
    from jenkins_notary.kubernetes.feed import list_all

    client = open_client(context)
    try:
        return [
            seen
            for path in list_scopes(context.texts("namespace"))
            for pod in list_all(client, path, make_selector(()))
            for seen in see_containers(read_containers(pod))
        ]
    finally:
        client.close()


def _list_rows(fates: Sequence[Fate]) -> list[tuple[object, ...]]:
    """Return a row for each image."""
    return [
        (
            one.status.name,
            one.outcome,
            None if one.index is None else f"#{one.index}",
            one.image.digest,
            one.image.name,
        )
        for one in fates
    ]


def _count(fates: Sequence[Fate]) -> dict[str, int]:
    """Return how many images came to what."""
    counts: dict[str, int] = {}
    for one in fates:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    return counts


COMMANDS = {
    "kube bulk-sign": Command(
        declare,
        run,
        """
kube bulk-sign --dry-run
kube bulk-sign --key baseline.pem --namespace shop -a cluster=prod
kube bulk-sign --results results.json --key baseline.pem
""",
        "Records each image that runs and is UNKNOWN, by the digest that runs, with\n"
        "the attribute origin: baseline. The key must be enrolled at level 0, in no\n"
        "org, and be no administrator's: any build's record outweighs it. What is\n"
        "TRUSTED is left alone; what is UNTRUSTED, UNSUPPORTED or REVOKED is never\n"
        "signed. So it may be run again. A service takes what is signed here by a\n"
        "token of the role security, or writer with a --job of its folder.",
        "0 all TRUSTED now, else the worst status that is left",
    )
}

"""Say once what runs in a cluster: ``kube results``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.kube import (
    check_extra,
    declare_watched,
    open_client,
    open_source,
    read_settings,
)
from jenkins_notary.cli.output import format_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cluster.board import Judged


def run(context: Context) -> int:
    """Say once what runs; return the worst status of it."""
    check_extra("kube results")
    from jenkins_notary.cluster.results import list_results
    from jenkins_notary.cluster.survey import survey, worst_of

    settings = read_settings(context)
    client = open_client(context)
    source = open_source(context, settings, bool)
    try:
        rows = survey(client, settings, source)
    finally:
        source.close()
        client.close()
    found = list_results(rows, settings.pages_url)
    context.output.show({"results": found}, lambda: format_table(_list_rows(rows)))
    return worst_of(rows)


def _list_rows(rows: Sequence[Judged]) -> list[tuple[object, ...]]:
    """Return a row for each container."""
    return [
        (
            one.verdict.status.name,
            f"{one.container.namespace}/{one.container.pod}/{one.container.name}",
            one.container.digest or one.container.error,
            one.verdict.job or ("exempt" if one.exempt else None),
        )
        for one in rows
    ]


COMMANDS = {
    "kube results": Command(
        declare_watched,
        run,
        """
kube results --ledger https://notary.example.com --namespace shop
kube results -o json
""",
        "Lists all pods once. With -o json each entry has the form of the watcher's\n"
        "/results. What is exempt does not count for the exit code.",
        "0 all TRUSTED or exempt, else the worst status",
    ),
}

"""Audit a ledger from outside, once or again and again: ``ledger audit``."""

from __future__ import annotations

import json
import time

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.context import is_service_url
from jenkins_notary.cli.kept import open_kept_ledger
from jenkins_notary.cli.options import (
    add_all,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.output import escape, format_fields
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jenkins_notary.api.ledgers.keeper import LedgerKeeper
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.ledger.audit import AuditResult
    from jenkins_notary.watch.alerting import Standing
    from jenkins_notary.watch.distant import DistantLedger
    from jenkins_notary.watch.following import Following
    from jenkins_notary.watch.rounds import Round

MAX_INTERVAL_S = 7 * 86_400


def declare(parser: Parser) -> None:
    """Add the options of ``ledger audit``."""
    parser.option(
        "--state",
        "the file that keeps what was seen; another machine's is best",
        metavar="FILE",
        key="audit-state",
    )
    parser.option("--full", "read every record again, not a sample of the old ones")
    parser.option(
        "--probe",
        "of a service read only that its log has grown, and one record: some 4 kB",
    )
    parser.option("--follow", "go on for ever, a round each interval")
    parser.option(
        "--interval", "with --follow: seconds between rounds, 60", metavar="N"
    )
    parser.option(
        "--metrics-file",
        "with --follow: a file of Prometheus metrics, replaced each round",
        metavar="FILE",
    )
    parser.option(
        "--webhook-file",
        "with --follow: a file (0600) with the URL that is told of each change, and "
        "on a second line the secret that signs",
        metavar="FILE",
    )
    add_all(parser, add_ledger, add_service, add_registry)


def run(context: Context) -> int:
    """Check a ledger against what was seen of it."""
    if context.flag("follow"):
        return _follow(context)
    with open_kept_ledger(context) as ledger:
        found = _choose_round(context, ledger)().to_dict()
    context.output.show(
        found,
        lambda: format_fields(
            [(key, value) for key, value in found.items() if key != "checkpoint"],
            indent="",
        ),
    )
    return 0


def _choose_round(
    context: Context, ledger: LedgerKeeper | DistantLedger
) -> Callable[[], Round | AuditResult]:
    """Return what makes one round of the audit that was asked for."""
    state, full = context.required("audit-state"), context.flag("full")
    if not context.flag("probe"):
        return lambda: ledger.audit(state, full=full)
    if full or not is_service_url(context.text("ledger")):
        raise UsageError(
            "--probe",
            expected="a service's URL in --ledger, and no --full",
            got="another",
            advice="leave --probe out: what lies at hand is read as it is",
        )
    distant: Any = ledger
    return lambda: distant.probe(state)


def _follow(context: Context) -> int:
    """Audit until interrupted, or until something is found."""
    from jenkins_notary.watch.following import DEFAULT_INTERVAL_S

    if context.text("output") == "yaml":
        raise UsageError("--output", expected="text or json with --follow", got="yaml")
    interval_s = context.integer("interval", DEFAULT_INTERVAL_S)
    if not 0 < interval_s <= MAX_INTERVAL_S:
        raise UsageError(
            "--interval", expected=f"1 to {MAX_INTERVAL_S} seconds", got=str(interval_s)
        )
    with open_kept_ledger(context) as ledger:
        following = _make_following(
            context, _choose_round(context, ledger), _alert_of(context)
        )
        following.run(interval_s, time.sleep)
    return 0


def _make_following(
    context: Context,
    run_round: Callable[[], Round | AuditResult],
    alert: Callable[[Standing], object],
) -> Following:
    """Return an audit that goes on, with all that it tells."""
    from jenkins_notary.watch.alerting import write_metrics
    from jenkins_notary.watch.following import Following

    metrics = context.text("metrics-file")

    def measure(standing: Standing) -> None:
        if metrics is not None:
            write_metrics(metrics, standing)

    def show(done: Round | AuditResult) -> None:
        found = done.to_dict()
        if context.output.format == "json":
            context.output.write(json.dumps(found).encode() + b"\n")
            return
        line = (
            f"OK  {done.origin} {done.old_size} -> {done.size} records, "
            f"{done.records} checked, {found.get('verdicts', 0)} verdicts compared"
        )
        context.output.write(f"{escape(line)}\n".encode())

    return Following(
        run_round,
        context.text("ledger") or "ledger",
        show=show,
        alert=alert,
        measure=measure,
        notify=context.output.notice,
    )


def _alert_of(context: Context) -> Callable[[Standing], object]:
    """Return what tells changes to the webhook, if there is one.

    Raises:
        NotaryError: Its file cannot be used.
    """
    path = context.text("webhook-file")
    if path is None:
        return bool
    from jenkins_notary.watch.alerting import load_webhook

    return load_webhook(
        path,
        plain_http=context.texts("plain-http"),
        ca_file=context.text("ca-file"),
        environ=context.environ,
    ).tell


COMMANDS = {
    "ledger audit": Command(
        declare,
        run,
        """
ledger audit --state /var/lib/auditor/state.json
ledger audit --ledger https://notary.example.com --state seen.json --follow -o json
ledger audit --ledger https://edge.example.com --state edge.json --probe
""",
        "Run it where the ledger's owner cannot write. A missing state file is a\n"
        "first contact; a damaged one, a fork or a roll-back is 65. Of a service it\n"
        "keeps a copy beside the state, and compares the service's word with it.\n"
        "With --probe it only finds that the log was rewritten, and keeps no copy.\n"
        "With --follow it goes on until something is found (65).",
        "0 it has only grown",
    ),
}

"""Record what Jenkins shows of builds: ``collect``."""

from __future__ import annotations

import json

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_jenkins, add_key, add_ledger
from jenkins_notary.cli.output import escape
from jenkins_notary.errors import FaultsError, UsageError, worst_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from jenkins_notary.api.builds.collect import Collected
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.errors import NotaryError

MAX_FAULTS = 100
"""Faults of a document's own list; each build has its own beside it."""

_LARGE = ("predicate", "subjects", "digests", "receipt")


def declare(parser: Parser) -> None:
    """Add the options of ``collect``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL", count="*")
    parser.option(
        "--job",
        "all builds of a job or folder ('payments/*', '*') that the ledger lacks",
        metavar="NAME",
        key="collect-job",
    )
    parser.option("--since", "with --job: builds from this time on", metavar="TIME")
    parser.option(
        "--outbox",
        "what a controller's hook left in its outbox; done events are deleted",
        metavar="DIR",
    )
    parser.option("--limit", "with --outbox: at most so many events", metavar="N")
    parser.option(
        "--event-timeout",
        "with --outbox: seconds to read one build; none is begun after that",
        metavar="N",
    )
    parser.option("--follow", "go on until the builds end; with --job, for ever")
    parser.option("--interval", "seconds between two looks, 10", metavar="N")
    parser.option("--only", "record the log alone")
    parser.option("--again", "read builds again that were recorded whole")
    parser.option("--secrets", "what becomes of a log in which secrets are found")
    add_all(parser, add_jenkins, add_ledger, add_key)


def run(context: Context) -> int:
    """Collect builds; print a line each as they come."""
    from jenkins_notary.api.builds.collect import Choice
    from jenkins_notary.api.builds.gathering import DEFAULT_INTERVAL_S, Wanted

    outbox = context.text("outbox")
    if outbox is not None:
        return run_outbox(context, outbox)
    follows = context.flag("follow")
    if follows and context.text("output") == "yaml":
        raise UsageError("--output", expected="text or json with --follow", got="yaml")
    wanted = Wanted(
        context.words("JOB_ID"),
        context.text("collect-job"),
        context.text("since"),
        context.integer("interval", int(DEFAULT_INTERVAL_S)) if follows else None,
        Choice(
            only_log=context.text("only") == "log",
            again=context.flag("again"),
            secrets=context.text("secrets") or "hold",
        ),
    )
    with context.notary() as notary:
        return show_results(context, notary.collect(wanted), as_lines=follows)


def run_outbox(context: Context, path: str) -> int:
    """Record the events of an outbox; print a line each.

    The JSON names the receipt of each build and the checkpoint: the hook keeps them
    with the build.
    """
    if context.words("JOB_ID") or context.text("collect-job") is not None:
        raise UsageError("--outbox", expected="no JOB_ID and no --job", got="one")
    from jenkins_notary.api.builds.outbox import MAX_EVENTS

    receipts: dict[str, str] = {}
    with context.notary() as notary:
        results = notary.drain_outbox(
            path,
            secrets=context.text("secrets") or "hold",
            limit=context.limit(MAX_EVENTS),
            event_timeout_s=context.optional_integer("event-timeout"),
        )

        def keep() -> Iterator[Collected]:
            for one in results:
                found = {each.record.leaf.type: each.receipt for each in one.records}
                receipt = found.get("log") or found.get("provenance")
                if receipt is not None:
                    receipts[one.job] = receipt
                yield one

        def describe() -> dict[str, object]:
            return {
                "receipts": receipts,
                "checkpoint": notary.ledger.status().checkpoint,
            }

        return show_results(context, keep(), as_lines=False, further=describe)


def show_results(
    context: Context,
    results: Iterable[Collected],
    *,
    as_lines: bool,
    further: Callable[[], dict[str, object]] = dict,
) -> int:
    """Print what came of builds; return the worst code.

    Args:
        context: Where it is printed.
        results: One a build, as they come.
        as_lines: Whether JSON is a line each, for who follows; else one document.
        further: Returns further keys of that document, when all results are there.
    """
    faults: list[NotaryError] = []
    records: list[dict[str, Any]] = []
    builds: list[dict[str, Any]] = []
    for one in results:
        faults += one.faults
        if context.output.format == "text":
            lines = "".join(f"{escape(line)}\n" for line in format_result(one))
            context.output.write(lines.encode())
        elif as_lines:
            line = {"records": _shorten(one), "builds": [one.to_dict()]}
            context.output.write(json.dumps(line).encode() + b"\n")
        else:
            records += _shorten(one)
            builds.append(one.to_dict())
        if context.output.is_closed:
            break
    code = worst_code([one.exit_code for one in faults])
    if context.output.format != "text" and not as_lines:
        document = {"records": records, "builds": builds, **further()}
        if faults:
            document.update(FaultsError(faults[:MAX_FAULTS]).to_dict())
        context.output.show({**document, "code": code}, list)
    return code


def format_result(one: Collected) -> Iterator[str]:
    """Yield the lines of a build: what came of it, its records, its faults."""
    found = ", ".join(
        f"#{each.record.index} {each.record.leaf.type}" for each in one.records
    )
    yield f"{one.outcome:<9}  {one.job}" + (f"  {found}" if found else "")
    for fault in one.faults:
        yield f"  {fault}"


def _shorten(one: Collected) -> list[dict[str, Any]]:
    """Return the JSON form of a build's records without what makes them long.

    A sweep may collect ten thousand builds; ``evidence`` shows the rest.
    """
    return [
        {key: value for key, value in record.to_dict().items() if key not in _LARGE}
        for record in one.records
    ]


COMMANDS = {
    "collect": Command(
        declare,
        run,
        """
collect ci.example.com:payments/api/main#42
collect --job 'payments/*' --since 2026-01-01
collect --job '*' --follow
collect payments/api/main#42 --only log -o json
collect --outbox /var/lib/jenkins/jenkins-notary/outbox
""",
        "Of each build the ledger gets its provenance, log and test report; artifacts\n"
        "are hashed and not kept. A build that was recorded whole is not read again.\n"
        "Of one that runs the log is recorded so far. With --follow, JSON is a\n"
        "document a line. The code is the worst of all builds'.",
        "0 every build is recorded whole",
    )
}

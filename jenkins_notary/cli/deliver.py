"""Send what a spool keeps to its service: ``deliver``."""

from __future__ import annotations

import json
import time

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_ledger, add_service, add_spool
from jenkins_notary.errors import UnavailableError, UsageError, worst_code
from jenkins_notary.remote.notary import RemoteNotary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.remote.delivery import Delivered
    from jenkins_notary.remote.keeping import Keeper

INTERVAL_S = 10


def declare(parser: Parser) -> None:
    """Add the options of ``deliver``."""
    parser.option("--again", "send once more what the service did not take")
    parser.option("--follow", "go on for ever, with what comes later")
    parser.option("--interval", "seconds between two looks, 10", metavar="N")
    add_all(parser, add_ledger, add_service, add_spool)


def run(context: Context) -> int:
    """Deliver what waits; return 0, or the worst code of what was refused."""
    context.required("spool")
    if not context.is_remote:
        raise UsageError("--ledger", expected="https://... of a notary service")
    notary = context.client()
    assert isinstance(notary, RemoteNotary)  # noqa: S101 - the ledger is a service's
    keeper = notary.open_keeper()
    if context.flag("again"):
        keeper.spool.take_back()
    if context.flag("follow"):
        return _follow(context, keeper)
    found: list[Delivered] = []
    try:
        found.extend(keeper.deliver())
    finally:
        # What was delivered before a failure is told as well.
        _show(context, found, len(keeper.spool.names()))
    return worst_code(
        [0 if one.error is None else one.error.exit_code for one in found]
    )


def _follow(context: Context, keeper: Keeper) -> int:
    """Deliver for ever: a look each interval, later where the service asks for it."""
    interval_s = context.integer("interval", INTERVAL_S)
    if context.output.format == "yaml":
        raise UsageError("--output", expected="text or json with --follow", got="yaml")
    if interval_s < 1:
        raise UsageError("--interval", expected="at least 1", got=str(interval_s))
    while True:
        try:
            for one in keeper.deliver():
                _show(context, [one], len(keeper.spool.names()))
        except UnavailableError as error:
            context.output.notice(str(error))
        time.sleep(max(interval_s, keeper.wait_s))


def _show(context: Context, found: Sequence[Delivered], waiting: int) -> None:
    """Print what came of entries: in JSON a line, for who follows."""
    value = {
        "records": [item for one in found for item in one.items],
        "entries": [_describe(one) for one in found],
        "waiting": waiting,
    }
    if context.flag("follow") and context.output.format == "json":
        context.output.write(json.dumps(value).encode() + b"\n")
    else:
        lines = [*map(_format, found), f"{waiting} waiting"]
        context.output.show(value, lambda: lines)


def _describe(one: Delivered) -> dict[str, Any]:
    """Return the JSON form of what came of an entry."""
    return {
        "name": one.entry.name,
        "recordId": one.entry.value.get("recordId"),
        "indexes": _list_indexes(one),
        "code": 0 if one.error is None else one.error.exit_code,
        "error": None if one.error is None else one.error.to_dict(),
    }


def _format(one: Delivered) -> str:
    """Return the line of what came of an entry."""
    if one.error is not None:
        return f"{one.entry.name}  set aside: {one.error}"
    indexes = ", ".join(f"#{index}" for index in _list_indexes(one))
    return f"{one.entry.name}  recorded as {indexes}"


def _list_indexes(one: Delivered) -> list[int]:
    """Return where the records of an entry stand."""
    return sorted({int(item["index"]) for item in one.items})


COMMANDS = {
    "deliver": Command(
        declare,
        run,
        """
deliver --spool /var/spool/notary
deliver --spool /var/spool/notary --follow
""",
        "In order, at least once, and recorded once. What the service does not take\n"
        "is set aside in refused/ with the reason, and the next is sent. Ends with 69\n"
        "while the service is away: everything keeps its place.",
    )
}

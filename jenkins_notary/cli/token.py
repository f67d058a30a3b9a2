"""Administer who may ask a service: ``token create|list|rotate|revoke``."""

from __future__ import annotations

from contextlib import closing

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_key, add_ledger
from jenkins_notary.cli.output import format_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

_ABOUT = (
    "It is done on the ledger's own host, holds for the next request of a service\n"
    "that runs, and is a record of type administration."
)


def declare_create(parser: Parser) -> None:
    """Add the options of ``token create``."""
    parser.argument("NAME", "its name, which records and the access log show")
    parser.option("--role", "what it may do")
    parser.option(
        "--folder",
        "a job or folder that it is for: [INSTANCE:]NAME or INSTANCE:*; else all",
        metavar="NAME",
    )
    parser.option("--expires", "when it ends; else never", metavar="TIME")
    add_all(parser, add_ledger, add_key)


def declare_list(parser: Parser) -> None:
    """Add the options of ``token list``."""
    add_all(parser, add_ledger)


def declare_one(parser: Parser) -> None:
    """Add the options of ``token rotate`` and ``token revoke``."""
    parser.argument("NAME", "its name")
    add_all(parser, add_ledger, add_key)


def run_create(context: Context) -> int:
    """Make a token; print it, once."""
    from jenkins_notary.api.administration import record_administration
    from jenkins_notary.ledger.view import parse_as_of
    from jenkins_notary.service.access.tokens import make_token
    from jenkins_notary.service.start import open_tokens

    expires = context.text("expires")
    with closing(context.session()) as session:
        token = make_token(
            context.word("NAME"),
            context.required("role"),
            context.texts("folder"),
            now_ms=session.clock.now_ms(),
            expires_ms=None if expires is None else _time_ms(parse_as_of(expires)),
        )
        text = open_tokens(session).create(
            token,
            before=lambda made: record_administration(
                session, "token-create", {"token": made.describe()}
            ),
        )
    return _show_secret(context, {**token.describe(), "token": text})


def run_list(context: Context) -> int:
    """Print the tokens, without their secrets."""
    from jenkins_notary.service.start import open_tokens

    with closing(context.session()) as session:
        tokens = [one.describe() for one in open_tokens(session).load().values()]

    def describe() -> list[str]:
        return format_table(
            [
                (one["name"], one["role"], ", ".join(one["folders"]) or "all", end(one))
                for one in tokens
            ]
        )

    def end(one: dict[str, Any]) -> str:
        return f"until {one['expires']}" if one["expires"] else "for ever"

    context.output.show({"tokens": tokens}, describe)
    return 0


def run_rotate(context: Context) -> int:
    """Give a token a new secret; print it, once."""
    from jenkins_notary.api.administration import record_administration
    from jenkins_notary.service.start import open_tokens

    name = context.word("NAME")
    with closing(context.session()) as session:
        tokens = open_tokens(session)
        text = tokens.rotate(
            name,
            session.clock.now_ms(),
            before=lambda made: record_administration(
                session, "token-rotate", {"token": made.describe()}
            ),
        )
        described = tokens.load()[name].describe()
    return _show_secret(context, {**described, "token": text})


def run_revoke(context: Context) -> int:
    """Drop a token."""
    from jenkins_notary.api.administration import record_administration
    from jenkins_notary.service.start import open_tokens

    with closing(context.session()) as session:
        # It must not hold any longer, whether or not that can be recorded.
        token = open_tokens(session).revoke(context.word("NAME"))
        record_administration(session, "token-revoke", {"token": token.describe()})
    context.output.show(token.describe(), lambda: [f"revoked {token.name}"])
    return 0


def _show_secret(context: Context, described: dict[str, Any]) -> int:
    """Print a token that is never shown again."""
    context.output.show(described, lambda: [described["token"]])
    return 0


def _time_ms(parsed: tuple[int | None, int | None]) -> int:
    """Return the ms of a time; a tree size is none."""
    from jenkins_notary.errors import UsageError

    if parsed[1] is None:
        raise UsageError("--expires", expected="an RFC 3339 time", got="a number")
    return parsed[1]


COMMANDS = {
    "token create": Command(
        declare_create,
        run_create,
        """
token create payments --role writer --folder ci.example.com:payments
token create hook --role controller --folder 'ci.example.com:*'
token create audit --role auditor --expires 2027-01-01
""",
        "Kept is a hash alone: the token is printed once.\n" + _ABOUT,
    ),
    "token list": Command(declare_list, run_list, "token list -o json"),
    "token rotate": Command(
        declare_one,
        run_rotate,
        "token rotate payments",
        "The old secret holds no longer. A token of the role controller is bound to\n"
        "the outbox that delivers next.\n" + _ABOUT,
    ),
    "token revoke": Command(declare_one, run_revoke, "token revoke payments", _ABOUT),
}

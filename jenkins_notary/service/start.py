"""Start a service on a ledger: make what is missing, then serve until told to stop.

The first start makes the ledger and an administrator's token, which is written to a
file of mode 0600; its path is said, its text is not.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from jenkins_notary.api.administration import record_administration
from jenkins_notary.engines.companions import TOKENS
from jenkins_notary.errors import ConfigurationError, NotFoundError, UsageError
from jenkins_notary.service.access.tokens import TokenFile, make_token
from jenkins_notary.service.http.peers import is_loopback
from jenkins_notary.serving.place import format_address, missing_extra
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.whole_file import write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from starlette.types import ASGIApp

    from jenkins_notary.api.session import Choices, Session
    from jenkins_notary.service.http.access_log import AccessLog
    from jenkins_notary.service.settings import Settings

ADMINISTRATOR = "admin"


class ServeChoices(NamedTuple):
    """How a service is served.

    Attributes:
        host: Where it listens.
        port: Where it listens; 0 for any.
        certificate: Files of a certificate and its key, or None for plain HTTP.
        plain_http: Hosts that may be listened on without TLS, beside loopback.
        is_public: Whether checkpoint and tiles need no token.
        ephemeral_ok: Whether a ledger may be made on a host that goes away.
        settings: File of further settings, or None.
    """

    host: str
    port: int
    certificate: tuple[str, str] | None
    plain_http: Sequence[str]
    is_public: bool
    ephemeral_ok: bool
    settings: str | None


def serve(
    ledger: str | None,
    choices: Choices,
    environ: Mapping[str, str],
    *,
    how: ServeChoices,
    access_log: BinaryIO,
) -> None:
    """Serve a ledger until SIGTERM or SIGINT.

    Args:
        ledger: As for ``Notary``.
        choices: As for ``Notary``; ``notify`` is told what happens at the start.
        environ: The environment.
        how: Where and how it listens.
        access_log: Where the lines of the access log go.

    Raises:
        UsageError: It would be served without TLS to others than this host.
        ConfigurationError: The extra ``[service]`` is not installed.
        NotaryError: It cannot start.
    """
    check_transport(how)
    try:
        from jenkins_notary.service.teams import Teams, check_teams
        from jenkins_notary.serving import listen
    except ImportError as error:
        raise missing_extra("serve", error) from error
    from jenkins_notary.service.http.access_log import AccessLog
    from jenkins_notary.service.settings import load_settings

    settings = load_settings(how.settings)
    check_teams(ledger, settings.ledgers, environ)
    clients = settings.login.certificates
    if clients is not None and how.certificate is None:
        raise ConfigurationError(
            "login: certificates", expected="--tls-cert and --tls-key", got="neither"
        )
    with ExitStack() as stack:
        log = AccessLog(access_log)
        stack.callback(log.close)
        house = _House(stack, environ, log, [], ephemeral_ok=how.ephemeral_ok)
        root = house.open(ledger, choices, settings, is_public=how.is_public)
        teams = {
            one.name: house.open(
                one.ledger,
                choices._replace(key=one.key or choices.key),
                settings.for_team(one),
                is_public=one.public_log,
            )
            for one in settings.ledgers
        }
        listener = listen.bind(how.host, how.port)
        listen.run(
            Teams(root, teams),
            listener,
            certificate=how.certificate,
            on_ready=lambda: say(choices, _describe(how, listener.getsockname()[1])),
            on_stop=lambda: [one() for one in house.stops],
            client_ca=None if clients is None else clients.ca_file,
            needs_client=clients is not None and clients.required,
        )


class _House(NamedTuple):
    """What the ledgers of one process share.

    Attributes:
        stack: Closes them.
        environ: The environment.
        log: The access log.
        stops: What ends their streams, called in the event loop.
        ephemeral_ok: Whether one may be made on a host that goes away.
    """

    stack: ExitStack
    environ: Mapping[str, str]
    log: AccessLog
    stops: list[Callable[[], object]]
    ephemeral_ok: bool

    def open(
        self,
        ledger: str | None,
        choices: Choices,
        settings: Settings,
        *,
        is_public: bool,
    ) -> ASGIApp:
        """Return what answers for one ledger."""
        from jenkins_notary.service.answers.vcn import VcnFront
        from jenkins_notary.service.app import Application, Options
        from jenkins_notary.service.running import start_running
        from jenkins_notary.service.session import Engine

        tokens = prepare(ledger, choices, self.environ, ephemeral_ok=self.ephemeral_ok)
        quiet = choices._replace(notify=None, progress=None)
        engine = Engine(ledger, quiet, self.environ)
        running = start_running(engine, tokens, settings, self.log)
        self.stack.callback(running.close)
        self.stops.append(running.events.stop)
        app = Application(running, Options(public_log=is_public))
        return VcnFront(app) if settings.vcn else app


def _describe(how: ServeChoices, port: int) -> str:
    """Return the line that says where is served."""
    is_tls = how.certificate is not None
    return f"serving {format_address(how.host, port, is_tls=is_tls)}"


def prepare(
    ledger: str | None,
    choices: Choices,
    environ: Mapping[str, str],
    *,
    ephemeral_ok: bool,
) -> TokenFile:
    """Make the ledger and the first token where there are none; return the tokens."""
    from jenkins_notary.api.session import Session

    session = Session(ledger, choices, environ)
    try:
        if not session.has_ledger():
            from jenkins_notary.api.ledgers.creation import create_ledger

            create_ledger(session, ephemeral_ok=ephemeral_ok)
        session.check_can_write()
        tokens = TokenFile(tokens_path(session))
        if not tokens.load():
            _make_first_token(session, tokens)
        return tokens
    finally:
        session.close()


def tokens_path(session: Session) -> str:
    """Return where the tokens of a ledger are kept."""
    return session.places.ledger + TOKENS


def check_transport(how: ServeChoices) -> None:
    """Check that tokens are not sent in the clear, unless the host is named so.

    Raises:
        UsageError: They would be.
    """
    if how.certificate is not None or how.host in how.plain_http:
        return
    if not is_loopback(how.host):
        raise UsageError(
            f"--host {how.host}",
            expected="--tls-cert and --tls-key",
            got="neither: tokens would be sent in the clear",
            advice=f"or, behind a proxy that ends TLS: --plain-http {how.host}",
        )


def say(choices: Choices, text: str) -> None:
    """Say something to whoever starts the service."""
    if choices.notify is not None:
        choices.notify(text)


def _make_first_token(session: Session, tokens: TokenFile) -> None:
    """Make an administrator's token in a file of its own."""
    now_ms = time.time_ns() // 1_000_000
    token = make_token(ADMINISTRATOR, "admin", (), now_ms=now_ms, expires_ms=None)
    text = tokens.create(
        token,
        before=lambda made: record_administration(
            session, "token-create", {"token": made.describe()}
        ),
    )
    path = f"{session.places.ledger}.admin-token"
    write_private(path, text.encode() + b"\n")
    session.notify(f"the first administrator's token is in {path}")


def open_tokens(session: Session) -> TokenFile:
    """Return the tokens of a ledger that is there.

    Raises:
        NotFoundError: There is no ledger.
    """
    if not session.has_ledger():
        raise NotFoundError(
            f"ledger {session.places.ledger_url}",
            got="none",
            advice="jenkins-notary serve makes one",
        )
    session.check_can_write()
    return TokenFile(tokens_path(session))

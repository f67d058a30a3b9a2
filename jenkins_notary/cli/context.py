"""Hold what a command works with: settled options, arguments, streams, the API."""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.api.session import Choices, Session
    from jenkins_notary.cli.output import Output
    from jenkins_notary.config import Settings, Value
    from jenkins_notary.remote.notary import RemoteChoices, RemoteNotary
    from jenkins_notary.remote.reading.notary import RemoteReader

MAX_PASSPHRASE_BYTES = 4096

DEFAULT_TIMEOUT_S = 20
"""Seconds that a service may take in all."""

_LOCAL = ("key", "passphrase-file", "ephemeral-ok")
"""Options that mean nothing where a service signs."""


class Context:
    """One call of one command.

    Attributes:
        output: Where it prints.
        environ: The environment.
        stdin: Standard input, or None where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        words: Mapping[str, list[str]],
        *,
        environ: Mapping[str, str],
        stdin: BinaryIO | None,
        output: Output,
        is_whole: bool = True,
    ) -> None:
        """Hold the options and arguments of the call."""
        self._is_whole = is_whole
        self._settings = settings
        self._words = words
        self.environ = environ
        self.stdin = stdin
        self.output = output

    def words(self, name: str) -> list[str]:
        """Return the words of an argument that may have several."""
        return self._words[name]

    def word(self, name: str) -> str:
        """Return an argument that must be there."""
        return self._words[name][0]

    def assets(self) -> list[str]:
        """Return the words that name assets; ``-`` is a list by line or by NUL.

        Raises:
            UsageError: There are none.
        """
        words = self._words["ASSET"]
        if not self.flag("null"):
            if not words:
                raise UsageError(
                    "assets", expected="at least one", got="none", advice="name a file"
                )
            return words
        return ["-0" if one == "-" else one for one in words] or ["-0"]

    def text(self, name: str) -> str | None:
        """Return a text option, or None."""
        value = self._settings.values.get(name)
        return value if isinstance(value, str) else None

    def required(self, name: str) -> str:
        """Return a text option that must be set somewhere.

        Raises:
            UsageError: It is not.
        """
        value = self.text(name)
        if not value:
            raise UsageError(f"--{name}", expected="a value", got="none")
        return value

    def log_key(self) -> str | None:
        """Return the verifier key in ``--log``: itself, or a policy file's one log.

        Raises:
            ConfigurationError: It is neither.
        """
        text = self.text("log")
        # A key has two plus signs; a file is named with a path or without them.
        if text is None or (text.count("+") > 1 and text[:1] not in {"/", "."}):
            return text
        from jenkins_notary.tlog.note import format_vkey
        from jenkins_notary.tlog.policy import MAX_BYTES, parse_policy

        try:
            with open(text, "rb") as file:
                logs = parse_policy(file.read(MAX_BYTES + 1)).logs
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"--log {text[:80]}",
                expected="a verifier key, or a readable policy file",
                got=getattr(error, "strerror", None) or "an impossible path",
            ) from error
        if len(logs) != 1:
            raise ConfigurationError(
                f"--log {text}", expected="a policy of one log", got=f"{len(logs)}"
            )
        return format_vkey(logs[0])

    def assume(self, name: str, value: Value) -> None:
        """Set an option that nobody has set: a command's own default."""
        self._settings.values.setdefault(name, value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a flag."""
        value = self._settings.values.get(name)
        return value if isinstance(value, bool) else default

    def integer(self, name: str, default: int) -> int:
        """Return an integer option."""
        value = self._settings.values.get(name)
        return value if isinstance(value, int) else default

    def optional_integer(self, name: str) -> int | None:
        """Return an integer option, or None."""
        value = self._settings.values.get(name)
        return value if isinstance(value, int) else None

    def texts(self, name: str) -> list[str]:
        """Return a list of texts; empty when it is not set."""
        value = self._settings.values.get(name)
        return [str(one) for one in value] if isinstance(value, list) else []

    def limit(self, default: int) -> int:
        """Return the most results that are asked for.

        Raises:
            UsageError: Not positive.
        """
        value = self.integer("limit", default)
        if value < 1:
            raise UsageError("--limit", expected="at least 1", got=str(value))
        return value

    def integers(self, name: str) -> list[int]:
        """Return a list of integers; empty when it is not set."""
        value = self._settings.values.get(name)
        return [int(one) for one in value] if isinstance(value, list) else []

    def pairs(self, name: str) -> dict[str, str]:
        """Return a list of ``KEY=VALUE`` as a mapping.

        Raises:
            UsageError: One has no ``=``, or a key stands twice.
        """
        found: dict[str, str] = {}
        for one in self.texts(name):
            key, mark, value = one.partition("=")
            if not mark:
                raise UsageError(f"--{name} {one[:80]!r}", expected="KEY=VALUE")
            if key in found:
                raise UsageError(f"--{name} {key[:80]!r}", expected="each key once")
            found[key] = value
        return found

    def client(self) -> Notary | RemoteNotary:
        """Return the API on the chosen ledger, wherever it is; a context manager.

        Raises:
            UsageError: An option makes no sense there, or no service is named where
                only one can be asked.
            ConfigurationError: The passphrase file cannot be read.
        """
        ledger = self.text("ledger")
        if self.text("claims") is not None or is_service_url(ledger):
            return self._remote(ledger)
        if self._is_whole:
            return self.notary()
        raise UsageError(
            "--ledger",
            expected="https://... of a notary service",
            got="none" if ledger is None else "a ledger on this machine",
            advice="set JENKINS_NOTARY_LEDGER; or use the installed jenkins-notary",
        )

    def reader(self) -> Notary | RemoteReader:
        """Return what reads the chosen ledger, wherever it is; a context manager.

        Raises:
            UsageError: As :meth:`client`.
            ConfigurationError: The passphrase file cannot be read.
        """
        return self.remote_reader() if self.is_remote else self.notary()

    def remote_reader(
        self, *, is_read: bool = False, notify: Callable[[str], None] | None = None
    ) -> RemoteReader:
        """Return what reads the ledger of the chosen service; a context manager.

        Args:
            is_read: Whether a key that is named signs here, and not the service.
            notify: Told notices; None for the usual way.

        Raises:
            UsageError: As :meth:`client`.
        """
        from jenkins_notary.remote.reading.notary import RemoteReader

        choices = self._choose_remote(self.text("ledger"), is_read=is_read)
        return RemoteReader(choices._replace(notify=notify or choices.notify))

    def service_with(self, token_file: str) -> RemoteNotary:
        """Return the API on the chosen service, with the token of another file.

        Raises:
            ConfigurationError: The URL is wrong.
        """
        from jenkins_notary.remote.notary import RemoteNotary

        choices = self._choose_remote(self.text("ledger"), is_read=True)
        return RemoteNotary(choices._replace(token_file=token_file, token=None))

    @property
    def is_remote(self) -> bool:
        """Return whether the chosen ledger is a service's."""
        return is_service_url(self.text("ledger"))

    def notary(self) -> Notary:
        """Return the API on the chosen ledger on this machine; a context manager.

        Raises:
            UsageError: It is a service's.
            ConfigurationError: The passphrase file cannot be read.
        """
        self._check_local()
        from jenkins_notary.api.notary import Notary

        choices = self.choices()
        return Notary(self.text("ledger"), environ=self.environ, **choices._asdict())

    def service_at(self, url: str) -> RemoteNotary:
        """Return the API on a service that is only read; the key signs elsewhere.

        Raises:
            ConfigurationError: The URL is wrong.
        """
        from jenkins_notary.remote.notary import RemoteNotary

        return RemoteNotary(self._choose_remote(url, is_read=True))

    def notary_at(self, ledger: str, *, log: str | None = None) -> Notary:
        """Return the API on a ledger on this machine or in immudb.

        Args:
            ledger: Its path or URL.
            log: The key that must have signed it, or None for what this user knows.

        Raises:
            ConfigurationError: The passphrase file cannot be read.
        """
        from jenkins_notary.api.notary import Notary

        choices = self.choices()._replace(log=log)
        return Notary(ledger, environ=self.environ, **choices._asdict())

    def session(self) -> Session:
        """Return what the commands that administer a service work on.

        Raises:
            UsageError: The ledger is named by the service's URL.
            ConfigurationError: The passphrase file cannot be read.
        """
        self._check_local()
        from jenkins_notary.api.session import Session

        return Session(self.text("ledger"), self.choices(), self.environ)

    def signing_session(self) -> Session:
        """Return what signs with the user's key, whatever ledger is chosen."""
        from jenkins_notary.api.session import Session

        return Session(None, self.choices(), self.environ)

    def choices(self) -> Choices:
        """Return what the caller chose beside the ledger.

        Raises:
            ConfigurationError: The passphrase file cannot be read.
        """
        from jenkins_notary.api.session import Choices, JenkinsChoices

        return Choices(
            self.text("key"),
            self.log_key(),
            self._passphrase(),
            tuple(self.texts("co-key")),
            self.text("ca-file"),
            tuple(self.texts("plain-http")),
            self.stdin,
            self.output.notice,
            self._progress(),
            JenkinsChoices(
                self.text("jenkins-url"),
                self.text("jenkins-user"),
                self.text("jenkins-token-file"),
                self.text("controllers"),
            ),
        )

    def _check_local(self) -> None:
        """Check that the ledger is one on this machine."""
        if self.is_remote:
            raise UsageError(
                "--ledger",
                expected="a ledger on this machine, for this command",
                got="a notary service",
                advice="run it on the service's own host, with the ledger's path",
            )

    def _remote(self, ledger: str | None) -> RemoteNotary:
        """Return the API on a service's ledger, or what writes claims."""
        from jenkins_notary.remote.notary import RemoteNotary

        return RemoteNotary(self._choose_remote(ledger))

    def _choose_remote(
        self, ledger: str | None, *, is_read: bool = False
    ) -> RemoteChoices:
        """Return what the caller chose of a service."""
        from jenkins_notary.remote.notary import RemoteChoices

        for name in () if is_read else _LOCAL:
            source = self._settings.sources.get(name)
            if source == "flag":
                raise UsageError(
                    f"--{name}", expected="no such option: the service signs"
                )
            if source is not None:
                self.output.notice(f"{name} is not used: the service signs")
        path, token = self.text("token-file"), self.environ.get("JENKINS_NOTARY_TOKEN")
        if token and self._settings.sources.get("token-file") != "flag":
            path = None
        return RemoteChoices(
            ledger,
            self.log_key(),
            self.text("claims"),
            path,
            token,
            self.integer("timeout", DEFAULT_TIMEOUT_S),
            self.text("ca-file"),
            self.texts("plain-http"),
            self.environ,
            self.stdin,
            self.output.notice,
            self._progress(),
            self.output.announce,
            self.text("spool"),
        )

    def _progress(self) -> Callable[[str, int, int | None], None] | None:
        """Return what shows progress, None where nobody looks."""
        stderr = self.output.stderr
        if self.output.is_quiet or not stderr.isatty():
            return None
        from jenkins_notary.cli.progress import ProgressBar

        bar = ProgressBar(stderr)
        self.output.call_before_text(bar.clear)
        return bar.update

    def _passphrase(self) -> bytes | None:
        """Return the key's passphrase: flag, then variable, then the file's option."""
        path = self.text("passphrase-file")
        typed = self.environ.get("JENKINS_NOTARY_KEY_PASSPHRASE")
        source = self._settings.sources.get("passphrase-file")
        if path and (source == "flag" or not typed):
            return _read_passphrase(path)
        return typed.encode(errors="surrogateescape") if typed else None


def is_service_url(text: str | None) -> bool:
    """Return whether a ledger's URL is that of a notary service.

    >>> is_service_url("HTTPS://notary.example.com"), is_service_url("ledger.db")
    (True, False)
    """
    return text is not None and text.lower().startswith(("http://", "https://"))


def _read_passphrase(path: str) -> bytes:
    """Return a passphrase file's content without its line end."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_PASSPHRASE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"passphrase file {path}",
            expected="a readable file",
            got=error.strerror or "an error",
        ) from error
    if len(data) > MAX_PASSPHRASE_BYTES:
        raise ConfigurationError(
            f"passphrase file {path}", expected=f"at most {MAX_PASSPHRASE_BYTES} bytes"
        )
    for end in (b"\n", b"\r"):
        data = data[:-1] if data.endswith(end) else data
    return data

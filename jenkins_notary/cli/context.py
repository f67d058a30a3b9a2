"""Hold what a command works with: settled options, arguments, streams, the API."""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.cli.output import Output
    from jenkins_notary.config import Settings

MAX_PASSPHRASE_BYTES = 4096


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
    ) -> None:
        """Hold the options and arguments of the call."""
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

    def notary(self) -> Notary:
        """Return the API on the chosen ledger; a context manager.

        Raises:
            ConfigurationError: The passphrase file cannot be read.
        """
        from jenkins_notary.api.notary import Notary
        from jenkins_notary.api.session import JenkinsChoices

        progress = None
        stderr = self.output.stderr
        if not self.output.is_quiet and stderr.isatty():
            from jenkins_notary.cli.progress import ProgressBar

            bar = ProgressBar(stderr)
            self.output.call_before_text(bar.clear)
            progress = bar.update
        return Notary(
            self.text("ledger"),
            key=self.text("key"),
            log=self.text("log"),
            passphrase=self._passphrase(),
            co_keys=self.texts("co-key"),
            ca_file=self.text("ca-file"),
            plain_http=self.texts("plain-http"),
            environ=self.environ,
            stdin=self.stdin,
            notify=self.output.notice,
            progress=progress,
            jenkins=JenkinsChoices(
                self.text("jenkins-url"),
                self.text("jenkins-user"),
                self.text("jenkins-token-file"),
                self.text("controllers"),
            ),
        )

    def _passphrase(self) -> bytes | None:
        """Return the key's passphrase: flag, then variable, then the file's option."""
        path = self.text("passphrase-file")
        typed = self.environ.get("JENKINS_NOTARY_KEY_PASSPHRASE")
        source = self._settings.sources.get("passphrase-file")
        if path and (source == "flag" or not typed):
            return _read_passphrase(path)
        return typed.encode(errors="surrogateescape") if typed else None


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
    return data.removesuffix(b"\n").removesuffix(b"\r")

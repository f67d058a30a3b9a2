r"""Print results, notices and errors: as text, JSON or YAML.

Text is for people. What a ledger or a disk hands out may be hostile, so control
characters, line breaks, bidirectional and invisible marks never reach a terminal:

>>> print(escape("app" + chr(27) + "[2J" + chr(10) + chr(0x202e) + "TRUSTED"))
app\x1b[2J\n\u202eTRUSTED

JSON and YAML are for programs: one document on standard output, errors too. Notices
and the text of errors go to standard error.

A reader that went away is no failure: further output is dropped, and the exit code
stays what the result says. A full disk is one.
"""

from __future__ import annotations

import codecs
import json
import re

from jenkins_notary.errors import FaultsError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, BinaryIO

    from jenkins_notary.errors import NotaryError

    Pairs = Iterable[tuple[str, object]]

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
_COLOURS = {
    **dict.fromkeys(("TRUSTED", "ALLOWED", "OK"), "32"),
    **dict.fromkeys(("UNTRUSTED", "REVOKED", "DENIED", "ERROR"), "31"),
    **dict.fromkeys(("UNKNOWN", "UNSUPPORTED"), "33"),
}
_FIRST_WORD = "[A-Z]+(?= |$)"


class Output:
    """Where one call prints.

    Attributes:
        format: ``text``, ``json`` or ``yaml``.
        is_quiet: Whether notices are dropped.
        is_closed: Whether the reader of standard output went away.
    """

    def __init__(
        self,
        stdout: BinaryIO,
        stderr: BinaryIO,
        environ: Mapping[str, str],
        *,
        format: str = "text",  # noqa: A002 - the option's word
    ) -> None:
        """Print to the streams, in colour only on a terminal that wants it."""
        self._stdout = stdout
        self._stderr = stderr
        self._environ = environ
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._before: Callable[[], None] | None = None
        self.format = format
        self.is_quiet = False
        self.is_closed = False

    @property
    def stderr(self) -> BinaryIO:
        """Return standard error."""
        return self._stderr

    def call_before_text(self, action: Callable[[], None]) -> None:
        """Have an action done before each text: a progress bar that goes away."""
        self._before = action

    def show(
        self, document: Mapping[str, object], text: Callable[[], Iterable[str]]
    ) -> None:
        """Print a result: its document, or in the text format its lines.

        Args:
            document: Plain mappings, lists, texts, numbers.
            text: Makes the lines, which may hold anything: they are escaped here.
        """
        if self.format == "text":
            painted = _is_coloured(self._stdout, self._environ)
            lines = [_paint(one) if painted else escape(one) for one in text()]
            self.write("".join(f"{line}\n" for line in lines).encode())
        elif self.format == "json":
            self.write(json.dumps(document, indent=2).encode() + b"\n")
        else:
            self.write(_format_yaml(document))

    def write(self, data: bytes) -> None:
        """Print bytes as they are.

        Raises:
            StorageError: They cannot be written.
        """
        if self.is_closed:
            return
        self._clear()
        try:
            self._stdout.write(data)
            self._stdout.flush()
        except BrokenPipeError:
            self.is_closed = True
        except OSError as error:
            raise StorageError(
                "standard output", got=error.strerror or "an error"
            ) from error

    def write_foreign(self, data: bytes) -> None:
        """Print bytes that may be hostile: as they are, but escaped on a terminal.

        Raises:
            StorageError: They cannot be written.
        """
        if not self._stdout.isatty():
            self.write(data)
            return
        text = self._decoder.decode(data)
        lines = [escape(one).replace("\\t", "\t") for one in text.split("\n")]
        self.write("\n".join(lines).encode())

    def notice(self, text: str) -> None:
        """Say something on the side, unless it shall be quiet."""
        if not self.is_quiet:
            self._say(text)

    def announce(self, text: str) -> None:
        """Say something on the side, even where it shall be quiet."""
        self._say(text)

    def fail(self, error: NotaryError) -> int:
        """Print an error and return its exit code."""
        faults = error.faults if isinstance(error, FaultsError) else ()
        if faults:
            self._say(f"error: {len(faults)} faults")
            for fault in faults:
                self._say(f"  {fault}")
            if error.advice:
                self._say(f"  {error.advice}")
        else:
            self._say(f"error: {error}")
        if self.format != "text":
            try:
                self.show(error.to_dict(), list)
            except StorageError as failure:
                self._say(f"error: {failure}")
        return error.exit_code

    def _say(self, line: str) -> None:
        """Print a line on standard error; there is nowhere to say that it failed."""
        self._clear()
        try:
            self._stderr.write(f"jenkins-notary: {escape(line)}\n".encode())
            self._stderr.flush()
        except (OSError, ValueError):
            pass

    def _clear(self) -> None:
        """Do what is to be done before text is printed."""
        if self._before is not None:
            self._before()


def escape(text: str) -> str:
    """Return a line's text fit for a terminal: nothing in it acts or hides."""
    if text.isascii() and text.isprintable():
        return text
    # Compiled (and kept by ``re``) only when a text needs it: a cold start.
    return re.sub(_UNSAFE, lambda found: _escape_one(found[0]), text)


def format_fields(pairs: Pairs, *, indent: str = "  ") -> list[str]:
    """Return aligned lines of label and value; those without a value are left out.

    A list has a line for each of its values.

    >>> format_fields([("job", "a#1"), ("signer", None), ("index", [7, 8])])
    ['  job    a#1', '  index  7', '  index  8']
    """
    kept = [
        (label, one)
        for label, value in pairs
        for one in (value if isinstance(value, (list, tuple)) else [value])
        if one is not None and one != ""
    ]
    width = max((len(label) for label, _ in kept), default=0)
    return [f"{indent}{label:<{width}}  {one}" for label, one in kept]


def format_table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return aligned lines of cells; None is shown as a dash.

    >>> format_table([("TRUSTED", "a.jar"), ("UNKNOWN", None)])
    ['TRUSTED  a.jar', 'UNKNOWN  -']
    """
    texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip()
        for row in texts
    ]


def _escape_one(char: str) -> str:
    """Return a character's escape sequence."""
    return char.encode("unicode_escape").decode()


def _paint(line: str) -> str:
    """Return an escaped line whose first word is coloured if it is a status."""
    safe = escape(line)
    found = re.match(_FIRST_WORD, safe)
    colour = _COLOURS.get(found[0]) if found else None
    if found is None or colour is None:
        return safe
    return f"\x1b[{colour}m{found[0]}\x1b[0m{safe[found.end() :]}"


def _is_coloured(stream: BinaryIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream is a terminal whose user wants colours."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def _format_yaml(document: Mapping[str, object]) -> bytes:
    """Return a document as YAML."""
    import yaml

    # Through JSON: only plain values remain, and none is shared by an anchor.
    plain: Any = json.loads(json.dumps(document))
    dumped: bytes = yaml.safe_dump(
        plain, sort_keys=False, allow_unicode=False, encoding="utf-8", width=1 << 30
    )
    return dumped

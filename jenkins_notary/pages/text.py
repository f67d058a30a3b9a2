r"""Make what strangers wrote fit to be read: nothing hides, nothing turns a line round.

Job names, file names, reasons and log lines are whatever somebody wrote. HTML's own
characters are escaped by the templates; here all that has no shape of its own (control
characters, bidirectional ones, zero-width ones, lone surrogates) becomes its code.

>>> print(visible("a\x1b[31m"), visible("user\u202egpj.exe"))
a\x1b[31m user\u202egpj.exe
"""

from __future__ import annotations

from jenkins_notary.assets.asset import printable

MAX_TEXT = 4096
"""The most characters of one value that a page shows."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def visible(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text in which every character has a shape; cut where it is too long."""
    return printable(text, limit)


def decode_line(line: bytes) -> str:
    r"""Return a line of a log as text to be shown; tabs become spaces.

    >>> decode_line(b"caf\xc3\xa9\xff\t!\r")
    'café\\xff        !'
    """
    text = line.removesuffix(b"\n").removesuffix(b"\r")
    return visible(text.decode("utf-8", "backslashreplace").expandtabs(8))


def format_size(size: object) -> str:
    """Return a number of bytes for a person, "" for what is none.

    >>> format_size(999), format_size(1536), format_size(None)
    ('999 bytes', '1.5 KiB', '')
    """
    if type(size) is not int or size < 0:
        return ""
    value, place = float(size), 0
    while value >= 1024 and place < len(_UNITS) - 1:
        value, place = value / 1024, place + 1
    return f"{size} bytes" if not place else f"{value:.1f} {_UNITS[place]}"


def format_duration(duration_ms: object) -> str:
    """Return how long something took for a person, "" for what is no number.

    >>> format_duration(840), format_duration(65_000), format_duration(7_260_000)
    ('0.8 s', '1 min 5 s', '2 h 1 min')
    """
    if type(duration_ms) is not int or duration_ms < 0:
        return ""
    seconds = duration_ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if not hours:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{hours} h {minutes % 60} min"

r"""Find lines of a body by number or by content, each of them proven.

Lines are cut at ``\n`` alone and counted from 1; the ``\n`` is not part of a line.
A line longer than :data:`LINE_LIMIT` bytes is handed out cut, with a mark at its end
that says how long it is; memory stays constant whatever a body holds.

Cost: the body up to the last line that is asked for is read and proven, since a
line's number is the count of those before it.
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from jenkins_notary.ports import Blobs
    from jenkins_notary.values.body import Body

LINE_LIMIT = 64 << 10
"""The most bytes of a line that are handed out, and that a regular expression sees."""

MAX_NEEDLE = 4096
"""The longest literal that is searched for."""


class Block(NamedTuple):
    r"""A run of lines of a body.

    Attributes:
        line: Number of the first line, from 1.
        offset: Where the run starts in the body.
        data: Whole lines, the last ``\n`` included where the body has it; of a line
            that is longer than :data:`LINE_LIMIT` and lies across chunks, its head.
        length: How many bytes of the body the run is.
        cut: Length of the one line, without ``\n``, whose head this is; 0 for a run
            of whole lines.
        watched: Whether the bytes that were searched for stand in the cut line.
    """

    line: int
    offset: int
    data: bytes
    length: int
    cut: int
    watched: bool

    @property
    def lines(self) -> int:
        """Return how many lines the run has."""
        return 1 if self.cut else self.data.count(b"\n") or 1


def find_lines(
    blobs: Blobs, body: Body, start_line: int, stop_line: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of the lines from ``start_line`` to before ``stop_line``.

    Lines behind the end are left out. The chunks before the lines are read and
    proven too, since a line's number is the count of those before it.

    Raises:
        UsageError: ``start_line`` is below 1.
        NotFoundError: The body is not stored, or no longer.
        IntegrityError: What is stored is not what was signed.
    """
    if start_line < 1:
        raise UsageError(f"line {start_line}", expected="a number from 1")
    return _find_lines(line_blocks(blobs, body), start_line, stop_line)


def number_lines(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of all lines of a text that comes in chunks."""
    for block in cut_blocks(chunks):
        yield from _lines_of(block)


def grep(
    blobs: Blobs, body: Body, pattern: bytes | str | re.Pattern[bytes]
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of the lines in which a pattern stands.

    Args:
        blobs: Where the body is kept.
        body: The descriptor, from a statement whose signature was verified.
        pattern: Bytes or text (searched as UTF-8) that are found anywhere in a line
            of any length; or a compiled regular expression, which sees the first
            :data:`LINE_LIMIT` bytes of a line. An expression can take for ever on a
            line made for it: take literals only from strangers.

    Raises:
        UsageError: Nothing to search for, more than :data:`MAX_NEEDLE` bytes, or a
            literal with a line end.
        NotFoundError: The body is not stored, or no longer.
        IntegrityError: What is stored is not what was signed.
    """
    if not isinstance(pattern, bytes | str):
        return _grep_pattern(line_blocks(blobs, body), pattern)
    needle = _check_needle(pattern)
    return _grep_literal(line_blocks(blobs, body, watch=needle), needle)


def grep_chunks(
    chunks: Iterator[bytes], literal: bytes | str
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of the lines of a text in which a literal stands.

    Raises:
        UsageError: As :func:`grep`.
    """
    needle = _check_needle(literal)
    return _grep_literal(cut_blocks(chunks, watch=needle), needle)


def _check_needle(literal: bytes | str) -> bytes:
    """Return the bytes of a text to search for."""
    needle = literal
    if isinstance(needle, str):
        needle = needle.encode("utf-8", "surrogateescape")
    if not 0 < len(needle) <= MAX_NEEDLE or b"\n" in needle:
        raise UsageError(
            "search text",
            expected=f"1 to {MAX_NEEDLE} bytes on one line",
            got=f"{len(needle)} bytes",
        )
    return needle


def line_blocks(blobs: Blobs, body: Body, *, watch: bytes = b"") -> Iterator[Block]:
    """Return an iterator over a body in runs of whole lines, all of it proven.

    Args:
        blobs: Where the body is kept.
        body: The descriptor, from a statement whose signature was verified.
        watch: Bytes to be searched in what is cut from long lines.

    Raises:
        NotFoundError: The body is not stored, or no longer.
        IntegrityError: What is stored is not what was signed.
    """
    return cut_blocks(read_body(blobs, body), watch=watch)


class _OpenLine:
    """A line that began in a chunk and did not end there."""

    __slots__ = ("_tail", "_watch", "ended", "head", "length", "watched")

    def __init__(self, watch: bytes) -> None:
        """Begin with no bytes."""
        self._watch = watch
        self._tail = b""
        self.head = b""
        self.length = 0
        self.ended = False
        self.watched = False

    def add(self, part: bytes) -> None:
        """Add the next bytes of the line; keep its head, search the rest."""
        self.head += part[: LINE_LIMIT + 1 - len(self.head)]
        self.length += len(part)
        self.ended = part.endswith(b"\n")
        if self._watch and not self.watched:
            joined = self._tail + part
            self.watched = self._watch in joined
            self._tail = joined[max(0, len(joined) - len(self._watch) + 1) :]


def cut_blocks(chunks: Iterator[bytes], *, watch: bytes = b"") -> Iterator[Block]:
    """Yield chunks as runs of whole lines; a line across chunks is a run alone."""
    line, offset = 1, 0
    open_line = _OpenLine(watch)
    for chunk in chunks:
        start = 0
        if open_line.length:
            start = chunk.find(b"\n") + 1
            open_line.add(chunk[:start] or chunk)
            if not start:
                continue
            yield _close(open_line, line, offset)
            line, offset = line + 1, offset + open_line.length
            open_line = _OpenLine(watch)
        stop = chunk.rfind(b"\n", start) + 1
        if stop > start:
            data = chunk[start:stop]
            yield Block(line, offset, data, len(data), cut=0, watched=False)
            line, offset = line + data.count(b"\n"), offset + len(data)
            start = stop
        if start < len(chunk):
            open_line.add(chunk[start:])
    if open_line.length:
        yield _close(open_line, line, offset)


def _close(open_line: _OpenLine, line: int, offset: int) -> Block:
    """Return the run of one line that lay across chunks."""
    length = open_line.length
    cut = length - open_line.ended if length > len(open_line.head) else 0
    return Block(line, offset, open_line.head, length, cut, open_line.watched)


def _lines_of(block: Block) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of a run, long lines cut."""
    if block.cut:
        yield block.line, _clip(block.data, block.cut)
        return
    lines = block.data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, text in enumerate(lines, start=block.line):
        yield number, _clip(text, len(text))


def _clip(text: bytes, length: int) -> bytes:
    """Return a line, or the head of a long one with a mark.

    Args:
        text: The line, or its head.
        length: How long the line is.
    """
    if length <= LINE_LIMIT:
        return text
    return text[:LINE_LIMIT] + b" [... cut: a line of %d bytes]" % length


def _find_lines(
    blocks: Iterator[Block], start_line: int, stop_line: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a range, without looking into runs before it."""
    if start_line >= stop_line:
        return
    for block in blocks:
        # Counting costs a tenth of splitting.
        after = block.line + block.lines
        if after > start_line:
            for number, text in _lines_of(block):
                if start_line <= number < stop_line:
                    yield number, text
        if after >= stop_line:
            return


def _grep_literal(
    blocks: Iterator[Block], needle: bytes
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold a literal, without splitting runs that do not."""
    for block in blocks:
        if block.cut:
            if block.watched:
                yield block.line, _clip(block.data, block.cut)
            continue
        data, line, counted = block.data, block.line, 0
        at = data.find(needle)
        while at >= 0:
            start = data.rfind(b"\n", counted, at) + 1 or counted
            stop = data.find(b"\n", at)
            stop = len(data) if stop < 0 else stop
            line += data.count(b"\n", counted, start)
            yield line, _clip(data[start:stop], stop - start)
            line, counted = line + 1, stop + 1
            at = data.find(needle, counted)


def _grep_pattern(
    blocks: Iterator[Block], pattern: re.Pattern[bytes]
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines in which a regular expression is found."""
    for block in blocks:
        for number, text in _lines_of(block):
            if pattern.search(text, 0, LINE_LIMIT):
                yield number, text

"""Cut lines out of a body together with the proof that they stand in it.

An excerpt is checked against the signed descriptor alone, with the body absent. Its
JSON form (shown with line breaks, one chunk, hashes shortened)::

    {"format": "jenkins-notary-excerpt-v1",
     "body": {"sha256": "<64 hex>", "size": 81, "chunkSize": 262144, "root": "<hex>"},
     "firstLine": 2, "lastLine": 3, "offset": 40, "length": 41,
     "chunks": [{"number": 0, "data": "<base64>", "proof": ["<base64>"]}]}

The chunks are those that hold the lines and the byte before them. Proven are: the
bytes, their place in the body, that they begin and end where lines do, and how many
lines they are. The *number* of the first line is proven only if the chunks reach
back to the body's beginning; else it is the claim of whoever made the excerpt, and
:func:`open_excerpt` does not hand it out.

Source: RFC 6962 section 2.1.1 (inclusion proofs); the JSON form is this project's.
"""

from __future__ import annotations

import binascii
from base64 import b64encode

from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.bodies import (
    ProvenChunk,
    check_descriptor,
    prove_chunks,
    verify_chunk,
)
from jenkins_notary.evidence.lines import line_blocks
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.body import MAX_CHUNK_SIZE, Body, format_body, parse_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.evidence.lines import Block
    from jenkins_notary.ports import Blobs

FORMAT = "jenkins-notary-excerpt-v1"
MAX_BYTES = 8 << 20
"""The longest excerpt."""

MAX_CHUNKS = 34
"""Chunks of the usual size that the longest excerpt can touch."""

_MAX_PROOF = 64
_NUMBERS = ("firstLine", "lastLine", "offset", "length")


class Excerpt(NamedTuple):
    """Lines of a body with proofs; nothing of it is verified yet.

    Attributes:
        body: The descriptor that the excerpt says it belongs to.
        first_line: Number of the first line, from 1.
        last_line: Number of the last line, included.
        offset: Where the lines begin in the body.
        length: How many bytes they are, with their line ends.
        chunks: The chunks that hold the lines and the byte before them, in order.
    """

    body: Body
    first_line: int
    last_line: int
    offset: int
    length: int
    chunks: tuple[ProvenChunk, ...]


class ProvenLines(NamedTuple):
    """Lines that are proven to stand in a body.

    Attributes:
        text: The bytes, with line ends.
        offset: Where they begin in the body.
        first_line: Number of the first line, or None where the excerpt cannot
            prove it.
    """

    text: bytes
    offset: int
    first_line: int | None


def excerpt(blobs: Blobs, body: Body, first_line: int, last_line: int) -> Excerpt:
    """Return lines of a body with the proofs that cover them.

    Args:
        blobs: Where the body is kept.
        body: The descriptor, from a statement whose signature was verified.
        first_line: Number of the first line, from 1.
        last_line: Number of the last line, included; one behind the end means it.

    Raises:
        UsageError: No range of lines, or more than :data:`MAX_BYTES`.
        NotFoundError: The body is not stored, or has not as many lines.
        IntegrityError: What is stored is not what was signed.
    """
    if not 1 <= first_line <= last_line:
        raise UsageError(
            f"lines {first_line} to {last_line}", expected="a range from 1 upwards"
        )
    blocks = line_blocks(blobs, body)
    start, stop, last_found = _find_bounds(blocks, body, first_line, last_line)
    numbers = _covering(body, start, stop)
    if stop - start > MAX_BYTES or len(numbers) > MAX_CHUNKS:
        raise _too_long(first_line, last_line)
    chunks = prove_chunks(blobs, body, numbers)
    return Excerpt(body, first_line, last_found, start, stop - start, chunks)


def open_excerpt(excerpt: Excerpt, body: Body) -> ProvenLines:
    """Return an excerpt's lines once they are proven, with no store at hand.

    Args:
        excerpt: From anywhere.
        body: The descriptor, from a statement whose signature was verified.

    Raises:
        IntegrityError: Not this body's lines, or not the lines it says.
    """
    subject = f"excerpt of body {body.sha256_hex}"
    # (1) It is of this body, and within it.
    check_descriptor(body)
    if excerpt.body != body:
        raise IntegrityError(subject, expected=f"{body}", got=f"{excerpt.body}")
    stop = excerpt.offset + excerpt.length
    if not (0 <= excerpt.offset < stop <= body.size and excerpt.length <= MAX_BYTES):
        raise IntegrityError(subject, expected="a place within the body")
    # (2) It has just the chunks that hold its bytes, each of them proven.
    wanted = _covering(body, excerpt.offset, stop)
    got = [chunk.number for chunk in excerpt.chunks]
    if len(wanted) > MAX_CHUNKS or got != list(wanted):
        raise IntegrityError(subject, expected=f"chunks {wanted}", got=f"{got}"[:80])
    for chunk in excerpt.chunks:
        verify_chunk(chunk, body)
    # (3) It begins and ends where lines do, and has as many as it says.
    held = b"".join([chunk.data for chunk in excerpt.chunks])
    begin = excerpt.offset - wanted[0] * body.chunk_size
    text = held[begin : begin + excerpt.length]
    _check_lines(excerpt, text, held[max(begin - 1, 0) : begin])
    # (4) Where the body's beginning is at hand, the line number is counted.
    if wanted[0]:
        return ProvenLines(text, excerpt.offset, None)
    first_line = held.count(b"\n", 0, begin) + 1
    if first_line != excerpt.first_line:
        raise IntegrityError(
            subject, expected=f"line {excerpt.first_line}", got=f"line {first_line}"
        )
    return ProvenLines(text, excerpt.offset, first_line)


def verify_excerpt(excerpt: Excerpt, body: Body) -> None:
    """Check an excerpt against a signed descriptor; see :func:`open_excerpt`."""
    open_excerpt(excerpt, body)


def format_excerpt(excerpt: Excerpt) -> dict[str, object]:
    """Return the JSON form of an excerpt."""
    return {
        "format": FORMAT,
        "body": format_body(excerpt.body),
        "firstLine": excerpt.first_line,
        "lastLine": excerpt.last_line,
        "offset": excerpt.offset,
        "length": excerpt.length,
        "chunks": [
            {
                "number": chunk.number,
                "data": b64encode(chunk.data).decode(),
                "proof": [b64encode(one).decode() for one in chunk.proof],
            }
            for chunk in excerpt.chunks
        ],
    }


def parse_excerpt(value: object, *, subject: str = "excerpt") -> Excerpt:
    """Return the excerpt in a JSON object, with nothing verified.

    Raises:
        IntegrityError: Not an excerpt of version 1, or too long.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise IntegrityError(subject, expected=f"the format {FORMAT}")
    numbers = [_parse_number(value.get(name), f"{subject} {name}") for name in _NUMBERS]
    first_line, last_line, offset, length = numbers
    listed = value.get("chunks")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_CHUNKS:
        raise IntegrityError(subject, expected=f"1 to {MAX_CHUNKS} chunks")
    return Excerpt(
        parse_body(value.get("body"), subject=f"{subject} body"),
        first_line,
        last_line,
        offset,
        length,
        tuple([_parse_chunk(one, f"{subject} chunk") for one in listed]),
    )


def _check_lines(excerpt: Excerpt, text: bytes, before: bytes) -> None:
    """Check that a proven text is the whole lines that an excerpt says it is."""
    subject = f"excerpt of body {excerpt.body.sha256_hex}"
    ends = text.endswith(b"\n")
    if before not in {b"", b"\n"} or not (
        ends or excerpt.offset + excerpt.length == excerpt.body.size
    ):
        raise IntegrityError(subject, expected="whole lines", got="parts of lines")
    count = text.count(b"\n") + (not ends)
    if count != excerpt.last_line - excerpt.first_line + 1:
        raise IntegrityError(
            subject,
            expected=f"lines {excerpt.first_line} to {excerpt.last_line}",
            got=f"{count} lines",
        )


def _find_bounds(
    blocks: Iterator[Block], body: Body, first_line: int, last_line: int
) -> tuple[int, int, int]:
    """Return (start, stop, number of the last line) of a range of lines."""
    start, stop, last_found = None, 0, 0
    for block in blocks:
        last_found = block.line + block.lines - 1
        if last_found < first_line:
            continue
        if start is None:
            start = block.offset + _skip_lines(block, first_line - block.line)
        if last_line <= last_found:
            stop = block.offset + _skip_lines(block, last_line - block.line + 1)
            return start, stop, last_line
        stop = block.offset + block.length
        if stop - start > MAX_BYTES:
            raise _too_long(first_line, last_line)
    if start is None:
        raise NotFoundError(
            f"line {first_line} of body {body.sha256_hex}",
            expected="a line of the body",
            got=f"{last_found} lines",
        )
    return start, stop, last_found


def _skip_lines(block: Block, lines: int) -> int:
    """Return how many bytes the first lines of a run are."""
    if lines >= block.lines:
        return block.length
    return len(block.data) - len(block.data.split(b"\n", lines)[lines])


def _covering(body: Body, start: int, stop: int) -> range:
    """Return the numbers of the chunks that hold bytes and the byte before them."""
    first = max(start - 1, 0) // body.chunk_size
    return range(first, -(-stop // body.chunk_size))


def _parse_chunk(value: object, subject: str) -> ProvenChunk:
    """Return one chunk of an excerpt."""
    if not isinstance(value, dict):
        raise IntegrityError(subject, expected="an object")
    proof = value.get("proof")
    if not isinstance(proof, list) or len(proof) > _MAX_PROOF:
        raise IntegrityError(subject, expected=f"a proof of at most {_MAX_PROOF}")
    return ProvenChunk(
        _parse_number(value.get("number"), subject),
        _decode(value.get("data"), subject),
        tuple([_decode(one, subject) for one in proof]),
    )


def _parse_number(value: object, subject: str) -> int:
    """Return an integer from 0 that JSON carries exactly."""
    if isinstance(value, int) and type(value) is int and 0 <= value < 1 << 53:
        return value
    raise IntegrityError(subject, expected="a number", got=repr(value)[:60])


def _decode(text: object, subject: str) -> bytes:
    """Return the bytes of standard base64 that are not longer than a chunk."""
    if not isinstance(text, str) or len(text) > 2 * MAX_CHUNK_SIZE:
        raise IntegrityError(subject, expected="base64 text")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise IntegrityError(subject, expected="base64", got=str(error)) from error


def _too_long(first_line: int, last_line: int) -> UsageError:
    """Return the error for an excerpt that would be too long."""
    return UsageError(
        f"lines {first_line} to {last_line}",
        expected=f"at most {MAX_BYTES} bytes",
        advice="ask for fewer lines, or for the whole body",
    )

r"""Read and write checkpoints: the signed statement of a log's size and root.

A checkpoint is the text of a signed note: the log's origin, the tree size, the root in
base64, then extension lines. This log adds one: the head of its trust log.

>>> checkpoint = parse_checkpoint(
...     "example.com/behind-the-sofa\n"
...     "20852163\n"
...     "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
...     "trust 0 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
... )
>>> checkpoint.origin, checkpoint.size, checkpoint.root.hex()[:8]
('example.com/behind-the-sofa', 20852163, '0ac5186a')
>>> checkpoint.trust.size
0

Rules: no line is empty or holds control characters; the size has no leading zeros; the
root is 32 bytes; extension lines that are not understood are kept as they are. The
first key that counts is the log's own: its name is the origin. A witness's signature
alone opens nothing.

Left out: whether two checkpoints agree (:mod:`~jenkins_notary.tlog.proofs`), and how
many witnesses are enough, which is policy.

Source: C2SP tlog-checkpoint v1.0.0, "Note text" and "Signatures"; the ``trust`` line is
this project's own.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.canonical import (
    decode_hash,
    encode_base64,
    parse_decimal,
    show,
)
from jenkins_notary.tlog.note import OpenedNote, open_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.tlog.note import NoteVerifier

_FIXED_LINES = 3
_TRUST_PREFIX = "trust "


class TreeHead(NamedTuple):
    """Size and root of one tree.

    Attributes:
        size: Leaves, from 0.
        root: 32 bytes.
    """

    size: int
    root: bytes


class Checkpoint(NamedTuple):
    """What a log states of itself; proven only when an opened note carried it.

    Attributes:
        origin: The log's identity, not empty.
        size: Leaves in the tree.
        root: Root of the tree, 32 bytes.
        extensions: Further lines, each without its newline.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def trust(self) -> TreeHead:
        """Return the head of the trust log that this checkpoint binds.

        Raises:
            IntegrityError: No such line, several, or a malformed one.
        """
        lines = [line for line in self.extensions if line.startswith(_TRUST_PREFIX)]
        subject = f"trust line of checkpoint {show(self.origin)} at size {self.size}"
        if len(lines) != 1:
            raise IntegrityError(subject, expected="exactly one", got=f"{len(lines)}")
        size, _, root = lines[0][len(_TRUST_PREFIX) :].partition(" ")
        return TreeHead(parse_decimal(size, subject), decode_hash(root, subject))


class OpenedCheckpoint(NamedTuple):
    """A checkpoint that its log has signed.

    Attributes:
        checkpoint: What was signed.
        note: The opened note, with the verified signatures that a policy may count.
    """

    checkpoint: Checkpoint
    note: OpenedNote


def trust_extension(size: int, root: bytes) -> str:
    """Return the extension line that binds the trust log's head.

    >>> trust_extension(0, bytes(32))
    'trust 0 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
    """
    return f"{_TRUST_PREFIX}{size} {encode_base64(root)}"


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the note text of a checkpoint; the inverse of :func:`parse_checkpoint`.

    Raises:
        UsageError: The checkpoint cannot be written: an empty origin or line, a control
            character, a size out of range, a root that is not 32 bytes.
    """
    origin, size, root, extensions = checkpoint
    text = "\n".join([origin, f"{size}", encode_base64(root), *extensions, ""])
    try:
        is_exact = parse_checkpoint(text) == checkpoint
    except IntegrityError as error:
        raise UsageError("checkpoint to write", got=f"{error}") from error
    if not is_exact:
        raise UsageError("checkpoint to write", expected="lines without line breaks")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint of a note text; nothing is verified here.

    Raises:
        IntegrityError: Not a checkpoint.
    """
    lines = text.split("\n")
    if len(lines) <= _FIXED_LINES or lines.pop():
        raise _malformed("three lines or more, each ended by a newline")
    if not all(lines) or any(char < " " for line in lines for char in line):
        raise _malformed("no empty line and no control character")
    origin, size, root, *extensions = lines
    return Checkpoint(
        origin,
        parse_decimal(size, "checkpoint: tree size"),
        decode_hash(root, "checkpoint: root"),
        tuple(extensions),
    )


def open_checkpoint(data: bytes, verifiers: Sequence[NoteVerifier]) -> OpenedCheckpoint:
    """Return the checkpoint of a signed note that its own log has signed.

    Args:
        data: The whole note.
        verifiers: Known keys: the log's, named like its origin, and any witnesses'.

    Raises:
        IntegrityError: Not a checkpoint; a known key's signature is wrong; or the log
            itself has not signed.
        ConfigurationError: Two verifiers have the name and id of a signature.
    """
    note = open_note(data, verifiers)
    checkpoint = parse_checkpoint(note.text)
    # C2SP tlog-proof, "Verifying", step 2: a log key for this very origin. Without it,
    # one log's key could speak for another, and a witness for any.
    if all(signature.name != checkpoint.origin for signature in note.verified):
        raise IntegrityError(
            f"checkpoint of {show(checkpoint.origin)}",
            expected="a signature by a known key of that name",
            got=", ".join(show(signature.name) for signature in note.verified),
        )
    return OpenedCheckpoint(checkpoint, note)


def _malformed(expected: str) -> IntegrityError:
    """Return the error for a text that is no checkpoint."""
    return IntegrityError("checkpoint: malformed", expected=expected)

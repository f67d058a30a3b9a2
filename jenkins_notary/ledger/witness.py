r"""Witness a log: sign its checkpoint if it extends what was signed before.

A witness keeps, of each log that it knows, the last tree head that it signed. A log
sends a new checkpoint with a proof that it extends that one::

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=

    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    - example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf...

(where ``-`` is an em dash), and gets back signature lines of the witness, each with the
time. So two people who ask for a witness's signature see the same log.

Both sides are here, without any network: :func:`add_checkpoint` for who witnesses,
:func:`format_submission` and :func:`read_cosignatures` for who asks.

Source: C2SP tlog-witness, "add-checkpoint"; C2SP tlog-cosignature.
"""

from __future__ import annotations

from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple, Protocol
from jenkins_notary.tlog.canonical import decode_hash, encode_base64, parse_decimal
from jenkins_notary.tlog.checkpoint import TreeHead, parse_checkpoint
from jenkins_notary.tlog.note import (
    NoteSignature,
    open_note,
    parse_note,
    sign_note,
)
from jenkins_notary.tlog.proofs import verify_consistency

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.tlog.note import NoteSigner, NoteVerifier

MAX_BYTES = 64 << 10
"""Bytes of the longest submission."""

MAX_PROOF_LINES = 63
"""C2SP tlog-witness: "MUST NOT send more than 63 consistency proof lines"."""

_OLD = "old "


class SizeConflictError(IntegrityError):
    """The log's idea of what was signed last is not the witness's.

    Attributes:
        size: The tree size that the witness has signed last.
    """

    def __init__(self, size: int, got: str) -> None:
        """Name the size."""
        super().__init__("checkpoint", expected=f"one that extends {size}", got=got)
        self.size = size


class UnprovenError(IntegrityError):
    """The consistency proof does not hold."""


class WitnessState(Protocol):
    """What a witness has signed, durably."""

    def load(self, origin: str) -> TreeHead:
        """Return the tree head that was signed last of a log; size 0 for none."""

    def advance(self, origin: str, old: TreeHead, new: TreeHead) -> bool:
        """Keep a new head if the old one is still the last; return whether it was.

        Returns after it is durable.
        """


class Submission(NamedTuple):
    """What a log sends; nothing of it is verified.

    Attributes:
        old_size: The size that its proof starts from.
        proof: The consistency proof.
        note: The signed checkpoint.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


def format_submission(submission: Submission) -> bytes:
    """Return the bytes to send; the inverse of :func:`parse_submission`."""
    old_size, proof, note = submission
    lines = [f"{_OLD}{old_size}", *map(encode_base64, proof), "\n"]
    return "\n".join(lines).encode() + note


def parse_submission(data: bytes) -> Submission:
    """Return what a log has sent.

    Raises:
        UsageError: It is not of the form.
    """
    header, blank, note = data.partition(b"\n\n")
    if len(data) > MAX_BYTES or not blank or not header.isascii():
        raise _malformed("lines, an empty one, and a checkpoint")
    first, *lines = header.decode().split("\n")
    if not first.startswith(_OLD) or len(lines) > MAX_PROOF_LINES:
        raise _malformed(f"'old SIZE' and at most {MAX_PROOF_LINES} hashes")
    try:
        old_size = parse_decimal(first[len(_OLD) :], "old size")
        proof = tuple(decode_hash(line, "proof") for line in lines)
    except IntegrityError as error:
        raise _malformed(str(error)) from error
    if not old_size and proof:
        raise _malformed("no proof from size 0")
    return Submission(old_size, proof, note)


def add_checkpoint(
    data: bytes,
    logs: Mapping[str, Sequence[NoteVerifier]],
    state: WitnessState,
    signer: NoteSigner,
) -> bytes:
    """Return a witness's signature lines for a checkpoint, once it is remembered.

    Args:
        data: What the log has sent.
        logs: The keys of each log that is known, by origin.
        state: What was signed before.
        signer: The witness's key.

    Raises:
        UsageError: Malformed, or an old size beyond the checkpoint's.
        NotFoundError: A log that is not known.
        PermissionDeniedError: None of the log's keys has signed.
        SizeConflictError: The old size is not the one that was signed last, or of two
            roots for one size.
        UnprovenError: The proof does not hold.
    """
    submission = parse_submission(data)
    # (1) "If the checkpoint origin is unknown": 404; then its signature: 403.
    try:
        note = parse_note(submission.note)
    except IntegrityError as error:
        raise _malformed(str(error)) from error
    verifiers = logs.get(note.text.partition("\n")[0])
    if verifiers is None:
        raise NotFoundError("log", expected="one that this witness knows")
    try:
        open_note(submission.note, verifiers)
    except IntegrityError as error:
        raise PermissionDeniedError(
            "checkpoint", expected="a signature by a key of its log", got=error.subject
        ) from error
    try:
        checkpoint = parse_checkpoint(note.text)
    except IntegrityError as error:
        raise _malformed(str(error)) from error
    # (2) "MUST be equal to or lower than the checkpoint size": 400.
    if submission.old_size > checkpoint.size:
        raise _malformed("an old size up to the checkpoint's")
    # (3) "MUST check that the old size matches": 409, with the size.
    old, new = state.load(checkpoint.origin), TreeHead(checkpoint.size, checkpoint.root)
    if submission.old_size != old.size:
        raise SizeConflictError(old.size, f"a proof from {submission.old_size}")
    # (4) One size, two roots: 409; a proof that does not verify: 422.
    if old.size == new.size and old.size and old.root != new.root:
        raise SizeConflictError(old.size, "another root at that size")
    _check_proof(old, new, submission.proof)
    # (5) "Checking and persisting must be performed atomically."
    if not state.advance(checkpoint.origin, old, new):
        raise SizeConflictError(state.load(checkpoint.origin).size, "a later request")
    # What is signed is the text alone: of other signatures nothing is said.
    signed = sign_note(note.text, [signer])
    return signed.rpartition(b"\n\n")[2]


def read_cosignatures(
    text: str, answer: bytes, verifiers: Sequence[NoteVerifier]
) -> tuple[NoteSignature, ...]:
    """Return a witness's signatures of a checkpoint's text, verified.

    Args:
        text: The checkpoint's text.
        answer: The signature lines that came back.
        verifiers: The keys of the witness that was asked.

    Raises:
        IntegrityError: The lines are none, or none is by the witness.
    """
    if len(answer) > MAX_BYTES:
        raise IntegrityError("cosignatures", expected=f"at most {MAX_BYTES} bytes")
    return open_note(f"{text}\n".encode() + answer, verifiers).verified


def _check_proof(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    """Check that a new tree extends the one that was signed last.

    Raises:
        UnprovenError: It is not proven.
    """
    if not old.size:
        return
    try:
        verify_consistency(old.size, old.root, new.size, new.root, proof)
    except IntegrityError as error:
        raise UnprovenError(
            "consistency proof", expected=f"one from {old.size} to {new.size}"
        ) from error


def _malformed(expected: str) -> UsageError:
    """Return the error for what is no submission."""
    return UsageError("submission", expected=expected, got="something else")

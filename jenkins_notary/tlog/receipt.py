r"""Read, write and verify receipts: one file that proves offline what was recorded.

A receipt holds the index of a leaf, its inclusion proof and the signed checkpoint,
verbatim. This log puts the leaf itself (the log entry) into the ``extra`` line, so a
receipt and the log's verifier key alone prove what was recorded. The file's name ends
in ``.tlog-proof``; this one proves the entry ``a`` in a log of two:

>>> text = '''c2sp.org/tlog-proof@v1
... extra YQ==
... index 0
... V+s1YV1H807HFMrN9f10YIpejhAnJOgLJLKHwMJ7ajE=
...
... example.com/ledger
... 2
... sTeYX/SE+2ANuTEHx3sDZcgNePW0Kd7Q/Zc2HQd5mes=
...
... \u2014 example.com/ledger YNtRn0ZlVN/Tyrun/ikMsYpIYXnAHGTEx+MvT0e7oZQES\
... egC+OHHOn50ToOgW1lHENFSy6qRZSqaWcF2ik4GXAU4bQ0=
... '''
>>> receipt = parse_receipt(text.encode())
>>> receipt.index, len(receipt.proof), receipt.extra
(0, 1, b'a')
>>> from jenkins_notary.tlog import ed25519
>>> from jenkins_notary.tlog.note import Ed25519Verifier, parse_vkey
>>> vkey = parse_vkey(
...     "example.com/ledger+60db519f"
...     "+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
... )
>>> checkpoint = verify_receipt(receipt, [Ed25519Verifier(vkey, ed25519.verify)])
>>> checkpoint.origin, checkpoint.size
('example.com/ledger', 2)

Rules: first line as above; ``extra`` is absent or not empty; at most 63 hashes of 32
bytes; at most 1 MiB in all; every number and base64 text in its only spelling.

What ``extra`` says is not authenticated by itself: it counts once its hash was proven
to stand at the index. The specification leaves its meaning to the application.

Left out: how many witnesses must have cosigned, which is policy, and whether the record
still stands: a receipt proves the past, not that nothing was untrusted since.

Source: C2SP tlog-proof, "Format" and "Verifying a tlog proof".
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.canonical import (
    HASH_SIZE,
    MAX_NUMBER,
    decode_base64,
    decode_hash,
    encode_base64,
    parse_decimal,
)
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.proofs import verify_inclusion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.tlog.note import NoteVerifier

MAX_RECEIPT_SIZE = 1 << 20
"""Bytes of the longest receipt."""

MAX_PROOF_LENGTH = 63
"""Hashes of the longest inclusion proof: levels of the largest tree."""

_MAGIC = "c2sp.org/tlog-proof@v1"
_EXTRA_PREFIX = "extra "
_INDEX_PREFIX = "index "


class Receipt(NamedTuple):
    """A receipt as read: nothing in it is verified.

    Attributes:
        index: Position of the leaf in the log, from 0.
        proof: Inclusion proof, 32-byte hashes, the leaf's sibling first.
        checkpoint_note: The signed checkpoint, byte for byte.
        extra: Bytes of the application; this log's receipts carry the leaf. None if
            there is no such line.
    """

    index: int  # type: ignore[assignment]  # The format's own word; hides tuple.index.
    proof: tuple[bytes, ...]
    checkpoint_note: bytes
    extra: bytes | None = None


def format_receipt(receipt: Receipt) -> bytes:
    """Return the file of a receipt; the inverse of :func:`parse_receipt`.

    Raises:
        UsageError: It cannot be written: an empty extra, an index out of range, a hash
            of another length, too many of them, or more than 1 MiB.
    """
    index, proof, checkpoint_note, extra = receipt
    # What parse_receipt refuses. To parse each would take as long as to make it.
    is_good = (
        0 <= index <= MAX_NUMBER
        and len(proof) <= MAX_PROOF_LENGTH
        and set(map(len, proof)) <= {HASH_SIZE}
        and extra != b""
    )
    lines = [
        _MAGIC,
        *([] if extra is None else [_EXTRA_PREFIX + encode_base64(extra)]),
        f"{_INDEX_PREFIX}{index}",
        *map(encode_base64, proof),
        "\n",
    ]
    data = "\n".join(lines).encode() + checkpoint_note
    if not is_good or len(data) > MAX_RECEIPT_SIZE:
        raise UsageError(
            "receipt to write",
            expected=f"a proof of hashes of {HASH_SIZE} bytes, no empty extra, "
            f"at most {MAX_RECEIPT_SIZE} bytes",
            got=f"index {index}, {len(proof)} hashes, {len(data)} bytes",
        )
    return data


def parse_receipt(data: bytes) -> Receipt:
    """Return the parts of a receipt; nothing is verified here.

    Raises:
        IntegrityError: Not a receipt, or beyond the limits.
    """
    # (1) Size first; then the header, which ends at the first empty line.
    if len(data) > MAX_RECEIPT_SIZE:
        raise _malformed(f"at most {MAX_RECEIPT_SIZE} bytes")
    header, blank, checkpoint_note = data.partition(b"\n\n")
    if not blank or not header.isascii():
        raise _malformed("ASCII lines, a blank line and a checkpoint")
    lines = header.decode().split("\n")
    # (2) "The first line MUST be", "the second line MAY", "the next line MUST".
    if lines.pop(0) != _MAGIC:
        raise _malformed(f"the first line {_MAGIC}")
    extra = None
    if lines and lines[0].startswith(_EXTRA_PREFIX):
        extra = decode_base64(lines.pop(0)[len(_EXTRA_PREFIX) :], "receipt: extra")
        if not extra:
            raise _malformed("no extra line, or one with data")
    if not lines or not lines[0].startswith(_INDEX_PREFIX):
        raise _malformed("an index line")
    index = parse_decimal(lines.pop(0)[len(_INDEX_PREFIX) :], "receipt: index")
    # (3) "The next zero or more non-empty lines": one hash each.
    if len(lines) > MAX_PROOF_LENGTH:
        raise _malformed(f"at most {MAX_PROOF_LENGTH} hashes")
    proof = tuple(decode_hash(line, "receipt: proof") for line in lines)
    return Receipt(index, proof, checkpoint_note, extra)


def verify_receipt(
    receipt: Receipt, verifiers: Sequence[NoteVerifier], *, leaf: bytes | None = None
) -> Checkpoint:
    """Return the checkpoint under which the leaf is proven to be recorded.

    Args:
        receipt: As read.
        verifiers: The log's key, named like its origin, and any witnesses' keys.
        leaf: The log entry that must stand at the index. None takes it from the
            receipt's ``extra``, which is proven by that; when given, ``extra`` is not
            looked at and stays unproven.

    Raises:
        IntegrityError: Signature, checkpoint or proof do not hold.
        UsageError: There is no leaf, neither given nor in the receipt.
        ConfigurationError: Two verifiers have the name and id of a signature.
    """
    # (1) C2SP tlog-proof, "Verifying", step 1: the leaf hash.
    entry = receipt.extra if leaf is None else leaf
    if entry is None:
        raise UsageError(
            f"receipt for leaf {receipt.index}",
            expected="the leaf in its extra line, or given beside it",
        )
    # (2) Steps 2 and 3: signed by the log of that origin; known witnesses hold too.
    checkpoint = open_checkpoint(receipt.checkpoint_note, verifiers).checkpoint
    # (3) Step 4: the leaf is in the tree of the checkpoint.
    verify_inclusion(
        hash_leaf(entry),
        receipt.index,
        checkpoint.size,
        receipt.proof,
        checkpoint.root,
    )
    return checkpoint


def _malformed(expected: str) -> IntegrityError:
    """Return the error for bytes that are no receipt."""
    return IntegrityError("receipt: malformed", expected=expected)

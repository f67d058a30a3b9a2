"""Make the log vectors that nobody has published: a receipt, and the key for it.

Run it as ``python tests/vectors/make_tlog.py``. The key is the first of RFC 8032, so
the files come out the same each time.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.merkle import EMPTY_ROOT, hash_leaf, root_of
from jenkins_notary.tlog.note import (
    ALGORITHM_ED25519,
    NoteSignature,
    SignedNote,
    VerifierKey,
    format_note,
    format_vkey,
)
from jenkins_notary.tlog.receipt import Receipt, format_receipt

FOLDER = Path(__file__).parent / "tlog"
ORIGIN = "example.com/ledger"
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
ENTRIES = [b'{"at":1,"v":1}', b'{"at":2,"v":1}', b'{"at":3,"v":1}']


def main() -> None:
    """Write the receipt of the last entry, and the verifier key."""
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    public = private.public_key().public_bytes_raw()
    key = VerifierKey.make(ORIGIN, public, algorithm=ALGORITHM_ED25519)
    hashes = [hash_leaf(entry) for entry in ENTRIES]
    text = format_checkpoint(
        Checkpoint(
            ORIGIN, len(hashes), root_of(hashes), (trust_extension(0, EMPTY_ROOT),)
        )
    )
    signature = NoteSignature(key.name, key.key_id, private.sign(text.encode()))
    receipt = Receipt(
        index=2,
        proof=(root_of(hashes[:2]),),
        checkpoint_note=format_note(SignedNote(text, (signature,))),
        extra=ENTRIES[2],
    )
    (FOLDER / "ledger.vkey").write_text(format_vkey(key) + "\n")
    (FOLDER / "ledger.tlog-proof").write_bytes(format_receipt(receipt))


if __name__ == "__main__":
    main()

"""A cosignature binds the checkpoint's text to a time."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.cosignature import (
    Cosignature,
    CosignatureVerifier,
    cosignature_message,
    format_cosignature,
    parse_cosignature,
)
from jenkins_notary.tlog.note import (
    format_vkey,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)
from tests.unit.tlog.builders import (
    Signer,
    Witness,
    changes_of,
    check_signature,
    load_vectors,
)

VECTOR = load_vectors("notes.json")["checkpoints"]["cosigned"]
TEXT = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
LOG = Signer("example.com/log")
WITNESS = Witness("example.com/witness", b"w" * 32)


def test_the_published_cosignature_tells_its_time() -> None:
    _, line = parse_note(VECTOR["note"].encode()).signatures

    cosignature = parse_cosignature(line.signature)

    assert cosignature.timestamp == VECTOR["cosigned_at"]
    assert format_cosignature(cosignature) == line.signature


def test_the_signed_message_is_that_of_the_specification() -> None:
    assert cosignature_message("origin\n1\nroot\n", 1679315147) == (
        b"cosignature/v1\ntime 1679315147\norigin\n1\nroot\n"
    )


def test_a_cosigned_checkpoint_opens() -> None:
    opened = open_checkpoint(
        sign_note(TEXT, [LOG, WITNESS]), [LOG.verifier, WITNESS.verifier]
    )

    cosignature = parse_cosignature(opened.note.verified[1].signature)
    assert cosignature.timestamp == WITNESS.timestamp


def test_every_changed_byte_of_a_cosignature_is_refused() -> None:
    for changed in changes_of(WITNESS.sign(TEXT.encode())):
        assert not WITNESS.verifier.verify(TEXT.encode(), changed)


def test_a_plain_signature_by_the_same_key_is_no_cosignature() -> None:
    """Domain separation: neither kind may stand for the other."""
    plain = Signer.sign(WITNESS, TEXT.encode())

    assert not WITNESS.verifier.verify(TEXT.encode(), plain)
    assert not WITNESS.verifier.verify(TEXT.encode(), bytes(8) + plain)


def test_a_wrong_cosignature_by_a_known_witness_refuses_the_note() -> None:
    data = sign_note(TEXT, [LOG, WITNESS])
    moved = data.replace(b"\n0\n", b"\n1\n")

    with pytest.raises(IntegrityError, match="is wrong"):
        open_note(moved, [WITNESS.verifier])


def test_the_key_is_read_from_its_vkey() -> None:
    key = parse_vkey(format_vkey(WITNESS.key))

    assert key.algorithm == 4
    assert CosignatureVerifier(key, check_signature).verify(
        TEXT.encode(), WITNESS.sign(TEXT.encode())
    )


def test_a_verifier_takes_its_own_algorithm_only() -> None:
    with pytest.raises(ConfigurationError, match="expected algorithm 0x04"):
        CosignatureVerifier(LOG.key, check_signature)


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(64), id="no time"),
        pytest.param(bytes(71), id="cut"),
        pytest.param(bytes(73), id="longer"),
        pytest.param(bytes(8 + 2420), id="ml-dsa"),
        pytest.param(b"\x80" + bytes(71), id="time 2**63"),
    ],
)
def test_what_is_no_cosignature_is_refused(blob: bytes) -> None:
    with pytest.raises(IntegrityError, match="cosignature"):
        parse_cosignature(blob)


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [(-1, bytes(64)), (2**63, bytes(64)), (0, bytes(63)), (0, bytes(65))],
)
def test_what_cannot_be_read_back_is_not_written(
    timestamp: int, signature: bytes
) -> None:
    with pytest.raises(UsageError, match="cosignature"):
        format_cosignature(Cosignature(timestamp, signature))

"""A receipt proves its leaf with nothing beside it but the log's key."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.tlog import ed25519
from jenkins_notary.tlog.canonical import encode_base64
from jenkins_notary.tlog.checkpoint import Checkpoint, format_checkpoint
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.note import Ed25519Verifier, parse_vkey, sign_note
from jenkins_notary.tlog.proofs import inclusion_proof
from jenkins_notary.tlog.receipt import (
    MAX_RECEIPT_SIZE,
    Receipt,
    format_receipt,
    parse_receipt,
    verify_receipt,
)
from tests.unit.tlog.builders import (
    VECTORS,
    ReferenceTree,
    Signer,
    Witness,
    changes_of,
    slices_of,
)

LOG = Signer("example.com/log")
WITNESS = Witness("example.com/witness", b"w" * 32)
TREE = ReferenceTree(5)
NOTE = sign_note(format_checkpoint(Checkpoint(LOG.name, 5, TREE.root(5))), [LOG])
PROOF = inclusion_proof(2, 5, TREE.read)
RECEIPT = Receipt(2, PROOF, NOTE, TREE.entries[2])
DATA = format_receipt(RECEIPT)
HASH_LINE = encode_base64(bytes(32)).encode()


def test_the_kept_receipt_verifies_with_its_key_alone() -> None:
    data = (VECTORS / "ledger.tlog-proof").read_bytes()
    vkey = parse_vkey((VECTORS / "ledger.vkey").read_text().strip())

    checkpoint = verify_receipt(
        parse_receipt(data), [Ed25519Verifier(vkey, ed25519.verify)]
    )

    assert (checkpoint.origin, checkpoint.size) == ("example.com/ledger", 3)
    assert checkpoint.trust.size == 0
    assert format_receipt(parse_receipt(data)) == data


def test_the_form_is_that_of_the_specification() -> None:
    lines = DATA.decode().split("\n")

    assert lines[:3] == [
        "c2sp.org/tlog-proof@v1",
        "extra " + encode_base64(TREE.entries[2]),
        "index 2",
    ]
    assert lines[3:6] == [encode_base64(item) for item in PROOF]
    assert lines[6] == ""
    assert DATA.endswith(b"\n\n" + NOTE)


def test_without_extra_its_line_is_left_out() -> None:
    data = format_receipt(RECEIPT._replace(extra=None))

    assert b"\nindex 2\n" in data
    assert b"extra" not in data
    assert parse_receipt(data).extra is None


def test_a_log_of_one_leaf_needs_no_proof_lines() -> None:
    note = sign_note(format_checkpoint(Checkpoint(LOG.name, 1, TREE.root(1))), [LOG])
    data = format_receipt(Receipt(0, (), note, TREE.entries[0]))

    assert b"index 0\n\n" in data
    assert verify_receipt(parse_receipt(data), [LOG.verifier]).size == 1


class TestVerifying:
    def test_the_leaf_is_taken_from_extra(self) -> None:
        assert verify_receipt(RECEIPT, [LOG.verifier]).root == TREE.root(5)

    def test_a_given_leaf_is_the_one_that_counts(self) -> None:
        misleading = RECEIPT._replace(extra=b"something else")

        verify_receipt(misleading, [LOG.verifier], leaf=TREE.entries[2])
        with pytest.raises(IntegrityError, match="inclusion of leaf 2"):
            verify_receipt(misleading, [LOG.verifier])
        with pytest.raises(IntegrityError, match="inclusion of leaf 2"):
            verify_receipt(RECEIPT, [LOG.verifier], leaf=TREE.entries[3])

    def test_an_empty_leaf_is_a_leaf(self) -> None:
        with pytest.raises(IntegrityError, match="inclusion of leaf 2"):
            verify_receipt(RECEIPT, [LOG.verifier], leaf=b"")

    def test_without_any_leaf_there_is_nothing_to_prove(self) -> None:
        with pytest.raises(UsageError, match="the leaf in its extra line"):
            verify_receipt(RECEIPT._replace(extra=None), [LOG.verifier])

    def test_another_logs_key_verifies_nothing(self) -> None:
        with pytest.raises(IntegrityError, match="no known key"):
            verify_receipt(RECEIPT, [Signer("example.com/other").verifier])

    def test_a_witness_alone_is_not_enough(self) -> None:
        note = sign_note(
            format_checkpoint(Checkpoint(LOG.name, 5, TREE.root(5))), [WITNESS]
        )

        with pytest.raises(IntegrityError, match="known key of that name"):
            verify_receipt(
                RECEIPT._replace(checkpoint_note=note),
                [LOG.verifier, WITNESS.verifier],
            )

    def test_another_index_is_refused(self) -> None:
        for index in (0, 1, 3, 4, 5, 2**63 - 1):
            with pytest.raises(IntegrityError, match="inclusion of leaf"):
                verify_receipt(RECEIPT._replace(index=index), [LOG.verifier])

    def test_a_checkpoint_of_another_tree_is_refused(self) -> None:
        note = sign_note(
            format_checkpoint(Checkpoint(LOG.name, 4, TREE.root(4))), [LOG]
        )

        with pytest.raises(IntegrityError, match="inclusion of leaf 2"):
            verify_receipt(RECEIPT._replace(checkpoint_note=note), [LOG.verifier])

    def test_a_node_does_not_pass_as_a_leaf(self) -> None:
        """RFC 6962 section 2.1: leaves and nodes are hashed apart."""
        pair = TREE.leaves[2] + TREE.leaves[3]

        assert hash_leaf(pair) != TREE.read(1, 1)
        with pytest.raises(IntegrityError):
            verify_receipt(Receipt(1, PROOF[1:], NOTE, None), [LOG.verifier], leaf=pair)


def test_every_part_of_a_receipt_is_refused() -> None:
    for part in slices_of(DATA):
        with pytest.raises(IntegrityError):
            verify_receipt(parse_receipt(part), [LOG.verifier])


def test_every_changed_byte_of_a_receipt_is_refused() -> None:
    for changed in changes_of(DATA):
        with pytest.raises(IntegrityError):
            verify_receipt(parse_receipt(changed), [LOG.verifier])


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"c2sp.org/tlog-proof@v1", id="no index"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nextra YQ==", id="extra, no index"),
        pytest.param(b"c2sp.org/tlog-proof@v2\nindex 0", id="another version"),
        pytest.param(b"c2sp.org/tlog-proof@v1 \nindex 0", id="trailing space"),
        pytest.param(b"\xef\xbb\xbfc2sp.org/tlog-proof@v1\nindex 0", id="bom"),
        pytest.param(b"c2sp.org/tlog-proof@v1\r\nindex 0\r", id="crlf"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex", id="no number"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex ", id="empty number"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex 00", id="leading zero"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex -1", id="negative"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex  1", id="two spaces"),
        pytest.param(
            b"c2sp.org/tlog-proof@v1\nindex 9223372036854775808", id="index 2**63"
        ),
        pytest.param(b"c2sp.org/tlog-proof@v1\nINDEX 1", id="capitals"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nextra \nindex 0", id="empty extra"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nextra\nindex 0", id="extra, no space"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nextra YQ\nindex 0", id="no padding"),
        pytest.param(
            b"c2sp.org/tlog-proof@v1\nextra YQ==\nextra YQ==\nindex 0", id="two extra"
        ),
        pytest.param(
            b"c2sp.org/tlog-proof@v1\nindex 0\nextra YQ==", id="extra after index"
        ),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex 0\nindex 0", id="two indexes"),
        pytest.param(b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA", id="short hash"),
        pytest.param(
            b"c2sp.org/tlog-proof@v1\nindex 0\n" + HASH_LINE + b" ", id="hash and space"
        ),
        pytest.param(
            b"\n".join([b"c2sp.org/tlog-proof@v1", b"index 0", *[HASH_LINE] * 64]),
            id="64 hashes",
        ),
        pytest.param(
            "c2sp.org/tlog-proof@v1\nindex \u0660".encode(), id="arabic number"
        ),
    ],
)
def test_another_header_is_refused(header: bytes) -> None:
    with pytest.raises(IntegrityError, match="receipt"):
        parse_receipt(header + b"\n\n" + NOTE)


def test_63_hashes_are_read() -> None:
    data = format_receipt(RECEIPT._replace(proof=(bytes(32),) * 63))

    assert len(parse_receipt(data).proof) == 63


def test_size_is_limited_before_anything_is_read() -> None:
    with pytest.raises(IntegrityError, match="at most 1048576 bytes"):
        parse_receipt(b"\xff" * (MAX_RECEIPT_SIZE + 1))


def test_the_longest_entry_fits() -> None:
    receipt = RECEIPT._replace(extra=b"x" * 65_535)

    assert parse_receipt(format_receipt(receipt)) == receipt


@pytest.mark.parametrize(
    "receipt",
    [
        pytest.param(RECEIPT._replace(extra=b""), id="empty extra"),
        pytest.param(RECEIPT._replace(index=-1), id="negative index"),
        pytest.param(RECEIPT._replace(index=2**63), id="index 2**63"),
        pytest.param(RECEIPT._replace(proof=(b"",)), id="empty hash"),
        pytest.param(RECEIPT._replace(proof=(bytes(31),)), id="short hash"),
        pytest.param(RECEIPT._replace(proof=(bytes(32),) * 64), id="64 hashes"),
        pytest.param(RECEIPT._replace(extra=bytes(MAX_RECEIPT_SIZE)), id="too large"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(receipt: Receipt) -> None:
    with pytest.raises(UsageError, match="receipt to write"):
        format_receipt(receipt)

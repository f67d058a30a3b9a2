"""A checkpoint counts when the log that it names has signed it."""

from __future__ import annotations

from base64 import b64decode

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    TreeHead,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.note import parse_note, sign_note
from tests.unit.tlog.builders import (
    Signer,
    Witness,
    changes_of,
    load_vectors,
    slices_of,
)

VECTORS = load_vectors("notes.json")["checkpoints"]
ROOT = bytes(range(32))
ROOT_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
LOG = Signer("example.com/log")
WITNESS = Witness("example.com/witness", b"w" * 32)
CHECKPOINT = Checkpoint(LOG.name, 7, ROOT, (trust_extension(2, ROOT), "other line"))
SIGNED = sign_note(format_checkpoint(CHECKPOINT), [LOG])


@pytest.mark.parametrize("name", VECTORS)
def test_published_checkpoints_are_read_and_written_back(name: str) -> None:
    vector = VECTORS[name]
    text = vector.get("text") or parse_note(vector["note"].encode()).text

    checkpoint = parse_checkpoint(text)

    assert checkpoint == Checkpoint(
        vector["origin"], vector["size"], b64decode(vector["root"])
    )
    assert format_checkpoint(checkpoint) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("\n", id="newline"),
        pytest.param("log\n", id="origin only"),
        pytest.param("log\n7\n", id="no root"),
        pytest.param(f"log\n7\n{ROOT_TEXT}", id="no last newline"),
        pytest.param(f"\n7\n{ROOT_TEXT}\n", id="no origin"),
        pytest.param(f"log\n\n{ROOT_TEXT}\n", id="no size"),
        pytest.param("log\n7\n\n", id="empty root"),
        pytest.param(f"log\n07\n{ROOT_TEXT}\n", id="leading zero"),
        pytest.param(f"log\n-7\n{ROOT_TEXT}\n", id="negative"),
        pytest.param(f"log\n7 \n{ROOT_TEXT}\n", id="space after the size"),
        pytest.param(f"log\n{2**63}\n{ROOT_TEXT}\n", id="size 2**63"),
        pytest.param(f"log\n\u0667\n{ROOT_TEXT}\n", id="arabic size"),
        pytest.param(f"log\n7\n{ROOT_TEXT[:-1]}\n", id="no padding"),
        pytest.param("log\n7\nAAEC\n", id="short root"),
        pytest.param(f"log\n7\n{ROOT_TEXT[:-2]}9=\n", id="unused bits"),
        pytest.param(f"log\n7\n{ROOT_TEXT}\n\n", id="empty extension"),
        pytest.param(f"log\n7\n{ROOT_TEXT}\na\n\nb\n", id="gap in the extensions"),
        pytest.param(f"log\r\n7\n{ROOT_TEXT}\n", id="carriage return"),
        pytest.param(f"log\n7\n{ROOT_TEXT}\nline\x00\n", id="nul"),
        pytest.param(f"log\n{'7' * 100_000}\n{ROOT_TEXT}\n", id="endless size"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError, match="checkpoint"):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "checkpoint",
    [
        pytest.param(Checkpoint("", 7, ROOT), id="no origin"),
        pytest.param(Checkpoint("a\nb", 7, ROOT), id="origin of two lines"),
        pytest.param(Checkpoint("log", -1, ROOT), id="negative size"),
        pytest.param(Checkpoint("log", 2**63, ROOT), id="size 2**63"),
        pytest.param(Checkpoint("log", 7, ROOT[:31]), id="short root"),
        pytest.param(Checkpoint("log", 7, ROOT, ("",)), id="empty extension"),
        pytest.param(Checkpoint("log", 7, ROOT, ("a\nb",)), id="two in one"),
        pytest.param(Checkpoint("log", 7, ROOT, ("\r",)), id="control character"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_back_is_not_written(
    checkpoint: Checkpoint,
) -> None:
    with pytest.raises(UsageError, match="checkpoint to write"):
        format_checkpoint(checkpoint)


class TestTrustLine:
    def test_it_is_found_among_others(self) -> None:
        assert CHECKPOINT.trust == TreeHead(2, ROOT)
        assert trust_extension(2, ROOT) == f"trust 2 {ROOT_TEXT}"

    @pytest.mark.parametrize(
        "lines",
        [
            pytest.param((), id="missing"),
            pytest.param(("trust",), id="word only"),
            pytest.param((f"trusted 2 {ROOT_TEXT}",), id="another word"),
            pytest.param((f" trust 2 {ROOT_TEXT}",), id="indented"),
            pytest.param((trust_extension(2, ROOT),) * 2, id="twice the same"),
            pytest.param(
                (trust_extension(2, ROOT), trust_extension(3, ROOT)), id="two heads"
            ),
            pytest.param(
                (trust_extension(2, ROOT), "trust "), id="an empty one beside"
            ),
            pytest.param(("trust 2",), id="no root"),
            pytest.param((f"trust 02 {ROOT_TEXT}",), id="leading zero"),
            pytest.param((f"trust -2 {ROOT_TEXT}",), id="negative"),
            pytest.param((f"trust  2 {ROOT_TEXT}",), id="two spaces"),
            pytest.param((f"trust 2 {ROOT_TEXT} ",), id="trailing space"),
            pytest.param((f"trust 2 {ROOT_TEXT[:-1]}",), id="no padding"),
            pytest.param((f"trust 2 {ROOT_TEXT} 3",), id="more fields"),
        ],
    )
    def test_any_other_is_refused(self, lines: tuple[str, ...]) -> None:
        checkpoint = Checkpoint("log", 7, ROOT, lines)

        with pytest.raises(IntegrityError, match="trust line of checkpoint 'log'"):
            _ = checkpoint.trust

    @pytest.mark.parametrize("changed", changes_of(b"trust 2 "), ids=str)
    def test_every_changed_byte_of_its_head_is_refused_or_seen(
        self, changed: bytes
    ) -> None:
        line = changed.decode("latin-1") + ROOT_TEXT
        checkpoint = Checkpoint("log", 7, ROOT, (line,))

        try:
            head = checkpoint.trust
        except IntegrityError:
            return
        assert head == TreeHead(3, ROOT)


class TestOpening:
    def test_the_logs_signature_opens_it(self) -> None:
        opened = open_checkpoint(SIGNED, [LOG.verifier])

        assert opened.checkpoint == CHECKPOINT
        assert [signature.name for signature in opened.note.verified] == [LOG.name]

    def test_witnesses_are_verified_beside_the_log(self) -> None:
        data = sign_note(format_checkpoint(CHECKPOINT), [LOG, WITNESS])

        opened = open_checkpoint(data, [WITNESS.verifier, LOG.verifier])

        assert len(opened.note.verified) == 2

    def test_a_witness_alone_opens_nothing(self) -> None:
        data = sign_note(format_checkpoint(CHECKPOINT), [WITNESS])

        with pytest.raises(
            IntegrityError, match="expected a signature by a known key of that name"
        ):
            open_checkpoint(data, [LOG.verifier, WITNESS.verifier])

    def test_one_log_does_not_speak_for_another(self) -> None:
        other = Signer("example.com/other", b"o" * 32)
        data = sign_note(format_checkpoint(CHECKPOINT), [other])

        with pytest.raises(IntegrityError, match=r"checkpoint of 'example\.com/log'"):
            open_checkpoint(data, [LOG.verifier, other.verifier])

    def test_a_signed_text_that_is_no_checkpoint_is_refused(self) -> None:
        with pytest.raises(IntegrityError, match="checkpoint: malformed"):
            open_checkpoint(sign_note("hello\n", [LOG]), [LOG.verifier])

    def test_every_part_is_refused(self) -> None:
        for part in slices_of(SIGNED):
            with pytest.raises(IntegrityError):
                open_checkpoint(part, [LOG.verifier])

    def test_every_changed_byte_is_refused(self) -> None:
        for changed in changes_of(SIGNED):
            with pytest.raises(IntegrityError):
                open_checkpoint(changed, [LOG.verifier])

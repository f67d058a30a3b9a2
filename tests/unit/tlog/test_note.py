"""Notes open only when a known key signed every byte of their text."""

from __future__ import annotations

from hashlib import sha256

import pytest

from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError
from jenkins_notary.tlog import ed25519
from jenkins_notary.tlog.canonical import encode_base64
from jenkins_notary.tlog.note import (
    ALGORITHM_ED25519,
    MAX_NOTE_SIZE,
    Ed25519Verifier,
    NoteSignature,
    SignedNote,
    VerifierKey,
    format_note,
    format_vkey,
    is_key_name,
    key_id,
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
    slices_of,
)

VECTORS = load_vectors("notes.json")
PUBLISHED = VECTORS["notes"]
FOO, PETER, ENOCH = (
    PUBLISHED[name]["vkey"] for name in ("example.com/foo", "PeterNeumann", "EnochRoot")
)
BOTH = PUBLISHED["EnochRoot"]["note"].encode()
TEXT, _, BLOCK = PUBLISHED["EnochRoot"]["note"].rpartition("\n\n")
TEXT += "\n"
PETER_LINE, ENOCH_LINE, _ = BLOCK.split("\n")
LOG = Signer("example.com/log")


def verifier(vkey: str) -> Ed25519Verifier:
    return Ed25519Verifier(parse_vkey(vkey), check_signature)


def note_of(*lines: str, text: str = TEXT) -> bytes:
    return f"{text}\n{''.join(line + chr(10) for line in lines)}".encode()


class TestVerifierKeys:
    @pytest.mark.parametrize("vkey", [FOO, PETER, ENOCH])
    def test_published_keys_are_read_and_written_back(self, vkey: str) -> None:
        key = parse_vkey(vkey)

        assert format_vkey(key) == vkey
        assert key == VerifierKey.make(key.name, key.public, algorithm=1)

    @pytest.mark.parametrize("vkey", VECTORS["bad_vkeys"])
    def test_published_bad_keys_are_refused(self, vkey: str) -> None:
        with pytest.raises(ConfigurationError, match="verifier key"):
            parse_vkey(vkey)

    def test_every_part_of_a_key_is_refused(self) -> None:
        for part in slices_of(PETER):
            with pytest.raises(ConfigurationError):
                parse_vkey(part)

    def test_every_changed_byte_of_a_key_is_refused(self) -> None:
        for changed in changes_of(PETER.encode()):
            with pytest.raises(ConfigurationError):
                parse_vkey(changed.decode("utf-8", "surrogateescape"))

    @pytest.mark.parametrize(
        "vkey",
        [
            pytest.param(PETER.upper(), id="upper case"),
            pytest.param(PETER.replace("c74f20a3", "C74F20A3"), id="id in capitals"),
            pytest.param(PETER + "\n", id="newline"),
            pytest.param(PETER + "+", id="a fourth part"),
            pytest.param("\ud800+00000000+AQ==", id="surrogate"),
            pytest.param("a+00000000+", id="no material"),
            pytest.param("+" * 100_000, id="plus signs"),
        ],
    )
    def test_other_texts_are_refused(self, vkey: str) -> None:
        with pytest.raises(ConfigurationError):
            parse_vkey(vkey)

    def test_a_wrong_id_is_told_with_the_right_one(self) -> None:
        with pytest.raises(ConfigurationError, match="expected key id c74f20a3"):
            parse_vkey(PETER.replace("c74f20a3", "c74f20a4"))

    def test_an_unknown_algorithm_is_named(self) -> None:
        with pytest.raises(ConfigurationError, match="got 0x06"):
            VerifierKey.make("a", bytes(32), algorithm=6)

    def test_the_id_commits_to_name_type_and_key(self) -> None:
        expected = sha256(b"a\n\x01" + bytes(32)).digest()[:4]

        assert key_id("a", 1, bytes(32)) == expected
        assert (
            len({key_id("a", 4, bytes(32)), key_id("b", 1, bytes(32)), expected}) == 3
        )

    def test_a_verifier_takes_its_own_algorithm_only(self) -> None:
        with pytest.raises(ConfigurationError, match="expected algorithm 0x01"):
            Ed25519Verifier(Witness("w").key, check_signature)

    @pytest.mark.parametrize(
        "name", ["", " ", "a b", "a+b", "a\tb", "a\u00a0b", "a\u2028", "\u3000", "\x01"]
    )
    def test_names_without_spaces_and_plus_only(self, name: str) -> None:
        assert not is_key_name(name)
        with pytest.raises(ConfigurationError, match="a name without spaces"):
            VerifierKey.make(name, bytes(32), algorithm=ALGORITHM_ED25519)


class TestParsing:
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_published_notes_are_read_and_written_back(self, name: str) -> None:
        data = PUBLISHED[name]["note"].encode()

        assert format_note(parse_note(data)) == data

    def test_the_last_blank_line_divides(self) -> None:
        ((name, vector),) = VECTORS["parsed_only"].items()

        note = parse_note(vector["note"].encode())

        assert note.text.endswith("\n\ned è subito sera.\n")
        assert [(s.name, s.key_id.hex()) for s in note.signatures] == [
            (name, vector["key_id"])
        ]

    def test_the_text_may_be_one_empty_line(self) -> None:
        assert parse_note(note_of(PETER_LINE, text="\n")).text == "\n"

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(TEXT.encode(), id="text only"),
            pytest.param(note_of(), id="no signature"),
            pytest.param(note_of(PETER_LINE)[:-1], id="no last newline"),
            pytest.param(note_of(PETER_LINE, ""), id="empty last line"),
            pytest.param(b"\x01" + note_of(PETER_LINE), id="control character"),
            pytest.param(note_of(PETER_LINE).replace(b"\n", b"\r\n"), id="crlf"),
            pytest.param(b"\x00" + note_of(PETER_LINE), id="nul"),
            pytest.param(b"\t" + note_of(PETER_LINE), id="tab"),
            pytest.param(b"\xff" + note_of(PETER_LINE), id="not utf-8"),
            pytest.param(b"\xed\xa0\x80" + note_of(PETER_LINE), id="surrogate"),
            pytest.param(b"\xc0\x80" + note_of(PETER_LINE), id="overlong"),
            pytest.param(note_of(PETER_LINE, "Unexpected line."), id="foreign line"),
            pytest.param(
                note_of("\u2014 a b " + PETER_LINE[15:]), id="name with space"
            ),
            pytest.param(note_of("\u2014 a+b " + PETER_LINE[15:]), id="name with plus"),
            pytest.param(note_of("\u2014  " + PETER_LINE[15:]), id="no name"),
            pytest.param(note_of("\u2014 a"), id="no signature bytes"),
            pytest.param(note_of("\u2014 a "), id="empty signature"),
            pytest.param(note_of("\u2014 a AAAAAA=="), id="key id only"),
            pytest.param(note_of("\u2014 a AAA="), id="cut key id"),
            pytest.param(note_of("\u2014 a AAAAAAA"), id="no padding"),
            pytest.param(note_of("\u2014 a AAAAAAB="), id="unused bits"),
            pytest.param(note_of("\u2014 a AAAAAAA= "), id="trailing space"),
            pytest.param(note_of("\u2014\u00a0a AAAAAAA="), id="no-break space"),
            pytest.param(note_of("- a AAAAAAA="), id="hyphen"),
            pytest.param(note_of("\u2013 a AAAAAAA="), id="en dash"),
            pytest.param(note_of("\u2014 a\u2028b AAAAAAA="), id="line separator"),
            pytest.param(note_of(*[PETER_LINE] * 101), id="101 signatures"),
            pytest.param(b"\n" * 1000, id="newlines"),
            pytest.param(note_of("\u2014" * 1000), id="dashes"),
        ],
    )
    def test_what_is_no_note_is_refused(self, data: bytes) -> None:
        with pytest.raises(IntegrityError, match="signed note"):
            parse_note(data)

    def test_sixteen_signatures_and_more_are_read(self) -> None:
        """C2SP signed-note: verifiers MUST accept at least up to 16 signatures."""
        assert len(parse_note(note_of(*[PETER_LINE] * 100)).signatures) == 100

    def test_size_is_limited_before_anything_is_read(self) -> None:
        line = note_of(PETER_LINE, text="")
        fits = b"x" * (MAX_NOTE_SIZE - len(line) - 1) + b"\n" + line

        assert len(parse_note(fits).text) == MAX_NOTE_SIZE - len(line)
        with pytest.raises(IntegrityError, match="at most 1000000 bytes, got 1000001"):
            parse_note(b"\xff" + fits)

    def test_a_fault_is_shown_without_its_control_characters(self) -> None:
        with pytest.raises(IntegrityError) as caught:
            parse_note(note_of("\u202e" + "\x9b" * 1000))

        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400


class TestOpening:
    @pytest.mark.parametrize("name", PUBLISHED)
    @pytest.mark.parametrize("check", [check_signature, ed25519.verify])
    def test_published_notes_open(self, name: str, check: object) -> None:
        assert callable(check)
        vector = PUBLISHED[name]
        known = Ed25519Verifier(parse_vkey(vector["vkey"]), check)

        opened = open_note(vector["note"].encode(), [known])

        assert [signature.name for signature in opened.verified] == [name]
        assert f"{opened.text}\n" == vector["note"][: len(opened.text) + 1]

    def test_known_and_unknown_signatures_are_kept_apart(self) -> None:
        opened = open_note(BOTH, [verifier(PETER)])

        assert [signature.name for signature in opened.verified] == ["PeterNeumann"]
        assert [signature.name for signature in opened.unverified] == ["EnochRoot"]

    def test_every_known_key_is_verified(self) -> None:
        opened = open_note(BOTH, [verifier(ENOCH), verifier(PETER)])

        assert [s.name for s in opened.verified] == ["PeterNeumann", "EnochRoot"]
        assert opened.unverified == ()

    def test_no_known_key_opens_nothing(self) -> None:
        with pytest.raises(IntegrityError, match="no known key has signed it"):
            open_note(BOTH, [verifier(FOO)])
        with pytest.raises(IntegrityError, match="expected at least one known key"):
            open_note(BOTH, [])

    def test_one_wrong_signature_by_a_known_key_refuses_the_note(self) -> None:
        wrong = ENOCH_LINE.replace("OQ=", "OA=").replace("+QQ=", "+QA=")
        data = note_of(PETER_LINE, wrong)

        assert open_note(data, [verifier(PETER)]).verified
        with pytest.raises(
            IntegrityError, match="by key 'EnochRoot' af0cfe78 is wrong"
        ):
            open_note(data, [verifier(PETER), verifier(ENOCH)])

    def test_a_longer_signature_is_wrong(self) -> None:
        longer = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]

        with pytest.raises(IntegrityError, match="is wrong"):
            open_note(note_of(longer), [verifier(PETER)])

    @pytest.mark.parametrize(
        "line",
        [
            pytest.param(PETER_LINE.replace("PeterN", "CarmenS"), id="another name"),
            pytest.param(PETER_LINE.replace("x08g", "xxxx"), id="another id"),
        ],
    )
    def test_a_key_that_shares_only_name_or_id_is_unknown(self, line: str) -> None:
        """C2SP signed-note: MUST ignore them even if they share a name or ID."""
        assert (
            len(open_note(note_of(PETER_LINE, line), [verifier(PETER)]).verified) == 1
        )
        with pytest.raises(IntegrityError, match="no known key"):
            open_note(note_of(line), [verifier(PETER)])

    def test_repeated_signatures_count_once(self) -> None:
        other = ENOCH_LINE[:60] + "ABCD" + ENOCH_LINE[60:]
        data = note_of(PETER_LINE, PETER_LINE, ENOCH_LINE, ENOCH_LINE, other)

        opened = open_note(data, [verifier(PETER)])

        assert [signature.name for signature in opened.verified] == ["PeterNeumann"]
        assert [len(s.signature) for s in opened.unverified] == [64, 67]

    def test_a_key_configured_twice_is_a_fault_when_it_is_needed(self) -> None:
        twice = [verifier(ENOCH), verifier(PETER), verifier(ENOCH)]

        assert open_note(note_of(PETER_LINE), twice).verified
        with pytest.raises(ConfigurationError, match="EnochRoot"):
            open_note(note_of(ENOCH_LINE), twice)

    def test_every_part_of_a_note_is_refused(self) -> None:
        for part in slices_of(PUBLISHED["example.com/foo"]["note"].encode()):
            with pytest.raises(IntegrityError):
                open_note(part, [verifier(FOO)])

    def test_every_changed_byte_of_a_note_is_refused(self) -> None:
        for changed in changes_of(PUBLISHED["example.com/foo"]["note"].encode()):
            with pytest.raises(IntegrityError):
                open_note(changed, [verifier(FOO)])


class TestSigning:
    def test_the_published_note_is_signed_again(self) -> None:
        vector = PUBLISHED["PeterNeumann"]
        signer = Signer("PeterNeumann", bytes.fromhex(vector["seed"]))

        assert sign_note(TEXT, [signer]) == vector["note"].encode()

    def test_existing_signatures_stand_first(self) -> None:
        existing = parse_note(BOTH).signatures

        note = parse_note(sign_note(TEXT, [LOG], existing=existing))

        assert [s.name for s in note.signatures] == [
            "PeterNeumann",
            "EnochRoot",
            "example.com/log",
        ]

    def test_a_signature_by_the_same_key_is_replaced(self) -> None:
        stale = NoteSignature(LOG.name, LOG.key_id, b"stale")

        note = parse_note(sign_note(TEXT, [LOG], existing=[stale]))

        assert len(note.signatures) == 1
        assert open_note(format_note(note), [LOG.verifier]).verified

    def test_several_keys_sign_the_same_text(self) -> None:
        data = sign_note("text\n", [LOG, Witness("witness", b"w" * 32)])

        assert len(parse_note(data).signatures) == 2

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="nothing"),
            pytest.param("abc", id="no newline"),
            pytest.param("abc\n\n" + PETER_LINE, id="a line like a signature"),
            pytest.param("a\rb\n", id="control character"),
            pytest.param("\ud800\n", id="surrogate"),
            pytest.param("x" * MAX_NOTE_SIZE + "\n", id="too long"),
        ],
    )
    def test_a_text_that_cannot_be_read_back_is_not_signed(self, text: str) -> None:
        with pytest.raises(UsageError, match="note to sign"):
            sign_note(text, [LOG])

    def test_a_text_that_ends_like_signatures_is_kept_whole(self) -> None:
        text = f"abc\n\n{PETER_LINE}\n"

        assert parse_note(sign_note(text, [LOG])).text == text

    @pytest.mark.parametrize(
        "signature",
        [
            pytest.param(NoteSignature("a b", bytes(4), b"s"), id="name with space"),
            pytest.param(NoteSignature("a\nb", bytes(4), b"s"), id="name with newline"),
            pytest.param(NoteSignature("\udc80", bytes(4), b"s"), id="surrogate"),
            pytest.param(NoteSignature("a", bytes(3), b"s"), id="short id"),
            pytest.param(NoteSignature("a", bytes(5), b"s"), id="long id"),
            pytest.param(NoteSignature("a", bytes(4), b""), id="no signature"),
        ],
    )
    def test_a_signature_that_cannot_be_read_back_is_not_written(
        self, signature: NoteSignature
    ) -> None:
        with pytest.raises(UsageError, match="note to sign"):
            format_note(SignedNote("text\n", (signature,)))

    def test_no_signature_makes_no_note(self) -> None:
        with pytest.raises(UsageError, match="note to sign"):
            sign_note("text\n", [])

    def test_a_key_id_of_another_length_than_its_base64_is_seen(self) -> None:
        line = f"\u2014 a {encode_base64(bytes(4) + b's')}"

        assert parse_note(note_of(line)).signatures == (
            NoteSignature("a", bytes(4), b"s"),
        )

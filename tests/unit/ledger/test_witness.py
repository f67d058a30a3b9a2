from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.keys.witness_key import WitnessSigner, load_witness_verifier
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.ledger.witness import (
    MAX_BYTES,
    SizeConflictError,
    Submission,
    UnprovenError,
    add_checkpoint,
    format_submission,
    parse_submission,
    read_cosignatures,
)
from jenkins_notary.tlog.checkpoint import TreeHead, parse_checkpoint
from jenkins_notary.tlog.cosignature import parse_cosignature
from jenkins_notary.tlog.merkle import Frontier
from jenkins_notary.tlog.note import parse_note, sign_note
from jenkins_notary.tlog.proofs import consistency_proof
from tests.unit.ledger.ledgers import Ledger, StepClock, log_key

SIGNER = WitnessSigner(
    "w.example.com", Ed25519PrivateKey.from_private_bytes(bytes(32)), StepClock()
)


class Memory:
    """A witness's state in memory."""

    def __init__(self) -> None:
        self.heads: dict[str, TreeHead] = {}
        self.is_raced = False

    def load(self, origin: str) -> TreeHead:
        return self.heads.get(origin, TreeHead(0, Frontier().root()))

    def advance(self, origin: str, old: TreeHead, new: TreeHead) -> bool:
        if self.is_raced or self.load(origin) != old:
            return False
        self.heads[origin] = new
        return True


def submit(ledger: Ledger, old: int) -> bytes:
    """Return a submission of a ledger's newest checkpoint."""
    view = ledger.view()
    hashes = read_hashes(ledger.store, "main", view.size)
    proof = consistency_proof(old, view.size, hashes) if old else ()
    return format_submission(Submission(old, tuple(proof), view.note))


def ask(ledger: Ledger, state: Memory, data: bytes) -> bytes:
    """Ask the witness, which knows the ledger's log."""
    return add_checkpoint(data, {ledger.key.name: ledger.verifiers}, state, SIGNER)


@pytest.fixture
def ledger() -> Ledger:
    """A ledger of 5 records."""
    made = Ledger()
    made.fill(4)
    return made


def test_a_log_that_grows_is_signed_each_time(ledger: Ledger) -> None:
    state = Memory()
    first = ask(ledger, state, submit(ledger, 0))
    ledger.fill(3)
    answer = ask(ledger, state, submit(ledger, 5))
    again = ask(ledger, state, submit(ledger, 8))
    text = parse_note(ledger.view().note).text
    verifiers = [load_witness_verifier(SIGNER.vkey)]
    (signature,) = read_cosignatures(text, answer, verifiers)

    assert state.load(ledger.key.name).size == 8
    assert parse_cosignature(signature.signature).timestamp > 1_767_323_045
    assert read_cosignatures(text, again, verifiers)
    with pytest.raises(IntegrityError, match="is wrong"):
        read_cosignatures(text, first, verifiers)


def test_signatures_of_others_are_passed_over_and_not_given_back(
    ledger: Ledger,
) -> None:
    note = parse_note(ledger.view().note)
    data = sign_note(note.text, [log_key("else/where")], existing=note.signatures)
    answer = ask(ledger, Memory(), format_submission(Submission(0, (), data)))

    assert answer.decode().count("\n") == 1
    assert "w.example.com" in answer.decode()


def test_the_size_that_was_signed_is_told_where_another_is_thought_of(
    ledger: Ledger,
) -> None:
    state = Memory()
    ask(ledger, state, submit(ledger, 0))
    ledger.fill(2)

    for old in (0, 3):
        with pytest.raises(SizeConflictError) as caught:
            ask(ledger, state, submit(ledger, old))
        assert caught.value.size == 5


def test_a_later_request_that_was_faster_is_not_taken_back(ledger: Ledger) -> None:
    state = Memory()
    state.is_raced = True

    with pytest.raises(SizeConflictError):
        ask(ledger, state, submit(ledger, 0))
    assert not state.heads


def test_another_past_is_not_signed(ledger: Ledger) -> None:
    state = Memory()
    ask(ledger, state, submit(ledger, 0))
    other = Ledger()
    other.add("bad")
    other.fill(3)
    same_size = submit(other, 5)
    other.fill(3)

    with pytest.raises(SizeConflictError, match="another root"):
        ask(ledger, state, same_size)
    with pytest.raises(UnprovenError):
        ask(ledger, state, submit(other, 5))
    assert state.load(ledger.key.name) == ledger.view().checkpoint[1:3]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_proof_with_a_changed_hash_is_refused(ledger: Ledger, place: int) -> None:
    state = Memory()
    ask(ledger, state, submit(ledger, 0))
    ledger.fill(9)
    old_size, proof, note = parse_submission(submit(ledger, 5))
    bent = (*proof[:place], bytes(32), *proof[place + 1 :])

    with pytest.raises(UnprovenError):
        ask(ledger, state, format_submission(Submission(old_size, bent, note)))
    assert state.load(ledger.key.name).size == 5


def test_a_log_that_is_not_known_or_has_not_signed_is_refused(ledger: Ledger) -> None:
    text = parse_note(ledger.view().note).text
    stolen = sign_note(text, [log_key(ledger.key.name, number=1)])
    data = ledger.view().note
    broken = data.replace(b"\n5\n", b"\n4\n")

    with pytest.raises(NotFoundError):
        add_checkpoint(submit(ledger, 0), {}, Memory(), SIGNER)
    for note in (stolen, broken):
        with pytest.raises(PermissionDeniedError):
            ask(ledger, Memory(), format_submission(Submission(0, (), note)))


def test_what_the_log_signed_must_be_a_checkpoint(ledger: Ledger) -> None:
    note = sign_note(f"{ledger.key.name}\nfive\n", [ledger.key])

    with pytest.raises(UsageError):
        ask(ledger, Memory(), format_submission(Submission(0, (), note)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"old 00\n\nx",
        b"old -1\n\nx",
        b"old x\n\nx",
        b"new 0\n\nx",
        b"old 1\nAAAA\n\nx",
        b"old 0\n" + b"A" * 43 + b"=\n\nx",
        b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\nx",
        b"old \xc3\xa9\n\nx",
        b"old 0\n\n" + b"x" * MAX_BYTES,
        b"old 6\n\n",
    ],
    ids=range(13),
)
def test_what_is_no_submission_is_refused(ledger: Ledger, data: bytes) -> None:
    whole = data + ledger.view().note if data == b"old 6\n\n" else data

    with pytest.raises(UsageError):
        ask(ledger, Memory(), whole)


def test_each_changed_byte_of_a_submission_is_refused(ledger: Ledger) -> None:
    state = Memory()
    ask(ledger, state, submit(ledger, 0))
    ledger.fill(4)
    data = submit(ledger, 5)
    signed = []
    for place in range(len(data)):
        bent = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            ask(ledger, state, bent)
        except NotaryError:
            continue
        signed.append(place)

    assert not signed


def test_a_submission_comes_back_as_it_was() -> None:
    given = Submission(7, (bytes(32), b"\1" * 32), b"note")

    assert parse_submission(format_submission(given)) == given


@pytest.mark.parametrize("answer", [b"", b"x", b"\n", b"x" * (MAX_BYTES + 1)])
def test_an_answer_without_a_signature_is_refused(
    ledger: Ledger, answer: bytes
) -> None:
    text = parse_note(ledger.view().note).text

    with pytest.raises(IntegrityError):
        read_cosignatures(text, answer, [load_witness_verifier(SIGNER.vkey)])


def test_an_answer_by_another_witness_is_refused(ledger: Ledger) -> None:
    other = WitnessSigner(
        "w.example.com", Ed25519PrivateKey.from_private_bytes(b"\1" * 32), StepClock()
    )
    text = parse_note(ledger.view().note).text
    lines = sign_note(text, [other]).rpartition(b"\n\n")[2]

    assert parse_checkpoint(text).size == 5
    with pytest.raises(IntegrityError, match="no known key"):
        read_cosignatures(text, lines, [load_witness_verifier(SIGNER.vkey)])

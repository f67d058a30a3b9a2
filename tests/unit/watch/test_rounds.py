from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.files.pins import load_pin_file
from jenkins_notary.keys.log_policy import load_policy
from jenkins_notary.ledger.erase import erase, select_erasable
from jenkins_notary.watch.rounds import Round, run_round
from tests.unit.keys.test_log_policy import cosign, witness, write
from tests.unit.ledger.ledgers import Ledger, digest
from tests.unit.watch.services import LedgerService, open_distant, word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jenkins_notary.watch.distant import DistantLedger


@pytest.fixture
def service() -> LedgerService:
    """A service on a ledger of 152 records, two of them negative."""
    ledger = Ledger()
    ledger.fill(149)
    ledger.add("bad", "UNTRUSTED")
    ledger.add("old", "UNSUPPORTED")
    return LedgerService(ledger)


def draw(population: int, count: int) -> Sequence[int]:
    """Return a sample that is the same in each run."""
    return random.Random(7).sample(range(population), count)


def audit(service: LedgerService, folder: Path, *, full: bool = False) -> Round:
    """Audit a service for one round."""
    ledger = open_distant(service, folder, log=service.ledger.key.vkey)
    return run_round(ledger, str(folder / "state"), full=full, draw=draw)


def pinned(folder: Path) -> bytes:
    """Return the note of the auditor's pin."""
    pin = load_pin_file(str(folder / "state"))
    assert pin is not None
    return pin.note


def test_the_first_round_copies_and_asks_for_all(
    service: LedgerService, tmp_path: Path
) -> None:
    found = audit(service, tmp_path)

    assert (found.old_size, found.size, found.records) == (0, 152, 152)
    assert found.verdicts == 151
    assert pinned(tmp_path) == service.ledger.store.checkpoint()
    assert found.to_dict()["checkpoint"] == pinned(tmp_path).decode()


def test_a_later_round_reads_what_came_and_a_sample(
    service: LedgerService, tmp_path: Path
) -> None:
    first = audit(service, tmp_path)
    service.ledger.add("good")
    service.asked.clear()

    found = audit(service, tmp_path)

    assert (found.old_size, found.size, found.records) == (152, 153, 101)
    assert found.old_root_hex == first.root_hex
    assert found.verdicts == 3
    assert audit(service, tmp_path, full=True).records == 153


def test_a_verdict_on_a_log_that_grew_meanwhile_is_compared_there(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)
    service.ledger.add("good")

    def grow(path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if path == "/verdicts":
            service.bend_answer = lambda _, value: value
            service.ledger.add("good", "UNTRUSTED")
            names = [one["digest"] for one in value["assets"]]
            assets = [{"name": one, "digest": one} for one in names]
            return service.post("/verdicts", {"assets": assets})
        return value

    service.bend_answer = grow

    assert audit(service, tmp_path).verdicts == 3


@pytest.mark.parametrize("name", ["bad", "old"])
def test_a_service_that_hides_a_negative_record_is_found(
    service: LedgerService, tmp_path: Path, name: str
) -> None:
    audit(service, tmp_path)
    before = pinned(tmp_path)
    service.ledger.add("good")

    def hide(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        for one in value.get("assets", ()):
            if one["digest"].endswith(digest(name)):
                one["status"] = "UNKNOWN"
        return value

    service.bend_answer = hide

    with pytest.raises(IntegrityError, match="hides or invents a record"):
        audit(service, tmp_path)
    assert pinned(tmp_path) == before


def test_a_service_that_answers_from_before_the_negative_record_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    older = service.ledger.view()
    service.ledger.add("late", "UNTRUSTED")

    def answer_late(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        for one in value.get("assets", ()):
            one["status"] = word(older, one["digest"][7:])
            one["as_of"] = {"tree_size": older.size}
        return value

    service.bend_answer = answer_late

    with pytest.raises(IntegrityError, match="older state"):
        audit(service, tmp_path)


@pytest.mark.parametrize("state", [None, {}, {"tree_size": "9"}, {"tree_size": True}])
def test_a_verdict_without_a_state_is_refused(
    service: LedgerService, tmp_path: Path, state: object
) -> None:
    def bend(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        for one in value.get("assets", ()):
            one["as_of"] = state
        return value

    service.bend_answer = bend

    with pytest.raises(IntegrityError, match="answers from an older state"):
        audit(service, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [{}, {"assets": []}, {"assets": [7]}, {"assets": [{"digest": "sha256:00"}]}],
    ids=str,
)
def test_verdicts_on_other_things_are_refused(
    service: LedgerService, tmp_path: Path, answer: object
) -> None:
    service.bend_answer = lambda path, value: answer if path == "/verdicts" else value

    with pytest.raises(IntegrityError, match="a verdict on each digest"):
        audit(service, tmp_path)


def test_a_negative_record_that_the_trust_log_leaves_out_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    before = service.ledger.view().checkpoint.trust
    service.ledger.add("late", "UNTRUSTED")
    service.note = service.sign(before)

    with pytest.raises(IntegrityError, match="hides or invents a verdict"):
        audit(service, tmp_path)
    assert load_pin_file(str(tmp_path / "state")) is None


def test_a_log_that_was_rolled_back_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    older = service.ledger.store.checkpoint()
    service.ledger.add("late", "UNTRUSTED")
    audit(service, tmp_path)
    service.note = older

    with pytest.raises(IntegrityError, match="at least 153 records"):
        audit(service, tmp_path)


def test_a_log_that_was_written_anew_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)
    other = Ledger()
    other.fill(400)
    service.ledger = other

    with pytest.raises(IntegrityError):
        audit(service, tmp_path)


def test_the_copy_alone_finds_a_log_that_was_written_anew(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)
    (tmp_path / "state").unlink()
    for one in (tmp_path / "pins").iterdir():
        one.unlink()
    other = Ledger()
    other.fill(400)
    service.ledger = other

    with pytest.raises(IntegrityError):
        audit(service, tmp_path)


def test_a_copy_of_another_log_is_refused(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)
    (tmp_path / "state").unlink()
    service.ledger = Ledger(origin="ci.example.com/other")

    with pytest.raises(IntegrityError, match="one of ci"):
        audit(service, tmp_path)


def test_a_log_of_another_name_that_does_not_follow_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)
    before = pinned(tmp_path)
    service.ledger = Ledger(origin="ci.example.com/other")

    with pytest.raises(IntegrityError, match="a checkpoint of that log"):
        audit(service, tmp_path)
    assert pinned(tmp_path) == before


def test_a_checkpoint_by_another_key_is_refused(
    service: LedgerService, tmp_path: Path
) -> None:
    ledger = open_distant(service, tmp_path, log=Ledger(origin="a/b").key.vkey)

    with pytest.raises(IntegrityError, match="no known key has signed"):
        run_round(ledger, str(tmp_path / "state"), full=False, draw=draw)


def test_an_altered_entry_is_found(service: LedgerService, tmp_path: Path) -> None:
    service.bend_file = lambda path, data: (
        data.replace(b'"TRUSTED"', b'"UNKNOWN"') if "/entries/" in path else data
    )

    with pytest.raises(IntegrityError):
        audit(service, tmp_path)


def test_an_altered_record_of_the_past_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)

    def bend(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        for name, text in value.get("envelopes", {}).items():
            value["envelopes"][name] = text.replace("ci", "CI")
        return value

    service.bend_answer = bend

    with pytest.raises(IntegrityError):
        audit(service, tmp_path, full=True)


def test_an_envelope_that_is_gone_without_an_erasure_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    def lose(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        names = sorted(value.get("envelopes", {}))
        return {"envelopes": {**value["envelopes"], names[0]: None}} if names else value

    service.bend_answer = lose

    with pytest.raises(IntegrityError):
        audit(service, tmp_path)


def erase_record(ledger: Ledger, index: int) -> None:
    """Erase one record."""
    view = ledger.view()
    erase(
        view,
        ledger.sequencer,
        select_erasable(view, [index]),
        author=ledger.author("admin"),
        store=ledger.store,
        blobs=None,
        reason="asked for",
    )


def test_what_was_erased_before_is_copied_without_its_envelope(
    service: LedgerService, tmp_path: Path
) -> None:
    erase_record(service.ledger, 5)

    assert audit(service, tmp_path).records == 153
    assert audit(service, tmp_path, full=True).records == 153


def test_what_is_erased_later_is_erased_in_the_copy_too(
    service: LedgerService, tmp_path: Path
) -> None:
    audit(service, tmp_path)
    leaf = service.ledger.view().leaf(5)[1]
    erase_record(service.ledger, 5)
    audit(service, tmp_path, full=True)
    store = SqliteStore.open(str(tmp_path / "state.copy"))
    name = bytes.fromhex(leaf.envelope_hex)

    assert not store.envelopes([name])
    store.close()


def witnessed(
    service: LedgerService, folder: Path, notes: list[str | None]
) -> DistantLedger:
    """Return a service's log for an auditor whose policy asks for one witness."""
    policy = load_policy(write(folder, service.ledger, "quorum 1"))
    ledger = open_distant(service, folder, log=service.ledger.key.vkey)
    ledger.choices = ledger.choices._replace(policy=policy)
    ledger._pause = lambda _: None
    left = list(notes)

    def show(path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if path == "/witnesses":
            return {"cosigned": left.pop(0) if len(left) > 1 else left[0]}
        return value

    service.bend_answer = show
    return ledger


def test_a_quorum_of_witnesses_is_waited_for(
    service: LedgerService, tmp_path: Path
) -> None:
    note = cosign(service.ledger, witness(1)).decode()
    ledger = witnessed(service, tmp_path, [None, None, note])
    state = str(tmp_path / "state")

    assert run_round(ledger, state, full=False, draw=draw).witnessed == 152


def test_a_log_that_no_witness_signs_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    ledger = witnessed(service, tmp_path, [None])
    state = str(tmp_path / "state")

    with pytest.raises(IntegrityError, match="a quorum of witnesses"):
        run_round(ledger, state, full=False, draw=draw)
    assert load_pin_file(state) is None


def test_cosignatures_that_stay_behind_what_was_shown_are_found(
    service: LedgerService, tmp_path: Path
) -> None:
    note = cosign(service.ledger, witness(1)).decode()
    service.ledger.add("later")
    audit(service, tmp_path)
    ledger = witnessed(service, tmp_path, [note])

    with pytest.raises(IntegrityError, match="its first 153 records"):
        run_round(ledger, str(tmp_path / "state"), full=False, draw=draw)


def test_a_past_that_only_the_witnesses_saw_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    other = Ledger()
    other.fill(20)
    note = cosign(other, witness(1)).decode()
    ledger = witnessed(service, tmp_path, [note])

    with pytest.raises(IntegrityError):
        run_round(ledger, str(tmp_path / "state"), full=False, draw=draw)


def test_cosignatures_of_others_do_not_count(
    service: LedgerService, tmp_path: Path
) -> None:
    note = cosign(service.ledger, witness(2)).decode()
    ledger = witnessed(service, tmp_path, [note])

    with pytest.raises(IntegrityError, match="the quorum 1"):
        run_round(ledger, str(tmp_path / "state"), full=False, draw=draw)

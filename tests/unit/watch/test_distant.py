from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import IntegrityError, NotFoundError, StorageError
from jenkins_notary.files.pins import PinFiles, load_pin_file
from jenkins_notary.ledger.pins import size_of
from jenkins_notary.watch.rounds import run_round
from tests.unit.keys.test_log_policy import cosign, witness, write
from tests.unit.ledger.ledgers import Ledger
from tests.unit.ledger.test_succession import succeed
from tests.unit.watch.services import LedgerService, open_distant
from tests.unit.watch.test_rounds import draw, witnessed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def service() -> LedgerService:
    """A service on a ledger of 302 records."""
    ledger = Ledger()
    ledger.fill(300)
    ledger.add("bad", "UNTRUSTED")
    return LedgerService(ledger)


def test_the_whole_log_is_verified(service: LedgerService, tmp_path: Path) -> None:
    said: list[str] = []
    ledger = open_distant(service, tmp_path, log=service.ledger.key.vkey, said=said)
    found = ledger.verify()

    assert (found.is_sound, found.size, found.signatures) == (True, 302, 302)
    assert said == ["bodies are not read: check them at the service"]
    assert ledger.verify(bodies=False, signatures=False).signatures == 0


def test_a_tile_that_the_leaves_do_not_give_is_found(
    service: LedgerService, tmp_path: Path
) -> None:
    # No proof of a first contact needs the trust log's tile.
    def bend(path: str, data: bytes) -> bytes:
        return bytes(len(data)) if path == "/trust/tile/0/000.p/2" else data

    service.bend_file = bend
    ledger = open_distant(service, tmp_path, log=service.ledger.key.vkey)

    with pytest.raises(IntegrityError, match="the hashes that its leaves give"):
        ledger.verify()


def test_a_log_is_exported_as_it_is_checked(
    service: LedgerService, tmp_path: Path
) -> None:
    ledger = open_distant(service, tmp_path, log=service.ledger.key.vkey)
    found = ledger.export(str(tmp_path / "tiles"))

    assert found.size == 302
    note = (tmp_path / "tiles" / "checkpoint").read_bytes()
    assert note == service.ledger.store.checkpoint()


def test_the_key_of_a_first_contact_is_said_and_pinned(
    service: LedgerService, tmp_path: Path
) -> None:
    said: list[str] = []
    open_distant(service, tmp_path, said=said).open_view()
    again: list[str] = []
    open_distant(service, tmp_path, said=again).open_view()
    service.bend_answer = lambda *_: {"vkey": 7}

    assert "first contact with ci.example.com/test" in said[0]
    assert again == []
    with pytest.raises(IntegrityError, match="its vkey"):
        open_distant(service, tmp_path / "other").open_view()


def test_a_pin_that_cannot_be_kept_is_said(
    service: LedgerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("pin", got="full")

    monkeypatch.setattr(PinFiles, "save", fail)
    said: list[str] = []
    ledger = open_distant(service, tmp_path, log=service.ledger.key.vkey, said=said)

    assert ledger.open_view().size == 302
    assert "is not kept: pin: got full" in said[0]


def test_a_service_without_a_checkpoint_has_no_log(
    service: LedgerService, tmp_path: Path
) -> None:
    service.ledger.store.checkpoint = lambda: None

    with pytest.raises(NotFoundError, match="checkpoint"):
        open_distant(service, tmp_path).open_view()


def test_a_successor_is_followed_by_who_saw_the_old_log(
    service: LedgerService, tmp_path: Path
) -> None:
    state = str(tmp_path / "state")
    ledger = open_distant(service, tmp_path)
    run_round(ledger, state, full=False, draw=draw)
    old, service.ledger = service.ledger, succeed(service.ledger, by=["admin"])
    said: list[str] = []
    reader = open_distant(service, tmp_path, said=said)
    done = run_round(reader, state, full=False, draw=draw)
    pin = load_pin_file(state)

    assert any("follows ci.example.com/test: 302 records" in one for one in said)
    assert done.origin != old.key.name
    assert (done.old_size, pin is not None and size_of(pin)) == (0, 302)
    assert len(list(tmp_path.glob("state*.ended"))) == 2


def test_the_log_is_read_anew_where_witnesses_have_seen_more(
    service: LedgerService, tmp_path: Path
) -> None:
    view = open_distant(service, tmp_path).open_view()
    service.ledger.add("later")
    note = cosign(service.ledger, witness(1)).decode()
    ledger = witnessed(service, tmp_path, [note])

    assert ledger.check_witnessed(view, 1) == 303
    assert write(tmp_path, service.ledger, "quorum 1")


def test_no_witness_is_asked_for_without_a_quorum(
    service: LedgerService, tmp_path: Path
) -> None:
    def refuse(path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        assert path != "/witnesses"
        return value

    service.bend_answer = refuse
    ledger = open_distant(service, tmp_path)

    assert ledger.check_witnessed(ledger.open_view(), 1) == 0


def test_an_audit_draws_its_own_sample(service: LedgerService, tmp_path: Path) -> None:
    ledger = open_distant(service, tmp_path)
    state = str(tmp_path / "state")
    ledger.audit(state)

    assert ledger.audit(state).records == 100

"""A log that was sealed goes on elsewhere, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import ConfigurationError, UsageError
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.seal import (
    OPEN,
    SEAL,
    Seals,
    check_open,
    read_act,
    read_seal,
)
from jenkins_notary.ledger.sequencer import Sequencer
from tests.contract.test_ledger import make_log_signer
from tests.unit.trust.builders import ORIGIN, TickingClock, author, notarization, sid

if TYPE_CHECKING:
    from jenkins_notary.values.envelope import Envelope

PLACE = "immudb://db.example.com:3322/payments"


def act(action: str, by: str = "admin", **facts: object) -> bytes:
    """Return an act of administration."""
    return author(by).sign("administration", [], {"action": action, **facts})


def may(envelope: Envelope) -> bool:
    """Return whether the administrator has signed."""
    return envelope.signatures[0].keyid == sid("admin")


def note(name: str) -> bytes:
    """Return any other record."""
    return notarization("TRUSTED", [name], ("ci",))


class Log(NamedTuple):
    """A log, and writers of it where it lies and elsewhere."""

    store: MemoryStore
    here: Sequencer
    there: Sequencer

    def seal(self, size: int) -> str | None:
        """Return where the log went on at a size."""
        return read_seal(self.store, size, may)


@pytest.fixture
def log() -> Log:
    store, signer = MemoryStore(), make_log_signer()
    verifiers, clock = [load_log_verifier(signer.vkey)], TickingClock()
    here, there = (
        Sequencer(store, signer, verifiers, clock, seals=Seals(may, place))
        for place in ("sqlite:///var/lib/notary.db", PLACE)
    )
    append_genesis(here, author("admin"), ORIGIN)
    return Log(store, here, there)


def test_nothing_but_its_opening_follows_a_seal(log: Log) -> None:
    before = note("app")
    log.here.append([before])
    log.here.append([act(SEAL, to=PLACE)])

    assert log.seal(3) == PLACE
    with pytest.raises(ConfigurationError) as caught:
        log.here.append([note("other")])
    assert PLACE in str(caught.value)
    assert "#2" in str(caught.value)
    # What is there already is answered, as ever.
    assert log.here.append([before])[0].index == 1
    log.there.append([act(OPEN, sealed=2)])
    assert log.seal(4) is None
    assert log.there.append([note("x")])[0].index == 4


@pytest.mark.parametrize(
    ("where", "opening"),
    [
        pytest.param("here", act(OPEN, sealed=1), id="not-where-it-went"),
        pytest.param("there", act(OPEN, "ci", sealed=1), id="by-another-signer"),
        pytest.param("there", act(OPEN, sealed=0), id="of-another-seal"),
        pytest.param("there", act("token-create", sealed=1), id="another-act"),
    ],
)
def test_a_sealed_log_goes_on_in_one_place_alone(
    log: Log, where: str, opening: bytes
) -> None:
    log.here.append([act(SEAL, to=PLACE)])

    with pytest.raises(ConfigurationError):
        getattr(log, where).append([opening])
    assert log.seal(2) == PLACE


def test_a_seal_by_any_other_signer_closes_nothing(log: Log) -> None:
    log.here.append([act(SEAL, "ci", to=PLACE)])

    assert log.seal(2) is None
    assert log.here.append([note("app")])[0].index == 2


def test_nothing_stands_behind_a_seal_in_one_commit(log: Log) -> None:
    with pytest.raises(UsageError):
        log.here.append([act(SEAL, to=PLACE), note("app")])
    log.here.append([note("app"), act(SEAL, to=PLACE)])
    with pytest.raises(ConfigurationError):
        log.here.append([note("other")])


def test_where_nobody_may_seal_nothing_is_sealed(log: Log) -> None:
    check_open(log.store, 1, [act(SEAL, to=PLACE)], None)
    log.here.append([act(SEAL, to=PLACE)])
    check_open(log.store, 2, [note("app")], None)


def test_any_other_record_at_the_end_is_no_seal(log: Log) -> None:
    assert log.seal(0) is None
    assert log.seal(1) is None
    log.here.append([act("token-create")])
    assert log.seal(2) is None
    log.here.append([act(SEAL, to=PLACE)])
    log.store.erase(list(log.store.scan_envelopes()), [])
    assert log.seal(3) is None


def test_only_an_act_of_administration_says_anything() -> None:
    assert read_act(act(SEAL, to=PLACE))["to"] == PLACE
    assert read_act(note("app")) == {}

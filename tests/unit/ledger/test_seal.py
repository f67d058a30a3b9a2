"""A log that was sealed goes on elsewhere, and nowhere else."""

from __future__ import annotations

import pytest

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import ConfigurationError
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.seal import OPEN, SEAL, action_of, read_seal
from jenkins_notary.ledger.sequencer import Sequencer
from tests.contract.test_ledger import make_log_signer
from tests.unit.trust.builders import ORIGIN, TickingClock, author, notarization

PLACE = "immudb://db.example.com:3322/payments"


def act(action: str, **facts: object) -> bytes:
    """Return an act of administration."""
    return author("admin").sign("administration", [], {"action": action, **facts})


@pytest.fixture
def log() -> tuple[MemoryStore, Sequencer]:
    from jenkins_notary.keys.log_key import load_log_verifier

    store, signer = MemoryStore(), make_log_signer()
    verifiers = [load_log_verifier(signer.vkey)]
    sequencer = Sequencer(store, signer, verifiers, TickingClock())
    append_genesis(sequencer, author("admin"), ORIGIN)
    return store, sequencer


def test_nothing_but_its_opening_follows_a_seal(
    log: tuple[MemoryStore, Sequencer],
) -> None:
    store, sequencer = log
    before = notarization("TRUSTED", ["app"], ("ci",))
    sequencer.append([before])
    sequencer.append([act(SEAL, to=PLACE)])

    assert read_seal(store, 3) == PLACE
    with pytest.raises(ConfigurationError) as caught:
        sequencer.append([notarization("TRUSTED", ["other"], ("ci",))])
    assert PLACE in str(caught.value)
    assert "#2" in str(caught.value)
    # What is there already is answered, as ever.
    assert sequencer.append([before])[0].index == 1
    sequencer.append([act(OPEN, sealed=2)])
    assert read_seal(store, 4) is None
    assert sequencer.append([notarization("TRUSTED", ["x"], ("ci",))])[0].index == 4


def test_any_other_record_at_the_end_is_no_seal(
    log: tuple[MemoryStore, Sequencer],
) -> None:
    store, sequencer = log
    assert read_seal(store, 0) is None
    assert read_seal(store, 1) is None
    sequencer.append([act("token-create")])
    assert read_seal(store, 2) is None
    digest = next(store.scan_envelopes())
    store.erase(list(store.scan_envelopes()), [])
    assert read_seal(store, 2) is None
    assert digest


def test_only_an_act_of_administration_has_an_action() -> None:
    assert action_of(act(SEAL)) == SEAL
    assert action_of(notarization("TRUSTED", ["app"], ("ci",))) is None

from __future__ import annotations

from typing import Any

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.author import describe_signer
from jenkins_notary.trust.signers import Ignored, Trust
from tests.unit.trust.builders import (
    ORIGIN,
    VERIFIER,
    Records,
    digest,
    enrolment,
    forge,
    genesis_facts,
    key,
    notarization,
    prove,
    sid,
    sign_predicate,
    trust_act,
)

NOT_SIGNED = "not signed by enough administrators"


def test_before_the_genesis_nobody_may_speak() -> None:
    trust = Trust(VERIFIER)

    assert (trust.origin, trust.signers, trust.administrators) == ("", {}, {})
    assert trust.level(sid("ci")) == -1


def test_the_genesis_enrols_its_administrators() -> None:
    trust = Records(("alpha", "beta"), threshold=2).trust()

    assert trust.origin == ORIGIN
    assert trust.threshold == 2
    assert trust.administrators == {
        sid("alpha"): key("alpha").public_der,
        sid("beta"): key("beta").public_der,
    }
    assert trust.level(sid("alpha")) == 1
    assert trust.succeeds is None


def test_a_genesis_may_follow_another_log() -> None:
    facts = {**genesis_facts(["admin"]), "succeeds": "old note"}
    trust = Trust(VERIFIER)
    trust.apply(prove(trust_act("genesis", **facts), 0))

    assert trust.succeeds == "old note"


@pytest.mark.parametrize(
    ("index", "envelope"),
    [
        (1, trust_act("genesis", **genesis_facts(["admin"]))),
        (0, trust_act("enrol", **enrolment("ci"))),
        (0, trust_act("genesis", ["stranger"], **genesis_facts(["admin"]))),
        (0, trust_act("genesis", ["admin"], **genesis_facts(["admin", "other"], 2))),
        (0, trust_act("genesis", **{**genesis_facts(["admin"]), "origin": ""})),
        (0, trust_act("genesis", **{**genesis_facts(["admin"]), "origin": 7})),
        (0, trust_act("genesis", **genesis_facts(["admin"], 0))),
        (0, trust_act("genesis", **genesis_facts(["admin"], 2))),
        (0, trust_act("genesis", **genesis_facts([], 1))),
        (0, forge(trust_act("genesis", **genesis_facts(["admin"])), sid("other"))),
        (0, sign_predicate("trust", {}, "admin")),
    ],
    ids=[
        "not-first",
        "another-action",
        "signed-by-a-stranger",
        "signed-by-too-few",
        "no-origin",
        "origin-no-text",
        "threshold-0",
        "threshold-too-high",
        "no-administrators",
        "forged-key-id",
        "no-action",
    ],
)
def test_a_faulty_genesis_is_an_integrity_error(index: int, envelope: bytes) -> None:
    with pytest.raises(IntegrityError, match="genesis signed by the administrators"):
        Trust(VERIFIER).apply(prove(envelope, index))


def test_an_erased_trust_record_is_an_integrity_error() -> None:
    log = Records()
    log.erase(log.enrol("ci"))

    with pytest.raises(IntegrityError, match="cannot be erased"):
        log.trust()


def test_a_record_that_no_administrator_signed_is_ignored_and_listed() -> None:
    log = Records()
    index = log.act("enrol", ["ci"], **enrolment("ci", 9))
    other = log.add(forge(trust_act("enrol", ["ci"], **enrolment("ci")), sid("admin")))

    trust = log.trust()

    assert trust.ignored == [Ignored(index, NOT_SIGNED), Ignored(other, NOT_SIGNED)]
    assert sid("ci") not in trust.signers


def test_an_enrolled_signer_is_no_administrator() -> None:
    log = Records()
    log.enrol("ci", 1_000_000)
    index = log.act("enrol", ["ci"], **enrolment("evil"))

    assert log.trust().ignored == [Ignored(index, NOT_SIGNED)]


def test_a_threshold_asks_for_different_administrators() -> None:
    log = Records(("alpha", "beta", "gamma"), threshold=2)
    alone = log.act("enrol", ["alpha"], **enrolment("a"))
    twice = log.act("enrol", ["alpha", "alpha"], **enrolment("b"))
    helped = log.act("enrol", ["alpha", "stranger"], **enrolment("c"))
    log.act("enrol", ["gamma", "stranger", "alpha"], **enrolment("d"))

    trust = log.trust()

    assert [one.index for one in trust.ignored] == [alone, twice, helped]
    assert sid("d") in trust.signers


def test_new_administrators_replace_the_old_ones() -> None:
    log = Records()
    index = log.act(
        "administrators",
        administrators=[describe_signer(key("next"))],
        threshold=1,
    )
    ignored = log.enrol("ci")
    log.act("enrol", ["next"], **enrolment("ci2", 3))

    trust = log.trust()

    assert trust.administrators == {sid("next"): key("next").public_der}
    assert [one.index for one in trust.ignored] == [ignored]
    assert trust.signers[sid("next")].index == index
    assert trust.level(sid("ci2")) == 3
    assert sid("admin") in trust.signers


def test_an_administrator_keeps_level_and_place_when_named_again() -> None:
    log = Records()
    log.act("level", signerId=sid("admin"), level=7)
    log.act(
        "administrators",
        administrators=[describe_signer(key("admin"))],
        threshold=1,
    )

    trust = log.trust()

    assert trust.level(sid("admin")) == 7
    assert trust.signers[sid("admin")].index == 0


def test_a_revoked_administrator_authorizes_nothing_from_there_on() -> None:
    log = Records(("alpha", "beta"))
    log.act("enrol", ["alpha"], **enrolment("ci"))
    log.act("revoke", ["beta"], signerId=sid("alpha"), fromIndex=2)
    index = log.act("enrol", ["alpha"], **enrolment("evil"))

    trust = log.trust()

    assert trust.ignored == [Ignored(index, NOT_SIGNED)]
    assert sid("ci") in trust.signers


def test_the_earliest_of_several_revocations_stands() -> None:
    log = Records()
    log.enrol("ci")
    for start in (8, 5, 9):
        log.act("revoke", signerId=sid("ci"), fromIndex=start)

    trust = log.trust()

    assert trust.signers[sid("ci")].revoked_from == 5
    assert not trust.is_revoked(sid("ci"), 4)
    assert trust.is_revoked(sid("ci"), 5)
    assert not trust.is_revoked(sid("nobody"), 5)


def test_a_revocation_from_index_0_is_not_lost() -> None:
    log = Records()
    log.enrol("ci")
    for start in (0, 5):
        log.act("revoke", signerId=sid("ci"), fromIndex=start)

    assert log.trust().is_revoked(sid("ci"), 0)


def test_enrolling_a_revoked_signer_again_does_not_lift_it() -> None:
    log = Records()
    first = log.enrol("ci")
    log.act("revoke", signerId=sid("ci"), fromIndex=1)
    log.enrol("ci", 4)

    trust = log.trust()

    assert trust.signers[sid("ci")].revoked_from == 1
    assert trust.signers[sid("ci")].index == first
    assert trust.level(sid("ci")) == 4


def test_an_administrator_vouches_for_a_key_and_not_for_a_date() -> None:
    log = Records()
    joined = log.enrol("ci", 1, "acme")
    log.act("org-remove", org="acme", signers=[sid("ci")])
    back = log.act("org-add", org="acme", signers=[sid("ci")])

    trust = log.trust()

    places = range(back + 2)
    assert [trust.is_member(sid("ci"), "acme", at) for at in places] == [
        True,  # Before the first change, which let it join.
        joined == 1,
        False,
        True,
        True,
    ]
    assert not trust.is_member(sid("ci"), "other", 1)
    assert not trust.is_member(sid("other"), "acme", 1)


def test_one_that_was_only_ever_removed_is_no_member() -> None:
    log = Records()
    log.act("org-remove", org="acme", signers=[sid("ci")])

    assert not log.trust().is_member(sid("ci"), "acme", 0)


def test_orgs_are_listed_with_their_present_members() -> None:
    log = Records()
    log.enrol("ci", 1, "beta", "acme")
    log.act("org-remove", org="acme", signers=[sid("ci")])

    assert log.trust().orgs() == {"acme": (), "beta": (sid("ci"),)}


def test_key_rotations_and_exemptions_are_kept() -> None:
    log = Records()
    first = log.act("ledger-key", note="a note")
    facts = {"owner": "o", "reason": "r", "expiresAt": "2030-01-01T00:00:00Z"}
    second = log.act("exempt", sha256=digest("app"), **facts)

    trust = log.trust()

    assert trust.ledger_keys == [(first, "a note")]
    assert trust.exemptions[digest("app")].index == second
    assert trust.exemptions[digest("app")].owner == "o"


@pytest.mark.parametrize(
    ("action", "facts", "reason"),
    [
        ("dance", {}, "unknown action 'dance'"),
        ("genesis", genesis_facts(["admin"]), "a second genesis"),
        ("level", {"signerId": sid("none"), "level": 2}, "is not enrolled"),
        ("revoke", {"signerId": sid("none"), "fromIndex": 2}, "is not enrolled"),
        ("level", {"signerId": sid("ci"), "level": -1}, "level -1"),
        (
            "org-add",
            {"org": "acme", "signers": [sid("ci")], "origin": "other.example/1"},
            "made for the log 'other.example/1'",
        ),
        (
            "org-add",
            {"org": "acme", "signers": [sid("ci")], "origin": ["x"]},
            "made for the log",
        ),
    ],
)
def test_a_record_that_cannot_be_followed_is_ignored_and_listed(
    action: str, facts: dict[str, Any], reason: str
) -> None:
    log = Records()
    log.enrol("ci")
    index = log.act(action, **facts)

    (ignored,) = log.trust().ignored

    assert ignored.index == index
    assert reason in ignored.reason
    assert log.trust().orgs() == {}


def test_a_trust_record_may_name_its_own_log() -> None:
    log = Records()
    log.act("enrol", origin=ORIGIN, **enrolment("ci"))

    assert sid("ci") in log.trust().signers


def test_an_action_that_is_no_text_is_ignored() -> None:
    log = Records()
    index = log.add(sign_predicate("trust", {"action": ["enrol"]}, "admin"))

    assert [one.index for one in log.trust().ignored] == [index]


def test_a_notarization_is_no_trust_record() -> None:
    log = Records()
    log.add(notarization("TRUSTED", ["app"], ("admin",), action="enrol"))

    assert log.trust().signers.keys() == {sid("admin")}


class TestInheritance:
    """A log that follows another one starts with the genesis of that one."""

    def facts(self, *names: str) -> dict[str, Any]:
        old = {**genesis_facts(["alpha"]), "origin": "old.example.com/1"}
        inherits = {
            "genesis": trust_act("genesis", ["alpha"], **old).decode(),
            "checkpoint": "a note",
            "size": 3,
        }
        return {**genesis_facts(names), "inherits": inherits}

    def test_the_old_administrators_stay(self) -> None:
        trust = Trust(VERIFIER)
        facts = self.facts("beta")
        trust.apply(prove(trust_act("genesis", ["beta", "alpha"], **facts), 0))
        act = trust_act(
            "enrol", ["alpha"], origin="old.example.com/1", **enrolment("a")
        )
        late = trust_act(
            "enrol", ["alpha"], origin="old.example.com/1", **enrolment("b")
        )
        trust.apply(prove(act, 2))
        trust.apply(prove(late, 3))

        assert trust.origin == ORIGIN
        assert sid("alpha") in trust.administrators
        assert sid("a") in trust.signers
        assert sid("b") not in trust.signers
        assert [one.index for one in trust.ignored] == [3]

    def test_the_new_administrators_must_sign_too(self) -> None:
        envelope = trust_act("genesis", ["alpha"], **self.facts("beta"))

        with pytest.raises(IntegrityError, match="signed by the administrators"):
            Trust(VERIFIER).apply(prove(envelope, 0))

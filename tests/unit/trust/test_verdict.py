from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.trust.verdict import TrustRule, decide, linked_digests
from jenkins_notary.values.status import Status
from tests.unit.trust.builders import (
    VERIFIER,
    Records,
    digest,
    foreign,
    forge,
    key,
    notarization,
    sid,
    sign_predicate,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ACME = TrustRule(org="acme")


@pytest.fixture
def log() -> Records:
    """A log with a build's key, a rebuild's key and security's key, one level each."""
    records = Records()
    records.enrol("ci", 1, "acme")
    records.enrol("ci2", 1, "acme")
    records.enrol("security", 5, "acme")
    return records


def test_a_digest_that_no_record_names_is_unknown(log: Records) -> None:
    verdict = log.decide("app")

    assert verdict.status is Status.UNKNOWN
    assert verdict.record is None
    assert verdict.reason == "no record names this digest"


def test_the_last_record_of_an_enrolled_signer_counts(log: Records) -> None:
    log.note("TRUSTED", "app")
    last = log.note("TRUSTED", "app")

    verdict = log.decide("app")

    assert verdict.status is Status.TRUSTED
    assert verdict.record is not None
    assert verdict.record.index == last
    assert (verdict.reason, verdict.advice) == (f"record #{last}", "")
    assert [one.index for one in verdict.counted] == [last - 1, last]


def test_a_signer_that_is_not_enrolled_never_counts(log: Records) -> None:
    index = log.note("TRUSTED", "app", by="stranger")

    verdict = log.decide("app")

    assert verdict.status is Status.UNKNOWN
    assert f"#{index}" in verdict.reason
    assert verdict.advice == f"jenkins-notary signer enrol {sid('stranger')}"


def test_a_foreign_key_id_is_told_as_such(log: Records) -> None:
    log.add(forge(notarization("TRUSTED", ["app"]), ""))

    verdict = log.decide("app")

    assert verdict.status is Status.UNKNOWN
    assert "a key of another kind" in verdict.reason
    assert "enrol 0x" not in verdict.advice


def test_keys_that_the_reader_names_count_without_enrolment(log: Records) -> None:
    log.note("TRUSTED", "app", by="stranger")
    log.note("UNTRUSTED", "app", by="security")

    assert log.status("app", TrustRule(keys=(sid("stranger"),))) == "TRUSTED"


def test_a_named_key_that_is_not_in_the_statement_is_an_error(log: Records) -> None:
    predicate = {"status": "TRUSTED"}
    record = sign_predicate("notarization", predicate, "stranger")
    log.add(record)
    log.all[-1] = log.all[-1]._replace(
        leaf=log.all[-1].leaf._replace(subjects=(digest("app"),))
    )

    with pytest.raises(IntegrityError, match="the public key of 0x"):
        log.decide("app", TrustRule(keys=(sid("stranger"),)))


def test_org_wins_over_keys(log: Records) -> None:
    log.note("TRUSTED", "app", by="stranger")

    rule = TrustRule(org="acme", keys=(sid("stranger"),))

    assert log.status("app", rule) == "UNKNOWN"
    assert "not enrolled" in log.decide("app", rule).reason


def test_an_enrolled_signer_outside_the_org_is_named(log: Records) -> None:
    log.enrol("other")
    index = log.note("TRUSTED", "app", by="other")

    verdict = log.decide("app", ACME)

    assert verdict.status is Status.UNKNOWN
    assert verdict.reason == (
        f"record #{index} is by {sid('other')}, which is not of org acme"
    )


def test_an_enrolled_signer_that_is_not_among_the_keys_is_named(log: Records) -> None:
    log.note("TRUSTED", "app")

    verdict = log.decide("app", TrustRule(keys=(sid("other"),)))

    assert "not of trust.keys" in verdict.reason


def test_a_member_that_was_never_enrolled_does_not_count(log: Records) -> None:
    log.act("org-add", org="acme", signers=[sid("stranger")])
    log.note("TRUSTED", "app", by="stranger")

    assert log.status("app", ACME) == "UNKNOWN"


def test_the_highest_level_speaks_alone(log: Records) -> None:
    log.note("UNTRUSTED", "app", by="security")
    log.note("TRUSTED", "app", by="ci")
    log.note("UNSUPPORTED", "lib", by="ci")
    log.note("TRUSTED", "lib", by="security")

    assert log.status("app") == "UNTRUSTED"
    assert log.status("lib") == "TRUSTED"


@pytest.mark.parametrize("negative", ["UNTRUSTED", "UNSUPPORTED"])
def test_a_rebuild_does_not_lift_a_negative_record(log: Records, negative: str) -> None:
    log.note("TRUSTED", "app", by="security")
    index = log.note(negative, "app", by="security", reason="CVE-1")
    log.note("TRUSTED", "app", by="security")

    verdict = log.decide("app")

    assert verdict.status.name == negative
    assert verdict.reason == f"record #{index}: CVE-1"
    assert f"--supersede {index}" in verdict.advice


def test_a_record_that_supersedes_lifts_a_negative_one(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security")
    lift = log.note("TRUSTED", "app", by="security", supersedes=[index])

    verdict = log.decide("app")

    assert verdict.status is Status.TRUSTED
    assert verdict.record is not None
    assert verdict.record.index == lift


def test_every_standing_negative_must_be_named(log: Records) -> None:
    first = log.note("UNTRUSTED", "app", by="security")
    second = log.note("UNTRUSTED", "app", by="security")
    log.note("TRUSTED", "app", by="security", supersedes=[first])

    verdict = log.decide("app")
    log.note("TRUSTED", "app", by="security", supersedes=[second])

    assert verdict.status is Status.UNTRUSTED
    assert "--supersede 5" in verdict.advice
    assert "--supersede 4" not in verdict.advice
    assert log.status("app") == "TRUSTED"


def test_a_lower_level_lifts_nothing(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security")
    log.note("TRUSTED", "app", by="ci", supersedes=[index])

    assert log.status("app", ACME) == "UNTRUSTED"


def test_a_signer_that_does_not_count_lifts_nothing(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security")
    log.note("TRUSTED", "app", by="stranger", supersedes=[index])

    assert log.status("app", ACME) == "UNTRUSTED"
    assert log.status("app") == "UNTRUSTED"


def test_a_negative_record_after_the_lift_stands(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security")
    log.note("TRUSTED", "app", by="security", supersedes=[index, index + 2])
    log.note("UNTRUSTED", "app", by="security")

    assert log.status("app") == "UNTRUSTED"


def test_records_from_a_revocation_on_are_revoked_and_older_ones_stand(
    log: Records,
) -> None:
    first = log.note("TRUSTED", "app")
    log.note("TRUSTED", "lib")
    log.act("revoke", signerId=sid("ci"), fromIndex=first + 1)

    assert log.status("app") == "TRUSTED"
    assert log.status("lib") == "REVOKED"
    assert "not revoked" in log.decide("lib").advice


def test_a_revoked_signer_lifts_nothing_and_says_nothing_negative(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security")
    log.note("TRUSTED", "app", by="security", supersedes=[index])
    log.note("UNTRUSTED", "lib", by="security")
    log.note("TRUSTED", "lib", by="security")
    log.act("revoke", signerId=sid("security"), fromIndex=index + 1)

    assert log.status("app") == "UNTRUSTED"
    assert log.status("lib") == "REVOKED"


def test_another_signer_ends_a_revoked_verdict(log: Records) -> None:
    log.note("TRUSTED", "app")
    log.act("revoke", signerId=sid("ci"), fromIndex=1)
    log.note("TRUSTED", "app", by="ci2")

    assert log.status("app") == "TRUSTED"


def test_an_erased_negative_record_stands_by_its_leaf(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security", reason="secret name")
    log.erase(index, 77)

    verdict = log.decide("app")

    assert verdict.status is Status.UNTRUSTED
    assert verdict.reason == f"record #{index}: its envelope was erased by #77"


def test_an_erased_positive_record_is_unknown(log: Records) -> None:
    log.erase(log.note("TRUSTED", "app"), 77)

    verdict = log.decide("app")

    assert verdict.status is Status.UNKNOWN
    assert verdict.advice == "notarize it again"


def test_an_erased_lift_lifts_nothing(log: Records) -> None:
    index = log.note("UNTRUSTED", "app", by="security")
    log.erase(log.note("TRUSTED", "app", by="security", supersedes=[index]))

    assert log.status("app") == "UNTRUSTED"


def test_what_a_change_request_records_is_unknown_and_lifts_nothing(
    log: Records,
) -> None:
    job = {"id": "ci.example.com:payments/PR-7#1", "class": "change"}
    log.note("TRUSTED", "app", job=job)
    index = log.note("UNTRUSTED", "lib")
    log.note("TRUSTED", "lib", job=job, supersedes=[index])

    assert log.decide("app").status is Status.UNKNOWN
    assert "change request" in log.decide("app").reason
    assert log.decide("lib").status is Status.UNTRUSTED


def test_what_says_nothing_hides_no_record_before_it(log: Records) -> None:
    job = {"id": "ci.example.com:payments/PR-7#1", "class": "change"}
    index = log.note("TRUSTED", "app")
    log.note("TRUSTED", "app", job=job)
    verdict = log.decide("app")

    assert verdict.status is Status.TRUSTED
    assert verdict.reason == f"record #{index}"


def test_a_dirty_tree_is_never_trusted_and_lifts_nothing(log: Records) -> None:
    dirty = [{"kind": "git", "subjects": [0], "dirty": True}]
    log.note("TRUSTED", "app", assets=dirty)
    index = log.note("UNTRUSTED", "lib")
    log.note("TRUSTED", "lib", assets=dirty, supersedes=[index])

    assert log.status("app") == "UNKNOWN"
    assert "dirty tree" in log.decide("app").reason
    assert log.status("lib") == "UNTRUSTED"


def test_dirt_in_one_asset_does_not_touch_another(log: Records) -> None:
    assets = [{"subjects": [0], "dirty": True}, {"subjects": [1]}]
    log.note("TRUSTED", "tree", "app", assets=assets)

    assert log.status("tree") == "UNKNOWN"
    assert log.status("app") == "TRUSTED"


def test_dirt_under_a_standard_predicate_is_seen(log: Records) -> None:
    facts = {"status": "TRUSTED", "assets": [{"subjects": [0], "dirty": True}]}
    log.add(foreign("https://slsa.dev/provenance/v1", ["app"], facts, "ci"))

    assert log.status("app") == "UNKNOWN"


@pytest.mark.parametrize(
    "assets",
    [
        7,
        "text",
        {"subjects": [0]},
        [None, 7, "x", []],
        [{"subjects": 7, "dirty": True}],
        [{"subjects": "0", "dirty": True}],
        [{"subjects": {"0": 1}}],
        [{"subjects": [1, 99, 1 << 70]}],
        [{"subjects": [-1, -2]}],
        [{"subjects": [True, 0.0, None, "0", [0]]}],
    ],
    ids=repr,
)
def test_hostile_assets_neither_crash_nor_link(log: Records, assets: object) -> None:
    log.note("TRUSTED", "app", "other", assets=assets)
    log.note("UNTRUSTED", "other")

    assert log.status("app") == "TRUSTED"


@pytest.mark.parametrize("reason", [None, 7, ["x"], {"a": 1}], ids=repr)
def test_a_reason_that_is_no_text_is_left_out(log: Records, reason: object) -> None:
    index = log.note("UNTRUSTED", "app", reason=reason)

    assert log.decide("app").reason == f"record #{index}"


class TestLinks:
    def test_a_negative_record_on_a_linked_digest_applies_to_all(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "index", "platform", "config")
        log.note("UNTRUSTED", "config")

        assert [log.status(n) for n in ("index", "platform", "config")] == [
            "UNTRUSTED"
        ] * 3

    def test_what_is_linked_to_a_linked_digest_only_is_not(self, log: Records) -> None:
        log.note("TRUSTED", "index1", "platform")
        log.note("TRUSTED", "index2", "platform", "other")
        log.note("UNTRUSTED", "other")

        assert log.status("index2") == "UNTRUSTED"
        assert log.status("platform") == "UNTRUSTED"
        assert log.status("index1") == "TRUSTED"

    def test_a_later_record_without_the_link_does_not_undo_it(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "index", "config")
        log.note("UNTRUSTED", "config")
        log.note("TRUSTED", "index")

        assert log.status("index") == "UNTRUSTED"

    def test_a_trusted_word_on_a_linked_digest_is_none_on_this_one(
        self, log: Records
    ) -> None:
        bad = log.note("UNTRUSTED", "evil", "config")
        log.note("TRUSTED", "config", supersedes=[bad])

        verdict = log.decide("evil")

        assert verdict.status is Status.UNKNOWN
        assert verdict.record is None

    def test_a_lift_on_the_linked_digest_lets_the_own_word_stand_again(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "index", "config")
        bad = log.note("UNTRUSTED", "config")
        own = log.note("TRUSTED", "index")
        log.note("TRUSTED", "config", supersedes=[bad])

        verdict = log.decide("index")

        assert verdict.status is Status.TRUSTED
        assert verdict.record is not None
        assert verdict.record.index == own

    def test_the_own_word_may_be_of_a_lower_level_than_the_lift(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "index", "config", by="ci")
        bad = log.note("UNTRUSTED", "config", by="security")
        before = log.status("index")
        log.note("TRUSTED", "config", by="security", supersedes=[bad])

        assert before == "UNTRUSTED"
        assert log.status("index") == "TRUSTED"

    def test_a_negative_word_of_a_lower_level_does_not_reach_a_linked_digest(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "index", "config", by="security")
        log.note("UNTRUSTED", "config", by="ci")

        assert log.status("index") == "TRUSTED"

    def test_a_stranger_cannot_tie_a_good_digest_to_a_bad_one(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "good")
        log.note("UNTRUSTED", "bad", by="security")
        log.note("TRUSTED", "good", "bad", by="stranger")

        assert log.status("good") == "TRUSTED"

    def test_a_stranger_cannot_tie_a_bad_digest_to_a_good_one(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "good", by="security")
        log.note("TRUSTED", "evil", "good", by="stranger")

        assert log.status("evil") == "UNKNOWN"

    def test_a_revoked_signer_ties_nothing(self, log: Records) -> None:
        log.note("TRUSTED", "good")
        log.note("UNTRUSTED", "bad", by="ci2")
        index = log.note("TRUSTED", "good", "bad", by="ci")
        log.note("TRUSTED", "good", by="ci2")
        log.act("revoke", signerId=sid("ci"), fromIndex=index)

        assert log.status("good") == "TRUSTED"

    def test_a_forged_record_on_a_linked_digest_is_an_error(self, log: Records) -> None:
        log.note("TRUSTED", "index", "config")
        log.add(forge(notarization("UNTRUSTED", ["config"]), sid("ci"), b"\0" * 64))

        with pytest.raises(IntegrityError, match="a good signature"):
            log.decide("index")

    def test_links_of_one_digest_are_the_groups_that_hold_it(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "a", "b")
        log.note("TRUSTED", "b", "c")

        assert linked_digests(digest("a"), log.all) == {digest("a"), digest("b")}
        assert linked_digests(digest("z"), log.all) == {digest("z")}


class TestForgery:
    @pytest.mark.parametrize("status", ["TRUSTED", "UNTRUSTED"])
    def test_a_claimed_signer_without_a_good_signature_is_an_error(
        self, log: Records, status: str
    ) -> None:
        index = log.add(forge(notarization(status, ["app"], ["stranger"]), sid("ci")))

        with pytest.raises(IntegrityError, match=f"record #{index}: expected a good"):
            log.decide("app")

    def test_a_forged_record_of_a_signer_that_does_not_count_is_ignored(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "app", by="security")
        log.add(forge(notarization("UNTRUSTED", ["app"], ["stranger"]), sid("ci")))

        assert log.status("app") == "TRUSTED"
        assert log.status("app", TrustRule(keys=(sid("security"),))) == "TRUSTED"

    def test_a_signature_over_another_statement_is_bad(self, log: Records) -> None:
        other = notarization("UNTRUSTED", ["app"])
        taken = log.all[log.add(other)].envelope
        assert taken is not None
        log.all.pop()
        log.add(
            forge(notarization("TRUSTED", ["app"]), sid("ci"), taken.signatures[0].sig)
        )

        with pytest.raises(IntegrityError, match="a bad one"):
            log.decide("app")

    def test_the_first_of_several_signatures_names_the_signer(
        self, log: Records
    ) -> None:
        log.add(notarization("TRUSTED", ["app"], ["stranger", "ci"]))
        log.add(notarization("TRUSTED", ["lib"], ["ci", "stranger"]))

        assert log.status("app") == "UNKNOWN"
        assert log.status("lib") == "TRUSTED"


def test_the_order_in_which_records_are_handed_in_does_not_matter(
    log: Records,
) -> None:
    index = log.note("UNTRUSTED", "app")
    log.note("TRUSTED", "app", supersedes=[index])
    trust = log.trust()

    verdicts = [
        decide(digest("app"), records, trust, TrustRule(), verifier=VERIFIER)
        for records in (log.all, log.all[::-1])
    ]

    assert verdicts[0] == verdicts[1]


def test_a_key_that_was_enrolled_later_counts_for_what_it_signed_before() -> None:
    log = Records()
    log.note("TRUSTED", "app", by="late")
    before = log.status("app")
    log.enrol("late")

    assert before == "UNKNOWN"
    assert log.status("app") == "TRUSTED"


@pytest.mark.parametrize(
    "rule",
    [TrustRule(), ACME, TrustRule(keys=("0x" + "00" * 20,)), TrustRule(org="")],
    ids=["levels", "org", "keys", "no-org"],
)
def test_records_without_a_status_change_nothing(log: Records, rule: TrustRule) -> None:
    log.note(None, "app", by="security")

    verdict = log.decide("app", rule)

    assert verdict.status is Status.UNKNOWN
    assert verdict.reason == "no record names this digest"


def test_an_ecdsa_signer_counts_too(log: Records, ecdsa: Callable[[], Any]) -> None:
    ecdsa()
    log.enrol("ecdsa")
    log.note("TRUSTED", "app", by="ecdsa")

    assert log.status("app") == "TRUSTED"


@pytest.fixture
def ecdsa(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make the key of the name "ecdsa" a P-256 one."""
    from cryptography.hazmat.primitives.asymmetric import ec

    from jenkins_notary.keys.signatures import EcdsaSigner
    from tests.unit.trust import builders

    signer = EcdsaSigner(ec.generate_private_key(ec.SECP256R1()))

    def install() -> None:
        monkeypatch.setattr(
            builders, "key", lambda name: signer if name == "ecdsa" else key(name)
        )

    return install

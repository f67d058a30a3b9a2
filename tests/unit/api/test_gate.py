from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.gate import load_policy
from jenkins_notary.errors import (
    ConfigurationError,
    FaultsError,
    IntegrityError,
    NotaryError,
    NotFoundError,
)
from jenkins_notary.trust.policy import MAX_BYTES
from tests.unit.api.people import JOB, digest, tamper

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.gate import GateDecision
    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

ANY = b"version: 1\nrules: [{name: any}]\n"


def policy(require: dict[str, object], **match: object) -> bytes:
    """Return a policy of one rule."""
    rule = {"name": "one", "match": match, "require": require}
    return json.dumps({"version": 1, "rules": [rule]}).encode()


def ask(
    notary: Notary, data: bytes, *names: str, as_of: str | None = None
) -> list[int]:
    """Return the codes of the decisions on some names' digests."""
    words = [digest(name) for name in names]
    return [one.code for one in notary.gate(data, words, as_of=as_of)]


def checks(decision: GateDecision) -> list[str]:
    """Return which checks failed."""
    return [reason.check for reason in decision.reasons]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git work tree with one commit."""
    folder = tmp_path / "work" / "repository"
    folder.mkdir()
    (folder / "main.c").write_text("int main;")
    for argv in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return folder


def test_trusted_asset_is_allowed(admin: Person, notary: Notary) -> None:
    admin.record("app")

    (one,) = notary.gate(ANY, [digest("app")])

    assert (one.code, one.allowed, one.reasons, one.rules) == (0, True, (), ("any",))
    assert one.asset.status is not None
    assert one.policy.startswith("sha256:")
    said = one.to_dict()
    assert (said["code"], said["allowed"], said["reasons"]) == (0, True, [])
    assert said["status"] == "TRUSTED"
    json.dumps(said)


def test_every_reason_is_named(admin: Person, notary: Notary) -> None:
    admin.record("app", job=JOB)
    notary.untrust([digest("app")], reason="CVE")
    strict = policy({"org": "acme", "job": ["other/**"], "max_age": "1d"})

    (one,) = notary.gate(strict, [digest("app")])

    assert (one.code, one.allowed) == (5, False)
    assert len(one.reasons) > 1
    assert all(reason.advice for reason in one.reasons)
    assert [reason["check"] for reason in one.to_dict()["reasons"]] == checks(one)


def test_asset_that_no_rule_matches_is_denied(admin: Person, notary: Notary) -> None:
    admin.record("app")

    (one,) = notary.gate(policy({}, kind=["image"]), [digest("app")])

    assert (one.code, checks(one)) == (5, ["match"])


def test_rule_matches_the_name_that_is_given(admin: Person, notary: Notary) -> None:
    admin.record("app")
    jars = policy({}, name=["*.jar"])

    assert notary.gate(jars, [digest("app")], name="app.jar")[0].code == 0
    assert notary.gate(jars, [digest("app")], name="app.exe")[0].code == 5


def test_unreadable_asset_has_its_error_and_hides_no_other(
    admin: Person, notary: Notary
) -> None:
    admin.record("app")

    answers = notary.gate(ANY, ["missing", digest("app")])

    assert [one.code for one in answers] == [66, 0]
    assert answers[0].allowed is False
    said = answers[0].to_dict()
    assert said["error"]["code"] == said["code"] == 66
    assert (said["allowed"], said["status"]) == (False, None)


def test_altered_record_is_an_error_never_allowed(
    admin: Person, notary: Notary
) -> None:
    admin.record("app")
    admin.record("b")
    tamper(admin.ledger, "DELETE FROM envelope_id WHERE id = 1")

    assert ask(notary, ANY, "app", "b") == [65, 0]


def test_record_that_only_the_policy_weighs_is_checked_too(
    admin: Person, notary: Notary
) -> None:
    """The verdict reads the newest record alone; the gate weighs the older one."""
    admin.record("app")
    admin.record("app")
    tamper(admin.ledger, "DELETE FROM envelope_id WHERE id = 1")

    assert admin.verdict("app") == "TRUSTED"
    assert ask(notary, ANY, "app") == [65]


def test_clean_tree_is_allowed_and_a_dirty_one_denied(
    notary: Notary, repository: Path
) -> None:
    word = f"git://{repository}"
    notary.notarize([word])
    assert notary.gate(ANY, [word])[0].code == 0

    (repository / "main.c").write_text("int evil;")
    (one,) = notary.gate(ANY, [word])

    assert (one.code, checks(one)) == (5, ["status"])
    assert one.reasons[0].got == "one with changes"
    # Even a policy that is content with less does not let it pass.
    lax = policy({"status": ["TRUSTED", "UNKNOWN"]})
    assert notary.gate(lax, [word])[0].code == 5


def test_gate_needs_no_strict_to_find_a_row_that_was_left_out(
    admin: Person, notary: Notary
) -> None:
    admin.record("app")
    tamper(admin.ledger, "DELETE FROM subject_row WHERE at = 1")

    with pytest.raises(IntegrityError, match="row was left out"):
        ask(notary, ANY, "app")


def test_readers_rule_and_the_policys_both_hold(
    admin: Person, reader: Person, notary: Notary
) -> None:
    admin.record("app")
    signer = notary.show_key().signer
    other = reader.notary().generate_key().signer

    assert notary.gate(ANY, [digest("app")], keys=[signer])[0].code == 0
    assert notary.gate(ANY, [digest("app")], keys=[other])[0].code == 5
    assert notary.gate(ANY, [digest("app")], org="acme")[0].code == 5
    asks = policy({"signers": {"all": [other]}})
    assert notary.gate(asks, [digest("app")])[0].code == 5


def test_ages_are_counted_to_the_time_of_the_state(
    admin: Person, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.record("app")
    young = policy({"max_age": "1d"})
    two_days = int((time.time() + 2 * 86_400) * 1000)
    later = admin.notary()
    monkeypatch.setattr(later._session.clock, "now_ms", lambda: two_days, raising=False)

    assert ask(notary, young, "app") == [0]
    assert ask(later, young, "app") == [5]
    assert ask(later, young, "app", as_of="2") == [0]
    assert ask(later, young, "app", as_of="1") == [5]
    later.notarize([digest("b")], name="b")
    assert ask(later, young, "app", as_of="3") == [5]


def test_gate_decides_as_of_then(admin: Person, notary: Notary) -> None:
    admin.record("app")
    notary.untrust([digest("app")], reason="CVE")

    assert ask(notary, ANY, "app") == [5]
    assert ask(notary, ANY, "app", as_of="2") == [0]
    assert notary.gate(ANY, [digest("app")], as_of="2")[0].asset.as_of is not None
    with pytest.raises(NotFoundError):
        ask(notary, ANY, "app", as_of="9")


# The policy file


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{version: 1, rules: [{name: a}]}", id="flow"),
        pytest.param(b'{"version": 1, "rules": [{"name": "a"}]}', id="json"),
        pytest.param(b"version: 1\nrules:\n- name: a\n", id="block"),
        pytest.param("version: 1\nrules: [{name: \u00e9}]".encode(), id="utf-8"),
        pytest.param("version: 1\nrules: [{name: a}]".encode("utf-16"), id="utf-16"),
        pytest.param(b"---\nversion: 1\nrules: [{name: a}]\n...\n", id="document"),
    ],
)
def test_policy_is_yaml_or_json(data: bytes) -> None:
    assert len(load_policy(data).rules) == 1


LAUGHS = b"".join(
    b"%c: &%c [%s]\n" % (one, one, b",".join([b"*%c" % (one - 1)] * 9))
    for one in range(ord("b"), ord("j"))
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"a: &a [x]\n" + LAUGHS, id="billion-laughs"),
        pytest.param(b"version: 1\nrules: &r [{name: a}, *r]", id="loop"),
        pytest.param(b"version: 1\nrules: [&a {name: a}, *a]", id="alias-of-a-rule"),
        pytest.param(
            b"version: 1\nrules: [{name: a, match: &m {}, require: {<<: *m}}]",
            id="merge-by-alias",
        ),
        pytest.param(b"!!python/object/apply:os.system [id]", id="python-apply"),
        pytest.param(b"!!python/name:os.system ''", id="python-name"),
        pytest.param(b"rules: !!python/tuple [1]", id="python-tuple"),
        pytest.param(b"!custom x", id="other-tag"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"{a: " * 5_000, id="deep-mapping"),
        pytest.param(b"version: 1\n---\nversion: 1", id="two-documents"),
        pytest.param(b"version: 1\nversion: 1\nrules: [{name: a}]", id="key-twice"),
        pytest.param(
            b"version: 1\nrules: [{name: a, require: {}, require: {}}]",
            id="key-twice-below",
        ),
        pytest.param(b"\tversion: 1", id="tab"),
        pytest.param(b"\xff\xfe\xff", id="noise"),
        pytest.param(b"a: \x00", id="nul"),
        pytest.param(b"a: 2001-99-99", id="no-date"),
        pytest.param(b"? [a]\n: b", id="list-as-key"),
        pytest.param(b"? {a: b}\n: b", id="mapping-as-key"),
        pytest.param(b"a: " + b"9" * 100_000, id="endless-number"),
        pytest.param(b"a: !!binary _", id="no-base64"),
        pytest.param(b"#" * (MAX_BYTES + 1), id="too-long"),
    ],
)
def test_hostile_policy_is_refused_in_little_time(data: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(NotaryError) as caught:
        load_policy(data)

    assert caught.value.exit_code == 78
    assert len(str(caught.value)) < 2000
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"just text", id="text"),
        pytest.param(b"version: 2\nrules: [{name: a}]", id="version"),
        pytest.param(b"version: 1\nrules: []", id="no-rules"),
        pytest.param(b"version: 1\nrules: [{name: a, requires: {}}]", id="unknown-key"),
        pytest.param(b"version: 1\nrules: [{name: a, match: {kind: [x]}}]", id="kind"),
    ],
)
def test_policy_of_another_form_names_its_faults(data: bytes) -> None:
    with pytest.raises(FaultsError) as caught:
        load_policy(data)

    assert caught.value.exit_code == 78
    assert caught.value.faults


def test_wrong_policy_is_refused_before_the_ledger_is_opened(
    newcomer: Person,
) -> None:
    with pytest.raises(ConfigurationError):
        newcomer.notary().gate(b"a: b: c", [digest("app")])

from __future__ import annotations

import pytest

from jenkins_notary.ledger.author import describe_signer
from jenkins_notary.trust.actions import (
    ChangeOrg,
    Enrol,
    Exempt,
    Genesis,
    MalformedError,
    Revoke,
    RotateKey,
    SetAdministrators,
    SetLevel,
    parse_action,
)
from tests.unit.trust.builders import (
    digest,
    enrolment,
    genesis_facts,
    key,
    sid,
)

ADMINISTRATORS = {sid("admin"): key("admin").public_der}
EXEMPTION = {
    "action": "exempt",
    "sha256": digest("app"),
    "owner": "o",
    "reason": "r",
    "expiresAt": "t",
}


@pytest.mark.parametrize(
    ("predicate", "action"),
    [
        (
            {"action": "genesis", **genesis_facts(["admin"]), "succeeds": 7},
            Genesis(
                "log.example.com/0a1b2c3d", SetAdministrators(ADMINISTRATORS, 1), None
            ),
        ),
        (
            {"action": "enrol", **enrolment("ci", 0, ["acme"])},
            Enrol(sid("ci"), key("ci").public_der, 0, ("acme",)),
        ),
        (
            {
                "action": "enrol",
                "signerId": sid("ci"),
                "publicKey": enrolment("ci")["publicKey"],
            },
            Enrol(sid("ci"), key("ci").public_der, 1, ()),
        ),
        (
            {"action": "level", "signerId": sid("ci"), "level": 1_000_000},
            SetLevel(sid("ci"), 1_000_000),
        ),
        (
            {"action": "org-add", "org": "acme", "signers": []},
            ChangeOrg("acme", (), joined=True),
        ),
        (
            {"action": "org-remove", "org": "acme", "signers": ["x"]},
            ChangeOrg("acme", ("x",), joined=False),
        ),
        (
            {"action": "revoke", "signerId": sid("ci"), "fromIndex": 0},
            Revoke(sid("ci"), 0),
        ),
        (
            {
                "action": "administrators",
                "administrators": [describe_signer(key("admin"))] * 2,
                "threshold": 1,
            },
            SetAdministrators(ADMINISTRATORS, 1),
        ),
        ({"action": "ledger-key", "note": "n"}, RotateKey("n")),
        (EXEMPTION, Exempt(digest("app"), "o", "r", "t")),
    ],
    ids=lambda value: value.get("action") if isinstance(value, dict) else "",
)
def test_an_action_is_read(predicate: dict[str, object], action: object) -> None:
    assert parse_action(predicate) == action


FOLLOWING = {"action": "genesis", **genesis_facts(["admin"])}
MANY = [describe_signer(key(f"many{place}")) for place in range(17)]


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ({}, "unknown action 'None'"),
        ({"action": None}, "unknown action"),
        ({"action": {"a": 1}}, "unknown action"),
        ({"action": "x" * 1000}, f"unknown action '{'x' * 40}'"),
        ({"action": "genesis"}, "no origin"),
        ({"action": "genesis", "origin": "o"}, "no list of administrators"),
        ({"action": "administrators", "administrators": [7]}, "no list of"),
        ({"action": "administrators", "administrators": [{}]}, "no id"),
        (
            {"action": "administrators", "administrators": [{"id": sid("admin")}]},
            "does not hash to 0x",
        ),
        (
            {"action": "administrators", "administrators": MANY[:1], "threshold": True},
            "threshold True of 1",
        ),
        (
            {
                "action": "administrators",
                "administrators": MANY[:1] * 2,
                "threshold": 2,
            },
            "threshold 2 of 1",
        ),
        (
            {"action": "administrators", "administrators": MANY, "threshold": 17},
            "threshold 17 of 17",
        ),
        ({**FOLLOWING, "inherits": "x"}, "inherits is no object"),
        ({**FOLLOWING, "inherits": {}}, "inherits None records"),
        ({**FOLLOWING, "inherits": {"size": 0}}, "inherits 0 records"),
        ({**FOLLOWING, "inherits": {"size": True}}, "inherits True records"),
        ({**FOLLOWING, "inherits": {"size": 1}}, "no genesis"),
        (
            {
                **FOLLOWING,
                "inherits": {"size": 1, "genesis": "\ud800", "checkpoint": "x"},
            },
            "inherits holds no UTF-8",
        ),
        ({"action": "enrol"}, "no signerId"),
        ({"action": "enrol", "signerId": sid("ci"), "publicKey": "MCow"}, "hash"),
        ({"action": "enrol", **enrolment("ci"), "signerId": sid("evil")}, "hash"),
        ({"action": "enrol", **enrolment("ci"), "level": 1.0}, "level 1.0"),
        ({"action": "enrol", **enrolment("ci"), "level": 1_000_001}, "level 1000001"),
        ({"action": "enrol", **enrolment("ci"), "orgs": "acme"}, "orgs is no list"),
        ({"action": "enrol", **enrolment("ci"), "orgs": [7]}, "orgs is no list"),
        ({"action": "org-add", "org": "acme"}, "signers is no list"),
        ({"action": "org-add", "org": 7, "signers": []}, "no org"),
        ({"action": "revoke", "signerId": sid("ci")}, "fromIndex None"),
        ({"action": "revoke", "signerId": sid("ci"), "fromIndex": -1}, "fromIndex -1"),
        ({"action": "revoke", "signerId": sid("ci"), "fromIndex": True}, "fromIndex"),
        ({"action": "ledger-key", "note": ""}, "no note"),
        ({**EXEMPTION, "sha256": "AB"}, "no sha256"),
        ({**EXEMPTION, "sha256": 7}, "no sha256"),
        ({**EXEMPTION, "owner": None}, "no owner"),
    ],
)
def test_a_predicate_of_a_wrong_form_orders_nothing(
    predicate: dict[str, object], message: str
) -> None:
    with pytest.raises(MalformedError, match=message.replace(".", r"\.")):
        parse_action(predicate)

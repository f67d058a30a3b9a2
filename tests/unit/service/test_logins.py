"""A login holds as long as what it rests on; who is in no group may do nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.service.access.logins import Logins, LoginSettings, Person
from jenkins_notary.service.access.scopes import format_scope
from jenkins_notary.service.access.tokens import TokenFile, make_token
from jenkins_notary.service.state import ServiceState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUPS = [
    {"group": "auditors", "role": "auditor"},
    {"group": "payments", "role": "reader", "folders": ["payments"]},
    {"group": "billing", "role": "reader", "folders": ["billing", "payments"]},
    {"group": "owners", "role": "admin"},
]


class World:
    """Tokens, logins, and where both are kept."""

    def __init__(self, folder: Path) -> None:
        """Begin with none."""
        self.tokens = TokenFile(str(folder / "tokens"))
        self.state = ServiceState(str(folder / "state"))

    def logins(self, **settings: object) -> Logins:
        """Return the logins under some settings."""
        parsed = msgspec.convert({"groups": GROUPS, **settings}, LoginSettings)
        return Logins(parsed, self.tokens, self.state)

    def token(self, *, seconds: float | None = None) -> str:
        """Make a token, in place of one before."""
        if "payments" in self.tokens.load():
            self.tokens.revoke("payments")
        now_ms = time.time_ns() // 1_000_000
        ends = None if seconds is None else now_ms + int(seconds * 1000)
        return self.tokens.create(
            make_token(
                "payments", "reader", ("payments",), now_ms=now_ms, expires_ms=ends
            )
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.state.close()


def begin(logins: Logins, text: str) -> str:
    token = logins.find_token(text)
    assert token is not None
    return logins.begin_token(token)


def test_login_with_a_token_is_the_token(world: World) -> None:
    logins = world.logins()
    secret = begin(logins, world.token())
    who = logins.find(secret)

    assert who is not None
    assert (who.name, who.role, who.kind) == ("payments", "reader", "token")
    assert [format_scope(one) for one in who.scopes] == ["payments"]
    assert logins.find(secret + "x") is None
    assert logins.find("\udcff") is None


def test_login_ends_with_its_token(world: World) -> None:
    logins = world.logins()
    secret = begin(logins, world.token())
    world.tokens.rotate("payments", 0)
    assert logins.find(secret) is None

    world.tokens.revoke("payments")
    secret = begin(logins, world.token(seconds=0.3))
    assert logins.find(secret) is not None
    time.sleep(0.4)
    assert logins.find(secret) is None
    world.tokens.revoke("payments")
    assert logins.find(secret) is None


def test_login_ends_when_told_and_by_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = world.logins(hours=1)
    secret = begin(logins, world.token())
    logins.end(secret)
    assert logins.find(secret) is None

    secret = begin(logins, world.token())
    later = time.time_ns() + 3601 * 1_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: later)
    assert logins.find(secret) is None


def test_secret_of_a_login_is_kept_nowhere(world: World, tmp_path: Path) -> None:
    text = world.token()
    secret = begin(world.logins(), text)
    kept = b"".join(one.read_bytes() for one in tmp_path.iterdir())

    assert secret.encode() not in kept
    assert text.partition(".")[2].encode() not in kept


@pytest.mark.parametrize(
    ("groups", "role", "folders"),
    [
        pytest.param(["payments"], "reader", ["payments"], id="one"),
        pytest.param(
            ["billing", "payments"], "reader", ["payments", "billing"], id="two"
        ),
        pytest.param(["payments", "owners"], "reader", ["payments"], id="first-rules"),
        pytest.param(["owners", "auditors"], "auditor", [], id="order-of-the-file"),
    ],
)
def test_groups_say_what_a_person_may(
    world: World, groups: list[str], role: str, folders: list[str]
) -> None:
    who = world.logins().admit(Person("oidc:jane", groups))

    assert (who.name, who.role, who.kind) == ("oidc:jane", role, "person")
    assert [format_scope(one) for one in who.scopes] == folders
    assert who.describe() == {"person": "oidc:jane", "role": role}


def test_group_without_folders_is_for_all_of_them(world: World) -> None:
    everywhere = {"group": "readers", "role": "reader"}
    logins = world.logins(groups=[*GROUPS, everywhere])

    assert logins.admit(Person("oidc:jane", ["payments", "readers"])).scopes == ()


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        pytest.param("oidc:jane", [], id="no-group"),
        pytest.param(
            "oidc:jane", ["Payments", "payments ", "*", ""], id="other-groups"
        ),
        pytest.param("oidc:ja\nne", ["payments"], id="control-character"),
        pytest.param("oidc:" + "j" * 200, ["payments"], id="long"),
    ],
)
def test_whoever_is_in_no_group_may_nothing(
    world: World, name: str, groups: list[str]
) -> None:
    logins = world.logins()
    with pytest.raises(PermissionDeniedError) as caught:
        logins.begin_person(Person(name, groups))

    assert "\n" not in str(caught.value)


def test_person_is_judged_by_the_settings_of_today(world: World) -> None:
    secret = world.logins().begin_person(Person("oidc:jane", ["payments", "x"]))
    who = world.logins().find(secret)
    assert who is not None
    assert who.role == "reader"

    assert world.logins(groups=GROUPS[3:]).find(secret) is None


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"hours": 0}, id="hours"),
        pytest.param({"hours": 10_000}, id="long"),
        pytest.param({"url": "notary.example.com"}, id="url"),
        pytest.param({"groups": [{"group": "x", "role": "writer"}]}, id="writer"),
        pytest.param({"groups": [{"group": "x", "role": "controller"}]}, id="hook"),
        pytest.param(
            {"groups": [{"group": "x", "role": "admin", "folders": ["a"]}]}, id="admin"
        ),
        pytest.param(
            {"groups": [{"group": "x", "role": "reader", "folders": ["*"]}]}, id="all"
        ),
        pytest.param({"password": "x"}, id="unknown-key"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, LoginSettings)

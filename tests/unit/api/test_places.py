from __future__ import annotations

import os

import pytest

from jenkins_notary.api.places import find_places
from jenkins_notary.errors import ConfigurationError

HOME = {"HOME": "/home/user"}


def test_defaults_are_those_of_xdg() -> None:
    places = find_places(None, None, HOME)

    assert places.ledger == "/home/user/.local/share/jenkins-notary/ledger.db"
    assert places.ledger_url == f"sqlite://{places.ledger}"
    assert places.log_key == f"{places.ledger}.key"
    assert places.blobs == f"{places.ledger}.blobs"
    assert places.key == "/home/user/.local/share/jenkins-notary/key.pem"
    assert places.pins == "/home/user/.local/state/jenkins-notary/pins"
    assert places.cache == "/home/user/.cache/jenkins-notary"
    assert places.is_default


def test_xdg_variables_move_the_defaults() -> None:
    places = find_places(
        None,
        None,
        {"XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"},
    )

    assert places.ledger == "/d/jenkins-notary/ledger.db"
    assert places.key == "/d/jenkins-notary/key.pem"
    assert places.pins == "/s/jenkins-notary/pins"
    assert places.cache == "/c/jenkins-notary"


@pytest.mark.parametrize("value", ["", "relative", "./here"])
def test_xdg_variable_that_is_not_absolute_is_ignored(value: str) -> None:
    places = find_places(None, None, {**HOME, "XDG_DATA_HOME": value})

    assert places.ledger.startswith("/home/user/.local/share/")


@pytest.mark.parametrize(
    "environ", [{}, {"HOME": ""}, {"HOME": "relative"}, {"XDG_DATA_HOME": "/d"}]
)
def test_no_home_is_a_wrong_configuration(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="HOME or XDG_"):
        find_places(None, None, environ)


def test_profile_of_windows_is_a_home() -> None:
    places = find_places(None, None, {"USERPROFILE": "/profile"})

    assert places.key.startswith("/profile/")


@pytest.mark.parametrize(
    ("ledger", "path"),
    [
        pytest.param("sqlite:///var/lib/n.db", "/var/lib/n.db", id="url"),
        pytest.param("sqlite:////var/lib/n.db", "/var/lib/n.db", id="four-slashes"),
        pytest.param("/var/lib/n.db", "/var/lib/n.db", id="path"),
        pytest.param("sqlite:///var/../lib/n.db", "/lib/n.db", id="dots"),
        pytest.param("n.db", f"{os.getcwd()}/n.db", id="relative"),
    ],
)
def test_ledger_is_a_url_or_a_path(ledger: str, path: str) -> None:
    places = find_places(ledger, None, HOME)

    assert (places.ledger, places.is_default) == (path, False)


@pytest.mark.parametrize(
    "ledger",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param("/", id="root"),
        pytest.param("sqlite://", id="no-path"),
        pytest.param("sqlite:///", id="url-of-root"),
        pytest.param("sqlite:n.db", id="no-slashes"),
        pytest.param("sqlite://host/n.db", id="host"),
        pytest.param("a\0b", id="nul"),
        pytest.param("https://notary.example.com", id="https"),
        pytest.param("immudb://user:secret@db.example.com/n", id="immudb"),
        pytest.param("postgres://db.example.com/n", id="postgres"),
    ],
)
def test_other_ledgers_are_refused_without_their_secrets(ledger: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_places(ledger, None, HOME)

    assert caught.value.exit_code == 78
    assert "secret" not in str(caught.value)


def test_key_may_stand_anywhere() -> None:
    assert find_places(None, "k.pem", HOME).key == os.path.abspath("k.pem")
    assert find_places(None, "/k.pem", HOME).key == "/k.pem"


def test_replicas_do_not_change_what_a_ledger_is_called() -> None:
    alone = find_places("immudb://a.example.com/n", None, HOME)
    places = find_places("immudb://a.example.com:3322,b.example.com/n", None, HOME)

    assert places.ledger_url == alone.ledger_url == "immudb://a.example.com:3322/n"
    assert places.ledger == alone.ledger
    assert (alone.replicas, places.replicas) == ((), (("b.example.com", 3322),))

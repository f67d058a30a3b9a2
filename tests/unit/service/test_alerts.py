"""Alerts go out on change alone, signed, in order, and to the written address only."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.service.http.outgoing import send
from jenkins_notary.service.monitoring.alerts import MAX_KEPT, Alerts, AlertSettings
from jenkins_notary.service.state import ServiceState
from jenkins_notary.serving.metrics import Metrics
from tests.parts.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class World:
    """A webhook, and alerts for it."""

    def __init__(self, folder: Path, hook: Webhook) -> None:
        self.hook = hook
        self.folder = folder
        self.state = ServiceState(str(folder / "state"))
        self.metrics = Metrics()

    def alerts(self, *hooks: dict[str, Any]) -> Alerts:
        """Return alerts for webhooks; without any, for one plain one."""
        values = [
            {"name": "chat", "url": self.hook.url, **one} for one in hooks or [{}]
        ]
        settings = msgspec.convert({"webhooks": values}, AlertSettings)
        return Alerts(settings, "notary.example.com/1", self.state, self.metrics)

    def deliver(self, alerts: Alerts) -> None:
        """Send what is kept."""
        for one in alerts._targets:
            alerts.deliver(one)

    def secret(self, text: str, mode: int = 0o600) -> str:
        """Write a secret; return its file."""
        path = self.folder / "secret"
        path.write_text(text)
        path.chmod(mode)
        return str(path)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Webhook() as hook:
        one = World(tmp_path, hook)
        yield one
        one.state.close()


def test_only_what_changes_is_told(world: World) -> None:
    alerts = world.alerts()
    told = [
        alerts.tell("disk", "bodies", state, f"the disk is {state}", free=1)
        for state in (None, "full", "full", "worse", None, None, "full")
    ]
    world.deliver(alerts)
    sent = [json.loads(one.body) for one in world.hook.came]

    assert told == [False, True, False, True, True, False, True]
    assert [one["state"] for one in sent] == ["full", "worse", "well", "full"]
    assert len({one["id"] for one in sent}) == 4
    assert sent[0]["text"] == "the disk is full"
    assert sent[0]["facts"] == {"free": 1, "keys": ["bodies"]}
    assert sent[0]["ledger"] == "notary.example.com/1"


def test_what_was_told_is_remembered_over_a_restart(world: World) -> None:
    world.alerts().tell("audit", "log", "FORK", "the log forked")
    again = world.alerts()

    assert not again.tell("audit", "log", "FORK", "the log forked")
    world.deliver(again)
    assert len(world.hook.came) == 1


def test_one_cause_is_one_alert_of_what_it_changed(world: World) -> None:
    alerts = world.alerts()
    alerts.tell("status", "a", "UNTRUSTED", "a")
    changed = {"a": "UNTRUSTED", "b": "UNTRUSTED", "c": None}
    assert alerts.tell_each("status", changed, "both")
    world.deliver(alerts)

    assert json.loads(world.hook.came[1].body)["facts"]["keys"] == ["b"]


def test_alert_is_signed_with_the_secret_of_the_file(world: World) -> None:
    secret = "correct-horse-battery"
    alerts = world.alerts({"secret-file": world.secret(secret + "\n")})
    alerts.tell("disk", "bodies", "full", "the disk is full")
    world.deliver(alerts)
    (came,) = world.hook.came
    at, _, digest = came.headers["notary-signature"].partition(",sha256=")
    message = at.removeprefix("t=").encode() + b"." + came.body

    assert digest == hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    assert secret not in str(came)


def test_webhook_that_is_away_gets_all_of_it_in_order_later(world: World) -> None:
    alerts = world.alerts()
    for state in "abc":
        alerts.tell("disk", "bodies", state, state)
    world.hook.statuses = [200, 503]
    with pytest.raises(UnavailableError, match=r"webhook chat .*503"):
        world.deliver(alerts)
    world.deliver(alerts)

    texts = [json.loads(one.body)["text"] for one in world.hook.came]
    assert texts == ["a", "b", "b", "c"]
    assert (
        'alerts_total{hook="chat",result="sent"} 3' in world.metrics.render().decode()
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(world: World, status: int) -> None:
    alerts = world.alerts()
    alerts.tell("disk", "bodies", "full", "full")
    world.hook.statuses = [status]
    with pytest.raises(UnavailableError, match=str(status)):
        world.deliver(alerts)

    assert [one.path for one in world.hook.came] == ["/"]


def test_alert_that_is_refused_holds_up_no_other(world: World) -> None:
    alerts = world.alerts()
    alerts.tell("disk", "bodies", "a", "a")
    alerts.tell("disk", "bodies", "b", "b")
    world.hook.statuses = [400]
    world.deliver(alerts)

    assert len(world.hook.came) == 2
    assert 'result="refused"} 1' in world.metrics.render().decode()


def test_what_lies_too_long_or_is_too_much_is_given_up_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = world.alerts()
    for number in range(MAX_KEPT + 3):
        alerts.tell("disk", "bodies", str(number), "x")
    monkeypatch.setattr(
        "jenkins_notary.service.monitoring.alerts._post", lambda *_: "sent"
    )
    world.deliver(alerts)
    assert 'result="given up"} 3' in world.metrics.render().decode()

    alerts.tell("disk", "bodies", "old", "x")
    import time

    later = time.time_ns() + 90_000 * 1_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: later)
    world.deliver(alerts)
    assert 'result="given up"} 4' in world.metrics.render().decode()
    assert world.state.scan("alert-out") == []


def test_chat_gets_the_text_alone_and_calls_nobody(world: World) -> None:
    alerts = world.alerts({"form": "chat"})
    alerts.tell("status", "a", "UNTRUSTED", "<!channel> & <http://evil|x>")
    world.deliver(alerts)

    assert json.loads(world.hook.came[0].body) == {
        "text": "&lt;!channel&gt; &amp; &lt;http://evil|x&gt;"
    }


def test_webhook_is_told_of_its_kinds_alone(world: World) -> None:
    alerts = world.alerts({"kinds": ["audit"]}, {"name": "all"})
    alerts.tell("disk", "bodies", "full", "full")
    alerts.tell("audit", "log", "FORK", "fork")
    world.deliver(alerts)

    kinds = [json.loads(one.body)["kind"] for one in world.hook.came]
    assert kinds == ["audit", "disk", "audit"]


def test_address_that_is_a_secret_is_never_told(world: World) -> None:
    path = world.secret("http://127.0.0.1:1/services/s3cret-path\n")
    alerts = world.alerts({"url": None, "url-file": path})
    alerts.tell("disk", "bodies", "full", "full")
    with pytest.raises(UnavailableError) as caught:
        world.deliver(alerts)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "hook",
    [
        pytest.param({"url": "http://hooks.example.com/"}, id="plain"),
        pytest.param({"url": "file:///etc/passwd"}, id="file"),
        pytest.param({"url": "https://a:b@hooks.example.com/"}, id="login"),
        pytest.param({"url": "nothing"}, id="none"),
        pytest.param({"ca-file": "/nowhere"}, id="authority"),
        pytest.param({"secret-file": "/nowhere"}, id="no-file"),
    ],
)
def test_address_that_must_not_be_is_refused_at_the_start(
    world: World, hook: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        world.alerts(hook)


def test_secret_that_others_may_read_or_that_is_short_is_refused(world: World) -> None:
    for text, mode in (("x" * 40, 0o644), ("short", 0o600), ("a\nb" * 20, 0o600)):
        with pytest.raises(ConfigurationError) as caught:
            world.alerts({"secret-file": world.secret(text, mode)})
        assert text not in str(caught.value)


@pytest.mark.parametrize(
    "hooks",
    [
        pytest.param([{"url": None}], id="no-address"),
        pytest.param([{"url-file": "x"}], id="two-addresses"),
        pytest.param([{}, {}], id="one-name-twice"),
        pytest.param([{"name": "a b"}], id="name"),
        pytest.param([{"kinds": ["weather"]}], id="kind"),
    ],
)
def test_settings_that_make_no_sense_are_refused(hooks: list[dict[str, Any]]) -> None:
    value = [{"name": "chat", "url": "https://hooks.example.com/", **o} for o in hooks]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"webhooks": value}, AlertSettings)


def test_without_webhooks_nothing_is_kept(world: World) -> None:
    alerts = Alerts(AlertSettings(), "x/1", world.state, world.metrics)

    assert not alerts.tell("disk", "bodies", "full", "full")
    assert world.state.scan("alert-out") == []


def test_answer_that_is_too_long_is_refused(world: World) -> None:
    assert send("POST", world.hook.url, data=b"{}").status == 200
    with pytest.raises(UnavailableError):
        send("GET", world.hook.url, limit=10)

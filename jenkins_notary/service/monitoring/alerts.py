"""Tell what has changed to the webhooks that an administrator named.

A module calls :meth:`Alerts.tell` as often as it likes with how a thing is; only where
that differs from the last time does something go out::

    POST / HTTP/1.1
    Content-Type: application/json
    Notary-Signature: t=1767323045,sha256=<64 hex>

    {"id": "<32 hex>", "at": "2026-01-02T03:04:05.006Z",
     "ledger": "notary.example.com/12345678", "kind": "status", "key": "sha256:...",
     "state": "UNTRUSTED", "text": "...", "facts": {...}}

The signature is HMAC-SHA256 with the webhook's secret over ``<t>.<body>``. What is to
go out is kept until it went or is a day old, in order, each webhook by itself: one that
is away holds up no other. Something may come twice; its ``id`` is then the same.

A webhook of the form ``chat`` gets ``{"text": ...}`` alone, as chat servers take it.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import os
import threading
import time
from functools import partial
from typing import Literal

from jenkins_notary.assets.urls import clean_url
from jenkins_notary.errors import UnavailableError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.http.outgoing import check_address, send
from jenkins_notary.service.secret_files import read_secret
from jenkins_notary.service.sections import Section
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.serving.metrics import Metrics

KEPT_MS = 24 * 3600 * 1000
MAX_KEPT = 1000
"""What a webhook that is away may let lie; beyond it the oldest goes."""

MAX_TEXT = 2000
MAX_KEYS = 500
WELL = "well"
PAUSE_S = 1.0
_SEEN, _OUT = "alert-seen", "alert-out"
_MAX_ANSWER = 64 << 10
_REFUSED = frozenset({400, 413, 415, 422})

Kind = Literal["status", "coverage", "corroboration", "audit", "disk"]
KINDS: tuple[Kind, ...] = ("status", "coverage", "corroboration", "audit", "disk")


class Webhook(Section, frozen=True):
    """Where alerts go.

    Attributes:
        name: Its name, for metrics and faults.
        url: The address; or
        url_file: The file of mode 0600 that holds one which is a secret.
        secret_file: The file with the key of the signature, or None for no signature.
        form: ``json``, or ``chat`` for the text alone.
        kinds: What it is told of.
        ca_file: Authorities to trust in place of the system's.
    """

    name: str
    url: str | None = None
    url_file: str | None = None
    secret_file: str | None = None
    form: Literal["json", "chat"] = "json"
    kinds: tuple[Kind, ...] = KINDS
    ca_file: str | None = None

    def __post_init__(self) -> None:
        """Check what types do not tell."""
        if not self.name.isidentifier() or len(self.name) > 40:
            message = f"name: expected letters, digits and _, got {self.name[:40]!a}"
            raise ValueError(message)
        if (self.url is None) == (self.url_file is None):
            message = "expected one of url and url-file"
            raise ValueError(message)


class AlertSettings(Section, frozen=True):
    """What is told to whom.

    Attributes:
        webhooks: Where alerts go.
    """

    webhooks: tuple[Webhook, ...] = ()

    def __post_init__(self) -> None:
        """Check that each has a name of its own."""
        if len({one.name for one in self.webhooks}) != len(self.webhooks):
            message = "webhooks: expected each name once"
            raise ValueError(message)


class _Target(NamedTuple):
    """A webhook with its secrets read."""

    hook: Webhook
    url: str
    key: bytes | None


class Alerts:
    """What is told to webhooks."""

    def __init__(
        self,
        settings: AlertSettings,
        origin: str,
        state: ServiceState,
        metrics: Metrics,
    ) -> None:
        """Read the webhooks' secrets.

        Args:
            settings: The webhooks.
            origin: The log's name, which each alert tells.
            state: Where alerts are kept.
            metrics: Where they are counted.

        Raises:
            ConfigurationError: An address or a file is wrong.
        """
        self._origin = origin
        self._state = state
        self._lock = threading.Lock()
        self._targets = [_open_target(one) for one in settings.webhooks]
        self._sent = metrics.counter(
            "alerts_total", "Alerts by webhook and what came of them.", "hook", "result"
        )
        metrics.gauge(
            "alerts_waiting", "Alerts that are to go out.", "hook", read=self._waiting
        )

    @property
    def has_webhooks(self) -> bool:
        """Return whether there is anybody to tell."""
        return bool(self._targets)

    def start(self, tasks: Tasks) -> None:
        """Begin to send what is kept."""
        for one in self._targets:
            name = f"webhook-{one.hook.name}"
            tasks.every(PAUSE_S, name, partial(self.deliver, one))

    def tell(
        self, kind: Kind, key: str, state: str | None, text: str, **facts: object
    ) -> bool:
        """Tell how a thing is; return whether that is another way than before.

        Args:
            kind: What it is about.
            key: Which thing.
            state: A word for how it is, None for well: that is told only of a thing
                that was not.
            text: One sentence for people.
            facts: What programs may want to know; JSON.
        """
        return self.tell_each(kind, {key: state}, text, **facts)

    def tell_each(
        self, kind: Kind, states: Mapping[str, str | None], text: str, **facts: object
    ) -> bool:
        """Tell how several things are that changed by one cause, in one alert.

        What is as it was is left out; nothing is told if all of it is.
        """
        if not self._targets:
            return False
        with self._lock:
            changed = {
                key: state
                for key, state in states.items()
                if self._state.get(_SEEN, f"{kind}:{key}") != state
            }
            if not changed:
                return False
            at_ms = time.time_ns() // 1_000_000
            key, state = next(iter(changed.items()))
            alert = {
                "id": os.urandom(16).hex(),
                "at": format_time(at_ms),
                "ledger": self._origin,
                "kind": kind,
                "key": key,
                "state": state or WELL,
                "text": text[:MAX_TEXT],
                "facts": {**facts, "keys": sorted(changed)[:MAX_KEYS]},
            }
            self._keep(alert)
            for key, state in changed.items():
                if state is None:
                    self._state.delete(_SEEN, f"{kind}:{key}")
                else:
                    self._state.put(_SEEN, f"{kind}:{key}", state)
            return True

    def deliver(self, target: _Target) -> None:
        """Send what is kept for a webhook, the oldest first.

        Raises:
            UnavailableError: It does not take it; it stays.
        """
        prefix = f"{target.hook.name}:"
        kept = self._state.scan(_OUT, prefix=prefix, limit=2 * MAX_KEPT)
        oldest_ms = time.time_ns() // 1_000_000 - KEPT_MS
        for place, (key, alert) in enumerate(kept):
            at_ms = int(key.split(":")[1]) // 1_000_000
            if at_ms < oldest_ms or len(kept) - place > MAX_KEPT:
                result = "given up"
            else:
                result = _post(target, alert)
            self._state.delete(_OUT, key)
            self._sent.add(target.hook.name, result)

    def _keep(self, alert: Mapping[str, Any]) -> None:
        """Keep an alert for each webhook that wants its kind."""
        for one in self._targets:
            if alert["kind"] in one.hook.kinds:
                key = f"{one.hook.name}:{time.time_ns():020d}:{alert['id']}"
                self._state.put(_OUT, key, alert)

    def _waiting(self) -> Mapping[tuple[str, ...], float]:
        """Return how many alerts are kept, by webhook."""
        return {
            (one.hook.name,): len(
                self._state.scan(_OUT, prefix=f"{one.hook.name}:", limit=2 * MAX_KEPT)
            )
            for one in self._targets
        }


def sign_alert(key: bytes, at_s: int, body: bytes) -> str:
    """Return the value of ``Notary-Signature``.

    >>> sign_alert(b"key", 1767323045, b"{}")[:21]
    't=1767323045,sha256=1'
    """
    digest = hmac.new(key, b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},sha256={digest}"


def _open_target(hook: Webhook) -> _Target:
    """Return a webhook with its secrets."""
    subject = f"alerts: webhook {hook.name}"
    url = hook.url
    if hook.url_file is not None:
        url = read_secret(hook.url_file, f"{subject}: url-file")
    check_address(url or "", subject=f"{subject}: url", ca_file=hook.ca_file)
    key = None
    if hook.secret_file is not None:
        key = read_secret(hook.secret_file, f"{subject}: secret-file").encode()
    return _Target(hook, url or "", key)


def _post(target: _Target, alert: Mapping[str, Any]) -> str:
    """Send one alert; return what came of it.

    Raises:
        UnavailableError: The webhook is away, or does not answer as it should.
    """
    # A chat server takes what stands in angle brackets for a link, or calls people.
    text = html.escape(alert["text"], quote=False)
    value = {"text": text} if target.hook.form == "chat" else alert
    body = json.dumps(value).encode()
    headers = {"Content-Type": "application/json"}
    if target.key is not None:
        headers["Notary-Signature"] = sign_alert(target.key, int(time.time()), body)
    try:
        answer = send(
            "POST",
            target.url,
            data=body,
            headers=headers,
            ca_file=target.hook.ca_file,
            limit=_MAX_ANSWER,
        )
    except UnavailableError as error:
        raise _away(target, error.got) from error
    if answer.status in _REFUSED:
        # Sent again it would be refused again, and hold up what comes after it.
        return "refused"
    if not 200 <= answer.status < 300:
        raise _away(target, f"status {answer.status}")
    return "sent"


def _away(target: _Target, got: str) -> UnavailableError:
    """Return the error for a webhook that does not take an alert."""
    shown = "" if target.hook.url is None else f" {clean_url(target.url)}"
    return UnavailableError(
        f"webhook {target.hook.name}{shown}", expected="status 200", got=got
    )

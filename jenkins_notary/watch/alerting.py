"""Tell others how an audit stands: a metrics file, and a webhook on each change.

The metrics file is Prometheus' text format, for node_exporter's textfile collector or
any web server; it is replaced whole. The webhook gets what the service's own get::

    POST / HTTP/1.1
    Content-Type: application/json
    Notary-Signature: t=1767323045,sha256=<64 hex>

    {"id": "<32 hex>", "at": "2026-01-02T03:04:05.006Z", "kind": "audit",
     "key": "<origin>", "state": "integrity", "text": "...", "facts": {}}

States are ``well``, ``unreachable`` and ``integrity``. The signature is HMAC-SHA256
over ``<t>.<body>``. The webhook's file (0600) has the URL, and on a second line the
secret, if any: neither stands on a command line or in a process list.

Source: Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time

from jenkins_notary.errors import (
    ConfigurationError,
    NotaryError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.keys.pem import read_private_file
from jenkins_notary.ledger.author import format_time
from jenkins_notary.remote.address import find_proxy, parse_service_url
from jenkins_notary.remote.http import Request, Route, exchange
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.whole_file import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ATTEMPTS = 3
SEND_S = 10.0
PAUSE_S = 1.0
MAX_TEXT = 2000

WELL, UNREACHABLE, INTEGRITY = "well", "unreachable", "integrity"
STATES = (WELL, UNREACHABLE, INTEGRITY)


class Standing(NamedTuple):
    """How an audit stands.

    Attributes:
        key: The log's origin, or the ledger's URL before it is known.
        state: One of :data:`STATES`.
        text: Why, in one line.
        size: Records at the last good round.
        trust_size: Entries of the trust log then.
        last_good_s: When that was, seconds since 1970; 0 for never.
        rounds: How many rounds ended in each state.
        records: Records that were checked so far.
        verdicts: Verdicts that were compared so far.
    """

    key: str
    state: str
    text: str
    size: int
    trust_size: int
    last_good_s: float
    rounds: Mapping[str, int]
    records: int
    verdicts: int


class Webhook:
    """Where changes are told."""

    def __init__(
        self,
        route: Route,
        target: str,
        secret: bytes | None,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Know it; nothing is sent yet."""
        self._route = route
        self._target = target
        self._secret = secret
        self._pause = pause

    def tell(self, standing: Standing) -> None:
        """Tell how an audit stands now; a few attempts.

        Raises:
            UnavailableError: It did not take it.
        """
        value = {
            "id": os.urandom(16).hex(),
            "at": format_time(time.time_ns() // 1_000_000),
            "kind": "audit",
            "key": standing.key,
            "state": standing.state,
            "text": standing.text[:MAX_TEXT],
            "facts": {"size": standing.size, "trustSize": standing.trust_size},
        }
        body = json.dumps(value, separators=(",", ":")).encode("ascii")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._send(body)
            except UnavailableError:
                if attempt == ATTEMPTS:
                    raise
                self._pause(PAUSE_S * attempt)
            else:
                return

    def _send(self, body: bytes) -> None:
        """Send a body once; no redirect is followed."""
        headers = [("Content-Type", "application/json")]
        if self._secret is not None:
            now = int(time.time())
            mac = hmac.new(self._secret, b"%d.%b" % (now, body), hashlib.sha256)
            headers.append(("Notary-Signature", f"t={now},sha256={mac.hexdigest()}"))
        request = Request(
            "POST", self._target, tuple(headers), len(body), lambda: (body,)
        )
        answer = exchange(self._route, request, time.monotonic() + SEND_S)
        if not 200 <= answer.status < 300:
            # The path may be a secret: only the host is named.
            raise UnavailableError(
                f"webhook at {self._route.address.netloc}",
                expected="2xx",
                got=f"HTTP {answer.status}",
            )


def load_webhook(
    path: str,
    *,
    plain_http: Sequence[str],
    ca_file: str | None,
    environ: Mapping[str, str],
) -> Webhook:
    """Return the webhook that a file names.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It cannot be read.
        ConfigurationError: Others may read it, or it is not of the form.
    """
    lines = read_private_file(path).decode("utf-8", "replace").split("\n")
    url, secret = lines[0].strip(), "".join(lines[1:2]).strip()
    scheme, mark, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    target = slash + target
    if not mark or not target.isascii() or not target.isprintable() or " " in target:
        raise ConfigurationError(
            f"webhook file {path}", expected="a URL on its first line", got="another"
        )
    try:
        address = parse_service_url(f"{scheme}://{host}", plain_http)
    except NotaryError as error:
        raise ConfigurationError(
            f"webhook file {path}", expected="https://HOST/PATH", got="another URL"
        ) from error
    route = Route(address, find_proxy(address, environ), ca_file, SEND_S)
    return Webhook(route, target or "/", secret.encode() or None)


def write_metrics(path: str, standing: Standing) -> None:
    """Replace a metrics file by how an audit stands.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        # Another user's collector reads it.
        replace_file(path, [format_metrics(standing).encode()], sync=False, mode=0o644)
    except OSError as error:
        raise StorageError(
            f"metrics file {path}", got=error.strerror or "an error"
        ) from error


def format_metrics(standing: Standing) -> str:
    r"""Return the metrics of an audit.

    >>> text = format_metrics(Standing("a", "well", "", 3, 1, 5.0, {"well": 1}, 3, 2))
    >>> text.split("\n")[2]
    'jenkins_notary_audit_tree_size{log="a"} 3'
    """
    log = f'log="{_escape(standing.key)}"'
    families: list[tuple[str, str, str, list[tuple[str, object]]]] = [
        (
            "tree_size",
            "gauge",
            "Records at the last good round.",
            [(log, standing.size)],
        ),
        (
            "trust_size",
            "gauge",
            "Records of the trust log at the last good round.",
            [(log, standing.trust_size)],
        ),
        (
            "last_success_timestamp_seconds",
            "gauge",
            "When the last good round ended.",
            [(log, standing.last_good_s)],
        ),
        (
            "fault",
            "gauge",
            "1 while the log is not what it was, or the service not honest.",
            [(log, int(standing.state == INTEGRITY))],
        ),
        (
            "rounds_total",
            "counter",
            "Rounds by how they ended.",
            [(f'{log},state="{o}"', standing.rounds.get(o, 0)) for o in STATES],
        ),
        (
            "records_total",
            "counter",
            "Records that were checked.",
            [(log, standing.records)],
        ),
        (
            "verdicts_total",
            "counter",
            "Words of the service that were compared with the copy's.",
            [(log, standing.verdicts)],
        ),
    ]
    lines = []
    for name, kind, about, samples in families:
        whole = f"jenkins_notary_audit_{name}"
        lines += [f"# HELP {whole} {about}", f"# TYPE {whole} {kind}"]
        lines += [f"{whole}{{{labels}}} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Return a label's value."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

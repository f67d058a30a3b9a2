from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import (
    ConfigurationError,
    NotaryError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.watch.alerting import (
    Standing,
    Webhook,
    format_metrics,
    load_webhook,
    write_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STANDING = Standing(
    'a"b\\c\nd', "integrity", "it was rolled back", 7, 2, 5.5, {"well": 3}, 9, 4
)


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[Any]]]:
    """Give the URL of a web server and what it has got: (path, headers, body)."""
    got: list[Any] = []
    left = list(statuses)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((self.path, self.headers, self.rfile.read(length)))
            self.send_response(left.pop(0) if left else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(folder: Path, text: str) -> Webhook:
    """Return the webhook of a file with that text."""
    path = folder / "webhook"
    path.write_text(text)
    path.chmod(0o600)
    return load_webhook(str(path), plain_http=(), ca_file=None, environ={})


def test_a_change_is_told_with_a_signature(tmp_path: Path) -> None:
    with receiver() as (url, got):
        load(tmp_path, f"{url}/hook?x=1\nsecret\n").tell(STANDING)
    ((path, headers, body),) = got
    at, _, mac = headers["Notary-Signature"].partition(",")
    wanted = hmac.new(b"secret", at[2:].encode() + b"." + body, hashlib.sha256)
    value = json.loads(body)

    assert path == "/hook?x=1"
    assert mac == f"sha256={wanted.hexdigest()}"
    assert (value["kind"], value["state"]) == ("audit", "integrity")
    assert value["facts"] == {"size": 7, "trustSize": 2}


def test_without_a_secret_nothing_is_signed(tmp_path: Path) -> None:
    with receiver() as (url, got):
        load(tmp_path, url).tell(STANDING)

    assert got[0][0] == "/"
    assert got[0][1]["Notary-Signature"] is None


def test_it_is_tried_again_and_no_redirect_is_followed(tmp_path: Path) -> None:
    with receiver(500, 503) as (url, got):
        hook = load(tmp_path, f"{url}/secret-path")
        hook._pause = lambda _: None
        hook.tell(STANDING)
        assert len(got) == 3
    with receiver(302, 302, 302) as (url, got):
        hook = load(tmp_path, f"{url}/secret-path")
        hook._pause = lambda _: None
        with pytest.raises(UnavailableError) as caught:
            hook.tell(STANDING)

    assert "HTTP 302" in str(caught.value)
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "x", "ftp://a/b", "https://a b/", "https://a/\u00e9", "http://a.b/c"]
)
def test_a_file_without_a_url_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook file"):
        load(tmp_path, text)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "webhook"
    path.write_text("https://a.example/b")
    path.chmod(0o644)

    with pytest.raises(NotaryError):
        load_webhook(str(path), plain_http=(), ca_file=None, environ={})


def test_metrics_escape_the_log_and_count_each_state() -> None:
    text = format_metrics(STANDING)

    assert r'jenkins_notary_audit_fault{log="a\"b\\c\nd"} 1' in text.split("\n")
    assert 'state="well"} 3' in text
    assert 'state="unreachable"} 0' in text
    assert text.count("# TYPE") == 7


def test_a_metrics_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.prom"
    write_metrics(str(path), STANDING)
    write_metrics(str(path), STANDING._replace(size=8))

    assert "tree_size" in path.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["audit.prom"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400
    with pytest.raises(StorageError):
        write_metrics(str(tmp_path / "none" / "audit.prom"), STANDING)

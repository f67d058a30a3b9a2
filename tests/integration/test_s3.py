"""A ledger whose bodies lie in a bucket of a real server that speaks S3."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.blobs import s3_client
from jenkins_notary.blobs.opening import open_blobs
from jenkins_notary.blobs.s3 import TAIL_BYTES
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.values.body import CHUNK_SIZE, Body
from tests.command import command
from tests.parts.s3 import make_bucket, serve_s3

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real("versitygw")

JOB = "ci.example.com:payments/api/main#42"
PLACE = "s3://bodies/notary"


@contextmanager
def asking(environ: dict[str, str]) -> Iterator[None]:
    """Be who asks a server."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setenv("JENKINS_NOTARY_BLOBS", PLACE)
        s3_client._make_client.cache_clear()
        yield
    s3_client._make_client.cache_clear()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with serve_s3(tmp_path_factory.mktemp("s3")) as environ:
        make_bucket(environ, "bodies")
        yield environ


@pytest.fixture
def s3(server: dict[str, str]) -> Iterator[None]:
    with asking(server):
        yield


def keys() -> set[str]:
    """Return the objects in the bucket."""
    listed = s3_client.client().list_objects_v2(Bucket="bodies")
    return {one["Key"] for one in listed.get("Contents", ())}


@pytest.mark.usefixtures("s3")
def test_bodies_are_kept_read_checked_and_backed_up(tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger.db")
    report, log = tmp_path / "report.xml", tmp_path / "console.log"
    report.write_text("<testsuite/>")
    log.write_bytes(os.urandom(TAIL_BYTES * 30))
    with Notary(ledger) as notary:
        notary.ledger.init()
        notary.attach(str(report), job=JOB, label="tests")
        notary.put_log(JOB, str(log))
        read = b"".join(notary.read_log(JOB))
        checked = notary.ledger.verify()
        backup = notary.ledger.backup(str(tmp_path / "backup"))

    assert read == log.read_bytes()
    assert not checked.findings
    assert backup.bodies == 2
    assert not os.path.exists(f"{ledger}.blobs")
    assert {one.rpartition("/")[0] for one in keys()} >= {"notary/bodies/sha256"}
    doctor = command("doctor", "--ledger", ledger)
    assert f"{PLACE}/bodies" in doctor.text


@pytest.mark.usefixtures("s3")
def test_a_log_that_is_held_is_moved_when_it_is_released(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(f"PASSWORD=hunter2-{os.urandom(8).hex()}\n")
    with Notary(str(tmp_path / "ledger.db")) as notary:
        notary.ledger.init()
        before = keys()
        notary.put_log(JOB, str(log))
        held = keys() - before
        notary.release_log(JOB, reason="a test")
        released = keys() - before
        read = b"".join(notary.read_log(JOB))

    assert [one.rpartition("/")[0] for one in held] == ["notary/held/sha256"]
    assert [one.rpartition("/")[0] for one in released] == ["notary/bodies/sha256"]
    assert read == log.read_bytes()


@pytest.mark.usefixtures("s3")
def test_what_is_erased_is_gone_from_the_bucket(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_bytes(os.urandom(100))
    with Notary(str(tmp_path / "ledger.db")) as notary:
        notary.ledger.init()
        before = keys()
        notary.attach(str(report), job=JOB)
        kept = keys() - before
        last = notary.ledger.status().tree_size - 1
        notary.ledger.erase([last], reason="a request")

    assert len(kept) == 1
    assert keys() == before


class Long:
    """A body of ten parts that is never held whole."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return os.urandom(size)


@pytest.mark.usefixtures("s3")
def test_a_long_body_goes_in_parts_and_comes_a_chunk_at_a_time() -> None:
    blobs = open_blobs(PLACE)
    body = blobs.put(cast("io.BytesIO", Long(20 << 20)))

    assert len(blobs.leaf_hashes(body)) == body.chunks == 80
    assert len(blobs.chunk(body, 79)) == body.chunk_size


@pytest.mark.usefixtures("s3")
def test_an_object_that_was_altered_is_found(tmp_path: Path) -> None:
    data = os.urandom(TAIL_BYTES * 2)
    path = tmp_path / "body"
    path.write_bytes(data)
    with path.open("rb") as file:
        body = open_blobs(PLACE).put(file)
    key = f"notary/sha256/{body.sha256_hex}"
    stored = s3_client.client().get_object(Bucket="bodies", Key=key)["Body"].read()
    for bent in (stored[:-1], stored[:100] + b"\0" + stored[101:], b"", b"short"):
        s3_client.client().put_object(Bucket="bodies", Key=key, Body=bent)
        with pytest.raises(IntegrityError, match=body.sha256_hex):
            open_blobs(PLACE).chunk(body, 0)
    for bent in (b"short", stored[:100] + b"\0" + stored[101:]):
        s3_client.client().put_object(Bucket="bodies", Key=key, Body=bent)
        with path.open("rb") as file:
            open_blobs(PLACE).put(file)

        assert open_blobs(PLACE).chunk(body, 0) == data


def test_a_server_that_gives_more_than_was_asked_fills_no_memory() -> None:
    sent = 0

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal sent
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 30))
            self.end_headers()
            with suppress(OSError):
                while True:
                    sent += self.wfile.write(bytes(1 << 16))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environ = {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        with asking(environ), pytest.raises(IntegrityError, match="more bytes"):
            open_blobs(PLACE).chunk(Body("ab" * 32, 1, CHUNK_SIZE, "cd" * 32), 0)
        server.shutdown()

    assert sent < 64 << 20


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(
            {"AWS_SECRET_ACCESS_KEY": "wrong"}, PermissionDeniedError, id="secret"
        ),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "nobody"}, PermissionDeniedError, id="stranger"
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"},
            UnavailableError,
            id="away",
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL_S3": "http://s3.example.com"},
            ConfigurationError,
            id="plain-http",
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL_S3": "nonsense"}, ConfigurationError, id="no-url"
        ),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            ConfigurationError,
            id="nobody",
        ),
    ],
)
def test_what_is_wrong_is_told(
    server: dict[str, str],
    tmp_path: Path,
    change: dict[str, str],
    error: type[NotaryError],
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"a body")
    home = {"HOME": str(tmp_path), "AWS_MAX_ATTEMPTS": "1"}
    with (
        asking({**server, **home, **change}),
        path.open("rb") as file,
        pytest.raises(error) as raised,
    ):
        open_blobs(PLACE).put(file)

    assert "wrong" not in str(raised.value)


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_a_failure_of_storage(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"a body")
    with path.open("rb") as file, pytest.raises(StorageError, match="NoSuchBucket"):
        open_blobs("s3://nowhere/notary").put(file)


def test_another_kind_of_place_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="s3://BUCKET"):
        open_blobs("ftp://user:secret@host/bodies")


@pytest.mark.parametrize("place", ["s3://key:secret@bucket/notary", "s3:///x", "s3://"])
def test_what_is_no_bucket_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(ConfigurationError, match="no name of a bucket") as raised:
        open_blobs(place)

    assert "secret" not in str(raised.value)


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jenkins_notary.blobs.s3", raising=False)
    monkeypatch.setitem(sys.modules, "jenkins_notary.blobs.s3", None)
    with pytest.raises(ConfigurationError) as raised:
        open_blobs(PLACE)

    assert "jenkins-notary[s3]" in raised.value.advice


def test_a_temporary_file_without_room_is_told(
    server: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"a body")
    with (
        asking(server),
        pytest.MonkeyPatch.context() as patch,
        open("/dev/full", "wb", 0) as full,
        path.open("rb") as file,
    ):
        patch.setattr("tempfile.TemporaryFile", lambda: full)
        with pytest.raises(StorageError, match="TMPDIR"):
            open_blobs(PLACE).put(file)

"""Ask real HTTP servers on loopback that misbehave in every way."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest

from jenkins_notary.assets.images import resolve_image
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.registry import http_source, transport
from jenkins_notary.registry.client import RegistryClient
from jenkins_notary.registry.http_source import HttpSource
from jenkins_notary.registry.transport import HttpSettings
from tests.parts.registry import free_port, serve_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = b"the artifact\n" * 1000


class Seen(NamedTuple):
    """A request that a server got."""

    path: str
    authorization: str | None


class Reply(NamedTuple):
    """What a server answers."""

    status: int = 200
    body: bytes = BODY
    headers: tuple[tuple[str, str], ...] = ()
    announced: int | None = None


class Server:
    """A web server on loopback that answers from a script, the last reply for ever."""

    def __init__(self, stack: ExitStack) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.seen: list[Seen] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                server.seen.append(Seen(self.path, self.headers.get("Authorization")))
                waiting = server.replies.get(self.path.partition("?")[0], [Reply(404)])
                reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response(reply.status)
                length = len(reply.body) if reply.announced is None else reply.announced
                self.send_header("Content-Length", str(length))
                for key, value in reply.headers:
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(reply.body)

        self.base = stack.enter_context(serve_http(Handler))
        self.host = self.base.partition("://")[2]

    def on(self, path: str, *replies: Reply) -> str:
        """Answer a path with these replies, one after the other; return its URL."""
        self.replies[path] = list(replies)
        return self.base + path


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        yield Server(stack), Server(stack)


@pytest.fixture
def server(servers: tuple[Server, Server]) -> Server:
    return servers[0]


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def settings(pauses: list[float]) -> HttpSettings:
    return HttpSettings(
        plain_http_hosts=frozenset({"127.0.0.1"}), pause=pauses.append, timeout_s=5.0
    )


def redirect(location: str, status: int = 302) -> Reply:
    return Reply(status, b"", (("Location", location),))


class TestHttpSource:
    def test_digest_is_that_of_the_body(
        self, server: Server, settings: HttpSettings
    ) -> None:
        url = server.on("/a.jar", Reply())
        seen: list[int] = []

        fetched = HttpSource(settings=settings).fetch_url(url, progress=seen.append)

        assert fetched.sha256_hex == hashlib.sha256(BODY).hexdigest()
        assert (fetched.size, fetched.head) == (len(BODY), BODY[:512])
        assert seen[-1] == len(BODY)

    def test_login_in_the_url_goes_to_its_origin_only(
        self, servers: tuple[Server, Server], settings: HttpSettings
    ) -> None:
        first, second = servers
        target = second.on("/b", Reply())
        first.on("/a", redirect(target))
        url = f"http://bob:p%40w@{first.host}/a?x=1"

        fetched = HttpSource(settings=settings).fetch_url(url)

        assert fetched.redirects == 1
        assert first.seen == [Seen("/a?x=1", "Basic Ym9iOnBAdw==")]
        assert second.seen == [Seen("/b", None)]

    def test_login_stays_on_a_redirect_within_the_origin(
        self, server: Server, settings: HttpSettings
    ) -> None:
        server.on("/a", redirect("/b", 307))
        server.on("/b", Reply())

        HttpSource(settings=settings).fetch_url(f"http://bob:pw@{server.host}/a")

        assert {seen.authorization for seen in server.seen} == {"Basic Ym9iOnB3"}

    def test_netrc_is_not_read(
        self, server: Server, settings: HttpSettings, monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login eve password pw\n")
        monkeypatch.setenv("NETRC", str(netrc))

        HttpSource(settings=settings).fetch_url(server.on("/a", Reply()))

        assert server.seen == [Seen("/a", None)]

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (404, NotFoundError),
            (410, NotFoundError),
            (401, PermissionDeniedError),
            (403, PermissionDeniedError),
            (418, UnavailableError),
            (204, UnavailableError),
        ],
    )
    def test_status_decides_the_failure(
        self,
        server: Server,
        settings: HttpSettings,
        *,
        status: int,
        expected: type[NotaryError],
    ) -> None:
        url = server.on("/a", Reply(status, b""))

        with pytest.raises(expected):
            HttpSource(settings=settings).fetch_url(url)

        assert len(server.seen) == 1

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_busy_server_is_asked_again(
        self, server: Server, settings: HttpSettings, pauses: list[float], status: int
    ) -> None:
        url = server.on("/a", Reply(status), Reply(status), Reply())

        fetched = HttpSource(settings=settings).fetch_url(url)

        assert fetched.size == len(BODY)
        assert pauses == [0.5, 1.0]

    def test_server_that_stays_busy_is_unavailable(
        self, server: Server, settings: HttpSettings, pauses: list[float]
    ) -> None:
        url = server.on("/a", Reply(503))

        with pytest.raises(UnavailableError, match="HTTP 503"):
            HttpSource(settings=settings).fetch_url(url)

        assert len(server.seen) == 4
        assert pauses == [0.5, 1.0, 2.0]

    @pytest.mark.parametrize(
        ("value", "pause"), [("3", 3.0), ("99999", 20.0), ("soon", 0.5), ("-1", 0.5)]
    )
    def test_retry_after_is_kept_within_bounds(
        self,
        server: Server,
        settings: HttpSettings,
        pauses: list[float],
        *,
        value: str,
        pause: float,
    ) -> None:
        busy = Reply(429, b"", (("Retry-After", value),))
        url = server.on("/a", busy, Reply())

        HttpSource(settings=settings).fetch_url(url)

        assert pauses == [pause]

    def test_body_that_breaks_off_is_read_again(
        self, server: Server, settings: HttpSettings
    ) -> None:
        cut = Reply(200, BODY[:100], announced=len(BODY))
        url = server.on("/a", cut, Reply())

        assert HttpSource(settings=settings).fetch_url(url).size == len(BODY)

    def test_body_that_always_breaks_off_is_unavailable(
        self, server: Server, settings: HttpSettings
    ) -> None:
        url = server.on("/a", Reply(200, BODY[:100], announced=len(BODY)))

        with pytest.raises(UnavailableError, match="the whole body"):
            HttpSource(settings=settings).fetch_url(url)

        assert len(server.seen) == 4

    def test_encoded_body_is_refused(
        self, server: Server, settings: HttpSettings
    ) -> None:
        headers = (("Content-Encoding", "gzip"),)
        url = server.on("/a", Reply(200, gzip.compress(BODY), headers))

        with pytest.raises(UnavailableError, match="an unencoded body"):
            HttpSource(settings=settings).fetch_url(url)

    def test_body_over_the_limit_is_refused(
        self, server: Server, settings: HttpSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_source, "MAX_BYTES", 100)

        with pytest.raises(UsageError, match="at most 100 bytes"):
            HttpSource(settings=settings).fetch_url(server.on("/a", Reply()))

    def test_body_that_takes_for_ever_is_refused(
        self, server: Server, settings: HttpSettings
    ) -> None:
        times = iter((0.0, 1e9))
        slow = settings._replace(clock=lambda: next(times))

        with pytest.raises(UsageError, match="got more"):
            HttpSource(settings=slow).fetch_url(server.on("/a", Reply()))

    def test_body_of_a_redirect_is_not_read(
        self, servers: tuple[Server, Server], settings: HttpSettings
    ) -> None:
        first, second = servers
        giant = redirect(second.on("/b", Reply()))._replace(
            body=b"x", announced=1 << 50
        )

        fetched = HttpSource(settings=settings).fetch_url(first.on("/a", giant))

        assert fetched.size == len(BODY)

    def test_redirects_are_bounded(
        self, server: Server, settings: HttpSettings
    ) -> None:
        url = server.on("/a", redirect("/a"))

        with pytest.raises(UnavailableError, match="at most 5 redirects"):
            HttpSource(settings=settings).fetch_url(url)

        assert len(server.seen) == 6

    @pytest.mark.parametrize(
        "location",
        [
            "ftp://127.0.0.1/a",
            "file:///etc/passwd",
            "http://other.example/a",
        ],
    )
    def test_redirect_to_what_may_not_be_asked_is_refused(
        self, server: Server, settings: HttpSettings, location: str
    ) -> None:
        with pytest.raises(UsageError):
            HttpSource(settings=settings).fetch_url(server.on("/a", redirect(location)))

    def test_redirect_to_what_is_no_url_is_unavailable(
        self, server: Server, settings: HttpSettings
    ) -> None:
        url = server.on("/a", redirect("http://[::1/a"))

        with pytest.raises(UnavailableError, match="a malformed one"):
            HttpSource(settings=settings).fetch_url(url)

    def test_redirect_from_https_to_http_is_refused(self) -> None:
        with pytest.raises(UsageError, match="another scheme"):
            transport._redirected("https://a.example/", "http://a.example/")

    def test_plain_http_that_was_not_asked_for_is_refused(self, server: Server) -> None:
        with pytest.raises(UsageError, match="plain http"):
            HttpSource().fetch_url(server.on("/a", Reply()))

        assert server.seen == []

    def test_server_that_is_down_is_unavailable(self, settings: HttpSettings) -> None:
        with pytest.raises(UnavailableError, match="no connection"):
            HttpSource(settings=settings).fetch_url(f"http://127.0.0.1:{free_port()}/a")

    def test_tls_with_what_speaks_none_is_unavailable(
        self, server: Server, settings: HttpSettings
    ) -> None:
        with pytest.raises(UnavailableError):
            HttpSource(settings=settings).fetch_url(f"https://{server.host}/a")

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_ca_file_that_cannot_be_used_is_a_configuration_fault(
        self, tmp_path: Path, content: str | None
    ) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)

        with pytest.raises(ConfigurationError, match="CA file"):
            HttpSource(ca_file=str(path))
        with pytest.raises(ConfigurationError, match="CA file"):
            RegistryClient(ca_file=str(path))


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:" + "1" * 64,
            "size": 1,
        },
        "layers": [],
    }
).encode()
PATH = "/v2/shop/web/manifests/1"


def test_login_in_a_url_that_is_not_asked_is_not_sent_on(
    server: Server, settings: HttpSettings
) -> None:
    url = server.on("/a", redirect(f"http://eve:pw@{server.host}/b"))
    server.on("/b", Reply())

    HttpSource(settings=settings).fetch_url(url)

    assert server.seen[1].authorization is None


class TestRegistryClient:
    def client(
        self, settings: HttpSettings, folder: Path | None = None
    ) -> RegistryClient:
        return RegistryClient(
            settings=settings, environ={"DOCKER_CONFIG": str(folder or "/")}
        )

    def login(self, folder: Path, host: str) -> Path:
        entry = {"username": "bob", "password": "hunter2"}
        (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))
        return folder

    def test_claimed_digest_that_is_wrong_is_an_integrity_fault(
        self, server: Server, settings: HttpSettings
    ) -> None:
        claim = (("Docker-Content-Digest", "sha256:" + "0" * 64),)
        server.on(PATH, Reply(200, MANIFEST, claim))
        reference = parse_reference(f"{server.host}/shop/web:1")

        with pytest.raises(IntegrityError):
            resolve_image(reference, self.client(settings))

    def test_media_type_loses_its_parameters(
        self, server: Server, settings: HttpSettings
    ) -> None:
        kind = (("Content-Type", "Application/X; charset=utf-8"),)
        server.on(PATH, Reply(200, MANIFEST, kind))

        found = self.client(settings).fetch_manifest(
            parse_reference(f"{server.host}/shop/web:1")
        )

        assert found.media_type == "application/x"

    def test_manifest_without_end_is_refused(
        self, server: Server, settings: HttpSettings
    ) -> None:
        server.on(PATH, Reply(200, b" " * (4 * 1024 * 1024 + 1)))

        with pytest.raises(UsageError, match="at most 4194304 bytes"):
            self.client(settings).fetch_manifest(
                parse_reference(f"{server.host}/shop/web:1")
            )

    def test_login_does_not_follow_a_redirect_to_another_host(
        self, servers: tuple[Server, Server], settings: HttpSettings, tmp_path: Path
    ) -> None:
        first, second = servers
        second.on("/blob", Reply(200, MANIFEST))
        basic = Reply(401, b"", (("WWW-Authenticate", 'Basic realm="r"'),))
        first.on(PATH, basic, redirect(f"{second.base}/blob"))

        self.client(settings, self.login(tmp_path, first.host)).fetch_manifest(
            parse_reference(f"{first.host}/shop/web:1")
        )

        assert first.seen[1].authorization is not None
        assert second.seen == [Seen("/blob", None)]

    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            (Reply(401, b""), PermissionDeniedError),
            (Reply(403, b""), PermissionDeniedError),
            (Reply(500, b""), UnavailableError),
            (Reply(200, b"{}"), UnavailableError),
            (Reply(200, b"[]"), UnavailableError),
            (Reply(200, b"no json"), UnavailableError),
            (Reply(200, b'{"token": 7}'), UnavailableError),
            (Reply(200, b'{"token": "a\\r\\nHost: evil"}'), UnavailableError),
            (Reply(404, b""), UnavailableError),
        ],
    )
    def test_realm_that_gives_no_token_is_a_failure(
        self,
        server: Server,
        settings: HttpSettings,
        tmp_path: Path,
        *,
        reply: Reply,
        expected: type[NotaryError],
    ) -> None:
        realm = server.on("/token", reply)
        bearer = (("WWW-Authenticate", f'Bearer realm="{realm}",service="s"'),)
        server.on(PATH, Reply(401, b"", bearer))
        client = self.client(settings, self.login(tmp_path, server.host))

        with pytest.raises(expected) as caught:
            client.fetch_manifest(parse_reference(f"{server.host}/shop/web:1"))

        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "realm",
        ["", "ftp://127.0.0.1/t", "file:///etc/passwd", "http://evil.example/t"],
    )
    def test_realm_that_may_not_be_asked_gets_no_login(
        self, server: Server, settings: HttpSettings, tmp_path: Path, realm: str
    ) -> None:
        bearer = (("WWW-Authenticate", f'Bearer realm="{realm}"'),)
        server.on(PATH, Reply(401, b"", bearer))
        client = self.client(settings, self.login(tmp_path, server.host))

        with pytest.raises(UsageError):
            client.fetch_manifest(parse_reference(f"{server.host}/shop/web:1"))

    def test_challenge_that_is_not_understood_is_denied(
        self, server: Server, settings: HttpSettings
    ) -> None:
        server.on(PATH, Reply(401, b"", (("WWW-Authenticate", "Negotiate"),)))

        with pytest.raises(PermissionDeniedError, match="HTTP 401"):
            self.client(settings).fetch_manifest(
                parse_reference(f"{server.host}/shop/web:1")
            )

    @pytest.mark.parametrize(
        ("text", "url"),
        [
            (
                "alpine",
                "https://registry-1.docker.io/v2/library/alpine/manifests/latest",
            ),
            ("reg.example/a:1", "https://reg.example/v2/a/manifests/1"),
            ("127.0.0.1:5/a:1", "http://127.0.0.1:5/v2/a/manifests/1"),
            ("[::1]:5/a:1", "https://[::1]:5/v2/a/manifests/1"),
        ],
    )
    def test_manifest_is_asked_for_at_its_url(
        self, settings: HttpSettings, text: str, url: str
    ) -> None:
        assert self.client(settings)._url(parse_reference(text)) == url

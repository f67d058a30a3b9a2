"""Tests for asking registries beside what judges."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from typing import Any

import pytest

from jenkins_notary.assets.reference import ImageReference
from jenkins_notary.cluster.containers import Container
from jenkins_notary.cluster.links import Links
from jenkins_notary.cluster.pull_secrets import find_logins
from jenkins_notary.cluster.pulling import LIMIT_S, Finder, Place, place_of
from jenkins_notary.cluster.registries import MAX_PLACES, RETRY_S, Registries
from jenkins_notary.cluster.settings import RegistrySettings
from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.kubernetes.client import ClusterClient
from tests.parts.registry import serve_http

DIGEST = "sha256:" + "ab" * 32
CONFIG = "sha256:" + "cd" * 32
FOUND = Links(((CONFIG,),), (), is_index=False)


def make_container(
    image_id: str = f"a.example.com/web@{DIGEST}",
    **changes: Any,  # noqa: ANN401 - fields
) -> Container:
    one = Container(
        *("shop", "web", "u-1", "web", "regular", "a.example.com/web:1"),
        *(image_id, "", DIGEST, None, "n"),
        running=True,
    )
    return one._replace(**changes)


class Asked:
    """Registries that answer as they are told to."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.now_s = 0.0
        self.registries = Registries(self, monotonic=lambda: self.now_s)

    def __call__(self, place: Place, until_s: float) -> Links:
        del until_s
        self.places.append(place)
        if place.reference.registry == "a.example.com":
            self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return FOUND

    def collect(self, count: int = 1) -> set[str]:
        """Return what changes, once so many have."""
        found: set[str] = set()
        deadline = time.monotonic() + 10
        while len(found) < count and time.monotonic() < deadline:
            found |= self.registries.collect(lambda _: True)
            time.sleep(0.01)
        return found


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_digest_is_asked_once_and_what_uses_it_is_known(asked: Asked) -> None:
    for _ in range(3):
        asked.registries.want(make_container())
    assert asked.registries.links_of(DIGEST) is None

    assert asked.collect() == {DIGEST}
    asked.registries.want(make_container())
    asked.registries.collect(lambda _: True)

    assert asked.registries.links_of(DIGEST) == FOUND
    assert asked.registries.using(frozenset({CONFIG})) == {DIGEST}
    assert len(asked.places) == 1
    asked.registries.collect(lambda _: False)
    assert asked.registries.links_of(DIGEST) is None
    assert not asked.registries.using(frozenset({CONFIG}))


def test_failure_is_told_and_tried_again_only_after_a_while(asked: Asked) -> None:
    asked.error = UnavailableError("registry a.example.com", got="HTTP 500")
    asked.registries.want(make_container())
    asked.collect()
    assert "HTTP 500" in str(asked.registries.error_of(DIGEST))
    asked.registries.want(make_container())
    assert not asked.registries.collect(lambda _: True)

    asked.now_s, asked.error = RETRY_S * 2, None
    assert asked.registries.collect(lambda _: True) == {DIGEST}
    asked.registries.want(make_container())
    asked.collect()

    assert asked.registries.links_of(DIGEST) == FOUND
    assert len(asked.places) == 2


def test_other_places_are_tried_up_to_a_bound(asked: Asked) -> None:
    asked.error = RuntimeError("secret of it")
    for n in range(MAX_PLACES + 3):
        asked.registries.want(make_container(namespace=f"n-{n}"))
    asked.collect()
    deadline = time.monotonic() + 5
    while len(asked.places) < MAX_PLACES and time.monotonic() < deadline:
        asked.registries.collect(lambda _: True)

    assert len(asked.places) == MAX_PLACES
    error = asked.registries.error_of(DIGEST)
    assert error == f"image a.example.com/web@{DIGEST}: RuntimeError"


def test_registry_that_hangs_keeps_no_other_waiting(asked: Asked) -> None:
    asked.gate.clear()
    other = "sha256:" + "ef" * 32
    asked.registries.want(make_container())
    asked.registries.want(make_container(f"b.example.com/x@{other}", digest=other))

    assert asked.collect() == {other}
    asked.now_s = LIMIT_S + 1
    assert asked.registries.collect(lambda _: True) == {DIGEST}
    assert "within 30 s" in str(asked.registries.error_of(DIGEST))
    assert not asked.registries.collect(lambda _: True)
    asked.gate.set()
    assert asked.collect() == {DIGEST}
    assert asked.registries.links_of(DIGEST) == FOUND


def test_what_no_longer_runs_is_not_asked_for(asked: Asked) -> None:
    asked.registries.want(make_container())
    asked.registries.collect(lambda _: False)
    asked.registries.collect(lambda _: True)

    assert not asked.places


def test_id_without_a_repository_is_told(asked: Asked) -> None:
    asked.registries.want(make_container(f"docker://{DIGEST}"))

    assert asked.registries.collect(lambda _: True) == {DIGEST}
    assert "a repository to ask" in str(asked.registries.error_of(DIGEST))


def test_place_is_the_repository_that_the_runtime_names() -> None:
    told = make_container(f"docker-pullable://b.example.com/x@{DIGEST}")
    waiting = make_container("", image=f"web@{DIGEST}")

    assert place_of(told).reference.name == "b.example.com/x"
    assert place_of(waiting).reference.name == "docker.io/library/web"
    with pytest.raises(UsageError):
        place_of(make_container(DIGEST.partition(":")[2]))


class Secrets(ClusterClient):
    """An API server that has some secrets."""

    def __init__(self, **secrets: dict[str, Any]) -> None:
        self.secrets = secrets

    def get(self, path: str, **_: str | int | None) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        if name not in self.secrets:
            raise NotFoundError(path)
        return self.secrets[name]


def make_secret(auths: object, kind: str = "dockerconfigjson") -> dict[str, Any]:
    content = json.dumps({"auths": auths} if kind.endswith("json") else auths)
    data = base64.b64encode(content.encode()).decode()
    return {"type": f"kubernetes.io/{kind}", "data": {f".{kind}": data}}


def test_only_logins_of_the_exact_host_are_taken() -> None:
    entry = {"username": "u", "password": "p"}
    client = Secrets(
        other=make_secret(
            dict.fromkeys(["example.com", "*.example.com", "a.example.com:443"], entry)
        ),
        path=make_secret({"a.example.com/team": entry}, "dockercfg"),
        opaque={"type": "Opaque", "data": {}},
        empty={"type": "kubernetes.io/dockercfg"},
        broken={"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "{"}},
        good=make_secret({"https://a.example.com/v1/": entry}, "dockercfg"),
    )
    names = ("absent", "other", "path", "opaque", "empty", "broken", "good")

    (found,) = find_logins(client, "shop", names, "a.example.com")

    assert (found.user, found.source) == ("u", "secret shop/good")


def test_login_is_not_sent_to_where_a_registry_redirects() -> None:
    seen: list[tuple[str, str | None]] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            seen.append(("elsewhere", self.headers.get("Authorization")))
            self.send_error(403)

    with serve_http(Elsewhere) as elsewhere:

        class Home(Elsewhere):
            def do_GET(self) -> None:
                given = self.headers.get("Authorization")
                seen.append(("home", given))
                self.send_response(401 if given is None else 302)
                self.send_header("WWW-Authenticate", 'Basic realm="r"')
                self.send_header("Location", f"{elsewhere}/x")
                self.send_header("Content-Length", "0")
                self.end_headers()

        with serve_http(Home) as home:
            host = home.partition("://")[2]
            client = Secrets(a=make_secret({host: {"username": "u", "password": "p"}}))
            settings = RegistrySettings(True, True, ("127.0.0.1",))  # noqa: FBT003
            reference = ImageReference(host, "web", None, DIGEST)
            with pytest.raises(PermissionDeniedError):
                Finder(settings, client)(
                    Place(reference, "shop", ("a",)), time.monotonic() + 20
                )

    assert seen[-1] == ("elsewhere", None)
    assert ("home", "Basic dTpw") in seen


def test_secrets_are_not_read_unless_the_settings_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> Links:
        raise PermissionDeniedError("x", got="HTTP 401")

    monkeypatch.setattr(Finder, "_ask", refuse)
    reference = ImageReference("a.example.com", "web", None, DIGEST)
    place = Place(reference, "shop", ("a",))

    with pytest.raises(PermissionDeniedError, match=r"not read: registry\.secrets"):
        Finder(RegistrySettings(enabled=True), Secrets())(place, 0.0)


def test_nothing_is_asked_after_its_time() -> None:
    reference = ImageReference("127.0.0.1:1", "web", None, DIGEST)
    finder = Finder(RegistrySettings(enabled=True), Secrets())

    with pytest.raises(UnavailableError, match="within 30 s"):
        finder(Place(reference, "shop", ()), time.monotonic() - 1)

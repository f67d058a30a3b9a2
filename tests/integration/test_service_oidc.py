"""People at the real service for whom a real provider, or a proxy, vouches."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.parts.provider import CLIENT, SECRET, Provider, run_provider
from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROXY = "p" * 32
OURS = "ci.example.com:payments/api/main#1"
OTHER = "ci.example.com:other/main#1"


class World(NamedTuple):
    """A service, its provider, and a record in each of two folders."""

    service: Serving
    provider: Provider


def secret(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("oidc")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with run_provider(folder) as provider:
        login = {
            "url": f"http://127.0.0.1:{port}",
            "groups": [
                {"group": "payments", "role": "reader", "folders": ["payments"]},
                {"group": "security", "role": "security"},
            ],
            "oidc": {
                "issuer": provider.url,
                "client-id": CLIENT,
                "client-secret-file": secret(folder, "client", SECRET),
                "title": "Example <SSO>",
            },
            "proxy": {
                "peers": ["127.0.0.0/8"],
                "secret-file": secret(folder, "proxy", PROXY),
            },
        }
        (folder / "settings.yaml").write_text(json.dumps({"login": login}))
        service = Serving(folder, "--settings", str(folder / "settings.yaml"))
        service.port = port
        with service:
            for job in (OURS, OTHER):
                assert (
                    service.ask("POST", "/api/v1/records", claim(job=job)).status == 200
                )
            yield World(service, provider)


def get(service: Serving, path: str, **headers: str) -> Answer:
    return service.ask("GET", path, token="", headers=headers)


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def follow(place: str) -> str:
    """Return where the provider sends the browser."""
    parts = urlsplit(place)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 303, body
    back = urlsplit(response.headers["Location"])
    return f"{back.path}?{back.query}"


def log_in(world: World, wanted: str = "/", **claims: object) -> Answer:
    """Return the answer at the end of the way."""
    world.provider.next(**claims)
    away = get(world.service, f"/login/oidc?next={wanted}")
    assert away.status == 303, away
    back = follow(away.headers["location"])
    return raw(world.service, back, cookie_of(away))


def raw(service: Serving, path: str, cookie: str) -> Answer:
    """Ask with a cookie; of the answer's cookies the login's comes first."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("GET", path, headers={"Cookie": cookie})
    response = connection.getresponse()
    body = response.read()
    headers = {key.lower(): one for key, one in reversed(response.getheaders())}
    connection.close()
    return Answer(response.status, headers, body)


def jobs_of(service: Serving, **headers: str) -> set[str]:
    """Return the jobs that somebody sees."""
    answer = get(service, "/api/v1/evidence?since=2020-01-01", **headers)
    assert answer.status == 200, answer
    jobs = (one["predicate"].get("job") for one in answer.json["records"])
    return {one["id"] for one in jobs if one}


def is_logged(service: Serving, person: str) -> bool:
    """Return whether the access log names a person, or soon does."""
    for _ in range(100):
        named = [one for one in service.lines(1) if one.get("person") == person]
        if named:
            return all("token" not in one for one in named)
        time.sleep(0.05)
    return False


def test_person_of_a_group_logs_in_and_sees_its_folders(world: World) -> None:
    answer = log_in(world, "/jobs?x=1", sub="jane", groups=["payments", "others"])
    assert (answer.status, answer.headers["location"]) == (303, "/jobs?x=1")
    cookie = cookie_of(answer)

    assert jobs_of(world.service, Cookie=cookie) == {OURS}
    assert get(world.service, "/checkpoint", Cookie=cookie).status == 403
    assert is_logged(world.service, "oidc:jane")


def test_form_offers_the_provider(world: World) -> None:
    body = get(world.service, "/login?next=/a").body

    assert b"login/oidc?next=/a" in body
    assert b"Example &lt;SSO&gt;" in body


def test_provider_gets_what_openid_asks_for_and_nothing_twice(world: World) -> None:
    queries = []
    for _ in range(2):
        away = get(world.service, "/login/oidc")
        query = parse_qs(urlsplit(away.headers["location"]).query)
        assert query["scope"] == ["openid profile"]
        assert "HttpOnly" in away.headers["set-cookie"]
        assert query["state"][0] not in away.headers["set-cookie"]
        queries.append(query)

    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"groups": []}, id="no-group"),
        pytest.param({"groups": ["admin", "Payments"]}, id="unknown-groups"),
        pytest.param({"groups": "security payments"}, id="one-text"),
        pytest.param({"groups": {"security": True}}, id="no-list"),
        pytest.param({"groups": ["security"] * 2000}, id="too-many"),
        pytest.param({"nonce": "other"}, id="nonce"),
        pytest.param({"nonce": None}, id="no-nonce"),
        pytest.param({"aud": "other"}, id="audience"),
        pytest.param({"aud": [CLIENT, "other"], "azp": "other"}, id="party"),
        pytest.param({"iss": "https://evil.example.com"}, id="issuer"),
        pytest.param({"exp": 1_000_000_000}, id="over"),
        pytest.param({"sub": None}, id="no-name"),
        pytest.param({"sub": "a\nb"}, id="control-character"),
        pytest.param({"sub": "j" * 300}, id="long-name"),
        pytest.param({"header": {"alg": "none"}}, id="none"),
        pytest.param({"header": {"alg": "HS256"}}, id="symmetric"),
        pytest.param({"answer_iss": "https://evil.example.com"}, id="mix-up"),
        pytest.param({"error": "access_denied"}, id="denied"),
        pytest.param({"token_status": 400}, id="code-refused"),
    ],
)
def test_who_is_not_vouched_for_gets_no_login(
    world: World, claims: dict[str, Any]
) -> None:
    answer = log_in(world, **{"sub": "jane", "groups": ["security"], **claims})

    assert answer.status == 403
    assert 'notary-away=""' in answer.headers["set-cookie"]


def test_provider_that_fails_is_told_as_away(world: World) -> None:
    answer = log_in(world, sub="jane", groups=["security"], token_status=500)

    assert answer.status == 503


def test_answer_of_another_browsers_login_is_refused(world: World) -> None:
    world.provider.next(sub="mallory", groups=["security"])
    hers = get(world.service, "/login/oidc")
    mine = get(world.service, "/login/oidc")
    back = follow(hers.headers["location"])

    for cookie in (cookie_of(mine), "notary-away=", "notary-away=x.y", "x=y"):
        assert raw(world.service, back, cookie).status == 403
    assert raw(world.service, back, cookie_of(hers)).status == 303
    # Its code was redeemed.
    assert raw(world.service, back, cookie_of(hers)).status == 403


def test_code_that_another_login_got_is_refused(world: World) -> None:
    world.provider.next(sub="mallory", groups=["security"])
    hers, mine = (get(world.service, "/login/oidc") for _ in range(2))
    stolen = parse_qs(urlsplit(follow(hers.headers["location"])).query)["code"][0]
    own = parse_qs(urlsplit(mine.headers["location"]).query)["state"][0]
    path = f"/login/oidc/callback?state={own}&code={stolen}"

    assert raw(world.service, path, cookie_of(mine)).status == 403


def test_access_log_holds_no_code(world: World) -> None:
    before = len(world.service.lines(0))
    log_in(world, sub="jane", groups=["payments"])
    later = world.service.lines(before + 2)[before:]
    lines = [one for one in later if one["path"] == "/login/oidc/callback"]

    assert lines
    assert all(one["query"] == "" for one in lines)


def test_record_of_a_person_names_him(world: World) -> None:
    cookie = cookie_of(log_in(world, sub="joe", groups=["security"]))
    bad = claim(job=None, status="UNTRUSTED", reason="CVE")
    own = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    answer = world.service.ask("POST", "/api/v1/records", bad, token="", headers=own)
    index = answer.json["assets"][0]["index"]

    found = world.service.ask("GET", f"/api/v1/records/{index}").json
    submitter = found["record"]["predicate"]["submitter"]
    assert submitter == {"person": "oidc:joe", "role": "security"}


def vouched(
    user: str = "jane", groups: str = "payments", proof: str = PROXY
) -> dict[str, str]:
    return {
        "Notary-Proxy-Secret": proof,
        "X-Forwarded-User": user,
        "X-Forwarded-Groups": groups,
    }


def test_proxy_with_its_secret_is_believed(world: World) -> None:
    headers = vouched(groups="others, payments")

    assert jobs_of(world.service, **headers) == {OURS}
    assert is_logged(world.service, "proxy:jane")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(vouched(proof="x" * 32), 401, id="wrong-secret"),
        pytest.param(vouched(proof=""), 401, id="no-secret"),
        pytest.param(vouched(user=""), 401, id="nobody"),
        pytest.param(vouched(groups=""), 403, id="no-group"),
        pytest.param(vouched(groups="security;payments"), 403, id="separator"),
        pytest.param({**vouched(), "Authorization": "Bearer x.y"}, 401, id="token"),
    ],
)
def test_who_the_proxy_does_not_vouch_for_is_nobody(
    world: World, headers: Mapping[str, str], status: int
) -> None:
    answer = world.service.ask("GET", "/api/v1/status", token="", headers=headers)

    assert answer.status == status


def test_header_that_stands_twice_is_refused(world: World) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.service.port, timeout=10)
    connection.putrequest("GET", "/api/v1/status")
    for name, value in [*vouched().items(), ("X-Forwarded-Groups", "security")]:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()

    assert response.status == 403


def test_what_a_proxy_adds_changes_nothing_from_another_site(world: World) -> None:
    value = claim(job=None, status="UNTRUSTED", reason="x")
    headers = {**vouched(groups="security"), "Sec-Fetch-Site": "cross-site"}
    path = "/api/v1/records"
    assert (
        world.service.ask("POST", path, value, token="", headers=headers).status == 403
    )

    headers["Sec-Fetch-Site"] = "same-origin"
    assert (
        world.service.ask("POST", path, value, token="", headers=headers).status == 200
    )


def test_peer_that_is_not_named_is_not_believed(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    groups = [{"group": "payments", "role": "reader"}]
    login = {"groups": groups, "proxy": {"peers": ["192.0.2.7"]}}
    settings.write_text(json.dumps({"login": login}))
    with Serving(tmp_path, "--settings", str(settings)) as service:
        answer = service.ask("GET", "/api/v1/status", token="", headers=vouched())

        assert answer.status == 401

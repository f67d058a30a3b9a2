"""People at the real service: the form, the cookie, and who sends them there."""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAME = {"Sec-Fetch-Site": "same-origin"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("people")) as one:
        yield one


def post(
    service: Serving, path: str, headers: Mapping[str, str] = SAME, **fields: str
) -> Answer:
    return service.ask(
        "POST", path, urlencode(fields), token="", headers={**FORM, **headers}
    )


def log_in(service: Serving, token: str) -> str:
    """Return the cookie of somebody who has logged in."""
    answer = post(service, "/login", token=token, next="/")
    assert answer.status == 303, answer
    return answer.headers["set-cookie"].partition(";")[0]


def test_token_in_the_form_becomes_a_cookie_that_acts_as_it(service: Serving) -> None:
    token = service.token("browser", "--role", "reader", "--folder", "payments")
    answer = post(service, "/login", token=f" {token}\n", next="/search?q=a%20b")
    cookie, *attributes = answer.headers["set-cookie"].split("; ")

    assert (answer.status, answer.headers["location"]) == (303, "/search?q=a%20b")
    assert re.fullmatch(r"notary=[\w-]{43}", cookie)
    assert set(attributes) == {
        *("HttpOnly", "Path=/", "SameSite=lax", "Max-Age=28800"),
    }
    own = {"Cookie": cookie}
    status = service.ask("GET", "/api/v1/status", token="", headers=own)
    assert status.status == 200
    log = service.ask("GET", "/checkpoint", token="", headers=own)
    assert "token browser" in log.json["message"]
    service.command("token", "revoke", "browser")
    assert service.ask("GET", "/api/v1/status", token="", headers=own).status == 401


def test_logging_out_ends_the_login_at_the_service(service: Serving) -> None:
    cookie = {"Cookie": log_in(service, service.admin)}
    foreign = post(service, "/logout", {**cookie, "Sec-Fetch-Site": "cross-site"})
    assert foreign.status == 403
    assert service.ask("GET", "/api/v1/status", token="", headers=cookie).status == 200
    answer = post(service, "/logout", {**cookie, **SAME})

    assert answer.headers["location"] == "/login"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert service.ask("GET", "/api/v1/status", token="", headers=cookie).status == 401
    assert post(service, "/logout").status == 303


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="not-said"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
        pytest.param({"Sec-Fetch-Site": "none"}, id="typed"),
        pytest.param({"Origin": "null"}, id="null"),
        pytest.param({"Origin": "http://evil.example.com"}, id="other"),
        pytest.param({"Origin": "http://"}, id="empty"),
        pytest.param({"Host": ""}, id="no-host"),
    ],
)
def test_page_of_another_site_has_a_browser_change_nothing(
    service: Serving, headers: dict[str, str]
) -> None:
    cookie = {"Cookie": log_in(service, service.admin)}
    path = "/api/v1/records"
    forged = service.ask("POST", path, claim(), token="", headers={**cookie, **headers})
    login = post(service, "/login", headers, token=service.admin)

    assert forged.status == login.status == 403
    assert "set-cookie" not in login.headers
    own = {"Origin": service.url}
    answer = service.ask("POST", path, claim(), token="", headers={**cookie, **own})
    assert answer.status == 200


@pytest.mark.parametrize(
    "place",
    [
        *("//evil.example.com", "https://evil.example.com", "/\\evil.example.com"),
        *("", "evil", "/a\r\nSet-Cookie: x=y", "/\t/evil", "/" + "a" * 3000),
    ],
)
def test_login_leads_to_no_other_site(service: Serving, place: str) -> None:
    answer = post(service, "/login", token=service.admin, next=place)

    assert answer.headers["location"] == "/"


def test_wrong_token_is_told_and_gets_no_cookie(service: Serving) -> None:
    for token in ("", "admin.wrong", "x" * 7000, "admin"):
        answer = post(service, "/login", token=token, next="/jobs/<x>")

        assert answer.status == 401
        assert "set-cookie" not in answer.headers
        assert b"does not hold" in answer.body
        assert b"/jobs/&lt;x&gt;" in answer.body


@pytest.mark.parametrize(
    "data", [b"token=a&token=b", b"\xff=1", b"&".join([b"a=1"] * 20), b"a" * 9000]
)
def test_form_that_is_none_is_refused(service: Serving, data: bytes) -> None:
    answer = service.ask("POST", "/login", data, token="", headers={**FORM, **SAME})

    assert answer.status in {400, 413}


def test_form_shows_what_it_is_given_as_text_and_runs_nothing(service: Serving) -> None:
    hostile = '"><script>alert(1)</script>'
    answer = service.ask("GET", f"/login?next={quote(hostile)}", token="")
    policy = answer.headers["content-security-policy"]

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert b"<script" not in answer.body
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert service.ask("GET", "/login?next=%FF", token="").status == 200


def test_who_wants_a_page_and_is_nobody_is_sent_to_the_form(service: Serving) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8"}
    page = service.ask("GET", "/jobs/a%23b?x=1&y", token="", headers=browser)
    api = service.ask("GET", "/api/v1/status", token="", headers=browser)
    program = service.ask("GET", "/jobs/a", token="")

    assert page.status == 303
    assert page.headers["location"] == "/login?next=/jobs/a%2523b%3Fx%3D1%26y"
    assert api.status == program.status == 401


def test_access_log_says_who_logged_in_and_no_secret(service: Serving) -> None:
    cookie = log_in(service, service.admin)
    count = len(service.lines(1))
    service.ask("GET", "/api/v1/status", token="", headers={"Cookie": cookie})
    lines = service.lines(count + 1)

    assert {"path": "/login", "token": "admin"}.items() <= lines[-2].items()
    assert lines[-1]["token"] == "admin"
    text = str(lines)
    assert cookie.partition("=")[2] not in text
    assert service.admin.partition(".")[2] not in text


def test_two_cookies_of_one_name_open_nothing_by_their_order(service: Serving) -> None:
    cookie = log_in(service, service.admin)
    both = {"Cookie": f"notary=x; {cookie}; notary=y"}

    assert service.ask("GET", "/api/v1/status", token="", headers=both).status == 401


def test_login_outlives_a_restart(service: Serving) -> None:
    cookie = {"Cookie": log_in(service, service.admin)}
    service.stop()
    service.start()

    assert service.ask("GET", "/api/v1/status", token="", headers=cookie).status == 200


def test_connection_keeps_nobody_logged_in(service: Serving) -> None:
    cookie = log_in(service, service.admin)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    statuses = []
    for headers in ({"Cookie": cookie}, {}):
        connection.request("GET", "/api/v1/status", headers=headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert statuses == [200, 401]

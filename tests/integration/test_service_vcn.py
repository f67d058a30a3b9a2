"""A script that was written for ``vcn serve`` goes on with this service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts.serving import Answer, Serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#42"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("vcn")
    settings = folder / "settings.yaml"
    settings.write_text("vcn: true\n")
    with Serving(folder, "--settings", str(settings)) as one:
        yield one


def artifact(digest: str = "", **more: object) -> dict[str, Any]:
    """Return what vcn sends of an artifact."""
    return {
        "kind": "file",
        "name": "app.jar",
        "hash": digest or os.urandom(32).hex(),
        "size": 9,
        "contentType": "application/java-archive",
        "metadata": {"version": "1.2"},
        **more,
    }


def send(service: Serving, verb: str, value: object, token: str = "") -> Answer:
    """Send an artifact with vcn's own header."""
    header = {"x-notarization-lc-api-key": token or service.admin}
    return service.ask("POST", f"/vcn/{verb}", value, token="", headers=header)


def test_artifact_is_notarized_authenticated_and_untrusted(service: Serving) -> None:
    one = artifact()
    made = send(service, "notarize", one)
    known = service.ask("GET", f"/vcn/authenticate/{one['hash']}")
    lost = send(service, "untrust", one)
    after = service.ask("GET", f"/vcn/authenticate/{one['hash']}")

    assert (made.status, made.json["status"]) == (200, 0)
    assert (made.json["hash"], made.json["name"]) == (one["hash"], "app.jar")
    assert known.json["status"] == 0
    assert known.json["signer"] == made.json["signer"]
    assert (lost.status, lost.json["status"]) == (200, 1)
    assert after.json["status"] == 1


def test_unsupported_artifact_has_vcns_number(service: Serving) -> None:
    one = artifact(kind="dir", contentType=None)

    assert send(service, "unsupport", one).json["status"] == 3


def test_history_is_shown_with_the_attributes(service: Serving) -> None:
    one = artifact()
    send(service, "notarize", one)
    send(service, "untrust", artifact(one["hash"], metadata={"reason": "CVE-1"}))
    answer = service.ask("GET", f"/vcn/inspect/{one['hash']}")
    signer = answer.json[0]["signer"]
    by = service.ask("GET", f"/vcn/inspect/{one['hash']}?signerid={signer}")

    assert [each["status"] for each in answer.json] == [0, 1]
    assert answer.json[0]["metadata"] == {"version": "1.2"}
    assert by.json == answer.json


def test_signers_and_org_narrow_whose_word_counts(service: Serving) -> None:
    one = artifact()
    signer = send(service, "notarize", one).json["signer"]
    other = "0x" + "0" * 40

    def ask(query: str) -> Any:  # noqa: ANN401 - a status
        path = f"/vcn/authenticate/{one['hash']}?{query}"
        return service.ask("GET", path).json["status"]

    assert ask(f"signers={signer},{other}") == 0
    assert ask(f"signers={other}") == 2
    assert ask("org=acme") == 2


def test_tokens_and_folders_hold_as_everywhere(service: Serving) -> None:
    writer = service.token("writer", "--role", "writer", "--folder", "payments")
    reader = service.token("reader", "--role", "reader")
    within = artifact(metadata={"job": JOB})
    outside = artifact(metadata={"job": JOB.replace("payments", "other")})

    assert send(service, "notarize", within, writer).status == 200
    assert send(service, "notarize", outside, writer).status == 403
    assert send(service, "notarize", artifact(), writer).status == 403
    assert send(service, "untrust", within, writer).status == 403
    assert send(service, "notarize", artifact(), reader).status == 403
    assert send(service, "notarize", artifact(), "writer.wrong").status == 401
    refused = service.ask("GET", f"/vcn/inspect/{within['hash']}", token="")
    assert (refused.status, refused.json["code"]) == (401, 401)


def test_cookie_of_a_browser_lets_nobody_in(service: Serving) -> None:
    headers = {"Cookie": f"notary={service.admin}; session={service.admin}"}
    answer = service.ask("POST", "/vcn/notarize", artifact(), token="", headers=headers)

    assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/vcn/notarize", None),
        ("POST", "/vcn/authenticate/" + "0" * 64, {}),
        ("GET", "/vcn/authenticate", None),
        ("POST", "/vcn/delete", {}),
        ("POST", "/vcn/notarize", b"not json"),
        ("POST", "/vcn/notarize", []),
        ("POST", "/vcn/notarize", {"metadata": 1}),
        ("POST", "/vcn/notarize", {}),
        ("POST", "/vcn/notarize", artifact(name=7)),
        ("POST", "/vcn/notarize", artifact("../../etc")),
        ("POST", "/vcn/notarize", artifact(metadata={"a": {"b": 1}})),
        ("POST", "/vcn/notarize", artifact(metadata={"job": 7})),
        ("POST", "/vcn/notarize", {"name": "x" * (65 << 10)}),
    ],
    ids=range(13),
)
def test_anything_else_is_refused_in_vcns_form(
    service: Serving,
    method: str,
    path: str,
    body: Any,  # noqa: ANN401 - JSON or bytes
) -> None:
    answer = service.ask(method, path, body)

    assert answer.status == 400, answer.body
    assert answer.json.keys() == {"message", "code", "error"}


def test_paths_that_are_not_vcns_are_the_apis(service: Serving) -> None:
    assert service.ask("GET", "/vcn").status == 404
    assert service.ask("GET", "/vcn/authenticate/short").status == 404
    assert service.ask("GET", "/api/v1/status").status == 200
    assert service.ask("GET", f"/vcn/inspect/{'0' * 64}").status == 404


def test_verbs_are_answered_only_where_they_are_switched_on(tmp_path: Path) -> None:
    with Serving(tmp_path) as plain:
        assert send(plain, "notarize", artifact()).status == 401
        assert plain.ask("POST", "/vcn/notarize", artifact()).status == 404

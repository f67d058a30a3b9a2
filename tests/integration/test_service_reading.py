"""The real service's lists of jobs, texts of logs, envelopes, and pages over HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.values.statement import Subject
from tests.parts.site import HOSTILE, HOSTILE_JOB, LOG, Site, serve_site

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.parts.serving import Answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve_site(tmp_path_factory.mktemp("site")) as served:
        yield served


def get(
    site: Site,
    path: str,
    token: str | None = None,
    asked: Mapping[str, object] | None = None,
) -> Answer:
    query = f"?{urlencode(asked)}" if asked else ""
    return site.service.ask("GET", f"{path}{query}", token=token)


def log_of(site: Site, job: str, **asked: object) -> Answer:
    return get(site, "/api/v1/log", asked={"job": job, **asked})


# Jobs


def list_names(site: Site, token: str | None = None, **asked: object) -> list[str]:
    answer = get(site, "/api/v1/jobs", token, asked)
    assert answer.status == 200, answer
    return [one["name"] for one in answer.json["jobs"]]


def test_jobs_are_listed_page_by_page_each_once(site: Site) -> None:
    everything = list_names(site)

    assert everything == [HOSTILE_JOB, "payments/api/main", "secret/main"]
    after, found = "", []
    for _ in range(9):
        answer = get(site, "/api/v1/jobs", asked={"limit": 1, "after": after}).json
        found += [one["name"] for one in answer["jobs"]]
        if answer["next"] is None:
            break
        after = answer["next"]
    assert found == everything


def test_newest_build_of_a_job_is_told_with_its_record(site: Site) -> None:
    answer = get(site, "/api/v1/jobs", asked={"prefix": "payments/api"})

    (job,) = answer.json["jobs"]
    assert job["newest"] == site.plain
    record = get(site, f"/api/v1/records/{job['index']}").json["record"]
    assert record["job"] == site.plain
    assert record["timestamp"] == job["timestamp"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("payments", 2),
        ("payments/api", 1),
        ("payments/api/main", 1),
        ("payments/ap", 0),
        ("pay", 0),
        ("elsewhere.example.com:payments", 0),
    ],
)
def test_prefix_of_jobs_is_whole_segments_on_one_controller(
    site: Site, prefix: str, found: int
) -> None:
    assert len(list_names(site, prefix=prefix)) == found


def test_jobs_of_other_folders_are_not_listed(site: Site) -> None:
    assert list_names(site, site.reader) == [HOSTILE_JOB, "payments/api/main"]
    assert list_names(site, site.reader, prefix="secret") == []


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "x"},
        {"prefix": "a//b"},
        {"prefix": "../a"},
        {"after": "a\x00"},
        {"before": 1},
    ],
    ids=str,
)
def test_malformed_question_for_jobs_is_refused(
    site: Site, asked: dict[str, object]
) -> None:
    assert get(site, "/api/v1/jobs", asked=asked).status == 400


# Logs


def test_log_comes_byte_for_byte_with_its_length(site: Site) -> None:
    answer = log_of(site, site.plain)

    assert answer.body == LOG
    assert answer.headers["content-length"] == str(len(LOG))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"lines": "9:11"}, b"Tests run: 9, Failures: 0\n[Pipeline] }\nFinished: "),
        ({"lines": "4"}, b"+ make\n"),
        ({"stage": "Build", "lines": "4:9"}, b"+ make\n\tcompiled 12 files\n[Pip"),
        ({"grep": "Finished"}, b"11:Finished: SUCCESS\n"),
        ({"stage": "Test", "grep": "Tests"}, b"9:Tests run: 9, Failures: 0\n"),
        ({"grep": "not there"}, b""),
    ],
    ids=str,
)
def test_part_of_a_log_is_what_was_asked_for(
    site: Site, asked: dict[str, object], text: bytes
) -> None:
    answer = log_of(site, site.plain, **asked)

    assert answer.status == 200, answer
    assert answer.body.startswith(text)
    assert bool(answer.body) == bool(text)


def test_stage_with_a_hostile_name_is_found_by_it(site: Site) -> None:
    answer = log_of(site, site.hostile, stage=HOSTILE)

    assert answer.body == b"".join(LOG.splitlines(keepends=True)[6:10])


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"job": "payments/api"}, 400),
        ({"job": "payments/api/main#99"}, 404),
        ({"job": "payments/api/main#3", "stage": "None"}, 404),
        ({"job": "payments/api/main#3", "lines": "0:1"}, 400),
        ({"job": "payments/api/main#3", "lines": "9:1"}, 400),
        ({"job": "payments/api/main#3", "lines": "1", "grep": "x"}, 400),
        ({"job": "payments/api/main#3", "from": "1"}, 400),
        ({"stage": "Build"}, 400),
    ],
    ids=str,
)
def test_malformed_or_vain_question_for_a_log_is_refused(
    site: Site, asked: dict[str, object], status: int
) -> None:
    assert get(site, "/api/v1/log", asked=asked).status == status


def test_log_of_another_folder_is_not_told_from_one_that_is_not_there(
    site: Site,
) -> None:
    answer = get(
        site, "/api/v1/log", site.reader, {"job": "ci.example.com:secret/main#1"}
    )

    assert answer.status == 403
    assert b"secret.jar" not in answer.body


# Envelopes


def test_envelope_and_receipt_prove_a_record_offline(site: Site) -> None:
    index = get(site, "/api/v1/jobs", asked={"prefix": "payments/api"}).json["jobs"][0][
        "index"
    ]
    envelope = get(site, f"/api/v1/records/{index}/envelope").body
    receipt = get(site, f"/api/v1/records/{index}/receipt").body
    record = get(site, f"/api/v1/records/{index}").json["record"]

    assert record["envelope"] == f"sha256:{hashlib.sha256(envelope).hexdigest()}"
    vkey = get(site, "/api/v1/status").json["vkey"]
    assert verify_receipt(receipt, vkey=vkey, envelope=envelope).checked.index == index
    other = get(site, f"/api/v1/records/{index + 1}/envelope", site.reader)
    assert other.status in {200, 404}


# Pages


def page_of(site: Site, path: str, token: str | None = None) -> Answer:
    headers = {"Accept": "text/html,application/xhtml+xml"}
    return site.service.ask("GET", path, token=token, headers=headers)


def test_page_forbids_scripts_frames_and_what_is_from_elsewhere(site: Site) -> None:
    for path in ("/", f"/jobs/{quote(site.hostile, safe='')}", "/nowhere"):
        answer = page_of(site, path)

        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("payments/api/main#42", "/jobs/payments/api/main%2342"),
        ("https://ci.example.com/job/a/7/console", "/jobs/ci.example.com:a%237"),
        ("payments/api", "/jobs/payments/api"),
        ("AB" * 32, f"/digests/sha256:{'ab' * 32}"),
        (f"registry.example/app@sha256:{'ab' * 32}", f"/digests/sha256:{'ab' * 32}"),
        ("#12", "/records/12"),
        ("//evil.example.com", None),
        ("javascript:alert(1)", "/jobs/javascript:alert%281%29"),
        ("two words", None),
    ],
)
def test_search_leads_to_a_page_of_this_service_alone(
    site: Site, words: str, path: str | None
) -> None:
    answer = page_of(site, f"/search?q={quote(words)}")

    assert answer.headers.get("location") == path
    assert answer.status == (200 if path is None else 303)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/payments/api/main%2399", 404),
        ("/jobs/payments/api/main%23x", 400),
        ("/jobs/payments/api/main%233/elsewhere", 404),
        ("/jobs/none/of/these", 404),
        ("/jobs/a%00b", 400),
        ("/jobs?after=..", 400),
        ("/digests/sha256:xyz", 400),
        ("/records/x", 400),
        ("/records/999", 404),
        ("/search?q=a&q=b", 400),
        ("/?x=1", 400),
        ("/static/../app.py", 404),
        ("/static/base.html.j2", 404),
    ],
)
def test_wrong_path_of_a_page_is_told_by_a_page_or_not_at_all(
    site: Site, path: str, status: int
) -> None:
    assert page_of(site, path).status == status


def test_program_that_asks_a_wrong_path_gets_json(site: Site) -> None:
    answer = get(site, "/nowhere")

    assert answer.status == 404
    assert json.loads(answer.body)["code"] == 66


def test_stranger_is_sent_to_the_form_and_comes_back(site: Site) -> None:
    answer = page_of(site, "/jobs/payments/api/main%233", token="")

    assert answer.status == 303
    assert answer.headers["location"].startswith("/login?next=/jobs/payments")
    assert "%2523" in answer.headers["location"]
    assert answer.body == b""


def test_every_link_of_a_builds_page_leads_somewhere(site: Site) -> None:
    for job in (site.plain, site.hostile):
        text = page_of(site, f"/jobs/{quote(job, safe='')}").body.decode()
        found = {unescape(one) for one in re.findall(r'href="(/[^"]*)"', text)}

        assert any(one.startswith("/api/v1/pack") for one in found)
        for one in found:
            answer = page_of(site, one)
            assert answer.status == 200, (one, answer)
            assert answer.body


def test_log_that_is_held_back_is_told_of_and_not_shown(
    site: Site, tmp_path: Path
) -> None:
    job = "ci.example.com:payments/held#1"
    secret = b"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKQ\n"
    (tmp_path / "log").write_bytes(b"+ env\n" + secret)
    with site.service.notary() as notary:
        notary.put_log(job, str(tmp_path / "log"))

    path = f"/jobs/{quote(job, safe='')}"
    log, build = page_of(site, f"{path}/log"), page_of(site, path)
    assert (log.status, build.status) == (200, 200)
    assert b"The text is not shown" in log.body
    assert b"wJalr" not in log.body + build.body
    assert log_of(site, job).status == 403


def test_id_of_several_builds_leads_to_each_of_them(site: Site) -> None:
    job = "ci.example.com:payments/again#1"
    starts = ("2026-01-02T03:04:05.006Z", "2026-02-03T04:05:06.007Z")
    with site.service.notary() as notary:
        session = notary._session  # what signs as the ledger's administrator
        for started in starts:
            facts = {"job": {"id": job}, "build": {"number": 1, "startedAt": started}}
            author = session.author()
            subjects = [Subject("x", hashlib.sha256(started.encode()).hexdigest())]
            session.append([author.sign("attachment", subjects, facts)])

    answer = page_of(site, f"/jobs/{quote(job, safe='')}")
    assert answer.status == 409
    found = re.findall(r'href="([^"]*started=[^"]*)"', answer.body.decode())
    assert len(found) == 2
    for path in found:
        assert page_of(site, unescape(path)).status == 200


def test_controller_may_not_read_pages(site: Site) -> None:
    token = site.service.token("other-hook", "--role", "controller")

    assert page_of(site, "/", token).status == 403


def test_file_of_the_pages_is_for_anybody_and_for_ever(site: Site) -> None:
    style = page_of(site, "/static/style.css", token="")

    assert style.status == 200
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]


def test_api_description_has_the_questions_and_no_pages(site: Site) -> None:
    paths: dict[str, Any] = get(site, "/api/v1/openapi.json").json["paths"]

    assert {"/api/v1/jobs", "/api/v1/log"} <= paths.keys()
    assert not {"/", "/jobs", "/static/{name}"} & paths.keys()

"""The real service tells its figures to Prometheus, and webhooks what has changed."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts import require_part
from tests.parts.serving import Serving, claim
from tests.parts.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRAPER = "s" * 32


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    with Webhook() as one:
        yield one


@pytest.fixture(scope="module")
def service(
    hook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("figures")
    (folder / "scraper").write_text(SCRAPER)
    (folder / "scraper").chmod(0o600)
    settings = {
        "metrics": {"token-file": str(folder / "scraper")},
        "alerts": {"webhooks": [{"name": "chat", "url": hook.url}]},
    }
    (folder / "settings.yaml").write_text(json.dumps(settings))
    with Serving(folder, "--settings", str(folder / "settings.yaml")) as one:
        yield one


def scrape(service: Serving) -> str:
    return service.ask("GET", "/metrics", token=SCRAPER).body.decode()


def figure(text: str, series: str) -> float:
    (line,) = (one for one in text.splitlines() if one.startswith(f"{series} "))
    return float(line.rpartition(" ")[2])


def test_figures_are_for_auditors_and_the_scraper_alone(service: Serving) -> None:
    auditor = service.token("auditor", "--role", "auditor")
    reader = service.token("reader", "--role", "reader")
    statuses = [
        service.ask("GET", "/metrics", token=one).status
        for one in (SCRAPER, auditor, service.admin, reader, "", SCRAPER + "s")
    ]

    assert statuses == [200, 200, 200, 403, 401, 401]
    assert service.ask("GET", "/api/v1/status", token=SCRAPER).status == 401


def test_figures_follow_what_happens_and_name_nobody(service: Serving) -> None:
    before = scrape(service)
    digest = f"sha256:{os.urandom(32).hex()}"
    service.ask("POST", "/api/v1/records", claim(digest))
    service.ask("GET", f"/nothing/{digest}")
    after = scrape(service)
    for _ in range(100):
        if 'type="notarization"' in after:
            break
        after = scrape(service)

    size = "jenkins_notary_tree_size"
    assert figure(after, size) > figure(before, size)
    recorded = (
        'jenkins_notary_requests_total{method="POST",'
        'route="/api/v1/records",status="200"}'
    )
    assert figure(after, recorded) >= 1
    lost = 'jenkins_notary_requests_total{method="any",route="none",status="404"}'
    assert figure(after, lost) >= 1
    new = 'jenkins_notary_records_total{type="notarization",status="TRUSTED"}'
    assert figure(after, new) >= 1
    assert digest not in after
    assert "payments" not in after


@pytest.mark.real("promtool")
def test_prometheus_has_nothing_to_say_against_the_figures(service: Serving) -> None:
    done = subprocess.run(
        [str(require_part("promtool")), "check", "metrics"],
        input=service.ask("GET", "/metrics", token=SCRAPER).body,
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr.decode()


def test_loopback_reads_the_figures_only_if_it_is_said(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("metrics: {loopback: true}")
    with Serving(tmp_path, "--settings", str(settings)) as service:
        assert service.ask("GET", "/metrics", token="").status == 200
        assert service.ask("GET", "/api/v1/status", token="").status == 401


def alerts_of(hook: Webhook, digest: str, count: int) -> list[Any]:
    """Return the alerts on a digest, once there are so many."""
    for number in range(1, 40):
        came = [json.loads(one.body) for one in hook.wait(number, 0.5)]
        found = [one for one in came if digest in one["facts"]["keys"]]
        if len(found) >= count:
            return found
    raise AssertionError(hook.came)


def test_webhook_is_told_when_a_digest_turns_bad_and_good_again(
    service: Serving, hook: Webhook
) -> None:
    digest = f"sha256:{os.urandom(32).hex()}"
    service.ask("POST", "/api/v1/records", claim(digest))
    bad = claim(digest, status="UNTRUSTED", reason="CVE-2026-1")
    index = service.ask("POST", "/api/v1/records", bad).json["assets"][0]["index"]
    again = {**bad, "recordId": os.urandom(16).hex()}
    second = service.ask("POST", "/api/v1/records", again).json["assets"][0]["index"]
    # What turns back before it is looked at is not told.
    alerts_of(hook, digest, 1)
    lifted = claim(digest, supersedes=[index, second], reason="patched")
    assert service.ask("POST", "/api/v1/records", lifted).status == 200
    first, last = alerts_of(hook, digest, 2)

    assert (first["kind"], first["state"], last["state"]) == (
        *("status", "UNTRUSTED"),
        "well",
    )
    assert "app.jar" in first["text"] or digest[:20] in first["text"]
    assert first["facts"]["job"] == "ci.example.com:payments/api/main#1"


def test_alerts_of_a_service_that_was_killed_are_sent_by_the_next(
    service: Serving, hook: Webhook
) -> None:
    import signal

    digest = f"sha256:{os.urandom(32).hex()}"
    hook.statuses = [503] * 3
    bad = claim(digest, status="UNTRUSTED", reason="CVE-2026-2")
    assert service.ask("POST", "/api/v1/records", bad).status == 200
    service.stop(signal.SIGKILL)
    service.start()

    assert alerts_of(hook, digest, 1)[0]["state"] == "UNTRUSTED"

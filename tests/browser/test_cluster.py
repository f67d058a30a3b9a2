"""From a pod on a real API server to its build's log, live, in a real Chromium."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import Screen
from tests.parts.kubernetes import Runs
from tests.parts.site import JAR
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Page
    from tests.parts.kubernetes import Cluster

pytestmark = [
    pytest.mark.real("chromium", "chromedriver", "kube-apiserver"),
    pytest.mark.timeout(180),
]


def digest_of(text: bytes) -> str:
    """Return a digest."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.create_namespace("pages")


@pytest.fixture
def shown(page: Page, cluster: Cluster, namespace: str) -> Iterator[Screen]:
    """The status page of a watcher that reads the service of the pages."""
    service = page.site.service
    reader = service.token(f"of-{namespace}", "--role", "reader")
    with Watching(
        cluster.kubeconfig,
        *("--namespace", namespace),
        environ={**service.environ, **service.client(reader)},
    ) as watching:
        watching.expect(event="cluster", error=None)
        yield Screen(page.driver, watching.url)


def wait_for_row(shown: Screen, pod: str, word: str) -> str:
    """Return the text of a pod's row once it has a word."""
    script = (
        "return [...document.querySelectorAll('#rows tr')].map(one => one.innerText)"
        ".find(one => one.includes(arguments[0]) && one.includes(arguments[1]))"
    )
    wait = WebDriverWait(shown.driver, 20, 0.1)
    return str(wait.until(lambda _: shown.run(script, f" {pod} ", word)))


def test_pods_of_each_status_come_live_and_one_leads_to_its_builds_log(
    shown: Screen, page: Page, cluster: Cluster, namespace: str
) -> None:
    service = page.site.service
    bad, old, new = (digest_of(f"{namespace} {n}".encode()) for n in range(3))
    service.command("untrust", bad, "--reason", "CVE-2026-1")
    service.command("unsupport", old, "--reason", "there is a newer one")
    shown.open("/status")
    pods = {"ours": digest_of(JAR), "bad": bad, "old": old, "new": new}
    for pod, digest in pods.items():
        image = f"registry.example.com/{pod}"
        cluster.start_pod(namespace, pod, [Runs(f"{image}:1", f"{image}@{digest}")])

    # Nobody reloads the page.
    assert page.site.plain in wait_for_row(shown, "ours", "TRUSTED").replace("\n", "")
    wait_for_row(shown, "bad", "UNTRUSTED")
    wait_for_row(shown, "old", "UNSUPPORTED")
    wait_for_row(shown, "new", "UNKNOWN")
    service.command("untrust", new, "--reason", "CVE-2026-2")
    wait_for_row(shown, "new", "UNTRUSTED")
    cluster.delete_pod(namespace, "new")
    cluster.delete_pod(namespace, "bad")
    wait = WebDriverWait(shown.driver, 20, 0.1)
    sum_now = "return document.getElementById('sum').textContent"
    wait.until(lambda _: "UNTRUSTED" not in shown.run(sum_now))

    shown.follow("link text", "Log")
    assert shown.driver.current_url.startswith(service.url)
    assert "compiled 12 files" in shown.text
    assert "proven" in shown.text

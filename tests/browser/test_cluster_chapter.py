"""The README's chapter on clusters, from its first command to a page in Chromium."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import Screen
from tests.parts.kubernetes import Runs
from tests.parts.release import PodOfChart
from tests.parts.site import JAR
from tests.parts.walk import ROOT, list_lines, walk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Page
    from tests.parts.kubernetes import Cluster

pytestmark = [
    pytest.mark.real(
        *("chromium", "chromedriver", "etcd", "kube-apiserver", "kubectl", "helm")
    ),
    pytest.mark.timeout(180),
]
CHAPTER = "In a cluster: what runs, and is it ours?"
NOT_HERE = {
    "podman": "needs a base image of a public registry",
    "kubectl port-forward": "needs a kubelet",
}


def digest_of(text: bytes) -> str:
    """Return a digest."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def test_chapter_leads_to_the_page_and_from_a_pod_to_its_builds_log(
    cluster: Cluster, page: Page, tmp_path: Path
) -> None:
    service = page.site.service
    lines = list_lines(ROOT / "README.md", CHAPTER)
    assert all(any(line.startswith(one) for line in lines) for one in NOT_HERE)
    namespace, host = f"chapter-{os.getpid()}", service.url.partition("://")[2]
    walk(
        cluster,
        [line for line in lines if not line.startswith(tuple(NOT_HERE))],
        tmp_path,
        instead={
            "monitoring": namespace,
            "/var/lib/notary/ledger.db": str(service.ledger),
            # There is no certificate on loopback.
            "https://notary.example.com": f"{service.url} "
            f"--set ledger.plainHttp={{{host}}}",
        },
        environ=service.environ,
    )
    shop = cluster.create_namespace("chapter-shop")
    bad, old, new = (digest_of(f"{shop} {n}".encode()) for n in range(3))
    service.command("untrust", bad, "--reason", "CVE-2026-1")
    service.command("unsupport", old, "--reason", "there is a newer one")
    for pod, digest in {
        "ours": digest_of(JAR),
        "bad": bad,
        "old": old,
        "new": new,
    }.items():
        image = f"registry.example.com/{pod}"
        cluster.start_pod(shop, pod, [Runs(f"{image}:1", f"{image}@{digest}")])

    with PodOfChart(cluster, namespace, tmp_path / "pod").watch() as watching:
        for status in ("TRUSTED", "UNTRUSTED", "UNSUPPORTED", "UNKNOWN"):
            watching.expect(namespace=shop, status=status)
        shown = Screen(page.driver, watching.url).open(f"/status?namespace={shop}")
        for status in ("TRUSTED", "UNTRUSTED", "UNSUPPORTED", "UNKNOWN"):
            assert status in shown.text
        service.command("untrust", new, "--reason", "CVE-2026-2")
        rows = "return document.getElementById('rows').innerText"
        WebDriverWait(shown.driver, 20, 0.1).until(
            lambda _: "UNKNOWN" not in shown.run(rows)
        )
        shown.follow("link text", "Log")

        assert shown.driver.current_url.startswith(service.url)
        assert "compiled 12 files" in shown.text
        assert "no log key is named" not in watching.said, "the chapter pins it"

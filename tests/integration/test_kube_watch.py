"""The watcher on a real API server, with real ledgers."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.api.receipts import verify_receipt
from tests.command import command
from tests.parts.kubernetes import Runs
from tests.parts.serving import Serving, claim
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver")

READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}


def digest_of(text: str) -> str:
    """Return a digest that nobody else uses."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Ledger:
    """A ledger in a file, and who records in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        with self.notary() as notary:
            notary.ledger.init()

    def notary(self) -> Notary:
        return Notary(str(self.path))

    def trust(self, digest: str) -> None:
        with self.notary() as notary:
            notary.notarize([digest], name="app", job="ci.example.com:shop/app#7")

    def untrust(self, digest: str) -> None:
        with self.notary() as notary:
            notary.untrust([digest], name="app", reason="CVE-2026-1")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.create_namespace("shop")


def watch(cluster: Cluster, ledger: Ledger, *options: str) -> Watching:
    """Return a watcher of the administrator's."""
    return Watching(cluster.kubeconfig, "--ledger", str(ledger.path), *options)


def test_each_container_is_told_with_its_verdict(
    cluster: Cluster, ledger: Ledger, namespace: str
) -> None:
    good, bad = digest_of("good"), digest_of("bad")
    ledger.trust(good)
    ledger.untrust(bad)
    cluster.start_pod(
        namespace,
        "web-1",
        [
            Runs("r/good:1", f"docker-pullable://r/good@{good}", "good"),
            Runs("r/bad:1", f"r/bad@{bad}", "bad", "init", running=False),
            Runs("r/strange:1", f"r/strange@{digest_of('strange')}", "strange"),
            Runs("r/debug:1", "r/debug:1", "debug", "ephemeral"),
        ],
    )

    with watch(cluster, ledger, "--namespace", namespace) as watching:
        found = watching.expect(container="good", event="found")
        assert (found["status"], found["hash"]) == ("TRUSTED", good)
        assert found["job"] == "ci.example.com:shop/app#7"
        assert watching.expect(container="bad")["status"] == "UNTRUSTED"
        assert watching.expect(container="bad")["kind"] == "init"
        assert watching.expect(container="strange")["status"] == "UNKNOWN"
        debug = watching.expect(container="debug")
        assert debug["status"] == "UNKNOWN"
        assert debug["error"] == "no sha256 digest in its imageID 'r/debug:1'"
        assert watching.stop() == 0


def test_a_tag_that_looks_like_a_digest_is_none(
    cluster: Cluster, ledger: Ledger, namespace: str
) -> None:
    good = digest_of("good")
    ledger.trust(good)
    cluster.start_pod(
        namespace,
        "web-1",
        [
            # The tag of an image that is called sha256, of whoever's registry is asked.
            Runs(good, "", "tag", running=False),
            Runs("r/a:1", f"r/a@{digest_of('bad')}@{good}", "two"),
            Runs(f"r/good@{good}", "", "asked", running=False),
        ],
    )

    with watch(cluster, ledger, "--namespace", namespace) as watching:
        assert watching.expect(container="tag")["status"] == "UNKNOWN"
        assert watching.expect(container="two")["status"] == "UNKNOWN"
        assert watching.expect(container="asked")["status"] == "TRUSTED"


def test_pods_come_change_and_go(
    cluster: Cluster, ledger: Ledger, namespace: str
) -> None:
    first, second = digest_of("first"), digest_of("second")
    ledger.trust(first)
    with watch(cluster, ledger, "--namespace", namespace) as watching:
        watching.expect(event="cluster", error=None)
        cluster.start_pod(namespace, "web-1", [Runs("r/a:1", f"r/a@{first}")])
        watching.expect(pod="web-1", status="TRUSTED")
        cluster.set_status(namespace, "web-1", [Runs("r/a:1", f"r/a@{second}")])
        changed = watching.expect(pod="web-1", event="changed", hash=second)
        cluster.delete_pod(namespace, "web-1")
        watching.expect(pod="web-1", event="gone")

        assert (changed["was"], changed["status"]) == ("TRUSTED", "UNKNOWN")


def test_a_verdict_changes_within_an_interval_of_the_ledger(
    cluster: Cluster, ledger: Ledger, namespace: str
) -> None:
    digest = digest_of("doomed")
    ledger.trust(digest)
    cluster.start_pod(namespace, "web-1", [Runs("r/a:1", f"r/a@{digest}")])
    with watch(cluster, ledger, "--namespace", namespace) as watching:
        watching.expect(pod="web-1", status="TRUSTED")
        ledger.untrust(digest)
        began = time.monotonic()
        changed = watching.expect(pod="web-1", status="UNTRUSTED")

        assert time.monotonic() - began < 5
        assert (changed["was"], changed["level"]) == ("TRUSTED", "warning")


def test_a_service_is_asked_with_a_readers_token_alone(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    digest = digest_of("service")
    with Serving(tmp_path) as service:
        sent = claim(digest)
        assert service.ask("POST", "/api/v1/records", sent).status == 200
        reader = service.token("watcher", "--role", "reader")
        cluster.start_pod(namespace, "web-1", [Runs("r/a:1", f"r/a@{digest}")])
        with Watching(
            cluster.kubeconfig, "--namespace", namespace, environ=service.client(reader)
        ) as watching:
            found = watching.expect(pod="web-1")
            assert found["status"] == "TRUSTED", found
            service.command("untrust", digest, "--reason", "CVE-2026-2")
            began = time.monotonic()
            watching.expect(pod="web-1", status="UNTRUSTED")
            assert time.monotonic() - began < 5
            service.stop(signal.SIGKILL)
            away = watching.expect(event="ledger", level="warning")
            assert "expected an answer" in away["error"]
            service.start()
            watching.expect(event="ledger", error=None, after=len(watching.lines))
            assert not [one for one in watching.lines if one["event"] == "gone"]


def test_what_runs_is_served_on_the_port(
    cluster: Cluster, ledger: Ledger, namespace: str
) -> None:
    digest = digest_of("port")
    ledger.trust(digest)
    cluster.start_pod(namespace, "web-1", [Runs("r/a:1", f"r/a@{digest}")])
    with watch(cluster, ledger, "--namespace", namespace) as watching:
        watching.expect(pod="web-1", status="TRUSTED")
        (result,) = json.loads(watching.read("/results"))

        assert result["hash"] == digest.removeprefix("sha256:")
        assert result["verification"]["word"] == "TRUSTED"
        with ledger.notary() as notary:
            vkey = notary.ledger.status().to_dict()["vkey"]
        receipt = result["verification"]["receipt"].encode()
        assert verify_receipt(receipt, vkey=vkey).to_dict()["digests"] == [digest]
        assert watching.read("/readyz") == b"ok\n"
        metrics = watching.read("/metrics").decode()
        assert "jenkins_notary_cluster_leader 1" in metrics
        assert f'hash="{digest.removeprefix("sha256:")}"' in metrics
        assert b"kube bulk-sign" in watching.read("/bulk_sign")
        assert b"web-1" in watching.read("/status")


def test_results_are_said_once_with_the_worst_status(
    cluster: Cluster, ledger: Ledger, namespace: str
) -> None:
    good, bad = digest_of("once good"), digest_of("once bad")
    ledger.trust(good)
    ledger.untrust(bad)
    options = (
        *("--kubeconfig", str(cluster.kubeconfig), "--ledger", str(ledger.path)),
        *("--namespace", namespace),
    )
    cluster.start_pod(namespace, "web-1", [Runs("r/a:1", f"r/a@{good}")])
    well = command("kube", "results", *options)
    cluster.start_pod(namespace, "web-2", [Runs("r/b:1", f"r/b@{bad}")])
    ill = command("kube", "results", "-o", "json", *options)

    assert (well.code, ill.code) == (0, 1)
    assert well.text.split()[:2] == ["TRUSTED", f"{namespace}/web-1/app"]
    words = [one["verification"]["word"] for one in ill.json["results"]]
    assert words == ["TRUSTED", "UNTRUSTED"]


def test_drift_is_recorded_where_the_digest_finds_it(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    digest, job = digest_of("drift"), "k8s.example.com:clusters/prod#1"
    settings, token = tmp_path / "settings.yaml", tmp_path / "history.token"
    with Serving(tmp_path) as service:
        assert service.ask("POST", "/api/v1/records", claim(digest)).status == 200
        reader = service.token("watcher", "--role", "reader")
        folder = ("--folder", "k8s.example.com:clusters")
        token.write_text(service.token("history", "--role", "writer", *folder))
        settings.write_text(
            f"history: {{cluster: prod, token-file: {token}, job: '{job}'}}\n"
        )
        cluster.start_pod(namespace, "web-1", [Runs("r/a:1", f"r/a@{digest}")])
        with Watching(
            cluster.kubeconfig,
            *("--namespace", namespace, "--settings", str(settings)),
            environ=service.client(reader),
        ) as watching:
            watching.expect(pod="web-1", status="TRUSTED")
            service.command("untrust", digest, "--reason", "CVE-2026-3")
            watching.expect(pod="web-1", status="UNTRUSTED")
            assert watching.stop() == 0, "it records before it ends"
        listed = json.loads(
            service.command("evidence", "--digest", digest, "-o", "json")
        )
        (record,) = [one for one in listed["records"] if one["type"] == "attachment"]
        with service.notary() as notary:
            body = b"".join(
                notary.read_attachment(
                    f"sha256:{record['predicate']['body']['sha256']}"
                )
            )

    (change,) = json.loads(body)["changes"]
    assert (record["predicate"]["label"], record["job"]) == ("cluster-history", job)
    assert json.loads(body)["cluster"] == "prod"
    assert (change["was"], change["status"]) == ("TRUSTED", "UNTRUSTED")
    assert (change["pod"], change["digest"]) == ("web-1", digest)

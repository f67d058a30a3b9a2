"""The watcher when the API server, its token or the ledger is not as it should be."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.kubernetes.access import load_account
from jenkins_notary.kubernetes.client import ClusterClient, GoneError
from jenkins_notary.kubernetes.feed import Feed
from jenkins_notary.kubernetes.kubeconfig import load_kubeconfig
from tests.parts.immudb_site import Site
from tests.parts.kubernetes import Runs, run_cluster
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.errors import NotaryError
    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver")

READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
LEASES = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "verbs": ["create", "get", "update"],
}
DIGEST = f"sha256:{hashlib.sha256(b'robust').hexdigest()}"
IMAGE = Runs("r/a:1", f"r/a@{DIGEST}")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with Notary(str(path)) as notary:
        notary.ledger.init()
        notary.notarize([DIGEST], name="app")
    return path


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.create_namespace("robust")


def test_an_api_server_that_goes_away_leaves_the_board_stale(
    tmp_path: Path, ledger: Path
) -> None:
    (tmp_path / "cluster").mkdir()
    with run_cluster(tmp_path / "cluster") as own:
        namespace = own.create_namespace()
        own.start_pod(namespace, "web-1", [IMAGE])
        own.start_pod(namespace, "web-2", [IMAGE])
        with Watching(own.kubeconfig, "--ledger", str(ledger)) as watching:
            watching.expect(pod="web-2", status="TRUSTED")
            own.stop()
            watching.expect(event="cluster", level="warning")
            away = watching.read("/results").decode()
            place = len(watching.lines)
            own.start()
            own.delete_pod(namespace, "web-1")
            watching.expect(pod="web-1", event="gone", after=place)
            watching.expect(event="cluster", error=None, after=place)
            kept = [one for one in watching.lines[place:] if one.get("pod") == "web-2"]

    assert away.count('"stale":true') == 2
    assert '"word":"UNTRUSTED"' not in away
    assert kept == []


def test_least_rights_are_to_list_and_watch_pods(
    cluster: Cluster, namespace: str, ledger: Path, tmp_path: Path
) -> None:
    cluster.start_pod(namespace, "web-1", [IMAGE])
    cluster.create_account(namespace, "watcher")
    config = tmp_path / "config"
    cluster.write_kubeconfig(config, cluster.create_token(namespace, "watcher"))
    options = ("--ledger", str(ledger), "--namespace", namespace)
    with Watching(config, *options) as watching:
        refused = watching.expect(event="cluster", level="warning")
        cluster.grant(namespace, "watcher", [READ_PODS])
        watching.expect(pod="web-1", status="TRUSTED")

    assert "403" in refused["error"]
    assert "give its role this right" in refused["error"]


def test_a_token_that_is_renewed_on_disk_is_taken_up(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    cluster.create_account(namespace, "watcher")
    cluster.grant(namespace, "watcher", [READ_PODS])
    cluster.mount_account(tmp_path, namespace, "watcher")
    host, _, port = cluster.url.removeprefix("https://").partition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    client = ClusterClient(load_account(environ, str(tmp_path)))
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert client.get(path)["kind"] == "PodList"
    (tmp_path / "token").write_text("it.is.over")
    with pytest.raises(PermissionDeniedError, match="its token is not valid"):
        client.get(path)
    assert client.requests == 3, "with a token read anew"
    cluster.mount_account(tmp_path, namespace, "watcher")

    assert client.get(path)["kind"] == "PodList"
    assert client.access.namespace == namespace


class Recorder:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.uids: dict[str, str] = {}
        self.events: list[str] = []
        self.errors: list[str] = []

    def changed(self, value: dict[str, Any]) -> None:
        name, uid = value["metadata"]["name"], value["metadata"]["uid"]
        self.names.add(name)
        self.uids[uid] = name
        self.events.append(f"+{name}")

    def gone(self, uid: str) -> None:
        self.names.discard(self.uids[uid])
        self.events.append(f"-{self.uids[uid]}")

    def listed(self) -> None:
        self.events.append("listed")

    def answered(self) -> None:
        pass

    def failed(self, error: NotaryError) -> None:
        self.errors.append(str(error))


@pytest.fixture
def client(cluster: Cluster) -> Iterator[ClusterClient]:
    one = ClusterClient(load_kubeconfig(str(cluster.kubeconfig), None, {}))
    yield one
    one.close()


def test_a_version_that_is_too_old_is_answered_by_another_list(
    cluster: Cluster, namespace: str, client: ClusterClient
) -> None:
    cluster.start_pod(namespace, "old", [IMAGE])
    recorder, stop = Recorder(), threading.Event()
    path = f"/api/v1/namespaces/{namespace}/pods"
    feed = Feed(client, path, recorder, wait=lambda s: stop.wait(min(s, 0.1)))
    # What was known, as of a version of long ago.
    feed._list()
    cluster.delete_pod(namespace, "old")
    cluster.start_pod(namespace, "new", [IMAGE])
    feed._version = "1"
    thread = threading.Thread(target=feed.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while recorder.names != {"new"} and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    client.close()
    thread.join(10)

    assert recorder.names == {"new"}
    assert not thread.is_alive()


def test_a_list_of_several_pages_is_whole(
    cluster: Cluster,
    namespace: str,
    client: ClusterClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jenkins_notary.kubernetes.feed.PAGE", 3)
    for n in range(8):
        cluster.start_pod(namespace, f"web-{n}", [IMAGE])
    recorder = Recorder()
    feed = Feed(client, f"/api/v1/namespaces/{namespace}/pods", recorder)
    before = client.requests
    feed._list()

    assert recorder.names == {f"web-{n}" for n in range(8)}
    assert client.requests - before == 3


def test_an_event_of_an_old_version_is_told_from_other_failures() -> None:
    recorder = Recorder()
    feed = Feed(None, "/x", recorder)  # type: ignore[arg-type]  # it is not asked
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}

    with pytest.raises(GoneError):
        feed._take(gone)


def test_of_two_replicas_one_leads_and_the_other_takes_over(
    cluster: Cluster, namespace: str, ledger: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"lease: {{name: watcher, namespace: {namespace}}}\n")
    cluster.create_account(namespace, "watcher")
    cluster.grant(namespace, "watcher", [READ_PODS, LEASES])
    config = tmp_path / "config"
    cluster.write_kubeconfig(config, cluster.create_token(namespace, "watcher"))
    options = (
        *("--ledger", str(ledger), "--namespace", namespace),
        *("--settings", str(settings)),
    )
    with Watching(config, *options) as first:
        first.expect(event="leader", leader=True)
        with Watching(config, *options) as second:
            second.expect(event="cluster", error=None)
            time.sleep(2)
            assert [one for one in second.lines if one["leader"]] == []
            # It gives the lease back: nobody waits until it is over.
            assert first.stop(signal.SIGTERM) == 0
            second.expect(event="leader", leader=True, within_s=10)


def test_a_pod_a_millisecond_is_shown_as_it_is_in_the_end(
    cluster: Cluster, namespace: str, ledger: Path
) -> None:
    other = f"sha256:{hashlib.sha256(b'other').hexdigest()}"
    options = ("--ledger", str(ledger), "--namespace", namespace)
    cluster.start_pod(namespace, "web-0", [IMAGE])
    with Watching(cluster.kubeconfig, *options) as watching:
        watching.expect(pod="web-0")

        def churn(first: int) -> None:
            for n in range(first, first + 40):
                cluster.start_pod(namespace, f"web-{n}", [IMAGE])
                cluster.set_status(
                    namespace, f"web-{n}", [Runs("r/b:1", f"r/b@{other}")]
                )
                if n % 2:
                    cluster.delete_pod(namespace, f"web-{n}")

        threads = [
            threading.Thread(target=churn, args=(first,)) for first in (1, 41, 81, 121)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        cluster.start_pod(namespace, "last", [IMAGE])
        watching.expect(pod="last", status="TRUSTED")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            shown = watching.read("/results").decode()
            if shown.count('"pod"') == 82:
                break
            time.sleep(0.2)

    assert shown.count('"pod"') == 82
    assert shown.count(f'"imageID":"r/b@{other}"') == 80


@pytest.mark.real("immudb")
def test_a_ledger_in_immudb_is_followed_through_an_outage(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    site.serve()
    assert site.run("ledger", "init").code == 0
    assert site.run("notarize", DIGEST, "--name", "app").code == 0
    cluster.start_pod(namespace, "web-1", [IMAGE])
    # What was seen is its own; the keys of envelopes are those of the ledger.
    state = {"XDG_STATE_HOME": str(tmp_path / "watcher")}
    with Watching(
        cluster.kubeconfig, "--namespace", namespace, environ={**site.environ, **state}
    ) as watching:
        watching.expect(pod="web-1", status="TRUSTED")
        site.stop()
        watching.expect(event="ledger", level="warning")
        away = watching.read("/results").decode()
        place = len(watching.lines)
        site.serve()
        watching.expect(event="ledger", error=None, after=place)
        assert site.run("untrust", DIGEST, "--reason", "CVE-2026-4").code == 0
        began = time.monotonic()
        watching.expect(pod="web-1", status="UNTRUSTED", after=place)
        took_s = time.monotonic() - began
    site.stop()

    assert '"word":"TRUSTED"' in away
    assert '"stale":true' in away
    assert took_s < 5

"""The API server that other tests use holds what they rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.parts.kubernetes import ClusterError, Runs, run_cluster

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")
DIGEST = "sha256:" + "a" * 64
READS_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}


def test_pod_shows_what_its_containers_run(cluster: Cluster) -> None:
    namespace = cluster.create_namespace()

    cluster.start_pod(
        namespace,
        "web",
        [
            Runs("registry.example.com/web:1", f"registry.example.com/web@{DIGEST}"),
            Runs("busybox:1", "", name="init", kind="init", running=False),
            Runs("busybox:1", DIGEST, name="debug", kind="ephemeral"),
        ],
        labels={"app": "web"},
    )

    pod = cluster.call("GET", f"/api/v1/namespaces/{namespace}/pods/web")
    status = pod["status"]
    assert status["containerStatuses"][0]["imageID"].endswith(f"@{DIGEST}")
    assert "waiting" in status["initContainerStatuses"][0]["state"]
    assert status["ephemeralContainerStatuses"][0]["imageID"] == DIGEST
    cluster.delete_pod(namespace, "web")
    with pytest.raises(ClusterError, match="404"):
        cluster.call("GET", f"/api/v1/namespaces/{namespace}/pods/web")


def test_account_may_do_what_is_granted_and_nothing_else(cluster: Cluster) -> None:
    namespace = cluster.create_namespace()
    cluster.create_account(namespace, "reader")
    token = cluster.create_token(namespace, "reader")
    pods = f"/api/v1/namespaces/{namespace}/pods"

    assert not cluster.may(token, "GET", pods)
    cluster.grant(namespace, "reader", [READS_PODS])
    assert cluster.may(token, "GET", pods)
    assert not cluster.may(token, "GET", "/api/v1/pods")
    assert not cluster.may(token, "GET", f"/api/v1/namespaces/{namespace}/secrets")
    cluster.grant(namespace, "reader", [READS_PODS], everywhere=True)
    assert cluster.may(token, "GET", "/api/v1/pods")


def test_token_of_a_deleted_account_is_refused(cluster: Cluster) -> None:
    namespace = cluster.create_namespace()
    cluster.create_account(namespace, "gone")
    token = cluster.create_token(namespace, "gone")

    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/gone"
    cluster.call("DELETE", path)

    with pytest.raises(ClusterError, match="401"):
        cluster.call("GET", "/version", token=token)


def test_clients_speak_to_the_same_server(cluster: Cluster) -> None:
    assert "v1.33.13" in cluster.kubectl("version", "-o", "yaml")
    assert cluster.helm("list", "-n", cluster.create_namespace(), "-q") == ""


@pytest.mark.slow
def test_server_that_was_killed_comes_back_with_what_it_held(tmp_path: Path) -> None:
    with run_cluster(tmp_path) as cluster:
        namespace = cluster.create_namespace()
        cluster.start_pod(namespace, "web", [Runs("web:1", DIGEST)])
        cluster.stop()

        cluster.start()

        pods = cluster.call("GET", f"/api/v1/namespaces/{namespace}/pods")
        assert [one["metadata"]["name"] for one in pods["items"]] == ["web"]

"""The webhook as the chart sets it up, asked by a real API server by its name."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.manifests import CHART
from tests.parts.kubernetes import MERGE_PATCH, ClusterError
from tests.parts.release import AdmissionOfChart, PodOfChart
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")
NAME = "jenkins-notary-admission"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
GOOD, STRANGE = (f"r/app@sha256:{digit * 64}" for digit in "45")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run a notary service for all of them."""
    with Serving(tmp_path_factory.mktemp("service")) as running:
        yield running


@contextmanager
def installed(
    cluster: Cluster, service: Serving, *options: str
) -> Iterator[tuple[str, list[str]]]:
    """Install the chart with the webhook; yield its namespace and the values."""
    namespace = cluster.create_namespace("monitoring", RESTRICTED)
    token = service.token(namespace, "--role", "reader")
    host = service.url.partition("://")[2]
    values = [
        f"--set=ledger.url={service.url},ledger.plainHttp={{{host}}}",
        f"--set=ledger.token={token},admission.enabled=true,admission.mode=deny",
        *options,
    ]
    place = ("jenkins-notary", str(CHART), "-n", namespace)
    cluster.helm("install", *place, *values)
    try:
        yield namespace, [*place, *values]
    finally:
        cluster.helm("uninstall", "jenkins-notary", "-n", namespace)


def lead_to(cluster: Cluster, namespace: str, port: int) -> None:
    """Lead the chart's service to a port of this host: here is no network of pods.

    The API server still asks for the certificate of the service's name.
    """
    service = f"/api/v1/namespaces/{namespace}/services/{NAME}"
    spec = {
        "type": "ExternalName",
        "externalName": "localhost",
        **dict.fromkeys(("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")),
    }
    cluster.call("PATCH", service, {"spec": spec}, content_type=MERGE_PATCH)
    hook = cluster.call("GET", f"{HOOKS}/{namespace}-jenkins-notary")
    hook["webhooks"][0]["clientConfig"]["service"]["port"] = port
    cluster.call("PUT", f"{HOOKS}/{namespace}-jenkins-notary", hook)


def refusal(cluster: Cluster, namespace: str, image: str, name: str) -> str | None:
    """Create a pod; return why it is refused, None where it is not."""
    pod = {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }
    try:
        cluster.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    except ClusterError as error:
        return str(error)
    return None


def read_tls(cluster: Cluster, namespace: str) -> Any:  # noqa: ANN401 - JSON
    """Return the certificate that the chart made."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{NAME}-tls"
    return cluster.call("GET", path)["data"]


def test_api_server_asks_by_the_certificate_of_the_chart(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop = cluster.create_namespace("shop")
    service.command("notarize", GOOD.partition("@")[2], "--name", "app")
    with installed(cluster, service) as (namespace, _):
        pod = PodOfChart(cluster, namespace, tmp_path, NAME)
        with AdmissionOfChart(pod) as hook:
            lead_to(cluster, namespace, hook.port)
            ends = time.monotonic() + 20
            while refusal(cluster, shop, STRANGE, f"p{time.monotonic_ns()}") is None:
                assert time.monotonic() < ends, "the webhook is not asked"
            refused = refusal(cluster, shop, STRANGE, "strange")
            assert refused is not None
            assert "expected TRUSTED, got UNKNOWN" in refused
            assert refusal(cluster, shop, GOOD, "good") is None
            assert refusal(cluster, shop, "r/app:1", "tag") is None, "warned only"
            told = refusal(cluster, namespace, STRANGE, "own")
            assert told is not None
            assert "PodSecurity" in told, "its own namespace is not asked about"


def test_upgrade_keeps_the_certificate(cluster: Cluster, service: Serving) -> None:
    with installed(cluster, service) as (namespace, values):
        before = read_tls(cluster, namespace)
        cluster.helm("upgrade", *values, "--set=admission.workloads=true")

        hook = cluster.call("GET", f"{HOOKS}/{namespace}-jenkins-notary")["webhooks"][0]
        assert read_tls(cluster, namespace) == before
        assert hook["clientConfig"]["caBundle"] == before["ca.crt"]
        assert hook["failurePolicy"] == "Ignore"
        asked = {one for rule in hook["rules"] for one in rule["resources"]}
        assert {"pods", "pods/ephemeralcontainers", "deployments", "cronjobs"} <= asked
        (names,) = hook["namespaceSelector"]["matchExpressions"]
        assert names["values"] == [
            *("kube-system", "kube-public", "kube-node-lease", namespace)
        ]


def test_pod_of_the_webhook_is_let_in_where_only_restricted_ones_may_run(
    cluster: Cluster, service: Serving
) -> None:
    with installed(cluster, service) as (namespace, _):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{NAME}"
        of_pod = cluster.call("GET", path)["spec"]["template"]
        pod = {
            "metadata": {"name": "one", **of_pod["metadata"]},
            "spec": of_pod["spec"],
        }

        cluster.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
        assert of_pod["spec"]["automountServiceAccountToken"] is False

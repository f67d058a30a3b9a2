"""The watcher as the chart runs it: its files, environment and account's rights."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests import CHART, template
from tests.parts.kubernetes import Runs
from tests.parts.release import ACCOUNT, PodOfChart
from tests.parts.serving import Serving, claim
from tests.parts.shop import Shop, error_on_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.kubernetes import Cluster
    from tests.parts.registry import Registry

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")
ROLES = "/apis/rbac.authorization.k8s.io/v1"
WATCHING = ("list", "watch")
LEADING = ("create", "get", "update")
BULK_SIGN = CHART.parents[1] / "container/bulk_sign"


def digest_of(text: str) -> str:
    """Return a digest that nobody else uses."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run a notary service for all of them; no two use one digest."""
    with Serving(tmp_path_factory.mktemp("service")) as running:
        yield running


def install(
    cluster: Cluster, service: Serving, folder: Path, *options: str
) -> tuple[str, PodOfChart]:
    """Install the chart as its notes say; return its namespace and its pod."""
    namespace = cluster.create_namespace("monitoring")
    token = folder / "reader.token"
    token.write_text(service.token(namespace, "--role", "reader") + "\n")
    cluster.kubectl(
        *("create", "secret", "generic", "notary-token", "-n", namespace),
        f"--from-file=token={token}",
    )
    host = service.url.partition("://")[2]
    cluster.helm(
        *("install", "jenkins-notary", str(CHART), "-n", namespace),
        f"--set=ledger.url={service.url},ledger.plainHttp={{{host}}}",
        *("--set=ledger.tokenSecret=notary-token", *options),
    )
    return namespace, PodOfChart(cluster, namespace, folder / "pod")


def start(cluster: Cluster, service: Serving, namespace: str) -> str:
    """Start a pod whose image is notarized; return its digest."""
    digest = digest_of(namespace)
    answer = service.ask("POST", "/api/v1/records", claim(digest))
    assert answer.status == 200
    cluster.start_pod(namespace, "web", [Runs("r/web:1", f"r/web@{digest}")])
    return digest


def test_watcher_sees_all_namespaces_with_what_the_chart_gives_it(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop = cluster.create_namespace("shop")
    digest = start(cluster, service, shop)
    _, pod = install(cluster, service, tmp_path)

    with pod.watch() as watching:
        found = watching.expect(namespace=shop, event="found")
        assert (found["status"], found["hash"]) == ("TRUSTED", digest)
        assert watching.stop() == 0


def test_watcher_of_one_namespace_sees_no_other(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop, other = cluster.create_namespace("shop"), cluster.create_namespace("other")
    start(cluster, service, shop)
    start(cluster, service, other)
    _, pod = install(cluster, service, tmp_path, f"--set=watch.namespaces={{{shop}}}")

    with pod.watch() as watching:
        watching.expect(namespace=shop, status="TRUSTED")
        assert watching.stop() == 0
    assert {one["namespace"] for one in watching.lines if "pod" in one} == {shop}


def test_only_the_keys_of_the_chart_count(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop = cluster.create_namespace("shop")
    start(cluster, service, shop)
    strange = "0x" + "12" * 20
    _, pod = install(cluster, service, tmp_path, f"--set=trust.keys={{{strange}}}")

    with pod.watch() as watching:
        assert watching.expect(namespace=shop)["status"] == "UNKNOWN"


def test_drift_is_recorded_by_a_token_that_the_chart_mounts(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop = cluster.create_namespace("shop")
    digest = start(cluster, service, shop)
    folder = ("--folder", "k8s.example.com:clusters")
    writer = service.token(f"{shop}-history", "--role", "writer", *folder)
    namespace, _ = install(cluster, service, tmp_path)
    cluster.kubectl(
        *("create", "secret", "generic", "history", "-n", namespace),
        f"--from-literal=token={writer}",
    )
    cluster.helm(
        *("upgrade", ACCOUNT, str(CHART), "-n", namespace, "--reuse-values"),
        "--set=history.tokenSecret=history,history.cluster=prod",
        "--set-string=history.job=k8s.example.com:clusters/prod#1",
    )

    pod = PodOfChart(cluster, namespace, tmp_path / "upgraded")
    with pod.watch() as watching:
        watching.expect(namespace=shop, status="TRUSTED")
        service.command("untrust", digest, "--reason", "CVE-2026-3")
        watching.expect(namespace=shop, status="UNTRUSTED")
        watching.stop()
    assert "cluster-history" in service.command("inspect", digest)


def test_renewed_token_is_taken_up_without_a_restart(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop = cluster.create_namespace("shop")
    digest = start(cluster, service, shop)
    namespace, pod = install(cluster, service, tmp_path)

    with pod.watch() as watching:
        watching.expect(namespace=shop, status="TRUSTED")
        # The kubelet replaces the file when the Secret is replaced.
        renewed = service.token(f"{namespace}-2", "--role", "reader")
        (pod.folder / "run/notary/token/token").write_text(renewed)
        service.command("token", "revoke", namespace)
        service.command("untrust", digest, "--reason", "CVE-2026-4")
        watching.expect(namespace=shop, status="UNTRUSTED")
        assert watching.stop() == 0


def take_away(cluster: Cluster, path: str, verb: str) -> None:
    """Remove a right from a role of the chart."""
    role = cluster.call("GET", path)
    rights = [rule for rule in role["rules"] if verb in rule["verbs"]]
    assert len(rights) == 1
    rights[0]["verbs"].remove(verb)
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    cluster.call("PUT", path, role)


def test_every_right_of_the_chart_is_taken_away_below() -> None:
    objects = yaml.safe_load_all(
        template(ACCOUNT, "monitoring", "--set=ledger.url=https://x,replicas=2")
    )
    rights = {
        (one["kind"], verb)
        for one in objects
        if one["kind"] in {"Role", "ClusterRole"}
        for rule in one["rules"]
        for verb in rule["verbs"]
    }

    assert rights == {
        *(("ClusterRole", verb) for verb in WATCHING),
        *(("Role", verb) for verb in LEADING),
    }


def rules_with(*options: str) -> list[dict[str, list[str]]]:
    """Return the rules of the chart's role for pods."""
    made = template(ACCOUNT, "monitoring", "--set=ledger.url=https://x", *options)
    (role,) = (o for o in yaml.safe_load_all(made) if o["kind"] == "ClusterRole")
    rules: list[dict[str, list[str]]] = role["rules"]
    return rules


def test_secrets_can_be_read_only_where_registries_are_asked_with_them() -> None:
    get = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}

    assert get not in rules_with()
    assert get not in rules_with("--set=registry.enabled=true")
    assert get not in rules_with("--set=registry.secrets=true")
    assert get in rules_with("--set=registry.enabled=true,registry.secrets=true")


def test_watcher_of_the_chart_reads_a_pull_secret(
    cluster: Cluster, service: Serving, login_registry: Registry, tmp_path: Path
) -> None:
    shop = Shop(cluster, login_registry, tmp_path)
    image = shop.layout.add_image("chart")
    answer = service.ask("POST", "/api/v1/records", claim(shop.config_of(image)))
    assert answer.status == 200
    shop.add_secret("regcred", login_registry.host)
    shop.run(shop.push(image), "regcred")
    namespace, _ = install(cluster, service, tmp_path)
    cluster.kubectl(
        *("create", "configmap", "authorities", "-n", namespace),
        f"--from-file=ca.crt={login_registry.ca_file}",
    )
    cluster.helm(
        *("upgrade", ACCOUNT, str(CHART), "-n", namespace, "--reuse-values"),
        "--set=registry.enabled=true,registry.secrets=true",
        "--set=ledger.caConfigMap=authorities",
        "--set=settings.registry.ca-file=/run/notary/ca/ca.crt",
    )

    pod = PodOfChart(cluster, namespace, tmp_path / "upgraded")
    with pod.watch() as watching:
        watching.expect(namespace=shop.namespace, status="TRUSTED")
    take_away(cluster, f"{ROLES}/clusterroles/{namespace}-{ACCOUNT}", "get")
    with pod.watch() as watching:
        watching.expect(namespace=shop.namespace, status="UNKNOWN")
        error = error_on_page(watching, "cannot get resource", shop.namespace)
    assert 'cannot get resource "secrets"' in error


@pytest.mark.parametrize("verb", WATCHING)
def test_watcher_says_which_right_on_pods_it_misses(
    cluster: Cluster, service: Serving, tmp_path: Path, verb: str
) -> None:
    namespace, pod = install(cluster, service, tmp_path)
    take_away(cluster, f"{ROLES}/clusterroles/{namespace}-{ACCOUNT}", verb)

    with pod.watch() as watching:
        told = watching.expect(event="cluster", level="warning")
        assert f"cannot {verb} resource" in told["error"], told


@pytest.mark.parametrize("verb", LEADING)
def test_watcher_says_which_right_on_its_lease_it_misses(
    cluster: Cluster, service: Serving, tmp_path: Path, verb: str
) -> None:
    namespace, pod = install(cluster, service, tmp_path, "--set=replicas=2")
    roles = f"{ROLES}/namespaces/{namespace}/roles/{ACCOUNT}-lease"
    take_away(cluster, roles, verb)
    if verb == "update":
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        cluster.call("POST", leases, {"metadata": {"name": ACCOUNT}})

    with pod.watch() as watching:
        told = watching.expect(event="lease", level="warning")
        assert f"cannot {verb} resource" in told["error"], told
    assert not [one for one in watching.lines if one["leader"]]


def test_one_of_two_replicas_leads_by_the_lease_of_the_chart(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    namespace, pod = install(cluster, service, tmp_path, "--set=replicas=2")

    with pod.watch() as first:
        first.expect(event="ledger", leader=True)
        with pod.watch() as second:
            second.expect(event="ledger", leader=False)
            first.stop()
            second.expect(event="leader", leader=True)
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{ACCOUNT}"
    assert cluster.call("GET", lease)["spec"]["leaseTransitions"] >= 1


def test_script_of_the_image_is_the_one_of_the_pod(
    cluster: Cluster, service: Serving, tmp_path: Path
) -> None:
    shop = cluster.create_namespace("shop")
    digest = digest_of("what nobody has notarized")
    cluster.start_pod(shop, "old", [Runs("r/old:1", f"r/old@{digest}")])
    _, pod = install(cluster, service, tmp_path, f"--set=watch.namespaces={{{shop}}}")

    with pod.watch() as watching:
        watching.expect(namespace=shop, status="UNKNOWN")
        done = subprocess.run(
            ["sh", str(BULK_SIGN), watching.url], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(b"#!/bin/sh")
        assert digest.partition(":")[2] in done.stdout.decode()
        page = watching.read("/status").decode()
        assert f">{shop}<" in page

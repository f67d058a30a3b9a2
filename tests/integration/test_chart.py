"""The watcher's chart and static manifests, on a real API server by real clients."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.manifests import CHART, COPIES, FOLDER, VARIANTS, render, template

if TYPE_CHECKING:
    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")

KEYS = ["0x" + "a1" * 20, "0x" + "b2" * 20]
URL = "https://notary.example.com"
LEAST = f"--set=ledger.url={URL}"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def objects_of(text: str) -> dict[tuple[str, str], Any]:
    """Return the objects of some manifests by kind and name."""
    found = [one for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def render_with(*options: str) -> dict[tuple[str, str], Any]:
    """Return what the chart makes of some values, as release `notary`."""
    return objects_of(template("jenkins-notary", "monitoring", LEAST, *options))


def one_of(objects: dict[tuple[str, str], Any], kind: str) -> Any:  # noqa: ANN401
    """Return the one object of a kind."""
    (found,) = [value for (is_kind, _), value in objects.items() if is_kind == kind]
    return found


def read_settings(objects: dict[tuple[str, str], Any]) -> Any:  # noqa: ANN401 - YAML
    """Return the settings file that a pod is given."""
    return yaml.safe_load(one_of(objects, "ConfigMap")["data"]["settings.yaml"])


LONGEST = "a" * 53
"""A release may have no longer name."""

LISTS_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
MAKES_LEASES = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "verbs": ["create"],
}


@pytest.fixture
def installed(cluster: Cluster) -> str:
    """Install the chart where only restricted pods are let in; return the namespace."""
    namespace = cluster.create_namespace("monitoring", RESTRICTED)
    cluster.helm(
        *("install", "jenkins-notary", str(CHART), "--namespace", namespace),
        *(LEAST, "--set=replicas=2", "--set=ledger.token=watcher.secret"),
    )
    return namespace


# Values


def test_keys_and_org_are_given_as_on_the_command_line_of_kube_notary() -> None:
    both = read_settings(render_with(f"--set=trust.keys={{{KEYS[0]}, {KEYS[1]}}}"))
    org = read_settings(render_with("--set=trust.org=acme"))

    assert both["trust"] == {"keys": KEYS, "namespaces": []}
    assert org["trust"] == {"keys": [], "namespaces": [], "org": "acme"}


def test_further_settings_stand_beside_those_that_the_chart_sets() -> None:
    settings = read_settings(
        render_with(
            "--set=settings.watch.interval=5,settings.pages-url=https://x.example.com",
            "--set=watch.excludeNamespaces={kube-system}",
        )
    )

    assert settings["pages-url"] == "https://x.example.com"
    assert settings["watch"] == {
        "exclude-namespaces": ["kube-system"],
        "interval": 5,
        "namespaces": [],
    }


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--set=ledger.url=ftp://x", "/ledger/url"),
        ("--set=ledger.url=https://user:word@x", "/ledger/url"),
        ("--set=trust.keys={0x12}", "/trust/keys/0"),
        (f"--set=trust.keys={{{KEYS[0]},{KEYS[0]}}}", "are equal"),
        ("--set=trust.key={}", "additional properties 'key' not allowed"),
        ("--set=watch.namespaces={Shop}", "/watch/namespaces/0"),
        ("--set=image.digest=sha256:12", "/image/digest"),
        ("--set=replicas=0", "/replicas"),
        ("--set=ledger.token=a,ledger.tokenSecret=b", "not both"),
    ],
)
def test_wrong_value_is_refused_with_its_place(option: str, words: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(words)):
        render_with(option)


def test_pod_gets_the_token_as_a_file_and_no_other_secret() -> None:
    objects = render_with("--set=ledger.tokenSecret=notary-token")

    assert "Secret" not in {kind for kind, _ in objects}
    pod = one_of(objects, "Deployment")["spec"]["template"]["spec"]
    (secret,) = [one["secret"] for one in pod["volumes"] if "secret" in one]
    assert secret["secretName"] == "notary-token"
    assert [one["key"] for one in secret["items"]] == ["token"]
    assert "secret" not in yaml.safe_dump(pod["containers"]).lower()
    (mount,) = [
        one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "token"
    ]
    options = yaml.safe_load(one_of(objects, "ConfigMap")["data"]["watch.yaml"])
    assert options["token-file"] == f"{mount['mountPath']}/token"


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("https://notary.example.com", [443, 6443]),
        ("https://notary.example.com:8443", [443, 6443, 8443]),
        ("http://10.0.0.80", [443, 6443, 80]),
    ],
)
def test_pod_may_reach_the_port_of_its_ledger(url: str, ports: list[int]) -> None:
    policy = one_of(render_with(f"--set=ledger.url={url}"), "NetworkPolicy")

    (egress,) = policy["spec"]["egress"]
    assert [one["port"] for one in egress["ports"]] == [53, 53, *ports]


def test_another_setting_makes_another_pod() -> None:
    def sum_of(*options: str) -> str:
        found = one_of(render_with(*options), "Deployment")
        annotations = found["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/config"])

    assert sum_of() == sum_of()
    assert sum_of() != sum_of("--set=trust.org=acme")


# On the server


def test_helm_installs_upgrades_and_removes_all_of_it(
    cluster: Cluster, installed: str
) -> None:
    made = objects_of(
        cluster.helm("get", "manifest", "jenkins-notary", "-n", installed)
    )
    assert sorted(kind for kind, _ in made) == [
        *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment"),
        *("NetworkPolicy", "Role", "RoleBinding", "Secret", "Service"),
        "ServiceAccount",
    ]

    cluster.helm(
        *("upgrade", "jenkins-notary", str(CHART), "-n", installed),
        *("--reuse-values", "--set=replicas=1", "--set=trust.org=acme"),
    )
    kinds = "deployment,role,configmap,secret,service,serviceaccount,networkpolicy"
    left = cluster.kubectl("get", kinds, "-n", installed, "-o", "name").split()
    assert not [one for one in left if one.endswith("-lease")]

    cluster.helm("uninstall", "jenkins-notary", "-n", installed)
    left = cluster.kubectl("get", kinds, "-n", installed, "-o", "name").split()
    assert [one for one in left if one.endswith("/jenkins-notary")] == []
    assert installed not in cluster.kubectl("get", "clusterrole,clusterrolebinding")


def test_server_takes_the_pod_where_only_restricted_ones_may_run(
    cluster: Cluster, installed: str
) -> None:
    deployment = cluster.call(
        "GET", f"/apis/apps/v1/namespaces/{installed}/deployments/jenkins-notary"
    )
    of_pod = deployment["spec"]["template"]
    pod = {"metadata": {"name": "one", **of_pod["metadata"]}, "spec": of_pod["spec"]}

    cluster.call("POST", f"/api/v1/namespaces/{installed}/pods", pod)


def test_two_releases_stand_side_by_side(cluster: Cluster, installed: str) -> None:
    other = cluster.create_namespace("monitoring")

    cluster.helm("install", "jenkins-notary", str(CHART), "-n", other, LEAST)

    names = cluster.kubectl("get", "clusterrole", "-o", "name").split()
    assert {one for one in names if one.endswith("-jenkins-notary")} >= {
        f"clusterrole.rbac.authorization.k8s.io/{one}-jenkins-notary"
        for one in (installed, other)
    }


@pytest.mark.parametrize(
    ("release", "name"), [(LONGEST, ""), ("kube-notary", ""), ("1", "watcher")]
)
def test_server_takes_all_of_it_under_any_name_of_a_release(
    cluster: Cluster, release: str, name: str
) -> None:
    namespace = cluster.create_namespace("9" * 40)
    given = (
        *(LEAST, "--set=replicas=2,ledger.token=a.b,admission.enabled=true"),
        f"--set=fullnameOverride={name}",
        *("--set=admission.workloads=true,dashboard.enabled=true", "--set=env.A=0x1"),
        '--set-json=trust.namespaces=[{"name":"shop","org":"yes"}]',
    )
    try:
        cluster.helm("install", release, str(CHART), "-n", namespace, *given)
    finally:
        # Its webhook would be asked about the pods of other tests.
        cluster.helm("uninstall", release, "-n", namespace)


RIGHTS = [
    ("GET", "/api/v1/pods", True),
    ("GET", "/api/v1/pods?watch=true&timeoutSeconds=1", True),
    ("GET", "/api/v1/secrets", False),
    ("GET", "/api/v1/configmaps", False),
    ("GET", "/api/v1/namespaces", False),
    ("GET", "/api/v1/nodes", False),
    ("GET", "/api/v1/namespaces/{own}/pods/one", False),
    ("GET", "/api/v1/namespaces/{own}/secrets/jenkins-notary", False),
    ("DELETE", "/api/v1/namespaces/{own}/pods/one", False),
    ("GET", "/apis/coordination.k8s.io/v1/leases", False),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/{own}/leases", False),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/{own}/leases/other", False),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/a", False),
]


def test_account_has_the_rights_that_watching_takes_and_no_other(
    cluster: Cluster, installed: str
) -> None:
    token = cluster.create_token(installed, "jenkins-notary")
    cluster.await_right(f"{installed}:jenkins-notary", LISTS_PODS)
    cluster.await_right(f"{installed}:jenkins-notary", MAKES_LEASES, installed)

    found = [
        (method, path, cluster.may(token, method, path.format(own=installed)))
        for method, path, _ in RIGHTS
    ]

    assert found == RIGHTS
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{installed}/leases"
    lease = {"metadata": {"name": "jenkins-notary"}, "spec": {"holderIdentity": "a"}}
    made = cluster.call("POST", leases, lease, token=token)
    cluster.call("PUT", f"{leases}/jenkins-notary", made, token=token)
    assert not cluster.may(token, "DELETE", f"{leases}/jenkins-notary")


def test_watcher_of_some_namespaces_may_read_no_other(cluster: Cluster) -> None:
    own, shop, other = (cluster.create_namespace(one) for one in ("own", "shop", "x"))
    cluster.helm(
        *("install", "jenkins-notary", str(CHART), "-n", own, LEAST),
        f"--set=watch.namespaces={{{shop}}}",
    )
    token = cluster.create_token(own, "jenkins-notary")
    cluster.await_right(f"{own}:jenkins-notary", LISTS_PODS, shop)

    assert cluster.may(token, "GET", f"/api/v1/namespaces/{shop}/pods")
    assert not cluster.may(token, "GET", f"/api/v1/namespaces/{other}/pods")
    assert not cluster.may(token, "GET", f"/api/v1/namespaces/{own}/pods")
    assert not cluster.may(token, "GET", "/api/v1/pods")
    assert f"{own}-" not in cluster.kubectl("get", "clusterrole", "-o", "name")


def test_notes_find_the_service_by_a_command_that_works(
    cluster: Cluster, installed: str
) -> None:
    notes = cluster.helm("get", "notes", "jenkins-notary", "-n", installed)

    (found,) = re.findall(r"SERVICE_NAME=service/\$\(kubectl (.*)\)\n", notes)
    assert cluster.kubectl(*shlex.split(found)) == "jenkins-notary"
    forwarded = re.search(r"port-forward --namespace (\S+) \$SERVICE_NAME 9581:", notes)
    assert forwarded is not None
    assert forwarded[1] == installed
    assert "http://127.0.0.1:9581/status" in notes
    assert "watcher.secret" not in notes


# Without Helm


@pytest.mark.parametrize("name", VARIANTS)
def test_static_manifests_are_what_the_chart_makes(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == render(name), (
        "run python -m tests.manifests"
    )


def test_chart_carries_the_rules_and_the_dashboard_as_they_are() -> None:
    for copy, source in COPIES.items():
        assert copy.read_bytes() == source.read_bytes(), "run python -m tests.manifests"
    objects = render_with(
        "--set=prometheusRule.enabled=true,prometheusRule.labels.release=monitoring",
        "--set=dashboard.enabled=true,serviceMonitor.enabled=true",
    )

    rules, dashboard = COPIES.values()
    rule = one_of(objects, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(rules.read_text("utf-8"))
    assert rule["metadata"]["labels"]["release"] == "monitoring"
    carried = objects["ConfigMap", "jenkins-notary-dashboard"]["data"]
    assert json.loads(carried["jenkins-notary.json"]) == json.loads(
        dashboard.read_text("utf-8")
    )
    (endpoint,) = one_of(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True


@pytest.mark.parametrize("name", VARIANTS)
def test_server_takes_the_static_manifests_without_a_word(
    cluster: Cluster, name: str
) -> None:
    text = (FOLDER / name).read_text("utf-8")
    namespace = cluster.create_namespace("static")
    given = VARIANTS[name][1]
    text = re.sub(rf"\b{given}\b", namespace, text)

    said = cluster.kubectl("apply", "--validate=strict", "-f", "-", stdin=text)

    assert {line.split()[-1] for line in said.splitlines()} == {"created"}
    assert "deployment.apps/jenkins-notary created" in said
    token = cluster.create_token(namespace, "jenkins-notary")
    everywhere = name == "jenkins-notary.yaml"
    cluster.await_right(
        f"{namespace}:jenkins-notary", LISTS_PODS, "" if everywhere else namespace
    )
    assert cluster.may(token, "GET", "/api/v1/pods") is everywhere
    assert cluster.may(token, "GET", f"/api/v1/namespaces/{namespace}/pods")

"""The service's chart, on a real API server by real Helm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jenkins_notary.config import load_file
from tests.manifests import SERVICE_CHART, template

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")

IMMUDB = "immudb://immudb.example.com:3322/payments"
TLS = "--set=tls.secretName=notary-tls"
IN_IMMUDB = f"--set=immudb.url={IMMUDB},immudb.credentialsSecret=immudb-login"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
FULL = (
    *(TLS, IN_IMMUDB, "--set=filesSecret=files,jenkinsTokenSecret=jenkins"),
    *("--set=networkPolicy.enabled=true", "--set=env.JENKINS_NOTARY_ORG=acme"),
)


def variables_of(manifests: str) -> dict[str, Any]:
    """Return the environment of the service's container."""
    (found,) = [
        one for one in yaml.safe_load_all(manifests) if one["kind"] == "StatefulSet"
    ]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value") for one in container["env"] or ()}


@pytest.mark.parametrize("options", [(TLS,), FULL], ids=["least", "full"])
def test_server_takes_all_of_it_and_the_restricted_pod(
    cluster: Cluster, options: tuple[str, ...]
) -> None:
    namespace = cluster.create_namespace("notary", RESTRICTED)

    cluster.helm("install", "notary", str(SERVICE_CHART), "-n", namespace, *options)

    found = cluster.call(
        "GET", f"/apis/apps/v1/namespaces/{namespace}/statefulsets/notary"
    )
    of_pod = found["spec"]["template"]
    volumes = [*of_pod["spec"]["volumes"], {"name": "ledger", "emptyDir": {}}]
    pod = {
        "metadata": {"name": "notary-0", "labels": of_pod["metadata"]["labels"]},
        "spec": {**of_pod["spec"], "volumes": volumes},
    }
    cluster.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    token = cluster.create_token(namespace, "notary")
    assert not cluster.may(token, "GET", f"/api/v1/namespaces/{namespace}/pods")


@pytest.mark.parametrize(
    ("options", "ledger"),
    [((TLS,), "/var/lib/notary/ledger.db"), ((TLS, IN_IMMUDB), IMMUDB)],
    ids=["file", "immudb"],
)
def test_program_reads_where_the_ledger_is(
    options: tuple[str, ...], ledger: str, tmp_path: Path
) -> None:
    manifests = template("notary", "notary", *options, chart=SERVICE_CHART)
    (config,) = [
        one for one in yaml.safe_load_all(manifests) if one["kind"] == "ConfigMap"
    ]
    path = tmp_path / "serve.yaml"
    path.write_text(config["data"]["serve.yaml"])

    values, faults = load_file(str(path))

    assert faults == []
    assert values["ledger"] == ledger
    # The image's own variable would go before the file.
    named = variables_of(manifests).get("JENKINS_NOTARY_LEDGER")
    assert named == (IMMUDB if ledger == IMMUDB else None)


def test_ledger_in_immudb_needs_the_secret_of_its_user() -> None:
    with pytest.raises(AssertionError, match=r"immudb\.credentialsSecret"):
        template(
            *("notary", "notary", TLS, f"--set=immudb.url={IMMUDB}"),
            chart=SERVICE_CHART,
        )


def test_notes_name_the_first_token_of_either_engine(cluster: Cluster) -> None:
    namespace = cluster.create_namespace("notary")
    chart = str(SERVICE_CHART)
    cluster.helm("install", "file", chart, "-n", namespace, TLS)
    cluster.helm("install", "other", chart, "-n", namespace, TLS, IN_IMMUDB)

    of_file, of_immudb = (
        cluster.helm("get", "notes", one, "-n", namespace) for one in ("file", "other")
    )

    assert "/var/lib/notary/ledger.db.admin-token" in of_file
    assert ".local/share/jenkins-notary/immudb/*.admin-token" in of_immudb

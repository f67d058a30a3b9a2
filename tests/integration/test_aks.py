"""The walk-through of examples/aks, command by command, on a real API server.

What needs Azure, a kubelet or the reader's eyes cannot run here; each is named below
with its reason, and every other line of the page runs.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.parts.walk import ROOT, list_lines, walk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")

PAGE = ROOT / "examples/aks/README.md"
NOT_HERE = {
    "az ": "needs an account of Azure",
    "kubectl port-forward": "needs a kubelet",
    "kubectl logs": "needs a kubelet",
    "kubectl exec": "needs a kubelet",
    "less ": "is for the eyes",
    "sh bulk_sign.sh": "is what the line before wrote",
}
OPERATOR = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
---
"""


def runs_here(line: str) -> bool:
    """Return whether a line of the page can run without Azure and a node."""
    return not line.startswith(tuple(NOT_HERE))


def test_reason_is_given_for_lines_of_the_page_alone() -> None:
    lines = list_lines(PAGE)

    assert [
        one for one in NOT_HERE if not any(line.startswith(one) for line in lines)
    ] == []


def test_each_command_works_in_its_turn(cluster: Cluster, tmp_path: Path) -> None:
    for kind, plural in (
        ("ServiceMonitor", "servicemonitors"),
        ("PrometheusRule", "prometheusrules"),
    ):
        text = OPERATOR.format(kind=kind, plural=plural)
        cluster.kubectl("apply", "-f", "-", stdin=text)
        cluster.kubectl(
            *("wait", "--for=condition=Established", "--timeout=20s"),
            f"crd/{plural}.monitoring.coreos.com",
        )
    (tmp_path / "reader.token").write_text("cluster.secret\n")

    told = walk(
        cluster,
        [line for line in list_lines(PAGE) if runs_here(line)],
        tmp_path,
        instead={"monitoring": f"monitoring-aks-{os.getpid()}"},
        environ={"LEDGER_KEY": "notary.example.com/main+00000000+AQ=="},
    )

    assert re.search(r"^yes\n(.*\n)*no$", told, re.MULTILINE), "rights"
    assert "deployment.apps/jenkins-notary" in told
    assert 'release "jenkins-notary" uninstalled' in told

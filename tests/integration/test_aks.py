"""The walk-through of examples/aks, command by command, on a real API server.

What needs Azure, a kubelet or the reader's eyes cannot run here; each is named below
with its reason, and every other line of the page runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts import require_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.kubernetes import Cluster

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")

ROOT = Path(__file__).parents[2]
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


def list_lines() -> Iterator[str]:
    """Yield the command lines of the page, each whole."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    for line in "".join(blocks).replace("\\\n", " ").splitlines():
        if not line.startswith("#"):
            yield re.sub(r"  +", " ", line)


def runs_here(line: str) -> bool:
    """Return whether a line of the page can run without Azure and a node."""
    return not line.startswith(tuple(NOT_HERE))


def test_reason_is_given_for_lines_of_the_page_alone() -> None:
    lines = [*list_lines()]

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
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    (tmp_path / "reader.token").write_text("cluster.secret\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(require_part(name))
    namespace = f"monitoring-aks-{os.getpid()}"
    script = [line for line in list_lines() if runs_here(line)]
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-eu"],
        input="\n".join(script).replace("monitoring", namespace),
        cwd=tmp_path,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "KUBECONFIG": str(cluster.kubeconfig),
            "LEDGER_KEY": "notary.example.com/main+00000000+AQ==",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^yes\n(.*\n)*no$", done.stdout, re.MULTILINE), "rights"
    assert "deployment.apps/jenkins-notary" in done.stdout
    assert 'release "jenkins-notary" uninstalled' in done.stdout

"""Make the static manifests of `resources/kubernetes` from the chart of the watcher.

Run as `python -m tests.manifests`; needs the part `helm`. A test holds them up to date.
Labels that say that Helm manages an object are left out. What the chart carries along
of other folders, the dashboard and the alert rules, is copied by this, too.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.parts.build import PARTS

RESOURCES = Path(__file__).resolve().parents[1] / "resources"
CHART = RESOURCES / "helm" / "jenkins-notary"
SERVICE_CHART = RESOURCES / "helm" / "jenkins-notary-service"
FOLDER = RESOURCES / "kubernetes"
HEAD = """\
# {what}, for those without Helm. Made from the chart.
# Put your own for: ledger and log (in watch.yaml), image, the namespace {namespace}.
# First, with a token of the role reader in the file reader.token:
#   kubectl create namespace {namespace}
#   kubectl create secret generic jenkins-notary --namespace {namespace} \\
#       --from-file=token=reader.token
"""
VALUES = (
    "--set=ledger.url=https://notary.example.com",
    "--set=ledger.log=notary.example.com/main+00000000+REPLACE",
)
VARIANTS = {
    "jenkins-notary.yaml": ("The watcher of a whole cluster", "monitoring", ()),
    "jenkins-notary-namespaced.yaml": (
        "The watcher of one namespace, with no rights beyond it",
        "shop",
        ("--set=watch.namespaces={shop}",),
    ),
}
"""File: what it is, the namespace that it is in, values beside the example's."""
COPIES = {
    CHART / "files/rules.yaml": RESOURCES / "prometheus/jenkins-notary.rules.yaml",
    CHART / "files/dashboard.json": RESOURCES / "grafana/jenkins-notary.json",
}
"""File of the chart: what it is a copy of."""
_OF_HELM = re.compile(r" +(?:app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n")
_SOURCE = re.compile(r"# Source: .*\n")


def render(name: str) -> str:
    """Return what a file is to hold.

    Raises:
        AssertionError: Helm is not there or refuses the chart.
    """
    what, namespace, values = VARIANTS[name]
    text = template("jenkins-notary", namespace, *VALUES, *values)
    head = HEAD.format(what=what, namespace=namespace)
    return head + _SOURCE.sub("", _OF_HELM.sub("", text))


def template(release: str, namespace: str, *options: str, chart: Path = CHART) -> str:
    """Return a chart's manifests, as Helm makes them without a server.

    Raises:
        AssertionError: Helm is not there or refuses the chart; with its words.
    """
    helm = PARTS["helm"].find()
    assert helm is not None, PARTS["helm"].advice()
    done = subprocess.run(
        [
            *(str(helm), "template", release, str(chart), "--namespace", namespace),
            *("--kube-version", "1.33.0", *options),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    for file in VARIANTS:
        (FOLDER / file).write_text(render(file), "utf-8")
    for target, source in COPIES.items():
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())

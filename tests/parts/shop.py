"""A namespace whose pods run images of a real registry, and a ledger in a file."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

from jenkins_notary.api.notary import Notary
from tests.parts import require_part
from tests.parts.kubernetes import Runs
from tests.parts.registry import PASSWORD, USER, Layout, push
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster
    from tests.parts.registry import Registry


class Shop:
    """A namespace, a registry, and a ledger in a file."""

    def __init__(self, cluster: Cluster, registry: Registry, folder: Path) -> None:
        self.cluster, self.registry, self.folder = cluster, registry, folder
        self.namespace = cluster.create_namespace("shop")
        self.layout = Layout(folder / "layout")
        self.ledger = str(folder / "ledger.db")
        with Notary(self.ledger) as notary:
            notary.ledger.init()

    def push(self, image: dict[str, object], name: str = "web") -> str:
        """Push an image of the layout; return its digest."""
        layout = self.layout.finish(image)
        push(require_part("skopeo"), layout, self.registry, f"{self.namespace}/{name}")
        return str(image["digest"])

    def config_of(self, image: dict[str, object]) -> str:
        """Return the digest of an image's config."""
        manifest = (self.layout.blobs / str(image["digest"])[7:]).read_bytes()
        digest: str = json.loads(manifest)["config"]["digest"]
        return digest

    def trust(self, *digests: str) -> None:
        with Notary(self.ledger) as notary:
            for one in digests:
                notary.notarize([one], name="app", job="ci.example.com:shop/app#7")

    def untrust(self, digest: str) -> None:
        with Notary(self.ledger) as notary:
            notary.untrust([digest], name="app", reason="CVE-2026-1")

    def run(self, digest: str, *secrets: str, name: str = "web") -> None:
        """Have a pod run an image."""
        reference = f"{self.registry.host}/{self.namespace}/{name}"
        containers = [Runs(f"{reference}:1", f"{reference}@{digest}")]
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        spec = {
            "containers": [{"name": "app", "image": f"{reference}:1"}],
            "imagePullSecrets": [{"name": one} for one in secrets],
            "nodeName": "node-1",
        }
        self.cluster.call("POST", path, {"metadata": {"name": name}, "spec": spec})
        self.cluster.set_status(self.namespace, name, containers)

    def add_secret(self, name: str, host: str, *, is_old: bool = False) -> None:
        """Add a pull secret for a registry."""
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        auths: dict[str, object] = {host: {"auth": auth}}
        kind = "dockercfg" if is_old else "dockerconfigjson"
        content = json.dumps(auths if is_old else {"auths": auths}).encode()
        self.cluster.call(
            "POST",
            f"/api/v1/namespaces/{self.namespace}/secrets",
            {
                "metadata": {"name": name},
                "type": f"kubernetes.io/{kind}",
                "data": {f".{kind}": base64.b64encode(content).decode()},
            },
        )

    def watch(self, *, kubeconfig: Path | None = None, **asked: object) -> Watching:
        """Return a watcher that asks registries."""
        registry = {
            "enabled": True,
            "secrets": True,
            "plain-http": [self.registry.host],
            **asked,
        }
        if self.registry.ca_file is not None:
            registry |= {"ca-file": str(self.registry.ca_file), "plain-http": []}
        settings = self.folder / "settings.yaml"
        settings.write_text(json.dumps({"registry": registry}))
        return Watching(
            kubeconfig or self.cluster.kubeconfig,
            *("--ledger", self.ledger, "--settings", str(settings)),
            *("--namespace", self.namespace),
        )


def error_on_page(watching: Watching, word: str, namespace: str) -> str:
    """Return the error of the one container of a namespace, once it has a word."""
    watching.expect(event="found", namespace=namespace)
    deadline = time.monotonic() + 20
    while True:
        (found,) = (
            one
            for one in json.loads(watching.read("/results"))
            if one["containers"][0]["namespace"] == namespace
        )
        error = "".join(found["errors"])
        if word in error:
            return error
        assert time.monotonic() < deadline, found
        time.sleep(0.1)

"""Run the container of an installed chart as a kubelet would, but without a container.

What the pod is given is read from the API server: arguments, environment, ConfigMaps
and Secrets as files. Paths of the image lie below a folder instead; nothing else is
changed. The service account's token comes in a kubeconfig.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.parts.admission import Admission
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from tests.parts.kubernetes import Cluster

IMAGE = Path(__file__).parents[2] / "resources/container/Containerfile"
ACCOUNT = "jenkins-notary"


class PodOfChart:
    """What the pod of a deployment is given, below a folder.

    Attributes:
        arguments: Of the program.
        environ: Its environment, the image's beneath the pod's.
        folder: Where the files of the pod are.
        kubeconfig: Presents the token of the pod's service account.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, folder: Path, name: str = ACCOUNT
    ) -> None:
        """Read all of it from the API server."""
        self._cluster, self._namespace, self._folder = cluster, namespace, folder
        deployment = self._get("deployments", name, "/apis/apps/v1")
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        volumes = {one["name"]: one for one in spec["volumes"]}
        self._mounts = [
            (one["mountPath"], volumes[one["name"]])
            for one in container["volumeMounts"]
        ]
        for path, volume in self._mounts:
            self._fill(folder / path.lstrip("/"), volume)
        self.arguments = [self._below(one) for one in container["args"]]
        self.environ = {
            name: self._below(value)
            for name, value in {**_read_image(), **_read_variables(container)}.items()
        }
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        token = cluster.create_token(namespace, spec["serviceAccountName"])
        cluster.write_kubeconfig(self.kubeconfig, token, namespace)

    def watch(self, *options: str) -> Watching:
        """Return the watcher of this pod, on any free port of this host."""
        assert self.arguments[:2] == ["kube", "watch"]
        return Watching(
            self.kubeconfig,
            *self.arguments[2:],
            *("--host", "127.0.0.1", "--port", "0", *options),
            environ=self.environ,
        )

    def _get(self, kind: str, name: str, base: str = "/api/v1") -> Any:  # noqa: ANN401
        """Return an object of the namespace."""
        path = f"{base}/namespaces/{self._namespace}/{kind}/{name}"
        return self._cluster.call("GET", path)

    def _below(self, text: str) -> str:
        """Return a text whose paths of mounts lie below the folder."""
        places = "|".join(re.escape(path) for path, _ in self._mounts)
        return re.sub(rf"(?<![\w/])(?:{places})\b", rf"{self._folder}\g<0>", text)

    def _fill(self, folder: Path, volume: Mapping[str, Any]) -> None:
        """Write the files of a volume."""
        folder.mkdir(parents=True)
        if "configMap" in volume:
            found = self._get("configmaps", volume["configMap"]["name"])
            for name, text in found["data"].items():
                (folder / name).write_text(self._below(text))
        if "secret" in volume:
            found = self._get("secrets", volume["secret"]["secretName"])
            for name, text in found["data"].items():
                (folder / name).write_bytes(base64.b64decode(text))
                (folder / name).chmod(volume["secret"]["defaultMode"])


class AdmissionOfChart(Admission):
    """The webhook of the chart, with the certificate that the chart made."""

    def __init__(self, pod: PodOfChart) -> None:
        """Prepare; nothing runs yet."""
        assert pod.arguments[:2] == ["kube", "admission"]
        options = (*pod.arguments[2:], "--host", "127.0.0.1")
        super().__init__(pod.folder, *options, environ=pod.environ)
        tls = pod.folder / "run/notary/tls"
        self.files = tls / "tls.crt", tls / "tls.key"
        self.ca_file = tls / "ca.crt"

    def context(self) -> ssl.SSLContext:
        """Return how a client connects that asks for no name: it knows the port."""
        found = super().context()
        found.check_hostname = False
        return found


def _read_image() -> dict[str, str]:
    """Return the environment that the image sets, but for the search path."""
    text = re.sub(r"\\\n", " ", IMAGE.read_text())
    (words,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    pairs = dict(one.split("=", 1) for one in words.split())
    return {name: value for name, value in pairs.items() if name != "PATH"}


def _read_variables(container: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that the pod sets; its own name is made up."""
    return {one["name"]: one.get("value", "from-the-pod") for one in container["env"]}

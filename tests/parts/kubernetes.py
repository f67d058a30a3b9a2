"""Run a real Kubernetes API server over a real etcd, with RBAC on.

There is no kubelet and no controller: a Deployment makes no pods, a new namespace has
no service account, a deleted one never goes. So a test makes its own namespace
(`create_namespace`), its pods, and says what their containers run (`start_pod`), as a
kubelet would. Whoever is let in by a role uses a token of `create_token`.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.parts import require_part
from tests.parts.registry import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"
ADMIN_TOKEN = "admin-token"
NODE = "node-1"
STARTED_AT = "2026-01-01T00:00:00Z"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_START_S = 60.0
_numbers = itertools.count()
_STATUS_LISTS = {
    "regular": "containerStatuses",
    "init": "initContainerStatuses",
    "ephemeral": "ephemeralContainerStatuses",
}


class Runs(NamedTuple):
    """One container of a pod, and what the kubelet says of it.

    Attributes:
        image: The reference in the pod's specification.
        image_id: `imageID` of its status; "" for one that has not started.
        name: The container's name.
        kind: `regular`, `init` or `ephemeral`.
        running: Whether it runs; else it waits (no `image_id`) or has ended.
    """

    image: str
    image_id: str
    name: str = "app"
    kind: str = "regular"
    running: bool = True


class ClusterError(Exception):
    """The API server refused a request; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Cluster:
    """An API server that runs, seen by its administrator.

    Attributes:
        url: `https://127.0.0.1:port`.
        ca_file: PEM of the authority that signed its certificate.
        kubeconfig: A configuration of the administrator.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._etcd_port, self._port = free_port(), free_port()
        self.url = f"https://{HOST}:{self._port}"
        self.ca_file = folder / "certs" / "apiserver.crt"
        self.kubeconfig = folder / "kubeconfig"
        self._etcd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(
            maxsize=16, ca_certs=str(self.ca_file), retries=False, timeout=60.0
        )

    def start(self) -> None:
        """Start the API server, and etcd if it does not run; wait until it is ready."""
        if self._etcd is None:
            self._etcd = self._start_etcd()
        self._server = self._start_server()
        self._await_ready()
        if not self.kubeconfig.exists():
            self.write_kubeconfig(self.kubeconfig, ADMIN_TOKEN)

    def stop(self) -> None:
        """End the API server at once; what it holds stays in etcd."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def close(self) -> None:
        """End both."""
        self.stop()
        self._pool.clear()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = ADMIN_TOKEN,
        content_type: str = "application/json",
    ) -> Any:  # noqa: ANN401 - JSON of any shape
        """Send a request; return the answer's JSON, or its text where it is none.

        Raises:
            ClusterError: The status is not 2xx.
        """
        text = self._ask(method, path, body, token, content_type)
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _ask(  # noqa: PLR0917 - as `call` has them
        self, method: str, path: str, body: object, token: str, content_type: str
    ) -> str:
        """Send a request; return the answer's text."""
        answer = self._pool.request(
            method,
            self.url + path,
            body=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {token}", "Content-Type": content_type},
        )
        text = answer.data.decode()
        if not 200 <= answer.status < 300:
            raise ClusterError(answer.status, text)
        return text

    def may(self, token: str, method: str, path: str, body: object = None) -> bool:
        """Return whether a token's owner may send a request; 403 says no."""
        try:
            self.call(method, path, body, token=token)
        except ClusterError as error:
            if error.status != 403:
                raise
            return False
        return True

    def create_namespace(
        self, start: str = "shop", labels: Mapping[str, str] | None = None
    ) -> str:
        """Create a namespace; return its name, which no other test has."""
        name = f"{start}-{os.getpid()}-{next(_numbers)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.call("POST", "/api/v1/namespaces", {"metadata": metadata})
        return name

    def create_account(self, namespace: str, name: str) -> None:
        """Create a service account, which may do nothing yet."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.call("POST", path, {"metadata": {"name": name}})

    def create_token(self, namespace: str, account: str, seconds: int = 3600) -> str:
        """Return a token of a service account; it dies with the account.

        Args:
            namespace: The account's.
            account: Its name.
            seconds: How long it is valid; the server takes 600 or more.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = self.call("POST", path, {"spec": {"expirationSeconds": seconds}})
        token: str = answer["status"]["token"]
        return token

    def mount_account(self, folder: Path, namespace: str, account: str) -> None:
        """Write `token`, `ca.crt` and `namespace`, as a pod of the account has them."""
        (folder / "token").write_text(self.create_token(namespace, account))
        (folder / "ca.crt").write_bytes(self.ca_file.read_bytes())
        (folder / "namespace").write_text(namespace)

    def grant(
        self,
        namespace: str,
        account: str,
        rules: Sequence[Mapping[str, object]],
        *,
        everywhere: bool = False,
    ) -> None:
        """Let a service account do what some rules say, there or in all namespaces."""
        kind = "ClusterRole" if everywhere else "Role"
        name = f"{namespace}-{account}-{next(_numbers)}"
        place = "" if everywhere else f"/namespaces/{namespace}"
        base = f"/apis/rbac.authorization.k8s.io/v1{place}/{kind.lower()}"
        metadata = {"name": name}
        self.call("POST", f"{base}s", {"metadata": metadata, "rules": list(rules)})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        binding = {
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": kind,
                "name": name,
            },
            "subjects": [subject],
        }
        self.call("POST", f"{base}bindings", binding)
        where = "" if everywhere else namespace
        self.await_right(f"{namespace}:{account}", rules[-1], where)

    def await_right(
        self, account: str, rule: Mapping[str, Any], where: str = ""
    ) -> None:
        """Wait until a rule counts: it does a moment after it was written.

        Args:
            account: `NAMESPACE:NAME` of a service account.
            rule: Of a role; the first of each of its lists is looked at.
            where: In which namespace; "" for all.
        """
        asked = {
            "namespace": where,
            "group": rule["apiGroups"][0],
            "resource": rule["resources"][0],
            "verb": rule["verbs"][0],
            "name": (rule.get("resourceNames") or [""])[0],
        }
        user = f"system:serviceaccount:{account}"
        review = {"spec": {"user": user, "resourceAttributes": asked}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        deadline = time.monotonic() + _START_S
        while not self.call("POST", path, review)["status"]["allowed"]:
            assert time.monotonic() < deadline, f"{user} may not {asked}"
            time.sleep(0.01)

    def start_pod(
        self,
        namespace: str,
        name: str,
        containers: Sequence[Runs],
        **metadata: Mapping[str, str],
    ) -> None:
        """Create a pod whose containers do as they are said to.

        Args:
            namespace: An existing one.
            name: The pod's name.
            containers: At least one regular one.
            metadata: `labels`, `annotations`.
        """
        spec: dict[str, object] = {
            "nodeName": NODE,
            "containers": _specify(containers, "regular"),
            "initContainers": _specify(containers, "init"),
        }
        path = f"/api/v1/namespaces/{namespace}/pods"
        self.call("POST", path, {"metadata": {"name": name, **metadata}, "spec": spec})
        ephemeral = _specify(containers, "ephemeral")
        if ephemeral:
            self.call(
                "PATCH",
                f"{path}/{name}/ephemeralcontainers",
                {"spec": {"ephemeralContainers": ephemeral}},
                content_type=STRATEGIC_PATCH,
            )
        self.set_status(namespace, name, containers)

    def set_status(self, namespace: str, name: str, containers: Sequence[Runs]) -> None:
        """Say what a pod's containers run now."""
        status: dict[str, object] = {
            "phase": "Running",
            "startTime": STARTED_AT,
            "podIP": "10.1.1.1",
        }
        for kind, field in _STATUS_LISTS.items():
            status[field] = [_report(one) for one in containers if one.kind == kind]
        self.call(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/pods/{name}/status",
            {"status": status},
            content_type=MERGE_PATCH,
        )

    def delete_pod(self, namespace: str, name: str) -> None:
        """Delete a pod at once: no kubelet would end its containers."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        self.call("DELETE", path, {"gracePeriodSeconds": 0})

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator; return its standard output."""
        return self._run("kubectl", words, stdin)

    def helm(self, *words: str) -> str:
        """Run Helm as the administrator; return its standard output."""
        return self._run("helm", words, None)

    def write_kubeconfig(self, path: Path, token: str, namespace: str = "") -> None:
        """Write a configuration that presents a token."""
        context = {"cluster": "test", "user": "test"}
        if namespace:
            context["namespace"] = namespace
        authority = base64.b64encode(self.ca_file.read_bytes()).decode()
        server = {"server": self.url, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.touch(0o600)
        path.write_text(json.dumps(config))

    def _run(self, part: str, words: Sequence[str], stdin: str | None) -> str:
        """Run a client with the administrator's configuration; fail with its words."""
        done = subprocess.run(
            [str(require_part(part)), f"--kubeconfig={self.kubeconfig}", *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{part} {' '.join(words)}: {done.stderr}"
        return done.stdout

    def _start_etcd(self) -> subprocess.Popen[bytes]:
        """Start the store; a test's data may be lost when the machine stops."""
        url = f"http://{HOST}:{self._etcd_port}"
        options = [
            *("--data-dir", str(self._folder / "etcd")),
            *("--listen-client-urls", url, "--advertise-client-urls", url),
            *("--listen-peer-urls", f"http://{HOST}:0", "--unsafe-no-fsync"),
        ]
        return self._start_program("etcd", options)

    def _start_server(self) -> subprocess.Popen[bytes]:
        """Start the API server."""
        key, tokens = self._folder / "accounts.key", self._folder / "tokens.csv"
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(_make_account_key())
            tokens.touch(0o600)
            tokens.write_text(f'{ADMIN_TOKEN},admin,admin-uid,"system:masters"\n')
        options = [
            f"--etcd-servers=http://{HOST}:{self._etcd_port}",
            f"--cert-dir={self.ca_file.parent}",
            *(f"--bind-address={HOST}", f"--advertise-address={HOST}"),
            *(f"--secure-port={self._port}", "--endpoint-reconciler-type=none"),
            *("--authorization-mode=RBAC", "--anonymous-auth=false"),
            f"--token-auth-file={tokens}",
            f"--service-account-issuer={self.url}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # It refuses pods of namespaces without a "default" account.
            "--disable-admission-plugins=ServiceAccount",
            *("--allow-privileged=true", "--profiling=false"),
            # Later servers have it on: a volume may be an image.
            "--feature-gates=ImageVolume=true",
        ]
        return self._start_program("kube-apiserver", options)

    def _start_program(
        self, name: str, options: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        """Start a part that writes its log into the folder."""
        with self._log(name).open("ab") as log:
            return _start([str(require_part(name)), *options], log)

    def _log(self, name: str) -> Path:
        """Return where a part's log is."""
        return self._folder / f"{name}.log"

    def _await_ready(self) -> None:
        """Wait until the API server answers; fail with the end of its log."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.call("GET", "/readyz")
            except (urllib3.exceptions.HTTPError, ClusterError, OSError):
                assert self._server is not None
                if self._server.poll() is not None or time.monotonic() > deadline:
                    log = self._log("kube-apiserver").read_text()
                    raise AssertionError(log[-4000:]) from None
                time.sleep(0.05)
            else:
                return


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Run an API server of one's own, to be stopped and started at will.

    Args:
        folder: An empty folder for its data.
    """
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def _start(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a server that writes to a log."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )


def _make_account_key() -> bytes:
    """Return a new key for the tokens of accounts, in the one form that is read twice.

    The server takes the public key from the same file, but not out of PKCS #8.
    """
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _specify(containers: Sequence[Runs], kind: str) -> list[dict[str, str]]:
    """Return the specification of the containers of a kind."""
    return [
        {"name": one.name, "image": one.image} for one in containers if one.kind == kind
    ]


def _report(one: Runs) -> dict[str, object]:
    """Return what a kubelet reports of a container."""
    ended = {"exitCode": 0, "startedAt": STARTED_AT, "finishedAt": STARTED_AT}
    state: dict[str, object] = {"waiting": {"reason": "ContainerCreating"}}
    container_id = hashlib.sha256(f"{one.name} {one.image_id}".encode()).hexdigest()
    if one.running:
        state = {"running": {"startedAt": STARTED_AT}}
    elif one.image_id:
        state = {"terminated": {**ended, "reason": "Completed"}}
    return {
        "name": one.name,
        "image": one.image,
        "imageID": one.image_id,
        "containerID": f"containerd://{container_id}" if one.image_id else "",
        "ready": one.running,
        "started": one.running,
        "restartCount": 0,
        "state": state,
    }

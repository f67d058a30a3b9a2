"""The admission webhook as a process, asked by a real Kubernetes API server."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.command import command
from tests.parts.admission import Admission
from tests.parts.kubernetes import (
    ADMIN_TOKEN,
    STRATEGIC_PATCH,
    Cluster,
    ClusterError,
)
from tests.parts.registry import Authority
from tests.parts.serving import Serving

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GOOD, BAD, NEW = (f"sha256:{digit * 64}" for digit in "123")
APP = "registry.example.com/app"
RULES = [
    {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["pods", "pods/ephemeralcontainers", "replicationcontrollers"],
    },
    {
        "apiGroups": ["apps", "batch"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["*"],
    },
]
needs_cluster = pytest.mark.real("etcd", "kube-apiserver")


def make_ledger(folder: Path) -> str:
    """Return a ledger in which one image is trusted and one is not."""
    ledger = str(folder / "ledger.db")
    assert command("ledger", "init", "--ledger", ledger).code == 0
    assert command("notarize", GOOD, "--name", "app", "--ledger", ledger).code == 0
    words = ("--reason", "CVE-2026-1", "--ledger", ledger)
    assert command("untrust", BAD, *words).code == 0
    return ledger


def make_pod(*images: str, **metadata: object) -> dict[str, Any]:
    """Return a pod's JSON."""
    containers = [{"name": f"c{n}", "image": one} for n, one in enumerate(images)]
    return {
        "metadata": {"name": "web", **metadata},
        "spec": {"containers": containers},
    }


def make_review(image: str, **facts: object) -> bytes:
    """Return the review of a pod."""
    request = {
        "uid": "u-1",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": make_pod(image),
        **facts,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review).encode()


class World:
    """A namespace of a real cluster whose pods go through the webhook."""

    def __init__(self, cluster: Cluster, hook: Admission) -> None:
        self.cluster = cluster
        self.hook = hook
        self.namespace = cluster.create_namespace("shop", {"notary": str(hook.port)})
        self.name = f"{self.namespace}.jenkins-notary"

    @property
    def path(self) -> str:
        """Return where its pods are."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def install(self) -> None:
        """Have the API server ask the webhook, and wait until it does."""
        bundle = base64.b64encode(self.hook.ca_file.read_bytes()).decode()
        webhook = {
            "name": "admission.jenkins-notary.example.com",
            "clientConfig": {"url": self.hook.url, "caBundle": bundle},
            "rules": RULES,
            "failurePolicy": "Fail",
            "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
            "namespaceSelector": {"matchLabels": {"notary": str(self.hook.port)}},
        }
        self.cluster.call(
            "POST",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            {"metadata": {"name": self.name}, "webhooks": [webhook]},
        )
        ends = time.monotonic() + 20
        while self.refusal(make_pod(f"{APP}:probe"), "?dryRun=All") is None:
            assert time.monotonic() < ends
            time.sleep(0.05)

    def remove(self) -> None:
        """Have the API server ask no more."""
        base = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        self.cluster.call("DELETE", f"{base}/{self.name}")

    def refusal(self, pod: dict[str, Any], query: str = "") -> str | None:
        """Create a pod; return why it is refused, None where it is not."""
        return self.refused("POST", self.path + query, pod)

    def refused(
        self, method: str, path: str, body: object, **further: str
    ) -> str | None:
        """Send a request; return why it is refused, None where it is not."""
        try:
            self.cluster.call(method, path, body, **further)
        except ClusterError as error:
            if error.status == 403:
                return str(error)
            raise
        return None


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """Return a ledger."""
    return make_ledger(tmp_path)


@pytest.fixture
def world(tmp_path: Path, ledger: str, cluster: Cluster) -> Iterator[World]:
    """Return a namespace where what is not trusted is denied."""
    words = ("--ledger", ledger, "--break-glass", "system:masters", "--workloads")
    with Admission(tmp_path, *words, "--cluster", "prod") as hook:
        found = World(cluster, hook)
        found.install()
        try:
            yield found
        finally:
            found.remove()


@needs_cluster
def test_api_server_starts_what_is_trusted_and_nothing_else(world: World) -> None:
    assert world.refusal(make_pod(f"{APP}@{GOOD}")) is None
    denied = world.refusal(make_pod(f"{APP}@{BAD}", name="bad")) or ""
    tagged = world.refusal(make_pod(f"{APP}:1.2", name="tag")) or ""
    unknown = world.refusal(make_pod(f"{APP}@{NEW}", name="new")) or ""

    assert "expected TRUSTED, got UNTRUSTED" in denied
    assert "CVE-2026-1" in denied
    assert "got a tag" in tagged
    assert "got UNKNOWN" in unknown


@needs_cluster
def test_init_and_ephemeral_containers_are_judged(world: World) -> None:
    pod = make_pod(f"{APP}@{GOOD}")
    bad = {**pod, "spec": {**pod["spec"], "initContainers": [container(BAD)]}}
    path = f"{world.path}/web/ephemeralcontainers"

    def add(digest: str) -> str | None:
        body = {"spec": {"ephemeralContainers": [container(digest)]}}
        return world.refused("PATCH", path, body, content_type=STRATEGIC_PATCH)

    assert "got UNTRUSTED" in (world.refusal(bad) or "")
    assert world.refusal(pod) is None
    assert "ephemeral container" in (add(BAD) or "")
    assert add(GOOD) is None


@needs_cluster
def test_a_volume_that_is_an_image_is_judged(world: World) -> None:
    def mount(digest: str) -> dict[str, Any]:
        pod = make_pod(f"{APP}@{GOOD}", name=f"mounts-{digest[-4:]}")
        volume = {"name": "tools", "image": {"reference": f"{APP}@{digest}"}}
        pod["spec"]["volumes"] = [volume]
        return pod

    assert world.refusal(mount(GOOD)) is None
    assert "volume tools" in (world.refusal(mount(BAD)) or "")


def container(digest: str) -> dict[str, str]:
    """Return a container."""
    return {"name": "extra", "image": f"{APP}@{digest}"}


@needs_cluster
def test_what_runs_can_be_changed_after_its_image_was_untrusted(
    world: World, ledger: str
) -> None:
    assert world.refusal(make_pod(f"{APP}@{GOOD}")) is None
    command("untrust", GOOD, "--reason", "late", "--ledger", ledger)
    world.hook.wait_for(
        lambda: world.refusal(make_pod(f"{APP}@{GOOD}", name="again"), "?dryRun=All")
    )
    labels = {"metadata": {"labels": {"a": "b"}}}
    kind = "application/merge-patch+json"

    assert (
        world.refused("PATCH", f"{world.path}/web", labels, content_type=kind) is None
    )


@needs_cluster
def test_new_word_of_the_ledger_holds_within_an_interval(
    world: World, ledger: str
) -> None:
    pod = make_pod(f"{APP}@{NEW}")
    assert world.refusal(pod) is not None
    command("notarize", NEW, "--name", "app", "--ledger", ledger)
    began = time.monotonic()
    world.hook.wait_for(lambda: world.refusal(pod, "?dryRun=All") is None)

    assert time.monotonic() - began < 3


@needs_cluster
def test_workload_is_judged_before_its_controller_makes_pods(world: World) -> None:
    labels = {"app": "web"}
    pod = make_pod(f"{APP}@{BAD}", labels=labels)
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments"

    assert "got UNTRUSTED" in (world.refused("POST", path, deployment) or "")


@needs_cluster
def test_broken_glass_lets_a_pod_through_and_is_on_record(
    world: World, ledger: str
) -> None:
    reason = {"jenkins-notary/break-glass": "INC-7: shop is down"}
    pod = make_pod(f"{APP}@{BAD}", annotations=reason)
    assert world.refusal(pod, "?dryRun=All") is None
    before = command("inspect", BAD, "--ledger", ledger, "-o", "json").json["records"]
    assert world.refusal(pod) is None
    words = ("--ledger", ledger, "-o", "json")
    record = command("inspect", BAD, *words).json["records"][-1]
    job = f"prod:kubernetes/{world.namespace}"
    found = command("evidence", "--job", job, *words).json["records"]

    assert len(before) == 1
    assert record["predicate"]["label"] == "break-glass"
    assert record["job"].startswith(job)
    assert [one["index"] for one in found] == [record["index"]]
    assert world.hook.lines[-1]["verdict"] == "break-glass"
    assert world.hook.lines[-1]["user"] == "admin"


@needs_cluster
def test_pod_of_whoever_may_not_break_glass_is_refused(world: World) -> None:
    cluster, account = world.cluster, "dev"
    cluster.create_account(world.namespace, account)
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
    ]
    cluster.grant(world.namespace, account, rules)
    token = cluster.create_token(world.namespace, account)
    reason = {"jenkins-notary/break-glass": "please"}
    pod = make_pod(f"{APP}@{BAD}", annotations=reason)

    template = make_pod(f"{APP}@{GOOD}", annotations=reason)
    template["spec"]["restartPolicy"] = "Never"
    job = {"metadata": {"name": "late"}, "spec": {"template": template}}
    path = f"/apis/batch/v1/namespaces/{world.namespace}/jobs"

    assert "is of no group that may" in (
        world.refused("POST", world.path, pod, token=token) or ""
    )
    # Else a controller would make the pod for him once the image is not trusted.
    assert "may not be written" in (world.refused("POST", path, job, token=token) or "")


@needs_cluster
def test_annotation_of_a_job_is_not_moved_into_its_template_by_others(
    world: World,
) -> None:
    cluster, account = world.cluster, "mover"
    cluster.create_account(world.namespace, account)
    rule = {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["patch"]}
    cluster.grant(world.namespace, account, [rule])
    token = cluster.create_token(world.namespace, account)
    reason = {"metadata": {"annotations": {"jenkins-notary/break-glass": "INC-7"}}}
    template = make_pod(f"{APP}@{GOOD}")
    template["spec"]["restartPolicy"] = "Never"
    jobs: dict[str, Any] = {"spec": {"template": template}}
    job = {
        "metadata": {"name": "nightly", **reason["metadata"]},
        "spec": {"schedule": "@daily", "jobTemplate": jobs},
    }
    path = f"/apis/batch/v1/namespaces/{world.namespace}/cronjobs"
    assert world.refused("POST", path, job) is None
    moved = {"spec": {"jobTemplate": {"spec": {"template": reason}}}}

    told = world.refused(
        "PATCH", f"{path}/nightly", moved, token=token, content_type=STRATEGIC_PATCH
    )

    assert "may not be written" in (told or "")


@needs_cluster
def test_api_server_refuses_what_the_webhook_cannot_answer(world: World) -> None:
    world.hook.stop()
    with pytest.raises(ClusterError, match=r"failed calling webhook"):
        world.cluster.call("POST", world.path, make_pod(f"{APP}@{GOOD}"))


def post(world: World, pod: object, **headers: str) -> urllib3.BaseHTTPResponse:
    """Return the answer to the creation of a pod by the administrator, or as another.

    Args:
        world: Where.
        pod: Its JSON.
        headers: Further ones, with ``_`` for ``-``.
    """
    cluster = world.cluster
    return urllib3.PoolManager(ca_certs=str(cluster.ca_file)).request(
        "POST",
        cluster.url + world.path,
        body=json.dumps(pod),
        headers={
            "Authorization": f"Bearer {ADMIN_TOKEN}",
            "Content-Type": "application/json",
            **{key.replace("_", "-"): value for key, value in headers.items()},
        },
    )


@needs_cluster
def test_broken_glass_of_a_template_counts_for_the_pods_of_its_controller(
    world: World,
) -> None:
    cluster, controller = world.cluster, "replicaset-controller"
    with suppress(ClusterError):
        cluster.create_account("kube-system", controller)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]
    user = f"system:serviceaccount:kube-system:{controller}"
    role = f"{world.namespace}-controller"
    cluster.call(
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        {"metadata": {"name": role}, "rules": rules},
    )
    cluster.call(
        "POST",
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}/rolebindings",
        {
            "metadata": {"name": role},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role,
            },
            "subjects": [
                {
                    "kind": "ServiceAccount",
                    "name": controller,
                    "namespace": "kube-system",
                }
            ],
        },
    )
    reason = {"jenkins-notary/break-glass": "INC-7"}
    pod = make_pod(f"{APP}@{BAD}", annotations=reason)
    without = post(world, make_pod(f"{APP}@{BAD}"), Impersonate_User=user)
    glass = post(world, pod, Impersonate_User=user)

    assert without.status == 403
    assert glass.status == 201, glass.data
    assert world.hook.lines[-1]["user"] == user


@needs_cluster
def test_warnings_reach_whoever_asks(
    tmp_path: Path, ledger: str, cluster: Cluster
) -> None:
    words = ("--ledger", ledger, "--mode", "warn")
    with Admission(tmp_path, *words) as hook:
        world = World(cluster, hook)
        world.install()
        answer = post(world, make_pod(f"{APP}@{BAD}"))
        world.remove()

    assert answer.status == 201
    assert "expected TRUSTED, got UNTRUSTED" in answer.headers["Warning"]


def ask(hook: Admission, image: str, **facts: object) -> dict[str, Any]:
    """Return the webhook's response to a pod."""
    status, body = hook.ask("POST", "/validate?timeout=5s", make_review(image, **facts))
    assert status == 200
    response: dict[str, Any] = json.loads(body)["response"]
    return response


class TestWithAService:
    """The ledger is a notary service's, read with a token."""

    def test_last_words_hold_while_the_ledger_is_away(self, tmp_path: Path) -> None:
        with Serving(tmp_path) as service:
            service.command("notarize", GOOD, "--name", "app")
            token = service.token("hook", "--role", "reader")
            words = ("--ledger", service.url, "--timeout", "1")
            with Admission(tmp_path, *words, environ=service.client(token)) as hook:
                before = ask(hook, f"{APP}@{GOOD}")
                service.stop()
                hook.wait_for(lambda: "warnings" in ask(hook, f"{APP}@{GOOD}"))
                known, new = ask(hook, f"{APP}@{GOOD}"), ask(hook, f"{APP}@{NEW}")

        assert "warnings" not in before
        assert known["allowed"]
        assert "its last word" in known["warnings"][0]
        assert "cannot be judged" in new["status"]["message"]

    def test_broken_glass_waits_in_the_spool_and_is_delivered(
        self, tmp_path: Path
    ) -> None:
        spool = tmp_path / "spool"
        with Serving(tmp_path) as service:
            service.command("untrust", BAD, "--reason", "leaked")
            folder = ("--folder", "prod:kubernetes")
            token = service.token("hook", "--role", "writer", *folder)
            words = (
                *("--ledger", service.url, "--timeout", "1", "--spool", str(spool)),
                *("--break-glass", "oncall", "--cluster", "prod", "--interval", "1"),
            )
            with Admission(tmp_path, *words, environ=service.client(token)) as hook:
                ask(hook, f"{APP}@{BAD}")
                service.stop()
                found = ask(hook, f"{APP}@{BAD}", **break_glass("INC-7"))
                kept = [*spool.glob("*.json")]
                service.start()
                hook.wait_for(lambda: not [*spool.glob("*.json")])
            shown = service.command("inspect", BAD)

        assert found["allowed"], found
        assert len(kept) == 1
        assert "break-glass" in shown

    def test_a_readers_token_records_no_broken_glass(self, tmp_path: Path) -> None:
        with Serving(tmp_path) as service:
            token = service.token("hook", "--role", "reader")
            words = ("--ledger", service.url, "--break-glass", "oncall")
            with Admission(
                tmp_path, *words, "--cluster", "prod", environ=service.client(token)
            ) as hook:
                found = ask(hook, f"{APP}@{NEW}", **break_glass("INC-7"))

        assert not found["allowed"]
        assert "cannot be recorded" in found["status"]["message"]


def break_glass(reason: str) -> dict[str, Any]:
    """Return facts of a request that breaks glass."""
    annotations = {"jenkins-notary/break-glass": reason}
    return {
        "userInfo": {"username": "oncall-1", "groups": ["oncall"]},
        "object": make_pod(f"{APP}@{BAD}", annotations=annotations),
    }


class TestProcess:
    """The process and its HTTPS side, without a cluster."""

    @pytest.fixture
    def hook(self, tmp_path: Path, ledger: str) -> Iterator[Admission]:
        """Return a webhook that serves."""
        with Admission(tmp_path, "--ledger", ledger) as found:
            yield found

    def test_decisions_are_told_as_lines_and_figures(self, hook: Admission) -> None:
        ask(hook, f"{APP}@{GOOD}")
        ask(hook, f"{APP}@{BAD}\u2028")
        ask(hook, f"{APP}@{BAD}", namespace="kube-system")
        _, figures = hook.ask("GET", "/metrics")

        assert [one["verdict"] for one in hook.lines] == ["allowed", "denied"]
        assert hook.lines[0]["images"][0]["status"] == "TRUSTED"
        assert hook.lines[0]["user"] is None
        for verdict in ("allowed", "denied", "skipped"):
            name = "jenkins_notary_admission_requests_total"
            assert f'{name}{{verdict="{verdict}"}} 1'.encode() in figures
        assert b"jenkins_notary_admission_seconds_count 3" in figures

    def test_renewed_certificate_is_shown_to_the_next_connection(
        self, hook: Admission
    ) -> None:
        before = serial_of(hook)
        certificate, key = hook.authority.issue(hook.folder, "renewed")
        os.replace(certificate, hook.files[0])
        half = serial_of(hook)
        os.replace(key, hook.files[1])
        after = serial_of(hook)

        assert half == before
        assert after != before
        assert serial_of(hook) == after
        hook.wait_for(lambda: "a renewed certificate is in use" in hook.said)
        assert "the certificate before stays in use" in hook.said

    def test_other_requests_are_refused(self, hook: Admission) -> None:
        long = b" " * ((7 << 20) + 1)

        assert hook.ask("GET", "/healthz") == (200, b"ok\n")
        assert hook.ask("GET", "/other")[0] == 404
        assert hook.ask("GET", "/validate")[0] == 405
        assert hook.ask("POST", "/validate", b"{}")[0] == 400
        assert hook.ask("POST", "/validate", long)[0] == 400

    def test_only_a_certificate_of_the_api_server_is_answered(
        self, tmp_path: Path, ledger: str
    ) -> None:
        authority = Authority()
        ca = authority.write(tmp_path)
        with Admission(tmp_path, "--ledger", ledger, "--client-ca", str(ca)) as hook:
            review = make_review(f"{APP}@{GOOD}")
            nobody = hook.ask("POST", "/validate", review)[0]
            hook.client = authority.issue(tmp_path, "kube-apiserver")
            server = hook.ask("POST", "/validate", review)[0]
            hook.client = Authority().issue(tmp_path, "stranger")
            with pytest.raises(OSError, match=r"alert|reset|EOF|closed"):
                hook.ask("POST", "/validate", review)

        assert nobody == 403
        assert server == 200

    def test_many_who_dawdle_keep_nobody_out(self, hook: Admission) -> None:
        head = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n"
        slow = [open_connection(hook) for _ in range(40)]
        for one in slow:
            one.sendall(head)
        began = time.monotonic()
        found = ask(hook, f"{APP}@{GOOD}")
        seconds = time.monotonic() - began
        for one in slow:
            one.close()

        assert found["allowed"]
        assert seconds < 3

    def test_it_ends_as_told(self, tmp_path: Path, ledger: str) -> None:
        with Admission(tmp_path, "--ledger", ledger) as hook:
            assert hook.stop() == 0


def serial_of(hook: Admission) -> int:
    """Return the serial number of the certificate that is shown."""
    with open_connection(hook) as connection:
        return int(str((connection.getpeercert() or {})["serialNumber"]), 16)


def open_connection(hook: Admission) -> ssl.SSLSocket:
    """Return a connection that is checked."""
    raw = socket.create_connection(("127.0.0.1", hook.port), 20)
    return hook.context().wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 64),
        (("--tls-cert", "/nowhere", "--tls-key", "/nowhere", "--port", "0"), 78),
        (("--tls-cert", "a", "--tls-key", "a", "--port", "70000"), 64),
        (("--tls-cert", "a", "--tls-key", "a", "--budget", "0"), 64),
        (("--tls-cert", "a", "--tls-key", "a", "--max-stale", "-1"), 64),
        (("--tls-cert", "a", "--tls-key", "a", "--mode", "observe"), 64),
        (("--tls-cert", "a", "--tls-key", "a", "--break-glass", "oncall"), 64),
    ],
)
def test_what_is_settled_wrongly_is_refused_at_the_start(
    ledger: str, options: Sequence[str], code: int
) -> None:
    assert command("kube", "admission", "--ledger", ledger, *options).code == code

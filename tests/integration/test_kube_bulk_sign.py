"""Bulk sign, with real ledgers: one at hand, and one that a service keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.cluster import baseline
from tests.command import command
from tests.parts.kubernetes import Cluster, Runs
from tests.parts.serving import Serving
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.command import Done

ROOT = Path(__file__).parents[2]
BULK_SIGN = ROOT / "resources/container/bulk_sign"
ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")


class World:
    """A ledger with an administrator's key, and a key for baselines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = str(folder / "ledger.db")
        self.key = str(folder / "baseline.pem")
        self.results = folder / "results.json"
        assert command("ledger", "init", "--ledger", self.ledger).code == 0
        assert command("key", "generate", "--key", self.key).code == 0
        pem = command("key", "show", "--key", self.key, "--pem").stdout
        (folder / "baseline.pub.pem").write_bytes(pem)

    def enrol(self, *options: str) -> None:
        """Enrol the key for baselines."""
        words = ("signer", "enrol", str(self.folder / "baseline.pub.pem"), *options)
        assert command(*words, "--ledger", self.ledger).code == 0

    def run_pods(self, *digests: str) -> None:
        """Say what runs."""
        entries = [
            {
                "hash": one[7:],
                "containers": [
                    {
                        "namespace": "shop",
                        "pod": "web-1",
                        "container": "web",
                        "image": f"registry.example.com/web-{one[7]}:1",
                        "imageID": f"registry.example.com/web@{one}",
                    }
                ],
                "errors": [],
            }
            for one in digests
        ]
        self.results.write_text(json.dumps(entries))

    def sign(self, *options: str, **further: Any) -> Done:  # noqa: ANN401 - as command
        """Run bulk sign."""
        words = ("--results", str(self.results), "--ledger", self.ledger, "-o", "json")
        return command("kube", "bulk-sign", *words, *options, **further)

    def outcomes(self, *options: str) -> list[tuple[str, str, str]]:
        """Return (digit, outcome, status) of each image."""
        found = self.sign("--key", self.key, *options).json["assets"]
        return [(one["digest"][7], one["outcome"], one["status"]) for one in found]

    def size(self) -> int:
        """Return how many records there are."""
        status = command("ledger", "status", "--ledger", self.ledger, "-o", "json")
        size: int = status.json["tree_size"]
        return size

    def status(self, digest: str, *options: str) -> int:
        """Return the exit code of authenticate."""
        return command("authenticate", digest, "--ledger", self.ledger, *options).code


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a ledger where the key for baselines is enrolled as it must be."""
    found = World(tmp_path)
    found.enrol("--level", "0")
    return found


def test_what_runs_is_trusted_afterwards_and_signed_once(world: World) -> None:
    world.run_pods(ONE, TWO)
    first = world.outcomes()
    size = world.size()

    assert first == [("1", "signed", "TRUSTED"), ("2", "signed", "TRUSTED")]
    assert world.outcomes() == [("1", "known", "TRUSTED"), ("2", "known", "TRUSTED")]
    assert world.size() == size
    assert world.status(ONE) == 0
    assert world.status(ONE, "--org", "acme") == 2


def test_record_says_that_it_is_a_baseline(world: World) -> None:
    world.run_pods(ONE)
    world.sign("--key", world.key, "-a", "cluster=prod", "-a", "origin=forged")
    (found,) = command("inspect", ONE, "--ledger", world.ledger, "-o", "json").json[
        "records"
    ]

    assert found["predicate"]["attributes"] == {"cluster": "prod", "origin": "baseline"}
    assert found["predicate"]["assets"][0]["ref"] == f"registry.example.com/web-1@{ONE}"
    assert found["predicate"]["assets"][0]["metadata"]["namespaces"] == "shop"


def test_dry_run_needs_no_key_and_records_nothing(world: World) -> None:
    world.run_pods(ONE)
    size = world.size()
    done = world.sign("--dry-run")

    assert done.code == 2
    assert done.json["assets"][0]["outcome"] == "would be signed"
    assert world.outcomes("--dry-run") == [("1", "would be signed", "UNKNOWN")]
    assert world.size() == size


def test_what_security_has_said_is_never_signed(world: World) -> None:
    command("untrust", ONE, "--reason", "leaked", "--ledger", world.ledger)
    world.run_pods(ONE, TWO)
    done = world.sign("--key", world.key)

    assert done.code == 1
    assert [one["outcome"] for one in done.json["assets"]] == ["left", "signed"]
    assert "1 left" in done.stderr
    assert world.status(ONE) == 1


def test_any_record_of_a_build_outweighs_the_baseline(world: World) -> None:
    world.run_pods(ONE)
    world.sign("--key", world.key)
    command("untrust", ONE, "--reason", "leaked", "--ledger", world.ledger)

    assert world.status(ONE) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [((), "one of level 1"), (("--level", "0", "--org", "acme"), "of the org acme")],
)
def test_key_that_could_pass_for_a_builds_is_refused(
    tmp_path: Path, options: Sequence[str], told: str
) -> None:
    world = World(tmp_path)
    world.run_pods(ONE)
    unknown = world.sign("--key", world.key)
    world.enrol(*options)
    done = world.sign("--key", world.key)

    assert unknown.code == 78
    assert "not enrolled" in unknown.stdout.decode()
    assert done.code == 78
    assert told in done.stdout.decode()


def test_text_shows_a_line_an_image_and_sums_up(world: World) -> None:
    world.run_pods(ONE)
    words = ("--results", str(world.results), "--ledger", world.ledger)
    done = command("kube", "bulk-sign", *words, "--key", world.key)

    assert done.text.split()[:3] == ["TRUSTED", "signed", "#2"]
    assert done.text.rstrip().endswith("registry.example.com/web-1:1")
    assert "1 signed" in done.stderr


def test_without_a_key_or_results_nothing_is_signed(world: World) -> None:
    world.run_pods(ONE)

    assert world.sign().code == 64
    assert command("kube", "bulk-sign", "--ledger", world.ledger).code == 78
    assert command("kube", "bulk-sign", "--results", "-").code == 64
    assert command("kube", "bulk-sign", "--results", "-", stdin=b"{}").code == 64


def test_call_that_was_cut_off_is_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "BATCH", 1)
    world.run_pods(ONE, TWO, THREE)
    record, calls = baseline.LocalLedger.record, []

    def fail_later(self: baseline.LocalLedger, *arguments: Any) -> Sequence[int]:  # noqa: ANN401
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return record(self, *arguments)

    monkeypatch.setattr(baseline.LocalLedger, "record", fail_later)
    assert world.sign("--key", world.key).code == 130
    monkeypatch.setattr(baseline.LocalLedger, "record", record)

    assert [one[1] for one in world.outcomes()] == ["known", "signed", "signed"]


def test_service_takes_what_is_signed_here(tmp_path: Path) -> None:
    with Serving(tmp_path) as service:
        world = World(tmp_path)
        service.command(
            "signer", "enrol", str(tmp_path / "baseline.pub.pem"), "--level", "0"
        )
        world.ledger = service.url
        world.run_pods(ONE, TWO)
        security = {"JENKINS_NOTARY_TOKEN": service.token("sec", "--role", "security")}
        writer = {
            "JENKINS_NOTARY_TOKEN": service.token(
                "cluster", "--role", "writer", "--folder", "baseline"
            )
        }
        done = world.sign("--key", world.key, environ=security)
        again = world.sign("--key", world.key, environ=security)
        world.run_pods(THREE)
        refused = world.sign("--key", world.key, environ=writer)
        job = ("--job", "prod:baseline/shop#1")
        taken = world.sign("--key", world.key, *job, environ=writer)

    assert [one["outcome"] for one in done.json["assets"]] == ["signed", "signed"]
    assert [one["outcome"] for one in again.json["assets"]] == ["known", "known"]
    assert refused.code == 77
    assert taken.json["assets"][0]["outcome"] == "signed"
    assert taken.code == 0


needs_cluster = pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")


def start_pods(cluster: Cluster) -> str:
    """Start pods in a new namespace; return its name."""
    namespace = cluster.create_namespace("shop")
    image = "registry.example.com/web:1"
    old = Runs(image, f"docker-pullable://registry.example.com/web@{TWO}", kind="init")
    new = Runs("$(touch pwned)", f"x@{THREE}", name="odd", running=False)
    cluster.start_pod(namespace, "web-1", [Runs(image, f"web@{ONE}"), _named(old), new])
    cluster.start_pod(namespace, "web-2", [Runs(image, "")])
    return namespace


def _named(one: Runs) -> Runs:
    """Return a container by another name."""
    return one._replace(name="init")


@needs_cluster
def test_all_that_runs_in_a_cluster_is_signed(world: World, cluster: Cluster) -> None:
    namespace = start_pods(cluster)
    words = (
        *("--namespace", namespace, "--kubeconfig", str(cluster.kubeconfig)),
        *("--ledger", world.ledger, "--key", world.key, "-o", "json"),
    )
    done = command("kube", "bulk-sign", *words)

    assert {one["digest"] for one in done.json["assets"]} == {ONE, TWO, THREE}
    assert done.code == 0
    assert world.status(THREE) == 0


@needs_cluster
def test_script_of_the_watcher_signs_what_it_shows(
    world: World, cluster: Cluster, tmp_path: Path
) -> None:
    namespace = start_pods(cluster)
    words = ("--namespace", namespace, "--ledger", world.ledger)
    with Watching(cluster.kubeconfig, *words) as watching:
        watching.expect(container="odd", hash=THREE)
        watching.expect(container="init", hash=TWO)
        printed = subprocess.run(
            ["/bin/sh", str(BULK_SIGN), watching.url],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        script = tmp_path / "bulk_sign.sh"
        script.write_bytes(printed)
        program = tmp_path / "jenkins-notary"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jenkins_notary "$@"\n')
        program.chmod(0o755)
        environ = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "JENKINS_NOTARY_LEDGER": world.ledger,
            "JENKINS_NOTARY_KEY": world.key,
        }
        done = subprocess.run(
            ["/bin/sh", str(script)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            check=False,
        )
        watching.expect(container="odd", status="TRUSTED", was="UNKNOWN")

    assert done.returncode == 0, done.stderr
    assert b"3 signed" in done.stderr
    assert not (tmp_path / "pwned").exists()

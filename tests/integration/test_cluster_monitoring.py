"""A real Prometheus scrapes a real watcher: alerts, and every query of Grafana."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from jenkins_notary.api.receipts import verify_receipt
from tests.parts import require_part
from tests.parts.board import ServedBoard, container, verdict
from tests.parts.kubernetes import Runs
from tests.parts.prometheus import serve_prometheus
from tests.parts.serving import Serving, claim
from tests.parts.site import HOSTILE
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.kubernetes import Cluster
    from tests.parts.prometheus import Prometheus

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "resources/prometheus/jenkins-notary.rules.yaml"
RULE_TESTS = RULES.with_name("jenkins-notary.rules.test.yaml")
DASHBOARD = ROOT / "resources/grafana/jenkins-notary.json"
CHART = ROOT / "resources/helm/jenkins-notary"
VARIABLES = {"$namespace": ".*", "$__rate_interval": "1m", "$__range": "5m"}

pytestmark = [pytest.mark.real("prometheus", "promtool", "kube-apiserver")]


class Scene(NamedTuple):
    """A watcher of pods in a namespace, by a service's reader.

    Attributes:
        cluster: Where the pods run.
        namespace: The one that is watched.
        service: The ledger.
        watching: The watcher.
        port: Where it serves.
    """

    cluster: Cluster
    namespace: str
    service: Serving
    watching: Watching
    port: int

    def start(self, pod: str, digest: str = "") -> str:
        """Start a pod; return the digest that it runs."""
        digest = digest or digest_of(pod)
        image = f"registry.example.com/shop/{pod}"
        self.cluster.start_pod(
            self.namespace, pod, [Runs(f"{image}:1", f"{image}@{digest}")]
        )
        return digest

    def trust(self, pod: str) -> None:
        """Record what a pod runs, as a build does."""
        sent = claim(digest_of(pod), job="ci.example.com:shop/web#7")
        assert self.service.ask("POST", "/api/v1/records", sent).status == 200


def digest_of(pod: str) -> str:
    """Return what a pod runs."""
    return f"sha256:{hashlib.sha256(pod.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def scene(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Pods of each status that a ledger gives, one exempt, one without a digest."""
    folder = tmp_path_factory.mktemp("monitoring")
    settings = folder / "watch.yaml"
    settings.write_text(
        "exemptions: [{image: registry.example.com/shop/exempt, owner: platform team,"
        " reason: moves next week, expires: '2032-01-01T00:00:00Z'}]"
    )
    namespace = cluster.create_namespace("figures")
    with Serving(folder) as service:
        reader = service.token("watcher", "--role", "reader")
        with Watching(
            cluster.kubeconfig,
            *("--namespace", namespace, "--settings", str(settings)),
            environ={**service.environ, **service.client(reader)},
        ) as watching:
            port = int(watching.url.rpartition(":")[2])
            found = Scene(cluster, namespace, service, watching, port)
            found.trust("trusted")
            reason = ("--reason", "CVE-2026-1")
            service.command("untrust", digest_of("untrusted"), *reason)
            service.command("unsupport", digest_of("unsupported"), *reason)
            for pod in ("trusted", "untrusted", "unsupported", "unknown"):
                found.start(pod)
            found.start("exempt", digest_of("untrusted"))
            cluster.start_pod(namespace, "waiting", [Runs("x:1", "", running=False)])
            for pod in ("exempt", "waiting"):
                watching.expect(pod=pod)
            yield found


@pytest.fixture(scope="module")
def prometheus(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """One that has scraped the watcher before and after a change."""
    folder = tmp_path_factory.mktemp("prometheus")
    with serve_prometheus(folder, [scene.port], [RULES]) as one:
        one.wait("vcn_verification_status")
        scene.trust("unknown")
        one.wait(
            'jenkins_notary_cluster_changes_total{from="UNKNOWN",to="TRUSTED"} > 0'
        )
        one.wait("increase(jenkins_notary_cluster_changes_total[1m]) > 0")
        yield one


def queries() -> list[tuple[str, str, bool]]:
    """Return (title of the panel, query, whether it is of one moment) of Grafana's."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [
        (panel["title"], target["expr"], bool(target.get("instant")))
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]


def fill(expression: str) -> str:
    """Return a query as Grafana sends it."""
    for name, text in VARIABLES.items():
        expression = expression.replace(name, text)
    assert "$" not in expression, expression
    return expression


def test_every_query_of_the_dashboard_returns_data(prometheus: Prometheus) -> None:
    empty = [
        (title, expression)
        for title, expression, is_instant in queries()
        if not (prometheus.query if is_instant else prometheus.query_range)(
            fill(expression)
        )
    ]

    assert len(queries()) > 20
    assert empty == []


def test_dashboard_asks_nothing_of_a_panel_that_it_has_not() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    names = {one["name"] for one in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))

    assert used - {"__all", "__rate_interval", "__range", "__value"} == names
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_queries_that_were_written_for_kube_notary_return_data(
    prometheus: Prometheus,
) -> None:
    for expression in (
        "sum(kube_notary_aggregate_status)",
        'kube_notary_aggregate_status{status="UNTRUSTED"}',
        "count(vcn_verification_level>0)",
        "count(vcn_verification_level==0)",
        "vcn_verification_status+0",
        "vcn_verification_level+0",
    ):
        assert prometheus.query(expression), expression


def test_one_hostile_name_keeps_nothing_from_being_scraped(tmp_path: Path) -> None:
    nasty = HOSTILE + '\x00\n"\\'
    with ServedBoard() as board:
        board.put(container(), verdict())
        board.put(container("nasty", name=nasty, image=nasty), verdict(job=nasty))
        with serve_prometheus(tmp_path, [board.port]) as one:
            series = one.wait('kube_notary_vcn_verification_status{pod="nasty"}')

            assert "\\x00" in series[0]["metric"]["container"]
            assert one.query('kube_notary_vcn_verification_status{pod="web-0"}')
            assert one.faults() == []


def test_series_are_gone_soon_after_their_container(
    prometheus: Prometheus, scene: Scene
) -> None:
    scene.start("short", digest_of("untrusted"))
    asked = 'kube_notary_vcn_verification_status{pod="short"}'
    assert prometheus.wait(asked)[0]["value"][1] == "1"
    scene.cluster.delete_pod(scene.namespace, "short")

    # Not after the five minutes in which Prometheus shows what it saw last.
    assert prometheus.wait(f"absent({asked})")


def test_rules_that_prometheus_runs_are_those_of_the_file(
    prometheus: Prometheus,
) -> None:
    # Pending for its first half minute; what is exempt is not among them.
    for _ in range(50):
        found = prometheus.query('ALERTS{alertname="NotaryUntrustedContainer"}')
        pods = {one["metric"]["pod"] for one in found}
        if pods == {"untrusted"}:
            break
        time.sleep(0.2)
    assert pods == {"untrusted"}


def test_results_carry_receipts_that_are_checked_with_no_ledger_at_hand(
    scene: Scene,
) -> None:
    vkey = scene.service.ask("GET", "/api/v1/status").json["vkey"]
    results = json.loads(scene.watching.read("/results"))
    words = [one["verification"] for one in results]
    decided = [one for one in words if one["index"] is not None]

    assert {one["word"] for one in decided} >= {"TRUSTED", "UNTRUSTED", "UNSUPPORTED"}
    for one in decided:
        found = verify_receipt(one["receipt"].encode(), vkey=vkey).to_dict()
        assert (found["index"], found["status"]) == (one["index"], one["word"])


@pytest.mark.real("helm")
def test_chart_has_these_rules_and_this_dashboard() -> None:
    done = subprocess.run(
        [
            *(str(require_part("helm")), "template", "notary", str(CHART)),
            *("--kube-version", "1.33.0", "--set", "prometheusRule.enabled=true"),
            *("--set", "dashboard.enabled=true", "--set", "ledger.tokenSecret=t"),
            *("--set", "ledger.url=https://notary.example.com"),
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )

    made = [one for one in yaml.safe_load_all(done.stdout) if one]
    (rule,) = (one for one in made if one["kind"] == "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    texts = [one["data"].get("jenkins-notary.json") for one in made if "data" in one]
    assert DASHBOARD.read_text().strip() in [(one or "").strip() for one in texts]


def run_rule_tests(folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(require_part("promtool")), "test", "rules", RULE_TESTS.name],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )


def test_rules_pass_their_unit_tests() -> None:
    done = run_rule_tests(RULES.parent)

    assert done.returncode == 0, done.stdout.decode()


def alerts_of(rules: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the alerts of a file of rules."""
    return [
        one for group in rules["groups"] for one in group["rules"] if "alert" in one
    ]


def test_each_alert_is_documented_with_its_severity() -> None:
    text = (ROOT / "docs/monitoring.md").read_text()

    told = set(re.findall(r"^\| `(Notary\w+)` \| (\w+) \|", text, re.MULTILINE))
    alerts = alerts_of(yaml.safe_load(RULES.read_text()))
    assert told == {(one["alert"], one["labels"]["severity"]) for one in alerts}


@pytest.mark.parametrize(
    "change",
    [{"expr": "vector(1) > 2"}, {"expr": "vector(1)", "for": "0s"}],
    ids=["silent", "never silent"],
)
def test_unit_tests_of_rules_find_each_alert_that_is(
    tmp_path: Path, change: dict[str, str]
) -> None:
    (tmp_path / RULE_TESTS.name).write_text(RULE_TESTS.read_text())
    rules = yaml.safe_load(RULES.read_text())
    alerts = alerts_of(rules)
    for one in alerts:
        one.update(change)
    (tmp_path / RULES.name).write_text(yaml.safe_dump(rules))
    told = run_rule_tests(tmp_path).stdout.decode()

    found = set(re.findall(r"alertname: (\w+), time", told))
    assert found == {one["alert"] for one in alerts}

"""A real Prometheus scrapes the port: series, alerts, and every query of Grafana."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from jenkins_notary.cluster.board import Verdict
from jenkins_notary.values.status import Status
from tests.parts import require_part
from tests.parts.board import ServedBoard, container, exemption, verdict
from tests.parts.prometheus import serve_prometheus
from tests.parts.site import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.prometheus import Prometheus

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "resources/prometheus/jenkins-notary.rules.yaml"
RULE_TESTS = RULES.with_name("jenkins-notary.rules.test.yaml")
DASHBOARD = ROOT / "resources/grafana/jenkins-notary.json"
VARIABLES = {"$namespace": ".*", "$__rate_interval": "1m", "$__range": "5m"}

pytestmark = [pytest.mark.real("prometheus", "promtool")]


@pytest.fixture(scope="module")
def board() -> Iterator[ServedBoard]:
    """A port on whose board there is each status, and a hostile name."""
    with ServedBoard() as one:
        for number, status in enumerate(Status):
            one.put(container(f"web-{number}", image=f"web:{number}"), verdict(status))
        one.put(container("web-8"), verdict(Status.UNTRUSTED), exemption())
        one.put(container("web-9", digest=None), Verdict.unknown("not there yet"))
        nasty = HOSTILE + '\x00\n"\\'
        one.put(container("nasty", name=nasty, image=nasty), verdict(job=nasty))
        yield one


@pytest.fixture(scope="module")
def prometheus(
    board: ServedBoard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """One that has scraped the board before and after a change."""
    folder = tmp_path_factory.mktemp("prometheus")
    with serve_prometheus(folder, [board.port], [RULES]) as one:
        one.wait("vcn_verification_status")
        board.put(container("web-0", image="web:0"), verdict(Status.UNTRUSTED))
        one.wait('jenkins_notary_cluster_changes_total{from="TRUSTED"}')
        board.put(container("web-0", image="web:0"), verdict())
        one.wait('jenkins_notary_cluster_changes_total{from="UNTRUSTED"}')
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


@pytest.mark.parametrize(
    ("title", "expression", "is_instant"),
    queries(),
    ids=[f"{n}-{title}" for n, (title, *_) in enumerate(queries())],
)
def test_query_of_the_dashboard_returns_data(
    prometheus: Prometheus, title: str, expression: str, *, is_instant: bool
) -> None:
    ask = prometheus.query if is_instant else prometheus.query_range

    assert ask(fill(expression)), (title, expression)


def test_dashboard_asks_nothing_of_a_panel_that_it_has_not() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    names = {one["name"] for one in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))

    assert used - {"__all", "__rate_interval", "__range", "__value"} == names
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert len(queries()) > 20


@pytest.mark.parametrize(
    "expression",
    [
        "sum(kube_notary_aggregate_status)",
        'kube_notary_aggregate_status{status="UNTRUSTED"}',
        "count(vcn_verification_level>0)",
        "count(vcn_verification_level==0)",
        "vcn_verification_status+0",
        "vcn_verification_level+0",
    ],
)
def test_query_that_was_written_for_kube_notary_returns_data(
    prometheus: Prometheus, expression: str
) -> None:
    assert prometheus.query(expression)


def test_one_hostile_name_keeps_nothing_from_being_scraped(
    prometheus: Prometheus,
) -> None:
    assert prometheus.faults() == []
    series = prometheus.query('kube_notary_vcn_verification_status{pod="nasty"}')
    assert "\\x00" in series[0]["metric"]["container"]


def test_series_are_gone_soon_after_their_container(
    prometheus: Prometheus, board: ServedBoard
) -> None:
    board.put(container("short"), verdict(Status.REVOKED))
    asked = 'kube_notary_vcn_verification_status{pod="short"}'
    assert prometheus.wait(asked)[0]["value"][1] == "4"
    board.remove_pod("uid-short")

    # Not after the five minutes in which Prometheus shows what it saw last.
    assert prometheus.wait(f"absent({asked})")


def test_rules_that_prometheus_runs_are_those_of_the_file(
    prometheus: Prometheus,
) -> None:
    # Pending for its first half minute; what is exempt is not among them.
    wanted = {"web-1", "web-4"}
    for _ in range(50):
        found = prometheus.query('ALERTS{alertname="NotaryUntrustedContainer"}')
        pods = {one["metric"]["pod"] for one in found}
        if pods == wanted:
            break
        time.sleep(0.2)
    assert pods == wanted


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
    alerts = [
        one for group in rules["groups"] for one in group["rules"] if "alert" in one
    ]
    for one in alerts:
        one.update(change)
    (tmp_path / RULES.name).write_text(yaml.safe_dump(rules))
    told = run_rule_tests(tmp_path).stdout.decode()

    found = set(re.findall(r"alertname: (\w+), time", told))
    assert found == {one["alert"] for one in alerts}

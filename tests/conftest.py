"""Give every test a home of its own, and make skips a matter of choice.

* Nothing of the person or the build that runs the tests is seen by a test: home, XDG
  folders, git identity and every variable of a CI system are replaced or removed.
* `@pytest.mark.real("fsck", ...)` skips a test whose real part is missing.
* `--strict-skips` turns each skip into a failure.
* The tests of commands run twice: with the ledger in a file, and in a real immudb
  (`tests/engines.py`).
* Hypothesis profile `quick` is the default; `--hypothesis-profile=ci` tries more.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeVar

import hypothesis
import pytest

from tests import engines
from tests.parts import require_part

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.parts.kubernetes import Cluster

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

FOREIGN_VARIABLES = re.compile(
    r"JENKINS_(?!NOTARY_TEST_).*|HUDSON_.*|BUILD_.*|JOB_.*|NODE_(NAME|LABELS)|STAGE_NAME"
    r"|EXECUTOR_NUMBER|WORKSPACE.*|RUN_.*|CHANGE_.*|BRANCH_.*|TAG_.*|GIT_.*|SVN_.*"
    r"|CI|CI_.*|GITLAB_.*|GITHUB_.*|RUNNER_.*|TF_BUILD|AGENT_.*|SYSTEM_.*"
    r"|DOCKER_.*|REGISTRY_AUTH_FILE|CONTAINERS_.*|COSIGN_.*|SIGSTORE_.*"
    r"|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_(FILE|DIR)"
    r"|(?i:(http|https|all|no)_proxy)|NO_COLOR|FORCE_COLOR|COLUMNS|LINES|XDG_.*"
)
"""What a CI system, a registry client or a terminal sets and this project reads.

`JENKINS_NOTARY_TEST_*` stays: there a person names a real server for the tests.
"""

hypothesis.settings.register_profile(
    "quick",
    deadline=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "ci",
    parent=hypothesis.settings.get_profile("quick"),
    max_examples=200,
    derandomize=True,
    print_blob=True,
)
hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Give the test an empty home and no variable of a build, registry or terminal."""
    for name in list(os.environ):
        if FOREIGN_VARIABLES.fullmatch(name):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name, folder in {
        "XDG_CACHE_HOME": ".cache",
        "XDG_CONFIG_HOME": ".config",
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
    }.items():
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")


@pytest.fixture(autouse=True)
def engine(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    _own_environment: None,
) -> Iterator[str]:
    """Return the engine of the test's ledger, which the environment names."""
    name: str = getattr(request, "param", engines.SQLITE)
    if name == engines.SQLITE:
        yield name
        return
    from tests.parts.immudb import one_tests_ledger

    with one_tests_ledger(request.getfixturevalue("immudb_port")) as environ:
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value)
        yield name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of commands on each engine that they hold on."""
    found = engines.engines_of(metafunc.module.__name__, metafunc.function.__name__)
    if found:
        metafunc.parametrize("engine", found, indirect=True)


@pytest.fixture(scope="session")
def immudb_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return where a real immudb listens; each test makes databases of its own."""
    from tests.parts.immudb import serve_immudb

    with serve_immudb(str(tmp_path_factory.mktemp("immudb"))) as port:
        yield port


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a real Kubernetes API server; each test makes namespaces of its own."""
    from tests.parts.kubernetes import run_cluster

    for part in ("etcd", "kube-apiserver", "kubectl", "helm"):
        require_part(part)
    with run_cluster(tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --strict-skips."""
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="fail where a test would skip: every real part must be there",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `real` that lacks one of its parts."""
    for mark in item.iter_markers("real"):
        for part in mark.args:
            require_part(part)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply --strict-skips to a test."""
    return _without_skip(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply --strict-skips to a whole module."""
    return _without_skip(collector.config, (yield))


def _without_skip(config: pytest.Config, report: Report) -> Report:
    """Turn a skip, but not an expected failure, into a failure under --strict-skips."""
    if (
        config.getoption("--strict-skips")
        and report.skipped
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        reason = report.longrepr
        text = reason[2] if isinstance(reason, tuple) else str(reason)
        report.longrepr = f"{report.nodeid}: {text} (--strict-skips)"
    return report

"""Unit, image, compose example and chart say what the program understands."""

from __future__ import annotations

import configparser
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jenkins_notary.cli.main import make_parser
from jenkins_notary.config import OPTIONS, load_file, variable_name
from jenkins_notary.service.start import ServeChoices, check_transport
from jenkins_notary.version import VERSION
from tests.parts.registry import serve_http

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "resources/systemd/jenkins-notary.service"
IMAGE = ROOT / "resources/container/Containerfile"
COMPOSE = ROOT / "examples/compose/compose.yaml"
CHART = ROOT / "resources/helm/jenkins-notary-service"
CHARTS = [CHART, ROOT / "resources/helm/jenkins-notary"]
BULK_SIGN = ROOT / "resources/container/bulk_sign"
PARTS = ("securityContext", "readOnlyRootFilesystem: true", "drop: [ALL]")


def read_unit() -> dict[str, list[str]]:
    """Return the values of a unit's keys."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def read_image() -> list[tuple[str, str]]:
    """Return (instruction, arguments) of the image's file."""
    text = re.sub(r"\\\n", " ", IMAGE.read_text())
    lines = [one for one in text.splitlines() if one and not one.startswith("#")]
    return [(one.split()[0], one.partition(" ")[2]) for one in lines]


def of_image(name: str) -> list[str]:
    """Return the arguments of an instruction, in order."""
    return [arguments for word, arguments in read_image() if word == name]


def choose(options: Mapping[str, object], **more: object) -> ServeChoices:
    """Return how a service is served by options of its command line."""
    nothing: dict[str, Any] = dict.fromkeys(ServeChoices._fields)
    given = {"host": options["host"], "plain_http": (), **more}
    return ServeChoices(**{**nothing, **given})


# systemd


def test_unit_starts_the_service_with_options_that_it_has() -> None:
    words = shlex.split(read_unit()["ExecStart"][0])

    assert words[:2] == ["/opt/jenkins-notary/bin/jenkins-notary", "serve"]
    given = make_parser("serve").read(words[2:])
    assert given.options["config"] == "/etc/jenkins-notary/serve.yaml"
    values, faults = load_file(str(UNIT.with_name("serve.yaml")))
    assert faults == []
    assert values["ledger"] == "/var/lib/notary/ledger.db"


def test_unit_gives_the_service_a_copy_of_the_certificate_and_its_key() -> None:
    unit = read_unit()
    named = {one.partition(":")[0] for one in unit["LoadCredential"]}

    used = set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/(\S+)", unit["ExecStart"][0]))
    assert used == named == {"tls.crt", "tls.key"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("User", "notary"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("UMask", "0077"),
        ("StateDirectoryMode", "0700"),
    ],
)
def test_unit_has_least_rights(key: str, value: str) -> None:
    assert read_unit()[key] == [value]


def test_unit_waits_longer_than_a_graceful_stop_takes() -> None:
    from jenkins_notary.service.tasks import STOP_S as TASKS_S
    from jenkins_notary.serving.listen import STOP_S as REQUESTS_S

    assert int(read_unit()["TimeoutStopSec"][0]) > REQUESTS_S + TASKS_S


def test_systemd_itself_finds_the_unit_sound_and_little_exposed() -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    done = subprocess.run(
        [program, "security", "--offline=yes", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    assert "Unknown" not in done.stderr


# The image


def test_image_runs_as_nobody_in_particular() -> None:
    assert of_image("USER") == ["10001:10001"]
    assert of_image("VOLUME") == ["/var/lib/notary"]
    assert "--owner=10001 --group=10001 --mode=0700 /var/lib/notary" in " ".join(
        of_image("RUN")
    )


def test_image_serves_by_default_and_never_in_the_clear() -> None:
    entry, command = (json.loads(of_image(one)[0]) for one in ("ENTRYPOINT", "CMD"))

    assert entry == ["jenkins-notary"]
    options = make_parser(command[0]).read(command[1:]).options
    assert command[0] == "serve"
    assert f"EXPOSE {options['port']}" in IMAGE.read_text()
    check_transport(
        choose(options, certificate=(options["tls-cert"], options["tls-key"]))
    )


@pytest.mark.slow
def test_what_the_image_copies_is_enough_to_install_the_whole_package(
    tmp_path: Path,
) -> None:
    sources = [one for text in of_image("COPY")[:2] for one in text.split()[:-1]]
    assert of_image("COPY")[2].startswith("--from=build /opt/jenkins-notary ")
    (tmp_path / "src").mkdir()
    for name in sources:
        source, target = ROOT / name, tmp_path / "src" / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet"),
            *("--no-deps", "--wheel-dir", str(tmp_path), str(tmp_path / "src")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        one.relative_to(ROOT).as_posix()
        for one in (ROOT / "jenkins_notary").rglob("*")
        if one.is_file() and "__pycache__" not in one.parts
    }
    assert wanted <= packed


def run_bulk_sign(base: str) -> subprocess.CompletedProcess[bytes]:
    """Run the image's script against a watcher."""
    return subprocess.run(
        ["sh", str(BULK_SIGN), base], capture_output=True, check=False, timeout=60
    )


SCRIPT = b"#!/bin/sh\nexit 0\n"


class Watcher(http.server.BaseHTTPRequestHandler):
    """Answers as the port of a watcher."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/bulk_sign" else 404)
        self.send_header("Content-Length", str(len(SCRIPT)))
        self.end_headers()
        self.wfile.write(SCRIPT)


def test_image_prints_the_script_of_its_watcher_or_nothing() -> None:
    assert "resources/container/bulk_sign /bin/bulk_sign" in of_image("COPY")[3]
    with serve_http(Watcher) as base:
        done = run_bulk_sign(base)
        refused = run_bulk_sign(f"{base}/other")
    away = run_bulk_sign(base)

    assert (done.returncode, done.stdout) == (0, SCRIPT), done.stderr
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"HTTP Error 404" in refused.stderr
    assert (away.returncode, away.stdout) == (1, b"")
    assert b"does not answer" in away.stderr


def test_script_has_no_carriage_returns_where_a_terminal_was_asked_for() -> None:
    ours, terminal = os.openpty()
    with serve_http(Watcher) as base:
        subprocess.run(
            ["sh", str(BULK_SIGN), base], stdout=terminal, check=True, timeout=60
        )
    os.close(terminal)

    with open(ours, "rb", buffering=0) as stream:
        assert stream.read(4096) == SCRIPT


def test_image_holds_what_service_watcher_and_immudb_need() -> None:
    assert of_image("ARG")[1] == "EXTRAS=service,immudb"
    assert 'install --no-cache-dir ".[$EXTRAS]"' in of_image("RUN")[0]
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {"service", "immudb", "s3"} <= set(setup["options.extras_require"])


# Compose


def test_compose_example_starts_both_with_what_they_know() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    notary, jenkins = services["notary"], services["jenkins"]

    build = (COMPOSE.parent / notary["build"]["context"]).resolve()
    assert build / notary["build"]["dockerfile"] == IMAGE
    options = make_parser("serve").read(notary["command"][1:]).options
    check_transport(choose(options, plain_http=options["plain-http"]))
    assert jenkins["environment"] == {
        "JENKINS_NOTARY_LEDGER": f"http://notary:{options['port']}",
        "JENKINS_NOTARY_PLAIN_HTTP": f"notary:{options['port']}",
    }
    assert all(
        one.startswith("127.0.0.1:") for s in services.values() for one in s["ports"]
    )
    assert notary["read_only"]
    assert notary["cap_drop"] == ["ALL"]


# The chart


def templates(chart: Path = CHART) -> dict[str, str]:
    """Return a chart's templates by name."""
    return {one.name: one.read_text() for one in (chart / "templates").iterdir()}


def list_paths(value: Any, path: str = "") -> set[str]:  # noqa: ANN401 - YAML
    """Return the paths of all values that are no mappings with keys."""
    if not isinstance(value, dict) or not value:
        return {path}
    return {
        one for key, each in value.items() for one in list_paths(each, f"{path}.{key}")
    }


@pytest.mark.parametrize("chart", CHARTS, ids=lambda one: one.name)
def test_chart_uses_every_value_that_it_has_and_no_other(chart: Path) -> None:
    values = list_paths(yaml.safe_load((chart / "values.yaml").read_text()))
    used = set(re.findall(r"\.Values((?:\.\w+)+)", "".join(templates(chart).values())))

    def covers(one: str, other: str) -> bool:
        return one == other or other.startswith(f"{one}.")

    assert [one for one in values if not any(covers(o, one) for o in used)] == []
    assert [one for one in used if not any(covers(one, o) for o in values)] == []


@pytest.mark.parametrize("chart", CHARTS, ids=lambda one: one.name)
def test_chart_has_the_version_of_the_program(chart: Path) -> None:
    about = yaml.safe_load((chart / "Chart.yaml").read_text())

    assert about["appVersion"] == VERSION


def test_chart_keeps_one_writer_with_least_rights() -> None:
    text = templates()["statefulset.yaml"]

    assert re.findall(r"replicas: (.*)", text) == ["1"]
    assert "runAsNonRoot: true" in text
    assert "fsGroupChangePolicy: OnRootMismatch" in text
    assert "automountServiceAccountToken: false" in text
    for part in PARTS[1:]:
        assert text.count(part) == 2, "in each container"


def test_chart_sets_options_that_the_program_has() -> None:
    fixed = re.findall(r"\$fixed.*?dict (.*?)\)? }}", templates()["configmap.yaml"])
    names = {one for text in fixed for one in re.findall(r'"([a-z-]+)" [("0-9]', text)}

    assert names <= set(OPTIONS), names - set(OPTIONS)
    assert {"ledger", "host", "port", "settings", "tls-cert", "plain-http"} <= names
    environ = re.findall(
        r"- name: (JENKINS_NOTARY_\w+)", templates()["statefulset.yaml"]
    )
    assert environ == [
        variable_name("jenkins-token"),
        *map(variable_name, ("ledger", "immudb-user", "immudb-password")),
    ]

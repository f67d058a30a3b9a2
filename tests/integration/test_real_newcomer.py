"""README's chapter on the service, followed on a real Jenkins controller.

Where the controller comes from: see ``test_real_jenkins.py``.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from jenkins_notary.version import VERSION
from tests.command import command
from tests.parts.library import PREFIX, open_library
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.library import Build, Library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    if f"{PREFIX}URL" not in os.environ:
        pytest.skip(f"no real Jenkins: {PREFIX}URL is not set")
    with open_library(os.environ, tmp_path_factory.mktemp("jenkins")) as library:
        yield library


@pytest.fixture(scope="module")
def service(
    library: Library, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """Return a service that reads the controller, whose builds have its token."""
    place = tmp_path_factory.mktemp("newcomer")
    secret = place / "jenkins-token"
    secret.write_text(os.environ[f"{PREFIX}TOKEN"])
    secret.chmod(0o600)
    with Serving(
        place,
        *("--jenkins-url", library.url, "--jenkins-user", os.environ[f"{PREFIX}USER"]),
        *("--jenkins-token-file", str(secret)),
    ) as service:
        token = service.token("builds", "--role", "writer", "--folder", library.folder)
        library.set_token(token)
        yield service


@pytest.fixture(scope="module")
def build(library: Library, service: Serving) -> Build:
    """Return a build of README's own Jenkinsfile."""
    found = re.search(
        r"^```groovy service\n(.*?)^```$", README, re.MULTILINE | re.DOTALL
    )
    assert found
    pipeline = found[1].replace("http://127.0.0.1:8087", service.url)
    # An agent has python3 and nothing of ours.
    bare = f"withEnv(['PATH=/usr/bin:/bin']) {{\n{pipeline.partition('_')[2]}\n}}"
    build = library.build("newcomer", f"@Library('notary') _\n{bare}")
    assert build.result == "SUCCESS", build.log[-5000:]
    return build


def job_id(library: Library, build: Build) -> str:
    """Return a build's full job id."""
    host = library.url.partition("://")[2].strip("/").replace(":", "-")
    return f"{host}:{build.job}#{build.number}"


def test_build_is_recorded_with_one_url_and_one_credential(
    library: Library, service: Serving, build: Build
) -> None:
    reader = service.token("reader", "--role", "reader", "--folder", library.folder)
    done = command(
        *("evidence", job_id(library, build), "-o", "json"),
        environ=service.client(reader),
    )
    (one,) = [o for o in done.json["records"] if o["type"] == "notarization"]

    assert one["name"] == "target/app.jar"
    assert one["status"] == "TRUSTED"
    assert one["predicate"]["submitter"]["token"] == "builds"
    # The service has found the build's line in the build's own log.
    assert one["predicate"]["job"]["identity"] == "nonce"


def test_service_collects_the_log_that_the_reader_proves(
    library: Library, service: Serving, build: Build
) -> None:
    answer = service.ask(
        "POST", "/api/v1/collect", {"job": job_id(library, build), "only": "log"}
    )
    reader = service.token("logs", "--role", "reader", "--folder", library.folder)
    done = command("log", job_id(library, build), environ=service.client(reader))

    assert answer.status == 200, answer.body
    assert done.stdout == build.log.encode()


def test_doctor_names_library_and_agent_part_of_the_build(
    service: Serving,
    build: Build,  # noqa: ARG001 - it has asked
) -> None:
    done = command("doctor", "-o", "json", environ=service.client(service.admin))

    assert done.code == 0, done.text
    clients = done.json["checks"][-1]["found"]
    assert f"library and agent part {VERSION} (token builds" in clients


@pytest.fixture
def pack(library: Library, service: Serving, build: Build, tmp_path: Path) -> str:
    """Return the file of a build's pack."""
    path = str(tmp_path / "build.pack.tar")
    reader = service.token("packs", "--role", "reader", "--folder", library.folder)
    done = command(
        *("pack", job_id(library, build), "--file", path),
        environ=service.client(reader),
    )
    assert done.code == 0, done.stderr
    return path


def test_auditor_verifies_the_pack_without_network(
    service: Serving, pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vkey = service.ask("GET", "/api/v1/status").json["vkey"]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "auditor"))
    done = command("verify-pack", pack, "--log", vkey)

    assert done.code == 0, done.stderr
    assert "app.jar" in done.text


def test_reader_sees_the_builds_page(
    library: Library, service: Serving, build: Build
) -> None:
    reader = service.token("pages", "--role", "reader", "--folder", library.folder)
    path = f"/jobs/{quote(job_id(library, build), safe='/:')}"
    answer = service.ask("GET", path, token=reader, headers={"Accept": "text/html"})

    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/html")
    assert b"target/app.jar" in answer.body

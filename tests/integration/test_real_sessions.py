"""Builds of a real Jenkins controller prove to a service which ones they are.

Where the controller comes from: see ``test_real_jenkins.py``. Its builds run on the
controller itself, which makes them weak: the second service does not look at that.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts.library import PREFIX, open_library
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.library import Build, Library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SETTINGS = """\
builds:
  built-in-node: {node}
  protected:
    - folder: {folder}
      branches: [main]
      org: payments
"""
TWO_STEPS = """@Library('notary') _
node {{
  sh 'rm -rf *; printf "$BUILD_TAG" > app.jar'
  notaryNotarize(ledger: '{url}', assets: ['app.jar'])
  notaryAttach(ledger: '{url}', file: 'app.jar', label: 'jar')
}}
"""
AS_MAIN = """@Library('notary') _
node {{
  sh 'rm -rf *; printf "$BUILD_TAG" > app.jar'
  notaryNotarize(ledger: '{url}', assets: ['app.jar'])
  withCredentials([string(credentialsId: 'jenkins-notary', variable: 'TOKEN')]) {{
    sh '''
      for session in "$WORKSPACE_TMP"/jenkins-notary-session-*; do
        printf '{claim}' | curl -s -H "Authorization: Bearer $TOKEN" \\
          -H "Notary-Session: $(cat "$session")" --data-binary @- \\
          -w 'answered %{{http_code}}\\n' {url}/api/v1/records
      done
    '''
  }}
}}
"""
CLAIM = (
    '{{"recordId": "{record}", "claimedAt": "2026-01-02T03:04:05.006Z", '
    '"status": "TRUSTED", "job": {{"id": "{job}"}}, "assets": [{{"name": "x", '
    '"kind": "file", "size": 1, "subjects": '
    '[{{"name": "x", "digest": "{digest}"}}]}}]}}'
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    if f"{PREFIX}URL" not in os.environ:
        pytest.skip(f"no real Jenkins: {PREFIX}URL is not set")
    with open_library(os.environ, tmp_path_factory.mktemp("jenkins")) as library:
        yield library


@contextmanager
def serve(library: Library, place: Path, node: str) -> Iterator[Serving]:
    """Give a service that reads the controller, whose builds have its token."""
    secret = place / "jenkins-token"
    secret.write_text(os.environ[f"{PREFIX}TOKEN"])
    secret.chmod(0o600)
    settings = place / "settings.yaml"
    settings.write_text(SETTINGS.format(folder=library.folder, node=node))
    with Serving(
        place,
        *("--jenkins-url", library.url, "--jenkins-user", os.environ[f"{PREFIX}USER"]),
        *("--jenkins-token-file", str(secret), "--settings", str(settings)),
    ) as service:
        scope = ("--role", "writer", "--folder", library.folder)
        library.set_token(service.token("builds", *scope))
        yield service


@pytest.fixture(scope="module")
def service(
    library: Library, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    with serve(library, tmp_path_factory.mktemp("sessions"), "ignore") as service:
        yield service


def job_id(library: Library, build: Build) -> str:
    """Return a build's full job id."""
    host = library.url.partition("://")[2].strip("/").replace(":", "-")
    return f"{host}:{build.job}#{build.number}"


def records(library: Library, service: Serving, build: Build) -> list[dict[str, Any]]:
    """Return what a build's steps recorded."""
    path = f"/api/v1/evidence?job={job_id(library, build).replace('#', '%23')}"
    found = service.ask("GET", path).json["records"]
    return [one for one in found if one["type"] in {"notarization", "attachment"}]


def verdict(service: Serving, digest: str, org: str | None) -> tuple[str, str]:
    asset = {"name": "app.jar", "kind": "file", "digest": digest}
    value = {"assets": [asset], "org": org, "signers": [], "asOf": None}
    (one,) = service.ask("POST", "/api/v1/verdicts", value).json["assets"]
    return one["status"], one["reason"]


def test_build_of_a_protected_branch_proves_itself_once(
    library: Library, service: Serving
) -> None:
    build = library.build("main", TWO_STEPS.format(url=service.url))

    assert build.result == "SUCCESS", build.log[-5000:]
    assert build.log.count("jenkins-notary: session ") == 1
    found = records(library, service, build)
    kinds = {
        (o["predicate"]["job"]["identity"], o["predicate"]["job"]["class"])
        for o in found
    }
    assert (len(found), kinds) == (2, {("nonce", "protected")})
    (digest,) = [one["digest"] for one in found if one["type"] == "notarization"]
    assert verdict(service, digest, "payments")[0] == "TRUSTED"


def test_change_request_is_unknown_and_cannot_be_main(
    library: Library, service: Serving
) -> None:
    digest = f"sha256:{os.urandom(32).hex()}"
    main = f"{job_id(library, library.build('main', 'echo 1'))}"
    claim = CLAIM.format(record=os.urandom(16).hex(), job=main, digest=digest)
    script = AS_MAIN.format(url=service.url, claim=claim)
    build = library.build("PR-7", script)

    assert build.result == "SUCCESS", build.log[-5000:]
    assert "answered 403" in build.log, build.log[-5000:]
    (own,) = records(library, service, build)
    assert own["predicate"]["job"]["class"] == "change"
    status, reason = verdict(service, own["digest"], None)
    assert (status, "change request" in reason) == ("UNKNOWN", True)
    assert verdict(service, digest, None)[0] == "UNKNOWN"


def test_build_on_the_controller_itself_is_weak(
    library: Library, tmp_path: Path
) -> None:
    with serve(library, tmp_path, "weak") as service:
        build = library.build("main", TWO_STEPS.format(url=service.url))
        found = records(library, service, build)

        assert build.result == "SUCCESS", build.log[-5000:]
        assert {one["predicate"]["job"]["class"] for one in found} == {"weak"}
        assert verdict(service, found[0]["digest"], "payments")[0] == "UNKNOWN"

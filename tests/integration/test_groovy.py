"""Run the tests of the Jenkins steps: Groovy 2.4 under Jenkins' own transformation.

They are a Maven project (`tests/groovy`), for only the JVM can run what Jenkins runs.
Its steps run the installed program with a real ledger.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.parts import require_part
from tests.parts.registry import Layout, Registry
from tests.parts.service import StandIn

PROJECT = Path(__file__).parents[1] / "groovy"


@pytest.mark.real("javac", "mvn", "groovy-libraries", "docker-registry", "skopeo")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_steps_and_examples_run_under_the_transformation(
    tmp_path: Path, open_registry: Registry
) -> None:
    layout = Layout(tmp_path / "image")
    image = layout.finish(layout.add_image("an app"))
    with StandIn(tmp_path / "service") as service:
        done = run_maven(
            tmp_path / "build",
            {
                "JENKINS_NOTARY_TEST_IMAGE": str(image),
                "JENKINS_NOTARY_TEST_REGISTRY": open_registry.host,
                "JENKINS_NOTARY_TEST_SERVICE": service.url,
                "JENKINS_NOTARY_TEST_SERVICE_TOKEN": service.token,
            },
        )
    reports = [*(tmp_path / "build/surefire-reports").glob("TEST-*.xml")]
    roots = [ET.parse(one).getroot() for one in reports]
    ran = sum(int(one.attrib["tests"]) for one in roots)
    skipped = sum(int(one.attrib["skipped"]) for one in roots)
    sources = [one.read_text("utf-8") for one in PROJECT.glob("src/*Test.groovy")]

    assert done.returncode == 0, done.stdout[-20000:]
    assert (
        ran
        == sum(len(re.findall(r"^ +@Test\b", one, re.MULTILINE)) for one in sources)
        > 0
    )
    assert skipped == 0


def run_maven(
    build: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Compile and run all tests, offline, with the program of this environment."""
    return subprocess.run(
        [
            *("mvn", "-B", "-q", "-o", "test", f"-Dbuild={build}"),
            f"-Dmaven.repo.local={require_part('groovy-libraries')}",
        ],
        cwd=PROJECT,
        env={
            **os.environ,
            "JENKINS_NOTARY_BIN": str(Path(sys.executable).parent),
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

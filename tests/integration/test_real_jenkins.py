"""Run the steps and the examples on a real Jenkins controller.

Used where `JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` name a throw-away
controller that builds on this machine, with the Pipeline, folder, git, copyartifact and
credentials plugins and local git checkouts allowed. The library is loaded from a git
repository made of this checkout. Each pipeline runs in the sandbox; the library is
trusted as a global one, and sandboxed too as one of a folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts.library import PREFIX, open_library
from tests.parts.service import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.library import Build, Library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples/jenkins"
GLOBAL, OF_FOLDER = "@Library('notary') _", "@Library('notary-of-folder') _"
POLICY = "version: 1\\nrules: [{name: all, require: {job: ['**']}}]\\n"
ALL_STEPS = f"""
node {{
  sh 'rm -rf *; for i in 1 2; do printf "$BUILD_TAG $i" > "$i.jar"; done; ls > r.xml'
  writeFile file: 'policy.yaml', text: "{POLICY}"
  def made = notaryNotarize(assets: ['*.jar'], attributes: [release: '1.2'])
  echo "notarized ${{made.collect {{ it.name }}.join('+')}}"
  notaryAttach(file: 'r.xml', label: 'tests')
  notaryAuthenticate(['1.jar', '2.jar'], signers: made[0].signer)
  notaryGate(policy: 'policy.yaml', assets: ['1.jar'])
  notaryStage('Build', assets: ['three.bin']) {{
    sh 'printf "$BUILD_TAG 3" > three.bin'
  }}
  parallel(
    a: {{ sh 'printf "$BUILD_TAG a" > a.bin'; notaryNotarize 'a.bin' }},
    b: {{ sh 'printf "$BUILD_TAG b" > b.bin'; notaryNotarize 'b.bin' }},
  )
  notaryUntrust(assets: ['1.jar'], reason: 'CVE-1')
  notaryUnsupport(assets: ['2.jar'], reason: 'old')
  def found = notaryEvidence(job: "${{env.JOB_NAME}}#${{env.BUILD_NUMBER}}")
  echo "found ${{found.size()}}: ${{found.collect {{ it.type }}.unique().sort()}}"
  notaryAuthenticate(assets: ['1.jar', '2.jar'], onFailure: 'unstable')
}}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    if f"{PREFIX}URL" not in os.environ:
        pytest.skip(f"no real Jenkins: {PREFIX}URL is not set")
    with open_library(os.environ, tmp_path_factory.mktemp("jenkins")) as library:
        yield library


def explain(build: Build) -> str:
    """Return the log of a build that ended in another way than it should."""
    return f"{build.result}\n{build.log[-6000:]}"


@pytest.mark.parametrize(
    ("name", "use"),
    [("global", GLOBAL), ("folder", OF_FOLDER)],
    ids=["global", "folder"],
)
def test_all_steps_run_in_a_sandboxed_pipeline(
    library: Library, name: str, use: str
) -> None:
    build = library.build(f"steps-{name}", use + ALL_STEPS)

    assert build.result == "UNSTABLE", explain(build)
    assert "notarized 1.jar+2.jar" in build.log
    assert "found 7: [attachment, notarization]" in build.log
    assert "UNTRUSTED: 1.jar is UNTRUSTED: record #" in build.log
    assert "NotSerializable" not in build.log
    records = library.evidence(build)
    assert len(records) == 7
    stages = [
        one["predicate"]["job"]["environment"].get("STAGE_NAME")
        for one in records
        if one["name"] == "three.bin"
    ]
    assert stages == ["Build"]
    proofs = [one for one in build.artifacts if one.endswith(".tlog-proof")]
    assert len(proofs) == 7


HOSTILE = 'it\'s "$HOME" $$ ${PATH} $(touch hacked) `touch hacked` %PATH% ;&|'


def record_text(library: Library, text: str) -> Build:
    """Run a pipeline that notarizes a file of that name, with it as attribute too."""
    quoted = text.replace("\\", "\\\\").replace("$", "\\$").replace('"', '\\"')
    return library.build(
        "hostile",
        f"""{GLOBAL}
node {{
  sh 'rm -rf *; echo "$BUILD_TAG" > plain.bin'
  writeFile file: "{HOSTILE_QUOTED}", text: env.BUILD_TAG
  notaryNotarize(
    assets: ["{HOSTILE_QUOTED}", 'plain.bin'],
    attributes: [why: "{quoted}"], reason: "{quoted}")
  sh 'test ! -e hacked'
}}""",
    )


HOSTILE_QUOTED = HOSTILE.replace("$", "\\$").replace('"', '\\"')


def test_values_are_never_code_and_never_expanded(library: Library) -> None:
    build = record_text(library, HOSTILE)

    assert build.result == "SUCCESS", explain(build)
    (record,) = library.evidence(build)
    assert record["name"] == HOSTILE
    assert record["predicate"]["attributes"] == {"why": HOSTILE}
    assert record["predicate"]["reason"] == HOSTILE


def test_what_an_agent_cannot_hand_on_is_refused_and_not_altered(
    library: Library,
) -> None:
    build = record_text(library, "Zürich \u202e\u4e2d")

    if build.result == "SUCCESS":
        (record,) = library.evidence(build)
        assert record["predicate"]["reason"] == "Zürich \u202e\u4e2d"
    else:
        assert "expected an agent that hands on UTF-8" in build.log, explain(build)
        assert "exit code 78" in build.log


def test_post_keeps_the_failure_of_the_build(library: Library) -> None:
    build = library.build(
        "post",
        f"""{GLOBAL}
pipeline {{
  agent any
  stages {{ stage('Build') {{ steps {{ sh 'echo a > a.bin; exit 3' }} }} }}
  post {{
    always {{ notaryNotarize 'a.bin' }}
    failure {{ notaryNotarize 'missing.bin' }}
  }}
}}""",
    )

    assert build.result == "FAILURE", explain(build)
    assert "script returned exit code 3" in build.log
    assert [one["name"] for one in library.evidence(build)] == ["a.bin"]


def test_a_failed_stage_keeps_its_error_and_leaves_evidence(library: Library) -> None:
    build = library.build(
        "stage",
        f"{GLOBAL}\nnode {{ notaryStage('Build', assets: ['a']) {{ sh 'exit 3' }} }}",
    )

    assert build.result == "FAILURE", explain(build)
    assert "script returned exit code 3" in build.log
    assert [one["type"] for one in library.evidence(build)] == ["attachment"]


@pytest.mark.parametrize(
    ("body", "result", "words"),
    [
        ("notaryNotarize 'a'", "FAILURE", "notaryNotarize: needs a node, got none"),
        (
            "node { notaryNotarize(asset: 'a') }",
            "FAILURE",
            "notaryNotarize: unknown argument asset; allowed are assets",
        ),
        (
            "node { withEnv(['PATH=/usr/bin:/bin']) { notaryNotarize 'a' } }",
            "FAILURE",
            "exit code 127: jenkins-notary is not installed on this agent",
        ),
        (
            "node { sh 'echo $$ > a'; notaryAuthenticate(assets: 'a') }",
            "FAILURE",
            "notaryAuthenticate: exit code 2: UNKNOWN: a is UNKNOWN",
        ),
        (
            (
                "node { sh 'echo $$ > a'; withEnv(['JENKINS_NOTARY_MODE=observe']) "
                "{ notaryAuthenticate 'a' } }"
            ),
            "SUCCESS",
            "only observed",
        ),
        (
            "node { withEnv(['JENKINS_NOTARY_MODE=warn']) { notaryNotarize 'gone' } }",
            "UNSTABLE",
            "not found",
        ),
    ],
    ids=["no node", "argument", "not installed", "unknown", "observe", "warn"],
)
def test_each_failure_says_what_to_do(
    library: Library, body: str, result: str, words: str
) -> None:
    build = library.build("failure", f"{GLOBAL}\n{body}\n")

    assert build.result == result, explain(build)
    assert words in build.log


def test_no_option_is_inherited_in_whatever_letters(library: Library) -> None:
    build = library.build(
        "inherited",
        f"""{GLOBAL}
node {{
  sh 'rm -rf *; echo "$BUILD_TAG" > a.bin'
  notaryNotarize 'a.bin'
  withEnv(['JENKINS_NOTARY_CLAIMS=claims.json', 'JENKINS_NOTARY_AS_OF=2',
           'JENKINS_NOTARY_NULL=1', 'jenkins_notary_org=x', 'notary_dir=/gone']) {{
    notaryUntrust(assets: ['a.bin'], reason: 'CVE-1')
    notaryAuthenticate(assets: ['a.bin'], onFailure: 'unstable')
    notaryAuthenticate(assets: ['a.bin'], org: 'nobody', onFailure: 'unstable')
  }}
  sh 'test ! -e claims.json'
}}""",
    )

    assert build.result == "UNSTABLE", explain(build)
    assert [one["status"] for one in library.evidence(build)] == [
        *("TRUSTED", "UNTRUSTED")
    ]
    assert "exit code 1: UNTRUSTED: a.bin is UNTRUSTED" in build.log
    assert "exit code 2: UNKNOWN: a.bin is UNKNOWN" in build.log


def test_a_missing_credential_is_named(library: Library) -> None:
    build = library.build(
        "credential",
        f"""{GLOBAL}
node {{
  writeFile file: 'a', text: 'a'
  notaryNotarize(assets: 'a', ledger: 'http://127.0.0.1:9', credentialsId: 'gone')
}}""",
    )

    assert build.result == "FAILURE", explain(build)
    assert "notaryNotarize: credentialsId: expected the secret text 'gone'" in build.log


def test_a_service_is_used_with_nothing_installed_and_no_token_is_seen(
    library: Library, tmp_path: Path
) -> None:
    with StandIn(tmp_path) as service:
        build = library.build(
            "service",
            f"""{GLOBAL}
node {{
  withEnv(['PATH=/usr/bin:/bin', 'JENKINS_NOTARY_LEDGER={service.url}']) {{
    sh 'rm -rf *; echo "$BUILD_TAG" > app.jar'
    notaryNotarize 'app.jar'
    notaryAuthenticate 'app.jar'
    def found = notaryEvidence(job: "${{env.JOB_NAME}}#${{env.BUILD_NUMBER}}")
    echo "found ${{found.size()}}"
    sh 'env; ls -R . ../*@tmp'
  }}
}}""",
        )

    assert build.result == "SUCCESS", explain(build)
    assert "found 1\n" in build.log
    assert library.secret not in build.log
    assert {one.headers["authorization"] for one in service.seen} == {
        f"Bearer {library.secret}"
    }
    assert [one for one in build.artifacts if one.endswith(".tlog-proof")]


def test_a_claim_goes_through_the_controller_when_the_service_is_away(
    library: Library,
) -> None:
    build = library.build(
        "queued",
        f"""{GLOBAL}
node {{
  withEnv(['JENKINS_NOTARY_LEDGER=http://127.0.0.1:9', 'JENKINS_NOTARY_TIMEOUT=1',
           'JENKINS_NOTARY_HOOK_CLAIMS=test']) {{
    sh 'rm -rf *; echo "$BUILD_TAG" > app.jar'
    notaryNotarize 'app.jar'
    notaryNotarize(assets: ['app.jar'], transport: 'controller')
  }}
}}""",
    )

    assert build.result == "SUCCESS", explain(build)
    assert "queued for the hook on the controller" in build.log
    assert len(build.artifacts) == 2
    assert all(
        one.startswith(".jenkins-notary/claims-") and one.endswith(".json")
        for one in build.artifacts
    )


@pytest.mark.parametrize("name", ["scripted", "declarative", "matrix"])
def test_example_runs(library: Library, name: str) -> None:
    text = (EXAMPLES / name / "Jenkinsfile").read_text("utf-8")
    build = library.build(f"example-{name}", text)

    assert build.result == "SUCCESS", explain(build)
    assert library.evidence(build)


def test_example_of_promotion_runs(library: Library) -> None:
    def read(name: str) -> str:
        text = (EXAMPLES / "promotion" / name).read_text("utf-8")
        return text.replace("payments/build", f"{library.folder}/build")

    made = library.build("build", read("Jenkinsfile.build"))
    deployed = library.build("deploy", read("Jenkinsfile"))

    assert made.result == "SUCCESS", explain(made)
    assert deployed.result == "SUCCESS", explain(deployed)
    assert "of 127.0.0.1-" in deployed.log
    assert f"{library.folder}/build#1" in deployed.log


def test_the_log_of_a_running_build_is_collected(library: Library) -> None:
    user, token = (os.environ[f"{PREFIX}{one}"] for one in ("USER", "TOKEN"))
    build = library.build(
        "log",
        f"""{GLOBAL}
node {{
  echo 'a line of this build'
  withEnv(['JENKINS_NOTARY_JENKINS_URL={library.url}',
           'JENKINS_NOTARY_JENKINS_USER={user}',
           'JENKINS_NOTARY_JENKINS_TOKEN={token}']) {{
    def found = notaryBuildLog()
    echo "collected ${{found.collect {{ it.type }}.join(' ')}}"
  }}
}}""",
    )

    assert build.result == "SUCCESS", explain(build)
    assert "collected log" in build.log
    (record,) = library.evidence(build)
    assert record["predicate"]["state"] == "growing"

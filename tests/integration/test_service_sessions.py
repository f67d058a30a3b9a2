"""Builds prove to a real service which ones they are, beside a stand-in of Jenkins.

A build here is the program in the environment of a Jenkins build; what it says on
standard error is what Jenkins would write into the build's log.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from jenkins_notary.agent.build import TARGET
from jenkins_notary.keys.pem import generate_signer
from jenkins_notary.ledger.author import Author
from jenkins_notary.values.statement import Subject
from tests.agent import BARE
from tests.parts.issuer import TestIssuer, serve_issuer
from tests.parts.jenkins import TOKEN, USER, serve_jenkins
from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.parts.jenkins import Build, StandIn

SETTINGS = """\
builds:
  protected:
    - folder: payments
      branches: [main, release/*]
      org: payments
  id-tokens:
    - instance: {instance}
      issuer: {issuer}
      audience: notary
"""
HEAD = b"Started by an SCM change\n"


class World(NamedTuple):
    """A controller, and a service that may read it."""

    folder: Path
    jenkins: StandIn
    service: Serving
    issuer: TestIssuer
    instance: str
    writer: str

    def start(self, name: str, **facts: Any) -> Build:  # noqa: ANN401 - as they are
        """Begin a build of a job."""
        job = self.jenkins.jobs.get(name) or self.jenkins.add_job(name)
        return job.add_build(building=True, result=None, log=HEAD, **facts)

    def job_id(self, build: Build) -> str:
        """Return a build's job id."""
        return f"{self.instance}:{build.job.name}#{build.number}"

    def open(self, build: Build | str, token: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """Begin a session; return the answer's JSON."""
        job = build if isinstance(build, str) else self.job_id(build)
        given = token or self.writer
        answer = self.service.ask("POST", "/api/v1/sessions", {"job": job}, token=given)
        assert answer.status == 200, answer
        return answer.json

    def prove(self, build: Build) -> str:
        """Return a session whose line is in the build's log."""
        answer = self.open(build)
        build.append(answer["line"].encode() + b"\n")
        return str(answer["session"])

    def record(
        self, session: str | None, value: object, token: str | None = None
    ) -> Answer:
        """Record a claim, in a session."""
        headers = {} if session is None else {"Notary-Session": session}
        given = token or self.writer
        return self.service.ask(
            "POST", "/api/v1/records", value, token=given, headers=headers
        )

    def found(self, answer: Answer) -> Mapping[str, Any]:
        """Return the record that an answer names."""
        assert answer.status == 200, answer
        index = answer.json["assets"][0]["index"]
        shown = self.service.ask("GET", f"/api/v1/records/{index}").json
        return dict(shown["record"])

    def verdict(self, digest: str, org: str | None = None) -> tuple[str, str]:
        """Return (status, reason) of a digest."""
        asset = {"name": "app.jar", "kind": "file", "digest": digest}
        value = {"assets": [asset], "org": org, "signers": [], "asOf": None}
        (one,) = self.service.ask("POST", "/api/v1/verdicts", value).json["assets"]
        return one["status"], one["reason"]

    def id_token(self, build: Build, **claims: object) -> str:
        """Return what the oidc-provider plugin would give a build."""
        url = f"{self.jenkins.url}{build.job.path}"
        known: dict[str, Any] = {
            "sub": url,
            "build_number": build.number,
            "aud": "notary",
        }
        return self.issuer.issue(**{**known, **claims})

    def run_step(
        self,
        build: Build,
        *words: str,
        tmp: Path | None = None,
        id_token: str | None = None,
        program: Sequence[str] = (*BARE, str(TARGET)),
    ) -> tuple[int, str]:
        """Run the agent part as a step of a build; return (exit code, what it said)."""
        environ = {
            **os.environ,
            **self.service.client(self.writer),
            "JENKINS_URL": self.jenkins.url,
            "JOB_NAME": build.job.name,
            "BUILD_NUMBER": str(build.number),
            "NODE_NAME": "linux-1",
        }
        if id_token is not None:
            environ["JENKINS_NOTARY_ID_TOKEN"] = id_token
        if tmp is not None:
            environ["WORKSPACE_TMP"] = str(tmp)
        process = subprocess.Popen(
            [*program, *words],
            env=environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        said = []
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                said.append(line.decode())
                build.append(line)
        return process.wait(timeout=60), "".join(said)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    with serve_jenkins("/jenkins") as jenkins, serve_issuer() as issuer:
        instance = jenkins.url.split("/")[2].replace(":", "-")
        settings = SETTINGS.format(instance=instance, issuer=issuer.url)
        (folder / "settings.yaml").write_text(settings)
        options = ("--jenkins-url", jenkins.url, "--jenkins-user", USER)
        access = ("--jenkins-token-file", str(folder / "token"))
        chosen = ("--settings", str(folder / "settings.yaml"))
        with Serving(folder, *options, *access, *chosen) as service:
            scope = ("--role", "writer", "--folder", "payments")
            writer = service.token("payments", *scope)
            yield World(folder, jenkins, service, issuer, instance, writer)


def new_digest() -> str:
    return f"sha256:{os.urandom(32).hex()}"


# What a proof is worth


def test_build_whose_line_is_in_its_own_log_speaks_for_its_org(world: World) -> None:
    build, digest = world.start("payments/api/main"), new_digest()
    record = world.found(
        world.record(world.prove(build), claim(digest, job=world.job_id(build)))
    )

    job = record["predicate"]["job"]
    assert (job["identity"], job["class"]) == ("nonce", "protected")
    assert world.verdict(digest, "payments")[0] == "TRUSTED"
    with world.service.notary() as notary:
        signers = {one.signer: one for one in notary.signers.list()}
        assert not signers[record["signer"]].administrator
        assert notary.ledger.verify().findings == ()


@pytest.mark.parametrize(
    ("name", "facts", "kind"),
    [
        pytest.param("payments/api/release%2F1.2", {}, "protected", id="release"),
        pytest.param("payments/api/feature%2Fx", {}, "branch", id="branch"),
        pytest.param("payments/api/PR-7", {}, "change", id="pull-request"),
        pytest.param("payments/api/MR-7-head", {}, "change", id="merge-request"),
        pytest.param(
            "payments/api/main",
            {
                "causes": [
                    {
                        "_class": "org.jenkinsci.plugins.workflow.cps.replay"
                        ".ReplayCause",
                        "shortDescription": "Replayed #1",
                    }
                ]
            },
            "weak",
            id="replay",
        ),
        pytest.param(
            "payments/api/main",
            {
                "causes": [
                    {
                        "_class": "org.jenkinsci.plugins.ghprb.GhprbCause",
                        "shortDescription": "GitHub pull request #7",
                    }
                ]
            },
            "change",
            id="pull-request-of-a-plain-job",
        ),
    ],
)
def test_class_follows_from_what_the_controller_says(
    world: World, name: str, facts: dict[str, Any], kind: str
) -> None:
    build, digest = world.start(name, **facts), new_digest()
    answer = world.record(world.prove(build), claim(digest, job=world.job_id(build)))

    assert world.found(answer)["predicate"]["job"]["class"] == kind
    is_of_org = world.verdict(digest, "payments")[0] == "TRUSTED"
    assert is_of_org == (kind == "protected")


def test_what_a_change_request_records_is_unknown_and_says_why(world: World) -> None:
    build, digest = world.start("payments/api/PR-8"), new_digest()
    world.record(world.prove(build), claim(digest, job=world.job_id(build)))
    status, reason = world.verdict(digest)

    assert status == "UNKNOWN"
    assert "change request" in reason
    # It hides nothing of what is known otherwise.
    main = world.start("payments/api/main")
    world.record(world.prove(main), claim(digest, job=world.job_id(main)))
    world.record(world.prove(build), claim(digest, job=world.job_id(build)))
    assert world.verdict(digest)[0] == "TRUSTED"


def test_change_request_that_claims_to_be_main_is_refused(world: World) -> None:
    change, main = world.start("payments/api/PR-9"), world.start("payments/api/main")
    answer = world.record(world.prove(change), claim(job=world.job_id(main)))

    assert answer.status == 403, answer
    assert world.job_id(main) in answer.json["message"]
    # Of no job it cannot speak either, nor of one on another controller.
    assert world.record(world.prove(change), claim(job=None)).status == 403
    other = f"other.example.com:{change.job.name}#{change.number}"
    assert world.record(world.prove(change), claim(job=other)).status == 403


WRONG_LINES = {
    "within-a-line": 'Commit message: "{line}"',
    "indented": "    {line}",
    "longer": "{line} and more",
    "half": "{half}",
    "elsewhere": "",
}


def test_what_is_no_line_of_its_own_in_its_own_log_proves_nothing(
    world: World,
) -> None:
    """All wait for their line at once: that takes the service's patience only once."""
    change = world.start("payments/api/PR-10")

    def try_it(text: str) -> Answer:
        main = world.start("payments/api/main")
        answer = world.open(main)
        line = answer["line"]
        if text:
            main.append(text.format(line=line, half=line[:-2]).encode() + b"\n")
        else:
            change.append(line.encode() + b"\n")
        return world.record(answer["session"], claim(job=world.job_id(main)))

    with ThreadPoolExecutor(len(WRONG_LINES)) as pool:
        refused = dict(
            zip(WRONG_LINES, pool.map(try_it, WRONG_LINES.values()), strict=True)
        )

    assert {one.status for one in refused.values()} == {503}, refused
    assert all(one.headers["retry-after"] for one in refused.values())


def test_line_with_a_time_stamp_before_it_counts(world: World) -> None:
    build = world.start("payments/api/main")
    answer = world.open(build)
    stamped = f"[2026-11-28T04:00:00.123Z] {answer['line']}\r\n"
    build.append(stamped.encode())

    assert world.record(answer["session"], claim(job=world.job_id(build))).status == 200


def test_line_that_comes_late_is_waited_for(world: World) -> None:
    build = world.start("payments/api/main")
    answer = world.open(build)
    line = answer["line"].encode() + b"\n"
    timer = threading.Timer(1.0, build.append, [line])
    timer.start()
    found = world.record(answer["session"], claim(job=world.job_id(build)))
    timer.join()

    assert found.status == 200, found


# How long


def test_session_ends_with_its_build(world: World) -> None:
    build = world.start("payments/api/main")
    answer = world.open(build)
    build.append(answer["line"].encode() + b"\n")
    build.finish()
    refused = world.record(answer["session"], claim(job=world.job_id(build)))

    assert refused.status == 403, refused
    assert "session" in refused.json["message"]


def test_build_that_has_ended_gets_no_session(world: World) -> None:
    build = world.start("payments/api/main")
    build.finish()

    assert world.open(build) == {
        "session": None,
        "reason": "the build has ended",
    }


def test_job_made_again_under_the_same_number_is_another_build(world: World) -> None:
    build = world.start("payments/again/main")
    answer = world.open(build)
    build.append(answer["line"].encode() + b"\n")
    build.timestamp += 1000
    refused = world.record(answer["session"], claim(job=world.job_id(build)))

    assert refused.status == 403, refused


def test_session_is_of_one_token(world: World) -> None:
    build = world.start("payments/api/main")
    session = world.prove(build)
    other = world.service.token("second", "--role", "writer", "--folder", "payments")
    value = claim(job=world.job_id(build))

    assert world.record(session, value, other).status == 403
    assert world.record(session + "x", value).status == 403
    assert world.record("no session", value).status == 403
    assert world.record("", value).status == 403
    assert world.record(session, value).status == 200


def test_token_opens_sessions_of_its_own_folders_alone(world: World) -> None:
    build = world.start("payments-evil/main")
    path, value = "/api/v1/sessions", {"job": world.job_id(build)}

    assert world.service.ask("POST", path, value, token=world.writer).status == 403


def test_session_survives_a_restart_of_the_service(world: World) -> None:
    build = world.start("payments/api/main")
    session, value = world.prove(build), claim(job=world.job_id(build))
    assert world.record(session, value).status == 200
    world.service.stop()
    world.service.start()

    record = world.found(world.record(session, claim(job=world.job_id(build))))
    assert record["predicate"]["job"]["identity"] == "nonce"


# Without one


def test_controller_that_the_service_cannot_read_gives_no_session(world: World) -> None:
    answer = world.open("elsewhere.example.com:payments/api/main#1")

    assert answer["session"] is None
    assert "no access" in answer["reason"]


def test_asserted_claim_counts_for_no_org(world: World) -> None:
    digest = new_digest()
    build = world.start("payments/api/main")
    record = world.found(world.record(None, claim(digest, job=world.job_id(build))))

    job = record["predicate"]["job"]
    assert (job["identity"], job["class"]) == ("asserted", "weak")
    assert world.verdict(digest, "payments")[0] == "UNKNOWN"


def test_untrust_of_security_is_heard_in_every_org(world: World) -> None:
    build, digest = world.start("payments/api/main"), new_digest()
    world.record(world.prove(build), claim(digest, job=world.job_id(build)))
    value = claim(digest, job=None, status="UNTRUSTED", reason="CVE-2026-1")
    security = world.service.token("security", "--role", "security")
    assert world.record(None, value, security).status == 200

    assert world.verdict(digest, "payments")[0] == "UNTRUSTED"
    assert world.verdict(digest)[0] == "UNTRUSTED"
    # A rebuild of the same bytes does not undo it.
    world.record(world.prove(build), claim(digest, job=world.job_id(build)))
    assert world.verdict(digest, "payments")[0] == "UNTRUSTED"


# As a build does it


def test_step_proves_itself_and_the_next_one_need_not(
    world: World, tmp_path: Path
) -> None:
    (world.folder / "app.jar").write_bytes(os.urandom(20))
    build = world.start("payments/api/main")
    code, said = world.run_step(build, "notarize", "app.jar", tmp=tmp_path)

    assert code == 0, said
    assert said.count("jenkins-notary: session ") == 1
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    code, said = world.run_step(build, "notarize", "app.jar", tmp=tmp_path)
    assert (code, "session" in said) == (0, False), said
    code, said = world.run_step(
        build, "attach", "app.jar", "--label", "x", "--quiet", tmp=tmp_path
    )
    assert code == 0, said
    path = f"/api/v1/evidence?job={world.job_id(build).replace('#', '%23')}"
    records = world.service.ask("GET", path).json["records"]
    found = {one["predicate"]["job"]["identity"] for one in records}
    assert (len(records), found) == (3, {"nonce"})


def test_step_with_the_session_of_an_earlier_build_opens_its_own(
    world: World, tmp_path: Path
) -> None:
    (world.folder / "app.jar").write_bytes(os.urandom(20))
    build = world.start("payments/api/main")
    assert world.run_step(build, "notarize", "app.jar", tmp=tmp_path)[0] == 0
    (kept,) = tmp_path.iterdir()
    kept.write_text("0" * 16 + "." + "x" * 43)
    code, said = world.run_step(build, "notarize", "app.jar", tmp=tmp_path)

    assert code == 0, said
    assert said.count("jenkins-notary: session ") == 1


def test_step_without_python_proves_itself(world: World) -> None:
    (world.folder / "app.jar").write_bytes(os.urandom(20))
    build = world.start("payments/api/main")
    shell = ("sh", str(TARGET.with_name("notary-agent.sh")))
    code, said = world.run_step(
        build, "notarize", "-o", "json", "app.jar", program=shell
    )

    assert code == 0, said
    assert said.count("jenkins-notary: session ") == 1
    path = f"/api/v1/evidence?job={world.job_id(build).replace('#', '%23')}"
    (record,) = world.service.ask("GET", path).json["records"]
    job = record["predicate"]["job"]
    assert (job["identity"], job["class"]) == ("nonce", "protected")


# By an id token


def test_id_token_of_the_build_proves_it_without_a_line(world: World) -> None:
    (world.folder / "app.jar").write_bytes(os.urandom(20))
    build = world.start("payments/api/main")
    token = world.id_token(build)
    code, said = world.run_step(build, "notarize", "app.jar", id_token=token)

    assert (code, "session" in said) == (0, False), said
    path = f"/api/v1/evidence?job={world.job_id(build).replace('#', '%23')}"
    (record,) = world.service.ask("GET", path).json["records"]
    job = record["predicate"]["job"]
    assert (job["identity"], job["class"]) == ("oidc", "protected")
    assert token not in str(record)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        pytest.param({"build_number": 9999}, "9999", id="another-build"),
        pytest.param(
            {"sub": "https://ci.example.com/job/other/"}, "other", id="another-job"
        ),
        pytest.param({"sub": None}, "None", id="no-subject"),
        pytest.param({"aud": "somebody"}, "audience", id="for-somebody-else"),
        pytest.param({"exp": 1}, "is over", id="over"),
    ],
)
def test_id_token_of_something_else_is_refused(
    world: World, claims: dict[str, Any], told: str
) -> None:
    build = world.start("payments/api/main")
    value = {"job": world.job_id(build), "idToken": world.id_token(build, **claims)}
    answer = world.service.ask("POST", "/api/v1/sessions", value, token=world.writer)

    assert answer.status == 403, answer
    assert told in answer.json["message"]


# A Jenkins that lies, hangs or goes away


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param({"status": 500}, 503, id="fault"),
        pytest.param({"status": 403}, 200, id="no-permission"),
        pytest.param({"hang": True}, 503, id="hangs"),
        pytest.param({"swap": b"[]"}, 503, id="other-json"),
        pytest.param({"swap": b'{"number": 1}'}, 503, id="another-build"),
        pytest.param({"cut": 5}, 503, id="breaks-off"),
        pytest.param(
            {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
            503,
            id="leads-elsewhere",
        ),
    ],
)
def test_controller_that_does_not_answer_well_proves_nothing(
    world: World, fault: dict[str, Any], status: int
) -> None:
    build = world.start("payments/api/main")
    wrong = world.jenkins.fail(f"/main/{build.number}/api", times=99, **fault)
    began = time.monotonic()
    answer = world.service.ask(
        "POST", "/api/v1/sessions", {"job": world.job_id(build)}, token=world.writer
    )
    wrong.times = 0

    assert answer.status == status, answer
    assert time.monotonic() - began < 15
    if status == 200:
        assert answer.json["session"] is None
    assert TOKEN not in answer.body.decode()


def test_log_that_is_cut_ends_the_session(world: World) -> None:
    build = world.start("payments/api/main")
    answer = world.open(build)
    build.log = b"x\n"
    refused = world.record(answer["session"], claim(job=world.job_id(build)))

    assert refused.status == 403, refused
    assert "cut" in refused.json["message"]


def test_log_of_a_size_that_is_none_proves_nothing(world: World) -> None:
    build = world.start("payments/api/main")
    path = f"/main/{build.number}/logText"
    wrong = world.jenkins.fail(path, times=99, drop=("x-text-size",))
    value = {"job": world.job_id(build)}
    answer = world.service.ask("POST", "/api/v1/sessions", value, token=world.writer)
    wrong.times = 0

    assert answer.status == 503, answer


def test_line_is_found_behind_a_long_log_and_a_long_line(world: World) -> None:
    build = world.start("payments/api/main")
    build.append(b"line\n" * 300_000)
    answer = world.open(build)
    build.append(b"y" * 100_000 + b"\n" + b"more\n" * 30_000)
    build.append(answer["line"].encode() + b"\n")

    assert world.record(answer["session"], claim(job=world.job_id(build))).status == 200


def test_client_that_signs_says_nothing_that_only_a_service_knows(
    world: World, tmp_path: Path
) -> None:
    signer = generate_signer(str(tmp_path / "own.pem"))
    author = Author((signer,), os.urandom(16).hex(), 1)
    subjects = [Subject("app.jar", os.urandom(32).hex())]
    job = {"id": f"{world.instance}:payments/api/main#1", "class": "protected"}
    facts = {"status": "TRUSTED", "job": job, "assets": []}
    signed = author.sign("notarization", subjects, facts).decode()
    answer = world.record(None, {"envelopes": [signed]})

    assert answer.status == 403, answer
    assert "class" in answer.json["message"]

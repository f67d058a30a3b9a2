"""An agent without Python does the same by a shell script: dash and busybox."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.agent.build import TARGET
from jenkins_notary.errors import SEVERITY
from jenkins_notary.version import VERSION
from tests.agent import agent
from tests.parts.registry import Authority
from tests.parts.service import Fault, StandIn
from tests.program import program
from tests.shells import SCRIPT, Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.program import Ran

JOB = "ci.example.com:payments/main#42"
DIGEST = "sha256:" + "ab" * 32
MACHINES = {
    "dash": ("dash", "sha256sum", "curl"),
    "dash, openssl, wget": ("dash", "openssl", "wget"),
    "dash, shasum": ("dash", "shasum", "curl"),
    "busybox": ("busybox", "sha256sum", "curl"),
}

pytestmark = pytest.mark.real("dash", "busybox", "curl", "wget")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return Shell(tmp_path / "bin", *MACHINES[request.param])


@pytest.fixture
def dash(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "bin", "dash")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path) as running:
        yield running


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("app.jar", "bad.jar", "old.jar"):
        (folder / name).write_bytes(b"PK\x03\x04 " + name.encode())
    (folder / "empty").write_bytes(b"")
    (folder / "tree").mkdir()
    return folder


def test_version_is_that_of_the_package(dash: Shell) -> None:
    assert dash.run("--version").text == f"jenkins-notary-agent {VERSION} (sh)\n"


COMMANDS = {
    "notarize": ["notarize", "app.jar", "empty", "--job", JOB],
    "notarize-facts": [
        *("notarize", "app.jar", "-a", "release=1.2", "-a", "x==\u00e9", "--reason=r"),
    ],
    "notarize-pattern": ["notarize", "*.jar"],
    "notarize-digest": ["notarize", DIGEST, "--name", "foreign"],
    "notarize-nothing": ["notarize"],
    "notarize-empty-word": ["notarize", ""],
    "notarize-missing": ["notarize", "gone"],
    "notarize-two-missing": ["notarize", "gone", "nope"],
    "notarize-no-match": ["notarize", "*.war"],
    "notarize-bare-digest": ["notarize", DIGEST],
    "notarize-bad-digest": ["notarize", "sha256:00", "--name", "x"],
    "notarize-bad-job": ["notarize", "app.jar", "--job", "payments"],
    "notarize-bad-attribute": ["notarize", "app.jar", "-a", "1=2"],
    "notarize-twice-attribute": ["notarize", "app.jar", "-a", "b=2", "-a", "b=3"],
    "notarize-unknown-option": ["notarize", "app.jar", "--frobnicate"],
    "notarize-two-names": ["notarize", "app.jar", "bad.jar", "--name", "x"],
    "notarize-supersede-alone": ["notarize", "app.jar", "--supersede", "1"],
    "notarize-supersede-wrong": [
        *("notarize", "app.jar", "--supersede", "99", "--reason", "x"),
    ],
    "untrust": ["untrust", "bad.jar", "--reason", 'a "quoted" \\ reason'],
    "untrust-without-reason": ["untrust", "bad.jar"],
    "unsupport": ["unsupport", "old.jar", "--reason", "end of life"],
    "authenticate": ["authenticate", "app.jar"],
    "authenticate-several": ["authenticate", "app.jar", "bad.jar", "old.jar"],
    "authenticate-unknown": ["authenticate", DIGEST],
    "authenticate-missing-too": ["authenticate", "gone", "app.jar"],
    "authenticate-only-missing": ["authenticate", "gone"],
    "authenticate-strict": ["authenticate", "app.jar", "--strict"],
    "authenticate-org": ["authenticate", "app.jar", "--org", "acme"],
    "authenticate-bad-signer": ["authenticate", "app.jar", "--signer", "0x12"],
    "authenticate-as-of": ["authenticate", "app.jar", "--as-of", "1"],
}


@pytest.mark.parametrize("machine", ["dash", "busybox"], indirect=True)
def test_script_answers_as_the_zipapp(
    machine: Shell, service: StandIn, work: Path
) -> None:
    for name, words in COMMANDS.items():
        argv = [words[0], "-o", "json", *words[1:]]
        here = agent(*argv, environ=service.client, cwd=work)
        there = machine.run(*argv, environ=without_key(service), cwd=work)

        assert there.code == here.code, (name, here, there)
        assert outline(there) == outline(here), name


def without_key(service: StandIn) -> dict[str, str]:
    """Return what an agent is given that takes the service's word for a verdict."""
    return {k: v for k, v in service.client.items() if k != "JENKINS_NOTARY_LOG"}


def outline(ran: Ran) -> object:
    """Return what callers decide by, with each item's keys."""
    if "error" in ran.json:
        return ran.json["error"], ran.json["code"]
    return [
        (one["name"], one["kind"], one["digest"], one["status"], one["code"], [*one])
        for one in ran.json["assets"]
    ]


HOSTILE = (
    "-rf",
    "two  spaces",
    'quote"back\\slash',
    "$(touch pwned)`touch pwned`;touch pwned",
    "tab\tescape\x1b[2Jdel\x7f",
    "caf\u00e9 \u202e\U0001f600",
    "%2F%s%n",
    "a:b",
    "'single'",
    " leading",
    "~",
    "n" * 250,
)


def test_hostile_names_are_recorded_as_they_are(
    machine: Shell, service: StandIn, work: Path
) -> None:
    for name in HOSTILE:
        (work / name).write_text(name)
    stdin = "".join(f"{one}\n" for one in HOSTILE).encode()

    done = machine.run(
        "notarize", "-o", "json", "-", environ=service.client, stdin=stdin, cwd=work
    )

    assert done.code == 0, done
    assert [one["name"] for one in done.json["assets"]] == [*HOSTILE]
    assert not (work / "pwned").exists()


def test_name_that_is_no_utf8_is_refused(
    machine: Shell, service: StandIn, work: Path
) -> None:
    (work / os.fsdecode(b"caf\xe9")).write_text("x")

    done = machine.run(
        *("notarize", "-o", "json", b"caf\xe9"), environ=service.client, cwd=work
    )

    assert done.code == 64
    assert done.json["expected"] == "a name in UTF-8"
    assert service.seen == []


@pytest.mark.parametrize(
    ("word", "code"),
    [
        pytest.param("tree", 64, id="folder"),
        pytest.param("dir://tree", 64, id="folder-by-scheme"),
        pytest.param("**/*.jar", 64, id="pattern-through-folders"),
        pytest.param("image://registry.example.com/app", 64, id="image"),
        pytest.param("git://", 64, id="git"),
        pytest.param("oci-archive:app.tar", 64, id="archive"),
        pytest.param("pipe", 64, id="pipe"),
    ],
)
def test_what_needs_python_is_refused_by_name(
    dash: Shell, work: Path, word: str, code: int
) -> None:
    os.mkfifo(work / "pipe")

    done = dash.run("notarize", "-o", "json", word, cwd=work)

    assert done.code == code, done
    assert done.json["code"] == code


@pytest.mark.parametrize("argv", [["gate"], ["evidence"], ["collect"], ["log"], []])
def test_other_commands_are_refused(dash: Shell, argv: list[str]) -> None:
    done = dash.run(*argv)

    assert done.code == 64
    assert done.json["error"] == "usage"


@pytest.mark.parametrize("name", ["ATTACH", "DIGEST_FILE", "POLICY", "CONFIG"])
def test_option_of_the_environment_that_it_lacks_is_refused(
    dash: Shell, work: Path, name: str
) -> None:
    environ = {f"JENKINS_NOTARY_{name}": "x"}

    done = dash.run("notarize", "-o", "json", "app.jar", environ=environ, cwd=work)

    assert done.code == 64
    assert f"JENKINS_NOTARY_{name}" in done.json["message"]


def test_text_output_is_refused(dash: Shell, work: Path) -> None:
    assert dash.run("notarize", "app.jar", cwd=work).code == 64


def test_job_is_read_from_the_environment(
    machine: Shell, service: StandIn, work: Path
) -> None:
    environ = {
        "JENKINS_URL": "https://bot:s3cret@CI.example.com:8443/jenkins/",
        "JOB_NAME": "payments/main",
        "BUILD_NUMBER": "42",
        "BUILD_URL": "https://bot:s3cret@ci.example.com/job/x/42/?token=s3cret",
        "GIT_COMMIT": "0" * 40,
        "GIT_URL": "https://bot:s3cret@git.example.com/x.git",
        "SECRET": "s3cret",
    }

    done = machine.run(
        *("notarize", "-o", "json", "app.jar"),
        environ={**service.client, **environ},
        cwd=work,
    )

    assert done.code == 0, done
    sent = service.seen[-1].json
    assert sent["job"]["id"] == "ci.example.com-8443:payments/main#42"
    assert sent["job"]["environment"]["GIT_COMMIT"] == "0" * 40
    assert b"s3cret@" not in service.seen[-1].body
    assert b"s3cret" not in json.dumps(sent["job"]).encode()


def test_lists_of_the_environment_are_read_by_line_or_comma(
    machine: Shell, service: StandIn, work: Path
) -> None:
    for text, expected in (
        ("a=1,b=2", {"a": "1", "b": "2"}),
        ("a=1,2\nb=2\n", {"a": "1,2", "b": "2"}),
    ):
        environ = {**service.client, "JENKINS_NOTARY_ATTR": text}
        done = machine.run(
            "notarize", "-o", "json", "app.jar", environ=environ, cwd=work
        )

        assert done.code == 0, done
        assert service.seen[-1].json["attributes"] == expected


def test_receipts_verify_offline(machine: Shell, service: StandIn, work: Path) -> None:
    done = machine.run(
        *("notarize", "-o", "json", "app.jar", "bad.jar", "--receipts", "out/r"),
        environ=service.client,
        cwd=work,
    )
    checked = program(
        *("receipt", "verify", str(work / "out/r/bad.jar.tlog-proof")),
        *("--envelope", str(work / "out/r/bad.jar.dsse.json")),
        *("--log", service.vkey),
    )

    assert done.code == 0, done
    assert checked.code == 0, checked


def test_claims_are_those_of_the_zipapp(machine: Shell, work: Path) -> None:
    words = ("notarize", "-o", "json", "app.jar", "-a", "b=1", "--job", JOB)
    here = agent(*words, "--claims", "one.json", cwd=work)
    there = machine.run(*words, "--claims", "two.json", cwd=work)

    one, two = (json.loads((work / f"{n}.json").read_text()) for n in ("one", "two"))
    assert (here.code, there.code) == (0, 0), there
    assert outline(here) == outline(there)
    for claim in (one, two):
        assert len(claim.pop("recordId")) == 32
        assert claim.pop("claimedAt").endswith("Z")
        claim["assets"][0].pop("metadata")
    assert one == two


def test_token_is_in_no_argument_and_no_output(
    machine: Shell, service: StandIn, work: Path, tmp_path: Path
) -> None:
    spy = tmp_path / "spy"
    folder = tmp_path / "bin"
    for name in ("curl", "wget"):
        real = folder / name
        if real.exists():
            target = os.readlink(real)
            real.unlink()
            real.write_text(
                f'#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/cmdline >> {spy}\n'
                f'exec {target} "$@"\n'
            )
            real.chmod(0o755)

    done = machine.run(
        "notarize", "-o", "json", "app.jar", environ=service.client, cwd=work
    )

    assert done.code == 0, done
    assert service.seen[-1].headers["authorization"] == f"Bearer {service.token}"
    assert service.token not in spy.read_text()
    assert service.token not in done.text + done.stderr
    assert not [one for one in os.listdir("/tmp") if one.startswith("notary.")]


FAULTS: dict[str, tuple[Fault, int]] = {
    "401": (Fault(401), 77),
    "403": (Fault(403), 77),
    "404-html": (Fault(404, body=b"<html>", content_type="text/html"), 66),
    "400": (Fault(400), 64),
    "409": (Fault(409), 67),
    "507": (Fault(507), 74),
    "302": (Fault(302, location="http://127.0.0.1:1/"), 69),
    "html": (Fault(200, body=b"<html>", content_type="text/html"), 69),
    "empty": (Fault(200, body=b""), 69),
    "cut-json": (Fault(200, body=b'{"assets": ['), 69),
    "two-values": (Fault(200, body=b'{"assets": []} {}'), 69),
    "no-assets": (Fault(200, body=b"{}"), 65),
    "error-of-ours": (
        Fault(409, body=b'{"error": "integrity", "code": 65, "message": "x"}'),
        65,
    ),
    "error-with-a-verdict": (Fault(500, body=b'{"error": "usage", "code": 1}'), 69),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_the_service_has_its_code(
    dash: Shell, service: StandIn, work: Path, name: str
) -> None:
    fault, code = FAULTS[name]
    service.fail(*[fault] * 10)
    environ = {**service.client, "JENKINS_NOTARY_TIMEOUT": "2"}

    done = dash.run("notarize", "-o", "json", "app.jar", environ=environ, cwd=work)

    assert done.code == code, done
    assert done.json["code"] == code
    assert code in SEVERITY


def changed(key: str, value: object) -> Callable[[Any], object]:
    """Return what changes a key of the first asset of an answer."""

    def change(answer: Any) -> object:  # noqa: ANN401 - any JSON
        answer["assets"][0][key] = value
        return answer

    return change


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("digest", DIGEST),
        ("name", "other.jar"),
        ("kind", "image"),
        ("status", "UNTRUSTED"),
        ("code", 1),
        ("code", "0"),
        ("job", "a/b#1"),
        ("index", -1),
        ("index", 7),
        ("receipt", "none"),
        ("receipt", None),
    ],
)
def test_answer_about_something_else_is_refused(
    dash: Shell, service: StandIn, work: Path, *, key: str, value: object
) -> None:
    service.fail(Fault(change=changed(key, value)))

    done = dash.run(
        "notarize", "-o", "json", "app.jar", environ=service.client, cwd=work
    )

    assert done.code == 65, done


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("status", "UNTRUSTED", 65),
        ("code", 1, 65),
        ("code", 5, 65),
        ("as_of", None, 65),
        ("receipt", None, 65),
        ("error", {"error": "usage", "code": 0}, 65),
    ],
)
def test_verdict_that_disagrees_with_itself_is_refused(
    dash: Shell, service: StandIn, work: Path, *, key: str, value: object, code: int
) -> None:
    made = dash.run(
        "notarize", "-o", "json", "app.jar", environ=service.client, cwd=work
    )
    service.fail(Fault(change=changed(key, value)))

    argv = ("authenticate", "-o", "json", "app.jar")
    done = dash.run(*argv, environ=without_key(service), cwd=work)

    assert made.code == 0
    assert done.code == code, done


@pytest.mark.parametrize("client", ["curl", "wget"])
def test_passing_faults_are_tried_again_under_one_id(
    service: StandIn, work: Path, tmp_path: Path, client: str
) -> None:
    machine = Shell(tmp_path / "two", "dash", client=client)
    service.fail(Fault(503), Fault(429, retry_after="1"), Fault(cut=20), Fault(cut=300))

    done = machine.run(
        "notarize", "-o", "json", "app.jar", environ=service.client, cwd=work
    )

    assert done.code == 0, done
    assert len(service.seen) == 5
    assert len({one.json["recordId"] for one in service.seen}) == 1


@pytest.mark.parametrize("client", ["curl", "wget"])
def test_private_authority_is_trusted_by_name_alone(
    work: Path, tmp_path: Path, client: str
) -> None:
    machine = Shell(tmp_path / "tls", "dash", client=client)
    authority = Authority()
    pair = authority.issue(tmp_path, "server")
    ca_file = str(authority.write(tmp_path))
    with StandIn(tmp_path, certificate=pair) as service:
        words = ("notarize", "-o", "json", "app.jar")
        trusted = machine.run(
            *words, "--ca-file", ca_file, environ=service.client, cwd=work
        )
        stranger = machine.run(*words, environ=service.client, cwd=work)

    assert trusted.code == 0, trusted
    assert stranger.code == 69, stranger
    assert len(service.seen) == 1


def test_verdict_that_cannot_be_checked_with_the_key_is_refused(
    dash: Shell, service: StandIn, work: Path
) -> None:
    argv = ("authenticate", "-o", "json", "app.jar")

    done = dash.run(*argv, environ=service.client, cwd=work)

    assert (done.code, done.json["subject"]) == (78, "JENKINS_NOTARY_LOG")
    assert not service.seen


def test_answer_that_is_far_too_long_is_not_read(
    machine: Shell, service: StandIn, work: Path
) -> None:
    service.fail(*[Fault(body=b'{"assets": [' + b" " * (4 << 20))] * 10)

    started = time.monotonic()
    argv = ("notarize", "-o", "json", "app.jar")
    environ = {**service.client, "JENKINS_NOTARY_TIMEOUT": "2"}
    done = machine.run(*argv, environ=environ, cwd=work)

    assert done.code == 69
    assert time.monotonic() - started < 30


def test_waiting_is_bounded(dash: Shell, service: StandIn, work: Path) -> None:
    service.fail(*[Fault(hang_s=30)] * 5)
    environ = {**service.client, "JENKINS_NOTARY_TIMEOUT": "2"}
    started = time.monotonic()

    done = dash.run("notarize", "-o", "json", "app.jar", environ=environ, cwd=work)

    assert done.code == 69, done
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    ("ledger", "code"),
    [
        ("http://notary.example.com", 78),
        ("https://user:s3cret@notary.example.com", 78),
        ("https://notary.example.com/?x=1", 78),
        ("sqlite:///ledger.db", 78),
        ("http://127.0.0.1:1", 69),
    ],
)
def test_ledger_that_cannot_be_asked_is_refused(
    dash: Shell, work: Path, ledger: str, code: int
) -> None:
    environ = {"JENKINS_NOTARY_LEDGER": ledger, "JENKINS_NOTARY_TIMEOUT": "1"}

    done = dash.run("notarize", "-o", "json", "app.jar", environ=environ, cwd=work)

    assert done.code == code, done
    assert "s3cret" not in done.text + done.stderr


def test_agent_without_hash_or_client_says_so(tmp_path: Path, work: Path) -> None:
    machine = Shell(tmp_path / "bin", "dash")
    environ = {"JENKINS_NOTARY_LEDGER": "http://127.0.0.1:1"}
    (tmp_path / "bin/curl").unlink()
    no_client = machine.run(
        "notarize", "-o", "json", "app.jar", environ=environ, cwd=work
    )
    (tmp_path / "bin/sha256sum").unlink()
    no_hash = machine.run(
        "notarize", "-o", "json", "app.jar", environ=environ, cwd=work
    )

    assert (no_client.code, no_client.json["expected"]) == (78, "curl or GNU wget")
    assert no_hash.code == 78
    assert "sha256sum" in no_hash.json["expected"]


def test_fault_of_the_script_is_no_verdict(tmp_path: Path, work: Path) -> None:
    machine = Shell(tmp_path / "bin", "dash")
    broken = tmp_path / "broken.sh"
    text = SCRIPT.read_text()
    assert text.count("    find_hasher\n") == 1
    broken.write_text(text.replace("    find_hasher\n", '    : "$never_set"\n'))

    done = machine.run("notarize", "-o", "json", "app.jar", cwd=work, script=broken)

    assert done.code == 70, done


LAUNCHER = TARGET.with_name("run-agent.sh")


@pytest.fixture
def step(tmp_path: Path) -> Path:
    """The folder that a step fills."""
    folder = tmp_path / "step"
    folder.mkdir()
    (folder / "assets.txt").write_text("app.jar\n")
    for name in (TARGET.name, SCRIPT.name):
        (folder / name).write_bytes(TARGET.with_name(name).read_bytes())
    return folder


def launch(machine: Shell, service: StandIn, step: Path, work: Path) -> tuple[int, Any]:
    """Run the step's constant script; return (exit code, document)."""
    environ = {
        **service.client,
        "NOTARY_DIR": str(step),
        "NOTARY_COMMAND": "notarize",
        "NOTARY_ARG": "",
    }
    done = machine.run(environ=environ, cwd=work, script=LAUNCHER)
    assert done.stdout == b""
    out = step / "out.json"
    return done.code, json.loads(out.read_text()) if out.exists() else None


def make_python(machine: Shell, name: str, text: str) -> None:
    """Put a program into a machine's PATH that is called like a Python."""
    path = os.path.join(machine.path, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)


def test_step_runs_the_zipapp_where_there_is_a_python(
    dash: Shell, service: StandIn, step: Path, work: Path
) -> None:
    make_python(dash, "python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')

    code, document = launch(dash, service, step, work)

    assert (code, document["assets"][0]["status"]) == (0, "TRUSTED")
    assert service.seen[-1].json["assets"][0]["metadata"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("#!/bin/sh\necho unknown option >&2; exit 2\n", id="python-2"),
        pytest.param("#!/bin/sh\nexit 126\n", id="too-old"),
        pytest.param("#!/bin/sh\nexit 1\n", id="broken"),
        pytest.param("#!/nowhere/python\n", id="dangling"),
    ],
)
def test_step_runs_the_script_where_no_python_can(
    machine: Shell, service: StandIn, step: Path, work: Path, *, text: str | None
) -> None:
    link = os.path.join(machine.path, "sh")
    if not os.path.lexists(link):
        os.symlink(machine.argv[0], link)
    if text is not None:
        make_python(machine, "python3", text)

    code, document = launch(machine, service, step, work)

    assert (code, document["assets"][0]["status"]) == (0, "TRUSTED")
    assert service.seen[-1].json["assets"][0]["metadata"] == {}


def test_step_runs_the_installed_program_for_a_ledger_of_its_own(
    dash: Shell, step: Path, work: Path
) -> None:
    (step / TARGET.name).unlink()
    make_python(dash, "jenkins-notary", '#!/bin/sh\ncat; echo "$*"; exit 3\n')
    environ = {
        "NOTARY_DIR": str(step),
        "NOTARY_COMMAND": "evidence",
        "NOTARY_ARG": "a b#1",
    }

    done = dash.run(environ=environ, cwd=work, script=LAUNCHER)

    assert done.code == 3
    assert (step / "out.json").read_text() == "app.jar\nevidence -o json -- a b#1\n"

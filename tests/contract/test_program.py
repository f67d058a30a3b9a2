"""One contract for the installed program and the part of it that agents run.

Each command line runs on both: the program with its own ledger on this machine, the
agent part against a service on a ledger of its own. Exit codes and the shape of the
JSON agree: the same keys, in the same order, of the same types.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.agent import agent
from tests.parts.service import StandIn
from tests.parts.serving import Serving
from tests.program import Ran, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JOB = "ci.example.com:payments/main#42"
DIGEST = "sha256:" + "ab" * 32
POLICY = """\
version: 1
rules:
  - name: trusted
    require:
      status: [TRUSTED]
"""


class Two(NamedTuple):
    """Both programs, in a folder with the same files."""

    folder: Path
    client: Mapping[str, str]
    vkey: str

    def run(self, *argv: str, stdin: bytes | None = None) -> tuple[Ran, Ran]:
        """Run a command line on the installed program and on the agent part."""
        # Each test has a home of its own; these share one.
        kinds = ("DATA", "STATE", "CONFIG", "CACHE")
        home = {f"XDG_{one}_HOME": str(self.folder / "home" / one) for one in kinds}
        here = program(*argv, environ=home, stdin=stdin, cwd=self.folder)
        there = agent(*argv, environ=self.client, stdin=stdin, cwd=self.folder)
        return here, there


@contextmanager
def open_service(kind: str, folder: Path) -> Iterator[tuple[Mapping[str, str], str]]:
    """Give (environment of an agent, the log's key) of a service that runs."""
    if kind == "stand-in":
        with StandIn(folder) as service:
            yield service.client, service.vkey
        return
    with Serving(folder) as real:
        with real.notary() as notary:
            vkey = notary.ledger.status().vkey
        yield {**real.client(real.admin), "JENKINS_NOTARY_LOG": vkey}, vkey


@pytest.fixture(scope="module", params=["stand-in", "service"])
def two(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("two")
    (folder / "app.jar").write_bytes(b"PK\x03\x04 app")
    (folder / "bad.jar").write_bytes(b"PK\x03\x04 bad")
    (folder / "old.jar").write_bytes(b"PK\x03\x04 old")
    (folder / "new.jar").write_bytes(b"PK\x03\x04 new")
    (folder / "tree/a").mkdir(parents=True)
    (folder / "tree/a/file").write_text("text")
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "wrong.yaml").write_text("rules: 7\n")
    pushed = {"containerimage.digest": DIGEST, "image.name": "registry.example.com/app"}
    (folder / "pushed.json").write_text(json.dumps(pushed))
    with open_service(request.param, folder) as (client, vkey):
        pair = Two(folder, client, vkey)
        for words in (
            ["notarize", "app.jar", "bad.jar", "--job", JOB],
            ["untrust", "bad.jar", "--reason", "CVE-2026-0001"],
            ["unsupport", "old.jar", "--reason", "end of life"],
        ):
            here, there = pair.run(*words)
            assert (here.code, there.code) == (0, 0), (here, there)
        yield pair


COMMANDS = {
    "notarize": ["notarize", "new.jar"],
    "notarize-several": ["notarize", "app.jar", "new.jar", "tree", "--job", JOB],
    "notarize-digest": ["notarize", DIGEST, "--name", "foreign"],
    "notarize-with-facts": [
        *("notarize", "new.jar", "-a", "release=1.2", "--reason", "rebuilt"),
        *("--attach", "policy.yaml:policy", "--receipts", "receipts"),
    ],
    "notarize-pushed-image": [
        *("notarize", "image://registry.example.com/app:1.2"),
        *("--digest-file", "pushed.json"),
    ],
    "notarize-pushed-other": [
        *("notarize", "image://registry.example.com/web", "--digest-file"),
        "pushed.json",
    ],
    "notarize-pushed-file": ["notarize", "app.jar", "--digest-file", "pushed.json"],
    "notarize-nothing": ["notarize"],
    "notarize-empty-word": ["notarize", ""],
    "notarize-missing-file": ["notarize", "gone.jar"],
    "notarize-two-faults": ["notarize", "gone.jar", "nope.jar"],
    "notarize-bare-digest": ["notarize", DIGEST],
    "notarize-bad-digest": ["notarize", "sha256:00", "--name", "x"],
    "notarize-bad-job": ["notarize", "app.jar", "--job", "payments"],
    "notarize-bad-attribute": ["notarize", "app.jar", "-a", "1=2"],
    "notarize-no-equals": ["notarize", "app.jar", "-a", "release"],
    "notarize-supersede-without-reason": ["notarize", "app.jar", "--supersede", "1"],
    "notarize-supersede-wrong": [
        *("notarize", "app.jar", "--supersede", "99", "--reason", "x"),
    ],
    "notarize-unknown-option": ["notarize", "app.jar", "--frobnicate"],
    "notarize-unknown-scheme": ["notarize", "ftp://example.com/a"],
    "untrust": ["untrust", "new.jar", "--reason", "leaked"],
    "untrust-without-reason": ["untrust", "app.jar"],
    "unsupport": ["unsupport", DIGEST, "--reason", "old"],
    "authenticate-trusted": ["authenticate", "app.jar"],
    "authenticate-untrusted": ["authenticate", "bad.jar"],
    "authenticate-unsupported": ["authenticate", "old.jar"],
    "authenticate-unknown": ["authenticate", "policy.yaml"],
    "authenticate-several": ["authenticate", "app.jar", "bad.jar", "policy.yaml"],
    "authenticate-missing-too": ["authenticate", "app.jar", "gone.jar"],
    "authenticate-only-missing": ["authenticate", "gone.jar"],
    "authenticate-digest": ["authenticate", DIGEST],
    "authenticate-strict": ["authenticate", "app.jar", "--strict"],
    "authenticate-other-org": ["authenticate", "app.jar", "--org", "acme"],
    "authenticate-bad-signer": ["authenticate", "app.jar", "--signer", "0x12"],
    "authenticate-as-of": ["authenticate", "app.jar", "--as-of", "1"],
    "authenticate-bad-time": ["authenticate", "app.jar", "--as-of", "yesterday"],
    "gate-allowed": ["gate", "--policy", "policy.yaml", "app.jar"],
    "gate-denied": ["gate", "--policy", "policy.yaml", "bad.jar", "app.jar"],
    "gate-missing-asset": ["gate", "--policy", "policy.yaml", "gone.jar"],
    "gate-wrong-policy": ["gate", "--policy", "wrong.yaml", "app.jar"],
    "gate-no-policy": ["gate", "app.jar"],
    "evidence": ["evidence", JOB],
    "evidence-receipts": ["evidence", "--digest", DIGEST, "--receipt"],
    "evidence-folder": ["evidence", "--job", "payments/*", "--limit", "1"],
    "evidence-none": ["evidence", "payments/main#43"],
    "evidence-nothing-asked": ["evidence"],
    "attach": ["attach", "policy.yaml", "--job", JOB, "--label", "policy"],
    "attach-to-nothing": ["attach", "policy.yaml"],
    "attach-missing": ["attach", "gone.xml", "--job", JOB],
    "no-command": [],
    "unknown-command": ["frobnicate"],
}
"""Command lines by what they show; both programs run them in this order."""


@pytest.mark.parametrize("name", COMMANDS)
def test_both_programs_answer_alike(two: Two, name: str) -> None:
    here, there = two.run(*COMMANDS[name], "-o", "json")

    assert here.code == there.code, (here, there)
    if not here.stdout:
        assert there.stdout == b""
        return
    assert words(here.json) == words(there.json)
    # An error's parts may be fewer where another layer finds it.
    if "error" not in here.json:
        assert shape(here.json) == shape(there.json)


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        pytest.param(["-"], b"app.jar\nnew.jar\n", id="lines"),
        pytest.param(["-0", "-"], b"app.jar\0new.jar\0", id="nul"),
        pytest.param(["-"], b"app.jar\r\nnew.jar\r\n", id="windows-lines"),
        pytest.param(["-"], b"app.jar\n\nnew.jar\n", id="blank-line"),
        pytest.param(["-"], b"", id="empty"),
    ],
)
@pytest.mark.parametrize("command", ["notarize", "authenticate"])
def test_both_programs_read_lists_alike(
    two: Two, command: str, argv: list[str], stdin: bytes
) -> None:
    here, there = two.run(command, *argv, "-o", "json", stdin=stdin)

    assert here.code == there.code, (here, there)
    assert shape(here.json) == shape(there.json)


def test_both_programs_write_the_same_receipt_files(two: Two) -> None:
    files = []
    for folder in ("here", "there"):
        here, there = two.run("notarize", "app.jar", "tree", "--receipts", folder)
        assert (here.code, there.code) == (0, 0)
        files.append(sorted(one.name for one in (two.folder / folder).iterdir()))

    assert files[0] == files[1]
    assert files[0][0] == "app.jar.dsse.json"


def test_receipt_of_the_service_verifies_offline(two: Two) -> None:
    _, done = two.run("notarize", "app.jar", "--receipts", "checked")
    assert done.code == 0
    folder = two.folder / "checked"
    checked = program(
        *("receipt", "verify", str(folder / "app.jar.tlog-proof")),
        *("--envelope", str(folder / "app.jar.dsse.json")),
        *("--log", two.vkey, "-o", "json"),
    )

    assert checked.code == 0, checked
    assert checked.json["status"] == "TRUSTED"


def test_both_programs_have_the_same_help(two: Two) -> None:
    for command in ("notarize", "authenticate", "gate", "evidence", "attach"):
        here, there = two.run(command, "--help")

        assert (here.code, here.stdout) == (there.code, there.stdout)


def shape(value: Any) -> object:  # noqa: ANN401 - any JSON
    """Return a document with each value replaced by its type.

    A service's statements say more: who sent them, and that their job is asserted.
    """
    if isinstance(value, dict):
        kept = value.keys() - {"submitter", "identity", "class"}
        return {key: shape(one) for key, one in value.items() if key in kept}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__


def words(value: Any) -> object:  # noqa: ANN401 - any JSON
    """Return what callers decide by: status and code of each item, or the error."""
    if "error" in value:
        return value["error"], value["code"]
    items = value.get("assets", value.get("records"))
    return [(one.get("name"), one.get("status"), one["code"]) for one in items]


def test_shape_tells_documents_apart() -> None:
    assert shape(json.loads('{"a": [1, null]}')) == {"a": ["int", "NoneType"]}

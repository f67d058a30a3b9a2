"""Notarize, authenticate and the rest of the main job, as a person would."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.command import command

if TYPE_CHECKING:
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#42"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "app.jar"
    path.write_bytes(b"bytes of an application")
    return path


@pytest.fixture
def recorded(app: Path) -> Path:
    """Return a file that is TRUSTED."""
    assert command("notarize", "app.jar", "--job", JOB).code == 0
    return app


def digest_of(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_first_notarize_makes_key_and_ledger_and_says_so(app: Path) -> None:
    done = command("notarize", "app.jar", "--job", JOB, "-o", "json")
    again = command("notarize", "app.jar", "--job", JOB)

    (one,) = done.json["assets"]
    assert done.code == 0
    assert one["digest"] == digest_of(app)
    assert (one["status"], one["code"], one["job"]) == ("TRUSTED", 0, JOB)
    assert one["receipt"].startswith("c2sp.org/tlog-proof@v1\n")
    assert "created signing key" in done.stderr
    assert again.stderr == ""


def test_quiet_says_nothing_but_the_result(app: Path) -> None:
    done = command("notarize", "app.jar", "--quiet")

    assert app.name in done.text
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        pytest.param(b"", 0, "TRUSTED", id="same"),
        pytest.param(b"x", 2, "UNKNOWN", id="changed"),
    ],
)
def test_authenticate_tells_status_and_next_step(
    recorded: Path, change: bytes, code: int, word: str
) -> None:
    recorded.write_bytes(recorded.read_bytes() + change)

    done = command("authenticate", "app.jar")

    assert done.code == code
    assert done.text.startswith(f"{word}  app.jar\n")
    assert digest_of(recorded) in done.text
    assert ("next" in done.text) == (code != 0)


def test_untrusted_stays_until_it_is_superseded(recorded: Path) -> None:
    untrusted = command("untrust", "app.jar", "--reason", "CVE-1", "-o", "json")
    index = untrusted.json["assets"][0]["index"]
    rebuilt = command("notarize", "app.jar", "--job", JOB)
    after = command("authenticate", "app.jar")
    lifted = command(
        *("notarize", "app.jar", "--supersede", str(index), "--reason", "reviewed")
    )

    assert recorded.exists()
    assert (untrusted.code, rebuilt.code, after.code) == (0, 0, 1)
    assert "CVE-1" in after.text
    assert f"--supersede {index}" in after.text
    assert lifted.code == 0
    assert command("authenticate", "app.jar").code == 0


def test_changes_of_a_folder_are_listed(app: Path) -> None:
    (app.parent / "out").mkdir()
    (app.parent / "out/a").write_text("a")
    (app.parent / "out/b").write_text("b")
    command("notarize", "dir://out")
    (app.parent / "out/a").write_text("changed")
    (app.parent / "out/c").write_text("c")

    done = command("authenticate", "dir://out")

    assert done.code == 2
    assert "  modified  a\n" in done.text
    assert "  new  c\n" in done.text


def test_unsupported_is_3(recorded: Path) -> None:
    assert command("unsupport", recorded.name, "--reason", "old").code == 0
    assert command("authenticate", recorded.name).code == 3


def test_worst_of_several_is_the_code_and_each_is_printed(recorded: Path) -> None:
    (recorded.parent / "b").write_text("b")

    done = command("authenticate", "app.jar", "b", "missing", "-o", "json")

    codes = [one["code"] for one in done.json["assets"]]
    assert codes == [0, 2, 66]
    assert done.code == 66
    assert done.json["assets"][2]["error"]["error"] == "not-found"


def test_error_of_an_asset_is_shown_in_text(recorded: Path) -> None:
    done = command("authenticate", recorded.name, "missing")

    assert done.text.count("\nERROR  missing\n  reason") == 1


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        pytest.param(["-"], b"app.jar\nb c\n", id="lines"),
        pytest.param(["-0"], b"app.jar\0b c\0", id="nul"),
        pytest.param(["--null", "-"], b"app.jar\0b c\0", id="nul-and-dash"),
    ],
)
def test_list_on_standard_input(app: Path, argv: list[str], stdin: bytes) -> None:
    (app.parent / "b c").write_text("b")

    done = command("notarize", *argv, "-o", "json", stdin=stdin)

    assert [one["name"] for one in done.json["assets"]] == ["app.jar", "b c"]


def test_faults_are_listed_together_and_nothing_is_recorded(app: Path) -> None:
    done = command("notarize", app.name, "missing", "", "-o", "json")

    assert done.code == 66
    assert {one["code"] for one in done.json["faults"]} == {64, 66}
    assert command("authenticate", app.name).code == 66


def test_reading_a_missing_ledger_is_66_and_makes_none(app: Path) -> None:
    done = command("authenticate", app.name)

    assert done.code == 66
    assert not os.path.exists(os.environ["XDG_DATA_HOME"] + "/jenkins-notary/ledger.db")


def test_attributes_and_attachments_are_recorded(app: Path) -> None:
    (app.parent / "report.xml").write_text("<report/>")

    command(
        *("notarize", "app.jar", "-a", "release=1.2", "-a", "note=a=b,c"),
        *("--attach", "report.xml:tests", "--job", JOB),
    )
    record = command("inspect", "app.jar", "-o", "json").json["records"][0]

    assert record["predicate"]["attributes"] == {"note": "a=b,c", "release": "1.2"}
    assert record["predicate"]["attachments"][0]["label"] == "tests"


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["-a", "release"], id="no-value"),
        pytest.param(["-a", "a=1", "-a", "a=2"], id="twice"),
        pytest.param(["--supersede", "x"], id="no-index"),
        pytest.param(["--job", "payments"], id="no-job-id"),
        pytest.param(["--receipts", ""], id="no-folder"),
    ],
)
def test_wrong_option_is_64(app: Path, argv: list[str]) -> None:
    assert command("notarize", app.name, *argv).code == 64


def test_receipts_stand_beside_their_envelopes(app: Path) -> None:
    (app.parent / "sub").mkdir()
    (app.parent / "sub/app.jar").write_text("another")

    done = command(
        *("notarize", "app.jar", "sub/app.jar", "--receipts", "out", "-o", "json")
    )

    assert sorted(os.listdir("out")) == [
        "app.jar.dsse.json",
        "app.jar.tlog-proof",
        "app.jar~1.dsse.json",
        "app.jar~1.tlog-proof",
    ]
    for one, name in zip(done.json["assets"], ("app.jar", "app.jar~1"), strict=True):
        receipt = (app.parent / f"out/{name}.tlog-proof").read_text()
        assert receipt == one["receipt"]


def test_receipt_is_verified_with_no_ledger_at_hand(app: Path) -> None:
    command("notarize", app.name, "--receipts", "out", "--job", JOB)
    vkey = command("ledger", "status", "-o", "json").json["vkey"]
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        os.rename(os.environ[name], os.environ[name] + "-gone")
    argv = ["out/app.jar.tlog-proof", "--envelope", "out/app.jar.dsse.json"]

    done = command("receipt", "verify", *argv, "--log", vkey, "-o", "json")
    receipt = app.parent / "out/app.jar.tlog-proof"
    receipt.write_text(receipt.read_text().replace("index 1", "index 0"))
    changed = command("receipt", "verify", *argv, "--log", vkey)

    assert done.code in {0, 2}
    assert done.json["index"] == 1
    assert changed.code == 65


def test_receipt_folder_that_is_a_file_stops_before_anything_is_recorded(
    app: Path,
) -> None:
    done = command("notarize", app.name, "--receipts", app.name)

    assert done.code == 64
    assert command("authenticate", app.name).code == 66


def test_folder_in_place_of_a_receipt_is_74_and_the_records_stand(app: Path) -> None:
    (app.parent / "out/app.jar.tlog-proof").mkdir(parents=True)

    done = command("notarize", app.name, "--receipts", "out")

    assert done.code == 74
    assert "recorded (#1 to #1)" in done.stderr
    assert os.listdir("out") == ["app.jar.tlog-proof"]
    assert command("authenticate", app.name).code == 0


def test_negative_records_have_receipts_too(recorded: Path) -> None:
    argv = ["--reason", "x", "--receipts", "out"]

    assert command("untrust", recorded.name, *argv).code == 0
    assert sorted(os.listdir("out")) == ["app.jar.dsse.json", "app.jar.tlog-proof"]


def test_stored_envelopes_are_printed_a_line_each(recorded: Path) -> None:
    command("untrust", recorded.name, "--reason", "x")

    done = command("inspect", recorded.name, "--envelope")

    lines = done.text.splitlines()
    assert len(lines) == 2
    assert {json.loads(one)["payloadType"] for one in lines} == {
        "application/vnd.in-toto+json"
    }


def test_history_shows_every_record(recorded: Path) -> None:
    command("untrust", recorded.name, "--reason", "CVE-1")

    done = command("inspect", digest_of(recorded))

    assert "#1  notarization  TRUSTED" in done.text
    assert "#2  notarization  UNTRUSTED" in done.text
    assert "CVE-1" in done.text
    assert JOB in done.text


def test_limit_must_be_positive(recorded: Path) -> None:
    assert command("inspect", recorded.name, "--limit", "0").code == 64


def test_earlier_state_is_shown_as_of_a_size(recorded: Path) -> None:
    command("untrust", recorded.name, "--reason", "x")

    assert command("authenticate", recorded.name).code == 1
    assert command("authenticate", recorded.name, "--as-of", "2").code == 0


def test_only_the_named_signer_counts(recorded: Path) -> None:
    signer = command("key", "show", "-o", "json").json["signer"]
    other = "0x" + "1" * 40

    assert command("authenticate", recorded.name, "--signer", signer).code == 0
    assert command("authenticate", recorded.name, "--signer", other).code == 2
    assert command("authenticate", recorded.name, "--org", "acme").code == 2
    assert command("authenticate", recorded.name, "--strict").code == 0


def test_options_come_from_file_and_environment(recorded: Path) -> None:
    (recorded.parent / "c.yaml").write_text("org: acme\noutput: yaml\n")
    environ = {"JENKINS_NOTARY_CONFIG": "c.yaml"}

    from_file = command("authenticate", recorded.name, environ=environ)
    environ["JENKINS_NOTARY_OUTPUT"] = "json"
    from_variable = command("authenticate", recorded.name, environ=environ)
    from_flag = command("authenticate", recorded.name, "-o", "text", environ=environ)

    assert yaml.safe_load(from_file.stdout)["assets"][0]["status"] == "UNKNOWN"
    assert from_variable.json["assets"][0]["status"] == "UNKNOWN"
    assert from_flag.text.startswith("UNKNOWN")


def test_hostile_name_does_nothing_to_a_terminal(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "x\x1b[2J\nTRUSTED  y\u202e"
    (app.parent / name).write_text("x")
    command("notarize", f"file://{name}")

    for argv in (["authenticate", f"file://{name}"], ["inspect", f"file://{name}"]):
        done = command(*argv, terminal=True)
        assert "\x1b[2J" not in done.text
        assert "\u202e" not in done.text
        assert "\nTRUSTED  y" not in done.text
    monkeypatch.undo()


def test_import_records_digests_of_a_file(app: Path) -> None:
    (app.parent / "a.csv").write_text(f"digest,name\n{digest_of(app)},app.jar\n")

    done = command("import", "a.csv", "--job", JOB, "-o", "json")

    assert done.code == 0
    assert done.json["assets"][0]["digest"] == digest_of(app)
    assert command("authenticate", app.name).code == 0


def test_faulty_import_names_every_line(app: Path) -> None:
    (app.parent / "a.csv").write_text("digest,name\nx,a\ny,b\n")

    done = command("import", "a.csv")

    assert done.code == 64
    assert "line 2" in done.stderr
    assert "line 3" in done.stderr


def test_gate_allows_and_denies(recorded: Path) -> None:
    policy = "version: 1\nrules:\n  - name: release\n    require: {status: [TRUSTED]}\n"
    (recorded.parent / "p.yaml").write_text(policy)
    (recorded.parent / "b").write_text("b")

    allowed = command("gate", "--policy", "p.yaml", "app.jar")
    denied = command("gate", "--policy", "p.yaml", "app.jar", "b")
    broken = command("gate", "--policy", "p.yaml", "b", "missing", "-o", "json")

    assert (allowed.code, denied.code, broken.code) == (0, 5, 66)
    assert allowed.text.startswith("ALLOWED  app.jar\n  digest  sha256:")
    assert "\nDENIED  b\n" in denied.text
    assert (
        "  reason  rule release, status: expected TRUSTED, got UNKNOWN" in denied.text
    )
    assert [one["code"] for one in broken.json["assets"]] == [5, 66]


def test_faulty_policy_is_78_with_all_faults(recorded: Path) -> None:
    (recorded.parent / "p.yaml").write_text("version: 1\nrules: [{colour: red}]\n")

    assert command("gate", "--policy", "p.yaml", "app.jar").code == 78


def test_policy_that_is_a_folder_is_64(recorded: Path) -> None:
    assert command("gate", recorded.name, "--policy", ".").code == 64


def test_gate_without_a_policy_is_64_and_with_a_missing_one_66(recorded: Path) -> None:
    assert command("gate", recorded.name).code == 64
    assert command("gate", recorded.name, "--policy", "none.yaml").code == 66


def test_doctor_finds_all_well_after_the_first_record(recorded: Path) -> None:
    done = command("doctor", "-o", "json")

    assert recorded.exists()
    assert done.code == 0
    assert all(one["ok"] for one in done.json["checks"])


def test_doctor_on_a_new_machine_says_what_to_do() -> None:
    done = command("doctor")

    assert done.code == 66
    assert "ERROR  " in done.text

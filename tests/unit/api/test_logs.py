from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.logs.excerpts import verify_proof
from jenkins_notary.api.logs.keeping import keep_log
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.evidence.checkpoint_lines import format_checkpoint_line
from jenkins_notary.values.statement import Subject
from tests.unit.api.people import JOB, stranger, tamper

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

STARTED = "2026-01-02T03:04:05.006Z"
TEXT = b"""Started
[Pipeline] { (Build)
+ make
[Pipeline] }
[Pipeline] { (Test)
+ make test
ERROR: no
[Pipeline] }
Finished: FAILURE
"""


def record(notary: Notary, data: bytes, **facts: Any) -> int:  # noqa: ANN401 - passed on
    """Record a log as the collector does; return its index."""
    session = notary._session
    policy = facts.pop("policy", "hold")
    kept = keep_log(session, io.BytesIO(data), policy=policy)
    said = {
        "job": {"id": JOB},
        "build": {"number": 42, "startedAt": STARTED},
        "form": "consoleText",
        "source": "controller",
        "state": "whole",
        **kept.facts,
        **facts,
    }
    subject = Subject("build log", kept.body.sha256_hex)
    (index,) = session.append([session.author().sign("log", [subject], said)])
    return index


def read(notary: Notary, **choice: Any) -> bytes:  # noqa: ANN401 - passed on
    """Return what is read of a log."""
    return b"".join(notary.read_log(JOB, **choice))


def stage(name: str, *ranges: list[int], source: str = "controller") -> dict[str, Any]:
    """Return a stage as a record lists it."""
    return {"name": name, "id": "7", "lines": list(ranges), "source": source}


# Which log


def test_log_of_the_controller_goes_before_one_that_an_agent_put(
    notary: Notary,
) -> None:
    index = record(notary, TEXT)
    record(notary, b"all is well\n", source="agent")

    found = notary.find_log(JOB)
    assert found.log.record.index == index
    assert found.log.source == "controller"
    assert "read from the controller" in found.log.describe()
    assert read(notary) == TEXT


def test_whole_log_goes_before_one_that_grew(notary: Notary) -> None:
    record(notary, TEXT)
    record(notary, TEXT[:8], state="growing")

    assert read(notary) == TEXT


def test_log_that_grew_is_read_piece_by_piece(notary: Notary) -> None:
    previous = None
    for piece in (TEXT[:20], TEXT[20:21], TEXT[21:]):
        previous = record(
            notary, piece, state="growing", form="progressiveText", previous=previous
        )

    found = notary.find_log(JOB)
    assert (found.log.state, found.log.form) == ("growing", "progressiveText")
    assert [one.index for one in found.log.pieces] == [1, 2, 3]
    assert "3 pieces" in found.log.describe()
    assert read(notary) == TEXT
    assert list(notary.search_log(JOB, grep="ERROR")) == [(7, b"ERROR: no")]
    with pytest.raises(UsageError, match="3 pieces"):
        notary.prove_lines(found, (1, 1))


@pytest.mark.parametrize(
    "previous",
    [
        pytest.param(0, id="no-log"),
        pytest.param(99, id="not-there"),
        pytest.param(3, id="itself"),
        pytest.param("1", id="no-index"),
        pytest.param(2, id="by-a-stranger"),
    ],
)
def test_broken_chain_is_refused(notary: Notary, previous: object) -> None:
    record(notary, TEXT, state="growing")
    body = notary.find_log(JOB).to_dict()
    assert body["index"] == 1
    envelope = stranger("eve").sign(
        "log", [], {"job": {"id": JOB}, "state": "growing", "form": "progressiveText"}
    )
    notary._session.append([envelope])
    record(notary, TEXT, state="growing", previous=previous)

    with pytest.raises(IntegrityError):
        read(notary)


def test_held_pieces_are_released_together(notary: Notary) -> None:
    first = record(notary, b"password = 'hunter2-and'\n", state="growing")
    second = record(notary, b"clean\n", state="growing", previous=first)
    record(notary, b"token: ab12cd34ef56\n", state="growing", previous=second)

    with pytest.raises(PermissionDeniedError):
        read(notary)
    notary.release_log(JOB, reason="both were changed")
    assert read(notary).count(b"\n") == 3
    assert notary.ledger.status().tree_size == 6


def test_build_whose_log_was_lost_says_when(notary: Notary) -> None:
    facts = {"job": {"id": JOB}, "gaps": {"log": "missing"}}
    notary._session.append([notary._session.author().sign("corroboration", [], facts)])

    with pytest.raises(NotFoundError, match="it was missing when record #1 was made"):
        read(notary)


# Stages


def test_stage_has_the_bounds_that_the_controller_gave(notary: Notary) -> None:
    record(notary, TEXT, stages=[stage("Test", [5, 6], [8, 8]), stage("Build", [2, 4])])

    found = notary.find_log(JOB, stage="Test")
    assert found.bounds == "controller"
    assert found.ranges == [(5, 6), (8, 8)]
    assert b"".join(notary.read_log(found)) == (
        b"[Pipeline] { (Test)\n+ make test\n[Pipeline] }\n"
    )
    assert "bounds by the controller" in str(found.describe())


def test_every_run_of_a_stage_is_read_and_told(notary: Notary) -> None:
    record(notary, TEXT, stages=[stage("Build", [2, 2]), stage("Build", [4, 4])])

    found = notary.find_log(JOB, stage="Build")
    assert "2 runs, lines 2-2, 4-4" in str(found.describe())
    assert len(found.to_dict()["stages"]) == 2


def test_stage_by_text_is_labelled_forgeable(notary: Notary) -> None:
    record(notary, TEXT)

    found = notary.find_log(JOB, stage="Test")
    assert (found.bounds, found.ranges) == ("text", [(5, 8)])
    assert "by text, forgeable" in str(found.describe())
    assert found.to_dict()["bounds"] == "text"
    assert list(notary.search_log(found, grep="make")) == [(6, b"+ make test")]
    assert list(notary.search_log(found, lines=(1, 5))) == [(5, b"[Pipeline] { (Test)")]


def test_stage_that_does_not_end_goes_to_the_end_of_the_log(notary: Notary) -> None:
    record(notary, b"[Pipeline] { (Build)\nmake\naborted")

    assert notary.find_log(JOB, stage="Build").ranges == [(1, 3)]


def test_forged_mark_is_not_heard_where_the_controller_gave_bounds(
    notary: Notary,
) -> None:
    forged = TEXT.replace(
        b"+ make\n", b"[Pipeline] { (Deploy)\nall well\n[Pipeline] }\n"
    )
    record(notary, forged, stages=[stage("Build", [2, 6])])

    with pytest.raises(NotFoundError, match="a stage of the log: Build"):
        read(notary, stage="Deploy")


def test_stages_that_an_agent_claims_are_no_bounds_of_the_controller(
    notary: Notary,
) -> None:
    record(notary, TEXT, stages=[stage("Test", [1, 1], source="agent")])

    assert notary.find_log(JOB, stage="Test").bounds == "text"


def test_stages_of_the_provenance_serve_a_log_without_its_own(notary: Notary) -> None:
    record(notary, TEXT)
    session = notary._session
    listed = [{"name": "Test", "id": "9", "lines": [[6, 7]]}]
    predicate = {
        "runDetails": {
            "byproducts": [{"name": "stages", "annotations": {"stages": listed}}]
        }
    }
    facts = {"job": {"id": JOB}, "build": {"startedAt": STARTED}}
    envelope = session.author().sign_standard(
        "https://slsa.dev/provenance/v1", [], predicate, facts
    )
    session.append([envelope])

    found = notary.find_log(JOB, stage="Test")
    assert (found.bounds, found.ranges) == ("controller", [(6, 7)])


def test_stages_without_lines_tell_which_marks_are_forged(notary: Notary) -> None:
    record(notary, TEXT.replace(b"make test", b"x\n[Pipeline] { (Deploy)"))
    session = notary._session
    listed = [{"name": "Build"}, {"name": "Test"}]
    byproducts = [7, {"name": "stages", "annotations": {"stages": listed}}]
    facts = {"job": {"id": JOB}, "build": {"startedAt": STARTED}}
    kind = "https://slsa.dev/provenance/v1"
    predicate = {"runDetails": {"byproducts": byproducts}}
    session.append([session.author().sign_standard(kind, [], predicate, facts)])

    assert notary.find_log(JOB, stage="Build").bounds == "text"
    with pytest.raises(NotFoundError, match="a stage of the log: Build, Test"):
        notary.find_log(JOB, stage="Deploy")


def test_provenance_without_stages_bounds_nothing(notary: Notary) -> None:
    record(notary, TEXT)
    session = notary._session
    facts = {"job": {"id": JOB}, "build": {"startedAt": STARTED}}
    kind = "https://slsa.dev/provenance/v1"
    for predicate in ({}, {"runDetails": {"byproducts": [{"name": "stages"}]}}):
        session.append([session.author().sign_standard(kind, [], predicate, facts)])

    assert notary.find_log(JOB, stage="Build").bounds == "text"


def test_own_log_of_a_stage_goes_before_its_lines(notary: Notary) -> None:
    record(notary, TEXT)
    record(notary, b"only this\n", stage="Test", source="agent")

    assert read(notary, stage="Test") == b"only this\n"
    assert (
        ", stage Test: record #2, put by"
        in notary.find_log(JOB, stage="Test").log.describe()
    )
    assert notary.find_log(JOB, stage="Test").to_dict()["bounds"] == "record"


# Checkpoints


def test_checkpoints_in_a_log_count_by_their_signature_alone(notary: Notary) -> None:
    note = notary.ledger.status().checkpoint.encode()
    good, forged = format_checkpoint_line(note), format_checkpoint_line(b"x" + note)
    record(notary, b"one\n" + good + forged + b"four\n")

    found = notary.log_checkpoints(notary.find_log(JOB))
    assert [(one.line, one.checkpoint.size) for one in found.verified] == [(2, 1)]
    assert found.ignored == 1


def test_checkpoint_of_a_forked_ledger_is_a_contradiction(
    admin: Person, notary: Notary, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    notary.ledger.backup(str(backup), with_key=True)
    admin.record("here")
    copy = admin.notary(at=backup / "ledger.db", environ={"HOME": str(tmp_path)})
    copy.ledger.status()
    for name in ("there", "and there"):
        (tmp_path / name).write_text(name)
        copy._session.append(
            [notary._session.author().sign("log", [], {"job": {"id": name + "#1"}})]
        )
    line = format_checkpoint_line(copy.ledger.status().checkpoint.encode())
    record(notary, b"one\n" + line)

    with pytest.raises(IntegrityError):
        notary.log_checkpoints(notary.find_log(JOB))


# Proven lines


def proof(notary: Notary, **choice: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
    """Return lines of the log with their proof."""
    lines = choice.pop("lines", None)
    made: dict[str, Any] = notary.prove_lines(notary.find_log(JOB, **choice), lines)
    return made


def test_lines_are_proven_with_no_ledger_at_hand(notary: Notary) -> None:
    record(notary, TEXT)
    vkey = notary.ledger.status().vkey
    data = json.dumps(proof(notary, lines=(6, 7))).encode()

    proven = verify_proof(data, vkey=vkey)
    assert [one.text for one in proven.lines] == [b"+ make test\nERROR: no\n"]
    assert proven.to_dict()["lines"][0]["first"] == 6
    assert proven.to_dict()["job"] == JOB
    assert proven.receipt.signed_by == notary.show_key().signer


def test_stage_is_proven_range_by_range(notary: Notary) -> None:
    record(notary, TEXT, stages=[stage("Test", [5, 6], [8, 8])])
    data = json.dumps(proof(notary, stage="Test")).encode()

    proven = verify_proof(data, vkey=notary.ledger.status().vkey)
    assert [one.first_line for one in proven.lines] == [5, 8]


def test_altered_proof_is_refused(notary: Notary) -> None:
    record(notary, TEXT)
    record(notary, TEXT + b"more\n")
    vkey = notary.ledger.status().vkey
    good = proof(notary, lines=(6, 7))
    other = dict(good)
    other["receipt"] = good["receipt"].replace("index 2", "index 1")
    altered: object
    for altered in (
        {},
        [],
        {**good, "format": "jenkins-notary-proof-v2"},
        {**good, "excerpts": []},
        {**good, "excerpts": [{}]},
        {**good, "excerpts": good["excerpts"] * 101},
        {**good, "envelope": good["envelope"].replace("A", "B", 1)},
        {**good, "envelope": 7},
        {**good, "envelope": "\udcff"},
        other,
        {
            **good,
            "excerpts": [
                {**good["excerpts"][0], "firstLine": 5, "lastLine": 6},
            ],
        },
    ):
        with pytest.raises(NotaryError):
            verify_proof(json.dumps(altered).encode(), vkey=vkey)
    with pytest.raises(IntegrityError):
        verify_proof(b"\xff", vkey=vkey)


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        pytest.param({}, UsageError, id="neither"),
        pytest.param({"lines": (1, 2), "stage": "Test"}, UsageError, id="both"),
        pytest.param({"lines": (50, 60)}, NotFoundError, id="behind-the-end"),
    ],
)
def test_lines_that_cannot_be_proven_say_why(
    notary: Notary, choice: dict[str, Any], kind: type[Exception]
) -> None:
    record(notary, TEXT, stages=[stage("Test", [5, 6])])

    with pytest.raises(kind):
        proof(notary, **choice)


def test_held_log_gives_no_proven_lines(notary: Notary) -> None:
    record(notary, b"password = 'hunter2-and-more'\n")

    with pytest.raises(PermissionDeniedError):
        proof(notary, lines=(1, 1))


def test_forged_row_leads_to_no_log(admin: Person, notary: Notary) -> None:
    from jenkins_notary.values.leaf import hash_job

    record(notary, TEXT)
    other = JOB.replace("42", "43")
    key = bytes.fromhex(hash_job(other))
    tamper(admin.ledger, "INSERT INTO job_row VALUES (?, 1)", key)

    with pytest.raises(NotFoundError):
        list(notary.read_log(other))


@pytest.mark.slow
def test_log_of_one_endless_line_is_read_in_little_memory(
    notary: Notary, tmp_path: Path
) -> None:
    size = 300 << 20

    class Endless(io.RawIOBase):
        left = size

        def read(self, length: int = -1) -> bytes:
            length = min(length, self.left)
            self.left -= length
            return b"x" * length

    begun = time.monotonic()
    session = notary._session
    kept = keep_log(session, Endless())  # type: ignore[arg-type]  # It only reads.
    said = {"job": {"id": JOB}, "source": "controller", **kept.facts}
    session.append([session.author().sign("log", [Subject("l", "ab" * 32)], said)])

    assert sum(map(len, notary.read_log(JOB))) == size
    (found,) = notary.search_log(JOB, grep="x")
    assert found[1].endswith(b" [... cut: a line of %d bytes]" % size)
    with pytest.raises(NotFoundError):
        read(notary, stage="Build")
    assert time.monotonic() - begun < 100
    assert tmp_path.exists()

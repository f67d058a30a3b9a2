from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.checkpoint_lines import (
    MARK,
    MAX_CHECKED,
    MAX_NOTE,
    format_checkpoint_line,
    parse_checkpoint_line,
    read_checkpoint_lines,
)
from jenkins_notary.keys.log_key import generate_log_key, load_log_verifier
from jenkins_notary.tlog.checkpoint import Checkpoint, format_checkpoint
from jenkins_notary.tlog.note import sign_note

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.keys.log_key import LogSigner


@pytest.fixture
def key(tmp_path: Path) -> LogSigner:
    """The ledger's key."""
    return generate_log_key(str(tmp_path / "ledger.key"), "example.com/log")


def note(key: LogSigner, size: int = 7) -> bytes:
    """Return a signed checkpoint."""
    text = format_checkpoint(Checkpoint("example.com/log", size, bytes(32)))
    return sign_note(text, [key])


def test_signed_line_is_verified_and_others_are_counted(
    key: LogSigner, tmp_path: Path
) -> None:
    other = generate_log_key(str(tmp_path / "other.key"), "example.com/log")
    good = format_checkpoint_line(note(key))
    altered = bytearray(note(key))
    altered[17] ^= 1
    lines = [
        (3, good),
        (5, format_checkpoint_line(note(other))),
        (6, format_checkpoint_line(bytes(altered))),
        (7, MARK + b"no base64!"),
        (8, MARK),
        (9, b"echo " + good),
        (11, good.rstrip() + b"\r"),
    ]

    found = read_checkpoint_lines(lines, [load_log_verifier(key.vkey)])
    assert [(one.line, one.checkpoint.size) for one in found.verified] == [
        (3, 7),
        (11, 7),
    ]
    assert found.ignored == 5


def test_line_cut_anywhere_or_changed_anywhere_does_not_count(key: LogSigner) -> None:
    line = format_checkpoint_line(note(key)).rstrip()
    verifiers = [load_log_verifier(key.vkey)]
    lines = [(1, line[:stop]) for stop in range(len(line))]
    lines += [
        (1, line[:at] + (b"A" if line[at : at + 1] != b"A" else b"B") + line[at + 1 :])
        for at in range(len(MARK), len(line))
    ]

    assert read_checkpoint_lines(lines, verifiers).verified == ()


def test_flood_of_lines_is_checked_only_so_far(key: LogSigner) -> None:
    lines = [
        (n, format_checkpoint_line(note(key, n))) for n in range(1, MAX_CHECKED + 9)
    ]

    found = read_checkpoint_lines(lines, [load_log_verifier(key.vkey)])
    assert (len(found.verified), found.ignored) == (MAX_CHECKED, 8)


@pytest.mark.parametrize("size", [0, MAX_NOTE + 1])
def test_note_out_of_bounds_is_not_written_nor_read(size: int) -> None:
    with pytest.raises(UsageError):
        format_checkpoint_line(b"x" * size)
    assert parse_checkpoint_line(MARK + b64encode(b"x" * size)) is None

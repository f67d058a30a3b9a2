from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from jenkins_notary.api.logs.keeping import KeptLog, keep_log
from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.values.body import CHUNK_SIZE, parse_body

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

SECRET = b"hunter2-and-more"
LEAKY = b"one\ntwo\npassword = '" + SECRET + b"'\nfour\n"


def keep(notary: Notary, data: bytes, policy: str = "hold") -> KeptLog:
    """Keep a log."""
    return keep_log(notary._session, io.BytesIO(data), policy=policy)


def stored(folder: Path) -> list[str]:
    """Return the names of all files below a folder."""
    return [name for _, _, names in os.walk(folder) for name in names]


def test_log_without_secrets_is_stored_whatever_the_policy(
    admin: Person, notary: Notary
) -> None:
    for policy in ("store", "hold", "digest"):
        kept = keep(notary, f"built under {policy}\n".encode(), policy)

        assert kept.facts["kept"] == "stored"
        assert kept.facts["findings"] == {"count": 0, "kinds": {}, "lines": []}
        assert notary._session.blobs.has(kept.body.sha256_hex)
    assert not admin.ledger.with_name("ledger.db.held").exists()


def test_log_with_secrets_is_held_where_nobody_else_reads(
    admin: Person, notary: Notary
) -> None:
    kept = keep(notary, LEAKY)

    held = admin.ledger.with_name("ledger.db.held")
    assert kept.facts["kept"] == "held"
    assert kept.facts["findings"] == {
        "count": 1,
        "kinds": {"password": 1},
        "lines": [{"line": 3, "kind": "password"}],
    }
    assert stored(admin.ledger.with_name("ledger.db.blobs")) == []
    assert stored(held) == [kept.body.sha256_hex]
    assert held.stat().st_mode & 0o777 == 0o700
    (path,) = [path for path in held.rglob("*") if path.is_file()]
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"".join(read_body(notary._session.held, kept.body)) == LEAKY


def test_log_with_secrets_is_stored_where_the_policy_says_so(notary: Notary) -> None:
    kept = keep(notary, LEAKY, "store")

    assert kept.facts["kept"] == "stored"
    assert cast("dict[str, Any]", kept.facts["findings"])["count"] == 1
    assert b"".join(read_body(notary._session.blobs, kept.body)) == LEAKY


def test_log_with_secrets_leaves_its_digest_alone(
    admin: Person, notary: Notary
) -> None:
    kept = keep(notary, LEAKY, "digest")

    assert kept.facts["kept"] == "digest"
    assert parse_body(kept.facts["body"]) == kept.body
    assert stored(admin.ledger.with_name("ledger.db.blobs")) == []
    assert stored(admin.ledger.with_name("ledger.db.held")) == []


def test_secret_across_a_chunk_border_holds_the_log_back(notary: Notary) -> None:
    place = LEAKY.index(SECRET) + len(SECRET) // 2
    data = b"x" * (CHUNK_SIZE - place - 1) + b"\n" + LEAKY

    kept = keep(notary, data)

    assert data[:CHUNK_SIZE].endswith(SECRET[: len(SECRET) // 2])
    assert kept.facts["kept"] == "held"


def test_no_finding_tells_the_secret(admin: Person, notary: Notary) -> None:
    kept = keep(notary, LEAKY)

    assert SECRET.decode() not in repr(kept.facts) + repr(admin.notices)
    assert "password (1)" in admin.notices[-1]
    assert "log release" in admin.notices[-1]


def test_only_the_first_findings_are_told_with_their_line(notary: Notary) -> None:
    kept = keep(notary, b"".join(b"password = 'hunter%d'\n" % n for n in range(250)))

    findings = cast("dict[str, Any]", kept.facts["findings"])
    assert findings["count"] == findings["kinds"]["password"] == 250
    assert [one["line"] for one in findings["lines"]] == list(range(1, 101))


def test_stream_that_breaks_off_leaves_nothing(admin: Person, notary: Notary) -> None:
    class Broken(io.RawIOBase):
        def __init__(self) -> None:
            self.left = 3

        def read(self, _size: int = -1) -> bytes:
            self.left -= 1
            if not self.left:
                raise ConnectionResetError
            return LEAKY

    with pytest.raises(ConnectionResetError):
        keep_log(notary._session, cast("Any", Broken()))

    assert stored(admin.ledger.with_name("ledger.db.blobs")) == []
    assert stored(admin.ledger.with_name("ledger.db.held")) == []


def test_unknown_policy_is_refused_before_anything_is_read(notary: Notary) -> None:
    stream = io.BytesIO(LEAKY)

    with pytest.raises(UsageError, match="store, hold or digest"):
        keep_log(notary._session, stream, policy="print")
    assert stream.tell() == 0

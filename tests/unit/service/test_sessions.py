"""What a service remembers of sessions, apart from any controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.builds import sessions as module
from jenkins_notary.service.builds.classes import BuildsSection
from jenkins_notary.service.builds.sessions import ProvenBuild, Sessions
from jenkins_notary.service.commits import BusyError
from jenkins_notary.service.state import ServiceState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITER = Principal("payments", "writer", ())
JOB = "ci.example.com:payments/api/main#1"


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    state = ServiceState(str(tmp_path / "state"))
    yield Sessions(state, BuildsSection())
    state.close()


def opened(token: str = "payments") -> dict[str, Any]:
    return {
        "token": token,
        "job": JOB,
        "started": 1,
        "offset": 0,
        "nonce": "0" * 32,
        "identity": None,
    }


def test_sessions_that_wait_for_their_proof_are_bounded_by_token(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    sessions._keep_opened(opened())
    sessions._keep_opened(opened())
    with pytest.raises(BusyError):
        sessions._keep_opened(opened())

    assert sessions._keep_opened(opened("other"))["session"]


def test_secret_is_kept_by_its_hash_alone(sessions: Sessions, tmp_path: Path) -> None:
    text = sessions._keep_opened(opened())["session"]
    secret = text.partition(".")[2].encode()
    with sessions._state._database.use() as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    for path in tmp_path.iterdir():
        assert secret not in path.read_bytes()


def test_build_that_was_looked_at_lately_is_not_asked_for(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = sessions._keep_proven(opened(), "branch")
    ident, _, secret = answer["session"].partition(".")
    value = sessions._state.get("session", ident)
    assert sessions.recall(answer["session"], WRITER) is None
    sessions._remember(ident, value)

    assert sessions.recall(answer["session"], WRITER) == ProvenBuild(
        JOB, "oidc", "branch"
    )
    assert sessions.recall(f"{ident}.{secret}x", WRITER) is None
    assert sessions.recall(answer["session"], WRITER._replace(name="other")) is None
    monkeypatch.setattr(module, "CHECK_S", -1.0)
    assert sessions.recall(answer["session"], WRITER) is None


def test_session_that_is_over_is_not_recalled(sessions: Sessions) -> None:
    answer = sessions._keep_proven(opened(), "branch")
    ident = answer["session"].partition(".")[0]
    value = sessions._state.get("session", ident)
    sessions._remember(ident, {**value, "ends": 1})

    assert sessions.recall(answer["session"], WRITER) is None


def test_what_is_remembered_is_bounded(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 2)
    for name in ("a", "b", "c"):
        sessions._remember(name, opened())

    assert set(sessions._checked) == {"b", "c"}

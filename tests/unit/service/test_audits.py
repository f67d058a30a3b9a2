from __future__ import annotations

from typing import TYPE_CHECKING

from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.monitoring import audits
from jenkins_notary.service.monitoring.audits import list_audits, note_audit
from jenkins_notary.service.state import ServiceState
from tests.unit.trust.builders import Log

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

AUDITOR = Principal("watcher", "auditor", ())


def test_reading_of_an_auditor_is_told_with_the_size_at_that_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, log = ServiceState(str(tmp_path / "state")), Log()
    note_audit(state, AUDITOR, log.view().note)
    (first,) = list_audits(state)
    log.enrol("ci")
    note_audit(state, AUDITOR, log.view().note)
    (soon,) = list_audits(state)
    monkeypatch.setattr(audits, "_AGAIN_MS", -1)
    note_audit(state, AUDITOR, log.view().note)
    (later,) = list_audits(state)

    assert first["by"] == "watcher"
    assert (first["size"], soon["size"], later["size"]) == (1, 1, 2)
    assert first["since"] == later["since"]


def test_only_auditors_are_told_of(tmp_path: Path) -> None:
    state, note = ServiceState(str(tmp_path / "state")), Log().view().note
    note_audit(state, Principal("boss", "admin", ()), note)
    note_audit(state, Principal("", "auditor", ()), note)

    assert list_audits(state) == []

"""Builds of one token do not keep those of others from proving themselves."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from jenkins_notary.service.builds import running as module
from jenkins_notary.service.builds.running import MAX_AT_ONCE, MAX_OF_ONE, RunningBuilds
from jenkins_notary.service.commits import BusyError
from jenkins_notary.values.jobid import parse_job_id

JOB = parse_job_id("ci.example.com:payments/api/main#1")


def test_builds_of_one_token_do_not_hold_up_those_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_WAIT_S", 0.01)
    client = SimpleNamespace(close=lambda: None)
    known = SimpleNamespace(open=lambda *_: client)
    session: Any = SimpleNamespace(controllers=lambda: known)
    builds = RunningBuilds()
    with ExitStack() as held:
        for _ in range(MAX_OF_ONE):
            held.enter_context(builds.ask(session, JOB, "mine"))
        with pytest.raises(BusyError), builds.ask(session, JOB, "mine"):
            pass
        for _ in range(MAX_AT_ONCE - MAX_OF_ONE):
            held.enter_context(builds.ask(session, JOB, "other"))
        with pytest.raises(BusyError), builds.ask(session, JOB, "third"):
            pass

    with builds.ask(session, JOB, "mine"):
        pass

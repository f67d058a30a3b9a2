from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import (
    FaultsError,
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.watch.following import Following
from jenkins_notary.watch.rounds import Round

if TYPE_CHECKING:
    from jenkins_notary.watch.alerting import Standing

AWAY = UnavailableError("notary.example.com", got="nothing in time")


def round_of(size: int) -> Round:
    """Return what a good round has proven."""
    return Round("log.example.com/a", 0, "", size, "", 0, 1, size, 2, 0, "")


class Audit:
    """An audit whose rounds come to what the test says."""

    def __init__(self, *outcomes: Round | NotaryError) -> None:
        self.outcomes = list(outcomes)
        self.shown: list[Any] = []
        self.alerts: list[Standing] = []
        self.measured: list[Standing] = []
        self.said: list[str] = []
        self.fails: NotaryError | None = None
        self.following = Following(
            self._run,
            "https://notary.example.com",
            show=self.shown.append,
            alert=self._alert,
            measure=self.measured.append,
            notify=self.said.append,
        )

    def steps(self) -> None:
        """Make all rounds."""
        while self.outcomes:
            self.following.step()

    def _alert(self, standing: Standing) -> None:
        self.alerts.append(standing)
        if self.fails is not None:
            raise self.fails

    def _run(self) -> Round:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, NotaryError):
            raise outcome
        return outcome


def test_good_rounds_are_shown_measured_and_not_told() -> None:
    audit = Audit(round_of(3), round_of(5))
    audit.steps()

    assert [one.size for one in audit.shown] == [3, 5]
    assert not audit.alerts
    last = audit.measured[-1]
    assert (last.key, last.size, last.records, last.verdicts) == (
        "log.example.com/a",
        5,
        8,
        4,
    )
    assert last.rounds == {"well": 2}
    assert last.last_good_s > 0


def test_a_service_that_is_away_is_told_once_and_again_when_it_is_back() -> None:
    audit = Audit(round_of(3), *[AWAY] * 5, round_of(4))
    audit.steps()

    assert [one.state for one in audit.alerts] == ["unreachable", "well"]
    assert audit.alerts[0].rounds == {"well": 1, "unreachable": 3}
    assert audit.measured[-1].rounds == {"well": 2, "unreachable": 5}
    assert len(audit.said) == 5


def test_a_service_that_is_away_for_a_moment_is_not_told() -> None:
    audit = Audit(round_of(3), AWAY, AWAY, round_of(3), AWAY, AWAY, round_of(3))
    audit.steps()

    assert not audit.alerts


@pytest.mark.parametrize(
    "fault",
    [IntegrityError("log", got="another"), FaultsError([IntegrityError("log")])],
    ids=["one", "several"],
)
def test_an_altered_log_ends_the_audit_and_is_told(fault: NotaryError) -> None:
    audit = Audit(round_of(3), fault)
    with pytest.raises(NotaryError) as caught:
        audit.steps()

    assert caught.value.exit_code == 65
    assert [one.state for one in audit.alerts] == ["integrity"]
    assert audit.measured[-1].rounds == {"well": 1, "integrity": 1}
    assert audit.measured[-1].size == 3


def test_a_token_that_never_held_ends_it_and_one_that_was_revoked_does_not() -> None:
    refused = PermissionDeniedError("token", got="none")
    with pytest.raises(PermissionDeniedError):
        Audit(refused).steps()
    audit = Audit(round_of(1), refused, refused, refused)
    audit.steps()

    assert [one.state for one in audit.alerts] == ["unreachable"]


def test_an_alert_that_cannot_be_told_hides_nothing() -> None:
    audit = Audit(round_of(1), IntegrityError("log", got="another"))
    audit.fails = StorageError("webhook", got="full")
    with pytest.raises(IntegrityError):
        audit.steps()

    assert "not told: webhook" in audit.said[0]
    assert audit.measured[-1].state == "integrity"


def test_the_time_of_a_round_is_part_of_the_interval() -> None:
    class EnoughError(Exception):
        """The test has seen enough."""

    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise EnoughError

    audit = Audit(round_of(1), round_of(2))
    with pytest.raises(EnoughError):
        audit.following.run(60, wait)

    assert all(59 < one <= 60 for one in waited)

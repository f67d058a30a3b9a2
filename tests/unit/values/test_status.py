"""Keep the numbers of the statuses: callers rely on them as exit codes."""

from __future__ import annotations

from jenkins_notary.values.status import NEGATIVE, RECORDED, Status


def test_the_numbers_are_the_contract() -> None:
    assert {status.name: status.value for status in Status} == {
        "TRUSTED": 0,
        "UNTRUSTED": 1,
        "UNKNOWN": 2,
        "UNSUPPORTED": 3,
        "REVOKED": 4,
    }


def test_a_record_never_gives_unknown_or_revoked() -> None:
    assert set(Status) - RECORDED == {Status.UNKNOWN, Status.REVOKED}
    assert {Status.TRUSTED} == RECORDED - NEGATIVE

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.collect import Choice, Collector
from jenkins_notary.api.builds.coverage import Coverage, Period
from jenkins_notary.api.builds.exemptions import list_exemptions, record_exemption
from jenkins_notary.errors import (
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.jenkins.memory import STARTED_MS, MemoryJenkins
from jenkins_notary.ledger.author import Author, format_time
from jenkins_notary.ledger.view import LedgerView

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.evidence.coverage import JobCoverage
    from tests.unit.api.people import Person

JOB = "payments/api"
ID = f"ci.example.com:{JOB}"
LATER = "2999-01-01T00:00:00Z"
MINUTE = 60_000


@pytest.fixture
def jenkins() -> MemoryJenkins:
    found = MemoryJenkins()
    for number in range(1, 6):
        found.add(JOB, number, log=b"log\n", artifacts={"out/a.jar": b"%d" % number})
    return found


@pytest.fixture
def collect(notary: Notary, jenkins: MemoryJenkins) -> Callable[..., None]:
    def run(*numbers: int, name: str = JOB) -> None:
        collector = Collector(notary._session, jenkins)
        for number in numbers:
            assert collector.collect(name, number).outcome == "collected"

    return run


def count(
    notary: Notary, jenkins: MemoryJenkins, *, pattern: str = "*", **period: int
) -> JobCoverage:
    """Return what comes of the one job."""
    (found,) = Coverage(notary._session, jenkins).run(pattern, Period(**period))
    return found


def states(found: JobCoverage) -> dict[str, int]:
    return {key: value for key, value in found.counts.items() if value}


def test_every_number_of_a_job_that_was_collected_is_present(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3, 4, 5)

    found = count(notary, jenkins)

    assert states(found) == {"present": 5}
    assert (found.artifacts, found.unrecorded) == (5, 0)
    assert found.is_covered


def test_what_the_ledger_lacks_is_missing_by_its_numbers(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 4)

    found = count(notary, jenkins)

    assert states(found) == {"present": 2, "missing": 3}
    assert found.ranges["missing"] == ((2, 3), (5, 5))
    assert not found.is_covered


def test_a_number_that_neither_has_is_lost_and_a_recorded_one_is_present(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 4, 5)
    jenkins.delete(JOB, 2)
    jenkins.delete(JOB, 3)

    found = count(notary, jenkins)

    assert states(found) == {"present": 4, "lost": 1}
    assert found.ranges["lost"] == ((3, 3),)


def test_the_newest_build_that_was_deleted_at_once_is_lost(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3, 4)
    jenkins.delete(JOB, 5)

    assert count(notary, jenkins).ranges["lost"] == ((5, 5),)


def test_a_deletion_that_is_on_record_accounts_for_its_number(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 4, 5)
    jenkins.delete(JOB, 3)
    author = Author((notary._session.signer(),), "0" * 32, 0)
    facts = {"job": {"id": f"{ID}#3"}, "build": {"number": 3}}
    notary._session.append([author.sign("deletion", [], facts)])

    found = count(notary, jenkins)

    assert states(found) == {"present": 4, "deleted": 1}
    assert found.is_covered


def test_a_build_that_runs_or_has_just_ended_is_open(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3, 4, 5)
    now_ms = notary._session.clock.now_ms()
    jenkins.add(JOB, 6, building=True)
    jenkins.add(JOB, 7, timestamp=now_ms - MINUTE)

    assert states(count(notary, jenkins)) == {"present": 5, "open": 1, "missing": 1}
    patient = count(notary, jenkins, grace_ms=10 * MINUTE)
    assert states(patient) == {"present": 5, "open": 2}
    assert patient.is_covered


def test_a_build_that_only_claims_tell_of_is_present_and_counted_apart(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3, 4)
    digest = f"sha256:{hashlib.sha256(b'5').hexdigest()}"
    notary.notarize([digest], name="a.jar", job=f"{ID}#5")

    found = count(notary, jenkins)

    assert states(found) == {"present": 5}
    assert found.claimed == 1
    assert found.unrecorded == 0


def test_an_artifact_that_jenkins_has_and_the_ledger_has_not_is_told(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3, 4, 5)
    jenkins.add(
        JOB,
        5,
        artifacts={
            "out/a.jar": b"5",
            "out/late.jar": b"x",
            ".jenkins-notary/receipt": b"r",
        },
    )

    found = count(notary, jenkins)

    assert (found.artifacts, found.unrecorded) == (6, 1)
    assert found.unrecorded_named == ((5, "out/late.jar"),)
    assert not found.is_covered


def test_the_log_alone_is_on_record_but_not_the_artifacts(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    collector = Collector(notary._session, jenkins, Choice(only_log=True))
    for number in range(1, 6):
        collector.collect(JOB, number)

    found = count(notary, jenkins)

    assert states(found) == {"present": 5}
    assert (found.claimed, found.unrecorded) == (0, 5)


def test_a_job_that_was_made_again_is_another_job(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3, 4, 5)
    for number in range(1, 6):
        jenkins.add(JOB, number, timestamp=STARTED_MS + 86_400_000 + number * MINUTE)

    assert states(count(notary, jenkins)) == {"missing": 5}


def test_a_claim_from_before_the_build_does_not_cover_it(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    notary.notarize([f"sha256:{'0' * 64}"], name="a.jar", job=f"{ID}#5")
    jenkins.add(JOB, 5, timestamp=notary._session.clock.now_ms() + 10 * MINUTE)

    assert states(count(notary, jenkins)) == {"missing": 5}


def test_records_by_signers_that_do_not_count_cover_nothing(
    notary: Notary, jenkins: MemoryJenkins, reader: Person
) -> None:
    with reader.notary() as stranger:
        Collector(stranger._session, jenkins).collect(JOB, 5)

    assert states(count(notary, jenkins)) == {"missing": 5}


def test_a_period_counts_what_started_in_it(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 4)
    since = STARTED_MS + 3 * MINUTE

    assert count(notary, jenkins, since_ms=since).ranges["missing"] == ((3, 3), (5, 5))
    until = STARTED_MS + 4 * MINUTE
    both = count(notary, jenkins, since_ms=since, until_ms=until)
    assert states(both) == {"present": 1, "missing": 1}
    early = count(notary, jenkins, until_ms=STARTED_MS + 2 * MINUTE)
    assert states(early) == {"present": 1, "missing": 1}


def test_a_period_goes_on_in_the_ledger_where_jenkins_has_rotated_builds_away(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 4, 5)
    for number in (1, 2, 3, 4):
        jenkins.delete(JOB, number)

    found = count(notary, jenkins, since_ms=STARTED_MS + 2 * MINUTE)

    # 3 lies between two that are of the period; 1 is older, so nothing below 2 is.
    assert states(found) == {"present": 3, "lost": 1}
    whole = count(notary, jenkins)
    assert states(whole) == {"present": 4, "lost": 1}


def test_a_job_without_builds_is_covered_unless_numbers_were_given_out(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    for number in range(1, 6):
        jenkins.delete(JOB, number)

    assert count(notary, jenkins).ranges["lost"] == ((1, 5),)
    assert states(count(notary, jenkins, since_ms=STARTED_MS)) == {}


@pytest.mark.parametrize("name", ["payments", JOB, "ci.example.com:payments"])
def test_an_exempt_job_lacks_nothing(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None], name: str
) -> None:
    collect(1)
    jenkins.delete(JOB, 2)
    record_exemption(
        notary._session, name, owner="platform", reason="sandbox", expires=LATER
    )

    found = count(notary, jenkins)

    assert states(found) == {"present": 1, "exempt": 4}
    assert found.is_covered
    assert found.exemption is not None
    assert (found.exemption.owner, found.exemption.reason) == ("platform", "sandbox")


def test_the_newest_exemption_of_a_name_counts_until_it_ends(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    def exempt(expires: str, name: str = JOB) -> None:
        record_exemption(notary._session, name, owner="a", reason="b", expires=expires)

    exempt(LATER)
    exempt(LATER, "payments-evil")
    exempt(LATER, "elsewhere.example.com:payments")
    exempt(format_time(notary._session.clock.now_ms() - 1))

    assert states(count(notary, jenkins)) == {"missing": 5}
    assert len(list_exemptions(notary._session.view())) == 4


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"owner": " "}, "--owner"),
        ({"reason": "a\nb"}, "--reason"),
        ({"expires": "tomorrow"}, "--expires"),
        ({"expires": "7"}, "--expires"),
        ({"name": "a//b"}, "job id"),
    ],
)
def test_an_exemption_needs_an_owner_a_reason_and_an_end(
    notary: Notary, change: dict[str, str], expected: str
) -> None:
    given = {"name": JOB, "owner": "a", "reason": "b", "expires": LATER, **change}

    with pytest.raises(UsageError, match=expected):
        record_exemption(notary._session, given.pop("name"), **given)


def test_only_administrators_exempt(
    notary: Notary, reader: Person, jenkins: MemoryJenkins
) -> None:
    with reader.notary() as stranger, pytest.raises(PermissionDeniedError):
        record_exemption(stranger._session, JOB, owner="a", reason="b", expires=LATER)
    # What a stranger signs all the same, and what has another form, exempts nothing.
    with reader.notary() as stranger:
        forge(stranger)
    forge(notary, expiresAt="never")
    forge(notary, action="token-create")
    forge(notary, owner=7)

    assert states(count(notary, jenkins)) == {"missing": 5}


def forge(notary: Notary, **facts: object) -> None:
    """Append a record that looks like an exemption."""
    from jenkins_notary.evidence.coverage import EXEMPT_ACTION, EXEMPTION_SUBJECT
    from jenkins_notary.values.statement import Subject

    said = {"action": EXEMPT_ACTION, "name": JOB, "owner": "a", "reason": "b"}
    said |= {"expiresAt": LATER, **facts}  # type: ignore[dict-item]  # it may be wrong
    author = notary._session.author()
    subject = Subject("x", EXEMPTION_SUBJECT)
    notary._session.append([author.sign("administration", [subject], said)])


def test_what_jenkins_does_not_tell_of_one_job_leaves_the_others(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    jenkins.add("other", 1, log=b"x")
    collect(1, name="other")
    real = jenkins.builds

    def builds(name: str, **bounds: int) -> Any:  # noqa: ANN401 - passed on
        if name == JOB:
            raise UnavailableError("Jenkins", got="HTTP 500")
        return real(name, **bounds)

    jenkins.builds = builds  # type: ignore[method-assign]  # a fault

    report = Coverage(notary._session, jenkins).report("*", Period())

    assert [one.is_covered for one in report.jobs] == [True, False]
    assert [str(one) for one in report.faults] == ["Jenkins: got HTTP 500"]


def test_a_build_of_another_form_is_jenkins_fault(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    jenkins.add(JOB, 5).value["timestamp"] = "x"

    found = count(notary, jenkins)

    assert isinstance(found.fault, UnavailableError)


def test_names_that_no_job_id_holds_are_told_when_all_others_are_done(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    real = jenkins.jobs

    def jobs(pattern: str) -> Any:  # noqa: ANN401 - passed on
        yield from real(pattern)
        raise UsageError("job id 'a:b'")

    jenkins.jobs = jobs  # type: ignore[method-assign]  # a fault
    report = Coverage(notary._session, jenkins).report("*", Period())

    assert [one.job for one in report.jobs] == [JOB]
    assert [one.exit_code for one in report.all_faults] == [64, 66]


def test_a_second_look_reads_no_record_of_what_is_settled(
    notary: Notary,
    jenkins: MemoryJenkins,
    collect: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collect(1, 2, 3, 4, 5)
    coverage = Coverage(notary._session, jenkins)
    first = coverage.report("*", Period()).to_dict()
    monkeypatch.setattr(LedgerView, "record", None)

    second = [one.to_dict() for one in coverage.run("*", Period())]

    assert second == first["jobs"]


def test_the_figures_of_folders_add_up(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    jenkins.add("payments/web", 1)
    jenkins.add("root", 1)
    collect(1, 2)

    report = Coverage(notary._session, jenkins).report("*", Period()).to_dict()

    assert {one["folder"]: one["missing"] for one in report["folders"]} == {
        "": 1,
        "payments": 4,
    }
    assert report["totals"]["jobs"] == 3
    assert report["totals"]["uncovered_jobs"] == 3
    assert report["totals"]["present"] == 2
    assert report["period"] == {"since": None, "until": None, "grace_s": 0}


def test_a_renamed_job_is_covered_by_what_was_recorded_under_both_names(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., None]
) -> None:
    collect(1, 2, 3)
    subjects = name_subjects("ci.example.com", JOB, "billing/api")
    facts = {"instance": "ci.example.com", "from": JOB, "to": "billing/api"}
    author = notary._session.author()
    notary._session.append([author.sign("alias", subjects, facts)])
    jenkins.delete(JOB)
    for number in range(1, 6):
        jenkins.add("billing/api", number, artifacts={"out/a.jar": b"%d" % number})
    collect(4, 5, name="billing/api")

    found = count(notary, jenkins)

    assert found.job == "billing/api"
    assert states(found) == {"present": 5}


def test_records_that_name_a_build_in_another_way_are_left_alone(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    author = notary._session.author()
    aliases = {"aliases": [f"{ID}#5"], "job": {"id": "no job"}}
    elsewhere = {"job": {"id": f"elsewhere.example.com:{JOB}#4"}}
    gitlab = {"job": {"id": f"{ID}#3", "ci": "gitlab"}}
    said = {"status": "TRUSTED"}
    notary._session.append(
        [
            author.sign("notarization", [], {**said, **one})
            for one in (aliases, elsewhere, gitlab)
        ]
    )

    assert states(count(notary, jenkins)) == {"missing": 5}


def test_what_was_read_of_a_build_at_any_time_is_on_record(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    collector = Collector(notary._session, jenkins, Choice(again=True))
    collector.collect(JOB, 5)
    jenkins.add(JOB, 5, log=b"more\n", artifacts={"other.jar": b"x"}, duration=9)
    collector.collect(JOB, 5)
    jenkins.add(JOB, 5, artifacts={"out/a.jar": b"5", "other.jar": b"x"}, duration=9)

    found = count(notary, jenkins)

    assert (found.artifacts, found.unrecorded) == (2, 0)

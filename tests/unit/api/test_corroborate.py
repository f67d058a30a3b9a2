from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.collect import Choice, Collector
from jenkins_notary.api.builds.corroborate import Corroborator
from jenkins_notary.api.claims import record_claim
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.evidence.build_view import describe_build
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.jenkins.memory import MemoryJenkins
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.query import Query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import NoReturn

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.errors import NotaryError
    from tests.unit.api.people import Person

NAME = "payments/api/main"
JOB = f"ci.example.com:{NAME}#7"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
JAR = b"PK jar"
DIGEST = f"sha256:{hashlib.sha256(JAR).hexdigest()}"
ENVIRONMENT = {
    "JENKINS_URL": "https://ci.example.com/",
    "JOB_NAME": NAME,
    "BUILD_NUMBER": "7",
    "GIT_COMMIT": COMMIT,
    "GIT_BRANCH": "origin/main",
    "BRANCH_NAME": "main",
    "NODE_NAME": "agent-1",
}
CHECKOUT = {
    "lastBuiltRevision": {
        "SHA1": COMMIT,
        "branch": [{"name": "refs/remotes/origin/main"}],
    },
    "remoteUrls": ["https://git.example.com/api.git"],
}
CAUSE = {"causes": [{"_class": "hudson.model.Cause$UserIdCause", "userId": "ann"}]}


@pytest.fixture
def jenkins() -> MemoryJenkins:
    found = MemoryJenkins()
    found.add(
        NAME,
        7,
        log=b"hello\n",
        artifacts={"target/app.jar": JAR},
        actions=[CHECKOUT, CAUSE],
        builtOn="agent-1",
    )
    return found


def claim(
    admin: Person,
    environment: Mapping[str, str] = ENVIRONMENT,
    digest: str = DIGEST,
    name: str = "target/app.jar",
) -> int:
    """Notarize within a build, as a step does; return the record's index."""
    with admin.notary(environ=environment) as notary:
        (record,) = notary.notarize([digest], name=name)
    return record.index


def corroborate(notary: Notary, jenkins: MemoryJenkins, job: str = JOB) -> Any:  # noqa: ANN401 - a document
    """Return the predicate of the one corroboration that is made."""
    found = Corroborator(notary._session, jenkins).corroborate(parse_job_id(job))
    (index,) = found.indexes
    record = notary._session.view().record(index)
    assert record.statement is not None
    return record.statement.predicate


def verdicts(predicate: Mapping[str, Any]) -> dict[str, str]:
    return {one["field"]: one["verdict"] for one in predicate["fields"]}


def field(predicate: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a document
    return next(one for one in predicate["fields"] if one["field"] == name)


def test_an_honest_claim_agrees_in_every_field_that_it_claims(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    index = claim(admin)

    found = corroborate(notary, jenkins)

    assert found["verdict"] == "agrees"
    assert found["claims"] == [index]
    assert verdicts(found) == {
        "build": "agrees",
        "commit": "agrees",
        "branch": "agrees",
        "cause": "unavailable",
        "parameters": "unavailable",
        "result": "unavailable",
        "node": "agrees",
    }
    assert field(found, "cause")["why"] == "nobody claims it"
    assert field(found, "cause")["observed"] == ["UserIdCause ann"]
    assert field(found, "result")["observed"] == ["SUCCESS"]
    (artifact,) = found["artifacts"]
    assert (artifact["verdict"], artifact["path"]) == ("agrees", "target/app.jar")


@pytest.mark.parametrize(
    "lie",
    [
        ("GIT_COMMIT", OTHER, "commit"),
        ("BRANCH_NAME", "release", "branch"),
        ("NODE_NAME", "agent-2", "node"),
    ],
)
def test_a_lie_about_one_field_differs_in_that_field_alone(
    admin: Person,
    notary: Notary,
    jenkins: MemoryJenkins,
    lie: tuple[str, str, str],
) -> None:
    variable, value, name = lie
    claim(admin, {**ENVIRONMENT, variable: value})

    found = corroborate(notary, jenkins)

    assert found["verdict"] == "differs"
    assert [key for key, one in verdicts(found).items() if one == "differs"] == [name]
    assert value in field(found, name)["claimed"]


def test_an_artifact_that_is_not_the_archived_one_differs(
    admin: Person,
    notary: Notary,
    jenkins: MemoryJenkins,
    tmp_path: Path,
) -> None:
    (tmp_path / "work" / "app.jar").write_bytes(b"another")
    with admin.notary(environ=ENVIRONMENT) as agent:
        agent.notarize(["app.jar"])

    found = corroborate(notary, jenkins)

    (artifact,) = found["artifacts"]
    assert artifact["verdict"] == "differs"
    assert (artifact["path"], artifact["observed"]) == ("target/app.jar", DIGEST)


def test_a_digest_that_was_not_archived_is_unavailable(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin, digest=f"sha256:{'0' * 64}", name="registry.example/app")

    found = corroborate(notary, jenkins)

    (artifact,) = found["artifacts"]
    assert artifact["verdict"] == "unavailable"
    assert artifact["why"] == "the build has archived no such file"


def test_a_build_that_never_was_differs(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin, {**ENVIRONMENT, "BUILD_NUMBER": "8"})

    found = corroborate(notary, jenkins, f"ci.example.com:{NAME}#8")

    assert field(found, "build")["verdict"] == "differs"
    assert field(found, "build")["why"] == (
        "there never was one: the next build is number 8"
    )
    assert found["artifacts"][0]["verdict"] == "unavailable"


@pytest.mark.parametrize("whole", [False, True], ids=["a build", "the job"])
def test_what_jenkins_has_no_more_is_unavailable(
    admin: Person, notary: Notary, jenkins: MemoryJenkins, *, whole: bool
) -> None:
    claim(admin)
    jenkins.delete(NAME, None if whole else 7)

    found = corroborate(notary, jenkins)

    assert found["verdict"] == "unavailable"
    why = "Jenkins shows no such job" if whole else "Jenkins has the build no more"
    assert field(found, "build")["why"] == why


def test_a_claim_from_before_the_build_started_differs(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    index = claim(admin)
    later = 4_000_000_000_000
    jenkins.add(NAME, 7, actions=[CHECKOUT], timestamp=later)

    found = corroborate(notary, jenkins)

    assert field(found, "build")["verdict"] == "differs"
    assert field(found, "build")["records"] == [index]


def test_an_environment_of_another_build_differs(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    sent = {
        "recordId": "0" * 32,
        "claimedAt": "2026-01-02T03:04:05.006Z",
        "status": "TRUSTED",
        "job": {
            "id": JOB,
            "ci": "jenkins",
            "environment": {"JOB_NAME": "evil", "BUILD_NUMBER": "7"},
        },
        "assets": [
            {
                "name": "x",
                "kind": "digest",
                "size": None,
                "subjects": [{"name": "x", "digest": DIGEST}],
            }
        ],
    }
    record_claim(notary._session, parse_claim(sent))

    found = corroborate(notary, jenkins)

    assert field(found, "build")["verdict"] == "differs"
    assert "names another build" in field(found, "build")["why"]


def test_a_claim_is_compared_once_and_a_later_one_by_itself(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    first = claim(admin)
    assert corroborate(notary, jenkins)["claims"] == [first]
    corroborator = Corroborator(notary._session, jenkins)
    asked = jenkins.requests

    assert corroborator.corroborate(parse_job_id(JOB)).indexes == ()
    assert jenkins.requests == asked
    second = claim(admin)
    assert corroborate(notary, jenkins)["claims"] == [second]


def test_the_claims_of_a_running_build_wait(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    jenkins.add(NAME, 7, building=True)
    claim(admin)

    found = Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))

    assert (found.indexes, found.is_running) == ((), True)


def test_what_was_read_from_the_controller_is_no_claim(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    Collector(notary._session, jenkins).collect(NAME, 7)

    found = Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))

    assert found.indexes == ()


def test_collecting_a_build_compares_its_claims_without_hashing_twice(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin)
    asked: list[str] = []
    jenkins.on_request = asked.append

    result = Collector(notary._session, jenkins).collect(NAME, 7)

    assert [one.record.leaf.type for one in result.records] == [
        "log",
        "provenance",
        "corroboration",
    ]
    assert asked.count("artifact") == 1
    later = claim(admin)
    again = Collector(notary._session, jenkins).collect(NAME, 7)
    assert again.outcome == "present"
    statement = again.records[-1].record.statement
    assert statement is not None
    assert statement.predicate["claims"] == [later]


def test_collecting_only_a_log_compares_nothing(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin)

    result = Collector(notary._session, jenkins, Choice(only_log=True)).collect(NAME, 7)

    assert [one.record.leaf.type for one in result.records] == ["log"]


@pytest.mark.parametrize(
    "fault", [UnavailableError("Jenkins"), PermissionDeniedError("x")]
)
def test_a_jenkins_that_does_not_answer_leaves_the_claims_for_later(
    admin: Person,
    notary: Notary,
    jenkins: MemoryJenkins,
    fault: NotaryError,
) -> None:
    claim(admin)
    jenkins.faults["build", 7] = fault

    with pytest.raises(type(fault)):
        Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))
    jenkins.faults.clear()
    assert corroborate(notary, jenkins)["verdict"] == "agrees"


def test_an_artifact_that_cannot_be_read_leaves_digests_unavailable(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin)
    jenkins.faults["artifact", 7] = UnavailableError("artifact")

    found = corroborate(notary, jenkins)

    (artifact,) = found["artifacts"]
    assert artifact["why"] == "1 archived files could not be read"


def test_a_jenkins_that_gives_another_build_is_not_believed(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin)
    jenkins.add(NAME, 7).value["number"] = 8

    with pytest.raises(UnavailableError, match="number 7"):
        Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))
    jenkins.add(NAME, 7).value["number"] = "x"
    with pytest.raises(UnavailableError):
        Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))


def test_the_evidence_of_a_build_shows_what_agrees_and_its_level(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin)
    Collector(notary._session, jenkins).collect(NAME, 7)

    records = [one.to_dict() for one in notary.evidence(Query(job=JOB))]
    build = describe_build(records)

    assert [one["verdict"] for one in build["corroborations"]] == ["agrees"]
    assert build["slsa"]["level"] == "L1"
    assert build["slsa"]["next"] == "L2"
    assert any("service" in one for one in build["slsa"]["because"])


def test_a_renamed_job_is_asked_for_by_its_newest_name(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin)
    subjects = name_subjects("ci.example.com", NAME, "billing/api")
    facts = {"instance": "ci.example.com", "from": NAME, "to": "billing/api"}
    author = notary._session.author()
    notary._session.append([author.sign("alias", subjects, facts)])
    jenkins.delete(NAME)
    jenkins.add("billing/api", 7, artifacts={"target/app.jar": JAR}, actions=[CHECKOUT])

    found = corroborate(notary, jenkins)

    assert verdicts(found)["commit"] == "agrees"
    assert found["artifacts"][0]["verdict"] == "agrees"


def test_a_collection_whose_claims_cannot_be_compared_is_whole_and_says_so(
    admin: Person,
    notary: Notary,
    jenkins: MemoryJenkins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim(admin)

    def fail(*_: object, **__: object) -> NoReturn:
        raise UnavailableError("Jenkins", got="HTTP 502")

    monkeypatch.setattr(Corroborator, "_compare", fail)
    result = Collector(notary._session, jenkins).collect(NAME, 7)

    assert (result.outcome, result.code) == ("collected", 0)
    assert any("are not compared: Jenkins: got HTTP 502" in o for o in admin.notices)


def test_a_flood_of_claims_is_cut_and_told(
    admin: Person,
    notary: Notary,
    jenkins: MemoryJenkins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jenkins_notary.api.builds.corroborate.MAX_RECORDS", 2)
    first = [claim(admin), claim(admin)]
    claim(admin)

    assert corroborate(notary, jenkins)["claims"] == first
    assert any("are not compared" in one for one in admin.notices)


def test_many_claims_are_compared_in_several_records(
    admin: Person,
    notary: Notary,
    jenkins: MemoryJenkins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jenkins_notary.api.builds.corroborate.MAX_CLAIMS", 2)
    for _ in range(3):
        claim(admin)

    found = Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))

    assert len(found.indexes) == 2
    again = Corroborator(notary._session, jenkins).corroborate(parse_job_id(JOB))
    assert again.indexes == ()


def test_a_corroboration_of_another_form_or_signer_names_no_claims(
    admin: Person, notary: Notary, jenkins: MemoryJenkins, reader: Person
) -> None:
    index = claim(admin)
    with reader.notary() as stranger:
        forge(stranger, claims=[index])
    forge(notary, claims="all")
    forge(notary, claims=[True, "x", -1])

    assert corroborate(notary, jenkins)["claims"] == [index]


def forge(notary: Notary, **facts: object) -> None:
    """Append a corroboration of the build."""
    author = notary._session.author()
    envelope = author.sign("corroboration", [], {"job": {"id": JOB}, **facts})
    notary._session.append([envelope])


def test_artifacts_of_a_build_with_a_gap_that_stays_are_unavailable(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    claim(admin, digest=f"sha256:{'0' * 64}", name="gone.jar")
    jenkins.faults["artifact", 7] = NotFoundError("artifact")

    result = Collector(notary._session, jenkins).collect(NAME, 7)

    assert result.outcome == "partial"
    statement = result.records[-1].record.statement
    assert statement is not None
    (artifact,) = statement.predicate["artifacts"]
    assert artifact["why"] == "not all archived files could be read"


def test_a_build_that_was_read_twice_has_the_digests_of_the_newest_reading(
    admin: Person, notary: Notary, jenkins: MemoryJenkins
) -> None:
    collector = Collector(notary._session, jenkins, Choice(again=True))
    collector.collect(NAME, 7)
    jenkins.add(NAME, 7, artifacts={"target/app.jar": b"swapped"}, duration=9)
    collector.collect(NAME, 7)
    (admin.home.parent / "work" / "app.jar").write_bytes(JAR)
    with admin.notary(environ=ENVIRONMENT) as agent:
        agent.notarize(["app.jar"])

    (artifact,) = corroborate(notary, jenkins)["artifacts"]

    assert artifact["verdict"] == "differs"

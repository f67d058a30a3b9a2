from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.names import MAX_HOPS, names_of
from jenkins_notary.errors import AmbiguousError, IntegrityError, NotFoundError
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.jobid import JobId
from jenkins_notary.values.leaf import hash_job_name
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject
from tests.unit.api.people import stranger, tamper

if TYPE_CHECKING:
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.ledger.author import Author
    from tests.unit.api.people import Person

CI = "ci.example.com"
FIRST, SECOND = 1767323045006, 1767323045007


def add(
    notary: Notary,
    own_type: str,
    *,
    by: Author | None = None,
    **facts: Any,  # noqa: ANN401 - passed on
) -> int:
    """Record something; return its index."""
    subjects = facts.pop("subjects", [])
    author = notary._session.author() if by is None else by
    (index,) = notary._session.append([author.sign(own_type, subjects, facts)])
    return index


def build(notary: Notary, name: str, started: int | None = None) -> int:
    """Record something of build 7 of a job; return its index."""
    said = None if started is None else {"startedAt": format_time(started)}
    return add(notary, "log", job={"id": f"{CI}:{name}#7"}, build=said)


def rename(
    notary: Notary, old: str, new: str, *, instance: str = CI, by: Author | None = None
) -> int:
    """Record that a job or folder has another name."""
    subjects = name_subjects(instance, old, new)
    facts = {"from": old, "to": new, "instance": instance}
    return add(notary, "alias", by=by, subjects=subjects, **facts)


def found(notary: Notary, job: str, **query: Any) -> list[int]:  # noqa: ANN401 - passed on
    """Return the indexes of what a job is found by."""
    return [one.record.index for one in notary.evidence(Query(job=job, **query))]


# Aliases


@pytest.mark.parametrize("where", [f"{CI}:", ""], ids=["of-one", "of-any"])
def test_both_names_find_both(notary: Notary, where: str) -> None:
    before = build(notary, "pay/api")
    rename(notary, "pay/api", "pay/core")
    after = build(notary, "pay/core")

    assert found(notary, f"{where}pay/api#7") == [before, after]
    assert found(notary, f"{where}pay/core#7") == [before, after]
    assert found(notary, f"{where}pay/api") == [before, after]
    assert found(notary, f"{where}pay/core") == [before, after]


def test_folder_that_was_renamed_takes_all_below_it_along(notary: Notary) -> None:
    before = build(notary, "pay/api/main")
    rename(notary, "pay", "billing")
    after = build(notary, "billing/api/main")
    build(notary, "pay-evil/api/main")

    assert found(notary, "pay/api/main#7") == [before, after]
    assert found(notary, "billing/api/main#7") == [before, after]
    assert found(notary, "billing/*") == [before, after]
    assert found(notary, "pay/api") == [before, after]


def test_names_are_followed_through_a_chain(notary: Notary) -> None:
    indexes = [build(notary, "job-0")]
    for place in range(1, 6):
        rename(notary, f"job-{place - 1}", f"job-{place}")
        indexes.append(build(notary, f"job-{place}"))

    for place in range(6):
        assert found(notary, f"{CI}:job-{place}#7") == indexes
    view = notary._session.view()
    assert names_of(view, JobId(CI, "job-0", 7), indexes[0])[0] == "job-5"
    assert names_of(view, JobId(CI, "job-5", 7), indexes[5]) == ["job-5"]


def test_chain_is_followed_only_so_far(notary: Notary) -> None:
    first = build(notary, "job-0")
    for place in range(1, MAX_HOPS + 3):
        rename(notary, f"job-{place - 1}", f"job-{place}")
    last = build(notary, f"job-{MAX_HOPS + 2}")

    assert found(notary, f"{CI}:job-0#7") == [first]
    assert found(notary, f"{CI}:job-{MAX_HOPS + 2}#7") == [last]


def test_circle_of_names_ends(notary: Notary) -> None:
    one = build(notary, "a")
    rename(notary, "a", "b")
    two = build(notary, "b")
    rename(notary, "b", "a")
    three = build(notary, "a")

    assert found(notary, f"{CI}:a#7") == [one, two, three]
    assert found(notary, f"{CI}:b#7") == [one, two, three]


def test_record_on_the_wrong_side_of_an_alias_is_another_job(notary: Notary) -> None:
    other = build(notary, "new", FIRST)
    old = build(notary, "old", SECOND)
    rename(notary, "old", "new")
    later = build(notary, "old", SECOND + 1)
    new = build(notary, "new", SECOND)

    with pytest.raises(AmbiguousError, match="--started"):
        found(notary, f"{CI}:new#7")
    assert found(notary, f"{CI}:new#7", started=format_time(FIRST)) == [other]
    assert found(notary, f"{CI}:new#7", started=format_time(SECOND)) == [old, new]
    # By its old name it is found with the job that came to have that name.
    again = format_time(SECOND + 1)
    assert found(notary, f"{CI}:old#7", started=again) == [later]
    with pytest.raises(NotFoundError):
        found(notary, f"{CI}:old#7", started=format_time(FIRST))


def test_alias_of_another_controller_is_not_followed(notary: Notary) -> None:
    before = build(notary, "a")
    rename(notary, "a", "b", instance="ci2.example.com")
    after = build(notary, "b")

    assert found(notary, f"{CI}:a#7") == [before]
    assert found(notary, f"{CI}:b#7") == [after]


def test_alias_by_a_stranger_is_not_followed(notary: Notary) -> None:
    mine = build(notary, "prod")
    rename(notary, "evil", "prod", by=stranger("eve"))
    build(notary, "evil")

    assert found(notary, f"{CI}:prod#7") == [mine]


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"from": 7, "to": "b", "instance": CI}, id="no-text"),
        pytest.param({"from": "a", "to": "../b", "instance": CI}, id="no-name"),
        pytest.param({"from": "a", "to": "a", "instance": CI}, id="same"),
        pytest.param({"from": "a", "to": "b"}, id="no-instance"),
        pytest.param({"from": "x", "to": "y", "instance": CI}, id="other-names"),
    ],
)
def test_malformed_alias_is_not_followed(notary: Notary, facts: dict[str, Any]) -> None:
    mine = build(notary, "a")
    subjects = name_subjects(CI, "a", "b")
    add(notary, "alias", subjects=subjects, **facts)
    build(notary, "b")

    assert found(notary, f"{CI}:a#7") == [mine]


def test_forged_row_of_a_name_is_found(admin: Person, notary: Notary) -> None:
    build(notary, "a")
    key = bytes.fromhex(hash_job_name("a", CI))
    tamper(admin.ledger, "INSERT INTO subject_row VALUES (?, 1)", key)

    with pytest.raises(IntegrityError, match="which does not"):
        found(notary, f"{CI}:a#7")


# Builds of one id


def test_job_that_was_made_again_has_two_builds_of_one_id(notary: Notary) -> None:
    first, second = build(notary, "a", FIRST), build(notary, "a", SECOND)
    unsaid = build(notary, "a")

    with pytest.raises(AmbiguousError) as caught:
        found(notary, f"{CI}:a#7")
    assert format_time(FIRST) in caught.value.got
    assert format_time(SECOND) in caught.value.got
    assert found(notary, f"{CI}:a#7", started=format_time(FIRST)) == [first, unsaid]
    assert found(notary, "a#7", started=format_time(SECOND)) == [second, unsaid]
    assert found(notary, "a") == [first, second, unsaid]


@pytest.mark.parametrize("started", ["yesterday", 7, None, "x" * 99, "42"])
def test_start_that_is_no_time_says_nothing(notary: Notary, started: object) -> None:
    first = build(notary, "a", FIRST)
    add(notary, "log", job={"id": f"{CI}:a#7"}, build={"startedAt": started})

    assert found(notary, f"{CI}:a#7") == [first, first + 1]


def test_stranger_does_not_make_a_job_id_ambiguous(notary: Notary) -> None:
    mine = build(notary, "a", FIRST)
    said = {"startedAt": format_time(SECOND)}
    add(notary, "log", by=stranger("eve"), job={"id": f"{CI}:a#7"}, build=said)

    assert found(notary, f"{CI}:a#7") == [mine, mine + 1]


# Deletions


def test_deletion_of_a_build_is_found_with_it(notary: Notary) -> None:
    mine = build(notary, "a", FIRST)
    said = {"startedAt": format_time(FIRST)}
    gone = add(notary, "deletion", job={"id": f"{CI}:a#7"}, build=said)

    assert found(notary, f"{CI}:a#7") == [mine, gone]


def test_deletion_of_a_job_or_its_folder_is_found_with_its_builds(
    notary: Notary,
) -> None:
    mine = build(notary, "pay/api")
    job = add(notary, "deletion", subjects=name_subjects(CI, "pay/api"), name="pay/api")
    folder = add(notary, "deletion", subjects=name_subjects(CI, "pay"), name="pay")
    add(notary, "deletion", subjects=name_subjects(CI, "pay/web"), name="pay/web")

    assert found(notary, f"{CI}:pay/api#7") == [mine, job, folder]
    assert found(notary, "pay/api") == [mine, job, folder]


def test_deletion_before_a_build_or_of_other_numbers_is_not_its(notary: Notary) -> None:
    subjects = name_subjects(CI, "a")
    add(notary, "deletion", subjects=subjects, name="a")
    mine = build(notary, "a")
    add(notary, "deletion", subjects=subjects, name="a", range={"first": 8, "last": 9})
    gone = add(
        notary, "deletion", subjects=subjects, name="a", range={"first": 1, "last": 9}
    )

    assert found(notary, f"{CI}:a#7") == [mine, gone]


# Commits, pages


def test_commit_finds_the_builds_that_were_made_of_it(notary: Notary) -> None:
    commit = "ab" * 20
    predicate = {
        "buildDefinition": {
            "resolvedDependencies": [
                7,
                {"name": "source", "digest": {"gitCommit": commit}},
                {"name": "library", "digest": "none"},
            ]
        }
    }
    session = notary._session
    envelope = session.author().sign_standard(
        "https://slsa.dev/provenance/v1",
        [Subject("a.jar", "cd" * 32)],
        predicate,
        {"job": {"id": f"{CI}:a#7"}},
    )
    (index,) = session.append([envelope])

    (one,) = notary.evidence(Query(commit=commit))
    assert one.record.index == index
    assert notary.ledger.verify().is_sound
    with pytest.raises(NotFoundError):
        notary.evidence(Query(commit="ef" * 20))


def test_pages_follow_each_other_to_the_beginning(notary: Notary) -> None:
    indexes = [build(notary, f"pay/{name}") for name in "abcdefg"]

    pages: list[list[int]] = []
    before = None
    while not pages or pages[-1][0] > indexes[0]:
        pages.append(found(notary, "pay", limit=3, before=before))
        before = pages[-1][0]
    assert pages == [indexes[4:], indexes[1:4], indexes[:1]]
    with pytest.raises(NotFoundError):
        found(notary, "pay", before=indexes[0])

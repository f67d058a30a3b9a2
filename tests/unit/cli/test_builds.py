from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from jenkins_notary.cli.builds import format_build, format_trace
from jenkins_notary.evidence.build_view import describe_build, trace_digest

KEYS = st.sampled_from(
    [
        *("buildDefinition", "internalParameters", "resolvedDependencies", "digest"),
        *("causes", "node", "upstream", "user", "description", "name", "gitCommit"),
        *("jenkinsNotary_record", "build", "startedAt", "gaps", "tests", "event", "at"),
        *("stage", "source", "state", "body", "size", "findings", "count", "kept"),
        *("fields", "field", "verdict", "claimed", "observed", "why", "claims"),
        *("artifacts", "counts", "sources", "sizes", "recorder", "controller"),
    ]
)
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=4),
    max_leaves=12,
)
TYPES = (
    *("provenance", "log", "test-result", "attachment", "deletion", "notarization"),
    "corroboration",
)


def record(index: int, kind: str, predicate: object, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
    """Return the JSON form of a record."""
    return {
        "index": index,
        "type": kind,
        "standing": "enrolled",
        "job": "ci.example.com:a#1",
        "status": None,
        "digest": "sha256:" + "ab" * 32,
        "subjects": [{"name": "app.jar", "digest": {"sha256": "ab" * 32}}],
        "predicate": predicate,
        **facts,
    }


@given(st.lists(st.tuples(st.sampled_from(TYPES), JSON), max_size=4))
def test_whatever_a_signer_said_is_shown_without_a_fault(
    said: list[tuple[str, object]],
) -> None:
    records = [record(place, *one) for place, one in enumerate(said)]
    build = describe_build(records)

    assert json.dumps(build)
    assert all(isinstance(line, str) for line in format_build(build))


def test_records_by_signers_that_do_not_count_say_nothing() -> None:
    predicate = {"buildDefinition": {"internalParameters": {"result": "SUCCESS"}}}
    records = [
        record(number, "provenance", predicate, standing=standing)
        for number, standing in enumerate(("not enrolled", "revoked", "erased"), 3)
    ]

    build = describe_build(records)
    assert (build["result"], build["artifacts"]) == (None, [])
    assert build["uncounted"] == [3, 4, 5]
    assert list(format_build(build))[-1] == "by signers that do not count: #3, #4, #5"
    assert trace_digest(records) == {"producer": None, "consumers": []}


def test_gaps_causes_and_names_are_told() -> None:
    predicate = {
        "buildDefinition": {
            "internalParameters": {
                "result": "FAILURE",
                "replay": {"isReplay": True},
                "node": [{"name": "agent-1"}],
                "causes": [
                    {"kind": "UserIdCause", "user": "jo"},
                    {"upstream": {"job": "lib", "build": 3}},
                ],
            }
        },
        "jenkinsNotary_record": {
            "gaps": {"tests": "denied", "artifacts": {"count": 2}}
        },
    }
    old = record(1, "log", {"stage": "Test"}, job="ci.example.com:old#1")
    lines = list(
        format_build(describe_build([old, record(2, "provenance", predicate)]))
    )

    for line in (
        "  also named  ci.example.com:old#1",
        "  result      FAILURE",
        "  cause       UserIdCause by jo",
        "  cause       upstream lib#3",
        "  replay      yes",
        "  node        agent-1",
        "  stage logs  Test",
        "  gap         tests: denied",
        "  gap         artifacts: 2",
    ):
        assert line in lines


def test_build_that_the_hook_says_is_no_replay_is_none() -> None:
    predicate = {
        "buildDefinition": {"internalParameters": {"replay": {"isReplay": False}}}
    }

    build = describe_build([record(1, "provenance", predicate)])

    assert build["replay"] is False
    assert not any("replay" in line for line in format_build(build))


@pytest.mark.parametrize(
    ("complete", "said"),
    [(True, "first recorded by"), (False, "first recorded of these")],
)
def test_trace_of_a_cut_list_does_not_claim_the_first(
    complete: bool,  # noqa: FBT001 - a row
    said: str,
) -> None:
    records = [
        record(1, "provenance", {}),
        record(2, "notarization", {}, job="b#2"),
        record(3, "log", {}, job=None),
        record(4, "notarization", {}),
    ]
    trace = {**trace_digest(records), "complete": complete}
    first, second = format_trace(trace)

    assert first.startswith(said)
    assert second == "then by b#2  (#2, notarization)"


def test_what_differs_is_shown_with_both_sides_and_the_level_with_its_reasons() -> None:
    said = {
        "verdict": "differs",
        "claims": [1, 2],
        "fields": [
            {
                "field": "commit",
                "verdict": "differs",
                "claimed": ["f"],
                "observed": ["e"],
            },
            {"field": "node", "verdict": "unavailable", "why": "nobody claims it"},
        ],
        "artifacts": [
            {"name": f"{n}\x1b.jar", "digest": "sha256:1", "verdict": "unavailable"}
            for n in range(25)
        ],
        "counts": {"unavailable": 25},
    }
    lines = [*format_build(describe_build([record(3, "corroboration", said)]))]
    text = "\n".join(lines)

    assert "held to the controller: #1, #2: differs  (#3)" in text
    assert "differs: claimed ['f'], the controller says ['e']" in text
    assert "unavailable: nobody claims it" in text
    assert "and 5 more" in text
    assert "no SLSA build level" in text
    assert "  L1 not claimed: because no provenance" in text

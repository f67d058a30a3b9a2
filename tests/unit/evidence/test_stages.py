from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.stages import (
    Stage,
    find_stages_by_text,
    join_ranges,
    parse_stages,
    select_lines,
)

LOG = b"""Started
[Pipeline] stage
[Pipeline] { (Build)
[Pipeline] sh
+ make
[Pipeline] }
[Pipeline] // stage
[Pipeline] stage
[Pipeline] { (Test)
[Pipeline] withEnv
[Pipeline] {
+ make test
[Pipeline] }
[Pipeline] // withEnv
[Pipeline] }
[Pipeline] // stage
[Pipeline] { (Build)
again
[Pipeline] }
"""


def ranges(log: bytes, name: str) -> list[tuple[int, int]]:
    """Return the lines of a stage by text."""
    lines = enumerate(log.split(b"\n"), 1)
    return [one.ranges[0] for one in find_stages_by_text(lines, name)]


def test_stage_is_found_by_its_marks_each_run_of_it() -> None:
    assert ranges(LOG, "Build") == [(3, 6), (17, 19)]


def test_blocks_within_a_stage_do_not_end_it() -> None:
    assert ranges(LOG, "Test") == [(9, 15)]


@pytest.mark.parametrize(
    "line",
    [
        b"echo '[Pipeline] { (Deploy)'",
        b"[Pipeline] { (Deploy) and more",
        b" [Pipeline] { (Deploy)",
        b"[pipeline] { (Deploy)",
    ],
)
def test_text_that_only_holds_a_mark_is_none(line: bytes) -> None:
    assert ranges(line + b"\n[Pipeline] }\n", "Deploy") == []


def test_stage_that_does_not_end_has_no_last_line() -> None:
    assert ranges(b"[Pipeline] { (Build)\nmake\n", "Build") == [(1, 0)]


def test_name_of_a_stage_may_hold_anything() -> None:
    name = "Build (x) {\u00e9} \u202e"

    assert ranges(f"[Pipeline] {{ ({name})\n[Pipeline] }}\n".encode(), name) == [(1, 2)]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="none"),
        pytest.param({}, id="object"),
        pytest.param([7], id="no-object"),
        pytest.param([{}], id="no-name"),
        pytest.param([{"name": 7}], id="name-a-number"),
        pytest.param([{"name": "a", "lines": 7}], id="no-list"),
        pytest.param([{"name": "a", "lines": [[1]]}], id="no-pair"),
        pytest.param([{"name": "a", "lines": [[2, 1]]}], id="backwards"),
        pytest.param([{"name": "a", "lines": [[0, 1]]}], id="line-0"),
        pytest.param([{"name": "a", "lines": [[1, True]]}], id="bool"),
        pytest.param([{"name": "a", "lines": [[1, 1 << 60]]}], id="huge"),
        pytest.param([{"name": "a"}] * 1001, id="too-many"),
    ],
)
def test_malformed_stages_are_refused(value: object) -> None:
    with pytest.raises(IntegrityError):
        parse_stages(value)


def test_stage_without_lines_is_kept_without() -> None:
    assert parse_stages([{"name": "a", "id": 7}]) == [Stage("a", None, ())]


def test_ranges_are_joined_and_select_each_line_once() -> None:
    stages = [Stage("a", None, ((4, 6), (1, 1))), Stage("a", None, ((5, 7),))]
    lines = [(number, b"%d" % number) for number in range(1, 10)]

    joined = join_ranges(stages)
    assert joined == [(1, 1), (4, 7)]
    assert [number for number, _ in select_lines(lines, joined)] == [1, 4, 5, 6, 7]
    assert list(select_lines(lines, [])) == []

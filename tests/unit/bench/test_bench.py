"""Hold what the benchmarks are built of; no time is asserted anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import measure, report, steps
from bench.ledgers import Bench, digest_of, job_of, make_ledger
from bench.measure import Figure, Goal
from jenkins_notary.values.query import Query

if TYPE_CHECKING:
    from pathlib import Path

FIGURE = Figure("H1", "a", 10.0, "ms", "b", 4.0, Goal("<=", 5), "Why.")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a small ledger of the kind that is measured."""
    folder = tmp_path_factory.mktemp("bench") / "ledger"
    make_ledger(str(folder), 300)
    return Bench(str(folder), 300, 1.0)


@pytest.mark.parametrize(
    ("goal", "value", "ratio", "is_met"),
    [
        pytest.param(Goal("<=", 5), 10, 5.0, True, id="ratio at its bound"),
        pytest.param(Goal("<=", 5), 10, 5.1, False, id="ratio above"),
        pytest.param(Goal(">=", 0.9), 10, 0.8, False, id="ratio below"),
        pytest.param(Goal(">=", 9, of_ratio=False), 10, 0.1, True, id="figure itself"),
    ],
)
def test_goal_bounds_the_ratio_or_the_figure(
    goal: Goal, value: float, ratio: float, *, is_met: bool
) -> None:
    assert goal.is_met(value, ratio) is is_met


def test_turns_alternate_in_order_and_give_the_median() -> None:
    turns: list[str] = []
    values = iter([9, 9, 1, 10, 30, 3, 2, 20])

    def work(name: str) -> float:
        turns.append(name)
        return next(values)

    found = measure.take_turns(
        {"a": lambda: work("a"), "b": lambda: work("b")}, rounds=3
    )

    assert turns == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert found == {"a": 20, "b": 2}


@pytest.mark.parametrize("number", [1, 7, 299])
def test_records_are_found_by_what_their_number_gives(
    ledger: Bench, number: int
) -> None:
    with ledger.open_notary() as notary:
        by_job = notary.evidence(Query(job=job_of(number)))
        (verdict,) = notary.authenticate([digest_of(number)])

    assert [one.record.index for one in by_job] == [number]
    assert verdict.code == 0


def test_measured_ledger_is_sound(ledger: Bench) -> None:
    with ledger.open_notary() as notary:
        found = notary.ledger.verify(bodies=False)

    assert (found.size, found.signatures, found.total) == (300, 300, 0)


def test_table_has_goal_and_ratio_beside_the_figure() -> None:
    head, row = report.format_table([FIGURE]).splitlines()

    assert "figure  beside  its figure  ratio  goal" in head
    assert " ".join(row.split()) == "H1 a 10 ms b 4 ms 2.50 at most 5 x yes"


def test_docs_keep_what_stands_around_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Top\n\n{report.BEGIN}\nold\n{report.END}\nbelow\n")

    report.write_docs(str(page), [FIGURE])

    text = page.read_text()
    assert text.startswith(f"# Top\n\n{report.BEGIN}\n")
    assert text.endswith(f"\n{report.END}\nbelow\n")
    assert "| H1 | a | 10 ms | b | 4 ms | 2.50 | at most 5 x | yes |" in text
    assert "old" not in text


def test_docs_without_marks_are_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Top\n")

    with pytest.raises(ValueError, match="expected the lines"):
        report.write_docs(str(page), [FIGURE])


def test_json_has_ratio_and_whether_the_goal_is_met(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"

    report.write_json(str(path), [FIGURE])

    (found,) = json.loads(path.read_text())["figures"]
    assert (found["ratio"], found["met"], found["goal"]["bound"]) == (2.5, True, 5)


def test_times_of_a_pipeline_are_medians_without_the_first_rounds() -> None:
    log = "Started\nTIMES [[900, 90, 80, 1, 2, 9], [900, 90, 80, 5, 5, 5]]\nFinished\n"

    assert steps.read_times(log, ["a", "b"]) == {"a": 2, "b": 5}
    with pytest.raises(ValueError, match="told no times"):
        steps.read_times("Finished: FAILURE", ["a"])


def test_pipeline_runs_each_step_once_a_round() -> None:
    pipeline = steps.make_pipeline({"x": "sh 'true'", "y": "notaryNotarize 'a'"}, 7)

    assert "def times = [[], []]" in pipeline
    assert "i < 7" in pipeline
    assert pipeline.index("sh 'true'") < pipeline.index("notaryNotarize 'a'")

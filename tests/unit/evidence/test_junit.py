from __future__ import annotations

from typing import Any

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.junit import (
    MAX_NAMES,
    JunitSummary,
    make_test_result,
    parse_test_report,
)


def parse(report: dict[str, Any]) -> JunitSummary:
    return parse_test_report(report, subject="tests of app#7")


def case(name: str, status: str, group: str | None = "app.T") -> dict[str, Any]:
    return {"className": group, "name": name, "status": status}


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ({"failCount": 0, "passCount": 3, "skipCount": 0}, "PASSED"),
        ({"failCount": 0, "passCount": 3, "skipCount": 1}, "WARNED"),
        ({"failCount": 1, "passCount": 3, "skipCount": 1}, "FAILED"),
        ({"failCount": 1, "totalCount": 3, "skipCount": 1}, "FAILED"),
    ],
)
def test_counts_give_the_result(counts: dict[str, Any], word: str) -> None:
    assert parse(counts).result == word


def test_a_total_stands_for_what_passed() -> None:
    summary = parse({"failCount": 1, "totalCount": 5, "skipCount": 1})

    assert summary.counts == {"failed": 1, "passed": 3, "skipped": 1}


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"failCount": 1},
        {"failCount": "1", "passCount": 0, "skipCount": 0},
        {"failCount": -1, "passCount": 0, "skipCount": 0},
        {"failCount": 2, "totalCount": 1, "skipCount": 0},
    ],
)
def test_a_report_without_counts_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="tests of app#7"):
        parse(report)


def test_tests_are_named_and_skipped_ones_counted_only() -> None:
    summary = parse(
        {
            "failCount": 2,
            "passCount": 2,
            "skipCount": 1,
            "suites": [
                {"cases": [case("a", "PASSED"), case("b", "REGRESSION")]},
                {"cases": [case("c", "FIXED", None), case("d", "SKIPPED"), 7]},
                {"cases": "none"},
                {"cases": [case("e", "FAILED")]},
            ],
        }
    )

    assert summary.passed_names == ("app.T.a", "c")
    assert summary.failed_names == ("app.T.b", "app.T.e")


def test_an_aggregated_report_is_looked_into() -> None:
    child = {"result": {"suites": [{"cases": [case("a", "FAILED")]}]}}

    summary = parse(
        {"failCount": 1, "totalCount": 1, "skipCount": 0, "childReports": [child]}
    )

    assert summary.failed_names == ("app.T.a",)


def test_names_of_a_large_report_are_cut_and_failed_ones_go_first() -> None:
    cases = [case(f"p{n}", "PASSED") for n in range(MAX_NAMES)]
    cases += [case(f"f{n}", "FAILED") for n in range(3)]

    summary = parse(
        {
            "failCount": 3,
            "passCount": MAX_NAMES,
            "skipCount": 0,
            "suites": [{"cases": cases}],
        }
    )

    assert len(summary.failed_names) == 3
    assert len(summary.passed_names) == MAX_NAMES - 3


def test_the_predicate_has_the_fields_of_test_result_v0_1() -> None:
    summary = parse({"failCount": 0, "passCount": 1, "skipCount": 0})

    predicate = make_test_result(summary, url="https://ci.example.com/", job="a:b#7")

    assert predicate == {
        "result": "PASSED",
        "configuration": [{"name": "build", "uri": "a:b#7"}],
        "url": "https://ci.example.com/",
        "passedTests": [],
        "failedTests": [],
    }

"""Turn Jenkins' JUnit summary into an in-toto test-result statement.

The summary, as ``.../42/testReport/api/json`` gives it (shortened)::

    {"failCount": 1, "passCount": 2, "skipCount": 0, "suites": [{"cases": [
       {"className": "app.LoginTest", "name": "logs in", "status": "PASSED"},
       {"className": "app.LoginTest", "name": "logs out", "status": "FAILED"}]}]}

The predicate lists the names of the tests, failed ones first, as long as there is room
(:data:`MAX_NAMES`); the counts are always whole. Skipped tests are neither passed nor
failed, and stand in the counts alone.

Source: in-toto test-result predicate v0.1; junit plugin ``TestResult``, ``CaseResult``
(statuses PASSED, FIXED, FAILED, REGRESSION, SKIPPED).
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.shaping import cut, number
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
MAX_NAMES = 2000
"""Names of tests in one record; all of a large report would not fit an envelope."""

_FAILED = frozenset({"FAILED", "REGRESSION"})
_PASSED = frozenset({"PASSED", "FIXED"})


class JunitSummary(NamedTuple):
    """What a build's test report comes to.

    Attributes:
        passed: How many passed.
        failed: How many failed.
        skipped: How many were skipped.
        passed_names: Names of tests that passed, not all of a large report.
        failed_names: The same of those that failed.
    """

    passed: int
    failed: int
    skipped: int
    passed_names: tuple[str, ...]
    failed_names: tuple[str, ...]

    @property
    def result(self) -> str:
        """Return the predicate's word; WARNED where some were skipped."""
        if self.failed:
            return "FAILED"
        return "WARNED" if self.skipped else "PASSED"

    @property
    def counts(self) -> dict[str, int]:
        """Return the counts by their names."""
        return {"failed": self.failed, "passed": self.passed, "skipped": self.skipped}


def parse_test_report(report: Mapping[str, Any], *, subject: str) -> JunitSummary:
    """Return what a JUnit summary comes to.

    Raises:
        IntegrityError: It has no counts.
    """
    try:
        failed = number(report.get("failCount"))
        skipped = number(report.get("skipCount"))
        # An aggregated report has a total instead.
        if "passCount" in report:
            passed = number(report["passCount"])
        else:
            passed = number(number(report.get("totalCount")) - failed - skipped)
    except ValueError as error:
        raise IntegrityError(
            subject, expected="failCount, passCount and skipCount"
        ) from error
    names: dict[str, list[str]] = {"failed": [], "passed": []}
    for name, status in _cases(report):
        listed = names["failed" if status in _FAILED else "passed"]
        if status in _FAILED | _PASSED and len(listed) < MAX_NAMES:
            listed.append(name)
    room = MAX_NAMES - len(names["failed"])
    return JunitSummary(
        passed, failed, skipped, tuple(names["passed"][:room]), tuple(names["failed"])
    )


def make_test_result(summary: JunitSummary, *, url: str, job: str) -> dict[str, Any]:
    """Return the test-result predicate.

    Args:
        summary: What the report comes to.
        url: URL of the report.
        job: The job id of the build, which is the configuration that was tested.
    """
    return {
        "result": summary.result,
        "configuration": [{"name": "build", "uri": job}],
        "url": url,
        "passedTests": list(summary.passed_names),
        "failedTests": list(summary.failed_names),
    }


def _cases(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, status) of each test, in the order of the report."""
    pending = [report]
    while pending:
        one = pending.pop()
        for key in ("childReports", "suites"):
            below = one.get(key)
            if isinstance(below, list):
                found = [child for child in below if isinstance(child, dict)]
                # A child report, of an aggregated one, holds its result one deeper.
                pending += [
                    child["result"] if isinstance(child.get("result"), dict) else child
                    for child in reversed(found)
                ]
        cases = one.get("cases")
        for case in cases if isinstance(cases, list) else []:
            if isinstance(case, dict) and isinstance(case.get("name"), str):
                group = case.get("className")
                full = f"{group}.{case['name']}" if group else case["name"]
                yield cut(full, 300), str(case.get("status"))

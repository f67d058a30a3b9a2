from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.logs.keeping import keep_log
from jenkins_notary.errors import NotFoundError, UnavailableError, UsageError
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ports import Controller
from jenkins_notary.values.statement import Subject
from tests.unit.api.people import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from jenkins_notary.api.logs.check import LogCheck
    from jenkins_notary.api.notary import Notary

STARTED = 1767323045006
TEXT = b"one\ntwo\nthree\n"


class FakeJenkins:
    """A controller with one build, whose log a test chooses."""

    requests = 0

    def __init__(
        self,
        log: bytes | Exception,
        *,
        name: str = "payments/main",
        timestamp: int = STARTED,
        building: bool = False,
    ) -> None:
        self.log = log
        self.name = name
        self.value = {"number": 42, "timestamp": timestamp, "building": building}

    def controller(self) -> Controller:
        return Controller("ci.example.com", "https://ci.example.com/", "2.421", None)

    def build(self, name: str, number: int) -> dict[str, Any]:
        if (name, number) != (self.name, 42):
            raise NotFoundError(f"build {name}#{number}")
        return self.value

    @contextmanager
    def console(self, name: str, number: int) -> Iterator[BinaryIO]:
        self.build(name, number)
        if isinstance(self.log, Exception):
            raise self.log
        yield io.BytesIO(self.log)


def record(notary: Notary, data: bytes, **facts: Any) -> int:  # noqa: ANN401 - passed on
    """Record a log as the collector does; return its index."""
    session = notary._session
    kept = keep_log(session, io.BytesIO(data), policy=facts.pop("policy", "hold"))
    said = {
        "job": {"id": JOB},
        "build": {"number": 42, "startedAt": format_time(STARTED)},
        "form": "consoleText",
        "source": "controller",
        "state": "whole",
        **kept.facts,
        **facts,
    }
    subject = Subject("build log", kept.body.sha256_hex)
    (index,) = session.append([session.author().sign("log", [subject], said)])
    return index


def check(notary: Notary, jenkins: FakeJenkins) -> LogCheck:
    """Compare the build's log with what a controller serves."""
    return notary.verify_log(notary.find_log(JOB), jenkins)  # type: ignore[arg-type]  # What it needs of the port.


@pytest.mark.parametrize(
    ("served", "outcome", "code", "line"),
    [
        pytest.param(TEXT, "identical", 0, None, id="identical"),
        pytest.param(b"one\nTWO\nthree\n", "altered", 65, 2, id="altered"),
        pytest.param(b"one\n", "truncated", 65, 2, id="cut"),
        pytest.param(TEXT + b"more\n", "altered", 65, 4, id="more-of-a-whole-one"),
        pytest.param(b"", "truncated", 65, 1, id="empty"),
    ],
)
def test_log_is_compared_byte_for_byte(  # noqa: PLR0917 - fixtures and the row
    notary: Notary, served: bytes, outcome: str, code: int, line: int | None
) -> None:
    record(notary, TEXT)

    found = check(notary, FakeJenkins(served))
    assert (found.outcome, found.code, found.comparison.line) == (outcome, code, line)
    assert found.to_dict()["served_size"] == len(served)
    assert found.to_dict()["jenkins"] == "https://ci.example.com/"


def test_differing_lines_of_both_are_told(notary: Notary) -> None:
    record(notary, TEXT)

    difference = check(notary, FakeJenkins(b"one\nt\x1bo\xff\n")).to_dict()[
        "difference"
    ]
    assert difference == {
        "offset": 5,
        "line": 2,
        "recorded": "two",
        "served": "t\x1bo\\xff",
    }


def test_log_of_a_running_build_is_the_beginning_of_what_is_served(
    notary: Notary,
) -> None:
    record(notary, TEXT)

    assert check(notary, FakeJenkins(TEXT + b"x", building=True)).outcome == "beginning"
    assert check(notary, FakeJenkins(b"one\nx", building=True)).outcome == "altered"


@pytest.mark.parametrize(
    ("served", "outcome"),
    [
        pytest.param(b"one\ntwo\n\xff!\n", "identical", id="identical"),
        pytest.param(b"one\ntwo\n\xff!\nmore\n", "beginning", id="has-grown"),
        pytest.param(b"one\ntwo\n\xff?\n", "altered", id="altered"),
        pytest.param(b"one\n", "truncated", id="cut"),
    ],
)
def test_log_that_grew_is_compared_in_the_form_that_both_have(
    notary: Notary, served: bytes, outcome: str
) -> None:
    facts = {"state": "growing", "form": "progressiveText"}
    first = record(notary, b"one\r\ntwo\r", **facts)
    record(notary, b"\n\xef\xbf\xbd!\r\n", previous=first, **facts)

    assert check(notary, FakeJenkins(served)).outcome == outcome


def test_held_log_is_compared_and_not_shown(notary: Notary) -> None:
    secret = b"password = 'hunter2-and-more'\n"
    record(notary, TEXT + secret)
    other = secret.replace(b"2", b"3")

    assert check(notary, FakeJenkins(TEXT + secret)).outcome == "identical"
    found = check(notary, FakeJenkins(TEXT + other))
    assert (found.outcome, found.comparison.line, found.is_shown) == (
        "altered",
        4,
        False,
    )
    said = found.to_dict()["difference"]
    assert (said["recorded"], said["served"]) == (None, None)
    assert "hunter" not in repr(found.to_dict())


def test_held_piece_of_a_log_that_grew_is_not_shown(notary: Notary) -> None:
    facts = {"state": "growing", "form": "progressiveText"}
    first = record(notary, b"password = 'hunter2-and-more'\r\n", **facts)
    record(notary, b"clean\r\n", previous=first, **facts)

    assert notary.find_log(JOB).log.kept == "held"
    found = check(notary, FakeJenkins(b"password = 'hunter3-and-more'\nclean\n"))
    assert (found.outcome, found.is_shown) == ("altered", False)
    assert "hunter" not in repr(found.to_dict())
    notary.release_log(JOB, reason="changed")
    found = check(notary, FakeJenkins(b"password = 'hunter3-and-more'\nclean\n"))
    assert found.is_shown


def test_log_that_was_not_kept_is_compared_by_its_digest(notary: Notary) -> None:
    secret = b"password = 'hunter2-and-more'\n"
    record(notary, secret, policy="digest")

    assert check(notary, FakeJenkins(secret)).outcome == "identical"
    found = check(notary, FakeJenkins(secret + b"x"))
    assert (found.outcome, found.code, found.comparison.line) == ("altered", 65, None)


def test_pruned_log_is_compared_by_its_digest(notary: Notary) -> None:
    record(notary, TEXT)
    notary.ledger.prune(before="2999-01-01T00:00:00Z")

    assert check(notary, FakeJenkins(TEXT)).outcome == "identical"
    assert check(notary, FakeJenkins(b"x")).code == 65


@pytest.mark.parametrize(
    ("jenkins", "kind", "says"),
    [
        pytest.param(
            lambda: FakeJenkins(TEXT, name="other"),
            NotFoundError,
            "lost or deleted it",
            id="build-gone",
        ),
        pytest.param(
            lambda: FakeJenkins(TEXT, timestamp=STARTED + 1),
            NotFoundError,
            "made again",
            id="job-made-again",
        ),
        pytest.param(
            lambda: FakeJenkins(NotFoundError("log", got="none")),
            NotFoundError,
            "Jenkins lost it; what was notarized: jenkins-notary log",
            id="log-gone",
        ),
        pytest.param(
            lambda: FakeJenkins(UnavailableError("Jenkins")),
            UnavailableError,
            "Jenkins",
            id="away",
        ),
    ],
)
def test_jenkins_that_has_no_such_log_says_why(
    notary: Notary,
    jenkins: Callable[[], FakeJenkins],
    kind: type[Exception],
    says: str,
) -> None:
    record(notary, TEXT)

    with pytest.raises(kind, match=says):
        check(notary, jenkins())


def test_build_that_was_deleted_says_when(notary: Notary) -> None:
    record(notary, TEXT)
    facts = {
        "job": {"id": JOB},
        "build": {"startedAt": format_time(STARTED)},
        "event": {"at": "2026-02-03T04:05:06.007Z"},
    }
    session = notary._session
    session.append([session.author().sign("deletion", [], facts)])

    with pytest.raises(NotFoundError, match=r"deleted at 2026-02-03T04:05:06\.007Z"):
        check(notary, FakeJenkins(TEXT, name="other"))


def test_build_is_looked_for_under_its_newest_name(notary: Notary) -> None:
    record(notary, TEXT)
    subjects = name_subjects("ci.example.com", "payments", "billing")
    facts = {"from": "payments", "to": "billing", "instance": "ci.example.com"}
    session = notary._session
    session.append([session.author().sign("alias", subjects, facts)])

    assert check(notary, FakeJenkins(TEXT, name="billing/main")).outcome == "identical"
    assert check(notary, FakeJenkins(TEXT)).outcome == "identical"


@pytest.mark.parametrize("facts", [{"form": "html"}, {"stage": "Build"}])
def test_log_that_jenkins_cannot_be_asked_for_is_not_compared(
    notary: Notary, facts: dict[str, str]
) -> None:
    record(notary, TEXT, **facts)
    log = notary.find_log(JOB, stage=facts.get("stage"))

    with pytest.raises(UsageError):
        notary.verify_log(log, FakeJenkins(TEXT))  # type: ignore[arg-type]  # What it needs of the port.

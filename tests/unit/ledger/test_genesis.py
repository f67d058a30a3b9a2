from __future__ import annotations

import pytest

from jenkins_notary.errors import UsageError
from jenkins_notary.ledger.genesis import append_genesis, check_origin, make_origin
from tests.unit.trust.builders import ORIGIN, Log, author, key, notarization, sid


def test_the_genesis_is_record_0_and_names_its_administrators() -> None:
    log = Log(begin=False)

    (appended,) = append_genesis(
        log.sequencer, author("alpha", "beta"), ORIGIN, threshold=2, succeeds=b"old\n"
    )

    trust = log.view().trust()
    assert appended.index == 0
    assert (trust.origin, trust.threshold, trust.succeeds) == (ORIGIN, 2, "old\n")
    assert trust.administrators == {
        sid("alpha"): key("alpha").public_der,
        sid("beta"): key("beta").public_der,
    }


@pytest.mark.parametrize(
    ("names", "threshold", "origin"),
    [
        (["alpha"], 0, ORIGIN),
        (["alpha"], 2, ORIGIN),
        (["alpha", "alpha"], 2, ORIGIN),
        ([f"admin{n}" for n in range(17)], 17, ORIGIN),
        (["alpha"], 1, "other.example.com/1"),
        (["alpha"], 1, "bad origin"),
    ],
    ids=["zero", "too-high", "one-key-twice", "unsignable", "another-log", "no-origin"],
)
def test_a_genesis_that_would_make_a_log_useless_is_refused(
    names: list[str], threshold: int, origin: str
) -> None:
    log = Log(begin=False)

    with pytest.raises(UsageError):
        append_genesis(log.sequencer, author(*names), origin, threshold=threshold)
    assert log.store.head() is None


def test_a_log_with_records_gets_no_second_genesis() -> None:
    log = Log()

    with pytest.raises(UsageError, match="expected an empty log, got records"):
        append_genesis(log.sequencer, author("evil"), ORIGIN)
    assert log.view().size == 1


def test_a_genesis_that_was_not_published_is_published() -> None:
    log = Log()
    log.store._checkpoint = None

    assert list(append_genesis(log.sequencer, author("other"), ORIGIN)) == []
    assert log.view().size == 1
    assert log.view().trust().administrators.keys() == {sid("admin")}


def test_a_log_that_somebody_else_began_cannot_be_used() -> None:
    log = Log(begin=False)
    log.append(notarization("TRUSTED", ["app"]))

    assert log.status("app") == "UNKNOWN"


@pytest.mark.parametrize(
    ("host", "slug"),
    [
        ("CI.example.com", "ci.example.com"),
        ("my host_1", "my-host-1"),
        ("été", "t"),
        ("..", "localhost"),
        ("", "localhost"),
        ("h" * 300, "h" * 120),
    ],
)
def test_a_made_origin_is_a_host_and_random(host: str, slug: str) -> None:
    first, second = make_origin(host), make_origin(host)

    assert first.rpartition("/")[0] == slug
    assert first != second
    check_origin(first)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "a b",
        "a+b",
        "a\n",
        "é",
        "x" * 201,
        "..",
        "a/../b",
        ".",
    ],
)
def test_an_origin_is_plain_segments(origin: str) -> None:
    with pytest.raises(UsageError, match="expected segments of letters"):
        check_origin(origin)

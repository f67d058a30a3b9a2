from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from jenkins_notary.api.inputs import open_input
from jenkins_notary.api.sources import collect, read_words
from jenkins_notary.errors import NotaryError, NotFoundError, UsageError
from tests.unit.api.people import digest

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


def test_words_become_assets_and_progress_is_reported(
    admin: Person, notary: Notary, tmp_path: Path
) -> None:
    (tmp_path / "work" / "a").write_bytes(b"a" * 5_000_000)

    (one,) = collect(notary._session, ["a"], name=None)

    assert (one.name, one.size) == ("a", 5_000_000)
    assert any(step.startswith("hashing") for step in admin.steps)


def test_name_is_that_of_the_one_asset(notary: Notary, tmp_path: Path) -> None:
    (tmp_path / "work" / "a").write_text("a")
    (tmp_path / "work" / "b").write_text("b")

    (one,) = collect(notary._session, ["a"], name="other")
    assert one.name == "other"
    with pytest.raises(UsageError):
        collect(notary._session, ["a", "b"], name="other")


def test_single_text_is_not_taken_for_a_list(notary: Notary) -> None:
    text = cast("Any", "app.jar")

    for act in (notary.notarize, notary.authenticate):
        with pytest.raises(UsageError, match=r"write \[TEXT\]"):
            act(text)
    assert notary.ledger.status().tree_size == 1


@pytest.mark.parametrize("words", [[], ["-"]], ids=["none", "empty-list"])
def test_no_assets_are_a_mistake(admin: Person, words: list[str]) -> None:
    asking = admin.notary(stdin=io.BytesIO(b""))

    with pytest.raises(UsageError):
        asking.authenticate(words)
    with pytest.raises(UsageError):
        asking.gate(b"version: 1\nrules: [{name: a}]\n", words)


def test_list_on_standard_input_is_read_once(admin: Person) -> None:
    session = admin.notary(stdin=io.BytesIO(b"a\nb\n"))._session

    assert read_words(session, ["x", "-"]) == ["x", "a", "b"]


@pytest.mark.parametrize(
    "word",
    [
        "image://127.0.0.1:1/app:1",
        "https://127.0.0.1:1/app.jar",
        "http://127.0.0.1:1/app.jar",
    ],
)
def test_registry_and_url_that_do_not_answer_are_answers(
    notary: Notary, word: str
) -> None:
    (answer,) = notary.authenticate([word])

    assert isinstance(answer.error, NotaryError)
    assert answer.code >= 64


def test_input_is_a_file_or_what_was_given(
    admin: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "a").write_text("a")
    given = io.BytesIO(b"given")
    session = admin.notary(stdin=given)._session

    with open_input(session, "a") as stream:
        assert stream.read() == b"a"
    assert open_input(session, "-") is given
    with pytest.raises(NotFoundError):
        open_input(session, "missing")
    bare = admin.notary()._session
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"own")))
    assert open_input(bare, "-").read() == b"own"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input"):
        open_input(bare, "-")


def test_digest_of_a_list_is_judged(admin: Person) -> None:
    admin.record("app")
    asking = admin.notary(stdin=io.BytesIO(digest("app").encode()))

    assert [one.code for one in asking.authenticate(["-"])] == [0]

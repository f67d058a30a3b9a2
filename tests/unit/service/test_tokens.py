"""Tokens: a hash is kept, a secret shown once, a folder is whole path segments."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.service.access.scopes import format_scope, is_within, parse_scope
from jenkins_notary.service.access.tokens import Token, TokenFile, make_token

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_767_323_045_006


def make(
    name: str = "ci", role: str = "writer", *folders: str, end: int | None = None
) -> Token:
    return make_token(name, role, folders, now_ms=NOW, expires_ms=end)


def read(tokens: TokenFile) -> Any:  # noqa: ANN401 - a document
    with open(tokens.path, encoding="ascii") as file:
        return json.load(file)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(str(tmp_path / "ledger.db.tokens"))


def test_token_is_found_by_its_text_and_its_secret_is_not_kept(
    tokens: TokenFile,
) -> None:
    text = tokens.create(make("ci", "writer", "payments"))
    name, _, secret = text.partition(".")

    found = tokens.find(text, NOW)

    assert found is not None
    assert (found.name, found.role) == (name, "writer") == ("ci", "writer")
    assert len(secret) == 43
    assert secret not in json.dumps(read(tokens))
    assert stat.S_IMODE(os.stat(tokens.path).st_mode) == 0o600


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(lambda text: text + "A", id="longer"),
        pytest.param(lambda text: text.partition(".")[2], id="no-name"),
        pytest.param(lambda text: text.partition(".")[0], id="no-secret"),
        pytest.param(lambda text: text.partition(".")[0] + ".", id="empty-secret"),
        pytest.param(lambda text: "other." + text.partition(".")[2], id="other-name"),
        pytest.param(lambda text: text.swapcase(), id="other-case"),
        pytest.param(lambda text: text + "\ud800", id="surrogate"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda text: text * 10, id="long"),
    ],
)
def test_text_that_is_not_the_token_finds_nobody(
    tokens: TokenFile, change: object
) -> None:
    text = tokens.create(make())

    assert callable(change)
    assert tokens.find(change(text), NOW) is None


def test_hash_of_a_secret_is_no_secret(tokens: TokenFile) -> None:
    tokens.create(make())
    kept = read(tokens)["tokens"][0]["sha256"]

    assert tokens.find(f"ci.{kept}", NOW) is None


def test_token_ends_at_its_time(tokens: TokenFile) -> None:
    text = tokens.create(make(end=NOW + 1000))

    assert tokens.find(text, NOW + 999) is not None
    assert tokens.find(text, NOW + 1000) is None


def test_rotation_gives_a_new_secret_and_ends_the_old_one(tokens: TokenFile) -> None:
    old = tokens.create(make())

    new = tokens.rotate("ci", NOW + 5)

    assert tokens.find(old, NOW) is None
    found = tokens.find(new, NOW)
    assert found is not None
    assert found.created_ms == NOW + 5


def test_revocation_holds_for_another_reader_at_once(tokens: TokenFile) -> None:
    text = tokens.create(make())
    reader = TokenFile(tokens.path)
    assert reader.find(text, NOW) is not None

    tokens.revoke("ci")

    assert reader.find(text, NOW) is None


def test_name_is_taken_once(tokens: TokenFile) -> None:
    tokens.create(make())

    with pytest.raises(UsageError, match="token ci: expected a new name"):
        tokens.create(make())


@pytest.mark.parametrize("change", ["rotate", "revoke"])
def test_unknown_token_is_told(tokens: TokenFile, change: str) -> None:
    with pytest.raises(NotFoundError, match="token 'nobody'"):
        tokens.rotate("nobody", NOW) if change == "rotate" else tokens.revoke("nobody")


def test_what_cannot_be_recorded_makes_no_token(tokens: TokenFile) -> None:
    def refuse(_: Token) -> None:
        raise PermissionDeniedError("ledger")

    with pytest.raises(PermissionDeniedError):
        tokens.create(make(), before=refuse)

    assert tokens.load() == {}


@pytest.mark.parametrize(
    ("name", "role", "folders", "end"),
    [
        pytest.param("", "writer", [], None, id="no-name"),
        pytest.param("a.b", "writer", [], None, id="dot"),
        pytest.param("../x", "writer", [], None, id="traversal"),
        pytest.param("A", "writer", [], None, id="capital"),
        pytest.param("x" * 64, "writer", [], None, id="long"),
        pytest.param("x", "root", [], None, id="role"),
        pytest.param("x", "admin", ["payments"], None, id="admin-with-folder"),
        pytest.param("x", "security", ["payments"], None, id="security-with-folder"),
        pytest.param("x", "writer", ["*"], None, id="star"),
        pytest.param("x", "writer", ["../payments"], None, id="folder-up"),
        pytest.param("x", "writer", [""], None, id="empty-folder"),
        pytest.param("x", "writer", ["a"] * 101, None, id="too-many"),
        pytest.param("x", "writer", [], NOW, id="over"),
    ],
)
def test_token_that_cannot_be_is_refused(
    name: str, role: str, folders: list[str], end: int | None
) -> None:
    with pytest.raises(UsageError):
        make_token(name, role, folders, now_ms=NOW, expires_ms=end)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"v": 2, "tokens": []}',
        b'{"v": 1, "tokens": {}}',
        b'{"v": 1, "tokens": [1]}',
        b'{"v": 1, "tokens": [{"name": "a"}]}',
    ],
)
def test_malformed_file_lets_nobody_in(tokens: TokenFile, data: bytes) -> None:
    descriptor = os.open(tokens.path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, data)
    os.close(descriptor)

    with pytest.raises(IntegrityError):
        tokens.find("ci.secret", NOW)


def test_each_key_of_a_token_is_needed(tokens: TokenFile) -> None:
    tokens.create(make("ci", "writer", "payments"))
    whole = read(tokens)
    for key in ("name", "role", "scopes", "sha256", "createdAt"):
        for value in (None, 7.5, "../x"):
            changed = {**whole["tokens"][0], key: value}
            with open(tokens.path, "w", encoding="ascii") as file:
                json.dump({"v": 1, "tokens": [changed]}, file)

            with pytest.raises(IntegrityError):
                TokenFile(tokens.path).load()


def test_names_stand_once_in_the_file(tokens: TokenFile) -> None:
    tokens.create(make())
    whole = read(tokens)
    with open(tokens.path, "w", encoding="ascii") as file:
        json.dump({"v": 1, "tokens": whole["tokens"] * 2}, file)

    with pytest.raises(IntegrityError, match="each name once"):
        TokenFile(tokens.path).load()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_file_that_others_may_read_lets_nobody_in(tokens: TokenFile, mode: int) -> None:
    text = tokens.create(make())
    os.chmod(tokens.path, mode)

    with pytest.raises(ConfigurationError, match="mode 0600"):
        TokenFile(tokens.path).find(text, NOW)


def test_token_is_bound_to_the_outbox_that_it_delivers_first(
    tokens: TokenFile,
) -> None:
    tokens.create(make("hook", "controller"))
    tokens.bind("hook", "0" * 32, None)
    tokens.bind("hook", "0" * 32, "a" * 64)
    tokens.bind("hook", "0" * 32, "a" * 64)

    with pytest.raises(PermissionDeniedError, match="another outbox"):
        tokens.bind("hook", "1" * 32, "a" * 64)
    with pytest.raises(PermissionDeniedError, match="a copy of the controller"):
        tokens.bind("hook", "0" * 32, "b" * 64)
    with pytest.raises(PermissionDeniedError, match="a copy of the controller"):
        tokens.bind("hook", "0" * 32, None)

    tokens.rotate("hook", NOW)
    tokens.bind("hook", "0" * 32, "b" * 64)


@pytest.mark.parametrize(
    ("scope", "job", "within"),
    [
        ("payments", "ci.example.com:payments/api/main#1", True),
        ("payments", "payments#1", True),
        ("payments/*", "payments/api#1", True),
        ("payments", "payments-evil/api#1", False),
        ("payments", "paymentsevil#1", False),
        ("payments", "other/payments#1", False),
        ("payments", "Payments/api#1", False),
        ("payments", "payments%2Fevil#1", False),
        ("ci.example.com:payments", "ci.example.com:payments/api#1", True),
        ("ci.example.com:payments", "evil.example.com:payments/api#1", False),
        ("ci.example.com:payments", "payments/api#1", False),
        ("ci.example.com:*", "ci.example.com:other#1", True),
        ("ci.example.com:*", "ci.example.com.evil:other#1", False),
        ("payments", "payments/../other#1", False),
        ("payments", "payments", False),
        ("payments", None, False),
    ],
)
def test_scope_is_whole_segments(scope: str, job: str | None, *, within: bool) -> None:
    assert is_within([parse_scope(scope)], job) is within
    assert parse_scope(format_scope(parse_scope(scope))) == parse_scope(scope)


def test_no_scope_is_everything() -> None:
    assert is_within([], None)
    assert is_within([], "any/job#1")

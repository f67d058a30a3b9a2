"""Expand patterns as a shell would, but never quietly to less."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets import globs
from jenkins_notary.assets.globs import expand_pattern, is_pattern
from jenkins_notary.errors import NotFoundError, PermissionDeniedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("a.jar", "b.jar", "b.txt", ".hidden.jar", "sub/c.jar", "sub/deep/d.jar", "[x]")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jar", ["a.jar", "b.jar"]),
        ("?.jar", ["a.jar", "b.jar"]),
        ("[b-z].*", ["b.jar", "b.txt"]),
        (".*.jar", [".hidden.jar"]),
        ("*/*.jar", ["sub/c.jar"]),
        ("sub/*.jar", ["sub/c.jar"]),
        ("./sub/*.jar", ["./sub/c.jar"]),
        ("**/*.jar", ["a.jar", "b.jar", "sub/c.jar", "sub/deep/d.jar"]),
        ("sub/**", ["sub/c.jar", "sub/deep/d.jar"]),
        ("**/deep/*", ["sub/deep/d.jar"]),
        ("**/**/*.jar", ["a.jar", "b.jar", "sub/c.jar", "sub/deep/d.jar"]),
        ("*", ["[x]", "a.jar", "b.jar", "b.txt"]),
        ("[[]x]", ["[x]"]),
    ],
)
def test_pattern_finds_files_sorted(pattern: str, found: list[str]) -> None:
    assert expand_pattern(pattern) == found


def test_absolute_pattern_finds_absolute_paths(tree: Path) -> None:
    assert expand_pattern(f"{tree}/*.txt") == [f"{tree}/b.txt"]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("pattern", ["*.war", "absent/*", "a.jar/*", "sub/*.txt"])
def test_pattern_without_a_match_is_not_found(pattern: str) -> None:
    with pytest.raises(NotFoundError, match="nothing that matches"):
        expand_pattern(pattern)


@pytest.mark.usefixtures("tree")
def test_pattern_that_matches_only_folders_says_so() -> None:
    with pytest.raises(NotFoundError, match="only folders"):
        expand_pattern("su*")


def test_loop_of_links_does_not_catch_the_search(tree: Path) -> None:
    (tree / "sub" / "loop").symlink_to("..")

    assert expand_pattern("**/a.jar") == ["a.jar"]


def test_many_double_stars_take_little_time(tree: Path) -> None:
    (tree / "/".join("x" * 30)).mkdir(parents=True)

    assert expand_pattern("**/" * 12 + "a.jar") == ["a.jar"]


@pytest.mark.usefixtures("tree")
def test_folder_that_cannot_be_listed_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.scandir

    def refuse(path: str) -> object:
        if path == "sub":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(PermissionDeniedError, match="sub"):
        expand_pattern("**/*.jar")


@pytest.mark.usefixtures("tree")
def test_number_of_matches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "MAX_MATCHES", 2)

    with pytest.raises(UsageError, match="at most 2 files"):
        expand_pattern("**/*")


@pytest.mark.parametrize(
    ("text", "expected"), [("a*", True), ("a?", True), ("a[", True), ("a.b-c", False)]
)
def test_pattern_is_known_by_its_characters(text: str, *, expected: bool) -> None:
    assert is_pattern(text) is expected

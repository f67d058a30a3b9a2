"""Receipt files stay in their folder, whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.cli.receipts import ReceiptFolder, make_file_names
from jenkins_notary.errors import PermissionDeniedError, StorageError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["a/b.jar"], ["b.jar"], id="last-part"),
        pytest.param(["../../etc/passwd"], ["passwd"], id="traversal"),
        pytest.param(
            ["..", "", "/", "-", "."],
            ["asset", *map("asset~{}".format, (1, 2, 3, 4))],
            id="nothing-left",
        ),
        pytest.param(["a", "b/a", "c/a"], ["a", "a~1", "a~2"], id="same-names"),
        pytest.param(["a", "a~1", "b/a"], ["a", "a_1", "a~1"], id="tilde-is-ours"),
        pytest.param(["A", "a"], ["A", "a~1"], id="case"),
        pytest.param(["c:\\x\\y.exe"], ["y.exe"], id="backslash"),
        pytest.param([".ssh"], ["ssh"], id="hidden"),
        pytest.param(["a\x00\n b\u202ec"], ["a_b_c"], id="control-characters"),
        pytest.param(["reg/app:1.2@sha256:00"], ["app_1.2@sha256_00"], id="image"),
    ],
)
def test_file_name_is_plain_and_unique(names: list[str], expected: list[str]) -> None:
    assert make_file_names(names) == expected


@given(st.lists(st.text()))
def test_no_name_leaves_the_folder_or_meets_another(names: list[str]) -> None:
    made = make_file_names(names)

    assert len({one.lower() for one in made}) == len(names)
    for one in made:
        assert os.path.basename(one) == one
        assert one.isascii()
        assert one not in {"", ".", ".."}
        assert len(one) < 200


def test_folder_is_made(tmp_path: Path) -> None:
    ReceiptFolder(str(tmp_path / "a/b"))

    assert os.listdir(tmp_path / "a/b") == []


def test_empty_path_is_refused() -> None:
    with pytest.raises(UsageError):
        ReceiptFolder(" ")


def test_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")

    with pytest.raises(UsageError, match="got a file"):
        ReceiptFolder(str(tmp_path / "a"))


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")

    with pytest.raises(StorageError):
        ReceiptFolder(str(tmp_path / "a/b"))


def test_folder_without_rights_is_77(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: str, _mode: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)

    with pytest.raises(PermissionDeniedError):
        ReceiptFolder(str(tmp_path))

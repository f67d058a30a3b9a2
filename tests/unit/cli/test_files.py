"""A file that an argument names is read whole, or one error says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.cli.files import read_file
from jenkins_notary.errors import NotaryError

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    assert read_file(str(tmp_path / "a"), "policy", limit=5) == b"12345"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("a", 64, id="too-large"),
        pytest.param(".", 64, id="folder"),
        pytest.param("missing", 66, id="missing"),
        pytest.param("a/b", 66, id="below-a-file"),
        pytest.param("x\0y", 64, id="nul"),
        pytest.param("x" * 5000, 74, id="long-name"),
        pytest.param("", 66, id="empty"),
    ],
)
def test_file_that_cannot_be_read_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"123456")

    with pytest.raises(NotaryError) as caught:
        read_file(path, "policy", limit=5)

    assert caught.value.exit_code == code

"""What administrators write is read as it stands there, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.plain_yaml import MAX_FILE_BYTES, load_plain, read_plain_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_has_the_value_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("a: {b: [1, x]}\n")

    assert read_plain_file(str(tmp_path / "s.yaml"), "s") == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"trust: {org: acme}\ntrust: {}\n", "the key 'trust' twice"),
        (b"a: &x [1]\nb: *x\n", "aliases"),
        (b"ok: 1\ntoken: [hunter2\n", "in line 3"),
        (b"a: !!python/object:os.system x\n", "in line 1"),
        (b"a: \xff\n", "bytes that are none"),
        (b"a: \0\n", "special characters are not allowed"),
        (b"[" * 100_000, "maximum recursion depth"),
        (b"#" * (MAX_FILE_BYTES + 1), f"at most {MAX_FILE_BYTES} B"),
    ],
)
def test_what_is_not_plain_is_refused_and_not_repeated(
    content: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"^settings: ") as caught:
        read_plain_file(str(tmp_path / "s.yaml"), "settings")
    assert why in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a readable file"):
        read_plain_file(str(tmp_path / "none.yaml"), "settings")


def test_a_document_has_one_value() -> None:
    with pytest.raises(ValueError, match="in line 2"):
        load_plain("--- 1\n--- 2\n")

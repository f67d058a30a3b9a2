"""The file of ``serve --settings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.service.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_file_all_is_as_by_default(tmp_path: Path) -> None:
    """No file and an empty one say the same."""
    path = tmp_path / "settings.yaml"
    path.write_text("")

    assert load_settings(None) == load_settings(str(path)) == Settings()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"nothing: {}", "nothing", id="unknown-section"),
        pytest.param(b"- a", "mapping", id="no-mapping"),
        pytest.param(b"a: [", "YAML", id="no-yaml"),
        pytest.param(b"a: !!python/object:os.system x", "YAML", id="code"),
        pytest.param(b"\xff", "UTF-8", id="no-text"),
        pytest.param(b"#" * ((1 << 20) + 1), "1048576", id="too-large"),
    ],
)
def test_a_wrong_file_is_refused_as_a_configuration(
    tmp_path: Path, content: bytes, told: str
) -> None:
    """What is wrong with it is said."""
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(str(path))

    assert told in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Whoever names a file wants it read."""
    with pytest.raises(ConfigurationError):
        load_settings(str(tmp_path / "none"))

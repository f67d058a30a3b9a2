"""Read YAML that says what it seems to say: each key once, and no aliases.

A parser takes the last of two keys without a word, and so drops what stood first. A few
aliases make a small file large.
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAX_FILE_BYTES = 1 << 20


def read_plain_file(path: str, subject: str) -> object:
    """Return the value of a YAML file that an administrator wrote.

    Args:
        path: The file.
        subject: How errors name it. What stands in it they do not repeat.

    Raises:
        ConfigurationError: It cannot be read, is too long, or is no plain YAML.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(subject, expected=f"at most {MAX_FILE_BYTES} B")
        return load_plain(content.decode())
    except OSError as error:
        raise ConfigurationError(
            subject, expected="a readable file", got=error.strerror or "an error"
        ) from error
    except (RecursionError, ValueError) as error:
        got = "bytes that are none" if isinstance(error, UnicodeError) else str(error)
        raise ConfigurationError(
            subject, expected="plain YAML in UTF-8", got=got[:200]
        ) from error


def load_plain(data: bytes | str) -> object:
    """Return the value of a YAML document.

    Raises:
        ValueError: It is no plain YAML; RecursionError where it is nested too deeply.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain YAML, each key once, no aliases."""

        def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - YAML's own
            if self.check_event(yaml.AliasEvent):
                message = "aliases, which must not be here"
                raise ValueError(message)
            node = super().compose_node(parent, index)
            if isinstance(node, yaml.MappingNode):
                _check_keys([key.value for key, _ in node.value])
            return node

    try:
        return yaml.load(data, Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        # Its own text quotes the lines around, in which secrets may stand.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"{error.problem} in line {line}"
        raise ValueError(message) from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _check_keys(keys: Sequence[object]) -> None:
    """Check that no key of a mapping stands twice."""
    texts = [key for key in keys if isinstance(key, str)]
    if len(set(texts)) < len(texts):
        twice = next(key for key in texts if texts.count(key) > 1)
        message = f"the key {twice[:80]!r} twice"
        raise ValueError(message)

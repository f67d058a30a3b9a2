"""Read YAML that says what it seems to say: each key once, and no aliases.

A parser takes the last of two keys without a word, and so drops what stood first. A few
aliases make a small file large.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


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
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _check_keys(keys: Sequence[object]) -> None:
    """Check that no key of a mapping stands twice."""
    texts = [key for key in keys if isinstance(key, str)]
    if len(set(texts)) < len(texts):
        twice = next(key for key in texts if texts.count(key) > 1)
        message = f"the key {twice[:80]!r} twice"
        raise ValueError(message)

"""Cut a JSON bean by Jenkins' `tree=`, as its `NamedPathPruner` does.

`a,b[c,d]{M,N}`: names with what to keep below each, and the items [M, N) of a list.
`_class` is kept wherever a bean has one; a bean of which nothing is wanted is `{}`.

Source: stapler `NamedPathPruner.java`, `Range.java`; tried on Jenkins 2.421.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = (0, 2**31 - 1)


class Tree(NamedTuple):
    """What is wanted: children by name, and which items of a list."""

    children: dict[str, Tree]
    items: tuple[int, int] = ALL


def parse_tree(text: str) -> Tree:
    """Return a parsed `tree=`; ValueError if Jenkins would answer 500."""
    tokens = re.findall(r"[,\[\]{}]|[^,\[\]{}]+", text)
    children = _parse_list(tokens)
    if tokens:
        raise ValueError(tokens[0])
    return Tree(children)


def prune(bean: object, tree: Tree) -> object:
    """Return what the tree keeps of a bean.

    A list may be an iterable: of one with a range, no more than that is drawn.
    """
    if isinstance(bean, dict):
        kept: dict[str, object] = {}
        for name, value in bean.items():
            wanted = tree.children.get(name) or tree.children.get("*")
            if name == "_class" or wanted:
                kept[name] = prune(value, wanted or tree)
        return kept
    if isinstance(bean, (str, int, float, type(None))):
        return bean
    assert hasattr(bean, "__iter__"), bean
    return [prune(item, tree) for item in _take(bean, tree.items)]


def _take(items: Iterable[object], bounds: tuple[int, int]) -> Iterable[object]:
    """Yield the items at [M, N)."""
    start, stop = bounds
    for place, item in enumerate(items):
        if place >= stop:
            return
        if place >= start:
            yield item


def _parse_list(tokens: list[str]) -> dict[str, Tree]:
    """Parse `node,node,...`, taking the tokens away."""
    children: dict[str, Tree] = {}
    while True:
        name = _take_token(tokens)
        if name in set(",[]{}"):
            raise ValueError(name)
        below: dict[str, Tree] = {}
        items = ALL
        if tokens[:1] == ["["]:
            tokens.pop(0)
            below = _parse_list(tokens)
            _expect(tokens, "]")
        if tokens[:1] == ["{"]:
            tokens.pop(0)
            items = _parse_range(tokens)
        children[name] = Tree(below, items)
        if tokens[:1] != [","]:
            return children
        tokens.pop(0)


def _parse_range(tokens: list[str]) -> tuple[int, int]:
    """Parse `M,N}`, `M,}`, `,N}` or `M}`."""
    if tokens[:1] == [","]:
        tokens.pop(0)
        stop = int(_take_token(tokens))
        _expect(tokens, "}")
        return 0, stop
    start = int(_take_token(tokens))
    if tokens[:1] == ["}"]:
        tokens.pop(0)
        return start, start + 1
    _expect(tokens, ",")
    stop = ALL[1] if tokens[:1] == ["}"] else int(_take_token(tokens))
    _expect(tokens, "}")
    return start, stop


def _take_token(tokens: list[str]) -> str:
    if not tokens:
        raise ValueError("end")
    return tokens.pop(0)


def _expect(tokens: list[str], token: str) -> None:
    if _take_token(tokens) != token:
        raise ValueError(token)

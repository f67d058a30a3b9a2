"""Bring JSON from strangers into a known shape: what is unknown goes, bounds hold.

A shape is a mapping of keys to shapes, a list with the one shape of its items, or a
function that returns the clean value and raises ValueError for any other:

>>> shape({"name": "a", "size": 3, "x": 1}, {"name": text(10), "size": number})
{'name': 'a', 'size': 3}
>>> shape([{"name": "a"}], [{"name": flag}])
Traceback (most recent call last):
ValueError: name: true or false

Keys that the shape does not name are dropped, and so are those whose value is null.
"""

from __future__ import annotations

from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.urls import scrub_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn, TypeAlias

    Shape: TypeAlias = "Mapping[str, Shape] | list[Shape] | Callable[[object], object]"

MAX_ITEMS = 10_000
"""Items of one list; a controller with more plugins or libraries is none."""

MAX_NUMBER = 1 << 53
_LAST_MS = 253_402_300_799_999
_HEX = frozenset("0123456789abcdef")


def shape(value: object, wanted: Shape) -> object:
    """Return a value in the shape that is wanted.

    Raises:
        ValueError: It has another; the text says where, and what was expected.
    """
    if callable(wanted):
        return wanted(value)
    if isinstance(wanted, list):
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            refuse(f"a list of at most {MAX_ITEMS}")
        return [shape(one, wanted[0]) for one in value]
    if not isinstance(value, dict):
        refuse("an object")
    found = {}
    for key, below in wanted.items():
        if value.get(key) is not None:
            try:
                found[key] = shape(value[key], below)
            except ValueError as error:
                refuse(f"{key}: {error}")
    return found


def shape_object(value: object, wanted: Mapping[str, Shape]) -> dict[str, Any]:
    """Return an object in the shape that is wanted; see :func:`shape`.

    Raises:
        ValueError: It has another shape.
    """
    found = shape(value, wanted)
    assert isinstance(found, dict)  # noqa: S101 - the shape is that of an object
    return found


def refuse(expected: str) -> NoReturn:
    """Raise the one error of a shape.

    Raises:
        ValueError: Always; its text says what was expected.
    """
    raise ValueError(expected)


def text(limit: int) -> Callable[[object], str]:
    """Return the shape of a text: URLs scrubbed, cut to a number of characters."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            refuse("text")
        return cut(scrub_url(value), limit)

    return check


def cut(value: str, limit: int) -> str:
    """Return a text of at most so many characters; a cut one ends in an ellipsis.

    >>> cut("abcdef", 4), cut("abcd", 4)
    ('abc…', 'abcd')
    """
    # What is no Unicode text has no UTF-8, and no canonical JSON that others read.
    clean = value[: limit + 1].encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else clean[: limit - 1] + "\u2026"


def number(value: object) -> int:
    """Return an integer from 0 that JSON carries exactly."""
    if type(value) is not int or not 0 <= value < MAX_NUMBER:
        refuse("a number from 0")
    return value


def moment(value: object) -> int:
    """Return milliseconds since the epoch, before the year 10000."""
    if number(value) > _LAST_MS:
        refuse("milliseconds since 1970")
    return number(value)


def flag(value: object) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        refuse("true or false")
    return value


def sha256_hex(value: object) -> str:
    """Return 64 hex digits."""
    if not isinstance(value, str) or not is_hex_digest(value):
        refuse("64 hex digits")
    return value


def commit_id(value: object) -> str:
    """Return a git commit id of 40 or 64 hex digits.

    >>> commit_id("AB" * 20)
    'abababababababababababababababababababab'
    """
    found = value.lower() if isinstance(value, str) else ""
    if len(found) not in {40, 64} or not _HEX.issuperset(found):
        refuse("a commit id")
    return found


def scalar(value: object) -> str | int | float | bool:
    """Return a text, number or boolean: the value of a build's parameter."""
    if isinstance(value, str):
        return text(2048)(value)
    if isinstance(value, bool | float) or (
        isinstance(value, int) and abs(value) < MAX_NUMBER
    ):
        return value
    refuse("text, a number or a boolean")

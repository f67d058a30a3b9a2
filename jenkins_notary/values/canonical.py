r"""Write JSON in one canonical form, and read JSON from strangers strictly.

The canonical form is compact, ASCII, with sorted keys, so equal values have equal
bytes. It is what a leaf and a signed statement are made of; nothing is ever
re-serialized to verify it.

>>> canonical_json({"b": [1, "é"], "a": None})
b'{"a":null,"b":[1,"\\u00e9"]}'
>>> load_json(b'{"a": 1}', subject="leaf 0")
{'a': 1}

Reading refuses duplicate keys, NaN, infinities, numbers too large for a float,
invalid UTF-8 and nesting that exhausts the parser: all are ways to make two readers
see two different values. Integers of more than :data:`MAX_DIGITS` are refused too,
because converting them takes time that is quadratic in their length.
"""

from __future__ import annotations

import json

from jenkins_notary.errors import IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MAX_DIGITS = 400
"""The longest integer that is read; a float reaches no further than 309 digits."""

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
).encode


def canonical_json(value: object) -> bytes:
    """Return the canonical bytes of a JSON value.

    Args:
        value: Dicts with string keys, lists, strings, numbers, booleans, None.

    Returns:
        Compact ASCII JSON with sorted keys.

    Raises:
        ValueError: A float is NaN or infinite.
    """
    return _encode(value).encode("ascii")


def load_json(data: bytes, *, subject: str, limit: int = 64 << 20) -> object:
    """Return the JSON value in bytes that a stranger may have written.

    Args:
        data: UTF-8 JSON text.
        subject: What the bytes are, for the message.
        limit: The most bytes that are parsed.

    Returns:
        The value.

    Raises:
        IntegrityError: Too long, not UTF-8, not JSON, a duplicate key, NaN, or
            nested too deeply.
    """
    if len(data) > limit:
        raise IntegrityError(
            subject, expected=f"at most {limit} bytes", got=f"{len(data)} bytes"
        )
    try:
        text = data.decode("utf-8")
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            end = -1
        # White space around the value, and every error, is for the decoder.
        return value if end == len(text) else _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(
            subject, expected="valid JSON", got=str(error)[:120] or type(error).__name__
        ) from error


def _unique_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object, refusing a key that stands twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        # Sorted, because counting each key would be quadratic.
        keys = sorted([key for key, _ in pairs])
        twice = next(key for key, after in zip(keys, keys[1:]) if key == after)
        message = f"duplicate key {twice[:60]!r}"
        raise ValueError(message)
    return value


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which are not JSON."""
    message = f"{name} is not JSON"
    raise ValueError(message)


def _parse_integer(text: str) -> int:
    """Return an integer, unless it is absurdly long."""
    if len(text) > MAX_DIGITS:
        message = f"an integer of {len(text)} digits"
        raise ValueError(message)
    return int(text)


def _parse_float(text: str) -> float:
    """Return a float; one that overflows would become infinite."""
    number = float(text)
    if number in _INFINITIES:
        message = f"number {text[:60]} is too large"
        raise ValueError(message)
    return number


_INFINITIES = (float("inf"), float("-inf"))
_decoder = json.JSONDecoder(
    object_pairs_hook=_unique_object,
    parse_constant=_refuse_constant,
    parse_int=_parse_integer,
    parse_float=_parse_float,
)
_scan = _decoder.scan_once  # type: ignore[attr-defined]  # typeshed leaves it out

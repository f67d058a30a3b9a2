"""Read what clients ask: JSON that a stranger wrote becomes values of this project."""

from __future__ import annotations

from jenkins_notary.assets.asset import KINDS, Asset, Subject, is_digest
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.trust.keys import parse_signer_id
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_ASSETS = 10_000
MAX_SIGNERS = 1000
MAX_TEXT = 32 * 1024
MAX_PAGE = 1000
_QUERY = {
    "asOf": "as_of",
    **{
        key: key
        for key in ("job", "digest", "commit", "signer", "since", "until", "started")
    },
}
_NUMBERS = frozenset({"limit", "before"})
_OTHERS = frozenset({"receipts"})


def parse_object(data: bytes, limit: int) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    Raises:
        UsageError: It is none, or nested too deep.
    """
    try:
        value = load_json(data, subject="body", limit=limit)
    except IntegrityError as error:
        raise UsageError("body", expected=error.expected, got=error.got) from error
    if not isinstance(value, dict):
        _refuse("body", "a JSON object", type(value).__name__)
    _check_depth(value)
    return value


def parse_assets(value: Mapping[str, Any]) -> list[Asset]:
    """Return the assets of a question.

    Raises:
        UsageError: One is malformed, or there are too many.
    """
    listed = value.get("assets")
    if not isinstance(listed, list) or len(listed) > MAX_ASSETS:
        _refuse("assets", f"a list of at most {MAX_ASSETS}", repr(listed)[:60])
    return [_parse_asset(one) for one in listed]


def parse_rule(value: Mapping[str, Any]) -> TrustRule:
    """Return whose word counts.

    Raises:
        UsageError: An org is no text, or a signer no id.
    """
    org, signers = value.get("org"), value.get("signers") or []
    if not (org is None or _is_text(org, 200)):
        _refuse("org", "text", repr(org)[:60])
    if not isinstance(signers, list) or len(signers) > MAX_SIGNERS:
        _refuse("signers", f"a list of at most {MAX_SIGNERS}", repr(signers)[:60])
    if not all(isinstance(one, str) for one in signers):
        _refuse("signers", "signer ids", repr(signers)[:60])
    return TrustRule(org, tuple(parse_signer_id(one) for one in signers))


def parse_query(asked: Mapping[str, str]) -> Query:
    """Return what a search looks for.

    Raises:
        UsageError: A parameter is unknown, or no number where there must be one.
    """
    check_known(asked, _QUERY.keys() | _NUMBERS | _OTHERS)
    for name, text in asked.items():
        if not _is_text(text, 4096):
            _refuse(name, "text of at most 4096 characters", "other")
    texts: dict[str, Any] = {
        _QUERY[name]: text for name, text in asked.items() if name in _QUERY
    }
    before = parse_number(asked, "before", None)
    limit = parse_number(asked, "limit", MAX_PAGE)
    if not limit or limit > MAX_PAGE:
        _refuse("limit", f"1 to {MAX_PAGE}", str(limit))
    return Query(**texts, limit=limit, before=before)


def check_known(asked: Mapping[str, str], known: AbstractSet[str]) -> None:
    """Check that a query has known parameters only.

    Raises:
        UsageError: It has others.
    """
    unknown = sorted(asked.keys() - known)
    if unknown:
        _refuse("query", "known parameters", ", ".join(unknown)[:80])


def parse_number(
    asked: Mapping[str, str], name: str, default: int | None
) -> int | None:
    """Return a number of a query.

    Raises:
        UsageError: It is none.
    """
    text = asked.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        _refuse(name, "a number", repr(text)[:60])
    return int(text)


def text_of(value: Mapping[str, Any], key: str, limit: int = MAX_TEXT) -> str | None:
    """Return a text of an object, None for none.

    Raises:
        UsageError: It is no text, or too long.
    """
    found = value.get(key)
    if not (found is None or _is_text(found, limit)):
        _refuse(key, f"text of at most {limit} characters", repr(found)[:60])
    return found


def required_text(value: Mapping[str, Any], key: str, limit: int = MAX_TEXT) -> str:
    """Return a text that must be there."""
    found = text_of(value, key, limit)
    if not found:
        _refuse(key, "text", repr(found))
    return found


def list_of(value: Mapping[str, Any], key: str, limit: int) -> list[Any]:
    """Return a list of an object that is not empty.

    Raises:
        UsageError: It is no list, empty, or too long.
    """
    found = value.get(key)
    if not isinstance(found, list) or not 0 < len(found) <= limit:
        _refuse(key, f"a list of 1 to {limit}", repr(found)[:60])
    return found


def _parse_asset(value: object) -> Asset:
    """Return one asset of a question."""
    own = value if isinstance(value, dict) else {}
    name, kind, size = own.get("name"), own.get("kind"), own.get("size")
    digest, ref, dirty = own.get("digest"), own.get("ref"), own.get("dirty", False)
    if (
        not _is_text(name, MAX_TEXT)
        or not name
        or kind not in KINDS
        or not isinstance(digest, str)
        or not is_digest(digest)
        or not (ref is None or _is_text(ref, MAX_TEXT))
        or not (size is None or (type(size) is int and 0 <= size < 1 << 63))
        or not isinstance(dirty, bool)
    ):
        _refuse("asset", "name, kind, digest, ref, size and dirty", repr(value)[:120])
    return Asset(name, kind, size, (Subject(name, digest),), ref, dirty=dirty)


def _is_text(value: object, limit: int) -> bool:
    """Return whether a value is text that UTF-8 can hold, of bounded length."""
    return (
        isinstance(value, str)
        and len(value) <= limit
        and not any(0xD800 <= ord(char) < 0xE000 for char in value)
    )


def _check_depth(value: object) -> None:
    """Refuse a value that is nested deeper than anything here is."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            one
            for each in level
            for one in (each.values() if isinstance(each, dict) else each)  # type: ignore[attr-defined]  # a list
            if isinstance(one, (dict, list))
        ]
        if not level:
            return
    _refuse("body", f"at most {MAX_DEPTH} levels", "more")


def _refuse(subject: str, expected: str, got: str) -> NoReturn:
    """Raise what is wrong with a request."""
    raise UsageError(subject, expected=expected, got=got)

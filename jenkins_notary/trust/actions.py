"""Read what a trust record orders: one action each, every field checked.

========================  =====================================================
action                    further keys
========================  =====================================================
``genesis``               ``origin``, ``administrators`` (list of ``id``,
                          ``publicKey``), ``threshold``; ``succeeds`` (the last
                          checkpoint of the origin that this one follows) and
                          ``inherits`` (``genesis``: that origin's genesis envelope
                          as text, ``checkpoint``: its note at the size up to which
                          its records were taken over, ``size``)
``enrol``                 ``signerId``, ``publicKey``, ``level``, ``orgs``
``level``                 ``signerId``, ``level``
``org-add, org-remove``   ``org``, ``signers``
``revoke``                ``signerId``, ``fromIndex``
``administrators``        ``administrators``, ``threshold``
``ledger-key``            ``note``: the new key, signed by the old and the new one
``exempt``                ``sha256``, ``owner``, ``reason``, ``expiresAt``
========================  =====================================================

>>> parse_action({"action": "org-add", "org": "acme", "signers": ["0xab"]})
ChangeOrg(org='acme', signers=('0xab',), joined=True)

Left out: whether the record counts, and what follows from it (``signers``).
"""

from __future__ import annotations

from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.keys import decode_public_key
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.envelope import MAX_SIGNATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

MAX_LEVEL = 1_000_000
DEFAULT_LEVEL = 1


class MalformedError(ValueError):
    """A predicate that orders nothing; its record is ignored, not fatal."""


class SetAdministrators(NamedTuple):
    """Who administers from now on.

    Attributes:
        keys: DER public key by signer id.
        threshold: How many must sign a trust record; at most as many as there are.
    """

    keys: Mapping[str, bytes]
    threshold: int


class Inheritance(NamedTuple):
    """What a log has taken over from the origin that it follows.

    Attributes:
        genesis: The envelope of that origin's genesis.
        checkpoint: Its checkpoint note at the size up to which records were taken.
        size: That size: records 1 to ``size - 1`` are the old log's.
    """

    genesis: bytes
    checkpoint: bytes
    size: int


class Genesis(NamedTuple):
    """The root of trust.

    Attributes:
        origin: The log's name.
        administrators: The first ones.
        succeeds: The last checkpoint note of the origin that this log follows.
        inherits: What was taken over from it, or None.
    """

    origin: str
    administrators: SetAdministrators
    succeeds: str | None
    inherits: Inheritance | None = None


class Enrol(NamedTuple):
    """Let a signer speak, at a level, for orgs."""

    signer: str
    public_der: bytes
    level: int
    orgs: tuple[str, ...]


class SetLevel(NamedTuple):
    """Give a signer another level."""

    signer: str
    level: int


class ChangeOrg(NamedTuple):
    """Let signers join an org, or leave it."""

    org: str
    signers: tuple[str, ...]
    joined: bool


class Revoke(NamedTuple):
    """Revoke what a signer records from an index on."""

    signer: str
    from_index: int


class RotateKey(NamedTuple):
    """Name the ledger's next key, in a note that both keys have signed."""

    note: str


class Exempt(NamedTuple):
    """Exempt a digest until a time."""

    sha256_hex: str
    owner: str
    reason: str
    expires_at: str


Action = (
    Genesis
    | Enrol
    | SetLevel
    | ChangeOrg
    | Revoke
    | SetAdministrators
    | RotateKey
    | Exempt
)


def parse_action(predicate: Mapping[str, Any]) -> Action:
    """Return the action that a trust record's predicate orders.

    Args:
        predicate: From a record that anyone may have written.

    Raises:
        MalformedError: An unknown action, or a field that is missing or has a wrong
            form.
    """
    name = predicate.get("action")
    parse = _PARSERS.get(name) if isinstance(name, str) else None
    if parse is None:
        message = f"unknown action {str(name)[:40]!r}"
        raise MalformedError(message)
    return parse(predicate)


def _parse_genesis(predicate: Mapping[str, Any]) -> Genesis:
    """Return the root of trust."""
    succeeds = predicate.get("succeeds")
    return Genesis(
        _text(predicate, "origin"),
        _parse_administrators(predicate),
        succeeds if isinstance(succeeds, str) else None,
        _parse_inheritance(predicate.get("inherits")),
    )


def _parse_inheritance(value: object) -> Inheritance | None:
    """Return what a genesis has taken over; nothing is verified here."""
    if value is None:
        return None
    if not isinstance(value, dict):
        message = "inherits is no object"
        raise MalformedError(message)
    size = value.get("size")
    if type(size) is not int or size < 1:
        message = f"inherits {str(size)[:20]} records"
        raise MalformedError(message)
    try:
        genesis = _text(value, "genesis").encode()
        checkpoint = _text(value, "checkpoint").encode()
    except UnicodeEncodeError as error:
        message = "inherits holds no UTF-8"
        raise MalformedError(message) from error
    return Inheritance(genesis, checkpoint, size)


def _parse_administrators(predicate: Mapping[str, Any]) -> SetAdministrators:
    """Return the administrators; the threshold must be one that can be reached."""
    listed = predicate.get("administrators")
    if not isinstance(listed, list) or not all(isinstance(a, dict) for a in listed):
        message = "no list of administrators"
        raise MalformedError(message)
    keys = {_text(one, "id"): _public_key(one, _text(one, "id")) for one in listed}
    threshold = predicate.get("threshold")
    most = min(len(keys), MAX_SIGNATURES)
    if type(threshold) is not int or not 1 <= threshold <= most:
        message = f"threshold {str(threshold)[:20]} of {len(keys)} administrators"
        raise MalformedError(message)
    return SetAdministrators(keys, threshold)


def _parse_enrolment(predicate: Mapping[str, Any]) -> Enrol:
    """Return an enrolment; the key must hash to the signer's id."""
    signer = _text(predicate, "signerId")
    return Enrol(
        signer,
        _public_key(predicate, signer),
        _level(predicate),
        _texts(predicate, "orgs", []),
    )


def _parse_level(predicate: Mapping[str, Any]) -> SetLevel:
    """Return a change of level."""
    return SetLevel(_text(predicate, "signerId"), _level(predicate))


def _parse_org_change(predicate: Mapping[str, Any]) -> ChangeOrg:
    """Return a change of membership."""
    return ChangeOrg(
        _text(predicate, "org"),
        _texts(predicate, "signers"),
        joined=predicate["action"] == "org-add",
    )


def _parse_revocation(predicate: Mapping[str, Any]) -> Revoke:
    """Return a revocation."""
    start = predicate.get("fromIndex")
    if type(start) is not int or start < 0:
        message = f"fromIndex {str(start)[:20]}"
        raise MalformedError(message)
    return Revoke(_text(predicate, "signerId"), start)


def _parse_rotation(predicate: Mapping[str, Any]) -> RotateKey:
    """Return a rotation of the ledger's key; the reader checks its note."""
    return RotateKey(_text(predicate, "note"))


def _parse_exemption(predicate: Mapping[str, Any]) -> Exempt:
    """Return an exemption."""
    sha256_hex = predicate.get("sha256")
    if not isinstance(sha256_hex, str) or not is_hex_digest(sha256_hex):
        message = "no sha256"
        raise MalformedError(message)
    return Exempt(
        sha256_hex,
        _text(predicate, "owner"),
        _text(predicate, "reason"),
        _text(predicate, "expiresAt"),
    )


def _text(value: Mapping[str, Any], key: str) -> str:
    """Return a non-empty text of a predicate."""
    text = value.get(key)
    if not isinstance(text, str) or not text:
        message = f"no {key}"
        raise MalformedError(message)
    return text


def _texts(
    value: Mapping[str, Any], key: str, default: list[str] | None = None
) -> tuple[str, ...]:
    """Return a list of texts of a predicate."""
    listed = value.get(key, default)
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        message = f"{key} is no list of texts"
        raise MalformedError(message)
    return tuple(listed)


def _level(predicate: Mapping[str, Any]) -> int:
    """Return the level of a predicate."""
    level = predicate.get("level", DEFAULT_LEVEL)
    if type(level) is not int or not 0 <= level <= MAX_LEVEL:
        message = f"level {str(level)[:20]}"
        raise MalformedError(message)
    return level


def _public_key(value: Mapping[str, Any], signer: str) -> bytes:
    """Return the public key of a predicate; its hash must be the signer's id."""
    public_der = decode_public_key(value.get("publicKey"), signer=signer)
    if public_der is None:
        message = f"the public key does not hash to {signer[:60]}"
        raise MalformedError(message)
    return public_der


_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], Action]] = {
    "genesis": _parse_genesis,
    "enrol": _parse_enrolment,
    "level": _parse_level,
    "org-add": _parse_org_change,
    "org-remove": _parse_org_change,
    "revoke": _parse_revocation,
    "administrators": _parse_administrators,
    "ledger-key": _parse_rotation,
    "exempt": _parse_exemption,
}

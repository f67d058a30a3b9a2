r"""Read a policy: which logs are known, and whose cosignatures a checkpoint needs.

>>> policy = parse_policy(
...     b"# ours\n"
...     b"log example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n"
...     b"quorum none\n"
... )
>>> [key.name for key in policy.logs], policy.is_met([])
(['example.com/foo'], True)

Lines are ``log VKEY [URL]``, ``witness NAME VKEY [URL]``, ``group NAME all|any|K
NAME...`` and one ``quorum NAME|none``; empty ones and those that begin with ``#`` are
passed over. A group or the quorum names only what stands before it, and each name is
in one group at most, so that a witness counts once. Names are not normalized.

Left out: the URLs, which are for who talks to logs and witnesses, and all checks of
signatures.

Source: C2SP tlog-policy, "Policy file syntax and structure".
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.canonical import show
from jenkins_notary.tlog.note import (
    ALGORITHM_COSIGNATURE,
    ALGORITHM_ED25519,
    VerifierKey,
    parse_vkey,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MAX_BYTES = 1 << 18
MAX_LINES = 1000

_NONE = "none"
_ALLOWED = bytes([0x09, 0x0A, *range(0x20, 0x7F), *range(0x80, 0x100)])


class Group(NamedTuple):
    """A group of witnesses and groups.

    Attributes:
        threshold: How many members must have witnessed a checkpoint.
        members: Their names.
    """

    threshold: int
    members: tuple[str, ...]


class Policy(NamedTuple):
    """What a policy file says; made by :func:`parse_policy`.

    Attributes:
        logs: The logs' keys.
        witnesses: The witnesses' keys, by the names of the file.
        groups: The groups, by name.
        quorum: The witness or group that must have witnessed, or None for nobody.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, VerifierKey]
    groups: Mapping[str, Group]
    quorum: str | None

    def is_met(self, signed: Collection[tuple[str, bytes]]) -> bool:
        """Return whether enough have witnessed a checkpoint.

        Args:
            signed: Key name and key id of each cosignature that was verified.
        """
        return self.quorum is None or self._has_witnessed(self.quorum, signed)

    def _has_witnessed(self, name: str, signed: Collection[tuple[str, bytes]]) -> bool:
        """Return whether a witness, or enough of a group, has signed."""
        key = self.witnesses.get(name)
        if key is not None:
            return (key.name, key.key_id) in signed
        threshold, members = self.groups[name]
        return sum(self._has_witnessed(one, signed) for one in members) >= threshold


def parse_policy(data: bytes) -> Policy:
    """Return the policy of a file.

    Raises:
        ConfigurationError: It is not of the form; with the line's number.
    """
    if len(data) > MAX_BYTES or data.translate(None, _ALLOWED):
        raise ConfigurationError(
            "log policy", expected=f"text of at most {MAX_BYTES} bytes"
        )
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > MAX_LINES:
        raise ConfigurationError("log policy", expected=f"at most {MAX_LINES} lines")
    reading = _Reading()
    for number, line in enumerate(lines, 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            reading.take(words, f"log policy, line {number}")
    return reading.finish()


class _Reading:
    """The lines so far."""

    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: dict[str, VerifierKey] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._quorum: list[str | None] = []

    def take(self, words: Sequence[str], where: str) -> None:
        """Read a line."""
        kind, *rest = words
        if kind == "log" and len(rest) in {1, 2}:
            self._logs.append(self._key(rest[0], ALGORITHM_ED25519, where))
        elif kind == "witness" and len(rest) in {2, 3}:
            self._name(rest[0], where)
            key = self._key(rest[1], ALGORITHM_COSIGNATURE, where)
            self._witnesses[rest[0]] = key
        elif kind == "group" and len(rest) > 2:
            self._take_group(rest, where)
        elif kind == "quorum" and len(rest) == 1 and not self._quorum:
            if rest[0] != _NONE:
                self._known(rest[0], where)
            self._quorum.append(None if rest[0] == _NONE else rest[0])
        else:
            raise ConfigurationError(
                where,
                expected="log, witness, group or the one quorum, with its words",
                got=show(" ".join(words)),
            )

    def finish(self) -> Policy:
        """Return the whole."""
        if not self._quorum:
            raise ConfigurationError("log policy", expected="a quorum line", got="none")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum[0])

    def _take_group(self, words: Sequence[str], where: str) -> None:
        """Read a group: its name, threshold and members."""
        name, wanted, *members = words
        self._name(name, where)
        for one in members:
            self._known(one, where)
            if one in self._members:
                raise ConfigurationError(
                    where, expected="each member once", got=show(one)
                )
            self._members.add(one)
        known = {"any": "1", "all": str(len(members))}
        number = known.get(wanted, wanted)
        is_plain = number.isascii() and number.isdigit() and len(number) < 5
        if not is_plain or not 0 < int(number) <= len(members):
            raise ConfigurationError(
                where,
                expected=f"all, any or 1 to {len(members)}",
                got=show(wanted),
            )
        self._groups[name] = Group(int(number), tuple(members))

    def _name(self, name: str, where: str) -> None:
        """Check that a name is new."""
        if name in self._witnesses or name in self._groups or name == _NONE:
            raise ConfigurationError(where, expected="a new name", got=show(name))

    def _known(self, name: str, where: str) -> None:
        """Check that a name stands before."""
        if name not in self._witnesses and name not in self._groups:
            raise ConfigurationError(
                where, expected="a name of a line before", got=show(name)
            )

    def _key(self, text: str, algorithm: int, where: str) -> VerifierKey:
        """Read a key of the right kind that stands nowhere else."""
        try:
            key = parse_vkey(text)
        except ConfigurationError as error:
            raise ConfigurationError(
                where, expected="a verifier key", got=str(error)
            ) from error
        if key.algorithm != algorithm:
            raise ConfigurationError(
                where,
                expected=f"a key of algorithm 0x{algorithm:02x}",
                got=f"0x{key.algorithm:02x}",
            )
        known = [*self._logs, *self._witnesses.values()]
        if any(one.public == key.public for one in known):
            raise ConfigurationError(where, expected="each key once", got=show(text))
        return key

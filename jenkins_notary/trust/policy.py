"""Read a gate's policy, schema version 1: what an asset must show to pass.

The caller parses YAML or JSON; this is the value that comes out (as YAML)::

    version: 1
    rules:
      - name: release
        match:
          kind: [file, image]
          name: ['*.jar', 'registry.example.com/payments/**']
        require:
          status: [TRUSTED]
          org: acme
          signers:
            any: ['0x5050d80d22ecd471ea55df7034042c1e041341ff']
            all: []
            count: 1
          job: ['payments/**', 'ci.example.com:tools/*/main']
          max_age: 30d

``version``, ``rules`` and each rule's ``name`` must stand; all else is optional:

- ``match``: which assets the rule is for; all without it. Names match as
  ``patterns`` say; one without ``/`` is matched with the last segment of the name.
- ``status``: what the ledger may say; ``[TRUSTED]`` without it.
- ``org``: only the word of that org's signers counts.
- ``signers``: who must vouch: every one of ``all``, and ``count`` (1 without it)
  different ones of ``any``.
- ``job``: full names of jobs by whole segments, with an instance if it matters.
- ``max_age``: how old, by commit time, what vouches may be: a number and one of
  ``m``, ``h``, ``d``, ``w``.

Whatever is not in this schema is refused, not skipped: a check that an older program
does not know (a branch, kinds of evidence, test results, the severity of findings,
exemptions) must not silently pass. All faults are reported together, each with its
path. That is why the checker is written here: msgspec ends at
the first fault, and this room imports no library.

Left out: what a policy decides (``gate``).
"""

from __future__ import annotations

import hashlib
import re

from jenkins_notary.errors import ConfigurationError, FaultsError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.keys import is_signer_id
from jenkins_notary.values.digest import format_digest
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeVar

    from jenkins_notary.values.digest import Digest

    T = TypeVar("T")

VERSION = 1
MAX_BYTES = 1 << 20
"""The longest policy that is read."""

MAX_ITEMS = 1000
MAX_TEXT = 1024
_AGE = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_CHECKS = frozenset({"status", "org", "signers", "job", "max_age"})


class JobPattern(NamedTuple):
    """Which jobs: a pattern of full names, at one instance or (None) at any."""

    instance: str | None
    name: str


class Signers(NamedTuple):
    """Who must vouch.

    Attributes:
        any_of: ``least`` different ones of these; nobody is asked for when empty.
        all_of: Every one of these.
        least: At least 1, at most as many as ``any_of`` has.
    """

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    least: int = 1


class Rule(NamedTuple):
    """One rule: which assets, and what they must show.

    Attributes:
        name: Unique in its policy; gate decisions name it.
        kinds: Kinds of assets that it is for; all when empty.
        names: Patterns of names that it is for; all when empty.
        status: What the ledger may say.
        org: Only this org's word counts; None for the reader's own trust rule.
        signers: Who must vouch, or None.
        jobs: Patterns, one of which must match; any job when empty.
        max_age_ms: How old what vouches may be, or None.
    """

    name: str
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    status: tuple[Status, ...] = (Status.TRUSTED,)
    org: str | None = None
    signers: Signers | None = None
    jobs: tuple[JobPattern, ...] = ()
    max_age_ms: int | None = None


class Policy(NamedTuple):
    """A checked policy.

    Attributes:
        digest: SHA-256 of the file's bytes: what a recorded decision names.
        rules: At least one.
    """

    digest: Digest
    rules: tuple[Rule, ...]


def parse_policy(
    value: object, source: bytes, *, kinds: Collection[str], subject: str = "policy"
) -> Policy:
    """Return the policy in a parsed YAML or JSON file.

    Args:
        value: What the parser made of it: dicts, lists, texts, numbers.
        source: The file's bytes.
        kinds: The kinds of assets that there are.
        subject: The file, for the messages.

    Raises:
        FaultsError: Every fault with its path, such as ``policy rules[0].require.job``;
            its code is that of a wrong configuration.
    """
    reader = _Reader(subject, frozenset(kinds))
    rules = reader.read_policy(value)
    if reader.faults:
        raise FaultsError(reader.faults, advice="correct the policy")
    digest = format_digest(hashlib.sha256(source).hexdigest())
    return Policy(digest, tuple(rules))


def orgs_of(policy: Policy) -> frozenset[str]:
    """Return the orgs that a policy names: whose verdicts a gate must ask for."""
    return frozenset(rule.org for rule in policy.rules if rule.org is not None)


class _WrongError(ValueError):
    """A value of a wrong form; says what was expected."""

    def __init__(self, expected: str, advice: str = "") -> None:
        """Keep both parts."""
        super().__init__(expected)
        self.expected = expected
        self.advice = advice


class _Reader:
    """Reads a value from anywhere, and collects what is wrong with it."""

    def __init__(self, subject: str, kinds: frozenset[str]) -> None:
        """Start without faults."""
        self._subject = subject
        self._kinds = kinds
        self.faults: list[ConfigurationError] = []

    def read_policy(self, value: object) -> list[Rule]:
        """Return the rules; what is faulty is left out and noted."""
        policy = self._object(value, "", {"version", "rules"}, {"version", "rules"})
        version = policy.get("version", VERSION)
        if type(version) is not int or version != VERSION:
            advice = "a newer program may have written it: upgrade"
            self._fault("version", _WrongError(f"{VERSION}", advice), version)
            return []
        rules: list[Rule] = []
        for path, one in self._list(policy, "", "rules", least=1):
            rule = self._read_rule(one, path)
            if any(rule.name == other.name for other in rules):
                self._fault(f"{path}.name", _WrongError("a name of its own"), rule.name)
            rules.append(rule)
        return rules

    def _read_rule(self, value: object, path: str) -> Rule:
        """Return one rule."""
        rule = self._object(value, path, {"name"}, {"name", "match", "require"})
        for_what, asks = f"{path}.match", f"{path}.require"
        match = self._object(rule.get("match", {}), for_what, set(), {"kind", "name"})
        asked = self._object(rule.get("require", {}), asks, set(), _CHECKS)
        return Rule(
            self._one(rule, path, "name", _read_text) or "",
            self._each(match, for_what, "kind", self._read_kind),
            self._each(match, for_what, "name", _read_text),
            self._each(asked, asks, "status", _read_status) or (Status.TRUSTED,),
            self._one(asked, asks, "org", _read_text),
            self._read_signers(asked, asks),
            self._each(asked, asks, "job", _read_job),
            self._one(asked, asks, "max_age", _read_age),
        )

    def _read_signers(self, asked: Mapping[str, object], path: str) -> Signers | None:
        """Return who must vouch."""
        if "signers" not in asked:
            return None
        path = f"{path}.signers"
        signers = self._object(asked["signers"], path, set(), {"any", "all", "count"})
        any_of = self._each(signers, path, "any", _read_signer, least=0)
        all_of = self._each(signers, path, "all", _read_signer, least=0)
        count = self._one(signers, path, "count", _read_count) or 1
        if "count" in signers and count > len(any_of):
            wrong = _WrongError(f"at most the {len(any_of)} signers of any")
            self._fault(f"{path}.count", wrong, count)
        if not any_of and not all_of:
            self._fault(path, _WrongError("at least one signer in any or all"), signers)
        return Signers(any_of, all_of, count)

    def _read_kind(self, value: object) -> str:
        """Return a kind of asset."""
        if isinstance(value, str) and value in self._kinds:
            return value
        raise _WrongError("one of " + ", ".join(sorted(self._kinds)))

    def _object(
        self,
        value: object,
        path: str,
        required: Collection[str],
        allowed: Collection[str],
    ) -> Mapping[str, object]:
        """Return an object; unknown and missing keys are faults."""
        if not isinstance(value, dict):
            wrong = _WrongError("an object with " + ", ".join(sorted(allowed)))
            self._fault(path, wrong, value)
            return {}
        for key in value:
            if key not in allowed:
                wrong = _WrongError("one of " + ", ".join(sorted(allowed)))
                self._fault(path, wrong, f"the unknown key {_show(key)}")
        for key in sorted(set(required) - value.keys()):
            self._fault(_join(path, key), _WrongError("to be there"), "nothing")
        return value

    def _list(
        self, value: Mapping[str, object], path: str, key: str, *, least: int
    ) -> list[tuple[str, object]]:
        """Return (path, item) of a list; nothing when it is not there."""
        where = _join(path, key)
        items = value.get(key)
        if key not in value:
            return []
        if not isinstance(items, list) or not least <= len(items) <= MAX_ITEMS:
            wrong = _WrongError(f"a list of {least} to {MAX_ITEMS} items")
            self._fault(where, wrong, items)
            return []
        return [(f"{where}[{place}]", item) for place, item in enumerate(items)]

    def _each(
        self,
        value: Mapping[str, object],
        path: str,
        key: str,
        read: Callable[[object], T],
        *,
        least: int = 1,
    ) -> tuple[T, ...]:
        """Return the items of a list, each read by a function, none twice."""
        found: dict[T, None] = {}
        for where, item in self._list(value, path, key, least=least):
            try:
                one = read(item)
                if one in found:
                    message = "an item of its own"
                    raise _WrongError(message)  # noqa: TRY301 - one handler for all
                found[one] = None
            except _WrongError as wrong:
                self._fault(where, wrong, item)
        return tuple(found)

    def _one(
        self,
        value: Mapping[str, object],
        path: str,
        key: str,
        read: Callable[[object], T],
    ) -> T | None:
        """Return one value; None when it is not there or faulty."""
        if key not in value:
            return None
        try:
            return read(value[key])
        except _WrongError as wrong:
            self._fault(_join(path, key), wrong, value[key])
        return None

    def _fault(self, path: str, wrong: _WrongError, got: object) -> None:
        """Note a fault at a path."""
        self.faults.append(
            ConfigurationError(
                f"{self._subject} {path}".rstrip(),
                expected=wrong.expected,
                got=_show(got),
                advice=wrong.advice,
            )
        )


def _read_text(value: object) -> str:
    """Return a text that is not blank."""
    if isinstance(value, str) and value.strip() and len(value) <= MAX_TEXT:
        return value
    raise _WrongError(f"a text of 1 to {MAX_TEXT} characters")


def _read_status(value: object) -> Status:
    """Return a status."""
    for status in Status:
        if value == status.name:
            return status
    raise _WrongError("one of " + ", ".join(one.name for one in Status))


def _read_signer(value: object) -> str:
    """Return a signer id."""
    if isinstance(value, str) and is_signer_id(value.lower()):
        return value.lower()
    is_number = isinstance(value, int)
    advice = "put it in quotes: YAML reads 0x... as a number" if is_number else ""
    message = "0x and 40 hex digits"
    raise _WrongError(message, advice)


def _read_count(value: object) -> int:
    """Return how many signers are asked for."""
    if type(value) is int and value >= 1:
        return value
    message = "a number from 1"
    raise _WrongError(message)


def _read_job(value: object) -> JobPattern:
    """Return a pattern of jobs."""
    text = _read_text(value)
    instance, colon, name = text.rpartition(":")
    if "" in name.split("/"):
        message = "segments that are not empty, joined by '/'"
        raise _WrongError(message)
    if colon and not _INSTANCE.fullmatch(instance):
        message = "an instance of lower-case letters, digits, '.' and '-'"
        raise _WrongError(message)
    return JobPattern(instance if colon else None, name)


def _read_age(value: object) -> int:
    """Return an age in ms."""
    matched = _AGE.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        message = "a number and m, h, d or w, such as 30d"
        raise _WrongError(message)
    return int(matched[1]) * _UNIT_MS[matched[2]]


def _show(value: object) -> str:
    """Return a short text for what was found; a value of any size and depth."""
    if isinstance(value, str):
        return value[:80]
    kind = type(value).__name__
    is_small = isinstance(value, (int, float)) and abs(value) < 1 << 53
    return f"{kind} {value}" if is_small else kind


def _join(path: str, key: str) -> str:
    """Return the path of a key."""
    return f"{path}.{key}" if path else key

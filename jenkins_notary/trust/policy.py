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
path. That is why the checker is written here: msgspec, which other parts use, ends at
the first fault, and this room imports no library.

Left out: what a policy decides (``gate``).
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from jenkins_notary.errors import ConfigurationError, FaultsError
from jenkins_notary.trust.keys import is_signer_id
from jenkins_notary.values.digest import format_digest
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jenkins_notary.values.digest import Digest

VERSION = 1
MAX_BYTES = 1 << 20
"""The longest policy that is read."""

MAX_ITEMS = 1000
MAX_TEXT = 1024
_AGE = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class JobPattern(NamedTuple):
    """Which jobs: a pattern of full names, at one instance or (None) at any."""

    instance: str | None
    name: str


class Signers(NamedTuple):
    """Who must vouch.

    Attributes:
        any: ``count`` different ones of these; none are asked for when empty.
        all: Every one of these.
        count: At least 1, at most as many as ``any`` has.
    """

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    count: int = 1


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
    value: object, source: bytes, *, kinds: Sequence[str], subject: str = "policy"
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
            self._fault(
                "version",
                f"{VERSION}",
                version,
                "a newer program may have written it: upgrade",
            )
            return []
        rules: list[Rule] = []
        for path, one in self._list(policy, "", "rules", least=1):
            rule = self._read_rule(one, path)
            if any(rule.name == other.name for other in rules):
                self._fault(f"{path}.name", "a name of its own", rule.name)
            rules.append(rule)
        return rules

    def _read_rule(self, value: object, path: str) -> Rule:
        """Return one rule."""
        rule = self._object(value, path, {"name"}, {"name", "match", "require"})
        match = self._object(
            rule.get("match", {}), f"{path}.match", set(), {"kind", "name"}
        )
        asked = self._object(
            rule.get("require", {}),
            f"{path}.require",
            set(),
            {"status", "org", "signers", "job", "max_age"},
        )
        at = f"{path}.require"
        return Rule(
            self._text(rule, path, "name") or "",
            self._each(match, f"{path}.match", "kind", self._read_kind),
            self._each(match, f"{path}.match", "name", self._read_pattern),
            self._each(asked, at, "status", self._read_status) or (Status.TRUSTED,),
            self._text(asked, at, "org"),
            self._read_signers(asked, at),
            self._each(asked, at, "job", self._read_job),
            self._read_age(asked, at),
        )

    def _read_signers(self, asked: Mapping[str, object], path: str) -> Signers | None:
        """Return who must vouch."""
        if "signers" not in asked:
            return None
        path = f"{path}.signers"
        signers = self._object(asked["signers"], path, set(), {"any", "all", "count"})
        any_of = self._each(signers, path, "any", self._read_signer, least=0)
        all_of = self._each(signers, path, "all", self._read_signer, least=0)
        count = signers.get("count", 1)
        if type(count) is not int or count < 1:
            self._fault(f"{path}.count", "a number from 1", count)
            count = 1
        elif "count" in signers and count > len(any_of):
            self._fault(
                f"{path}.count", f"at most the {len(any_of)} signers of any", count
            )
        if not any_of and not all_of:
            self._fault(path, "at least one signer in any or all", "none")
        return Signers(any_of, all_of, count)

    def _read_age(self, asked: Mapping[str, object], path: str) -> int | None:
        """Return the greatest age in ms."""
        text = self._text(asked, path, "max_age")
        if text is None:
            return None
        matched = _AGE.fullmatch(text)
        if matched is None:
            self._fault(
                f"{path}.max_age", "a number and m, h, d or w, such as 30d", text
            )
            return None
        return int(matched[1]) * _UNIT_MS[matched[2]]

    def _read_kind(self, value: object, path: str) -> str | None:
        """Return a kind of asset."""
        if isinstance(value, str) and value in self._kinds:
            return value
        return self._fault(path, "one of " + ", ".join(sorted(self._kinds)), value)

    def _read_pattern(self, value: object, path: str) -> str | None:
        """Return a pattern of names."""
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT:
            return value
        return self._fault(path, f"a pattern of 1 to {MAX_TEXT} characters", value)

    def _read_status(self, value: object, path: str) -> Status | None:
        """Return a status."""
        for status in Status:
            if value == status.name:
                return status
        return self._fault(path, "one of " + ", ".join(s.name for s in Status), value)

    def _read_signer(self, value: object, path: str) -> str | None:
        """Return a signer id."""
        if isinstance(value, str) and is_signer_id(value.lower()):
            return value.lower()
        advice = ""
        if isinstance(value, int):
            advice = "put it in quotes: YAML reads 0x... as a number"
        return self._fault(path, "0x and 40 hex digits", value, advice)

    def _read_job(self, value: object, path: str) -> JobPattern | None:
        """Return a pattern of jobs."""
        text = self._read_pattern(value, path)
        if text is None:
            return None
        instance, colon, name = text.rpartition(":")
        if "" in name.split("/"):
            return self._fault(path, "segments that are not empty", text)
        if colon and not _INSTANCE.fullmatch(instance):
            return self._fault(
                path, "an instance of lower-case letters, digits, '.' and '-'", text
            )
        return JobPattern(instance if colon else None, name)

    def _object(
        self, value: object, path: str, required: set[str], allowed: set[str]
    ) -> Mapping[str, object]:
        """Return an object; unknown and missing keys are faults."""
        if not isinstance(value, dict):
            self._fault(path, "an object with " + ", ".join(sorted(allowed)), value)
            return {}
        for key in value:
            if key not in allowed:
                self._fault(
                    _join(path, str(key)[:60]),
                    "one of " + ", ".join(sorted(allowed)),
                    "an unknown key",
                )
        for key in sorted(required - value.keys()):
            self._fault(_join(path, key), "to be there", "nothing")
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
            self._fault(where, f"a list of {least} to {MAX_ITEMS} items", items)
            return []
        return [(f"{where}[{place}]", item) for place, item in enumerate(items)]

    def _each[T](
        self,
        value: Mapping[str, object],
        path: str,
        key: str,
        read: Callable[[object, str], T | None],
        *,
        least: int = 1,
    ) -> tuple[T, ...]:
        """Return the items of a list, each read by a function, none twice."""
        found: dict[T, None] = {}
        for where, item in self._list(value, path, key, least=least):
            one = read(item, where)
            if one in found:
                self._fault(where, "an item of its own", item)
            elif one is not None:
                found[one] = None
        return tuple(found)

    def _text(self, value: Mapping[str, object], path: str, key: str) -> str | None:
        """Return a text that is not empty; None when it is not there or faulty."""
        text = value.get(key)
        if key not in value:
            return None
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
            return self._fault(
                _join(path, key), f"a text of 1 to {MAX_TEXT} characters", text
            )
        return text

    def _fault(self, path: str, expected: str, got: object, advice: str = "") -> None:
        """Note a fault at a path."""
        shown = got if isinstance(got, str) else f"{type(got).__name__} {got!r}"
        self.faults.append(
            ConfigurationError(
                f"{self._subject} {path}".rstrip(),
                expected=expected,
                got=shown[:80],
                advice=advice,
            )
        )


def _join(path: str, key: str) -> str:
    """Return the path of a key."""
    return f"{path}.{key}" if path else key

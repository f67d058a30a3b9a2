"""Settle every option from flag, environment and file, in that order.

An option that is not given as a flag is taken from the environment, else from the
configuration file, else it is unset. Each option has one name, the long flag without
its dashes; a few flags mean something else in one command and then carry that
command's name, so that ``org: acme`` in a file, which says whose word counts, never
makes ``signer enrol`` add a key to an org:

========  ==========================  =================================
source    option ``plain-http``       a list such as ``signer``
========  ==========================  =================================
flag      ``--plain-http HOST``       repeated
variable  ``JENKINS_NOTARY_PLAIN_HTTP``  a line each; without a line break, by comma
file      ``plain-http: HOST``        a YAML list, or one text
========  ==========================  =================================

A source replaces what a lower one says; lists are not joined. A flag's opposite is
``--no-``; in the environment ``1 true yes on`` and ``0 false no off`` in any case; an
empty variable is the same as none.

The file is ``--config``, else ``JENKINS_NOTARY_CONFIG``, else
``$XDG_CONFIG_HOME/jenkins-notary/config.yaml`` if that exists::

    ledger: sqlite:////var/lib/notary/ledger.db
    org: acme
    signer: ["0x0123456789012345678901234567890123456789"]
    output: json

All its faults are reported together, with their lines: an unknown or repeated name, a
wrong type, a secret. Secrets come by environment or from a file of their own only.

What is left out: what a value means. The commands check that.
"""

from __future__ import annotations

import os

from jenkins_notary.errors import ConfigurationError, FaultsError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Literal

    from yaml.nodes import Node, ScalarNode

    from jenkins_notary.errors import NotaryError

    Kind = (
        Literal["text", "flag", "integer", "integers", "time", "list"] | tuple[str, ...]
    )
    Value = str | bool | int | list[str] | list[int]
    Source = Literal["flag", "environment", "file"]

PREFIX = "JENKINS_NOTARY_"
MAX_FILE_BYTES = 1 << 20
MAX_LIST = 100_000

OPTIONS: Mapping[str, Kind] = {
    "access-log": "text",
    "admission-mode": ("deny", "warn"),
    "admission-tags": ("deny", "warn"),
    "admission-unavailable": ("deny", "warn"),
    "again": "flag",
    "against": "text",
    "as-of": "time",
    "attach": "list",
    "attach-digest": "list",
    "attr": "list",
    "audit-state": "text",
    "bandwidth": "integer",
    "before": "time",
    "bodies": "flag",
    "body": "flag",
    "break-glass": "list",
    "budget": "integer",
    "ca-file": "text",
    "checkpoints": "flag",
    "claims": "text",
    "client-ca": "text",
    "cluster": "text",
    "co-key": "list",
    "collect-job": "text",
    "commit": "text",
    "config": "text",
    "containing": "text",
    "controllers": "text",
    "coverage-job": "text",
    "digest": "text",
    "digest-file": "text",
    "dry-run": "flag",
    "engine-proof": "flag",
    "enrol-level": "integer",
    "enrol-org": "list",
    "envelope": "flag",
    "ephemeral-ok": "flag",
    "event-timeout": "integer",
    "evidence-before": "integer",
    "evidence-job": "text",
    "evidence-signer": "text",
    "excerpt": "text",
    "exclude-namespace": "list",
    "expires": "time",
    "folder": "list",
    "follow": "flag",
    "from": "integer",
    "full": "flag",
    "grace": "integer",
    "grep": "text",
    "host": "text",
    "interval": "integer",
    "jenkins-token-file": "text",
    "jenkins-url": "text",
    "jenkins-user": "text",
    "job": "text",
    "key": "text",
    "key-kind": ("ed25519", "ecdsa-p256"),
    "kube-context": "text",
    "kubeconfig": "text",
    "label": "text",
    "ledger": "text",
    "limit": "integer",
    "lines": "text",
    "log": "text",
    "logs": "text",
    "max-stale": "integer",
    "metrics-file": "text",
    "mime": "text",
    "name": "text",
    "namespace": "list",
    "null": "flag",
    "only": ("log",),
    "org": "text",
    "origin": "text",
    "outbox": "text",
    "output": ("text", "json", "yaml"),
    "owner": "text",
    "pack-bodies": "flag",
    "pack-file": "text",
    "pack-folder": "text",
    "passphrase-file": "text",
    "pem": "flag",
    "plain-http": "list",
    "policy": "text",
    "port": "integer",
    "probe": "flag",
    "prune-label": "list",
    "public-log": "flag",
    "published": "list",
    "quiet": "flag",
    "reason": "text",
    "receipt": "flag",
    "receipt-envelope": "text",
    "receipts": "text",
    "release": "text",
    "report-file": "text",
    "report-format": ("markdown", "html"),
    "results": "text",
    "resume": "flag",
    "role": (
        "writer",
        "status",
        "security",
        "reader",
        "auditor",
        "controller",
        "importer",
        "admin",
    ),
    "secrets": ("store", "hold", "digest"),
    "settings": "text",
    "signatures": "flag",
    "signer": "list",
    "since": "time",
    "spool": "text",
    "stage": "text",
    "started": "time",
    "strict": "flag",
    "supersede": "integers",
    "threshold": "integer",
    "timeout": "integer",
    "tls-cert": "text",
    "tls-key": "text",
    "token-file": "text",
    "until": "time",
    "verify": "flag",
    "webhook-file": "text",
    "with-key": "flag",
    "witness-key": "text",
    "workloads": "flag",
}
"""What can be set, by name: a kind, or the words of a choice.

``time`` is a text that a YAML file may leave unquoted: a date, or a tree size.
"""

NOT_IN_FILE = frozenset({"config"})
"""Options that a file cannot set."""

VARIABLES = frozenset(
    {
        *("DEBUG", "HOOK", "HOOK_CLAIMS", "ID_TOKEN", "KEY_PASSPHRASE", "MODE"),
        *("BLOBS", "TOKEN"),
        *("IMMUDB_CA", "IMMUDB_CERT", "IMMUDB_KEY", "IMMUDB_PASSWORD"),
        *("IMMUDB_PASSWORD_FILE", "IMMUDB_PLAINTEXT", "IMMUDB_SERVER_KEY"),
        "IMMUDB_USER",
        "JENKINS_TOKEN",
    }
)
"""Variables that are no options, without :data:`PREFIX`."""

_SECRETS = ("token", "password", "passphrase", "secret")
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_TAGS = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
}
_EXPECTED = {
    "text": "text",
    "time": "a time or tree size",
    "flag": "true or false",
    "integer": "an integer",
    "integers": "integers",
    "list": "a list of texts",
}


class Settings:
    """What the options of one call come to.

    Attributes:
        values: The value of each option that is set, by name.
        sources: Where each came from.
        warnings: One line each for a person: variables that mean nothing here.
    """

    __slots__ = ("sources", "values", "warnings")

    def __init__(self) -> None:
        """Start with nothing set."""
        self.values: dict[str, Value] = {}
        self.sources: dict[str, Source] = {}
        self.warnings: list[str] = []

    def add(self, name: str, value: Value, source: Source) -> None:
        """Set an option unless a higher source did."""
        if name not in self.values:
            self.values[name] = value
            self.sources[name] = source


def settle(
    flags: Mapping[str, str | bool | Sequence[str] | None],
    environ: Mapping[str, str],
    *,
    spelled: Mapping[str, str] | None = None,
    reads_files: bool = True,
) -> Settings:
    """Return what the options of a command come to.

    Args:
        flags: The command's options by name; None for one that was not given.
        environ: The environment.
        spelled: The flag of an option by name, for messages; None when each flag is
            ``--`` and the name.
        reads_files: Whether YAML can be read here; where it cannot, a file that is
            there is refused, for what it says must not be dropped.

    Raises:
        UsageError: A flag's value is wrong.
        ConfigurationError: A variable's value is wrong; the file is wrong or missing.
        FaultsError: Several of these, together.
    """
    settings = Settings()
    faults = [
        *_add_flags(settings, flags, spelled or {}),
        *_add_variables(settings, flags, environ),
    ]
    settings.warnings += _find_typos(environ)
    path = _find_file(settings.values.get("config"), environ)
    if path is not None and not reads_files:
        raise UsageError(
            f"configuration file {path}",
            expected="options by flag or environment",
            got="YAML, which the agent part does not read",
            advice="set JENKINS_NOTARY_... variables, and XDG_CONFIG_HOME to a folder "
            "without the file",
        )
    if path is not None:
        values, file_faults = load_file(path)
        faults += file_faults
        for name, value in values.items():
            if name in flags:
                settings.add(name, value, "file")
    if faults:
        raise faults[0] if len(faults) == 1 else FaultsError(faults)
    return settings


def variable_name(name: str) -> str:
    """Return the environment variable of an option.

    >>> variable_name("plain-http")
    'JENKINS_NOTARY_PLAIN_HTTP'
    """
    return PREFIX + name.upper().replace("-", "_")


def load_file(path: str) -> tuple[dict[str, Value], list[NotaryError]]:
    """Return what a configuration file sets, and all its faults.

    Raises:
        ConfigurationError: It cannot be read, or is not one YAML mapping.
    """
    import yaml

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigurationError(path, expected=f"at most {MAX_FILE_BYTES} bytes")
        # Composed, not constructed: lines are known, and nothing is converted.
        root = yaml.compose(data.decode(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigurationError(
            path,
            expected="a configuration file",
            got=error.strerror or "an error",
            advice="name another with --config",
        ) from error
    except yaml.YAMLError as error:
        got = " ".join(str(error).split())[:300]
        raise ConfigurationError(path, expected="YAML", got=got) from error
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        raise ConfigurationError(path, expected="plain YAML in UTF-8") from error
    if root is None:
        return {}, []
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(path, expected="a mapping of option to value")
    return _read_mapping(path, root.value)


def _add_flags(
    settings: Settings,
    flags: Mapping[str, str | bool | Sequence[str] | None],
    spelled: Mapping[str, str],
) -> Iterator[NotaryError]:
    """Set what flags give; yield the faults."""
    for name, given in flags.items():
        if given is not None:
            try:
                settings.add(name, _parse_flag(name, given), "flag")
            except ValueError as error:
                flag = spelled.get(name, f"--{name}")
                yield _fault(UsageError, flag, name, str(error))


def _add_variables(
    settings: Settings, names: Iterable[str], environ: Mapping[str, str]
) -> Iterator[NotaryError]:
    """Set what variables give; yield the faults."""
    for name in names:
        variable = variable_name(name)
        text = environ.get(variable, "")
        if text and name not in settings.values:
            try:
                settings.add(name, _parse_variable(name, text), "environment")
            except ValueError as error:
                yield _fault(ConfigurationError, variable, name, str(error))


def _read_mapping(
    path: str, pairs: Iterable[tuple[Node, Node]]
) -> tuple[dict[str, Value], list[NotaryError]]:
    """Return the values and the faults of a file's top level."""
    values: dict[str, Value] = {}
    faults: list[NotaryError] = []
    for key, node in pairs:
        place = f"{path} line {key.start_mark.line + 1}"
        name = key.value if isinstance(key.value, str) else "?"
        where = f"{place}: {name[:80]!r}"
        if name not in OPTIONS or name in NOT_IN_FILE:
            faults.append(_unknown_key(where, name))
        elif name in values:
            faults.append(ConfigurationError(where, expected="each option once"))
        else:
            try:
                values[name] = _parse_node(name, node)
            except ValueError as error:
                faults.append(_fault(ConfigurationError, where, name, str(error)))
    return values, faults


def _unknown_key(where: str, name: str) -> ConfigurationError:
    """Return the fault of a key that names no option; its value is never shown."""
    if any(word in name.lower() for word in _SECRETS):
        return ConfigurationError(
            where,
            expected="no secret in a configuration file",
            advice=f"use the environment ({PREFIX}TOKEN, {PREFIX}KEY_PASSPHRASE) "
            "or passphrase-file",
        )
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("_", "-"), OPTIONS, 1)
    advice = f"did you mean {near[0]!r}?" if near and near[0] != name else ""
    return ConfigurationError(where, expected="a known option", advice=advice)


def _parse_node(name: str, node: Node) -> Value:
    """Return the value of a YAML node.

    Raises:
        ValueError: Of another type; its text says what was got.
    """
    kind = OPTIONS[name]
    if kind in {"list", "integers"}:
        items = node.value if node.tag.endswith(":seq") else [node]
        return _parse_items(name, [_scalar(one, kind) for one in items])
    return parse_value(name, _scalar(node, kind))


def _scalar(node: ScalarNode | Node, kind: Kind) -> str:
    """Return a scalar's text, as it was written.

    Raises:
        ValueError: No scalar, or one whose type the kind does not take.
    """
    tag = node.tag.rpartition(":")[2]
    if not isinstance(node.value, str) or tag not in _TAGS:
        raise ValueError("a list" if tag == "seq" else "a mapping")
    wanted = {
        "flag": {"bool"},
        "integer": {"int"},
        "integers": {"int"},
        "time": {"str", "int", "timestamp"},
    }.get(kind if isinstance(kind, str) else "", {"str"})
    if tag not in wanted:
        hint = " (write it in quotes)" if "str" in wanted and tag != "null" else ""
        raise ValueError(_TAGS[tag] + hint)
    return node.value


def _parse_flag(name: str, given: str | bool | Sequence[str]) -> Value:  # noqa: FBT001 - a value
    """Return the value of an option given as a flag; ValueError if it is wrong."""
    if isinstance(given, bool):
        return given
    return (
        parse_value(name, given)
        if isinstance(given, str)
        else _parse_items(name, given)
    )


def _parse_variable(name: str, text: str) -> Value:
    """Return the value of an option given by environment; ValueError if wrong."""
    if OPTIONS[name] not in {"list", "integers"}:
        return parse_value(name, text)
    items = text.splitlines() if "\n" in text else text.split(",")
    return _parse_items(name, [one.strip() for one in items if one.strip()])


def _parse_items(name: str, items: Sequence[str]) -> list[str] | list[int]:
    """Return the value of a list; ValueError if it is wrong."""
    if len(items) > MAX_LIST:
        raise ValueError(f"{len(items)} entries")
    if OPTIONS[name] == "integers":
        return [_parse_integer(one) for one in items]
    return list(items)


def parse_value(name: str, text: str) -> Value:
    """Return the value of an option that is no list, from its text.

    Raises:
        ValueError: It is no such value; the error's text says what was got.
    """
    kind = OPTIONS[name]
    if kind == "flag":
        if text.lower() not in _BOOLEANS:
            raise ValueError(repr(text[:80]))
        return _BOOLEANS[text.lower()]
    if kind == "integer":
        return _parse_integer(text)
    if isinstance(kind, tuple) and text not in kind:
        raise ValueError(repr(text[:80]))
    return text


def _parse_integer(text: str) -> int:
    """Return a decimal integer of at most 18 digits; ValueError if it is none."""
    digits = text[text.startswith("-") :]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise ValueError(repr(text[:80]))
    return int(text)


def _fault(kind: type[NotaryError], subject: str, name: str, got: str) -> NotaryError:
    """Return the error of a wrong value."""
    wanted = OPTIONS[name]
    expected = (
        _EXPECTED[wanted] if isinstance(wanted, str) else f"one of {', '.join(wanted)}"
    )
    return kind(subject, expected=expected, got=got)


def _find_file(given: Value | None, environ: Mapping[str, str]) -> str | None:
    """Return the configuration file's path, or None when there is none."""
    if given is not None:
        return str(given)
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        home = environ.get("HOME") or environ.get("USERPROFILE") or ""
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".config")
    path = os.path.join(base, "jenkins-notary", "config.yaml")
    return path if os.path.exists(path) else None


def _find_typos(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each variable that looks like ours and is not."""
    for variable in sorted(one for one in environ if one.startswith(PREFIX)):
        name = variable[len(PREFIX) :]
        if name in VARIABLES or name.lower().replace("_", "-") in OPTIONS:
            continue
        from difflib import get_close_matches

        known = [variable_name(one) for one in OPTIONS]
        near = get_close_matches(variable, known, 1, 0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield f"{variable} is not a variable of jenkins-notary{hint}"

"""Find the login for a registry, and answer the challenge that the registry sends.

Logins come from where ``docker login`` and ``podman login`` leave them: the file
``$REGISTRY_AUTH_FILE``, else ``$DOCKER_CONFIG/config.json``, else
``~/.docker/config.json``::

    {"auths": {"registry.example:5000": {"auth": "<base64 of user:password>"}},
     "credHelpers": {"registry.example": "name"}, "credsStore": "name"}

A helper is the program ``docker-credential-<name> get``, which reads the registry from
standard input; it has a bounded time to answer. An entry of ``credHelpers`` goes before
``credsStore``, that before ``auths``. No secret is ever part of a message.

Source: docker/cli config file documentation; docker-credential-helpers protocol;
distribution's token authentication specification.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.programs import run_program
from jenkins_notary.assets.reference import HUB
from jenkins_notary.errors import (
    ConfigurationError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HELPER_TIMEOUT_S = 20.0
"""Time for a credential helper to answer."""

MAX_CONFIG_BYTES = 1024 * 1024
"""Longest configuration file, and longest answer of a helper, that is read."""

_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PARAMETER = re.compile(
    r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?\s*'
)
_TOKEN_USER = "<token>"  # noqa: S105 (what helpers answer as user name)
_MAX_CHALLENGE = 8192


class Login(NamedTuple):
    """A login for one registry.

    Attributes:
        user: May be shown in messages.
        password: Never shown.
        identity_token: Instead of user and password; never shown.
        source: Where it was found, for messages.
    """

    user: str
    password: str
    identity_token: str
    source: str

    def __repr__(self) -> str:
        """Show user and source only, so that no log holds a secret."""
        return f"Login(user={self.user!r}, source={self.source!r})"

    @property
    def basic(self) -> str:
        """Return the value of an Authorization header."""
        pair = f"{self.user}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


class Challenge(NamedTuple):
    """What a registry asks for.

    Attributes:
        scheme: ``bearer`` or ``basic``, lower case.
        parameters: ``realm``, ``service``, ``scope``; keys in lower case.
    """

    scheme: str
    parameters: dict[str, str]


def parse_challenge(header: str) -> Challenge | None:
    """Return the first Bearer or Basic challenge of a WWW-Authenticate header.

    >>> parse_challenge('Bearer realm="https://auth.example/token",service="r"')
    Challenge(scheme='bearer', parameters={'realm': 'https://auth.example/token', \
'service': 'r'})

    None if there is none that is understood, or the header is too long.
    """
    if len(header) > _MAX_CHALLENGE:
        return None
    found = re.search(r"(?:^|,\s*)(bearer|basic)(?:\s+|$)", header, re.IGNORECASE)
    if not found:
        return None
    parameters: dict[str, str] = {}
    at = found.end()
    while parameter := _PARAMETER.match(header, at):
        key, quoted, plain = parameter.groups()
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        parameters.setdefault(key.lower(), value)
        at = parameter.end()
    return Challenge(found[1].lower(), parameters)


def load_login(registry: str, environment: Mapping[str, str]) -> Login | None:
    """Return the login for a registry, or None if there is none.

    Raises:
        ConfigurationError: The file is not what docker writes.
        PermissionDeniedError: It may not be read, or a helper refused.
        UnavailableError: A helper is missing or does not answer.
    """
    path = _config_path(environment)
    config = _load_config(path)
    key = _HUB_KEY if registry == HUB else registry
    helpers, auths = config.get("credHelpers"), config.get("auths")
    helper = helpers.get(registry) if isinstance(helpers, dict) else None
    helper = helper or config.get("credsStore")
    if helper:
        login = _ask_helper(helper, key, path)
        if login:
            return login
    return next(read_logins(auths, registry, path), None)


def read_logins(auths: object, registry: str, source: str) -> Iterator[Login]:
    """Yield the logins for a registry in what a file or secret has as ``auths``.

    Raises:
        ConfigurationError: One is not what docker writes.
    """
    for name, entry in auths.items() if isinstance(auths, dict) else ():
        if _same_registry(name, registry) and isinstance(entry, dict):
            login = _read_entry(entry, name, source)
            if login is not None:
                yield login


def _config_path(environment: Mapping[str, str]) -> str:
    """Return the file that holds logins."""
    if environment.get("REGISTRY_AUTH_FILE"):
        return environment["REGISTRY_AUTH_FILE"]
    folder = environment.get("DOCKER_CONFIG")
    if not folder:
        home = environment.get("HOME") or environment.get("USERPROFILE") or ""
        folder = os.path.join(home, ".docker")
    return os.path.join(folder, "config.json")


def _load_config(path: str) -> dict[str, object]:
    """Return the parsed file; an absent file is an empty one."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise PermissionDeniedError(
            printable(path), expected="a readable file", got="permission denied"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            printable(path),
            expected="a readable file",
            got=error.strerror or "an error",
        ) from error
    try:
        config = json.loads(content) if len(content) <= MAX_CONFIG_BYTES else None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise ConfigurationError(
            printable(path),
            expected=f"a JSON object of at most {MAX_CONFIG_BYTES} bytes",
            got="something else",
            advice="log in again with docker login, or remove the file",
        )
    return config


def _same_registry(key: str, registry: str) -> bool:
    """Compare a key of ``auths``, perhaps an old URL form, with a registry."""
    host = key.partition("://")[2] or key
    host = host.rstrip("/")
    for ending in ("/v1", "/v2"):
        host = host.removesuffix(ending)
    if registry == HUB:
        return host in (HUB, "index.docker.io", "registry-1.docker.io")
    return host == registry


def _read_entry(entry: dict[str, object], name: str, path: str) -> Login | None:
    """Return the login of one entry of ``auths``; None if it is empty."""
    token, auth = entry.get("identitytoken"), entry.get("auth")
    user, password = entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth:
        try:
            pair = base64.b64decode(auth, validate=True).decode()
        except (binascii.Error, ValueError):
            pair = ""
        user, colon, password = pair.partition(":")
        if not colon:
            raise ConfigurationError(
                f"login for {printable(name)} in {printable(path)}",
                expected="base64 of user:password",
                got="something else",
                advice="log in again with docker login",
            )
        password = password.rstrip("\0")
    if isinstance(token, str) and token:
        return Login(user if isinstance(user, str) else "", "", token, path)
    if isinstance(user, str) and isinstance(password, str) and user:
        return Login(user, password, "", path)
    return None


def _ask_helper(helper: object, key: str, path: str) -> Login | None:
    """Return what a credential helper knows of a registry, or None."""
    if not isinstance(helper, str) or not _HELPER_NAME.fullmatch(helper):
        raise ConfigurationError(
            f"credential helper in {printable(path)}",
            expected="a name of letters, digits, . _ -",
            got=printable(str(helper)),
        )
    program = f"docker-credential-{helper}"
    finished = run_program(
        [program, "get"], given=key.encode() + b"\n", timeout_s=HELPER_TIMEOUT_S
    )
    if finished.code:
        # The protocol tells "no login" from a fault by this text on standard output.
        if b"credentials not found" in finished.output:
            return None
        raise PermissionDeniedError(
            f"the program {program}", expected=f"a login for {key}", got="a refusal"
        )
    try:
        answer = json.loads(finished.output[:MAX_CONFIG_BYTES])
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnavailableError(
            f"the program {program}",
            expected="JSON with Username and Secret",
            got="something else",
        ) from error
    if user == _TOKEN_USER:
        return Login("", "", str(secret), program)
    return Login(str(user), str(secret), "", program)

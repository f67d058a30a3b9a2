"""Keep the tokens of a service: who may ask it, as what, for which folders.

A token is ``NAME.SECRET``. The secret is 256 random bits and is shown once; kept is its
SHA-256 alone, in a file of mode 0600 beside the ledger::

    {"v": 1, "tokens": [{"name": "payments", "role": "writer",
     "scopes": ["ci.example.com:payments"], "sha256": "<64 hex>",
     "createdAt": 1767323045006, "expiresAt": null, "outbox": null,
     "identity": null}]}

A secret of 256 bits cannot be guessed, so a slow hash would protect nothing more. The
file is read again whenever it has changed: a revocation holds for the next request. A
file that is malformed, or that others may read, lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import stat

from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.files.locks import FileLock
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.access.scopes import format_scope, parse_scope
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.whole_file import write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from jenkins_notary.service.access.scopes import Scope

ROLES = (
    *("writer", "status", "security", "reader", "auditor", "controller", "importer"),
    "admin",
)
UNSCOPED = frozenset({"security", "admin"})
"""Roles that a folder would not bound, so they take none."""

MAX_TOKENS = 10_000
MAX_SCOPES = 100
MAX_LENGTH = 200
"""The longest token that is looked at."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MAX_FILE = 16 << 20
_NOBODY = hashlib.sha256(b"").hexdigest()


class Token(NamedTuple):
    """One token, without its secret.

    Attributes:
        name: Its name, which records and the access log show.
        role: A word of :data:`ROLES`.
        scopes: The folders that it is for; none for all.
        sha256_hex: SHA-256 of the secret.
        created_ms: When it, or its present secret, was made, ms UTC.
        expires_ms: When it ends, ms UTC, or None for never.
        outbox: Id of the one outbox that it delivers, or None before the first time.
        identity: SHA-256 hex of that controller's identity, or None if not known.
    """

    name: str
    role: str
    scopes: tuple[Scope, ...]
    sha256_hex: str
    created_ms: int
    expires_ms: int | None
    outbox: str | None = None
    identity: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return what anybody may know of it."""
        return {
            "name": self.name,
            "role": self.role,
            "folders": [format_scope(one) for one in self.scopes],
            "created": format_time(self.created_ms),
            "expires": None
            if self.expires_ms is None
            else format_time(self.expires_ms),
        }


class TokenFile:
    """The tokens of one ledger, kept beside it.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        """Use a file; the first token makes it."""
        self.path = path
        self._mark: tuple[int, ...] = ()
        self._tokens: Mapping[str, Token] = {}

    def load(self) -> Mapping[str, Token]:
        """Return the tokens by name; read anew if the file has changed.

        Raises:
            IntegrityError: The file is malformed.
            ConfigurationError: Others may read it, or it cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                found = os.fstat(file.fileno())
                mark = (found.st_ino, found.st_mtime_ns, found.st_size)
                if mark == self._mark:
                    return self._tokens
                self._check_mode(found.st_mode)
                data = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            self._mark, self._tokens = (), {}
            return self._tokens
        except OSError as error:
            raise ConfigurationError(
                f"token file {self.path}", got=f"{error.strerror}"
            ) from error
        self._tokens = _parse_file(data, f"token file {self.path}")
        self._mark = mark
        return self._tokens

    def find(self, text: str, now_ms: int) -> Token | None:
        """Return the token that a client sends, None for one that does not hold.

        An unknown name takes as long as a wrong secret.
        """
        name, _, secret = text[: MAX_LENGTH + 1].partition(".")
        token = self.load().get(name)
        given = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        kept = _NOBODY if token is None else token.sha256_hex
        is_right = hmac.compare_digest(given, kept)
        if token is None or not is_right or not secret or len(text) > MAX_LENGTH:
            return None
        is_over = token.expires_ms is not None and now_ms >= token.expires_ms
        return None if is_over else token

    def create(
        self, token: Token, *, before: Callable[[Token], object] = lambda _: None
    ) -> str:
        """Keep a new token with a new secret; return ``NAME.SECRET``.

        Args:
            token: What it is; its hash is set here.
            before: Called with it before it is kept, to record it.

        Raises:
            UsageError: There is one of that name.
        """
        with self._changing() as tokens:
            if token.name in tokens:
                raise UsageError(
                    f"token {token.name}",
                    expected="a new name",
                    got="one that is taken",
                    advice="token rotate gives it a new secret",
                )
            if len(tokens) >= MAX_TOKENS:
                raise UsageError("tokens", expected=f"at most {MAX_TOKENS}")
            return self._renew(tokens, token, before)

    def rotate(
        self,
        name: str,
        now_ms: int,
        *,
        before: Callable[[Token], object] = lambda _: None,
    ) -> str:
        """Give a token a new secret; the old one holds no more. Return the new text."""
        with self._changing() as tokens:
            # A new secret is given to whoever delivers from now on.
            token = _get(tokens, name)._replace(
                created_ms=now_ms, outbox=None, identity=None
            )
            return self._renew(tokens, token, before)

    def bind(self, name: str, outbox: str, identity: str | None) -> None:
        """Bind a token to the outbox and controller that it delivers, the first time.

        Raises:
            PermissionDeniedError: It is bound to another outbox or controller.
        """
        token = _get(self.load(), name)
        if (token.outbox, token.identity) == (outbox, identity):
            return
        with self._changing() as tokens:
            token = _get(tokens, name)
            is_other = token.outbox not in {None, outbox}
            is_copy = token.identity not in {None, identity}
            if is_other or is_copy:
                raise PermissionDeniedError(
                    f"token {name}",
                    expected="the outbox and controller that it delivered before",
                    got="another outbox" if is_other else "a copy of the controller",
                    advice="an administrator who knows it is the same one runs: "
                    f"jenkins-notary token rotate {name}",
                )
            tokens[name] = token._replace(outbox=outbox, identity=identity)
            self._save(tokens)

    def revoke(self, name: str) -> Token:
        """Drop a token, durably; return what it was."""
        with self._changing() as tokens:
            token = _get(tokens, name)
            del tokens[name]
            self._save(tokens)
            return token

    def _renew(
        self,
        tokens: dict[str, Token],
        token: Token,
        before: Callable[[Token], object],
    ) -> str:
        """Keep a token with a new secret."""
        secret = secrets.token_urlsafe(32)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        tokens[token.name] = token._replace(sha256_hex=digest)
        before(tokens[token.name])
        self._save(tokens)
        return f"{token.name}.{secret}"

    def _changing(self) -> _Changing:
        """Give all tokens to a block that may change them, alone."""
        return _Changing(self)

    def _save(self, tokens: Mapping[str, Token]) -> None:
        """Write the file, durably, whole or not at all."""
        value = {"v": 1, "tokens": [_format(one) for one in tokens.values()]}
        write_private(self.path, json.dumps(value, indent=1).encode())

    def _check_mode(self, mode: int) -> None:
        """Refuse a file that others may read or write, or that is none."""
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise ConfigurationError(
                f"token file {self.path}",
                expected="a file of mode 0600",
                got=f"{stat.filemode(mode)}",
                advice="chmod 600, and rotate the tokens",
            )


class _Changing:
    """The lock of a change, and what is changed."""

    def __init__(self, file: TokenFile) -> None:
        self._file = file
        self._lock = FileLock(f"{file.path}.lock")

    def __enter__(self) -> dict[str, Token]:
        self._lock.__enter__()
        try:
            return dict(self._file.load())
        except BaseException:
            self._lock.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__()


def make_token(
    name: str,
    role: str,
    scopes: Sequence[str],
    *,
    now_ms: int,
    expires_ms: int | None,
) -> Token:
    """Return a token that has no secret yet.

    Raises:
        UsageError: A name, role or folder is wrong.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"token {name[:80]!r}",
            expected="1 to 63 of a-z, 0-9, '-' and '_', not first a dash",
        )
    if role not in ROLES:
        raise UsageError("--role", expected="one of " + ", ".join(ROLES), got=role[:40])
    if scopes and role in UNSCOPED:
        raise UsageError(
            "--folder", expected=f"none: the role {role} is not bound to folders"
        )
    if len(scopes) > MAX_SCOPES:
        raise UsageError("--folder", expected=f"at most {MAX_SCOPES}")
    if expires_ms is not None and expires_ms <= now_ms:
        raise UsageError("--expires", expected="a time to come")
    parsed = tuple(parse_scope(one) for one in scopes)
    return Token(name, role, parsed, _NOBODY, now_ms, expires_ms)


def _get(tokens: Mapping[str, Token], name: str) -> Token:
    """Return a token that must be there."""
    if name not in tokens:
        raise NotFoundError(
            f"token {name[:80]!a}",
            got="none of that name",
            advice="jenkins-notary token list",
        )
    return tokens[name]


def _format(token: Token) -> dict[str, object]:
    """Return a token's form in the file."""
    return {
        "name": token.name,
        "role": token.role,
        "scopes": [format_scope(one) for one in token.scopes],
        "sha256": token.sha256_hex,
        "createdAt": token.created_ms,
        "expiresAt": token.expires_ms,
        "outbox": token.outbox,
        "identity": token.identity,
    }


def _parse_file(data: bytes, subject: str) -> dict[str, Token]:
    """Return the tokens in a file; the inverse of ``_save``."""
    value = load_json(data, subject=subject, limit=_MAX_FILE)
    listed = value.get("tokens") if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("v") != 1 or type(listed) is not list:
        raise IntegrityError(subject, expected="version 1 with tokens")
    tokens = [_parse(one, subject) for one in listed]
    found = {one.name: one for one in tokens}
    if len(found) != len(tokens):
        raise IntegrityError(subject, expected="each name once")
    return found


def _parse(value: object, subject: str) -> Token:
    """Return one token of a file."""
    own = value if isinstance(value, dict) else {}
    name, role, scopes = own.get("name"), own.get("role"), own.get("scopes")
    created, expires = own.get("createdAt"), own.get("expiresAt")
    outbox, identity = own.get("outbox"), own.get("identity")
    if (
        not isinstance(name, str)
        or not _NAME.fullmatch(name)
        or role not in ROLES
        or not isinstance(scopes, list)
        or not all(isinstance(one, str) for one in scopes)
        or not is_hex_digest(own.get("sha256"))
        or type(created) is not int
        or not (expires is None or type(expires) is int)
        or not (outbox is None or isinstance(outbox, str))
        or not (identity is None or isinstance(identity, str))
    ):
        raise IntegrityError(subject, expected="a token's name, role, scopes and hash")
    try:
        parsed = tuple(parse_scope(one) for one in scopes)
    except UsageError as error:
        raise IntegrityError(subject, expected="folders", got=str(error)) from error
    return Token(name, role, parsed, own["sha256"], created, expires, outbox, identity)

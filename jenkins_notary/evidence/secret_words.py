"""Tell names and short texts that hold a secret: parameters, stages, causes, approvals.

A build's log is scanned for tokens (``secrets``). What stands in a field of a record is
shorter and says more by its name, so more is taken for a secret here, and a field that
is held back for nothing costs little. The hook has the same rule, ``Secrets.groovy``;
``tests/vectors/secret-words.json`` holds both to it.
"""

from __future__ import annotations

import re

from jenkins_notary.evidence.secrets import scan_secrets

HIDDEN = "(held back: looks like a secret)"
"""What stands in the place of a text that holds a secret."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME = re.compile(
    r"passw|passphrase|(?<![a-z])pass(?![a-z])|userpass|pwd|pw(?![a-z])|secret|token"
    r"|credential|creds?(?![a-z])|(?<![a-z])(?:pin|login|pat)(?![a-z])"
    r"|auth(?!ors?(?![a-z]))"
    r"|(?:api|access|account|encryption|private|signing|ssh).?key",
    re.IGNORECASE,
)
_TEXT = re.compile(
    # An assignment, also in a connection string or a URL's query; no reference.
    r"(?:(?<![a-z])(?:pass|pw)|passw(?:or)?d|passphrase|pwd|secret|token|authorization"
    r"|(?:api|access|account|private)[_-]?key)"
    r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?[^\s\"'&;,$%<{(]"
    # curl's option, and a URL with user and password.
    r"|(?<!\S)(?:-u|--user|--proxy-user)[\s=]{0,4}[\"']?[^\s:\"']{1,128}:[^\s$]"
    r"|://[^\s/:@\"']{0,128}:[^\s/@\"'$]{1,256}@"
    r"|(?<![a-z])(?:basic|bearer)\s{1,4}(?=\S{0,256}[0-9=])[a-z0-9._~+/=-]{8}",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\s{0,20}(?:basic|bearer)\s{1,4}\S{1,4096}\s{0,20}", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Return whether what is called so is a secret.

    >>> is_secret_name("dbPw"), is_secret_name("AUTHOR")
    (True, False)
    """
    return _NAME.search(_HUMP.sub("_", name)) is not None


def is_secret_value(value: str) -> bool:
    """Return whether the value of a parameter holds a secret.

    >>> is_secret_value("Server=db;Pwd=hunter2"), is_secret_value("prod")
    (True, False)
    """
    return _HEADER.fullmatch(value) is not None or is_secret_text(value)


def is_secret_text(text: str) -> bool:
    """Return whether words that somebody wrote hold a secret.

    >>> is_secret_text("Deploy with password: hunter2?"), is_secret_text("Basic tests")
    (True, False)
    """
    if _TEXT.search(text):
        return True
    return any(True for _ in scan_secrets([text.encode("utf-8", "replace")]))


def hide_secrets(value: object) -> object:
    """Return a JSON value with no text in it that holds a secret.

    >>> hide_secrets([{"name": "curl -u bob:pw"}, {"name": "Build", "id": 4}])
    [{'name': '(held back: looks like a secret)'}, {'name': 'Build', 'id': 4}]
    """
    if isinstance(value, str):
        return HIDDEN if is_secret_text(value) else value
    if isinstance(value, list):
        return [hide_secrets(one) for one in value]
    if isinstance(value, dict):
        return {key: hide_secrets(one) for key, one in value.items()}
    return value

"""Take what is secret out of URLs before they are shown or recorded.

>>> scrub_url("https://bot:s3cret@git.example.com/app.git?token=1#top")
'https://git.example.com/app.git'
>>> scrub_url("see ssh://git@git.example.com/app@v1 and mail a@b.example")
'see ssh://git.example.com/app@v1 and mail a@b.example'

Credentials, query strings and fragments go; scheme, host, port and path stay. A path
can hold a secret too (a webhook's, say): nothing here can tell.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"://\S*")
_AUTHORITY_END = re.compile(r"[/?#]")
_QUERY = re.compile(r"[?#]")


def scrub_url(text: str) -> str:
    """Return a text with credentials and query strings cut out of every URL in it.

    Args:
        text: A URL, or a text that may hold some.

    Returns:
        The text; unchanged when no URL in it has credentials, query or fragment.
    """
    return _TOKEN.sub(_scrub_token, text) if "://" in text else text


def _scrub_token(matched: re.Match[str]) -> str:
    """Return what follows a scheme, up to the next space, without its secrets."""
    # Several URLs joined by a comma, say, are one token: each has its authority.
    parts = [_drop_user(part) for part in matched[0].split("://")]
    return _QUERY.split("://".join(parts), 1)[0]


def _drop_user(part: str) -> str:
    """Return an authority and its path without user and password."""
    authority = _AUTHORITY_END.split(part, 1)[0]
    if "@" in authority:
        return part[authority.rindex("@") + 1 :]
    # A password may hold an unescaped `/`, `?` or `#`. Then what stands behind the
    # colon is no port, and all up to the last `@` goes.
    _, colon, port = authority.partition(":")
    if colon and not port.isdigit() and port and not authority.startswith("["):
        return part[part.rfind("@") + 1 :]
    return part

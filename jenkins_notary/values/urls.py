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

_USER_INFO = re.compile(r"://[^\s/?#]*@")
# A password may hold an unescaped `/`, `?` or `#`. What stands behind the colon is
# then no port, and all up to the last `@` within reach goes. The bound keeps the
# time linear on hostile text.
_BROKEN_USER_INFO = re.compile(
    r"://(?!\[)[^\s/?#@:]{0,256}:(?![0-9]*(?:[/?#\s,]|\Z))[^\s]{0,512}@"
)
_QUERY = re.compile(r"(://[^\s?#]*)[?#]\S*")


def scrub_url(text: str) -> str:
    """Return a text with credentials and query strings cut out of every URL in it.

    Args:
        text: A URL, or a text that may hold some.

    Returns:
        The text; unchanged when no URL in it has credentials, query or fragment.
    """
    if "://" not in text:
        return text
    text = _BROKEN_USER_INFO.sub("://", _USER_INFO.sub("://", text))
    return _QUERY.sub(r"\1", text)

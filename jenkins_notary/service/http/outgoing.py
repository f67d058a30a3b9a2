"""Send one request to an address that an administrator wrote: bounded, and no further.

A redirect is not followed, so nothing is sent to another place than the one that was
written; no login is taken from a file of this host's. The whole takes no longer than
:data:`TOTAL_S`, and no more of an answer is read than asked for.
"""

from __future__ import annotations

import time

import requests

from jenkins_notary.assets.urls import check_ca_file, check_url, clean_url
from jenkins_notary.errors import ConfigurationError, UnavailableError, UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_S = 5.0
READ_S = 10.0
TOTAL_S = 20.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PIECE = 16 << 10


class Answer(NamedTuple):
    """What was answered.

    Attributes:
        status: The HTTP status; a redirect's too.
        body: Its bytes.
    """

    status: int
    body: bytes


def check_address(url: str, *, subject: str, ca_file: str | None = None) -> None:
    """Check an address as an administrator wrote it.

    Raises:
        ConfigurationError: It is malformed, holds a login, or is plain HTTP to another
            host than this one; or the file of authorities cannot be used.
    """
    try:
        parts = check_url(url, _LOOPBACK)
    except UsageError as error:
        raise ConfigurationError(
            subject, expected=error.expected, got=error.got
        ) from error
    if parts.username or parts.password or parts.fragment:
        raise ConfigurationError(subject, expected="no login and no fragment in it")
    check_ca_file(ca_file)


def send(
    method: str,
    url: str,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    ca_file: str | None = None,
    limit: int = 1 << 20,
) -> Answer:
    """Return the answer to one request.

    Args:
        method: The HTTP method.
        url: A checked address.
        data: The body.
        headers: Further headers.
        ca_file: Authorities to trust in place of the system's.
        limit: Bytes of the answer that are read at most.

    Raises:
        UnavailableError: There is none, or one that is too long or too slow.
    """
    subject = clean_url(url).partition("?")[0]
    ends = time.monotonic() + TOTAL_S
    session = requests.Session()
    # Else a file of logins (.netrc) would be looked into.
    session.auth = _add_nothing
    try:
        with session.request(
            method,
            url,
            data=data,
            headers={"User-Agent": "jenkins-notary", **(headers or {})},
            timeout=(CONNECT_S, READ_S),
            allow_redirects=False,
            stream=True,
            verify=ca_file or True,
        ) as response:
            pieces, size = [], 0
            for piece in response.iter_content(_PIECE):
                size += len(piece)
                pieces.append(piece)
                if size > limit or time.monotonic() > ends:
                    raise UnavailableError(
                        subject,
                        expected=f"at most {limit} bytes in {TOTAL_S:.0f} s",
                        got="more",
                    )
            return Answer(response.status_code, b"".join(pieces))
    except (requests.RequestException, ValueError) as error:
        # The text of such an error may hold the address, and that a secret.
        raise UnavailableError(subject, got=type(error).__name__) from error
    finally:
        session.close()


def _add_nothing(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no login to a request."""
    return request

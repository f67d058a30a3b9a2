"""Say where a program listens, and that its extra is missing.

Light: a command reads this before it imports what serves.

>>> format_address("::1", 8087, is_tls=True)
'https://[::1]:8087'
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.shapes import NamedTuple

LOOPBACK = "127.0.0.1"


class Place(NamedTuple):
    """Where a program listens.

    Attributes:
        host: A name or address.
        port: 0 for any.
        certificate: Files of the certificate's chain and its key, or None for plain
            HTTP.
    """

    host: str
    port: int
    certificate: tuple[str, str] | None


def format_address(host: str, port: int, *, is_tls: bool) -> str:
    """Return the URL of what listens."""
    scheme = "https" if is_tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def missing_extra(command: str, error: ImportError) -> ConfigurationError:
    """Return the failure of a command whose extra is not installed."""
    return ConfigurationError(
        command,
        expected="the extra [service]",
        got=f"no module {error.name}",
        advice="pip install 'jenkins-notary[service]'",
    )

"""Say where a user's ledger, key, bodies and pins are.

========  ======================================================  ================
what      default                                                 option
========  ======================================================  ================
ledger    ``$XDG_DATA_HOME/jenkins-notary/ledger.db``             ``--ledger``
its key   the ledger's path and ``.key``
bodies    the ledger's path and ``.blobs``
held logs the ledger's path and ``.held``
both      else below ``s3://BUCKET/PREFIX``                   (environment)
in immudb ``$XDG_DATA_HOME/jenkins-notary/immudb/HOST_PORT_DATABASE``
signer    ``$XDG_DATA_HOME/jenkins-notary/key.pem``               ``--key``
pins      ``$XDG_STATE_HOME/jenkins-notary/pins``
========  ======================================================  ================

Source: XDG Base Directory Specification 0.8; on Windows its variables are honoured
and the defaults lie below the user's profile.
"""

from __future__ import annotations

import os

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_APP = "jenkins-notary"
_IMMUDB = "immudb://"


class Places(NamedTuple):
    """Absolute paths of one user and ledger.

    Attributes:
        ledger: The SQLite file; of a ledger elsewhere, what the paths of its key and
            bodies here begin with.
        ledger_url: The same as a URL, for people; without the replicas of a database.
        log_key: The ledger's own key.
        blobs: The folder of bodies, or their ``s3://`` URL.
        held: That of logs that are held back.
        key: The signer's PEM file.
        pins: The folder of pins.
        cache: The folder of hints that can be lost.
        is_default: Whether nobody chose the ledger.
        engine: ``sqlite`` or ``immudb``.
        replicas: (host, port) of each replica of a ledger in immudb.
    """

    ledger: str
    ledger_url: str
    log_key: str
    blobs: str
    held: str
    key: str
    pins: str
    cache: str
    is_default: bool
    engine: str
    replicas: tuple[tuple[str, int], ...] = ()


def find_places(
    ledger: str | None, key: str | None, environ: Mapping[str, str]
) -> Places:
    """Return where everything is.

    Args:
        ledger: ``sqlite:///PATH``, ``immudb://HOST:PORT/DATABASE`` (with replicas:
            ``HOST:PORT,HOST:PORT``), a plain path, or None for the default.
        key: The signer's PEM file, or None for the default.
        environ: The environment.

    Raises:
        ConfigurationError: An engine that this version does not have, or no home.
    """
    data = os.path.join(_xdg("XDG_DATA_HOME", ".local/share", environ), _APP)
    state = os.path.join(_xdg("XDG_STATE_HOME", ".local/state", environ), _APP)
    cache = os.path.join(_xdg("XDG_CACHE_HOME", ".cache", environ), _APP)
    engine = "immudb" if (ledger or "").startswith(_IMMUDB) else "sqlite"
    replicas: tuple[tuple[str, int], ...] = ()
    if ledger is not None and engine == "immudb":
        path, url, replicas = _find_immudb(ledger, data)
    else:
        named = os.path.join(data, "ledger.db")
        path = named if ledger is None else _ledger_path(ledger)
        url = f"sqlite://{path}" if path.startswith("/") else f"sqlite:///{path}"
    return Places(
        path,
        url,
        f"{path}.key",
        *_body_places(path, environ),
        os.path.abspath(key) if key else os.path.join(data, "key.pem"),
        os.path.join(state, "pins"),
        cache,
        ledger is None,
        engine,
        replicas,
    )


def _body_places(path: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where bodies and held logs are: beside a ledger, or where is said.

    >>> _body_places("/n.db", {"JENKINS_NOTARY_BLOBS": "s3://bodies/notary/"})
    ('s3://bodies/notary/bodies', 's3://bodies/notary/held')
    """
    chosen = environ.get("JENKINS_NOTARY_BLOBS", "").rstrip("/")
    if not chosen:
        return f"{path}.blobs", f"{path}.held"
    return f"{chosen}/bodies", f"{chosen}/held"


def _find_immudb(url: str, data: str) -> tuple[str, str, tuple[tuple[str, int], ...]]:
    """Return what the paths here of a ledger in immudb begin with, and where it is."""
    from jenkins_notary.engines.immudb.url import format_url, parse_url

    address = parse_url(url)
    name = f"{address.host.replace(':', '-')}_{address.port}_{address.database}"
    return os.path.join(data, "immudb", name), format_url(address), address.replicas


def _ledger_path(text: str) -> str:
    """Return the absolute path of a SQLite ledger's URL or path.

    >>> _ledger_path("sqlite:////var/lib/notary.db")
    '/var/lib/notary.db'
    """
    scheme = text.split("://", 1)[0] + "://" if "://" in text else ""
    if scheme not in {"", "sqlite://"}:
        raise ConfigurationError(
            f"ledger {text.rsplit('@', maxsplit=1)[-1][:80]!r}",
            expected="sqlite:///PATH or immudb://HOST:PORT/DATABASE",
            got=f"engine {scheme[:-3]}, which this version does not have",
        )
    if text.startswith("sqlite:") and not text.startswith("sqlite:///"):
        raise ConfigurationError(
            f"ledger {text[:80]!r}", expected="sqlite:///PATH or a path", got="neither"
        )
    # A URL names an absolute path; SQLAlchemy's four slashes mean the same here.
    path = "/" + text[len("sqlite://") :].lstrip("/") if scheme else text
    if not path.strip("/ ") or "\0" in path:
        raise ConfigurationError("ledger", expected="sqlite:///PATH", got=repr(text))
    return os.path.abspath(path)


def _xdg(variable: str, below_home: str, environ: Mapping[str, str]) -> str:
    """Return an XDG folder; a relative value is ignored, as the specification asks."""
    value = environ.get(variable, "")
    if os.path.isabs(value):
        return value
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    if not os.path.isabs(home):
        raise ConfigurationError(
            "environment",
            expected=f"HOME or {variable}",
            got="neither",
            advice="set --ledger and --key, and XDG_STATE_HOME",
        )
    return os.path.join(home, *below_home.split("/"))

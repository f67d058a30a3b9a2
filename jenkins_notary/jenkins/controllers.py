"""Find the configured controllers and choose one by its instance, never by a URL.

One controller comes by options or environment::

    JENKINS_NOTARY_JENKINS_URL=https://ci.example.com/
    JENKINS_NOTARY_JENKINS_USER=notary
    JENKINS_NOTARY_JENKINS_TOKEN=...        # or --jenkins-token-file FILE

Several come by a file, ``--controllers FILE``; the key is the instance of job ids::

    ci.example.com:
      url: https://ci.example.com/
      user: notary
      token-file: /etc/notary/ci.token
    build-2:
      url: https://ci.example.com/second/
      user: notary
      token-file: /etc/notary/second.token
      ca-file: /etc/notary/ca.pem

A token is never an argument, never in such a file, never in a message.
"""

from __future__ import annotations

import re

from jenkins_notary.assets.asset import printable, raise_faults
from jenkins_notary.errors import (
    AmbiguousError,
    ConfigurationError,
    NotaryError,
)
from jenkins_notary.jenkins.access import Access, check_root_url
from jenkins_notary.plain_yaml import read_plain_file
from jenkins_notary.values.jobid import format_instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jenkins_notary.jenkins.client import JenkinsClient
    from jenkins_notary.jenkins.transport import HttpSettings

MAX_TOKEN_BYTES = 4096
_KEYS = frozenset({"url", "user", "token-file", "ca-file"})
_REQUIRED = frozenset({"url"})
_INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class Controllers:
    """The controllers that may be asked, each with at most one client."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        """Take the controllers; nothing is sent yet."""
        self._accesses = {one.instance: one for one in accesses}
        self._clients: dict[str, JenkinsClient] = {}

    @property
    def instances(self) -> Sequence[str]:
        """Return the instances, sorted; none when no controller is configured."""
        return sorted(self._accesses)

    def client(self, instance: str | None) -> JenkinsClient:
        """Return the client of a controller, the same one each time.

        Args:
            instance: Its instance; None for the only one.

        Raises:
            ConfigurationError: There is no such controller, or none at all.
            AmbiguousError: There are several and none was named.
        """
        from jenkins_notary.jenkins.client import JenkinsClient

        known = self.instances
        if not known:
            raise ConfigurationError(
                "Jenkins",
                expected="a configured controller",
                got="none",
                advice="set JENKINS_NOTARY_JENKINS_URL, _JENKINS_USER and "
                "_JENKINS_TOKEN, or --controllers FILE",
            )
        if instance is None and len(known) > 1:
            raise AmbiguousError(
                "Jenkins",
                expected="one controller",
                got=", ".join(known[:20]),
                advice="write the instance before the job: INSTANCE:NAME#NUMBER",
            )
        name = known[0] if instance is None else instance
        if name not in self._accesses:
            raise ConfigurationError(
                f"Jenkins {printable(name, 80)}",
                expected=f"one of {', '.join(known[:20])}",
                got="a controller that is not configured",
                advice="add it to the file of --controllers",
            )
        if name not in self._clients:
            self._clients[name] = JenkinsClient(self._accesses[name])
        return self._clients[name]

    def open(self, instance: str, settings: HttpSettings) -> JenkinsClient:
        """Return a client of its own, with other time-outs; whoever asked closes it.

        Args:
            instance: One of :attr:`instances`.
            settings: Time-outs and clocks.
        """
        from jenkins_notary.jenkins.client import JenkinsClient

        return JenkinsClient(self._accesses[instance], settings=settings)

    def close(self) -> None:
        """Close every connection; a client that is asked for later is a new one."""
        for one in self._clients.values():
            one.close()
        self._clients.clear()


def load_controllers(
    *,
    url: str | None,
    user: str | None,
    token_file: str | None,
    file: str | None,
    ca_file: str | None,
    plain_http_hosts: Collection[str],
    environ: Mapping[str, str],
) -> Controllers:
    """Return the controllers that options and environment name.

    Args:
        url: Option ``jenkins-url``.
        user: Option ``jenkins-user``.
        token_file: Option ``jenkins-token-file``; the environment's
            ``JENKINS_NOTARY_JENKINS_TOKEN`` goes before it.
        file: Option ``controllers``; may stand beside the single one.
        ca_file: Option ``ca-file``, for those that name none.
        plain_http_hosts: Option ``plain-http``.
        environ: The environment.

    Raises:
        ConfigurationError: Something is wrong or cannot be read.
        FaultsError: Several faults of the file, together.
    """
    accesses = []
    if url is not None:
        root = check_root_url(
            url, subject="jenkins-url", plain_http_hosts=plain_http_hosts
        )
        token = environ.get("JENKINS_NOTARY_JENKINS_TOKEN") or None
        if token is None and token_file is not None:
            token = _read_token(token_file)
        _check_login(user, token, "jenkins-user")
        accesses.append(Access(format_instance(root), root, user, token, ca_file))
    if file is not None:
        accesses += _load_file(file, ca_file, plain_http_hosts)
    seen: set[str] = set()
    for access in accesses:
        if access.instance in seen:
            raise ConfigurationError(
                f"controller {access.instance}", expected="one entry", got="two"
            )
        seen.add(access.instance)
    return Controllers(accesses)


def _load_file(
    path: str, ca_file: str | None, plain_http_hosts: Collection[str]
) -> list[Access]:
    """Return the controllers of a file; all its faults are raised together."""
    root = read_plain_file(path, path)
    if not isinstance(root, dict) or not root:
        raise ConfigurationError(path, expected="a mapping of instance to controller")
    accesses: list[Access] = []
    faults: list[NotaryError] = []
    for name, entry in root.items():
        try:
            access = _read_entry(
                str(name),
                entry,
                subject=f"{path}: {printable(str(name), 80)!r}",
                ca_file=ca_file,
                plain_http_hosts=plain_http_hosts,
            )
            accesses.append(access)
        except NotaryError as error:
            faults.append(error)
    raise_faults(faults)
    return accesses


def _read_entry(
    name: str,
    entry: object,
    *,
    subject: str,
    ca_file: str | None,
    plain_http_hosts: Collection[str],
) -> Access:
    """Return one controller of a file."""
    if not _INSTANCE.fullmatch(name):
        raise ConfigurationError(
            subject, expected="an instance of lower-case letters, digits, '.' and '-'"
        )
    if not isinstance(entry, dict):
        raise ConfigurationError(subject, expected="a mapping with url, user, ...")
    unknown = [printable(str(key), 40) for key in entry if key not in _KEYS]
    missing = _REQUIRED - entry.keys()
    if unknown or missing:
        raise ConfigurationError(
            subject,
            expected=f"url, and perhaps {', '.join(sorted(_KEYS - _REQUIRED))}",
            got=f"{', '.join(unknown) or 'no url'}",
            advice="a token stands in a file of its own: token-file",
        )
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    if len(texts) < len(entry):
        raise ConfigurationError(subject, expected="texts (write them in quotes)")
    root = check_root_url(
        texts["url"], subject=subject, plain_http_hosts=plain_http_hosts
    )
    token = _read_token(texts["token-file"]) if "token-file" in texts else None
    _check_login(texts.get("user"), token, subject)
    return Access(name, root, texts.get("user"), token, texts.get("ca-file", ca_file))


def _read_token(path: str) -> str:
    """Return the token that a file holds, without its line end."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"token file {path}",
            expected="a readable file",
            got=error.strerror or "an error",
        ) from error
    try:
        token = content.decode("ascii").strip("\r\n")
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or len(content) > MAX_TOKEN_BYTES:
        raise ConfigurationError(
            f"token file {path}", expected="one line with a token", got="something else"
        )
    return token


def _check_login(user: str | None, token: str | None, subject: str) -> None:
    """Raise ConfigurationError for half a login."""
    if (user is None) != (token is None):
        raise ConfigurationError(
            subject,
            expected="a user with a token, or neither",
            got="a user alone" if user else "a token alone",
            advice="set JENKINS_NOTARY_JENKINS_USER and _JENKINS_TOKEN",
        )
    if user is not None and (":" in user or not user.isprintable()):
        raise ConfigurationError(subject, expected="a user name without ':'")

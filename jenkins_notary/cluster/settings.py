"""Read the watcher's settings: a YAML file, as the chart's ConfigMap holds it.

::

    watch:
      namespaces: [shop, payments]      # none: all that there are
      exclude-namespaces: [kube-system] # exact names
      interval: 1                       # seconds between two looks at the ledger
    trust:
      org: acme                         # only its signers count; wins over keys
      keys: ["0x0123456789012345678901234567890123456789"]
      namespaces:                       # whoever must have signed what runs there
        - {name: payments, org: payments-release}
    exemptions:
      - {namespace: monitoring, image: docker.io/grafana/grafana,
         owner: platform team, reason: vendor image,
         expires: "2027-01-01T00:00:00Z"}
    pages-url: https://notary.example.com   # where people read of a build
    lease: {name: jenkins-notary}           # where several replicas run: one leads
    history:                                # changes are recorded in the ledger
      cluster: prod
      token-file: /run/notary/history/token # of the role writer
      job: "k8s.example.com:clusters/prod#1"
    registry:                               # asked for what the ledger does not know
      enabled: true
      secrets: true                         # with the pull secrets of the pods
      plain-http: ["registry.example.com:5000"]

An exemption names at least one of ``namespace``, ``image`` (a repository, without tag)
and ``digest``, and holds for what all that it names is equal to. It ends by itself.
What it exempts keeps its verdict: alerts and refusals leave it out, and it is shown
so.

No key stands twice in a section: the second would silence the first. There is no
pattern anywhere: a name that merely contains another is another name.
"""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - msgspec reads it
from typing import Annotated

import msgspec

from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.cluster.board import Exemption
from jenkins_notary.cluster.containers import find_digest
from jenkins_notary.errors import ConfigurationError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.plain_yaml import read_plain_file
from jenkins_notary.trust.keys import parse_signer_id
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.digest import parse_digest
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jenkins_notary.cluster.containers import Container

MIN_INTERVAL_S = 0.1
MAX_INTERVAL_S = 3600.0
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def check_namespace(name: str) -> None:
    """Check that a text can be the name of a namespace, or of a lease.

    Raises:
        ValueError: It cannot.
    """
    if _NAMESPACE.fullmatch(name) is None:
        message = f"name {name[:80]!r}: a-z, 0-9 and -, at most 63"
        raise ValueError(message)


def repository_of(reference: str) -> str | None:
    """Return ``REGISTRY/NAME`` of a reference or imageID, None where it names none.

    >>> repository_of("grafana/grafana:11"), repository_of("sha256:" + "a" * 64)
    ('docker.io/grafana/grafana', None)
    """
    plain = reference.partition("://")[2] or reference
    if "@" not in plain and find_digest(plain) is not None:
        return None
    try:
        found = parse_reference(plain)
    except UsageError:
        return None
    return found.name


def _check_keys(keys: Iterable[str]) -> None:
    """Check signer ids."""
    for one in keys:
        try:
            parse_signer_id(one)
        except UsageError as error:
            raise ValueError(str(error)) from error


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The base of every section; what types cannot say is checked by a ValueError."""


class Watch(Section, frozen=True):
    """What is watched.

    Attributes:
        namespaces: Only these; none for all.
        exclude_namespaces: Not these.
        interval: Seconds between two looks at the ledger.
    """

    namespaces: tuple[str, ...] = ()
    exclude_namespaces: tuple[str, ...] = ()
    interval: float = 1.0

    def __post_init__(self) -> None:
        """Check the names and the interval."""
        for one in (*self.namespaces, *self.exclude_namespaces):
            check_namespace(one)
        if not MIN_INTERVAL_S <= self.interval <= MAX_INTERVAL_S:
            message = f"interval: {MIN_INTERVAL_S} to {MAX_INTERVAL_S:.0f} seconds"
            raise ValueError(message)


class NamespaceTrust(Section, frozen=True):
    """Whose word counts in one namespace."""

    name: str
    org: str | None = None
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that it says whose."""
        check_namespace(self.name)
        _check_keys(self.keys)
        if not self.org and not self.keys:
            message = f"namespace {self.name}: an org or keys"
            raise ValueError(message)


class Trust(Section, frozen=True):
    """Whose word counts.

    Attributes:
        org: Only signers of this org.
        keys: Only these signers.
        namespaces: What holds in some namespaces instead.
    """

    org: str | None = None
    keys: tuple[str, ...] = ()
    namespaces: tuple[NamespaceTrust, ...] = ()

    def __post_init__(self) -> None:
        """Check the signer ids, and that each namespace stands once."""
        _check_keys(self.keys)
        if len({one.name for one in self.namespaces}) < len(self.namespaces):
            message = "namespaces: each once"
            raise ValueError(message)

    def rule_of(self, namespace: str) -> TrustRule:
        """Return whose word counts in a namespace."""
        for one in self.namespaces:
            if one.name == namespace:
                return _make_rule(one)
        return _make_rule(self)


class ExemptionEntry(Section, frozen=True):
    """What is exempt until a time, and why."""

    owner: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    expires: Annotated[datetime, msgspec.Meta(tz=True)]
    namespace: str | None = None
    image: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        """Check that it names something, and what."""
        if self.namespace is None and self.image is None and self.digest is None:
            message = "an exemption names a namespace, an image or a digest"
            raise ValueError(message)
        if self.namespace is not None:
            check_namespace(self.namespace)
        if self.image is not None and repository_of(self.image) is None:
            message = f"image {self.image[:80]!r}: REGISTRY/NAME, without a tag"
            raise ValueError(message)
        if self.digest is not None:
            try:
                parse_digest(self.digest)
            except UsageError as error:
                raise ValueError(str(error)) from error

    @property
    def expires_at_ms(self) -> int:
        """Return until when, ms UTC."""
        return int(self.expires.timestamp() * 1000)

    def covers(self, container: Container) -> bool:
        """Return whether all that it names is equal to what a container has."""
        if self.namespace is not None and self.namespace != container.namespace:
            return False
        if self.digest is not None and parse_digest(self.digest) != container.digest:
            return False
        if self.image is None:
            return True
        wanted = repository_of(self.image)
        # What the runtime tells counts where it names a repository at all.
        told = repository_of(container.image_id) or repository_of(container.image)
        return told == wanted


class LeaseName(Section, frozen=True):
    """The Lease by which several replicas agree on one that leads.

    Attributes:
        name: Its name.
        namespace: Where it is; None for the pod's own.
    """

    name: str
    namespace: str | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        check_namespace(self.name)
        if self.namespace is not None:
            check_namespace(self.namespace)


class HistorySettings(Section, frozen=True):
    """Where what changes is recorded; see :mod:`~jenkins_notary.cluster.history`.

    Attributes:
        cluster: What the cluster is called in the records.
        token_file: A file with the service's token that writes them; None where the
            ledger is no service's.
        job: The job id that they name, where a writer's token asks for one.
    """

    cluster: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    token_file: str | None = None
    job: str | None = None

    def __post_init__(self) -> None:
        """Check the job id."""
        if self.job is not None:
            try:
                parse_job_id(self.job)
            except UsageError as error:
                raise ValueError(str(error)) from error


class RegistrySettings(Section, frozen=True):
    """Whether registries are asked; see :mod:`~jenkins_notary.cluster.registries`.

    Attributes:
        enabled: Whether they are.
        secrets: Whether the pull secrets of pods are read, where one asks for a login.
        plain_http: Registries that may be asked without TLS.
        ca_file: A file of authorities instead of the system's.
    """

    enabled: bool = False
    secrets: bool = False
    plain_http: tuple[str, ...] = ()
    ca_file: str | None = None


class Settings(Section, frozen=True):
    """All of it; what is left out has its default."""

    watch: Watch = Watch()
    trust: Trust = Trust()
    exemptions: tuple[ExemptionEntry, ...] = ()
    pages_url: str | None = None
    lease: LeaseName | None = None
    history: HistorySettings | None = None
    registry: RegistrySettings = RegistrySettings()

    def replace(
        self, *, namespaces: Sequence[str], org: str | None, keys: Sequence[str]
    ) -> Settings:
        """Return these settings with what a command line says instead.

        Raises:
            ConfigurationError: It is not of the form.
        """
        watch, trust = self.watch, self.trust
        try:
            if namespaces:
                watch = Watch(tuple(namespaces), (), watch.interval)
            if org or keys:
                trust = Trust(org, tuple(keys), trust.namespaces)
        except ValueError as error:
            raise ConfigurationError(
                "--namespace, --org, --signer", expected="names", got=str(error)
            ) from error
        return msgspec.structs.replace(self, watch=watch, trust=trust)

    def exemption_of(self, container: Container, now_ms: int) -> Exemption | None:
        """Return what exempts a container now: the one that lasts longest."""
        found = [
            one
            for one in self.exemptions
            if one.expires_at_ms > now_ms and one.covers(container)
        ]
        if not found:
            return None
        best = max(found, key=lambda one: one.expires_at_ms)
        at_ms = best.expires_at_ms
        return Exemption(
            best.owner, best.reason, at_ms, format_time(at_ms), source="settings"
        )

    def next_expiry_ms(self, now_ms: int) -> float:
        """Return when the next exemption ends, ms UTC; infinity for none."""
        ends = (one.expires_at_ms for one in self.exemptions)
        return min((one for one in ends if one > now_ms), default=float("inf"))


def load_settings(path: str | None) -> Settings:
    """Return the settings of a file, all defaults for None.

    Raises:
        ConfigurationError: It cannot be read, or is not of the form; where is said.
    """
    if path is None:
        return Settings()
    subject = f"--settings {path}"
    value = read_plain_file(path, subject)
    try:
        return msgspec.convert(value or {}, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            subject, expected="the form of docs/cluster.md", got=str(error)[:300]
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            subject, expected="settings", got=str(error)[:200]
        ) from error


def _make_rule(said: Trust | NamespaceTrust) -> TrustRule:
    """Return the rule that a section says."""
    return TrustRule(said.org or None, tuple(parse_signer_id(one) for one in said.keys))

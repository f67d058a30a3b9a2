"""Ask a registry what an image contains, as anybody or by a pod's pull secrets.

Asked is only by a digest that a pod runs, at the repository that its runtime names.
Secrets are read when the registry wants a login, and a login goes to the registry that
it is for, and to the realm that this registry names.
"""

from __future__ import annotations

import time

from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.cluster.containers import find_digest
from jenkins_notary.cluster.links import read_links
from jenkins_notary.cluster.pull_secrets import find_logins
from jenkins_notary.errors import (
    NotaryError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.registry.client import RegistryClient
from jenkins_notary.registry.transport import HttpSettings
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.assets.images import FetchedManifest
    from jenkins_notary.assets.reference import ImageReference
    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.cluster.links import Links
    from jenkins_notary.cluster.settings import RegistrySettings
    from jenkins_notary.kubernetes.client import ClusterClient
    from jenkins_notary.registry.auth import Login

LIMIT_S = 30.0
"""Seconds for one image."""

SILENCE_S = 5.0
"""Seconds to connect, and between two pieces of an answer."""


class Place(NamedTuple):
    """Where an image can be asked for.

    Attributes:
        reference: Its repository and digest.
        namespace: Whose pod runs it.
        secrets: The pod's pull secrets.
    """

    reference: ImageReference
    namespace: str
    secrets: tuple[str, ...]


def place_of(container: Container) -> Place:
    """Return where what a container runs can be asked for.

    Raises:
        UsageError: Nobody tells; an image's id alone is in no registry.
    """
    told = container.image_id.partition("://")[2] or container.image_id
    if "@" not in told and find_digest(told) is not None:
        raise UsageError(
            f"imageID {told[:80]}", expected="a repository to ask", got="none"
        )
    reference = parse_reference(told or container.image)
    return Place(
        reference.pinned(str(container.digest)),
        container.namespace,
        container.pull_secrets,
    )


class Finder:
    """Asks a registry: first as anybody, then by the pull secrets of the pod."""

    def __init__(self, settings: RegistrySettings, client: ClusterClient) -> None:
        """Ask nothing yet.

        Args:
            settings: How registries are asked.
            client: The API server, which has the secrets.
        """
        self._settings = settings
        self._client = client

    def __call__(self, place: Place, until_s: float) -> Links:
        """Return what an image contains.

        Args:
            place: Where it is.
            until_s: Until when, on the monotonic clock.

        Raises:
            NotaryError: It cannot be said.
        """
        try:
            return self._ask(place, until_s, None)
        except PermissionDeniedError as error:
            refusal = self._explain(place, error)
        if not self._settings.secrets:
            raise refusal
        registry = place.reference.registry
        for login in find_logins(
            self._client, place.namespace, place.secrets, registry
        ):
            try:
                return self._ask(place, until_s, login)
            except PermissionDeniedError as error:
                refusal = self._explain(place, error)
        raise refusal

    def _ask(self, place: Place, until_s: float, login: Login | None) -> Links:
        """Ask with a login, or without."""

        def check(seconds: float = 0.0) -> None:
            if time.monotonic() + seconds > until_s:
                raise late_error(place)

        def pause(seconds: float) -> None:
            check(seconds)
            time.sleep(seconds)

        client = RegistryClient(
            settings=HttpSettings(
                self._settings.ca_file,
                frozenset(self._settings.plain_http),
                SILENCE_S,
                pause,
            ),
            find_login=lambda _: login,
        )

        def fetch(reference: ImageReference) -> FetchedManifest:
            check()
            return client.fetch_manifest(reference)

        return read_links(place.reference, fetch)

    def _explain(self, place: Place, error: NotaryError) -> PermissionDeniedError:
        """Return the failure that says which logins there were for a registry."""
        names = ", ".join(place.secrets) or "none"
        asked = "read" if self._settings.secrets else "not read: registry.secrets"
        return PermissionDeniedError(
            f"image {place.reference}",
            expected=f"a login for {place.reference.registry} in a pull secret",
            got=f"{error.got}; secrets of the pod: {names} ({asked})",
        )


def late_error(place: Place) -> UnavailableError:
    """Return the failure of a registry that does not answer in time."""
    return UnavailableError(
        f"registry {place.reference.registry}",
        expected=f"an answer within {LIMIT_S:g} s",
        got="none",
    )

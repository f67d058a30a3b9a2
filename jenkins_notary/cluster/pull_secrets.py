"""Read logins for a registry from the pull secrets of a pod.

Each is one request, made when a registry asks for a login, and nothing of it is kept.
Only a login for the registry's host, port included, is taken: a key with a path or a
pattern is another one. A helper that a secret names is not run.

The pull secrets of a pod's ServiceAccount need no further request: the API server has
written them into the pod when it was created, and the kubelet takes them from there.

Source: Kubernetes documentation, "Pull an Image from a Private Registry"; the types
``kubernetes.io/dockerconfigjson`` and ``kubernetes.io/dockercfg``; the admission
controller ServiceAccount.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from jenkins_notary.errors import NotFoundError
from jenkins_notary.registry.auth import read_logins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jenkins_notary.kubernetes.client import ClusterClient
    from jenkins_notary.registry.auth import Login

MAX_LOGINS = 4
"""Logins for one registry that are tried."""


def find_logins(
    client: ClusterClient, namespace: str, names: Sequence[str], registry: str
) -> list[Login]:
    """Return what some secrets have for a registry, in their order.

    One that is not there, or has none, is passed over, as the kubelet does.

    Raises:
        ConfigurationError: A login is not of the form.
        PermissionDeniedError: The right to get secrets is missing; it is named.
        NotaryError: The API server does not answer.
    """
    found: list[Login] = []
    for name in names:
        path = f"/api/v1/namespaces/{quote(namespace, '')}/secrets/{quote(name, '')}"
        try:
            secret = client.get(path)
        except NotFoundError:
            continue
        source = f"secret {namespace}/{name}"
        found += read_logins(_read_auths(secret), registry, source)
    return found[:MAX_LOGINS]


def _read_auths(secret: dict[str, Any]) -> object:
    """Return the logins of a secret by registry; None where it has none."""
    data = secret.get("data")
    if not isinstance(data, dict):
        return None
    if secret.get("type") == "kubernetes.io/dockerconfigjson":
        config = _read_json(data.get(".dockerconfigjson"))
        return config.get("auths") if isinstance(config, dict) else None
    if secret.get("type") == "kubernetes.io/dockercfg":
        return _read_json(data.get(".dockercfg"))
    return None


def _read_json(value: object) -> object:
    """Return the value of base64 of JSON; None for anything else."""
    try:
        return json.loads(base64.b64decode(str(value), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None

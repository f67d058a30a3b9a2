"""Real registries for the tests of this folder, started once a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.parts import require_part
from tests.parts.registry import Registry, run_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry without logins, over plain HTTP."""
    folder = tmp_path_factory.mktemp("open-registry")
    with run_registry(require_part("docker-registry"), folder) as registry:
        yield registry


@pytest.fixture(scope="session")
def login_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with basic logins, over TLS with a private authority."""
    folder = tmp_path_factory.mktemp("login-registry")
    with run_registry(
        require_part("docker-registry"), folder, auth="htpasswd", tls=True
    ) as registry:
        yield registry


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants tokens from a realm, over plain HTTP."""
    folder = tmp_path_factory.mktemp("token-registry")
    with run_registry(
        require_part("docker-registry"), folder, auth="token"
    ) as registry:
        yield registry

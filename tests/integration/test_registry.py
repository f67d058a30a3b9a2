"""Read images from a real registry into which a real client pushed them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets.images import resolve_image
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.assets.selection import SelectionOptions, collect_assets
from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.registry.client import RegistryClient
from jenkins_notary.registry.transport import HttpSettings
from tests.parts import require_part
from tests.parts.registry import PASSWORD, USER, Layout, Registry, free_port, push

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.assets.asset import Asset

pytestmark = pytest.mark.real("docker-registry", "skopeo")

NO_PAUSE = HttpSettings(
    plain_http_hosts=frozenset({"127.0.0.1"}), pause=lambda _seconds: None
)


def client(registry: Registry, config: Path | None = None) -> RegistryClient:
    environ = {"DOCKER_CONFIG": str(config or "/")}
    if registry.ca_file:
        return RegistryClient(ca_file=str(registry.ca_file), environ=environ)
    return RegistryClient(plain_http_hosts=["127.0.0.1"], environ=environ)


def write_login(folder: Path, registry: Registry, password: str = PASSWORD) -> Path:
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    config = {"auths": {registry.host: {"auth": auth}}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def read(registry: Registry, name: str, config: Path | None = None) -> Asset:
    reference = parse_reference(f"{registry.host}/{name}")
    return resolve_image(reference, client(registry, config))


def push_single(folder: Path, registry: Registry, name: str) -> dict[str, object]:
    layout = Layout(folder / "single")
    image = layout.add_image(name)
    push(require_part("skopeo"), layout.finish(image), registry, name)
    return image


def config_digest(layout: Path, descriptor: dict[str, object]) -> str:
    blob = layout / "blobs" / "sha256" / str(descriptor["digest"])[7:]
    digest: str = json.loads(blob.read_bytes())["config"]["digest"]
    return digest


def test_single_image_has_manifest_and_config_digest(
    open_registry: Registry, tmp_path: Path
) -> None:
    image = push_single(tmp_path, open_registry, "shop/web:1.2")

    asset = read(open_registry, "shop/web:1.2")

    assert asset.name == f"{open_registry.host}/shop/web:1.2"
    assert asset.ref == f"{open_registry.host}/shop/web@{image['digest']}"
    assert [subject.digest for subject in asset.subjects] == [
        image["digest"],
        config_digest(tmp_path / "single", image),
    ]
    assert asset.metadata["version"] == "1.2"


def test_index_links_each_platform_and_config(
    open_registry: Registry, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "multi")
    platforms = [layout.add_image("hi", a) for a in ("amd64", "arm64")]
    index = layout.add_index(platforms)
    push(require_part("skopeo"), layout.finish(index), open_registry, "shop/multi:1")

    asset = read(open_registry, "shop/multi:1")

    assert [subject.digest for subject in asset.subjects] == [
        index["digest"],
        platforms[0]["digest"],
        config_digest(layout.folder, platforms[0]),
        platforms[1]["digest"],
        config_digest(layout.folder, platforms[1]),
    ]
    assert asset.metadata["platforms"] == "linux/amd64,linux/arm64"


def test_image_by_digest_through_the_command_line_words(
    open_registry: Registry, tmp_path: Path
) -> None:
    image = push_single(tmp_path, open_registry, "shop/pinned:1")
    options = SelectionOptions(open_images=lambda: client(open_registry))
    word = f"image://{open_registry.host}/shop/pinned@{image['digest']}"

    assets = collect_assets([word], options)

    assert [asset.digest for asset in assets] == [image["digest"]]
    assert "tag" not in assets[0].metadata


def test_absent_image_is_not_found(open_registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="no such image"):
        read(open_registry, "shop/absent:1")


def test_absent_digest_is_not_found(open_registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="no such image"):
        read(open_registry, "shop/absent@sha256:" + "0" * 64)


def test_plain_http_is_used_only_when_the_host_is_named(
    open_registry: Registry,
) -> None:
    reference = parse_reference(f"{open_registry.host}/shop/web:1")
    strict = RegistryClient(environ={})

    with pytest.raises(UnavailableError):
        strict.fetch_manifest(reference)


def test_registry_that_is_down_is_unavailable_after_retries() -> None:
    pauses: list[float] = []
    settings = NO_PAUSE._replace(pause=pauses.append)
    reference = parse_reference(f"127.0.0.1:{free_port()}/shop/web:1")

    with pytest.raises(UnavailableError, match="no connection"):
        RegistryClient(settings=settings, environ={}).fetch_manifest(reference)

    assert pauses == [0.5, 1.0, 2.0]


def test_basic_login_over_tls_with_a_private_authority(
    login_registry: Registry, tmp_path: Path
) -> None:
    image = push_single(tmp_path, login_registry, "shop/private:1")

    asset = read(
        login_registry, "shop/private:1", write_login(tmp_path, login_registry)
    )

    assert asset.digest == image["digest"]


def test_unknown_authority_is_refused(login_registry: Registry) -> None:
    reference = parse_reference(f"{login_registry.host}/shop/private:1")

    with pytest.raises(UnavailableError, match="CA file"):
        RegistryClient(environ={}).fetch_manifest(reference)


def test_missing_login_is_denied_and_names_the_registry(
    login_registry: Registry,
) -> None:
    with pytest.raises(PermissionDeniedError, match=f"login {login_registry.host}"):
        read(login_registry, "shop/private:1")


def test_wrong_password_is_denied_and_names_user_and_file_only(
    login_registry: Registry, tmp_path: Path
) -> None:
    config = write_login(tmp_path, login_registry, "wrong-word")

    with pytest.raises(PermissionDeniedError) as caught:
        read(login_registry, "shop/private:1", config)

    assert USER in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "wrong-word" not in str(caught.value)


def test_token_of_the_realm_is_used_once_asked(
    token_registry: Registry, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "multi")
    index = layout.add_index([layout.add_image("hi", a) for a in ("amd64", "arm64")])
    push(require_part("skopeo"), layout.finish(index), token_registry, "shop/token:1")
    token_registry.requests.clear()

    asset = read(token_registry, "shop/token:1", write_login(tmp_path, token_registry))

    assert asset.digest == index["digest"]
    assert len(asset.subjects) == 5
    assert len(token_registry.requests) == 1


def test_identity_token_is_posted_to_the_realm(
    token_registry: Registry, tmp_path: Path
) -> None:
    image = push_single(tmp_path, token_registry, "shop/identity:1")
    entry = {"identitytoken": "identity"}
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {token_registry.host: entry}})
    )

    asset = read(token_registry, "shop/identity:1", tmp_path)

    assert asset.digest == image["digest"]


def test_anonymous_token_without_access_is_denied(token_registry: Registry) -> None:
    with pytest.raises(PermissionDeniedError, match="no login"):
        read(token_registry, "shop/token:1")


def test_realm_over_plain_http_that_was_not_asked_for_is_refused(
    token_registry: Registry, tmp_path: Path
) -> None:
    settings = NO_PAUSE._replace(plain_http_hosts=frozenset({token_registry.host}))
    config = write_login(tmp_path, token_registry)
    strict = RegistryClient(settings=settings, environ={"DOCKER_CONFIG": str(config)})
    reference = parse_reference(f"{token_registry.host}/shop/token:1")
    token_registry.requests.clear()

    with pytest.raises(UsageError, match="plain http"):
        strict.fetch_manifest(reference)

    assert token_registry.requests == []

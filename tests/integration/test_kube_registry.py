"""The watcher asks real registries for what a ledger does not know of images."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.parts.registry import PASSWORD, USER
from tests.parts.shop import Shop, error_on_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster
    from tests.parts.registry import Registry

pytestmark = pytest.mark.real("etcd", "kube-apiserver", "docker-registry", "skopeo")
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}


@pytest.fixture
def shop(cluster: Cluster, open_registry: Registry, tmp_path: Path) -> Shop:
    return Shop(cluster, open_registry, tmp_path)


@pytest.fixture
def locked_shop(cluster: Cluster, login_registry: Registry, tmp_path: Path) -> Shop:
    return Shop(cluster, login_registry, tmp_path)


def test_manifest_is_trusted_by_its_config_until_that_is_not(shop: Shop) -> None:
    image = shop.layout.add_image("web")
    digest, config = shop.push(image), shop.config_of(image)
    shop.trust(config)
    shop.run(digest)

    with shop.watch() as watching:
        found = watching.expect(pod="web", status="TRUSTED")
        assert found["hash"] == digest
        assert found["reason"].startswith(f"by {config}, which the image contains: ")
        assert found["job"] == "ci.example.com:shop/app#7"
        shop.untrust(config)
        watching.expect(pod="web", status="UNTRUSTED")
        assert watching.stop() == 0


def test_config_that_is_notarized_later_is_noticed(shop: Shop) -> None:
    image = shop.layout.add_image("late")
    shop.run(shop.push(image))

    with shop.watch() as watching:
        watching.expect(pod="web", status="UNKNOWN")
        assert not error_on_page(watching, "", shop.namespace)
        shop.trust(shop.config_of(image))
        watching.expect(pod="web", status="TRUSTED")


def test_index_is_trusted_only_once_all_its_platforms_are(shop: Shop) -> None:
    images = [shop.layout.add_image(one, one) for one in ("amd64", "arm64")]
    shop.run(shop.push(shop.layout.add_index(images)))
    shop.trust(str(images[0]["digest"]))

    with shop.watch() as watching:
        watching.expect(pod="web", status="UNKNOWN")
        shop.trust(shop.config_of(images[1]))
        watching.expect(pod="web", status="TRUSTED")
        shop.untrust(str(images[1]["digest"]))
        watching.expect(pod="web", status="UNTRUSTED")


def test_no_registry_is_asked_unless_it_is_switched_on(shop: Shop) -> None:
    image = shop.layout.add_image("off")
    shop.trust(shop.config_of(image))
    shop.run(shop.push(image))

    with shop.watch(enabled=False) as watching:
        watching.expect(pod="web", status="UNKNOWN")
        # Twice as long as one who asks needs.
        time.sleep(3)
        assert not [one for one in watching.lines if one.get("status") == "TRUSTED"]


@pytest.mark.parametrize("is_old", [False, True])
def test_login_is_taken_from_a_pull_secret_of_the_pod(
    locked_shop: Shop, *, is_old: bool
) -> None:
    shop = locked_shop
    image = shop.layout.add_image("locked")
    shop.trust(shop.config_of(image))
    shop.add_secret("elsewhere", "127.0.0.1")
    shop.add_secret("regcred", shop.registry.host, is_old=is_old)
    shop.run(shop.push(image), "absent", "elsewhere", "regcred")

    with shop.watch() as watching:
        watching.expect(pod="web", status="TRUSTED")
        assert watching.stop() == 0
    told = json.dumps(watching.lines) + watching.said
    assert PASSWORD not in told
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in told


def test_secret_for_another_host_is_not_sent(locked_shop: Shop) -> None:
    shop = locked_shop
    image = shop.layout.add_image("other")
    shop.trust(shop.config_of(image))
    shop.add_secret("elsewhere", "127.0.0.1")
    shop.run(shop.push(image), "elsewhere")

    with shop.watch() as watching:
        error = error_on_page(watching, "pull secret", shop.namespace)
    assert "no login for this registry; secrets of the pod: elsewhere (read)" in error


def test_right_that_is_missing_is_named(cluster: Cluster, locked_shop: Shop) -> None:
    shop = locked_shop
    image = shop.layout.add_image("right")
    shop.trust(shop.config_of(image))
    shop.add_secret("regcred", shop.registry.host)
    shop.run(shop.push(image), "regcred")
    cluster.create_account(shop.namespace, "watcher")
    cluster.grant(shop.namespace, "watcher", [READ_PODS])
    token = cluster.create_token(shop.namespace, "watcher")
    kubeconfig = shop.folder / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig, token)

    with shop.watch(kubeconfig=kubeconfig) as watching:
        error = error_on_page(watching, "cannot get resource", shop.namespace)
    assert 'cannot get resource "secrets"' in error

"""Tests for what a pod's JSON tells of its containers."""

from __future__ import annotations

from typing import Any

import pytest

from jenkins_notary.cluster.containers import (
    MAX_CONTAINERS,
    MAX_TEXT,
    find_digest,
    read_containers,
)

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


def make_pod(**status: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a pod with one container and a status."""
    return {
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "u-1"},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "web", "image": "reg.example.com/web:1"}],
        },
        "status": status,
    }


@pytest.mark.parametrize(
    ("image_id", "digest"),
    [
        pytest.param(f"docker-pullable://r/web@{DIGEST}", DIGEST, id="docker-pullable"),
        pytest.param(f"docker://{DIGEST}", DIGEST, id="docker-config"),
        pytest.param(f"reg.example.com:5000/a/b@{DIGEST}", DIGEST, id="containerd"),
        pytest.param(DIGEST, DIGEST, id="bare-digest"),
        pytest.param(HEX, DIGEST, id="crio-bare-hex"),
        pytest.param(f"r/web:1.2@{DIGEST}", DIGEST, id="tag-and-digest"),
        pytest.param("", None, id="empty"),
        pytest.param("reg.example.com/web:1", None, id="tag-only"),
        pytest.param(f"r/web@sha512:{HEX}", None, id="other-algorithm"),
        pytest.param(f"r/web@{DIGEST}0", None, id="too-long"),
        pytest.param(f"r/web@{DIGEST[:-1]}", None, id="too-short"),
        pytest.param(f"r/web@SHA256:{HEX}", None, id="upper-case-algorithm"),
        pytest.param(f"r/web@sha256:{HEX.upper()}", None, id="upper-case-hex"),
        pytest.param(f"r/a@{DIGEST}@sha256:{'cd' * 32}", None, id="two-digests"),
        pytest.param(f"web{DIGEST}", None, id="digest-without-at"),
        pytest.param(f"r/\n@{DIGEST}", DIGEST, id="line-break-in-name"),
        pytest.param(f"{DIGEST}\n", None, id="line-break-behind"),
    ],
)
def test_every_runtimes_form_gives_its_digest(
    image_id: str, digest: str | None
) -> None:
    assert find_digest(image_id) == digest


def test_a_running_container_is_told_with_its_digest() -> None:
    pod = make_pod(
        containerStatuses=[
            {
                "name": "web",
                "image": "reg.example.com/web:1",
                "imageID": f"reg.example.com/web@{DIGEST}",
                "containerID": "containerd://c0ffee",
                "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
            }
        ]
    )

    (found,) = read_containers(pod)

    assert found.key == ("u-1", "web")
    assert found[:5] == ("shop", "web-1", "u-1", "web", "regular")
    assert (found.digest, found.error, found.running) == (DIGEST, None, True)
    assert (found.node, found.container_id) == ("node-1", "containerd://c0ffee")


def test_init_and_ephemeral_containers_are_told_by_kind() -> None:
    pod = make_pod()
    pod["spec"]["initContainers"] = [{"name": "setup", "image": f"r/s@{DIGEST}"}]
    pod["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "r/d:1"}]
    pod["status"] = {
        "ephemeralContainerStatuses": [{"name": "debug", "imageID": f"r/d@{DIGEST}"}]
    }

    found = {one.name: one for one in read_containers(pod)}

    assert [one.kind for one in found.values()] == ["regular", "init", "ephemeral"]
    assert found["debug"].digest == DIGEST


def test_a_container_that_waits_is_told_by_the_digest_that_was_asked_for() -> None:
    pod = make_pod()
    pod["spec"]["containers"][0]["image"] = f"reg.example.com/web@{DIGEST}"

    (found,) = read_containers(pod)

    assert (found.digest, found.running) == (DIGEST, False)


def test_what_runs_counts_and_not_what_was_asked_for() -> None:
    pod = make_pod(containerStatuses=[{"name": "web", "imageID": f"r/x@{DIGEST}"}])
    pod["spec"]["containers"][0]["image"] = f"r/web@sha256:{'cd' * 32}"

    (found,) = read_containers(pod)

    assert found.digest == DIGEST


@pytest.mark.parametrize(
    ("told", "error"),
    [
        pytest.param({}, "its image is not there yet", id="no-state"),
        pytest.param(
            {"state": {"waiting": {"reason": "ImagePullBackOff"}}},
            "its image is not there yet (ImagePullBackOff)",
            id="waiting",
        ),
        pytest.param(
            {"imageID": "r/web:1", "state": {"running": {}}},
            "no sha256 digest in its imageID 'r/web:1'",
            id="no-digest",
        ),
        pytest.param(
            {"imageID": "x\n\x1b[31m" + "y" * 300},
            "no sha256 digest in its imageID 'x\\n\\x1b[31m" + "y" * 193 + "'",
            id="hostile",
        ),
    ],
)
def test_what_has_no_digest_says_why(told: dict[str, Any], error: str) -> None:
    pod = make_pod(containerStatuses=[{"name": "web", **told}])

    (found,) = read_containers(pod)

    assert (found.digest, found.error) == (None, error)


def test_a_status_without_a_spec_is_not_left_out() -> None:
    pod = make_pod(containerStatuses=[{"name": "odd", "imageID": DIGEST}])

    assert [one.name for one in read_containers(pod)] == ["web", "odd"]


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param({}, id="empty"),
        pytest.param({"metadata": [], "spec": 1, "status": None}, id="other-types"),
        pytest.param({"spec": {"containers": {"name": "x"}}}, id="no-list"),
        pytest.param({"spec": {"containers": [1, None, "x"]}}, id="no-objects"),
    ],
)
def test_a_pod_of_another_form_has_no_containers(pod: dict[str, Any]) -> None:
    assert read_containers(pod) == ()


def test_texts_of_another_type_or_size_are_cut() -> None:
    pod = make_pod()
    pod["spec"]["containers"] = [{"name": "n" * 5000, "image": 7}]

    (found,) = read_containers(pod)

    assert (len(found.name), found.image) == (1024, "")


def test_a_pod_has_no_more_containers_than_can_be() -> None:
    pod = make_pod()
    pod["spec"]["containers"] = [{"name": f"c{n}"} for n in range(MAX_CONTAINERS + 5)]

    assert len(read_containers(pod)) == MAX_CONTAINERS


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(DIGEST, id="tag-of-an-image-called-sha256"),
        pytest.param(HEX, id="hex-alone"),
        pytest.param(f"any://r.example.com/web@{DIGEST}", id="scheme"),
        pytest.param(f"r/web@sha512:{HEX}@{DIGEST}", id="two-digests"),
        pytest.param(f"r/{'x' * (MAX_TEXT - 74)}@{DIGEST}ff", id="digest-at-the-cut"),
    ],
)
def test_what_was_asked_for_is_no_digest_but_by_the_grammar_of_references(
    image: str,
) -> None:
    pod = make_pod()
    pod["spec"]["containers"][0]["image"] = image

    (found,) = read_containers(pod)

    assert found.digest is None
    assert found.error == "its image is not there yet"
    assert len(found.image) <= MAX_TEXT

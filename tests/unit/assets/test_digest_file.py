"""An image is recorded by the digest that its push reported, or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets.digest_file import find_digest, read_pushed_image
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.assets.selection import SelectionOptions, collect_assets
from jenkins_notary.errors import AmbiguousError, NotFoundError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

ONE = "sha256:" + "ab" * 32
TWO = "sha256:" + "cd" * 32
NAME = "registry.example:5000/team/app"
IMAGE = parse_reference(f"{NAME}:1.2")
BUILDX = {
    "buildx.build.provenance": {"buildType": "x"},
    "buildx.build.ref": "builder/node/abc",
    "containerimage.config.digest": TWO,
    "containerimage.descriptor": {"digest": ONE, "size": 1609},
    "containerimage.digest": ONE,
    "image.name": f"{NAME}:1.2,{NAME}:latest",
}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ONE, id="skopeo, podman, kaniko"),
        pytest.param(f"{ONE}\n", id="crane-digest"),
        pytest.param(f"\n{ONE}\r\n\n", id="windows-lines"),
        pytest.param(f"{NAME}@{ONE}\n", id="crane-push, kaniko-name"),
        pytest.param(f"{NAME}:1.2@{ONE}\n", id="kaniko-name-tag"),
        pytest.param(f"{NAME}:1.2@{ONE}\nother/app@{TWO}\n", id="two-destinations"),
        pytest.param(json.dumps(BUILDX), id="buildx"),
        pytest.param(json.dumps({"containerimage.digest": ONE}), id="buildx-bare"),
        pytest.param(json.dumps({"app": BUILDX}), id="bake"),
        pytest.param(
            json.dumps(
                {
                    "app": BUILDX,
                    "web": {"containerimage.digest": TWO, "image.name": "a/web"},
                    "buildx.build.warnings": [],
                }
            ),
            id="bake-two-targets",
        ),
    ],
)
def test_digest_is_found_in_what_pushes_write(content: str) -> None:
    assert find_digest(content.encode(), IMAGE) == ONE


@pytest.mark.parametrize(
    ("content", "match"),
    [
        pytest.param(b"", "got none", id="empty"),
        pytest.param(b"\n \n", "got none", id="blank"),
        pytest.param(b"sha512:" + b"ab" * 64, "sha256:<64 hex", id="other-algorithm"),
        pytest.param(ONE.upper().encode(), "sha256:<64 hex", id="upper-case"),
        pytest.param(ONE[:-1].encode(), "sha256:<64 hex", id="cut"),
        pytest.param(b"\xff\xfe", "other bytes", id="not-text"),
        pytest.param(b"{", "expected JSON", id="cut-json"),
        pytest.param(b"{}", "got none", id="empty-json"),
        pytest.param(b'{"containerimage.digest": 7}', "got 7", id="number"),
        pytest.param(f"other/app@{ONE}".encode(), "that of other/app", id="other"),
        pytest.param(f"@@@{ONE}".encode(), "that of @@", id="not-a-name"),
        pytest.param(b'{"a": ' * 100_000, "expected JSON", id="deep"),
        pytest.param(
            b'{"containerimage.digest": "sha256:..\x1b[2J"}', "got", id="escape-codes"
        ),
    ],
)
def test_file_without_the_digest_is_refused(content: bytes, match: str) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        find_digest(content, IMAGE)

    assert "\x1b" not in str(caught.value)


def test_none_of_several_digests_is_chosen() -> None:
    with pytest.raises(AmbiguousError, match="one digest of"):
        find_digest(f"{ONE}\n{TWO}\n".encode(), IMAGE)


def test_asset_is_the_image_at_the_reported_digest(tmp_path: Path) -> None:
    path = tmp_path / "digest"
    path.write_text(ONE)
    options = SelectionOptions(digest_file=str(path))

    (asset,) = collect_assets([f"image://{NAME}:1.2"], options)

    assert (asset.name, asset.kind, asset.digest) == (f"{NAME}:1.2", "image", ONE)
    assert asset.ref == f"{NAME}@{ONE}"
    assert asset.metadata == {"digestFrom": "push", "tag": "1.2", "version": "1.2"}


def test_name_by_digest_must_be_the_reported_one(tmp_path: Path) -> None:
    path = tmp_path / "digest"
    path.write_text(TWO)

    assert read_pushed_image(parse_reference(f"{NAME}@{TWO}"), str(path)).name == NAME
    with pytest.raises(UsageError, match=f"expected {ONE}"):
        read_pushed_image(parse_reference(f"{NAME}@{ONE}"), str(path))


def test_latest_is_no_version(tmp_path: Path) -> None:
    path = tmp_path / "digest"
    path.write_text(ONE)

    asset = read_pushed_image(parse_reference(NAME), str(path))

    assert asset.metadata == {"digestFrom": "push", "tag": "latest"}


def test_missing_and_endless_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b" " * (4 << 20) + b" ")

    with pytest.raises(NotFoundError):
        read_pushed_image(IMAGE, str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="at most"):
        read_pushed_image(IMAGE, str(tmp_path / "large"))


@pytest.mark.parametrize("words", [["a"], ["image://a/b", "a"], ["image://a/b"] * 2])
def test_digest_file_is_for_one_image(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "digest"
    path.write_text(ONE)
    (tmp_path / "a").write_text("a")
    named = [str(tmp_path / "a") if one == "a" else one for one in words]

    with pytest.raises(UsageError, match="one asset, image://NAME"):
        collect_assets(named, SelectionOptions(digest_file=str(path)))

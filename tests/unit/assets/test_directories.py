"""Reduce directories to manifests, and tell what differs between two."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.assets import directories
from jenkins_notary.assets.directories import (
    ManifestDiff,
    diff_manifests,
    format_manifest,
    hash_directory,
    parse_manifest,
)
from jenkins_notary.assets.files import HashedFile, hash_each
from jenkins_notary.errors import (
    FaultsError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# Source: pkg/bundle/manifest_test.go of codenotary/vcn: the digest that vcn gives a
# folder with these three files.
VCN_FILES = {
    "digits.txt": "1234567890",
    "dup-digits.txt": "1234567890",
    "letters.txt": "abcdef",
}
VCN_DIGEST = "sha256:2cc48ce16beff9987ad31f32a7623bda48317d9232dbb75ba9a83f6d85ed073e"


def manifest_of(path: Path) -> dict[str, object]:
    manifest = hash_directory(str(path)).manifest
    assert manifest is not None
    document: dict[str, object] = json.loads(manifest)
    return document


def snapshot(path: Path) -> dict[str, tuple[int, int]]:
    return {
        str(entry): (entry.lstat().st_mtime_ns, entry.lstat().st_size)
        for entry in [path, *path.rglob("*")]
    }


def test_plain_tree_has_the_digest_that_vcn_gives_it(tmp_path: Path) -> None:
    for name, text in VCN_FILES.items():
        (tmp_path / name).write_text(text)

    assert hash_directory(str(tmp_path)).digest == VCN_DIGEST


def test_digest_is_that_of_the_kept_manifest(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    asset = hash_directory(str(tmp_path), name="tree")

    assert asset.manifest is not None
    assert asset.digest == "sha256:" + hashlib.sha256(asset.manifest).hexdigest()
    assert (asset.name, asset.kind, asset.size) == ("tree", "directory", 1)


def test_html_characters_are_escaped_as_vcn_escapes_them() -> None:
    file = HashedFile("0" * 64, 1, b"")

    manifest = format_manifest({"a<b>&c\u2028\u2029ü": file})

    assert "a\\u003cb\\u003e\\u0026c\\u2028\\u2029ü".encode() in manifest


def test_hidden_files_and_ignore_files_count(tmp_path: Path) -> None:
    (tmp_path / ".vcnignore").write_text("*")
    (tmp_path / ".hidden").write_text("x")

    paths = set(parse_manifest(hash_directory(str(tmp_path)).manifest or b""))

    assert paths == {".vcnignore", ".hidden"}


def test_empty_tree_is_an_asset(tmp_path: Path) -> None:
    asset = hash_directory(str(tmp_path))

    assert asset.manifest == b'{"schemaVersion":1,"items":[]}'


def make_empty_directory(path: Path) -> None:
    (path / "sub" / "empty").mkdir(parents=True)


def make_executable(path: Path) -> None:
    (path / "a").chmod(0o755)


def make_setuid(path: Path) -> None:
    (path / "a").chmod(0o4644)


def make_link(path: Path) -> None:
    (path / "link").symlink_to("a")


@pytest.mark.parametrize(
    ("change", "extras"),
    [
        (make_empty_directory, {"emptyDirectories": ["sub/empty"]}),
        (make_executable, {"executables": ["a"]}),
        (make_setuid, {"setuid": ["a"]}),
        (make_link, {"links": [{"path": "link", "target": "a"}]}),
    ],
)
def test_what_vcn_leaves_out_is_covered(
    tmp_path: Path, change: Callable[[Path], None], extras: dict[str, object]
) -> None:
    (tmp_path / "a").write_text("x")
    before = hash_directory(str(tmp_path)).digest

    change(tmp_path)

    assert hash_directory(str(tmp_path)).digest != before
    assert manifest_of(tmp_path)["extras"] == extras


def test_swapped_link_target_changes_the_digest(tmp_path: Path) -> None:
    for name in ("good", "evil"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "current"
    link.symlink_to("good")
    before = hash_directory(str(tmp_path)).digest
    link.unlink()
    link.symlink_to("evil")

    assert hash_directory(str(tmp_path)).digest != before


def test_modes_that_depend_on_the_umask_do_not_change_the_digest(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_text("x")
    before = hash_directory(str(tmp_path)).digest
    (tmp_path / "a").chmod(0o664)

    assert hash_directory(str(tmp_path)).digest == before


@pytest.mark.parametrize(
    ("target", "got"),
    [
        ("/etc/hostname", "an absolute one"),
        ("../outside", "leads out of the directory"),
        ("absent", "dangles or loops"),
        ("link", "dangles or loops"),
        ("deep/up/../../outside", "dangles|leads out"),
    ],
)
def test_link_that_is_no_part_of_the_tree_is_refused_by_name(
    tmp_path: Path, target: str, got: str
) -> None:
    (tmp_path / "outside").write_text("x")
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "up").symlink_to("..")
    (tree / "link").symlink_to(target)

    with pytest.raises(UsageError, match=got) as caught:
        hash_directory(str(tree))

    assert str(tree / "link") in str(caught.value)


def test_link_that_leads_out_through_another_link_is_refused(tmp_path: Path) -> None:
    # By text this is "a/secret", inside; "up" makes it "../secret", outside.
    (tmp_path / "secret").write_text("x")
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "secret").write_text("y")
    (tree / "a" / "up").symlink_to("..")
    (tree / "link").symlink_to("a/up/../secret")

    with pytest.raises(UsageError, match="leads out"):
        hash_directory(str(tree))


def test_loop_of_links_to_folders_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to("..")

    assert "links" in str(manifest_of(tmp_path))


def test_special_file_is_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(UsageError, match=r"pipe.*a named pipe"):
        hash_directory(str(tmp_path))


def test_name_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9", "wb"):
        pass

    with pytest.raises(UsageError, match=r"caf\\udce9.*UTF-8"):
        hash_directory(str(tmp_path))


def test_all_faults_of_a_tree_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("absent")

    with pytest.raises(FaultsError) as caught:
        hash_directory(str(tmp_path))

    assert len(caught.value.faults) == 2


def test_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        hash_directory(str(tmp_path / "absent"))


def test_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(NotaryError):
        hash_directory(str(tmp_path / "a"))


def test_folder_that_cannot_be_listed_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(NotaryError, match="permission denied"):
        hash_directory(str(tmp_path))


def test_tree_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("x")
    os.utime(tmp_path, ns=(1, 1))

    def hash_then_add(*args: object, **options: object) -> object:
        (tmp_path / "new").touch()
        return hash_each(*args, **options)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(directories, "hash_each", hash_then_add)

    with pytest.raises(UsageError, match="changed while it was read"):
        hash_directory(str(tmp_path))


def test_file_swapped_for_a_link_after_the_walk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("x")

    def swap_then_hash(*args: object, **options: object) -> object:
        (tmp_path / "a").unlink()
        (tmp_path / "a").symlink_to("/etc/hostname")
        return hash_each(*args, **options)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(directories, "hash_each", swap_then_hash)

    with pytest.raises(NotaryError, match="symbolic link"):
        hash_directory(str(tmp_path))


def test_limits_on_entries_and_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(directories, "MAX_DEPTH", 1)

    with pytest.raises(UsageError, match="levels"):
        hash_directory(str(tmp_path))


def test_nothing_is_written_into_the_tree(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("x")
    before = snapshot(tmp_path)

    hash_directory(str(tmp_path))

    assert snapshot(tmp_path) == before


def test_diff_tells_new_modified_renamed_and_deleted(tmp_path: Path) -> None:
    for name in ("same", "changed", "moved", "gone", "mode"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("same")
    old = hash_directory(str(tmp_path)).manifest or b""
    (tmp_path / "changed").write_text("other")
    (tmp_path / "moved").rename(tmp_path / "moved-away")
    (tmp_path / "gone").unlink()
    (tmp_path / "fresh").write_text("fresh")
    (tmp_path / "mode").chmod(0o755)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("fresh")
    new = hash_directory(str(tmp_path)).manifest or b""

    assert diff_manifests(old, new) == ManifestDiff(
        new=("fresh",),
        modified=("changed", "link", "mode"),
        renamed=(("moved", "moved-away"),),
        deleted=("gone",),
    )


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"schemaVersion":2,"items":[]}',
        b'{"schemaVersion":1,"items":{}}',
        b'{"schemaVersion":1,"items":[],"other":1}',
        b'{"schemaVersion":1,"items":[{"digest":"sha256:00","paths":["a"]}]}',
        b'{"schemaVersion":1,"items":[1]}',
        b'{"schemaVersion":1,"items":[],"extras":{"other":[]}}',
        b'{"schemaVersion":1,"items":[],"extras":[]}',
        b'{"schemaVersion":1,"items":[],"extras":{"executables":["absent"]}}',
        b'{"schemaVersion":1,"items":[],"extras":{"emptyDirectories":["a","a"]}}',
        b'{"schemaVersion":1,"items":[],"extras":{"emptyDirectories":[1]}}',
    ],
)
def test_what_is_no_manifest_is_refused(manifest: bytes) -> None:
    with pytest.raises(IntegrityError, match="directory manifest"):
        parse_manifest(manifest)


def test_manifest_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "MAX_MANIFEST_BYTES", 10)

    with pytest.raises(IntegrityError):
        parse_manifest(b" " * 11)
    with pytest.raises(UsageError):
        format_manifest({})


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"))
TREES = st.dictionaries(
    NAMES.filter(lambda name: name not in {"", ".", ".."}), st.binary(max_size=3)
)


def hashed(tree: dict[str, bytes]) -> dict[str, HashedFile]:
    return {
        path: HashedFile(hashlib.sha256(content).hexdigest(), len(content), b"")
        for path, content in tree.items()
    }


@given(TREES)
def test_parsing_a_manifest_gives_back_every_path(tree: dict[str, bytes]) -> None:
    entries = parse_manifest(format_manifest(hashed(tree)))

    assert {path: entry[1][7:] for path, entry in entries.items()} == {
        path: file.sha256_hex for path, file in hashed(tree).items()
    }


@given(TREES, TREES)
def test_diff_accounts_for_every_path_once(
    old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    diff = diff_manifests(format_manifest(hashed(old)), format_manifest(hashed(new)))

    gone = set(diff.deleted) | {source for source, _ in diff.renamed}
    fresh = set(diff.new) | {target for _, target in diff.renamed}
    assert gone == old.keys() - new.keys()
    assert fresh == new.keys() - old.keys()
    assert set(diff.modified) == {
        path for path in old.keys() & new.keys() if old[path] != new[path]
    }
    assert all(old[source] == new[target] for source, target in diff.renamed)

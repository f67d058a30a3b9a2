"""Reduce a git work tree's commit to digests, and notice when it is dirty."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets import git
from jenkins_notary.assets.git import clean_remote, hash_commit
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real("git")


def run_git(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "-C", path, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def make_repository(path: Path, *options: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    run_git(path, "init", "-q", *options)
    (path / "a").write_text("x")
    (path / ".gitignore").write_text("*.log\n")
    run_git(path, "add", ".")
    run_git(path, "commit", "-q", "-m", "first")
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "app")


def test_digest_is_that_of_the_raw_commit_object(repository: Path) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    raw = subprocess.run(
        ["git", "-C", repository, "cat-file", "commit", "HEAD"],
        capture_output=True,
        check=True,
    ).stdout

    asset = hash_commit(str(repository))

    assert asset.digest == "sha256:" + hashlib.sha256(raw).hexdigest()
    assert asset.subjects[0].algorithms == (("gitCommit", commit),)
    assert asset.name == f"app@{commit[:7]}"
    assert asset.metadata["tree"] == run_git(repository, "rev-parse", "HEAD^{tree}")
    assert asset.dirty is False


def test_no_person_is_recorded(repository: Path) -> None:
    asset = hash_commit(str(repository))

    assert "test@example.com" not in json.dumps(asset[:6])
    assert "authorTime" in asset.metadata


def test_times_are_utc_and_a_signature_is_noted() -> None:
    content = (
        b"tree x\nauthor A <a@b.example> 86400 +0200\ncommitter C <> now\n"
        b"gpgsig -----BEGIN\n end\n\nauthor B <b> 1 +0000\n"
    )

    assert git._read_times(content) == {
        "authorTime": "1970-01-02T00:00:00Z",
        "signedCommit": True,
    }


def test_sha256_repositories_work(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "new", "--object-format=sha256")

    asset = hash_commit(str(path))

    assert len(dict(asset.subjects[0].algorithms)["gitCommit"]) == 64


def test_folder_below_the_top_gives_the_same_commit(repository: Path) -> None:
    (repository / "sub").mkdir()

    assert hash_commit(str(repository / "sub")) == hash_commit(str(repository))


def modify(path: Path) -> None:
    (path / "a").write_text("other")


def stage(path: Path) -> None:
    modify(path)
    run_git(path, "add", "a")


def delete(path: Path) -> None:
    (path / "a").unlink()


def add_untracked(path: Path) -> None:
    (path / "new").write_text("x")


@pytest.mark.parametrize("change", [modify, stage, delete, add_untracked])
def test_changed_tree_is_dirty(
    repository: Path, change: Callable[[Path], None]
) -> None:
    change(repository)

    asset = hash_commit(str(repository))

    assert asset.dirty is True
    assert asset.metadata["dirty"] is True
    counts = asset.metadata["changed"], asset.metadata["untracked"]
    assert counts == ((0, 1) if change is add_untracked else (1, 0))


def test_ignored_file_does_not_make_a_tree_dirty(repository: Path) -> None:
    (repository / "build.log").write_text("x")

    assert hash_commit(str(repository)).dirty is False


def test_changed_submodule_makes_the_tree_dirty(tmp_path: Path) -> None:
    make_repository(tmp_path / "part")
    whole = make_repository(tmp_path / "whole")
    run_git(whole, "submodule", "--quiet", "add", str(tmp_path / "part"), "part")
    run_git(whole, "commit", "-q", "-m", "add part")

    assert hash_commit(str(whole)).dirty is False
    (whole / "part" / "a").write_text("changed")
    assert hash_commit(str(whole)).dirty is True


def test_bare_repository_is_never_dirty(repository: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")

    asset = hash_commit(str(tmp_path / "bare.git"))

    assert asset.digest == hash_commit(str(repository)).digest
    assert asset.dirty is False


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://bob:pw@git.example/t/app.git", "https://git.example/t/app.git"),
        ("https://git.example/t/app.git?token=x#y", "https://git.example/t/app.git"),
        ("ssh://git@git.example:22/t/app.git", "ssh://git.example:22/t/app.git"),
        ("git@git.example:t/app.git", "git.example:t/app.git"),
        ("/srv/bob/app.git", "app.git"),
        ("file:///srv/bob/app.git", "app.git"),
        ("../app.git/", "app.git"),
        ("C:\\people\\bob\\app", "app"),
        ("", ""),
    ],
)
def test_remote_loses_credentials_and_local_folders(url: str, name: str) -> None:
    assert clean_remote(url) == name


def test_name_is_the_cleaned_remote(repository: Path) -> None:
    run_git(repository, "remote", "add", "origin", "https://u:p@git.example/app.git")

    name = hash_commit(str(repository)).name

    assert name.startswith("https://git.example/app.git@")


def test_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such directory"):
        hash_commit(str(tmp_path / "absent"))


def test_folder_without_a_repository_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="none there"):
        hash_commit(str(tmp_path))


def test_repository_without_a_commit_is_not_found(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q")

    with pytest.raises(NotFoundError, match="a branch without one"):
        hash_commit(str(tmp_path))


def test_missing_git_is_unavailable(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))

    with pytest.raises(UnavailableError, match="install git"):
        hash_commit(str(repository))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="needs root, to give a repository to another user",
)
def test_repository_of_another_user_is_denied_with_advice(repository: Path) -> None:
    os.chown(repository, 65534, 65534)
    os.chown(repository / ".git", 65534, 65534)

    with pytest.raises(PermissionDeniedError, match=r"safe\.directory"):
        hash_commit(str(repository))


def test_replaced_commit_is_read_as_it_is(repository: Path) -> None:
    before = hash_commit(str(repository)).digest
    (repository / "a").write_text("evil")
    run_git(repository, "commit", "-q", "-a", "-m", "evil")
    evil = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "reset", "-q", "--hard", "HEAD~1")
    run_git(repository, "replace", "HEAD", evil)

    assert hash_commit(str(repository)).digest == before


def test_damaged_commit_object_is_found(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git._Repository, "run", answer_with_other_content)

    with pytest.raises(IntegrityError, match="other content"):
        hash_commit(str(repository))


def answer_with_other_content(
    _repository: object, command: str, *_arguments: str, **_options: bool
) -> bytes:
    if command == "rev-parse":
        return b"false\n" + b"a" * 40 + b"\n" + b"b" * 40 + b"\n"
    return b"7" if _arguments[0] == "-s" else b"changed"


def test_huge_commit_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "MAX_COMMIT_BYTES", 10)

    with pytest.raises(UsageError, match="at most 10 bytes"):
        hash_commit(str(repository))


def test_broken_repository_is_a_storage_fault(repository: Path) -> None:
    (repository / ".git" / "config").write_text("[broken")

    with pytest.raises(StorageError, match="bad config"):
        hash_commit(str(repository))


@pytest.mark.parametrize(
    "setting",
    [
        ("core.fsmonitor", "{program}"),
        ("filter.evil.clean", "{program}"),
        ("filter.evil.process", "{program}"),
        ("core.sshCommand", "{program}"),
        ("diff.external", "{program}"),
        ("core.pager", "{program}"),
    ],
    ids=lambda setting: setting[0],
)
def test_program_named_by_the_repository_is_not_run(
    repository: Path, tmp_path: Path, setting: tuple[str, str]
) -> None:
    trace = tmp_path / "trace"
    program = tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {trace}\ncat\n")
    program.chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    run_git(repository, "add", ".")
    run_git(repository, "commit", "-q", "-m", "attributes")
    run_git(repository, "config", setting[0], setting[1].format(program=program))
    (repository / "a").write_text("y")

    asset = hash_commit(str(repository))

    assert not trace.exists()
    assert asset.dirty is True


def test_hook_is_not_run_and_the_index_not_written(
    repository: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trace}\n")
    hook.chmod(0o755)
    os.utime(repository / "a", ns=(1, 1))
    index = (repository / ".git" / "index").read_bytes()

    hash_commit(str(repository))

    assert not trace.exists()
    assert (repository / ".git" / "index").read_bytes() == index


def test_git_variables_of_the_caller_do_not_mislead(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other")
    run_git(other, "commit", "-q", "--allow-empty", "-m", "more")
    expected = hash_commit(str(repository)).digest
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))

    assert hash_commit(str(repository)).digest == expected

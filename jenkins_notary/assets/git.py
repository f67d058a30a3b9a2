"""Reduce a git work tree's current commit to digests: ``git://PATH``.

The asset's digest is the SHA-256 of the commit object's content, exactly what
``git cat-file commit HEAD`` prints (without git's ``commit <length>`` header). The
object id stands beside it as ``gitCommit``; the content is hashed the way git does and
must give that id, so a replaced or damaged object is found.

A tree is *dirty* when ``git status`` lists anything: a change staged or not, a file
that is neither tracked nor ignored, a submodule at another commit or with changes of
its own. The asset says so, and a dirty asset never authenticates.

Rules: git is run as a program with a fixed argument list. It writes nothing (no index
refresh), fetches nothing, follows no replacement refs, and runs nothing that the
repository's own configuration names: hooks, file-system monitor and content filters
of that configuration are switched off (filters of submodules' own configurations are
not). Names and addresses of people in the commit are not recorded.

Source: git 2.39 documentation (git-cat-file, git-status, gitattributes).
"""

from __future__ import annotations

import hashlib
import os
import sys
import time

from jenkins_notary.assets.asset import Asset, Subject, printable
from jenkins_notary.assets.programs import run_program
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.urls import scrub_url

MAX_COMMIT_BYTES = 16 * 1024 * 1024
"""Longest commit object that is read."""

TIMEOUT_S = 300.0
"""Time for one git command; listing changes in a huge tree takes long."""

_SETTINGS = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=true")
_SHORT = 7
_SHA1_HEX = 40


class _Repository:
    """One work tree, and how git is called on it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.settings = list(_SETTINGS)
        # A GIT_DIR or GIT_INDEX_FILE from around would make git look elsewhere.
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("GIT_")
            or (key.startswith("GIT_CONFIG_") and key != "GIT_CONFIG_PARAMETERS")
        }
        self.environment.update(
            LC_ALL="C",
            GIT_OPTIONAL_LOCKS="0",
            GIT_TERMINAL_PROMPT="0",
            GIT_NO_REPLACE_OBJECTS="1",
            GIT_NO_LAZY_FETCH="1",
            GIT_ALLOW_PROTOCOL="none",
        )

    def run(self, *arguments: str, may_fail: bool = False) -> bytes:
        """Return the output of one git command.

        Raises:
            NotaryError: git failed, by what its message says.
        """
        options = [part for one in self.settings for part in ("-c", one)]
        finished = run_program(
            ["git", *options, "-C", self.path, *arguments],
            environment=self.environment,
            timeout_s=TIMEOUT_S,
        )
        if finished.code and not may_fail:
            raise _explain(self.path, finished.error)
        return b"" if finished.code else finished.output


class _Changes(NamedTuple):
    """How many entries ``git status`` listed."""

    tracked: int
    untracked: int


def hash_commit(path: str = ".") -> Asset:
    """Return the commit that HEAD names in the repository at ``path``.

    Raises:
        NotFoundError: There is no such directory, repository or commit.
        PermissionDeniedError: git does not trust the repository's owner.
        IntegrityError: The commit object does not have its own id.
        UnavailableError: git is not installed or does not answer.
    """
    if not os.path.isdir(path):
        raise NotFoundError(
            printable(path), expected="a git repository", got="no such directory"
        )
    repository = _Repository(path)
    words = repository.run(
        "rev-parse", "--is-bare-repository", "HEAD^{commit}", "HEAD^{tree}"
    ).split()
    is_bare, commit, tree = (word.decode("ascii") for word in words)
    content = _read_commit(repository, commit)
    changes = _Changes(0, 0) if is_bare == "true" else _list_changes(repository)
    facts: dict[str, str | int | bool] = {
        "commit": commit,
        "tree": tree,
        **_read_times(content),
        "dirty": any(changes),
    }
    if any(changes):
        facts["changed"], facts["untracked"] = changes
    name = f"{_find_name(repository)}@{commit[:_SHORT]}"
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    subject = Subject(name, digest, (("gitCommit", commit),))
    size = len(content)
    return Asset(name, "git", size, (subject,), None, facts, dirty=any(changes))


def clean_remote(url: str) -> str:
    """Return a remote's URL without user, password, query and local folders.

    >>> clean_remote("https://bob:pw@git.example/team/app.git?x=1")
    'https://git.example/team/app.git'
    >>> clean_remote("git@git.example:team/app.git")
    'git.example:team/app.git'
    >>> clean_remote("/srv/people/bob/app.git")
    'app.git'
    """
    scheme, separator, _ = url.partition("://")
    if separator and scheme.isalnum() and scheme != "file":
        return scrub_url(url).rstrip("/")
    host, colon, path = url.partition(":")
    if not separator and colon and "/" not in host and "\\" not in path:
        return f"{host.rpartition('@')[2]}:{path.partition('?')[0]}"
    return url.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def _read_commit(repository: _Repository, commit: str) -> bytes:
    """Return the commit's content after checking that it has the commit's id."""
    size = int(repository.run("cat-file", "-s", commit))
    if size > MAX_COMMIT_BYTES:
        raise UsageError(
            f"commit {commit}",
            expected=f"at most {MAX_COMMIT_BYTES} bytes",
            got=str(size),
        )
    content = repository.run("cat-file", "commit", commit)
    algorithm = "sha1" if len(commit) == _SHA1_HEX else "sha256"
    # SHA-1 is git's name for the object, not our proof: FIPS systems must allow it.
    # Python 3.8 has no such argument.
    purpose = {"usedforsecurity": False} if sys.version_info >= (3, 9) else {}
    hasher = hashlib.new(algorithm, b"commit %d\0" % len(content), **purpose)
    hasher.update(content)
    if hasher.hexdigest() != commit:
        raise IntegrityError(
            f"commit {commit}", expected="an object with this id", got="other content"
        )
    return content


def _list_changes(repository: _Repository) -> _Changes:
    """Count what differs from the commit, without running the repository's filters."""
    _switch_off_filters(repository)
    output = repository.run(
        "status",
        "--porcelain=v2",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=none",
        "--no-renames",
    )
    kinds = [entry[:2] for entry in output.split(b"\0") if entry]
    untracked = kinds.count(b"? ")
    return _Changes(len(kinds) - untracked, untracked)


def _switch_off_filters(repository: _Repository) -> None:
    """Override each content filter that the repository itself defines.

    ``git status`` runs ``filter.<name>.clean`` or ``process`` on files that look
    changed; a repository that came as an archive could name any program there.
    """
    listed = repository.run(
        "config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\.",
        may_fail=True,
    )  # fmt: skip
    words = listed.decode("utf-8", "surrogateescape").split("\0")
    for scope, key in zip(words[::2], words[1::2]):
        if scope in ("local", "worktree") and not key.endswith(".required"):
            repository.settings.append(f"{key}=")
        elif scope in ("local", "worktree"):
            repository.settings.append(f"{key}=false")


def _read_times(content: bytes) -> dict[str, str | int | bool]:
    """Return author and commit time of a commit object, and whether it is signed."""
    facts: dict[str, str | int | bool] = {}
    for line in content.partition(b"\n\n")[0].split(b"\n"):
        key, _, value = line.partition(b" ")
        if key in (b"author", b"committer"):
            seconds = value.rsplit(b" ", 2)[-2:-1]
            if seconds and seconds[0].isdigit() and len(seconds[0]) <= 11:  # Year 5138.
                moment = time.gmtime(int(seconds[0]))
                facts[f"{key.decode()}Time"] = time.strftime(
                    "%Y-%m-%dT%H:%M:%SZ", moment
                )
        if key in (b"gpgsig", b"gpgsig-sha256"):
            facts["signedCommit"] = True
    return facts


def _find_name(repository: _Repository) -> str:
    """Return the cleaned URL of remote ``origin``, else the directory's name."""
    url = repository.run("config", "--get", "remote.origin.url", may_fail=True)
    remote = clean_remote(url.decode("utf-8", "replace").strip())
    if remote:
        return remote
    top = repository.run("rev-parse", "--show-toplevel", may_fail=True)
    folder = top.decode("utf-8", "replace").strip() or os.path.abspath(repository.path)
    return os.path.basename(folder) or "repository"


def _explain(path: str, message: str) -> NotaryError:
    """Return the failure that git's message stands for."""
    name = f"git repository {printable(path)}"
    if "dubious ownership" in message:
        return PermissionDeniedError(
            name,
            expected="a repository of this user",
            got="one that another user owns",
            advice="if you trust it: git config --global --add safe.directory PATH",
        )
    if "not a git repository" in message:
        return NotFoundError(name, expected="a git repository", got="none there")
    if "unknown revision" in message or "ambiguous argument 'HEAD" in message:
        return NotFoundError(name, expected="a commit", got="a branch without one")
    if "ermission denied" in message:
        return PermissionDeniedError(
            name, expected="a readable repository", got="permission denied"
        )
    first = message.strip().partition("\n")[0]
    return StorageError(name, expected="git to read it", got=printable(first))

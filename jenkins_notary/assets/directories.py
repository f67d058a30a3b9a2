"""Reduce a directory to one digest by a manifest that is kept as evidence.

The manifest is compact JSON in the form of Codenotary's vcn, and the directory's digest
is the SHA-256 of exactly its bytes::

    {"schemaVersion":1,"items":[{"digest":"sha256:bef5…","size":6,"paths":["a","b"]}]}

Items are the distinct contents, sorted by digest; paths are sorted, unique, relative,
with ``/``. A tree of plain files has the digest that vcn gives it. What vcn leaves out
is covered by one more key, written only when there is something to say::

    "extras":{"emptyDirectories":["tmp"],"executables":["run.sh"],
              "links":[{"path":"latest","target":"1.2"}],"setgid":[…],"setuid":[…]}

Rules:

- Nothing is ignored: no ignore file is read, hidden files count. Nothing is written.
- A file is executable if anyone may execute it. Other mode bits depend on the umask of
  whoever unpacked the tree and are not covered; neither are owners, times and
  directories' own modes.
- Symbolic links are recorded, never followed. One that is absolute, dangles, loops or
  leads out of the tree is refused by name; so are devices, sockets, pipes and names
  that are not UTF-8.
- A tree that changes while it is read is refused.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256

from jenkins_notary.assets.asset import (
    Asset,
    Subject,
    is_digest,
    printable,
    raise_faults,
)
from jenkins_notary.assets.files import HashedFile, explain_os_error, hash_each
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.assets.files import Progress

MAX_FILES = 500_000
"""Entries that one directory may have, all levels together."""

MAX_DEPTH = 256
"""Levels of directories below the given one."""

MAX_MANIFEST_BYTES = 128 * 1024 * 1024
"""Longest manifest that is written or read."""

_EXTRA_LISTS = ("emptyDirectories", "executables", "setgid", "setuid")
_GO_ESCAPES = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class ManifestDiff(NamedTuple):
    """What differs between two manifests; all paths sorted.

    Attributes:
        new: Paths only in the second.
        modified: Paths in both whose content, kind or execute bit differs.
        renamed: (old, new) paths of one that moved unchanged.
        deleted: Paths only in the first.
    """

    new: tuple[str, ...]
    modified: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    deleted: tuple[str, ...]


class _Tree:
    """What the walk found below one directory; paths are relative with ``/``."""

    __slots__ = ("directories", "extras", "faults", "files", "links", "root")

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.extras: dict[str, list[str]] = {key: [] for key in _EXTRA_LISTS}
        self.directories: list[tuple[str, os.stat_result]] = []
        self.faults: list[NotaryError] = []

    def full(self, relative: str) -> str:
        """Return the path that opens a relative one."""
        return os.path.join(self.root, relative) if relative else self.root


def hash_directory(
    path: str,
    *,
    name: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Asset:
    """Return a directory as an asset, its manifest with it.

    Args:
        path: The directory; the path itself may be a symbolic link.
        name: The asset's name; None for the last part of the path.
        workers: Threads for large files; None for one a usable processor.
        progress: Called with (bytes done, files done) of this directory.

    Raises:
        NotaryError: The only fault met: an entry that is refused or cannot be read.
        FaultsError: There are several; each is named, up to a limit.
    """
    tree = _walk(path)
    files = [tree.full(relative) for relative in tree.files]
    hashed: list[HashedFile] = []
    for outcome in hash_each(
        files, workers=workers, progress=progress, follow_links=False
    ):
        if isinstance(outcome, NotaryError):
            tree.faults.append(outcome)
        else:
            hashed.append(outcome)
    _check_links(tree)
    _check_at_rest(tree)
    raise_faults(tree.faults)
    manifest = format_manifest(dict(zip(tree.files, hashed)), tree.links, tree.extras)
    name = name or os.path.basename(os.path.abspath(path)) or "/"
    subject = Subject(name, "sha256:" + sha256(manifest).hexdigest())
    facts: dict[str, str | int | bool] = {
        "files": len(hashed),
        "manifest": "vcn-v1" if b'],"extras":{' not in manifest else "vcn-v1-extras",
    }
    size = sum(one.size for one in hashed)
    return Asset(name, "directory", size, (subject,), None, facts, manifest=manifest)


def format_manifest(
    files: Mapping[str, HashedFile],
    links: Sequence[tuple[str, str]] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
) -> bytes:
    """Return the manifest's bytes.

    Args:
        files: Hash of each regular file by its relative path.
        links: (path, target) of each symbolic link.
        extras: Paths by ``emptyDirectories``, ``executables``, ``setgid``, ``setuid``.

    Raises:
        UsageError: The manifest is longer than :data:`MAX_MANIFEST_BYTES`.
    """
    # Only here: a call without directories needs no JSON.
    import json

    by_digest: dict[str, tuple[int, list[str]]] = {}
    for path, file in files.items():
        by_digest.setdefault(file.sha256_hex, (file.size, []))[1].append(path)
    document: dict[str, object] = {
        "schemaVersion": 1,
        "items": [
            {"digest": "sha256:" + digest, "size": size, "paths": sorted(paths)}
            for digest, (size, paths) in sorted(by_digest.items())
        ],
    }
    more: dict[str, object] = {
        key: sorted(paths) for key, paths in (extras or {}).items() if paths
    }
    if links:
        more["links"] = [{"path": p, "target": t} for p, t in sorted(links)]
    if more:
        document["extras"] = dict(sorted(more.items()))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # vcn writes with Go's encoder, which escapes these five inside strings; they occur
    # nowhere else in JSON.
    manifest = text.translate(_GO_ESCAPES).encode()
    if len(manifest) > MAX_MANIFEST_BYTES:
        raise UsageError(
            "directory",
            expected=f"a manifest of at most {MAX_MANIFEST_BYTES} bytes",
            got=f"{len(manifest)}",
            advice="notarize its parts",
        )
    return manifest


def diff_manifests(old: bytes, new: bytes) -> ManifestDiff:
    """Return what differs between two manifests.

    A content that vanished under one path and appeared under another is a rename; where
    several could pair, the first paths in order do.

    Raises:
        IntegrityError: One of them is not a manifest.
    """
    before, after = parse_manifest(old), parse_manifest(new)
    gone = sorted(before.keys() - after.keys())
    fresh = sorted(after.keys() - before.keys())
    by_entry: dict[tuple[str, ...], list[str]] = {}
    for path in reversed(fresh):
        by_entry.setdefault(after[path], []).append(path)
    renamed = []
    for path in gone:
        candidates = by_entry.get(before[path])
        if candidates:
            renamed.append((path, candidates.pop()))
    moved_from = {source for source, _ in renamed}
    moved_to = {target for _, target in renamed}
    both = before.keys() & after.keys()
    return ManifestDiff(
        new=tuple(path for path in fresh if path not in moved_to),
        modified=tuple(sorted(path for path in both if before[path] != after[path])),
        renamed=tuple(renamed),
        deleted=tuple(path for path in gone if path not in moved_from),
    )


def parse_manifest(manifest: bytes) -> dict[str, tuple[str, ...]]:
    """Return each path of a manifest with what is recorded of it.

    Returns:
        By path: ``("file", digest, …marks)``, ``("link", target)`` or
        ``("directory",)`` for an empty one; marks are the lists of ``extras`` that name
        the file.

    Raises:
        IntegrityError: It is not a manifest of schema version 1: too long, not JSON,
            an unknown key, a bad digest, a path that stands twice.
    """
    import json

    if len(manifest) > MAX_MANIFEST_BYTES:
        raise _bad_manifest(f"{len(manifest)} bytes")
    try:
        document = json.loads(manifest)
    except (ValueError, RecursionError) as error:
        raise _bad_manifest("something that is not JSON") from error
    try:
        return _read_entries(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _bad_manifest("another structure") from error


def _read_entries(document: dict[str, object]) -> dict[str, tuple[str, ...]]:
    """Read the parsed manifest; any built-in error means another structure."""
    if document.keys() - {"schemaVersion", "items", "extras"}:
        raise ValueError
    if document["schemaVersion"] != 1 or not isinstance(document["items"], list):
        raise ValueError
    entries: dict[str, tuple[str, ...]] = {}
    for item in document["items"]:
        if not is_digest(item["digest"]):
            raise ValueError
        for path in item["paths"]:
            _add_entry(entries, path, ("file", item["digest"]))
    _read_extras(entries, document.get("extras", {}))
    return entries


def _read_extras(entries: dict[str, tuple[str, ...]], extras: object) -> None:
    """Add what the manifest has beyond vcn's form."""
    if not isinstance(extras, dict) or extras.keys() - {*_EXTRA_LISTS, "links"}:
        raise ValueError
    for link in extras.get("links", ()):
        _add_entry(entries, link["path"], ("link", str(link["target"])))
    for path in extras.get("emptyDirectories", ()):
        _add_entry(entries, path, ("directory",))
    for mark in ("executables", "setgid", "setuid"):
        for path in extras.get(mark, ()):
            entries[path] = (*entries[path], mark)


def _add_entry(
    entries: dict[str, tuple[str, ...]], path: object, entry: tuple[str, ...]
) -> None:
    """Add what is recorded of a path that does not stand there yet."""
    if not isinstance(path, str) or path in entries:
        raise ValueError
    entries[path] = entry


def _bad_manifest(got: str) -> IntegrityError:
    """Return the failure of a manifest that cannot be read."""
    return IntegrityError("directory manifest", expected="schema version 1", got=got)


def _explain_no_folder(path: str, error: OSError | ValueError) -> NotaryError:
    """Return the failure that says why a directory was not entered."""
    if isinstance(error, FileNotFoundError):
        return NotFoundError(
            printable(path), expected="a directory", got="no such directory"
        )
    if isinstance(error, NotADirectoryError):
        return UsageError(
            printable(path),
            expected="a directory",
            got="a file",
            advice="name it without dir://",
        )
    return explain_os_error(path, error)


def _walk(path: str) -> _Tree:
    """List everything below ``path`` without following a link; faults are kept."""
    tree = _Tree(path)
    pending = [("", 0)]
    count = 0
    while pending:
        relative, depth = pending.pop()
        full = tree.full(relative)
        try:
            tree.directories.append((full, os.stat(full)))
            with os.scandir(full) as found:
                names = [entry.name for entry in found]
        except (OSError, ValueError) as error:
            explain = explain_os_error if relative else _explain_no_folder
            tree.faults.append(explain(full, error))
            continue
        count += len(names)
        if count > MAX_FILES or depth > MAX_DEPTH:
            raise UsageError(
                printable(path),
                expected=f"at most {MAX_FILES} entries and {MAX_DEPTH} levels",
                got="more",
                advice="notarize its parts",
            )
        if not names and relative:
            tree.extras["emptyDirectories"].append(relative)
        for name in names:
            below = f"{relative}/{name}" if relative else name
            if _sort_entry(tree, below):
                pending.append((below, depth + 1))
    return tree


def _sort_entry(tree: _Tree, relative: str) -> bool:
    """Put one entry where it belongs; return True for a directory to walk."""
    full = tree.full(relative)
    try:
        relative.encode()
        mode = os.lstat(full).st_mode
        if stat.S_ISLNK(mode):
            target = os.readlink(full)
            target.encode()
            tree.links.append((relative, target))
            return False
    except UnicodeEncodeError:
        tree.faults.append(
            UsageError(printable(full), expected="a name in UTF-8", got="other bytes")
        )
        return False
    except OSError as error:
        tree.faults.append(explain_os_error(full, error))
        return False
    if stat.S_ISDIR(mode):
        return True
    # Whatever else it is, hashing refuses it by name.
    tree.files.append(relative)
    if os.name == "posix" and stat.S_ISREG(mode):
        for key, bits in (
            ("executables", 0o111),
            ("setgid", stat.S_ISGID),
            ("setuid", stat.S_ISUID),
        ):
            if mode & bits:
                tree.extras[key].append(relative)
    return False


def _check_links(tree: _Tree) -> None:
    """Refuse each link whose target is absolute, missing or outside of the tree."""
    if not tree.links:
        return
    root = os.path.realpath(tree.root)
    for relative, target in tree.links:
        full = tree.full(relative)
        got = ""
        if os.path.isabs(target):
            got = "an absolute one"
        elif not os.path.exists(full):
            got = "one that dangles or loops"
        else:
            # Resolved for real, not by text: a link on the way may lead elsewhere.
            real = os.path.realpath(full)
            if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
                got = "one that leads out of the directory"
        if got:
            tree.faults.append(
                UsageError(
                    printable(full),
                    expected="a symbolic link within the directory",
                    got=got,
                    advice="remove it or replace it by what it names",
                )
            )


def _check_at_rest(tree: _Tree) -> None:
    """Add a fault for each directory whose entries changed since they were listed."""
    for full, before in tree.directories:
        try:
            after = os.lstat(full) if full != tree.root else os.stat(full)
        except OSError as error:
            tree.faults.append(explain_os_error(full, error))
            continue
        if (before.st_ino, before.st_dev, before.st_mtime_ns) != (
            after.st_ino,
            after.st_dev,
            after.st_mtime_ns,
        ):
            tree.faults.append(
                UsageError(
                    printable(full),
                    expected="a directory at rest",
                    got="one that changed while it was read",
                    advice="wait until its writer is done, then try again",
                )
            )

"""Expand patterns: ``*``, ``?``, ``[a-z]``, and ``**`` for any number of folders.

As in a shell, a name that starts with a dot is matched only by a pattern part that does
too. ``**`` does not walk through symbolic links, so a loop cannot catch it. Only files
are found; a folder that cannot be listed is a failure, not a smaller result.
"""

from __future__ import annotations

import fnmatch
import os
import re

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.files import explain_os_error
from jenkins_notary.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_MATCHES = 1_000_000
"""Files that one pattern may match."""

_MAGIC = re.compile(r"[*?\[]")


def is_pattern(text: str) -> bool:
    """Return whether ``text`` has a character that patterns use."""
    return _MAGIC.search(text) is not None


def expand_pattern(pattern: str) -> list[str]:
    """Return the files that match, sorted.

    Raises:
        NotFoundError: Nothing matches, or only folders do.
        PermissionDeniedError: A folder on the way may not be listed.
        UsageError: More than :data:`MAX_MATCHES` files match.
    """
    search = _Search(pattern)
    head, parts = _split(pattern)
    search.descend(head, parts)
    if not search.found:
        got = "only folders" if search.met_folder else "nothing that matches"
        raise NotFoundError(
            f"pattern {printable(pattern)}",
            expected="at least one file",
            got=got,
            advice="use ** for files in folders below, or dir:// for a folder",
        )
    return sorted(search.found)


def _split(pattern: str) -> tuple[str, list[str]]:
    """Return the folder without magic that the search starts in, and the rest."""
    parts = pattern.replace(os.sep, "/").split("/")
    head: list[str] = []
    while len(parts) > 1 and not is_pattern(parts[0]):
        head.append(parts.pop(0))
    start = "/".join(head)
    return ("/" if head and not start else start), [part for part in parts if part]


class _Search:
    """One expansion: what was found so far."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.found: set[str] = set()
        self.met_folder = False

    def descend(self, start: str, parts: list[str]) -> None:
        """Match ``parts`` below ``start``; a stack, as trees may be deep."""
        pending = [(start, 0)]
        seen = set(pending)
        while pending:
            folder, level = pending.pop()
            following: list[tuple[str, int]] = []
            if parts[level] == "**" and level + 1 < len(parts):
                following.append((folder, level + 1))
            for name, is_link in self._list(folder):
                path = f"{folder.rstrip('/')}/{name}" if folder else name
                following += self._match((path, name, is_link), parts, level)
            for step in following:
                if step not in seen:
                    seen.add(step)
                    pending.append(step)

    def _match(
        self, entry: tuple[str, str, bool], parts: list[str], level: int
    ) -> list[tuple[str, int]]:
        """Return where to search on below an entry; keep it if it is a match."""
        path, name, is_link = entry
        part, is_last = parts[level], level == len(parts) - 1
        if part == "**":
            matches = not name.startswith(".")
            if matches and is_last:
                self._keep(path)
            is_walked = matches and not is_link and os.path.isdir(path)
            return [(path, level)] if is_walked else []
        if not _matcher(part)(name):
            return []
        if is_last:
            self._keep(path)
            return []
        return [(path, level + 1)] if os.path.isdir(path) else []

    def _keep(self, path: str) -> None:
        if os.path.isdir(path):
            self.met_folder = True
            return
        self.found.add(path)
        if len(self.found) > MAX_MATCHES:
            raise UsageError(
                f"pattern {printable(self.pattern)}",
                expected=f"at most {MAX_MATCHES} files",
                got="more",
            )

    def _list(self, folder: str) -> list[tuple[str, bool]]:
        """Return (name, whether it is a link) of each entry; none if it is absent."""
        try:
            with os.scandir(folder or ".") as entries:
                return [(entry.name, entry.is_symlink()) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise explain_os_error(folder, error) from error


_MATCHERS: dict[str, Callable[[str], object]] = {}


def _matcher(part: str) -> Callable[[str], object]:
    """Return the test of one pattern part, made once."""
    if part not in _MATCHERS:
        expression = re.compile(fnmatch.translate(part))
        shows_hidden = part.startswith(".")
        _MATCHERS[part] = lambda name: (
            expression.match(name) is not None
            and (shows_hidden or not name.startswith("."))
        )
    return _MATCHERS[part]

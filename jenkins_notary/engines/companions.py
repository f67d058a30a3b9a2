"""Copy the files that a service keeps beside its ledger: tokens, state, keys.

================  ==============================================================
``PATH.tokens``   who may ask: names, roles, folders, hashes of secrets
``PATH.service``  what the service remembers; of it what has no end: its cursors
``PATH.keys``     the keys that sign for builds, where they are asked for
================  ==============================================================

The state is copied before the ledger, so that no cursor stands behind the copy's end: a
record that came meanwhile is handed out once more, never skipped. Logins, nonces and
whatever else ends by itself stay behind: a copy must not let anybody in who had only
been let in for a while.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

from jenkins_notary.engines.new_file import new_file
from jenkins_notary.errors import StorageError

TOKENS, STATE, KEYS = ".tokens", ".service", ".keys"
"""What stands behind the ledger's own name."""

LASTING = 1 << 62
"""The end of what has none, in the state."""


def copy_companions(source: str, target: str, *, with_keys: bool = True) -> list[str]:
    """Copy what a service keeps beside a ledger to beside another; return which.

    A file that is there already stays as it is.

    Args:
        source: The ledger's file.
        target: The other ledger's file.
        with_keys: Whether the keys go along.

    Raises:
        StorageError: One cannot be read or written.
    """
    copied = []
    for ending, copy in ((TOKENS, shutil.copyfile), (STATE, _copy_state)):
        if not os.path.exists(source + ending) or os.path.exists(target + ending):
            continue
        with new_file(target + ending) as temporary:
            copy(source + ending, temporary)
        copied.append(ending)
    if with_keys and os.path.isdir(source + KEYS):
        _copy_keys(source + KEYS, target + KEYS)
        copied.append(KEYS)
    return copied


def _copy_keys(source: str, target: str) -> None:
    """Copy the files of a folder of keys; each stays its owner's alone."""
    os.makedirs(target, 0o700, exist_ok=True)
    with os.scandir(source) as listed:
        names = [one.name for one in listed if one.is_file(follow_symlinks=False)]
    for name in names:
        if not os.path.exists(os.path.join(target, name)):
            with new_file(os.path.join(target, name)) as temporary:
                shutil.copyfile(os.path.join(source, name), temporary)


def _copy_state(source: str, target: str) -> None:
    """Copy one state of a service's state, without what ends by itself."""
    try:
        with (
            closing(sqlite3.connect(source, timeout=10)) as old,
            closing(sqlite3.connect(target, isolation_level=None)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")
            new.execute("DELETE FROM state WHERE ends<?", (LASTING,))
            new.execute("VACUUM")
    except sqlite3.Error as error:
        raise StorageError(f"service state {source}", got=str(error)) from error

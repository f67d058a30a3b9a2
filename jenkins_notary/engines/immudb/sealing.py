"""Encrypt envelopes under keys that can be destroyed, kept in one file.

The file is read again whenever it has changed, so that an erasure by another process
holds at once, and changed under a lock, durably, whole or not at all.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jenkins_notary.engines.immudb.erasable import KEY_SIZE, MAX_BYTES, KeyTree
from jenkins_notary.errors import IntegrityError, NotFoundError, StorageError
from jenkins_notary.whole_file import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager


class EnvelopeKeys:
    """The keys of one ledger's envelopes."""

    def __init__(
        self, path: str, lock: Callable[[], AbstractContextManager[object]]
    ) -> None:
        """Use a file that is there.

        Args:
            path: The file, see :func:`create_keys`.
            lock: Makes the lock under which the file is changed.
        """
        self._path = path
        self._lock = lock
        self._mark: tuple[int, ...] = ()
        self._tree = KeyTree({})

    def seal(self, place: int, digest: bytes, data: bytes) -> bytes:
        """Return data encrypted under the key of a place that was never used.

        Raises:
            IntegrityError: The key was destroyed: the log is an older copy.
        """
        key = self._load().key(place)
        if key is None:
            raise IntegrityError(
                f"envelope keys {self._path}",
                expected=f"a key for the new place {place}",
                got="one that was destroyed",
                advice="the ledger is an older copy than its envelope keys",
            )
        return AESGCM(key).encrypt(_nonce(digest), data, digest)

    def open(self, place: int, digest: bytes, sealed: bytes) -> bytes | None:
        """Return data, None if its key was destroyed.

        Raises:
            IntegrityError: It was altered, or sealed with the keys of another ledger.
        """
        key = self._load().key(place)
        if key is None:
            return None
        try:
            return AESGCM(key).decrypt(_nonce(digest), sealed, digest)
        except InvalidTag as error:
            raise IntegrityError(
                f"envelope {digest.hex()}",
                expected="what was sealed with this ledger's envelope keys",
                got="something else",
                advice=f"check that {self._path} is the ledger's newest",
            ) from error

    def has(self, place: int) -> bool:
        """Return whether a place's key was not destroyed."""
        return self._load().key(place) is not None

    def destroy(self, places: Sequence[int]) -> None:
        """Destroy keys, durably."""
        with self._lock():
            self._save(self._load().destroy(places))

    def _load(self) -> KeyTree:
        """Return the tree; read anew if the file has changed."""
        try:
            with open(self._path, "rb") as file:
                found = os.fstat(file.fileno())
                mark = (found.st_ino, found.st_mtime_ns, found.st_size)
                if mark == self._mark:
                    return self._tree
                data = file.read(MAX_BYTES)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"envelope keys {self._path}",
                got="no file",
                advice="restore it from a backup: without it no envelope can be read",
            ) from error
        except OSError as error:
            raise StorageError(
                f"envelope keys {self._path}", got=error.strerror or "an error"
            ) from error
        self._tree = KeyTree.decode(data, subject=f"envelope keys {self._path}")
        self._mark = mark
        return self._tree

    def _save(self, tree: KeyTree) -> None:
        """Write the file."""
        write_private(self._path, tree.encode())


def create_keys(path: str) -> None:
    """Make the file of a new ledger.

    Raises:
        StorageError: It cannot be written.
    """
    write_private(path, KeyTree.create(secrets.token_bytes(KEY_SIZE)).encode())


def _nonce(digest: bytes) -> bytes:
    """Return a nonce: a key seals one envelope, and others that lost its race."""
    return digest[8:20]

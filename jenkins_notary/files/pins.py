"""Keep one pin file an origin in the user's state folder.

A pin is written to a temporary file, made durable, and renamed: a reader sees the old
one or the new one, never half of one. A lock file lets the larger of two processes'
checkpoints win. A missing file means first contact; a damaged one is never taken for
a missing one.
"""

from __future__ import annotations

import hashlib
import os
import re

from jenkins_notary.errors import (
    IntegrityError,
    PermissionDeniedError,
    StorageError,
)
from jenkins_notary.files.locks import FileLock
from jenkins_notary.ledger.pins import MAX_BYTES, format_pin, parse_pin
from jenkins_notary.whole_file import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ledger.pins import Pin
    from jenkins_notary.tlog.checkpoint import Checkpoint

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class PinFiles:
    """The pins of one user."""

    def __init__(self, folder: str) -> None:
        """Hold the folder; it is made (0700) when the first pin is written."""
        self._folder = folder

    def path(self, origin: str) -> str:
        """Return the pin file of an origin: readable, and never outside the folder."""
        slug = _UNSAFE.sub("_", origin).lstrip(".")[:80]
        tag = hashlib.sha256(origin.encode()).hexdigest()[:12]
        return os.path.join(self._folder, f"{slug}-{tag}.pin")

    def load(self, origin: str) -> Pin | None:
        """Return the pin of an origin, None if there never was one.

        Raises:
            IntegrityError: The file is damaged.
            PermissionDeniedError: The file cannot be read.
        """
        return load_pin_file(self.path(origin))

    def save(self, origin: str, pin: Pin) -> None:
        """Keep a pin unless one of a larger tree is kept already.

        Raises:
            StorageError: The file cannot be written.
        """
        save_pin_file(self.path(origin), pin)


def load_pin_file(path: str) -> Pin | None:
    """Return the pin in a file, None if there is no file.

    Raises:
        IntegrityError: The file is damaged.
        PermissionDeniedError: The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PermissionDeniedError(f"pin {path}", got=f"{error.strerror}") from error
    return parse_pin(data, subject=f"pin {path}")


def save_pin_file(path: str, pin: Pin) -> None:
    """Keep a pin in a file unless one of a larger tree is kept there already.

    Raises:
        IntegrityError: What is kept there is damaged, or another log's.
        StorageError: The file cannot be written.
    """
    new = _read_checkpoint(pin)
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        with FileLock(f"{path}.lock"):
            kept = load_pin_file(path)
            old = new if kept is None else _read_checkpoint(kept)
            if old.origin != new.origin:
                raise IntegrityError(
                    f"pin {path}", expected=f"one of {new.origin}", got=old.origin
                )
            if old.size <= new.size:
                replace_file(path, [format_pin(pin)])
    except OSError as error:
        raise StorageError(
            f"pin {path}",
            got=f"{error.strerror}",
            advice="set XDG_STATE_HOME to a folder that can be written",
        ) from error


def _read_checkpoint(pin: Pin) -> Checkpoint:
    """Return the checkpoint that a pin holds; it was verified before it was kept."""
    from jenkins_notary.tlog.checkpoint import parse_checkpoint
    from jenkins_notary.tlog.note import parse_note

    return parse_checkpoint(parse_note(pin.note).text)

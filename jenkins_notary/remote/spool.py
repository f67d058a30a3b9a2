"""Keep on disk what a service is to record, until it has been delivered: the spool.

A folder (0700) of one user on one host, with files (0600)::

    000000000017.json          what is to be sent; sent in the order of the names
    bodies/<sha256>            the bytes that go with it
    refused/000000000016.json  what the service does not take, with its reason
    lock, turn                 who writes a new name; who delivers

An entry is written whole and synced before its caller is told that it is kept, after
the bodies that it names, and removed only when the service's answer was checked. So it
is delivered at least once; the service records it once, by its ``recordId``::

    {"v": 1, "ledger": "https://notary.example.com", "path": "/records",
     "value": {"recordId": "<32 hex>", ...},
     "bodies": [{"sha256": "<64 hex>", "size": 9}], "error": null}

An entry goes to the ledger that it names and to no other, as does the token. Bounds:
:data:`MAX_ENTRIES` and :data:`MAX_BYTES`; a spool that is full refuses, so that nothing
is dropped to make room.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager

from jenkins_notary.errors import IntegrityError, StorageError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.whole_file import replace_file, sync_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from jenkins_notary.assets.claims import Attachment
    from jenkins_notary.errors import NotaryError

VERSION = 1
MAX_ENTRIES = 10_000
MAX_BYTES = 4 << 30
MAX_ENTRY_BYTES = 64 << 20
PATHS = frozenset({"/records", "/attachments"})

_ENTRY = re.compile(r"[0-9]{12}\.json")


class Entry(NamedTuple):
    """One request that waits.

    Attributes:
        name: Its file's name; entries are sent in the order of their names.
        ledger: The service's URL.
        path: Where it goes: one of :data:`PATHS`.
        value: What is sent.
        bodies: SHA-256 hex and size of each body that goes before it.
        error: Why the service does not take it, as its JSON form, or None.
    """

    name: str
    ledger: str
    path: str
    value: dict[str, Any]
    bodies: tuple[tuple[str, int], ...]
    error: Mapping[str, Any] | None = None


class Spool:
    """A folder of entries; any number of processes may use it at once."""

    def __init__(self, path: str) -> None:
        """Make the folder if it is not there.

        Raises:
            UsageError: An empty path, or no folder.
            StorageError: It cannot be made.
        """
        if not path.strip():
            raise UsageError("--spool", expected="a folder", got="an empty path")
        self.path = path
        self._refused = os.path.join(path, "refused")
        self._bodies = os.path.join(path, "bodies")
        with self._disk():
            for one in (path, self._refused, self._bodies):
                os.makedirs(one, mode=0o700, exist_ok=True)

    def keep(
        self,
        entry: Entry,
        bodies: Iterable[tuple[Attachment, Callable[[], Iterable[bytes]]]],
    ) -> Entry:
        """Keep an entry behind all others, durably; return it with its name.

        Args:
            entry: What is to be sent; its name is not looked at.
            bodies: What each body is, and what yields its bytes.

        Raises:
            StorageError: The disk or the spool is full.
        """
        with self._disk(), self._locked("lock"):
            self._check_room()
            for one, pieces in bodies:
                replace_file(os.path.join(self._bodies, one.sha256_hex), pieces())
            last = max([*self.names(), *self.names(refused=True)], default="0.json")
            kept = entry._replace(name=self._next_name(last))
            replace_file(os.path.join(self.path, kept.name), [_format(kept)])
            sync_folder(self._bodies)
            sync_folder(self.path)
        return kept

    def names(self, *, refused: bool = False) -> list[str]:
        """Return the names of the entries that wait, or were refused, in order."""
        with self._disk():
            found = os.listdir(self._refused if refused else self.path)
        return sorted(one for one in found if _ENTRY.fullmatch(one))

    def load(self, name: str, *, refused: bool = False) -> Entry:
        """Return an entry.

        Raises:
            IntegrityError: The file is damaged.
            StorageError: It cannot be read.
        """
        path = self._place(name, refused=refused)
        with self._disk(), open(path, "rb") as file:
            data = file.read(MAX_ENTRY_BYTES + 1)
        return _parse(data, name, subject=path)

    def body_path(self, sha256_hex: str) -> str:
        """Return where the bytes of a body are."""
        return os.path.join(self._bodies, sha256_hex)

    def remove(self, entry: Entry) -> None:
        """Remove an entry that was delivered, and bodies that no other names."""
        with self._disk(), self._locked("lock"):
            os.remove(self._place(entry.name))
            sync_folder(self.path)
            self._drop_bodies(entry)

    def refuse(self, entry: Entry, error: NotaryError) -> None:
        """Set an entry aside that the service does not take."""
        told = entry._replace(error=error.to_dict())
        with self._disk(), self._locked("lock"):
            place = self._place(entry.name, refused=True)
            replace_file(place, [_format(told)])
            sync_folder(self._refused)
            os.remove(self._place(entry.name))
            sync_folder(self.path)

    def take_back(self) -> int:
        """Let what was refused wait again, each in its place; return how many."""
        names = self.names(refused=True)
        with self._disk(), self._locked("lock"):
            for one in names:
                os.replace(self._place(one, refused=True), self._place(one))
            sync_folder(self.path)
            sync_folder(self._refused)
        return len(names)

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Give whether it is this process' turn to deliver; no other has it then."""
        with self._disk(), self._locked("turn", wait=False) as has_turn:
            yield has_turn

    def _place(self, name: str, *, refused: bool = False) -> str:
        """Return an entry's file."""
        return os.path.join(self._refused if refused else self.path, name)

    def _next_name(self, last: str) -> str:
        """Return the name behind the last one; longer names would not be found again.

        Raises:
            StorageError: There is none.
        """
        name = f"{int(last[:-5]) + 1:012}.json"
        if not _ENTRY.fullmatch(name):
            raise StorageError(
                f"--spool {self.path}",
                expected="an entry below 999999999999.json",
                got=last,
                advice="move that file away",
            )
        return name

    def _check_room(self) -> None:
        """Check that the spool is not full."""
        names = [*self.names(), *self.names(refused=True)]
        folders = (self.path, self._refused, self._bodies)
        used = sum(
            one.stat().st_size
            for folder in folders
            for one in os.scandir(folder)
            if one.is_file()
        )
        if len(names) >= MAX_ENTRIES or used >= MAX_BYTES:
            raise StorageError(
                f"--spool {self.path}",
                expected=f"fewer than {MAX_ENTRIES} entries and {MAX_BYTES} bytes",
                got=f"{len(names)} and {used}",
                advice="run jenkins-notary deliver, or give it more room elsewhere",
            )

    def _drop_bodies(self, entry: Entry) -> None:
        """Remove the bodies of an entry that no other entry needs."""
        if not entry.bodies:
            return
        try:
            needed = {
                sha256
                for refused in (False, True)
                for name in self.names(refused=refused)
                for sha256, _ in self.load(name, refused=refused).bodies
            }
        except IntegrityError:
            # An entry that cannot be read may need any of them; its own turn tells.
            return
        for sha256, _ in entry.bodies:
            if sha256 not in needed and os.path.exists(self.body_path(sha256)):
                os.remove(self.body_path(sha256))

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Turn the system's errors into this project's."""
        try:
            yield
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(
                f"--spool {self.path}", expected="a folder", got="a file"
            ) from error
        except OSError as error:
            raise StorageError(
                f"--spool {self.path}", got=error.strerror or "an error"
            ) from error

    @contextmanager
    def _locked(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock of this host; give whether it was got."""
        path = os.path.join(self.path, name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _lock(descriptor, wait=wait)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a file until it is closed; return whether that was done.

    Where there is no ``fcntl`` nothing is locked: a new name is then taken by whoever
    comes last, so there only one process at a time may use a spool.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _format(entry: Entry) -> bytes:
    """Return an entry's file."""
    value = {
        "v": VERSION,
        "ledger": entry.ledger,
        "path": entry.path,
        "value": entry.value,
        "bodies": [{"sha256": one, "size": size} for one, size in entry.bodies],
        "error": entry.error,
    }
    return json.dumps(value).encode("ascii") + b"\n"


def _parse(data: bytes, name: str, *, subject: str) -> Entry:
    """Return the entry of a file; inverse of :func:`_format`."""
    value = load_json(data, subject=subject, limit=MAX_ENTRY_BYTES)
    fields = value if isinstance(value, dict) else {}
    bodies = fields.get("bodies")
    is_good = (
        fields.get("v") == VERSION
        and isinstance(fields.get("ledger"), str)
        and fields.get("path") in PATHS
        and isinstance(fields.get("value"), dict)
        and isinstance(bodies, list)
        and all(_is_body(one) for one in bodies)
    )
    if not is_good:
        raise IntegrityError(
            subject,
            expected=f"an entry of version {VERSION}",
            got="another, or a damaged one",
            advice="move it away, and record what it holds anew",
        )
    return Entry(
        name,
        fields["ledger"],
        fields["path"],
        fields["value"],
        tuple((one["sha256"], one["size"]) for one in bodies or ()),
        fields.get("error"),
    )


def _is_body(value: object) -> bool:
    """Return whether a value is a body's digest and size."""
    return (
        isinstance(value, dict)
        and is_hex_digest(value.get("sha256"))
        and type(value.get("size")) is int
        and value["size"] >= 0
    )

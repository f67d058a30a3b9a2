"""Write receipts beside a build: ``NAME.tlog-proof`` and ``NAME.dsse.json``.

Two phases: every file is written whole and durably in a hidden folder within the
target, then all are moved into place; a full disk leaves no half of a file. The names
of assets are a stranger's, so only their last part is used, of plain characters, and
nothing is ever written outside the folder. Same names become ``NAME~1``, ``NAME~2``.
A file of an earlier call is replaced.
"""

from __future__ import annotations

import os
import re
import shutil
import stat

from jenkins_notary.errors import PermissionDeniedError, StorageError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Union

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.api.results import AssetRecord
    from jenkins_notary.remote.notary import RemoteItem, RemoteNotary

    Recorded = Union[AssetRecord, RemoteItem]

MAX_NAME = 180
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=@,-]+")


class ReceiptFolder:
    """A folder that receipts can be written to."""

    def __init__(self, path: str) -> None:
        """Make the folder, so that a fault shows before anything is recorded.

        Raises:
            UsageError: An empty path, or something that is no folder.
            PermissionDeniedError: It may not be written.
            StorageError: It cannot be made.
        """
        if not path.strip():
            raise UsageError("--receipts", expected="a folder", got="an empty path")
        self._path = path
        try:
            os.makedirs(path, exist_ok=True)
            self._make_stage()
            self._drop_stage()
        except FileExistsError as error:
            raise UsageError(
                f"--receipts {path}", expected="a folder", got="a file"
            ) from error
        except PermissionError as error:
            raise PermissionDeniedError(
                f"--receipts {path}", expected="a folder that can be written"
            ) from error
        except OSError as error:
            raise StorageError(f"--receipts {path}", got=f"{error.strerror}") from error

    def write(self, notary: Notary | RemoteNotary, records: Sequence[Recorded]) -> None:
        """Write receipt and envelope of each record.

        Raises:
            StorageError: They could not be written; the records stand.
        """
        envelopes: dict[int, bytes] = {}
        for one in records:
            if one.index not in envelopes:
                envelopes[one.index] = _read_envelope(notary, one)
        try:
            self._make_stage()
            names = self._write_stage(records, envelopes)
            for name in names:
                os.replace(os.path.join(self._stage, name), self._target(name))
        except OSError as error:
            first, last = records[0].index, records[-1].index
            raise StorageError(
                f"--receipts {self._path}",
                got=error.strerror or "an error",
                advice=f"the assets are recorded (#{first} to #{last}); get receipts "
                "with jenkins-notary inspect ASSET --receipt -o json",
            ) from error
        finally:
            self._drop_stage()

    def _write_stage(
        self, records: Sequence[Recorded], envelopes: dict[int, bytes]
    ) -> list[str]:
        """Write all files into the hidden folder; return their names."""
        written = []
        for one, name in zip(records, make_file_names([one.name for one in records])):
            for suffix, data in (
                (".tlog-proof", one.receipt.encode()),
                (".dsse.json", envelopes[one.index]),
            ):
                path = os.path.join(self._stage, name + suffix)
                with open(path, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                written.append(name + suffix)
        return written

    def _target(self, name: str) -> str:
        """Return where a file goes; a folder in its place is no receipt of ours."""
        path = os.path.join(self._path, name)
        try:
            taken = stat.S_ISDIR(os.lstat(path).st_mode)
        except FileNotFoundError:
            return path
        if taken:
            raise IsADirectoryError(21, f"{name} is a folder")
        return path

    def _make_stage(self) -> None:
        """Make the hidden folder, new and private."""
        self._stage = os.path.join(self._path, f".receipts-{os.urandom(8).hex()}")
        os.mkdir(self._stage, 0o700)

    def _drop_stage(self) -> None:
        """Remove the hidden folder with what is left in it."""
        shutil.rmtree(self._stage, ignore_errors=True)


def make_file_names(names: Iterable[str]) -> list[str]:
    """Return a plain file name for each asset name, all different.

    They differ where case is ignored, too.

    >>> make_file_names(["a/app.jar", "b/app.jar", "../../etc/passwd", ".."])
    ['app.jar', 'app.jar~1', 'passwd', 'asset']
    """
    taken: set[str] = set()
    counts: dict[str, int] = {}
    made = []
    for name in names:
        last = name.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
        stem = _UNSAFE.sub("_", last).lstrip(".-~")[:MAX_NAME] or "asset"
        key = stem.lower()
        chosen = stem
        while chosen.lower() in taken:
            counts[key] = counts.get(key, 0) + 1
            chosen = f"{stem}~{counts[key]}"
        taken.add(chosen.lower())
        made.append(chosen)
    return made


def _read_envelope(notary: Notary | RemoteNotary, record: Recorded) -> bytes:
    """Return the envelope of a record: as it is stored, or as a service sent it."""
    from jenkins_notary.remote.notary import RemoteItem, RemoteNotary

    if isinstance(notary, RemoteNotary) or isinstance(record, RemoteItem):
        assert isinstance(notary, RemoteNotary)  # noqa: S101 - its own records
        assert isinstance(record, RemoteItem)  # noqa: S101
        return notary.envelope_of(record)
    from jenkins_notary.values.query import Query

    for one in notary.evidence(Query(digest=record.digest, limit=1000)):
        if one.record.index == record.index:
            return notary.envelope(one)
    raise StorageError(f"record #{record.index}", expected="its envelope", got="none")

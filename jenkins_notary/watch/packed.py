"""Read a service's log over a slow link: records come packed, a page at a time.

What is read is what ``watch.log`` reads; only entries and envelopes of the main log
come in another wrapping, a tenth as long. They are claims as well.
"""

from __future__ import annotations

import hashlib

from jenkins_notary.errors import IntegrityError
from jenkins_notary.remote.reading.packed import unpack_records
from jenkins_notary.watch.log import ServiceLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from jenkins_notary.ledger.pacing import Pace
    from jenkins_notary.ports import LogName
    from jenkins_notary.remote.reading.packed import PackedRecord
    from jenkins_notary.remote.service import Service

    Key = TypeVar("Key", int, bytes)

PAGE = 128
"""Records that one request asks for at most: some seconds on a line of 64 kbit/s."""

_KEPT = 4 * PAGE


class PackedLog(ServiceLog):
    """A ``LogReader`` over a service, for who reads records in order."""

    def __init__(self, open_service: Callable[[], Service], pace: Pace) -> None:
        """Read nothing yet.

        Args:
            open_service: Returns the service, whose time begins anew with each
                request.
            pace: Counts what comes, as it comes.
        """
        super().__init__(open_service)
        self._pace = pace
        self._ahead, self._next = 1, -1
        self._kept: dict[int, bytes] = {}
        self._held: dict[bytes, bytes] = {}

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        if log != "main":
            return super().entries(log, start, stop)
        if not self._sizes:
            self.checkpoint()
        found = []
        for index in range(start, min(stop, self._sizes["main"])):
            if index not in self._kept:
                self._load(index)
            found.append(self._kept[index])
        return found

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        found = {one: self._held[one] for one in digests if one in self._held}
        missing = [one for one in digests if one not in found]
        return {**found, **super().envelopes(missing)} if missing else found

    def _read_file(self, path: str) -> bytes:
        """Return a file of the log."""
        data = super()._read_file(path)
        self._pace.count(len(data))
        return data

    def _load(self, start: int) -> None:
        """Read a page of records: one, and the more the longer they go on."""
        self._ahead = min(8 * self._ahead, PAGE) if start == self._next else 1
        stop = min(start + self._ahead, self._sizes["main"])
        records = read_packed(self._read_file, start, stop)
        self._next = start + len(records)
        for index, record in enumerate(records, start):
            self._kept[index] = record.entry
            if record.envelope is not None:
                self._held[hashlib.sha256(record.envelope).digest()] = record.envelope
        _trim(self._kept)
        _trim(self._held)


def read_packed(
    read_file: Callable[[str], bytes], start: int, stop: int
) -> list[PackedRecord]:
    """Return records of a range, one at least.

    Raises:
        IntegrityError: The answer has not the form.
    """
    records = unpack_records(read_file(f"/api/v1/packed?from={start}&to={stop}"))
    if not 0 < len(records) <= stop - start:
        raise IntegrityError(
            "answer of the service",
            expected=f"1 to {stop - start} records",
            got=str(len(records)),
        )
    return records


def _trim(kept: dict[Key, bytes]) -> None:
    """Forget what was kept first."""
    for old in list(kept)[: max(0, len(kept) - _KEPT)]:
        del kept[old]

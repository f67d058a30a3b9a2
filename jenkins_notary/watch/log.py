"""Read the log of a notary service over HTTP, as any verifier reads a ledger.

What is read is what C2SP tlog-tiles clients read: the checkpoint, hash tiles, entry
bundles, of the main log and of the trust log; beside them the envelopes, by digest.
Every byte is a claim of the service: a view checks it against the signed checkpoint.

Rows are the service's own lists, which nobody who checks it relies on. Only one kind is
asked for: the records that name a digest, to find which record erased an envelope.

Source: C2SP tlog-tiles; docs/formats/service-api.md.

Cost: a request a tile or bundle of 256 records, and one for 64 envelopes where these
are read in order.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.ports import Row
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.tiles import (
    TILE_WIDTH,
    decode_bundle,
    entries_path,
    tile_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from jenkins_notary.ports import LogName, RowKind
    from jenkins_notary.remote.service import Service

MAX_DIGESTS = 256
"""Envelopes that one request asks for."""

_AHEAD = 63
_BUNDLES_KEPT = 8
_ENVELOPES_KEPT = 512
_PAGE = 1000
_MAX_ROWS = 100_000
_DIGEST_BYTES = 32
_ENVELOPE = re.compile(rb'"envelope":"([0-9a-f]{64})"')


class ServiceLog:
    """A ``LogReader`` over a service; for one thread."""

    def __init__(self, open_service: Callable[[], Service]) -> None:
        """Read nothing yet.

        Args:
            open_service: Returns the service, whose time begins anew with each
                request.
        """
        self._open = open_service
        self._sizes: dict[LogName, int] = {}
        self._bundles: dict[tuple[LogName, int, int], tuple[bytes, ...]] = {}
        self._envelopes: dict[bytes, bytes] = {}
        self._last = b""

    def checkpoint(self) -> bytes | None:
        """Return the published checkpoint note, or None before the first."""
        try:
            note = self._read_file("/checkpoint")
        except NotFoundError:
            return None
        found = parse_checkpoint(parse_note(note).text)
        self._sizes = {"main": found.size, "trust": found.trust.size}
        return note

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        if not self._sizes:
            self.checkpoint()
        stop = min(stop, self._sizes.get(log, 0))
        found: list[bytes] = []
        while start < stop:
            n, place = divmod(start, TILE_WIDTH)
            bundle = self._bundle(log, n)
            taken = bundle[place : place + stop - start]
            found += taken
            start += len(taken)
        return found

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return a hash tile; no bytes if the service does not have it."""
        try:
            return self._read_file(_path(log, tile_path(level, n, width)))
        except NotFoundError:
            return b""

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        wanted = [one for one in digests if one not in self._envelopes]
        if len(digests) == 1 and wanted:
            wanted += self._following(wanted[0])
        found = self._fetch_envelopes(wanted)
        self._envelopes.update(found)
        answer = {
            one: self._envelopes[one] for one in digests if one in self._envelopes
        }
        self._last = digests[-1] if digests else b""
        for old in list(self._envelopes)[: len(self._envelopes) - _ENVELOPES_KEPT]:
            del self._envelopes[old]
        return answer

    def rows(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        limit: int,
        after: tuple[bytes, int] | None = None,
        newest_first: bool = False,
    ) -> Sequence[Row]:
        """Return the records that name one digest, sorted; see ``LogReader``.

        Raises:
            UsageError: Another kind of row, or a range of several digests.
        """
        if kind != "subject" or high != low + b"\0" or len(low) != _DIGEST_BYTES:
            raise UsageError(
                f"{kind} rows of a service",
                expected="the records that name one digest",
                got="others: only the service itself has them",
            )
        places = [(low, index) for index in self._find(low.hex())]
        places.sort(reverse=newest_first)
        if after is not None:
            places = [
                one for one in places if (one < after if newest_first else one > after)
            ]
        return [Row(kind, key, index) for key, index in places[:limit]]

    def _read_file(self, path: str) -> bytes:
        """Return a file of the log."""
        return self._open().read_file(path)

    def _bundle(self, log: LogName, n: int) -> tuple[bytes, ...]:
        """Return all entries of a bundle that the log has by now."""
        width = min(TILE_WIDTH, self._sizes[log] - n * TILE_WIDTH)
        key = log, n, width
        bundle = self._bundles.pop(key, None)
        if bundle is None:
            data = self._read_file(_path(log, entries_path(n, width)))
            bundle = decode_bundle(data, width)
        self._bundles[key] = bundle
        if len(self._bundles) > _BUNDLES_KEPT:
            del self._bundles[next(iter(self._bundles))]
        return bundle

    def _following(self, digest: bytes) -> Sequence[bytes]:
        """Return what whoever reads records in order will want next."""
        for (log, _, _), bundle in self._bundles.items():
            named = [] if log == "trust" else _named_envelopes(bundle)
            if digest in named:
                place = named.index(digest)
                in_order = not place or named[place - 1] == self._last
                return named[place + 1 : place + 1 + _AHEAD] if in_order else ()
        return ()

    def _fetch_envelopes(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the envelopes that the service has, as many requests as it takes."""
        found: dict[bytes, bytes] = {}
        waiting = [one.hex() for one in dict.fromkeys(digests)]
        while waiting:
            asked = waiting[:MAX_DIGESTS]
            answer = self._open().post("/envelopes", {"digests": asked})
            given = answer.get("envelopes")
            if not isinstance(given, dict) or not given.keys() & set(asked):
                raise _wrong("envelopes, or null for each that is gone")
            for name in given.keys() & set(asked):
                data = _envelope_of(given[name])
                if data is not None:
                    found[bytes.fromhex(name)] = data
            # What did not fit into the answer is asked for again.
            waiting = [one for one in waiting if one not in given]
        return found

    def _find(self, digest_hex: str) -> list[int]:
        """Return the indexes of the records that name a digest, as the service says."""
        found: list[int] = []
        before = ""
        while len(found) < _MAX_ROWS:
            path = f"/evidence?digest=sha256:{digest_hex}&limit={_PAGE}{before}"
            try:
                answer = self._open().get(path)
            except NotFoundError:
                break
            records = answer.get("records")
            if not isinstance(records, list):
                raise _wrong("records")
            found += [_index_of(one) for one in records]
            if answer.get("next") is None:
                break
            before = f"&before={_number(answer['next'])}"
        return found


def _path(log: LogName, name: str) -> str:
    """Return the path of a log's file below the service's URL."""
    return f"/{name}" if log == "main" else f"/trust/{name}"


def _named_envelopes(bundle: Sequence[bytes]) -> list[bytes]:
    """Return the envelope digests that entries name, unproven."""
    found = [_ENVELOPE.search(entry) for entry in bundle]
    return [bytes.fromhex(one[1].decode()) for one in found if one is not None]


def _envelope_of(value: object) -> bytes | None:
    """Return the bytes of an envelope's text, None for one that is gone."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong("an envelope's text")
    return value.encode("utf-8", "surrogatepass")


def _index_of(value: Any) -> int:  # noqa: ANN401 - JSON
    """Return the index that a record of an answer has."""
    return _number(value.get("index") if isinstance(value, dict) else None)


def _number(value: object) -> int:
    """Return a number of an answer."""
    if type(value) is not int or value < 0:
        raise _wrong("an index")
    return value


def _wrong(expected: str) -> IntegrityError:
    """Return the error for an answer that is not of the form."""
    return IntegrityError(
        "answer of the service",
        expected=expected,
        got="something else",
        advice="is it a notary service, of this version?",
    )

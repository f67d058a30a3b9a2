"""Store envelopes in immudb: encrypted, in pieces where they are long.

A value is a byte that says how it is stored, the place of its key in the tree
(:mod:`~jenkins_notary.engines.immudb.erasable`) in 8 bytes, and the sealed bytes, or
the number of pieces.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.packing import pack_envelope, unpack_envelope
from jenkins_notary.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jenkins_notary.engines.immudb.reading import Reader
    from jenkins_notary.engines.immudb.sealing import EnvelopeKeys
    from jenkins_notary.engines.immudb.trail import Trail
    from jenkins_notary.ports import Batch

PIECE_BYTES = 1 << 20
"""Envelopes longer than this are stored in pieces."""

MAX_PIECES = 64

_WHOLE, _IN_PIECES = range(2)
_START = struct.Struct(">BQ")
_COUNT = struct.Struct(">I")
_PLACES = 1 << 16
"""Places of one batch, beginning with that of its first record."""


class Envelopes:
    """The envelopes of one database; threads may share it."""

    def __init__(
        self, reader: Reader, trail: Trail, envelope_keys: EnvelopeKeys
    ) -> None:
        """Use a database.

        Args:
            reader: Reads it.
            trail: Writes pieces.
            envelope_keys: What envelopes are sealed with.
        """
        self._reader = reader
        self._trail = trail
        self._keys = envelope_keys

    def seal(self, batch: Batch) -> dict[bytes, bytes]:
        """Return the keys and values of a batch's envelopes.

        Pieces of long ones are stored here, before the commit that names them.
        """
        first = batch.main_start * _PLACES
        return {
            keys.format_envelope(digest): self._seal(first + number, digest, raw)
            for number, (digest, raw) in enumerate(batch.envelopes.items())
        }

    def find(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent and erased ones left out."""
        named = {keys.format_envelope(one): one for one in digests}
        found = {}
        for key, entry in self._reader.get_lasting([*named]).items():
            raw = self._open(named[key], entry.value)
            if raw is not None:
                found[named[key]] = raw
        return found

    def find_readable(self, named: Iterable[bytes]) -> set[bytes]:
        """Return those keys of envelopes that are there and were not erased."""
        found = self._reader.get_many([*named])
        return {
            key
            for key, entry in found.items()
            if self._keys.has(self._read_start(key, entry.value)[1])
        }

    def destroy(self, digests: Iterable[bytes]) -> list[bytes]:
        """Destroy the keys of envelopes that are there; return where those stand."""
        named = [keys.format_envelope(one) for one in digests]
        found = self._reader.get_many(named)
        places = [self._read_start(key, one.value)[1] for key, one in found.items()]
        if places:
            self._keys.destroy(places)
        return [*found]

    def scan(self) -> Iterator[bytes]:
        """Yield the SHA-256 of every stored envelope."""
        for entry in self._reader.scan(keys.ENVELOPES):
            yield keys.parse_envelope(entry.key)

    def _seal(self, place: int, digest: bytes, raw: bytes) -> bytes:
        """Return an envelope's value, its pieces stored where it is long."""
        data = self._keys.seal(place, digest, pack_envelope(raw))
        if len(data) <= PIECE_BYTES:
            return _START.pack(_WHOLE, place) + data
        starts = range(0, len(data), PIECE_BYTES)
        for number, start in enumerate(starts):
            key = keys.format_piece(digest, place, number)
            self._trail.set([(key, data[start : start + PIECE_BYTES])], [])
        return _START.pack(_IN_PIECES, place) + _COUNT.pack(len(starts))

    def _open(self, digest: bytes, value: bytes) -> bytes | None:
        """Return the envelope of its value, None if its key was destroyed.

        Raises:
            IntegrityError: It was altered, or a piece is missing.
        """
        kind, place = self._read_start(keys.format_envelope(digest), value)
        data = value[_START.size :]
        if kind == _IN_PIECES:
            (count,) = _COUNT.unpack(data)
            named = [keys.format_piece(digest, place, n) for n in range(count)]
            data = b"".join(self._reader.value(one) or b"" for one in named)
        packed = self._keys.open(place, digest, data)
        if packed is None:
            return None
        return unpack_envelope(packed, subject=self._subject(digest))

    def _read_start(self, key: bytes, value: bytes) -> tuple[int, int]:
        """Return (how, place) of an envelope's value."""
        kind, place = _START.unpack_from(value.ljust(_START.size, b"\xff"))
        rest = value[_START.size :]
        is_right = kind == _WHOLE or (
            kind == _IN_PIECES
            and len(rest) == _COUNT.size
            and _COUNT.unpack(rest)[0] <= MAX_PIECES
        )
        if not is_right:
            subject = self._subject(keys.parse_envelope(key))
            raise IntegrityError(subject, expected="a sealed envelope")
        return kind, place

    def _subject(self, digest: bytes) -> str:
        """Return what messages call an envelope."""
        return f"ledger {self._reader.name} envelope {digest.hex()}"

"""Find what stands in immudb and belongs to no ledger.

What a ledger has stands in a few ranges of keys, and is checked there. From the end of
one range the next key is asked for: one behind the last entry of a log, or with a name
that this program never gives, has been put there by somebody else.

Cost: a read for each range, and one for each key that is found.
"""

from __future__ import annotations

from itertools import islice

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.immudb.rows import prefix_end
from jenkins_notary.ports import ROW_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jenkins_notary.engines.immudb.reading import Reader
    from jenkins_notary.ports import LogName

MAX_STRAYS = 1000
SETTINGS = ("origin", "schema", "vkey")


def find_strays(reader: Reader, sizes: Mapping[LogName, int]) -> Iterator[bytes]:
    """Yield keys that no ledger has, the first of many.

    Args:
        reader: The database.
        sizes: How many entries each log has.
    """
    yield from islice(_walk(reader, _list_ranges(sizes)), MAX_STRAYS)


def _walk(reader: Reader, ranges: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Yield the keys outside of some ranges."""
    first = b""
    while True:
        entry = next(reader.scan(b"", first, page=1), None)
        if entry is None:
            return
        ends = [end for start, end in ranges if start <= entry.key < end]
        if ends:
            first = ends[0]
        else:
            yield entry.key
            first = entry.key + b"\x00"


def _list_ranges(sizes: Mapping[LogName, int]) -> list[tuple[bytes, bytes]]:
    """Return between which keys a ledger stands."""
    prefixes = [keys.ENVELOPES, keys.PIECES, *map(keys.rows_prefix, ROW_KINDS)]
    prefixes += [keys.tiles_prefix(log) for log in sizes]
    single = [keys.HEAD, keys.CHECKPOINT, *map(keys.format_setting, SETTINGS)]
    return [
        *((one, prefix_end(one)) for one in prefixes),
        *((one, one + b"\x00") for one in single),
        *(
            (keys.format_entry(log, 0), keys.format_entry(log, size))
            for log, size in sizes.items()
        ),
    ]

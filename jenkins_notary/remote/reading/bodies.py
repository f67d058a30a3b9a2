"""Get bodies from a service; nothing of one is handed out before all of it is proven.

A body is first written to a temporary file, which has no name and goes away with the
program.
"""

from __future__ import annotations

import tempfile  # noqa: TID253 - not in the agent part
from contextlib import contextmanager
from hashlib import sha256

from jenkins_notary.errors import IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from jenkins_notary.remote.service import Service

_PIECE = 256 << 10


@contextmanager
def fetched_body(
    service: Service, sha256_hex: str, size: int | None
) -> Iterator[BinaryIO]:
    """Give a block a file that holds a body, at its start.

    Args:
        service: Who has it.
        sha256_hex: Its address.
        size: How many bytes it has, None if not known.

    Raises:
        IntegrityError: The service sent other bytes.
    """
    with tempfile.TemporaryFile() as file:
        service.fetch(f"/blobs/sha256:{sha256_hex}", size, file)
        file.seek(0)
        found = sha256()
        while piece := file.read(_PIECE):
            found.update(piece)
        if found.hexdigest() != sha256_hex:
            raise IntegrityError(
                f"body of {service.url}",
                expected=f"sha256:{sha256_hex}",
                got=f"sha256:{found.hexdigest()}",
            )
        file.seek(0)
        yield file


def read_body(
    service: Service, sha256_hex: str, size: int | None = None
) -> Iterator[bytes]:
    """Yield the bytes of a body."""
    with fetched_body(service, sha256_hex, size) as file:
        while piece := file.read(_PIECE):
            yield piece

"""Send the files that go with records: hashed first, then streamed.

A service is told what a body is before it gets it, so a file is read twice. One that
changes in between is refused, here and there. Standard input is kept in a temporary
file meanwhile.
"""

from __future__ import annotations

import os
from hashlib import sha256

from jenkins_notary.assets.claims import Attachment
from jenkins_notary.assets.facts import guess_mime
from jenkins_notary.assets.files import hash_file
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.values.claim import MANIFEST_LABEL, check_label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import BinaryIO

    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.remote.service import Service

_PIECE = 256 << 10


class FileBody:
    """A file on its way to the service; a context manager.

    Attributes:
        sha256_hex: SHA-256 of its bytes.
        attachment: What it is.
    """

    def __init__(
        self, path: str, attachment: Attachment, *, is_temporary: bool = False
    ) -> None:
        """Keep what was hashed."""
        self._path = path
        self.attachment = attachment
        self._is_temporary = is_temporary
        self.sha256_hex = attachment.sha256_hex

    def __enter__(self) -> FileBody:  # noqa: PYI034 - Self is Python 3.11
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file if it was made here."""
        if self._is_temporary:
            os.remove(self._path)

    def describe(self) -> dict[str, object]:
        """Return the JSON form, as a claim has it."""
        one = self.attachment
        return {
            "name": one.name,
            "label": one.label,
            "mime": one.mime,
            "body": {"sha256": one.sha256_hex, "size": one.size},
        }

    def send(self, service: Service) -> Attachment:
        """Send the bytes; return what they are.

        Raises:
            NotaryError: The service does not take them, or the file has changed.
        """
        send_body(service, self.attachment, self.pieces)
        return self.attachment

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, and notice at the end that they are others."""
        hasher, size = sha256(), 0
        with open(self._path, "rb") as file:
            while size < self.attachment.size:
                piece = file.read(min(_PIECE, self.attachment.size - size))
                if not piece:
                    break
                hasher.update(piece)
                size += len(piece)
                yield piece
        if hasher.hexdigest() != self.sha256_hex:
            raise UsageError(
                self._path,
                expected="a file at rest",
                got="one that changed while it was sent",
            )


def list_bodies(
    attachments: Sequence[tuple[str, str | None]], manifests: Sequence[Asset]
) -> list[tuple[Attachment, Callable[[], Iterable[bytes]]]]:
    """Return what goes with a claim: each body, and what yields its bytes.

    They are attached files, which are hashed, and the manifests of directories.
    """
    files = [
        open_body(path, None, check_label(label), None) for path, label in attachments
    ]
    found: list[tuple[Attachment, Callable[[], Iterable[bytes]]]] = [
        (one.attachment, one.pieces) for one in files
    ]
    for asset in manifests:
        data = asset.manifest or b""
        digest = sha256(data).hexdigest()
        one = Attachment(
            asset.name, MANIFEST_LABEL, "application/json", digest, len(data)
        )
        found.append((one, lambda data=data: (data,)))  # type: ignore[misc]  # bound at once
    return found


def send_bodies(
    service: Service,
    attachments: Sequence[tuple[str, str | None]],
    manifests: Sequence[Asset],
) -> list[Attachment]:
    """Send attached files and directories' manifests; return what they are."""
    bodies = list_bodies(attachments, manifests)
    for one, pieces in bodies:
        send_body(service, one, pieces)
    return [one for one, _ in bodies]


def send_body(
    service: Service, one: Attachment, pieces: Callable[[], Iterable[bytes]]
) -> None:
    """Send the bytes of one body.

    Raises:
        NotaryError: The service does not take them, or they have changed.
    """
    answer = service.put(f"/blobs/sha256:{one.sha256_hex}", one.size, pieces)
    _check_stored(service, answer.get("body"), one)


def open_body(
    path: str, stdin: BinaryIO | None, label: str | None, mime: str | None
) -> FileBody:
    """Return a file that was hashed.

    Args:
        path: The file, or ``-`` for ``stdin``.
        stdin: Standard input, or None where there is none.
        label: A word to find it by, or None.
        mime: Its media type; None to guess by name.

    Raises:
        NotaryError: It cannot be read.
    """
    is_stdin = path == "-"
    name = "stdin" if is_stdin else os.path.basename(path)
    if is_stdin:
        if stdin is None:
            raise UsageError("-", expected="standard input", got="a closed one")
        path = _keep(stdin)
    digest, size = hash_file(path)
    kind = mime or guess_mime(name if is_stdin else path)
    attachment = Attachment(name, label, kind, digest, size)
    return FileBody(path, attachment, is_temporary=is_stdin)


def _keep(stream: BinaryIO) -> str:
    """Return the path of a temporary file with all bytes of a stream."""
    import shutil
    import tempfile

    with tempfile.NamedTemporaryFile("wb", prefix="notary-", delete=False) as file:
        shutil.copyfileobj(stream, file, _PIECE)
    return file.name


def _check_stored(service: Service, body: object, sent: Attachment) -> None:
    """Check that a service has stored what was sent."""
    found = body if isinstance(body, dict) else {}
    if (found.get("sha256"), found.get("size")) != (sent.sha256_hex, sent.size):
        raise IntegrityError(
            f"answer of {service.url}",
            expected=f"the body {sent.sha256_hex} of {sent.size} bytes",
            got=str(found)[:120],
        )

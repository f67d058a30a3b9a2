"""Keep bodies as objects of a bucket, the ``s3://`` adapter of the blob port.

An object a body, in the form that a file has (container.py), named
``PREFIX/sha256/<64 hex>``. A body is written to a temporary file of this host first:
its name is known at its end. Then it is sent, in parts where it is long; it is there
when the server has confirmed it, whole or not at all.

Read are parts of an object: its end, which has the index, once, and a request a chunk.
What comes is a claim, as from any store. In a bucket that keeps old versions, deleting
a body deletes all of its versions: what was erased must be gone.

Left out: how a server is reached and its errors are told (``s3_client``).
"""

from __future__ import annotations

import tempfile  # noqa: TID253 - not in the agent part
from contextlib import closing

from botocore.exceptions import ClientError

from jenkins_notary.blobs.container import (
    BodyReader,
    BodyWriter,
    cut_chunks,
    pack_chunks,
)
from jenkins_notary.blobs.s3_client import client, translated
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    StorageError,
    UsageError,
)
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.values.digest import is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from jenkins_notary.ports import BodyStore
    from jenkins_notary.values.body import Body

TAIL_BYTES = 64 << 10
"""Bytes of an object's end that are read first: the index of 400 MB."""

_KEPT = 4


class S3Blobs:
    """Bodies in a bucket; satisfies the BodyStore port.

    Several threads, processes and hosts may use one prefix at the same time.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        """Use a bucket, which is there already.

        Args:
            bucket: Its name.
            prefix: What the names of the objects begin with; "" for nothing.
        """
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/sha256/".lstrip("/")
        self._subject = f"bodies in s3://{bucket}/{prefix}"
        self._readers: dict[Body, BodyReader] = {}

    def put(self, stream: BinaryIO) -> Body:
        """Store all bytes of a stream, durably; one that exists is not stored again.

        What the stream itself raises comes through as it is, and nothing stays.

        Raises:
            StorageError: The temporary file or the server has no room.
            UnavailableError: The server does not answer.
        """
        return self.put_where(stream, lambda: self)

    def put_where(
        self, stream: BinaryIO, choose: Callable[[], BodyStore | None]
    ) -> Body:
        """Store a stream where is only known once it was read; see ``BodyStore``."""
        with tempfile.TemporaryFile() as file:
            writer = BodyWriter(_Local(file))
            with closing(pack_chunks(cut_chunks(stream))) as packed_chunks:
                for packed in packed_chunks:
                    writer.add(packed)
            body = writer.finish()
            target = choose()
            if target is not None:
                assert isinstance(target, S3Blobs)  # noqa: S101 - of one kind
                target._send(file, body)  # noqa: SLF001 - of this class
        return body

    def move(self, body: Body, target: BodyStore) -> bool:
        """Move a body to another store, durably; return whether it was here."""
        assert isinstance(target, S3Blobs)  # noqa: S101 - of one kind
        if not self.has(body.sha256_hex):
            return False
        source = {"Bucket": self._bucket, "Key": self._key(body.sha256_hex)}
        target._take(source, body)  # noqa: SLF001 - of this class
        return self.delete(body.sha256_hex)

    def has(self, sha256_hex: str) -> bool:
        """Return whether a body is stored; its bytes are not looked at.

        Raises:
            UsageError: No 64 hex digits.
        """
        key = self._key(sha256_hex)
        try:
            with translated(self._subject):
                client().head_object(Bucket=self._bucket, Key=key)
        except NotFoundError:
            return False
        return True

    def leaf_hashes(self, body: Body) -> Sequence[bytes]:
        """Return the RFC 6962 leaf hash of each chunk, as stored: a claim.

        Raises:
            NotFoundError: No such body.
            IntegrityError: The object is truncated, altered or another body's.
        """
        return self._reader(body).leaf_hashes()

    def chunk(self, body: Body, number: int) -> bytes:
        """Return one raw chunk: a claim, to be checked against its leaf hash.

        Raises:
            NotFoundError: No such body.
            UsageError: It has no such chunk.
            IntegrityError: The object is truncated, altered or another body's.
        """
        return self._reader(body).chunk(number)

    def delete(self, sha256_hex: str) -> bool:
        """Delete a body with all its versions; return whether there was one.

        Raises:
            UsageError: No 64 hex digits.
        """
        key = self._key(sha256_hex)
        self._readers.clear()
        is_there = self.has(sha256_hex)
        with translated(self._subject):
            versions = self._versions(key)
            for version in versions:
                client().delete_object(Bucket=self._bucket, Key=key, VersionId=version)
            if is_there and not versions:
                client().delete_object(Bucket=self._bucket, Key=key)
        return is_there or bool(versions)

    def scan(self) -> Iterator[str]:
        """Yield the SHA-256 hex of every stored body, sorted; other names are left."""
        with translated(self._subject):
            pages = client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for one in page.get("Contents", ()):
                    name = one["Key"].removeprefix(self._prefix)
                    if is_hex_digest(name):
                        yield name

    def read(self, key: str, wanted: str, limit: int) -> tuple[bytes, int]:
        """Return (bytes of an object, its whole length).

        Args:
            key: Its name.
            wanted: An HTTP range.
            limit: How many bytes that is at most.

        Raises:
            NotFoundError: No such object.
            IntegrityError: More came.
        """
        with translated(self._subject):
            found = client().get_object(Bucket=self._bucket, Key=key, Range=wanted)
            with closing(found["Body"]) as stream:
                # A server that gives the whole object must not fill the memory.
                data: bytes = stream.read(limit + 1)
        if len(data) > limit:
            raise IntegrityError(
                self._subject, expected=f"{wanted} of {key}", got="more bytes"
            )
        length = str(found.get("ContentRange", "")).rpartition("/")[2]
        return data, int(length) if length.isdigit() else len(data)

    def _key(self, sha256_hex: str) -> str:
        """Return a body's key; the one place where input becomes one."""
        if not is_hex_digest(sha256_hex):
            raise UsageError(
                "body address", expected="64 hex digits", got=repr(sha256_hex)[:80]
            )
        return f"{self._prefix}{sha256_hex}"

    def _reader(self, body: Body) -> BodyReader:
        """Return what reads a body, the index of which was read once."""
        found = self._readers.get(body)
        if found is None:
            found = BodyReader(_Object(self, self._key(body.sha256_hex), body), body)
            self._readers[body] = found
            for old in list(self._readers)[:-_KEPT]:
                self._readers.pop(old, None)
        return found

    def _send(self, file: BinaryIO, body: Body) -> None:
        """Store a written body, unless a whole one is there; the file may be closed."""
        if self._is_whole(body):
            return
        file.seek(0)
        key = self._key(body.sha256_hex)
        with translated(self._subject):
            client().upload_fileobj(file, self._bucket, key)

    def _take(self, source: dict[str, str], body: Body) -> None:
        """Copy an object of the same server, which does it by itself."""
        with translated(self._subject):
            client().copy(source, self._bucket, self._key(body.sha256_hex))

    def _is_whole(self, body: Body) -> bool:
        """Return whether a body is stored as it was written.

        Cost: all of it is read, as much as sending it again would take; but a server's
        readers keep an index, which another object need not have.
        """
        self._readers.pop(body, None)
        try:
            reader = self._reader(body)
            leaves = reader.leaf_hashes()
            return root_of(leaves).hex() == body.root_hex and all(
                hash_leaf(reader.chunk(number)) == leaf
                for number, leaf in enumerate(leaves)
            )
        except (NotFoundError, IntegrityError):
            return False

    def _versions(self, key: str) -> list[str]:
        """Return the old and present versions of an object that its bucket keeps."""
        pages = client().get_paginator("list_object_versions")
        try:
            return [
                one["VersionId"]
                for page in pages.paginate(Bucket=self._bucket, Prefix=key)
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
                if one["Key"] == key and one["VersionId"] != "null"
            ]
        except ClientError as error:
            # A server without versions has none of them.
            if error.response["Error"]["Code"] != "NotImplemented":
                raise
            return []


class _Local:
    """A temporary file of this host that is written, with this project's errors."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to a file."""
        self._file = file

    def write(self, data: bytes | bytearray, /) -> int:
        """Write all of some bytes."""
        try:
            return self._file.write(data)
        except OSError as error:
            raise StorageError(
                f"temporary file in {tempfile.gettempdir()}",
                expected="room for one body",
                got=error.strerror or "an error",
                advice="free space, or set TMPDIR",
            ) from error


class _Object:
    """An object of which parts are read; its end is read once."""

    def __init__(self, blobs: S3Blobs, key: str, body: Body) -> None:
        """Read the end.

        Raises:
            NotFoundError: No such object.
        """
        self._blobs, self._key = blobs, key
        try:
            self._tail, self._size = blobs.read(key, f"bytes=-{TAIL_BYTES}", TAIL_BYTES)
        except NotFoundError as error:
            raise NotFoundError(
                f"body {body.sha256_hex}",
                expected="to be stored there",
                advice="it was pruned, erased or never stored here",
            ) from error

    def size(self) -> int:
        """Return its length."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes; fewer where it ends."""
        start = offset - (self._size - len(self._tail))
        if start >= 0:
            return self._tail[start : start + length]
        last = min(offset + length, self._size) - 1
        wanted = f"bytes={offset}-{last}"
        return self._blobs.read(self._key, wanted, length)[0]

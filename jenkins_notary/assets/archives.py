"""Reduce image archives to digests: ``oci-archive:PATH``, ``docker-archive:PATH``.

Both read archives in place; nothing is extracted. PATH may be followed by ``:NAME``,
the image's name in an archive that holds several.

``oci-archive:`` takes a tar file with an OCI image layout, or the layout as a folder.
The subjects are those of the same image in a registry (manifest or index first, then
platforms and configs, see :mod:`jenkins_notary.assets.images`). Every blob that the
image leads to must be there and have its digest and size; so must each other blob.

``docker-archive:`` takes what ``docker save`` writes. The first subject is the config's
digest, the image Id that an engine shows; each layer, unpacked if it is compressed by
gzip, must be the one that the config lists (``rootfs.diff_ids``). Newer engines save an
OCI layout in the same file, and some load that one: both must be the same images.

Of a tar file the SHA-256 of the whole file is linked as the last subject, so that the
file itself, as a plain asset, is found too. A folder has no such digest.

Source: OCI image-spec v1.1 (image layout); moby's image/spec for ``manifest.json``.
"""

from __future__ import annotations

import os
import posixpath
import stat
import zlib
from hashlib import sha256

from jenkins_notary.assets.asset import Asset, Subject, is_digest, printable
from jenkins_notary.assets.files import explain_os_error, hash_file
from jenkins_notary.assets.images import (
    MAX_MANIFEST_BYTES,
    FetchedManifest,
    ImageResolution,
    parse_descriptor,
    parse_document,
    parse_json,
)
from jenkins_notary.assets.tar_index import Member, index_tar
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Protocol

    Facts = dict[str, str | int | bool]

    class _Archive(Protocol):
        """Files by name, in a tar file or a folder."""

        what: str

        def names(self) -> list[str]: ...

        def stream(self, name: str) -> Iterator[bytes]: ...

        def read(self, name: str, limit: int) -> bytes: ...


MAX_LAYER_BYTES = 64 * 1024**3
"""Bytes that one compressed layer may unpack to."""

_CHUNK = 1024 * 1024
_BLOBS = "blobs/sha256/"
_REF_NAME = "org.opencontainers.image.ref.name"
_MAX_CONFIG_BYTES = 8 * 1024 * 1024
_MAX_HOPS = 1


def read_oci_archive(path: str, *, name: str) -> Asset:
    """Return the image in an OCI layout, a tar file or a folder.

    Args:
        path: The archive, perhaps followed by ``:NAME``.
        name: What the asset is called.

    Raises:
        NotFoundError: There is no such archive, or no image of that name in it.
        AmbiguousError: It holds several images and none is named.
        IntegrityError: A blob is missing or is not what its digest says.
        UsageError: It is not an OCI layout, or changed while it was read.
    """
    file_path, image_name = _split_image_name(path)
    if os.path.isdir(file_path):
        return _read_layout(_Folder(file_path), image_name, name, None)
    with _open(file_path) as file:
        archive = _TarFile(file, file_path)
        return _read_layout(archive, image_name, name, archive.subject(name))


def read_docker_archive(path: str, *, name: str) -> Asset:
    """Return the image in a ``docker save`` archive; arguments and errors as above."""
    file_path, image_name = _split_image_name(path)
    with _open(file_path) as file:
        archive = _TarFile(file, file_path)
        own = archive.subject(name)
        entries = _list_saved(archive)
        entry = _choose_saved(archive, entries, image_name)
        digest, config = _read_config(archive, entry)
        diff_ids = _diff_ids(parse_document(config, f"config of {archive.what}"))
        _check_layers(archive, entry.get("Layers"), diff_ids)
        if "index.json" in archive.names():
            _check_same_images(archive, {_read_config(archive, e)[0] for e in entries})
        archive.check_at_rest()
        facts: Facts = {"format": "docker-archive", "layers": len(diff_ids)}
        subjects = (Subject(f"{name}#config", digest), own)
        return _archive_asset(
            name, archive.size, subjects=subjects, facts=facts, image=_tag_of(entry)
        )


def _read_config(archive: _TarFile, entry: dict[str, object]) -> tuple[str, bytes]:
    """Return digest and content of a saved image's config, named by its digest."""
    config_name = str(entry.get("Config", ""))
    config = archive.read(config_name, _MAX_CONFIG_BYTES)
    digest = "sha256:" + sha256(config).hexdigest()
    hex_name = posixpath.basename(config_name).partition(".")[0]
    if f"sha256:{hex_name}" != digest:
        raise IntegrityError(
            f"config {printable(config_name)} of {archive.what}",
            expected="content with the digest that is its name",
            got=digest,
        )
    return digest, config


def _check_same_images(archive: _TarFile, saved: set[str]) -> None:
    """Compare ``manifest.json`` with the OCI layout in the same file."""

    def fetch(version: str) -> FetchedManifest | None:
        blob = _BLOBS + version.partition(":")[2]
        # An engine that holds one platform of an index saves the index with gaps.
        if blob not in archive.names():
            return None
        return FetchedManifest(archive.read(blob, MAX_MANIFEST_BYTES))

    laid_out: set[str] = set()
    for _, digest in _list_images(archive):
        resolution = ImageResolution(archive.what, fetch)
        resolution.start(digest, expected_digest=digest)
        laid_out.update(resolution.configs)
    if laid_out != saved:
        raise IntegrityError(
            archive.what,
            expected="the same images in manifest.json and index.json",
            got="different ones",
        )


def _archive_asset(
    name: str,
    size: int | None,
    *,
    subjects: tuple[Subject, ...],
    facts: Facts,
    image: str,
) -> Asset:
    """Build the asset; ``image`` is the name that the archive gives it, or ""."""
    if image:
        facts["image"] = printable(image)
    return Asset(name, "image-archive", size, subjects, None, facts)


def _split_image_name(path: str) -> tuple[str, str]:
    """Split ``PATH[:NAME]``; what exists as a path as it stands is one."""
    head, colon, tail = path.partition(":")
    while colon and not os.path.lexists(path):
        if os.path.lexists(head):
            return head, tail
        more, colon, tail = tail.partition(":")
        head = f"{head}:{more}"
    return path, ""


def _open(path: str) -> BinaryIO:
    """Open a regular file; nothing else is waited for."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise explain_os_error(path, error) from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise UsageError(
            printable(path), expected="an archive file", got="something else"
        )
    return file


class _TarFile:
    """An archive in one tar file, held open from its hash to its last byte read."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.what = printable(path)
        self._path = path
        self._file = file
        self._before = os.fstat(file.fileno())
        self.size = self._before.st_size
        self._members = index_tar(file, self.size, self.what)

    def subject(self, name: str) -> Subject:
        """Return the whole file as a subject."""
        digest, _ = hash_file(self._path)
        return Subject(name, "sha256:" + digest)

    def check_at_rest(self) -> None:
        """Raise UsageError if the file changed since it was opened."""
        for after in (os.fstat(self._file.fileno()), os.stat(self._path)):
            if (after.st_ino, after.st_size, after.st_mtime_ns) != (
                self._before.st_ino,
                self._before.st_size,
                self._before.st_mtime_ns,
            ):
                raise UsageError(
                    self.what,
                    expected="a file at rest",
                    got="one that changed while it was read",
                    advice="wait until its writer is done, then try again",
                )

    def names(self) -> list[str]:
        """Return the names of all files."""
        return [m.name for m in self._members.values() if m.kind == "file"]

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes; a link is followed once, inside of the archive."""
        member = self._find(name)
        offset, end = member.offset, member.offset + member.size
        while offset < end:
            self._file.seek(offset)
            chunk = self._file.read(min(_CHUNK, end - offset))
            if not chunk:
                raise IntegrityError(
                    self.what, expected="a whole file", got="a cut one"
                )
            yield chunk
            offset += len(chunk)

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file whole; a link in its place is refused."""
        member = self._find(name, hops=0)
        if member.size > limit:
            raise _too_long(self.what, name, limit)
        return b"".join(self.stream(name))

    def _find(self, name: str, hops: int = _MAX_HOPS) -> Member:
        # "docker save" of old wrote repeated layers as links to the first.
        member = self._members.get(posixpath.normpath(name))
        while member and member.kind in ("link", "hard link") and hops:
            base = posixpath.dirname(member.name) if member.kind == "link" else ""
            target = posixpath.normpath(posixpath.join(base, member.target))
            member = self._members.get(target)
            hops -= 1
        if member is None or member.kind != "file":
            raise _absent(self.what, name, "a link" if member else "none")
        return member


class _Folder:
    """An archive unpacked in a folder; links in it are not followed."""

    def __init__(self, path: str) -> None:
        self.what = printable(path)
        self.size = None
        self._path = path

    def check_at_rest(self) -> None:
        """Do nothing: each file is read by its digest."""

    def names(self) -> list[str]:
        """Return the names of all blobs."""
        try:
            found = os.listdir(os.path.join(self._path, _BLOBS))
        except OSError as error:
            raise explain_os_error(os.path.join(self._path, _BLOBS), error) from error
        return [_BLOBS + name for name in found]

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes."""
        full = os.path.join(self._path, *name.split("/"))
        if os.path.islink(full):
            raise _absent(self.what, name, "a link")
        try:
            file = _open(full)
        except NotFoundError as error:
            raise _absent(self.what, name, "none") from error
        with file:
            yield from iter(lambda: file.read(_CHUNK), b"")

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file whole."""
        content = b""
        for chunk in self.stream(name):
            content += chunk
            if len(content) > limit:
                raise _too_long(self.what, name, limit)
        return content


def _read_layout(
    archive: _TarFile | _Folder, image_name: str, name: str, own: Subject | None
) -> Asset:
    """Read an OCI layout: its marker, its one image, every blob."""
    marker = parse_document(archive.read("oci-layout", _CHUNK), "oci-layout")
    if marker.get("imageLayoutVersion") != "1.0.0":
        raise UsageError(archive.what, expected="OCI layout 1.0.0", got="another one")
    digest, image = _choose_image(archive, image_name)

    def fetch(version: str) -> FetchedManifest:
        blob = _BLOBS + version.partition(":")[2]
        return FetchedManifest(archive.read(blob, MAX_MANIFEST_BYTES))

    resolution = ImageResolution(name, fetch)
    resolution.start(digest, expected_digest=digest)
    _check_blobs(archive, resolution)
    archive.check_at_rest()
    subjects = tuple(resolution.subjects) + ((own,) if own else ())
    facts: Facts = {"format": "oci-archive", **resolution.facts(None)}
    if own:
        subjects = (*subjects[:-1], own._replace(name=f"{name}#file"))
    return _archive_asset(
        name, archive.size, subjects=subjects, facts=facts, image=image
    )


def _list_images(archive: _Archive) -> list[tuple[str, str]]:
    """Return (name, digest) of each image that ``index.json`` lists."""
    index = parse_document(archive.read("index.json", MAX_MANIFEST_BYTES), "index.json")
    entries = index.get("manifests")
    images: list[tuple[str, str]] = []
    for entry in entries if isinstance(entries, list) else []:
        digest = parse_descriptor(entry, archive.what).digest
        annotations = entry.get("annotations")
        names = annotations if isinstance(annotations, dict) else {}
        images.append((str(names.get(_REF_NAME, "")), digest))
    return images


def _choose_image(archive: _Archive, wanted: str) -> tuple[str, str]:
    """Return (digest, name) of the one image in the layout, or that of the name."""
    images = _list_images(archive)
    found = [(d, n) for n, d in images if n == wanted or not wanted]
    if len(set(found)) == 1:
        return found[0]
    raise _not_one(
        archive.what, wanted, [n or d for n, d in images], any_found=bool(found)
    )


def _list_saved(archive: _TarFile) -> list[dict[str, object]]:
    """Return the entries of ``manifest.json``."""
    listing = archive.read("manifest.json", MAX_MANIFEST_BYTES)
    whole = parse_json(listing, f"manifest.json of {archive.what}")
    return [e for e in whole if isinstance(e, dict)] if isinstance(whole, list) else []


def _choose_saved(
    archive: _TarFile, entries: list[dict[str, object]], wanted: str
) -> dict[str, object]:
    """Return the one entry, or that with the tag wanted."""
    found = [e for e in entries if not wanted or wanted in _tags(e)]
    if len(found) == 1:
        return found[0]
    names = [_tag_of(entry) or str(entry.get("Config"))[:19] for entry in entries]
    raise _not_one(archive.what, wanted, names, any_found=bool(found))


def _tags(entry: dict[str, object]) -> list[str]:
    tags = entry.get("RepoTags")
    return [t for t in tags if isinstance(t, str)] if isinstance(tags, list) else []


def _tag_of(entry: dict[str, object]) -> str:
    return next(iter(_tags(entry)), "")


def _check_blobs(archive: _Archive, resolution: ImageResolution) -> None:
    """Hash every blob once; then each layer and config must be among them."""
    sizes: dict[str, int] = {}
    for blob in archive.names():
        if blob.startswith(_BLOBS):
            digest = "sha256:" + blob[len(_BLOBS) :]
            actual, sizes[digest] = _hash(archive, blob)
            if actual != digest:
                raise IntegrityError(
                    f"blob {printable(digest)} of {archive.what}",
                    expected="content with this digest",
                    got=actual,
                )
    for document in resolution.manifests.values():
        layers = document.get("layers")
        entries = layers if isinstance(layers, list) else []
        for entry in [document.get("config"), *entries]:
            _check_present(archive.what, entry, sizes)


def _check_present(what: str, entry: object, sizes: dict[str, int]) -> None:
    """Raise IntegrityError unless the blob of a descriptor is there in its size."""
    wanted = parse_descriptor(entry, what)
    # A layer that may not be passed on names URLs instead, and may be absent.
    may_be_absent = isinstance(entry, dict) and bool(entry.get("urls"))
    found = sizes.get(wanted.digest, wanted.size if may_be_absent else None)
    if found != wanted.size:
        raise IntegrityError(
            f"blob {wanted.digest} of {what}",
            expected=f"{wanted.size} bytes",
            got="none" if found is None else str(found),
        )


def _hash(archive: _Archive, name: str) -> tuple[str, int]:
    """Return digest and size of a file, streamed."""
    hasher, size = sha256(), 0
    for chunk in archive.stream(name):
        hasher.update(chunk)
        size += len(chunk)
    return "sha256:" + hasher.hexdigest(), size


def _diff_ids(config: dict[str, object]) -> list[str]:
    """Return the digests of the uncompressed layers that a config lists."""
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    ids = found if isinstance(found, list) else []
    if found is None or not all(isinstance(i, str) and is_digest(i) for i in ids):
        raise UsageError("image config", expected="rootfs.diff_ids", got="none")
    return ids


def _check_layers(archive: _TarFile, layers: object, diff_ids: list[str]) -> None:
    """Compare each layer file with the config's list."""
    names = (
        [n for n in layers if isinstance(n, str)] if isinstance(layers, list) else []
    )
    if len(names) != len(diff_ids):
        raise IntegrityError(
            archive.what, expected=f"{len(diff_ids)} layers", got=str(len(names))
        )
    for name, diff_id in zip(names, diff_ids):
        actual, _ = _hash(archive, name)
        if actual != diff_id and _hash_unpacked(archive, name) != diff_id:
            raise IntegrityError(
                f"layer {printable(name)} of {archive.what}",
                expected=diff_id,
                got=actual,
            )


def _hash_unpacked(archive: _TarFile, name: str) -> str:
    """Return the digest of a layer without its gzip compression; "" if it has none."""
    hasher, total, is_whole = sha256(), 0, False
    unpacker = zlib.decompressobj(wbits=31)
    for chunk in archive.stream(name):
        data = chunk
        while data:
            try:
                # Bounded output: a few bytes may unpack to a thousand times as many.
                unpacked = unpacker.decompress(data, _CHUNK)
            except zlib.error:
                return ""
            hasher.update(unpacked)
            total += len(unpacked)
            data = unpacker.unconsumed_tail
            is_whole = unpacker.eof
            if is_whole:
                data = unpacker.unused_data
                unpacker = zlib.decompressobj(wbits=31)
            if total > MAX_LAYER_BYTES:
                raise _too_long(archive.what, name, MAX_LAYER_BYTES)
    return "sha256:" + hasher.hexdigest() if is_whole else ""


def _not_one(
    what: str, wanted: str, names: list[str], *, any_found: bool
) -> NotaryError:
    """Return the failure to choose one image."""
    listed = printable(", ".join(names[:10])) or "none"
    if any_found or (names and not wanted):
        return AmbiguousError(
            what, expected="one image", got=listed, advice="add :NAME to the path"
        )
    return NotFoundError(what, expected=f"image {printable(wanted)}", got=listed)


def _absent(what: str, name: str, got: str) -> IntegrityError:
    return IntegrityError(what, expected=f"a file {printable(name)}", got=got)


def _too_long(what: str, name: str, limit: int) -> UsageError:
    return UsageError(
        f"{printable(name)} of {what}", expected=f"at most {limit} bytes", got="more"
    )

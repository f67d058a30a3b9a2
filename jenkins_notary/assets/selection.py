"""Turn the words of a command line into assets.

====================  =============================================================
``app.jar``           a file; a folder is taken as ``dir://``; else a pattern
``out/**/*.jar``      a pattern; matching no file is a failure
``file://PATH``       a file, whatever characters its name has
``dir://PATH``        a folder, by its manifest
``git://PATH``        the commit of a git work tree; PATH may be left out
``image://REF``       an image in a registry
``docker://REF``      an image of the local engine; ``podman://REF`` alike
``oci-archive:PATH``  an OCI layout, tar file or folder (``oci:PATH`` is the same)
``docker-archive:P``  a file that ``docker save`` wrote
``https://…``         what a URL serves
``sha256:HEX``        a bare digest; its name is given apart
``-`` / ``-0``        a list of such words on standard input, by line or by NUL
====================  =============================================================

Names: a path as it was given, normalized, with ``/``, as long as it lies below the
current directory (an absolute path is made relative); of any other path only the last
part. So the same file name may occur several times, and no home directory is recorded.

All faults of a call are collected and raised together; nothing is returned then. An
empty word is refused, never read as the current directory. Plain files are on the fast
path: other kinds are imported only when a word asks for them.
"""

from __future__ import annotations

import os

from jenkins_notary.assets.asset import (
    Asset,
    Subject,
    printable,
    raise_faults,
)
from jenkins_notary.assets.facts import describe_file
from jenkins_notary.assets.files import DirectoryGivenError, HashedFile, hash_each
from jenkins_notary.errors import InternalError, NotaryError, NotFoundError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import parse_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO, TypeVar

    from jenkins_notary.assets.files import Progress
    from jenkins_notary.assets.images import ImageSource
    from jenkins_notary.assets.urls import UrlSource

    Source = TypeVar("Source")

MAX_WORD_BYTES = 32 * 1024
"""Longest entry of a list on standard input."""

MAX_WORDS = 1_000_000
"""Entries that one list may have."""

_READ_BYTES = 64 * 1024
_LISTS = {"-": b"\n", "-0": b"\0"}


class SelectionOptions(NamedTuple):
    """What :func:`collect_assets` needs beside the words.

    Attributes:
        name: The name of the one asset that the words select; None for its own.
        unnamed_digests: Whether a bare digest may stand without a name (a lookup); its
            name is then the digest.
        stdin: Where lists are read from; None where there is no standard input.
        workers: Threads for large files; None for one a usable processor.
        progress: Called with (bytes done, files done), both of the whole call.
        open_images: Makes the registry client, when a word first needs it.
        open_urls: Makes the URL client, when a word first needs it.
        digest_file: What the push of the one image wrote; then no registry is asked.
    """

    name: str | None = None
    unnamed_digests: bool = False
    stdin: BinaryIO | None = None
    workers: int | None = None
    progress: Progress | None = None
    open_images: Callable[[], ImageSource] | None = None
    open_urls: Callable[[], UrlSource] | None = None
    digest_file: str | None = None


class Unread(NamedTuple):
    """An asset that could not be read, and why."""

    word: str
    error: NotaryError


def collect_assets(
    words: Sequence[str], options: SelectionOptions | None = None
) -> list[Asset]:
    """Return the assets that the words name, in their order.

    Args:
        words: See the table of this module; at least one.
        options: None for all defaults.

    Raises:
        NotaryError: The only fault met.
        FaultsError: There are several; each is named, up to a limit.
    """
    options = options or SelectionOptions()
    collection = _Collection(options)
    for word in _expand(words, options.stdin):
        if isinstance(word, NotaryError):
            collection.faults.append(word)
        else:
            collection.add(word)
    assets = collection.finish()
    if options.digest_file is not None and [a.kind for a in assets] != ["image"]:
        raise UsageError(
            "--digest-file",
            expected="one asset, image://NAME",
            got=", ".join(one.kind for one in assets[:5]),
        )
    if options.name is not None:
        _check_name(options.name, assets)
        return [_rename(assets[0], options.name)]
    return assets


def expand_lists(words: Sequence[str], stdin: BinaryIO | None) -> list[str]:
    """Return the words with each list on standard input replaced by its entries.

    For callers that judge each asset alone: the list can be read only once.

    Raises:
        UsageError: A list is missing, stands twice, or has an entry that is blank, too
            long, or itself a list.
    """
    found: list[str] = []
    for word in _expand(words, stdin):
        if isinstance(word, NotaryError):
            raise word
        found.append(word)
    return found


def collect_each(
    words: Sequence[str], collect: Callable[[Sequence[str]], list[Asset]]
) -> Iterator[Asset | Unread]:
    """Yield each asset, or why one cannot be read."""
    try:
        yield from collect(words)
    except NotaryError as error:
        if len(words) == 1:
            yield Unread(words[0], error)
            return
        for word in words:
            try:
                yield from collect([word])
            except NotaryError as fault:
                yield Unread(word, fault)


def display_name(path: str) -> str:
    """Return the name that a path is recorded under.

    >>> display_name("./out//app.jar"), display_name("../other/app.jar")
    ('out/app.jar', 'app.jar')

    Raises:
        UsageError: It is not UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            printable(path), expected="a name in UTF-8", got="other bytes"
        ) from error
    clean = os.path.normpath(path)
    if os.path.isabs(clean):
        here = _current_directory().rstrip(os.sep) + os.sep
        if clean.startswith(here):
            clean = clean[len(here) :]
        else:
            clean = os.path.basename(clean) or "root"
    elif clean in (".", "..") or clean.startswith(".." + os.sep):
        whole = os.path.normpath(os.path.join(_current_directory(), clean))
        clean = os.path.basename(whole) or "root"
    return clean.replace(os.sep, "/")


def _current_directory() -> str:
    """Return the current directory; one that no name starts with if it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return "\0"


class _Collection:
    """The words of one call on their way to assets; one slot a word keeps the order."""

    def __init__(self, options: SelectionOptions) -> None:
        self._options = options
        self._slots: list[list[Asset]] = []
        self.faults: list[NotaryError] = []
        self._files: list[tuple[int, str]] = []
        self._bytes_done = 0
        self._files_done = 0
        self._images: ImageSource | None = None
        self._urls: UrlSource | None = None

    def add(self, word: str) -> None:
        """Take one word; plain paths wait to be hashed together."""
        slot: list[Asset] = []
        self._slots.append(slot)
        if ":" not in word:
            self._files.append((len(self._slots) - 1, word))
            return
        try:
            path = self._add_special(word, slot)
        except NotaryError as fault:
            self.faults.append(fault)
        else:
            if path is not None:
                self._files.append((len(self._slots) - 1, path))

    def finish(self) -> list[Asset]:
        """Hash what waits, and return all assets or raise all faults."""
        self._hash_waiting(self._resolve_missing)
        raise_faults(self.faults)
        assets = [asset for slot in self._slots for asset in slot]
        if not assets:
            raise UsageError("assets", expected="at least one", got="none")
        return assets

    def _add_special(self, word: str, slot: list[Asset]) -> str | None:
        """Take a word with a colon; return a path that is to be hashed as a file."""
        scheme, _, rest = word.partition(":")
        if rest.startswith("//"):
            if scheme in ("https", "http"):
                slot.append(self._read_url(word))
                return None
            return self._add_scheme(scheme, rest[2:], slot)
        if scheme in ("oci-archive", "oci", "docker-archive"):
            # Only here: most calls name no archive.
            from jenkins_notary.assets import archives

            is_docker = scheme == "docker-archive"
            read = (
                archives.read_docker_archive if is_docker else archives.read_oci_archive
            )
            slot.append(read(_required(rest, word), name=display_name(rest)))
            return None
        if scheme.lower() == "sha256":
            slot.append(self._read_digest(word))
            return None
        return word

    def _add_scheme(self, scheme: str, rest: str, slot: list[Asset]) -> str | None:
        """Take ``scheme://rest``; return a path that is to be hashed as a file."""
        word = f"{scheme}://{rest}"
        if scheme == "file":
            return "file://" + _required(rest, word)
        if scheme == "dir":
            slot.append(self._read_directory(_required(rest, word)))
        elif scheme == "git":
            # Only here, as each kind below: most calls name plain files.
            from jenkins_notary.assets.git import hash_commit

            slot.append(hash_commit(rest or "."))
        elif scheme == "image":
            slot.append(self._read_image(_required(rest, word)))
        elif scheme in ("docker", "podman"):
            from jenkins_notary.assets.local_images import (
                inspect_image,
            )

            slot.append(inspect_image(scheme, _required(rest, word)))
        else:
            raise UsageError(
                printable(word),
                expected="file, dir, git, image, docker, podman or https before ://",
                got=printable(scheme) or "nothing",
            )
        return None

    def _read_image(self, text: str) -> Asset:
        from jenkins_notary.assets.images import resolve_image
        from jenkins_notary.assets.reference import parse_reference

        reference = parse_reference(text)
        if self._options.digest_file is not None:
            from jenkins_notary.assets.digest_file import read_pushed_image

            return read_pushed_image(reference, self._options.digest_file)
        if self._images is None:
            self._images = _opened(self._options.open_images)
        return resolve_image(reference, self._images)

    def _read_url(self, url: str) -> Asset:
        from jenkins_notary.assets.urls import hash_url

        if self._urls is None:
            self._urls = _opened(self._options.open_urls)
        asset = hash_url(url, self._urls, progress=lambda done: self._report(done, 0))
        self._count(asset)
        return asset

    def _read_directory(self, path: str) -> Asset:
        from jenkins_notary.assets.directories import hash_directory

        asset = hash_directory(
            path,
            name=display_name(path),
            workers=self._options.workers,
            progress=self._report if self._options.progress else None,
        )
        self._bytes_done += asset.size or 0
        self._files_done += int(asset.metadata["files"])
        return asset

    def _read_digest(self, word: str) -> Asset:
        digest = parse_digest(word)
        if self._options.name is None and not self._options.unnamed_digests:
            raise UsageError(
                digest, expected="a name for the bare digest", got="none",
                advice="add --name NAME",
            )  # fmt: skip
        return Asset(digest, "digest", None, (Subject(digest, digest),))

    def _hash_waiting(
        self, resolve: Callable[[int, str, NotaryError], None] | None
    ) -> None:
        """Hash the waiting files together; what is no file goes to ``resolve``."""
        waiting, self._files = self._files, []
        paths = [_path_of(word) for _, word in waiting]
        outcomes = hash_each(
            paths,
            workers=self._options.workers,
            progress=self._report if self._options.progress else None,
        )
        for (slot, word), path, outcome in zip(waiting, paths, outcomes):
            try:
                if isinstance(outcome, HashedFile):
                    asset = _file_asset(path, outcome)
                    self._slots[slot].append(asset)
                    self._count(asset)
                elif resolve is None or word is not path:
                    raise outcome
                else:
                    resolve(slot, path, outcome)
            except NotaryError as fault:
                self.faults.append(fault)
        if self._files:
            self._hash_waiting(None)

    def _resolve_missing(self, slot: int, path: str, fault: NotaryError) -> None:
        """Take a bare path that is no file as a folder, else as a pattern."""
        if isinstance(fault, DirectoryGivenError):
            self._slots[slot].append(self._read_directory(path))
            return
        if isinstance(fault, NotFoundError):
            from jenkins_notary.assets.globs import (
                expand_pattern,
                is_pattern,
            )

            if is_pattern(path):
                self._files += [(slot, found) for found in expand_pattern(path)]
                return
        raise fault

    def _report(self, bytes_done: int, files_done: int) -> None:
        """Pass on progress, on top of what earlier parts of the call did."""
        if self._options.progress:
            self._options.progress(
                self._bytes_done + bytes_done, self._files_done + files_done
            )

    def _count(self, asset: Asset) -> None:
        self._bytes_done += asset.size or 0
        self._files_done += 1


def _path_of(word: str) -> str:
    """Return the path of a waiting word: itself, or what follows ``file://``."""
    return word[len("file://") :] if word.startswith("file://") else word


def _file_asset(path: str, hashed: HashedFile) -> Asset:
    """Build the asset of one hashed file."""
    name = display_name(path)
    subject = Subject(name, "sha256:" + hashed.sha256_hex)
    facts = describe_file(name, hashed.head)
    return Asset(name, "file", hashed.size, (subject,), None, facts)


def _required(text: str, word: str) -> str:
    """Return what follows a scheme; it must not be empty."""
    if not text.strip():
        raise UsageError(printable(word), expected="a name after it", got="nothing")
    return text


def _opened(opener: Callable[[], Source] | None) -> Source:
    """Return the client for a kind of asset that comes over the network."""
    if opener is None:
        raise InternalError("network asset", expected="a client for it", got="none")
    return opener()


def _check_name(name: str, assets: Iterable[Asset]) -> None:
    """Refuse a name that is blank, or stands for several assets."""
    count = sum(1 for _ in assets)
    if not name.strip() or not name.isprintable() or len(name) > MAX_WORD_BYTES:
        raise UsageError("name", expected="a printable name", got=printable(name))
    if count != 1:
        raise UsageError(
            f"name {name}", expected="one asset to give it to", got=f"{count}"
        )


def _rename(asset: Asset, name: str) -> Asset:
    """Return the asset under another name; linked subjects keep their endings."""
    own = asset.name
    subjects = tuple(
        s._replace(name=name + s.name[len(own) :] if s.name.startswith(own) else s.name)
        for s in asset.subjects
    )
    return asset._replace(name=name, subjects=subjects)


def _no_list(*, has_read: bool) -> UsageError:
    """Return the error for a list that is not there to be read."""
    return UsageError(
        "the list of assets",
        expected="one list on standard input",
        got="a second one" if has_read else "none there",
    )


def _read_list(stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """Yield the words of a list; a blank one and a nested list are refused."""
    for number, word in enumerate(_read_words(stream, separator), 1):
        if not word.strip() or word in _LISTS:
            raise UsageError(
                f"entry {number} of the list on standard input",
                expected="an asset",
                got="a blank one" if not word.strip() else word,
            )
        yield word


def _expand(
    words: Sequence[str], stdin: BinaryIO | None
) -> Iterator[str | NotaryError]:
    """Yield the words and the entries of lists; a list ends at its first fault."""
    has_read = False
    for word in words:
        if word not in _LISTS:
            yield word
            continue
        try:
            if stdin is None or has_read:
                raise _no_list(has_read=has_read)
            has_read = True
            yield from _read_list(stdin, _LISTS[word])
        except NotaryError as fault:
            yield fault


def _read_words(stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """Yield the entries of a list; a separator at the very end opens no entry."""
    rest, count = b"", 0
    while True:
        chunk = stream.read(_READ_BYTES)
        *whole, rest = (rest + chunk).split(separator)
        if not chunk and rest:
            whole, rest = [rest], b""
        for entry in whole:
            count += 1
            if count > MAX_WORDS:
                raise UsageError("list", expected=f"at most {MAX_WORDS}", got="more")
            _check_length(entry, count)
            text = entry[:-1] if separator == b"\n" and entry[-1:] == b"\r" else entry
            yield os.fsdecode(text)
        _check_length(rest, count + 1)
        if not chunk:
            return


def _check_length(entry: bytes, number: int) -> None:
    if len(entry) > MAX_WORD_BYTES:
        raise UsageError(
            f"entry {number} of the list on standard input",
            expected=f"at most {MAX_WORD_BYTES} bytes",
            got="more",
        )

"""Record the lines of a log file of any program, as they come: ``ledger tail``.

Lines are recorded in pieces, each a body and a record of type ``attachment`` with the
label ``tail``, whose predicate says where the piece stood::

    {"tail": {"source": "build-7:/var/log/app.log", "start": 0, "stop": 4096,
              "lines": 31, "json": 28, "bad": 1, "gap": false,
              "head": {"size": 4096, "sha256": "<64 hex>"},
              "end": {"size": 4096, "sha256": "<64 hex>"}}}

- The newest piece of a source that this signer recorded tells where to go on; there is
  no other state. A digest of the source is one of its subjects.
- The file is known by its first bytes, and by the last ones that were recorded (files
  may begin alike), whatever it is called by now. After a rotation the rest is read from
  where it went (``app.log.1``), then what followed it.
- Where the file is found nowhere, the next piece says ``gap``. So does an empty piece
  that follows one that was erased: nothing tells where that ended.
- Only whole lines are taken. A bad line (no UTF-8, a broken JSON object, or longer than
  a piece) is kept as it is, and counted.
"""

from __future__ import annotations

import hashlib
import io
import os
import socket

from jenkins_notary.api.attachments import record_body
from jenkins_notary.api.inputs import open_file
from jenkins_notary.api.logs.keeping import DEFAULT_POLICY, keep_log
from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.files.locks import FileLock
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.claim import describe_job
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.statement import Subject, is_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from jenkins_notary.api.session import Session

TYPE, LABEL = "attachment", "tail"
PIECE_BYTES = 1 << 20
"""Bytes of the longest piece."""

HEAD_BYTES = 4096
MAX_SIBLINGS = 1000
_CONTEXT = b"jenkins-notary tail\n"


class Position(NamedTuple):
    """Where the newest piece ended.

    Attributes:
        stop: Offset behind it in its file.
        head_size: How many of the file's first bytes were hashed.
        head_hex: Their SHA-256.
        end_size: How many of its bytes before the offset were hashed.
        end_hex: Their SHA-256.
    """

    stop: int
    head_size: int
    head_hex: str
    end_size: int
    end_hex: str


class Tailed(NamedTuple):
    """What was recorded.

    Attributes:
        source: The file, as its records call it.
        records: Records that were made.
        lines: Lines in them.
        json: Lines that hold a JSON object.
        bad: Bad lines.
        bytes: Bytes of all lines.
        gaps: Pieces before which something may be missing.
    """

    source: str
    records: int
    lines: int
    json: int
    bad: int
    bytes: int
    gaps: int

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return dict(self._asdict())


def hash_source(source: str) -> str:
    """Return the digest that all pieces of a source name, as hex.

    >>> hash_source("build-7:/var/log/app.log")[:16]
    'b0deca03a57e146a'
    """
    return hashlib.sha256(_CONTEXT + source.encode("utf-8", "replace")).hexdigest()


def count_lines(data: bytes) -> tuple[int, int, int]:
    r"""Return (lines, JSON objects, bad lines) of a piece.

    >>> count_lines(b'{"a": 1}\nplain\n{"a": \n')
    (3, 1, 1)
    """
    lines = data.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    objects = bad = 0
    for line in lines:
        text = line.strip()
        try:
            text.decode()
            if text.startswith(b"{"):
                load_json(text, subject="line")
                objects += 1
        except (IntegrityError, UnicodeDecodeError):
            bad += 1
    too_long = len(data) == PIECE_BYTES and not data.endswith(b"\n")
    return len(lines), objects, bad + (1 if too_long else 0)


class Tail:
    """A log file that is recorded from where its newest piece ended."""

    def __init__(
        self,
        session: Session,
        path: str,
        *,
        name: str | None = None,
        job: str | None = None,
        secrets: str = DEFAULT_POLICY,
    ) -> None:
        """Read nothing yet.

        Args:
            session: An open ledger, with its key and the signer's.
            path: The file.
            name: What stands for host and path; else these.
            job: The build that the lines belong to, or None for none.
            secrets: What is done with a piece in which secrets are found.
        """
        self._session = session
        self._path = os.path.abspath(path)
        self._job = describe_job({}, job) if job else None
        self._secrets = secrets
        self._gap = False
        source = name or f"{socket.gethostname()}:{self._path}"
        self._done = Tailed(source, 0, 0, 0, 0, 0, 0)

    def record_new(self) -> Tailed:
        """Record the lines that came since; return all that this object recorded.

        Raises:
            NotFoundError: The file is not there.
        """
        lock = hash_source(self._done.source)[:16]
        with FileLock(f"{self._session.places.ledger}.tail-{lock}"):
            place = self._find_position()
            files = self._find_files(place)
            for number, (path, offset) in enumerate(files):
                with open_file(path) as file:
                    if offset and not _goes_on(file, place):
                        # It was rotated just now: the next look finds it.
                        break
                    self._record_file(file, offset, is_last=number + 1 == len(files))
        return self._done

    def _find_position(self) -> Position | None:
        """Return where this signer's newest piece of the source ended.

        Of one that was erased that is not known, and its lines must not come again.
        """
        view, signer = self._session.refresh(), self._session.signer().keyid
        for index in view.find_digest(hash_source(self._done.source)):
            _, leaf = view.leaf(index)
            if leaf.type != TYPE or leaf.signer != signer:
                continue
            statement = view.record(index).statement
            if statement is None:
                return Position(0, 0, "", 0, "")
            found = _parse_position(statement.facts.get("tail"), self._done.source)
            if found is not None:
                return found
        return None

    def _find_files(self, place: Position | None) -> list[tuple[str, int]]:
        """Return the files to read, in order, each with where to begin."""
        if place is None:
            return [(self._path, 0)]
        if not place.head_hex:
            self._begin_anew()
            return []
        if _is_of(self._path, place):
            return [(self._path, place.stop)]
        rotated = self._list_rotated()
        for number, path in enumerate(rotated):
            if _is_of(path, place):
                later = [(one, 0) for one in rotated[number + 1 :]]
                return [(path, place.stop), *later, (self._path, 0)]
        self._gap = True
        self._session.notify(
            f"{self._path}: what followed byte {place.stop} of the file before is not "
            "here any more: lines may be missing"
        )
        return [(self._path, 0)]

    def _begin_anew(self) -> None:
        """Record an empty piece at the file's end, from which the next ones go on."""
        self._gap = True
        with open_file(self._path) as file:
            self._record(file, os.fstat(file.fileno()).st_size, b"")

    def _list_rotated(self) -> list[str]:
        """Return the files that this one may have been renamed to, the oldest first."""
        folder, name = os.path.split(self._path)
        with os.scandir(folder) as listed:
            found = [
                (one.stat().st_mtime_ns, one.path)
                for one in listed
                if one.name.startswith((f"{name}.", f"{name}-"))
                and one.is_file(follow_symlinks=False)
            ]
        return [path for _, path in sorted(found)[-MAX_SIBLINGS:]]

    def _record_file(self, file: BinaryIO, offset: int, *, is_last: bool) -> None:
        """Record a file's lines from an offset on, all of them if it was rotated."""
        for start, data in _read_pieces(file, offset, is_last=is_last):
            self._record(file, start, data)

    def _record(self, file: BinaryIO, start: int, data: bytes) -> None:
        """Record one piece, durably."""
        lines, objects, bad = count_lines(data)
        kept = keep_log(self._session, io.BytesIO(data), policy=self._secrets)
        stop = start + len(data)
        edge = min(stop, HEAD_BYTES)
        source = self._done.source
        name = os.path.basename(self._path)
        record_body(
            self._session,
            TYPE,
            [
                Subject(name, kept.body.sha256_hex),
                Subject(source, hash_source(source)),
            ],
            {
                "job": self._job,
                "name": name,
                "label": LABEL,
                "mime": "text/plain",
                **kept.facts,
                "tail": {
                    "source": source,
                    "start": start,
                    "stop": stop,
                    "lines": lines,
                    "json": objects,
                    "bad": bad,
                    "gap": self._gap,
                    "head": {"size": edge, "sha256": _hash_part(file, 0, edge)},
                    "end": {
                        "size": edge,
                        "sha256": _hash_part(file, stop - edge, edge),
                    },
                },
            },
        )
        old = self._done
        self._done = Tailed(
            source,
            old.records + 1,
            old.lines + lines,
            old.json + objects,
            old.bad + bad,
            old.bytes + len(data),
            old.gaps + self._gap,
        )
        self._gap = False


def _read_pieces(
    file: BinaryIO, offset: int, *, is_last: bool
) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, whole lines); an unfinished line waits in the file that grows."""
    while True:
        file.seek(offset)
        data = file.read(PIECE_BYTES)
        end = data.rfind(b"\n") + 1
        if not end and (len(data) == PIECE_BYTES or not is_last):
            end = len(data)
        if not end:
            return
        yield offset, data[:end]
        offset += end


def _parse_position(value: Any, source: str) -> Position | None:  # noqa: ANN401 - JSON
    """Return where a piece ended, None for a record that is none of the source."""
    if not isinstance(value, dict) or value.get("source") != source:
        return None
    stop = value.get("stop")
    head, end = _parse_part(value.get("head")), _parse_part(value.get("end"))
    if not is_index(stop) or head is None or end is None:
        return None
    return Position(int(str(stop)), *head, *end)


def _parse_part(value: Any) -> tuple[int, str] | None:  # noqa: ANN401 - JSON
    """Return (size, SHA-256) of a part of a file, None for none."""
    known = value if isinstance(value, dict) else {}
    size, digest = known.get("size"), known.get("sha256")
    if not is_index(size) or not (isinstance(digest, str) and is_hex_digest(digest)):
        return None
    return min(int(str(size)), HEAD_BYTES), digest


def _is_of(path: str, place: Position) -> bool:
    """Return whether a file is the one whose newest piece ended somewhere."""
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size < place.stop:
                return False
            return _goes_on(file, place)
    except NotFoundError:
        return False


def _goes_on(file: BinaryIO, place: Position | None) -> bool:
    """Return whether an open file is the one whose newest piece ended somewhere."""
    if place is None:
        return True
    head = _hash_part(file, 0, place.head_size)
    end = _hash_part(file, max(place.stop - place.end_size, 0), place.end_size)
    return (head, end) == (place.head_hex, place.end_hex)


def _hash_part(file: BinaryIO, start: int, size: int) -> str:
    """Return the SHA-256 of some of a file's bytes, as hex."""
    file.seek(start)
    return hashlib.sha256(file.read(size)).hexdigest()

"""Read the folder of a controller's outbox, and take away what is done.

The folder is the hook's (``docs/formats/outbox.md``); a reader takes the complete
events of ``events/`` in the order of their numbers, and skips every other name.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
)
from jenkins_notary.evidence.events import (
    MAX_EVENT_BYTES,
    Origin,
    cut_claims,
    parse_event,
    parse_outbox,
)
from jenkins_notary.files.locks import FileLock
from jenkins_notary.whole_file import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.evidence.events import Event, Outbox

_TAKEN = "taken"
_NUMBER = re.compile(rb"[0-9]{1,16}\n?")
_NAME = re.compile(r"([0-9]{16})\.json")


class OutboxFolder:
    """The files of an outbox.

    Attributes:
        outbox: What it says of itself.
    """

    def __init__(self, path: str) -> None:
        """Open an outbox.

        Raises:
            NotFoundError: There is none.
            IntegrityError: Its ``outbox.json`` is malformed.
        """
        self._path = path
        self._events = os.path.join(path, "events")
        data = _read(os.path.join(path, "outbox.json"), limit=(1 << 16) + 1)
        self.outbox: Outbox = parse_outbox(data, subject=f"outbox {path}")

    def lock(self) -> FileLock:
        """Return the lock that one reader holds."""
        return FileLock(os.path.join(self._path, ".reader.lock"))

    def numbers(self) -> list[int]:
        """Return the numbers of the events that wait, in order."""
        try:
            names = os.listdir(self._events)
        except FileNotFoundError:
            return []
        return sorted(
            int(found[1]) for name in names if (found := _NAME.fullmatch(name))
        )

    def last_taken(self) -> int:
        """Return the highest number that a reader took, 0 for none that is known."""
        try:
            data = _read(os.path.join(self._path, _TAKEN), limit=32)
        except (IntegrityError, NotFoundError):
            return 0
        return int(data) if _NUMBER.fullmatch(data) else 0

    def missing(self, start: int, stop: int) -> range:
        """Return the numbers from start to before stop that no folder here has.

        An event that was set aside is not lost: whoever looks finds it. Those between
        two that are set aside count as found.
        """
        for name in (os.path.join(self._events, "bad"), f"{self._path}/refused"):
            with suppress(FileNotFoundError):
                found = [int(one[:16]) for one in os.listdir(name) if _NAME.match(one)]
                start = max([start, *(one + 1 for one in found if one < stop)])
        return range(start, stop)

    def read(self, number: int) -> Origin:
        """Return an event; without its claims, where they cannot be read.

        Raises:
            IntegrityError: It is malformed, or has another number.
        """
        path = self._name(number)
        event = _parse(_read(path, limit=MAX_EVENT_BYTES + 1), subject=f"event {path}")
        if event.seq != number:
            raise IntegrityError(
                f"event {path}", expected=f"number {number}", got=f"{event.seq}"
            )
        return Origin(self.outbox.id, event)

    def delete(self, number: int) -> None:
        """Delete an event that is recorded, durably."""
        self._note_taken(number)
        with suppress(FileNotFoundError):
            os.unlink(self._name(number))
        _sync(self._events)

    def set_aside(self, number: int) -> str:
        """Move an event out of the way of the others; return where it is."""
        bad = os.path.join(self._events, "bad")
        os.makedirs(bad, mode=0o700, exist_ok=True)
        target = os.path.join(bad, f"{number:016}.json")
        self._note_taken(number)
        os.replace(self._name(number), target)
        _sync(bad)
        _sync(self._events)
        return target

    def _note_taken(self, number: int) -> None:
        """Note that an event is taken, so that a later reader misses those before."""
        if number > self.last_taken():
            target = os.path.join(self._path, _TAKEN)
            replace_file(target, [b"%d\n" % number], sync=False)

    def _name(self, number: int) -> str:
        """Return the path of an event."""
        return os.path.join(self._events, f"{number:016}.json")


def _parse(data: bytes, *, subject: str) -> Event:
    """Return an event, if need be without its claims.

    Raises:
        IntegrityError: It is malformed without them too.
    """
    try:
        return parse_event(data, subject=subject)
    except IntegrityError:
        rest = cut_claims(data)
        if rest is None:
            raise
        return parse_event(rest, subject=subject, lost={"claims": "refused"})


def _read(path: str, *, limit: int) -> bytes:
    """Return a file of an outbox, at most so many bytes of it.

    Raises:
        NotFoundError: No such file.
        IntegrityError: No regular file.
    """
    try:
        # A link or a FIFO that was planted must lead nowhere and hold nobody.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"outbox file {path}",
            got="no such file",
            advice="give the folder that the hook made: .../jenkins-notary/outbox",
        ) from error
    except PermissionError as error:
        raise PermissionDeniedError(
            f"outbox file {path}", got="not readable"
        ) from error
    except OSError as error:
        raise IntegrityError(
            f"outbox file {path}", expected="a regular file", got=f"{error.strerror}"
        ) from error
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise IntegrityError(f"outbox file {path}", expected="a regular file")
        return file.read(limit)


def _sync(path: str) -> None:
    """Make a folder's entries durable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageError(f"folder {path}", got=f"{error.strerror}") from error

r"""Read the events of a service: which records are new.

::

    id: 41
    event: record
    data: {"index": 41, "type": "notarization", ...}

An ``id`` without data says that the log has grown past it, by records that the token
may not see.

Source: HTML Living Standard, section 9.2; docs/formats/service-api.md.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UnavailableError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import load_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jenkins_notary.remote.service import Service

SILENCE_S = 40.0
"""The service sends something every 15 s."""

SECONDS = 3600.0
MAX_EVENT_BYTES = 8 << 20
_MAX_DIGITS = 15


class Event(NamedTuple):
    """What a service has sent.

    Attributes:
        index: Up to which record of the log it tells.
        record: That record, as ``evidence -o json`` shows it; None where it is not
            told.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    record: dict[str, Any] | None


def listen(
    service: Service, last_index: int | None, take: Callable[[Event], object]
) -> None:
    """Hand each event to somebody, until the service ends the stream.

    Args:
        service: The service.
        last_index: The last record that is known, or None to begin with the next.
        take: Called with each event.

    Raises:
        NotaryError: It refuses, or breaks off.
    """
    last = [] if last_index is None else [("Last-Event-ID", str(last_index))]
    service.stream(
        "/events",
        EventReader(service.url, take).feed,
        headers=(("Accept", "text/event-stream"), *last),
        silence_s=SILENCE_S,
        seconds=SECONDS,
    )


class EventReader:
    """Turn the bytes of a stream into events."""

    def __init__(self, url: str, take: Callable[[Event], object]) -> None:
        """Begin before the first byte.

        Args:
            url: The service's, for messages.
            take: Called with each event.
        """
        self._url = url
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take further bytes.

        Raises:
            UnavailableError: An event is too long.
            IntegrityError: An event is not of the form.
        """
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            event = self._read(block)
            if event is not None:
                self._take(event)
        if len(self._rest) > MAX_EVENT_BYTES:
            raise UnavailableError(
                self._url, expected=f"events of at most {MAX_EVENT_BYTES} bytes"
            )

    def _read(self, block: bytes) -> Event | None:
        """Return the event of a block, None for one that tells nothing."""
        fields = dict(_split(line) for line in block.split(b"\n"))
        digits = fields.get(b"id", b"")
        if not digits.isdigit() or len(digits) > _MAX_DIGITS:
            return None
        if b"data" not in fields:
            return Event(int(digits), None)
        value = load_json(fields[b"data"], subject=f"event of {self._url}")
        if not isinstance(value, dict) or value.get("index") != int(digits):
            raise IntegrityError(
                f"event of {self._url}", expected=f"record #{int(digits)}"
            )
        return Event(int(digits), value)


def _split(line: bytes) -> tuple[bytes, bytes]:
    """Return (name, value) of a field."""
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")

"""Listeners of the real service get new records, in order, and only theirs."""

from __future__ import annotations

import http.client
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts.serving import Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = "ci.example.com:other/main#1"


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("events")) as one:
        yield one


class Listener:
    """One connection that listens."""

    def __init__(self, service: Serving, token: str, **headers: str) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", service.port, timeout=20
        )
        given = {"Authorization": f"Bearer {token}", **headers}
        self._connection.request("GET", "/api/v1/events", headers=given)
        self.response = self._connection.getresponse()

    def next(self) -> tuple[int, Any]:
        """Return (id, data) of the next record."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline()
            if not line:
                raise EOFError
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                assert fields["event"] == "record"
                return int(fields["id"]), json.loads(fields["data"])
            else:
                fields = {}

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def record(service: Serving, **facts: Any) -> int:  # noqa: ANN401 - a claim's
    answer = service.ask("POST", "/api/v1/records", claim(**facts))
    return int(answer.json["assets"][0]["index"])


def test_listener_gets_what_comes_and_nothing_of_other_folders(
    service: Serving,
) -> None:
    record(service)
    reader = service.token("reader", "--role", "reader", "--folder", "payments")
    listener = Listener(service, reader)
    assert listener.response.status == 200
    assert listener.response.headers["content-type"].startswith("text/event-stream")
    record(service, job=OTHER)
    mine = record(service)

    index, data = listener.next()
    assert (index, data["index"]) == (mine, mine)
    listener.close()


def test_who_comes_back_misses_nothing(service: Serving) -> None:
    first = record(service)
    later = [record(service) for _ in range(3)]
    listener = Listener(service, service.admin, **{"Last-Event-ID": str(first)})

    assert [listener.next()[0] for _ in later] == later
    listener.close()
    wrong = {"Last-Event-ID": "99999"}
    path = "/api/v1/events"
    assert service.ask("GET", path, headers=wrong).status == 400
    wrong = {"Last-Event-ID": "-1"}
    assert service.ask("GET", path, headers=wrong).status == 400
    assert service.ask("GET", path, token="").status == 401


def test_listeners_of_one_caller_are_bounded_and_go_when_they_leave(
    service: Serving,
) -> None:
    listeners = [Listener(service, service.admin) for _ in range(10)]
    refused = Listener(service, service.admin)
    assert refused.response.status == 429
    for one in [*listeners, refused]:
        one.close()
    for _ in range(100):
        figures = service.ask("GET", "/metrics").body
        if b"jenkins_notary_listeners 0\n" in figures:
            return
        time.sleep(0.1)
    pytest.fail(figures.decode())


def test_service_that_stops_ends_its_streams_at_once(service: Serving) -> None:
    listener = Listener(service, service.admin)
    began = time.monotonic()
    service.stop(signal.SIGTERM)

    with pytest.raises(EOFError):
        listener.next()
    assert time.monotonic() - began < 15
    listener.close()

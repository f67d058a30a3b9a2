"""Bodies that are cut, packed, dripping, endless or of unknown length."""

from __future__ import annotations

import gzip
import io
import resource
from typing import TYPE_CHECKING

import pytest
import requests

from jenkins_notary.errors import UnavailableError
from jenkins_notary.jenkins import bodies
from tests.parts.jenkins import BUFFER, log_lines

if TYPE_CHECKING:
    from tests.unit.jenkins.jenkins_stand_in import Lab

SHORT = b"Started by user x\n" + b"line\n" * 1000
LONG = b"Started by user x\n" + b"line of a long log\n" * 20_000


@pytest.mark.parametrize("log", [SHORT, LONG], ids=["length", "chunks"])
@pytest.mark.parametrize("share", [0.0001, 0.3, 0.9999])
def test_a_body_cut_anywhere_is_unavailable(lab: Lab, log: bytes, share: float) -> None:
    assert len(SHORT) < BUFFER < len(LONG)
    lab.main.builds[1].log = log
    lab.jenkins.fail("consoleText", cut=max(1, int(len(log) * share)))

    with pytest.raises(UnavailableError, match="console log: expected"):
        lab.read_log()


def test_a_body_without_its_last_chunk_is_unavailable(lab: Lab) -> None:
    lab.main.builds[1].log = LONG
    lab.jenkins.fail("consoleText", cut=len(LONG))

    with pytest.raises(UnavailableError, match="a break after 380018 bytes"):
        lab.read_log()


def test_a_broken_stream_never_ends_like_a_whole_one(lab: Lab) -> None:
    lab.main.builds[1].log = LONG
    lab.jenkins.fail("consoleText", cut=len(LONG) // 2)
    got = bytearray()
    with lab.client.console("main", 1) as stream, pytest.raises(UnavailableError):
        got.extend(piece for line in stream for piece in line)

    assert LONG.startswith(got)


@pytest.mark.parametrize("log", [SHORT, LONG, b""], ids=["short", "long", "empty"])
def test_a_proxy_that_packs_unasked_is_unpacked_exactly(lab: Lab, log: bytes) -> None:
    lab.main.builds[1].log = log
    lab.jenkins.fail(gzip=True)

    assert lab.read_log() == log
    assert lab.client.build("main", 1)["number"] == 1


def test_no_encoding_is_asked_for(lab: Lab) -> None:
    lab.read_log()

    assert {one.headers["accept-encoding"] for one in lab.jenkins.requests} == {
        "identity"
    }


@pytest.mark.parametrize("left", [1, 8, 9, 100])
def test_a_packed_body_that_breaks_off_is_unavailable(lab: Lab, left: int) -> None:
    lab.main.builds[1].artifacts["a.gz"] = gzip.compress(LONG)[:-left]
    encoding = {"Content-Encoding": "gzip"}
    lab.jenkins.fail("artifact", headers=encoding)

    with (
        lab.client.artifact("main", 1, "a.gz") as stream,
        pytest.raises(UnavailableError, match="gzip stream, got one that breaks off"),
    ):
        stream.read()


def test_packed_members_in_a_row_are_one_body(lab: Lab) -> None:
    packed = gzip.compress(SHORT) + gzip.compress(LONG)
    lab.main.builds[1].artifacts["a"] = packed
    lab.jenkins.fail("artifact", headers={"Content-Encoding": "gzip"})

    with lab.client.artifact("main", 1, "a") as stream:
        assert stream.read() == SHORT + LONG


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f\x8b"])
def test_what_follows_a_packed_body_is_a_fault(lab: Lab, tail: bytes) -> None:
    lab.main.builds[1].artifacts["a"] = gzip.compress(SHORT) + tail
    lab.jenkins.fail("artifact", headers={"Content-Encoding": "gzip"})

    with (
        lab.client.artifact("main", 1, "a") as stream,
        pytest.raises(UnavailableError, match="gzip"),
    ):
        stream.read()


def test_a_packed_file_stays_packed(lab: Lab) -> None:
    packed = gzip.compress(LONG)
    lab.main.builds[1].artifacts["a.tar.gz"] = packed

    with lab.client.artifact("main", 1, "a.tar.gz") as stream:
        assert stream.read() == packed


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "evil\x07"])
def test_another_encoding_is_unavailable(lab: Lab, encoding: str) -> None:
    lab.jenkins.fail("consoleText", headers={"Content-Encoding": encoding})

    with pytest.raises(UnavailableError, match="expected a plain or gzip body"):
        lab.client.console("main", 1)


def test_a_bomb_is_unpacked_in_bounded_memory(lab: Lab) -> None:
    lab.main.builds[1].artifacts["bomb"] = gzip.compress(bytes(1 << 28))
    lab.jenkins.fail("artifact", headers={"Content-Encoding": "gzip"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 0
    with lab.client.artifact("main", 1, "bomb") as stream:
        while piece := stream.read(65536):
            size += len(piece)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert size == 1 << 28
    assert grown_kib < 32 * 1024


@pytest.mark.parametrize("drop", [["content-length"], ["transfer-encoding"]])
def test_a_body_that_ends_with_the_connection_is_refused(
    lab: Lab, drop: list[str]
) -> None:
    lab.main.builds[1].log = SHORT if drop == ["content-length"] else LONG
    lab.jenkins.fail("consoleText", drop=drop)

    with pytest.raises(UnavailableError, match="a body with a length or in chunks"):
        lab.client.console("main", 1)


@pytest.mark.parametrize("length", ["-1", "12x", "\uff11\uff12", "", "9" * 30])
def test_a_length_that_is_none_is_refused(lab: Lab, length: str) -> None:
    header = length.encode().decode("latin-1")
    fault = {"drop": ["content-length"], "headers": {"Content-length ": header}}
    lab.jenkins.fail("consoleText", **fault)

    with pytest.raises(UnavailableError):
        lab.read_log()


def test_a_body_that_drips_is_given_up(lab: Lab) -> None:
    lab.main.builds[1].log = SHORT
    lab.jenkins.fail("consoleText", drip_s=0.005)
    lab.tick_s = 7.0

    with pytest.raises(UnavailableError, match="expected 16384 bytes in 60 s, got"):
        lab.read_log()


def test_a_body_that_stops_is_unavailable(lab: Lab) -> None:
    lab.main.builds[1].log = SHORT
    lab.jenkins.fail("consoleText", drip_s=1.0)
    lab.client.close()
    lab.client = lab.make_client(read_s=0.2)

    with pytest.raises(UnavailableError, match="the whole body, got a break after"):
        lab.read_log()


def test_a_steady_body_may_take_long(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PIECE", 32 * 1024)
    lab.main.builds[1].log = LONG
    lab.tick_s = 5.0

    assert lab.read_log() == LONG


def test_a_reader_may_take_its_time(lab: Lab) -> None:
    lab.main.builds[1].log = LONG
    with lab.client.console("main", 1) as stream:
        got = stream.read(100)
        lab.now_s += 3600
        got += stream.read()

    assert got == LONG


def test_a_long_log_is_read_in_bounded_memory(lab: Lab) -> None:
    size = 128 * 1024 * 1024
    lab.main.builds[1].log = lambda: log_lines(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    received = 0
    with lab.client.console("main", 1) as stream:
        while piece := stream.read(1 << 20):
            received += len(piece)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert received == size
    assert grown_kib < 32 * 1024


def test_a_library_that_hides_a_short_body_is_not_believed() -> None:
    response = requests.Response()
    response.raw = io.BytesIO(b"short")
    response.raw.read1 = lambda *_, **__: response.raw.read()  # type: ignore[method-assign]  # As urllib3's.
    response.headers["Content-Length"] = "6"
    stream = bodies.open_body(response, "a log", clock=lambda: 0.0)

    with pytest.raises(UnavailableError, match="expected 6 bytes, got an end after 5"):
        stream.read()


def test_a_stream_reads_as_files_do(lab: Lab) -> None:
    lab.main.builds[1].log = LONG
    with lab.client.console("main", 1) as stream:
        lines = stream.readlines()
    with lab.client.console("main", 1) as stream:
        first, rest = stream.read(5), stream.read()

    assert b"".join(lines) == LONG
    assert (first, rest) == (LONG[:5], LONG[5:])
    assert stream.closed

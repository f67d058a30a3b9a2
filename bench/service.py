"""H5: a service that 64 clients write to, a record each, every answer durable.

Each answer has the receipt; some are checked offline, and so is the whole ledger. The
clients are one process beside the service, so both share the machine's processors. The
peer is a real immudb (:mod:`bench.immudb`) to which its own Go client writes values as
long as our envelopes by ``VerifiedSet``; the two take turns. What the same machine
gives to the program alone is told too: its Python API, one thread, a record a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bench.immudb import CONNECTIONS, run_immudb
from bench.measure import Figure, Goal, child_environment, percentile, take_turns
from jenkins_notary.api.notary import Notary
from jenkins_notary.api.receipts import verify_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.run import Run

CLIENTS = 64
RECORDS = 6400
CHECKED = 64
ROUNDS = 3
VALUE_BYTES = 1200
"""About what an envelope of these claims has."""

OURS = f"{CLIENTS} clients, HTTP"
PEER = f"immudb, VerifiedSet, {CONNECTIONS} connections"
ALONE = "one thread, the Python API"
_READY = re.compile(rb"serving http://127\.0\.0\.1:(\d+)")


class Sent(NamedTuple):
    """What the clients saw.

    Attributes:
        seconds: From the first request to the last answer.
        waits_ms: How long each client waited for its answer.
        answers: Every 100th answer.
    """

    seconds: float
    waits_ms: list[float]
    answers: list[bytes]


class Served(NamedTuple):
    """A running service.

    Attributes:
        process: Its process.
        port: Where it listens on loopback.
        token: Its administrator's token.
    """

    process: subprocess.Popen[bytes]
    port: int
    token: str

    def cpu_seconds(self) -> float:
        """Return how long it has kept processors busy."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(run: Run) -> list[Figure]:
    """Measure records a second, and how long one waits for its proof."""
    home = run.make_folder("service")
    run.say(f"H5: {CLIENTS} clients, a record each, durable and proven; immudb beside")
    ledger, env = os.path.join(home, "ledger.db"), child_environment(home)
    count = RECORDS // 4 if run.is_quick else RECORDS
    sent: list[Sent] = []
    with (
        run_service(ledger, env) as served,
        run_immudb(run.make_folder("immudb")) as peer,
    ):
        asyncio.run(load(served, 10 * CLIENTS))

        def write_ours() -> float:
            before = served.cpu_seconds()
            sent.append(asyncio.run(load(served, count)))
            busy_ms.append((served.cpu_seconds() - before) * 1000 / count)
            return count / sent[-1].seconds

        busy_ms: list[float] = []
        rates = take_turns(
            {OURS: write_ours, PEER: lambda: peer.load(count, VALUE_BYTES)},
            rounds=run.rounds(ROUNDS),
        )
    alone = _check_all(ledger, env, [one for each in sent for one in each.answers])
    waits_ms = [one for each in sent[1:] for one in each.waits_ms]
    note = (
        f"{count:,} records a round; {CHECKED} receipts and the whole ledger verified"
        f" afterwards; {statistics.median(busy_ms):.2f} ms of processor time a record."
    )
    goal = Goal(">=", 3)
    return [
        Figure("H5", OURS, rates[OURS], "records/s", PEER, rates[PEER], goal, note),
        Figure("", ALONE, alone, "records/s"),
        Figure("H5", "wait for an answer, p50", percentile(waits_ms, 50), "ms"),
        Figure("H5", "wait for an answer, p99", percentile(waits_ms, 99), "ms"),
    ]


def _check_all(ledger: str, env: Mapping[str, str], answers: Sequence[bytes]) -> float:
    """Check the ledger and some answers; return the records a second of one thread."""
    with Notary(ledger, environ=env) as notary:
        vkey = notary.ledger.status().vkey
        for answer in answers[:: max(1, len(answers) // CHECKED)]:
            _check(json.loads(answer), vkey)
        report = notary.ledger.verify()
        if report.findings:
            raise RuntimeError(str(report.findings))
        return _time_alone(notary, RECORDS // 10)


@contextmanager
def run_service(ledger: str, env: Mapping[str, str]) -> Iterator[Served]:
    """Run a service on a ledger until the block ends."""
    process, port = start(ledger, env)
    try:
        with open(f"{ledger}.admin-token", encoding="ascii") as file:
            yield Served(process, port, file.read().strip())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def start(ledger: str, env: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the service; return its process and port."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jenkins_notary", "serve", "--port", "0"),
            *("--ledger", ledger, "--access-log", f"{ledger}.access"),
        ],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    for line in iter(process.stderr.readline, b""):
        said += line
        found = _READY.search(line)
        if found:
            return process, int(found[1])
    raise RuntimeError(said.decode())


async def load(served: Served, count: int) -> Sent:
    """Record so many claims from all clients at once."""
    waits_ms: list[float] = []
    answers: list[bytes] = []

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for number in range(first, count, CLIENTS):
            body = make_claim(number)
            began = time.perf_counter()
            answer = await _exchange(served, body, reader, writer)
            waits_ms.append((time.perf_counter() - began) * 1000)
            if number % 100 == 0:
                answers.append(answer)
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*[client(first) for first in range(CLIENTS)])
    return Sent(time.perf_counter() - began, waits_ms, answers)


async def post_claim(served: Served, claim: bytes) -> bytes:
    """Record a claim over a connection of its own; return the answer's body.

    Raises:
        OSError, EOFError: The connection breaks.
        RuntimeError: The answer is not a good one.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        return await _exchange(served, claim, reader, writer)
    finally:
        writer.close()


async def _exchange(
    served: Served,
    claim: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bytes:
    """Send a claim over an open connection; return the answer's body."""
    head = (
        "POST /api/v1/records HTTP/1.1\r\nHost: notary\r\n"
        f"Authorization: Bearer {served.token}\r\n"
        f"Content-Length: {len(claim)}\r\n\r\n"
    )
    writer.write(head.encode() + claim)
    return await _read_answer(reader)


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """Return the body of an answer, which must be a good one."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None, head
    body = await reader.readexactly(int(length[1]))
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(body.decode())
    return body


def make_claim(number: int) -> bytes:
    """Return the claim of one new digest."""
    digest = hashlib.sha256(os.urandom(16)).hexdigest()
    value = {
        "recordId": os.urandom(16).hex(),
        "claimedAt": "2026-01-02T03:04:05.006Z",
        "status": "TRUSTED",
        "job": {"id": f"ci.example.com:payments/main#{number + 1}"},
        "assets": [
            {
                "name": "app.jar",
                "kind": "file",
                "size": 9,
                "subjects": [{"name": "app.jar", "digest": f"sha256:{digest}"}],
            }
        ],
    }
    return json.dumps(value).encode()


def _check(answer: dict[str, object], vkey: str) -> None:
    """Check offline that an answer's record is in the log."""
    assets, envelopes = answer["assets"], answer["envelopes"]
    assert isinstance(assets, list)
    assert isinstance(envelopes, dict)
    (asset,) = assets
    receipt = str(asset["receipt"]).encode()
    envelope = str(envelopes[str(asset["index"])]).encode()
    verify_receipt(receipt, vkey=vkey, envelope=envelope)


def _time_alone(notary: Notary, count: int) -> float:
    """Return records a second of one thread that records one at a time."""
    began = time.perf_counter()
    for _ in range(count):
        digest = hashlib.sha256(os.urandom(16)).hexdigest()
        notary.notarize([f"sha256:{digest}"], name="app.jar", job="payments/main#1")
    return count / (time.perf_counter() - began)

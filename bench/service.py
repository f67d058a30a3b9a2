"""H5: a service that 64 clients write to, a record each, every answer durable.

Each answer has the receipt; some are checked offline, and so is the whole ledger. The
clients are one process beside the service, so both share the machine's processors. The
peer is what the same machine gives to the program alone: its Python API, one thread, a
record a call. immudb's own client is not measured: it is no part of this run yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.measure import Figure, child_environment, percentile
from jenkins_notary.api.notary import Notary
from jenkins_notary.api.receipts import verify_receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.run import Run

CLIENTS = 64
RECORDS = 6400
CHECKED = 64
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


def measure(run: Run) -> list[Figure]:
    """Measure records a second, and how long one waits for its proof."""
    home = run.make_folder("service")
    run.say(f"H5: {CLIENTS} clients, a record each, durable and proven")
    ledger, env = os.path.join(home, "ledger.db"), child_environment(home)
    count = RECORDS // 4 if run.is_quick else RECORDS
    process, port = _start(ledger, env)
    try:
        with open(f"{ledger}.admin-token", encoding="ascii") as file:
            token = file.read().strip()
        asyncio.run(_load(port, token, 10 * CLIENTS))
        sent = asyncio.run(_load(port, token, count))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    with Notary(ledger, environ=env) as notary:
        vkey = notary.ledger.status().vkey
        for answer in sent.answers[:CHECKED]:
            _check(json.loads(answer), vkey)
        report = notary.ledger.verify()
        alone = _time_alone(notary, count // 10)
    if report.findings:
        raise RuntimeError(str(report.findings))
    note = (
        f"{count:,} records; {CHECKED} receipts and the whole ledger verified "
        "afterwards. immudb is not beside it yet."
    )
    peer = "one thread, the Python API"
    return [
        Figure(
            "H5",
            f"{CLIENTS} clients, HTTP",
            count / sent.seconds,
            "records/s",
            peer,
            alone,
            None,
            note,
        ),
        Figure("H5", "wait for an answer, p50", percentile(sent.waits_ms, 50), "ms"),
        Figure("H5", "wait for an answer, p99", percentile(sent.waits_ms, 99), "ms"),
    ]


def _start(ledger: str, env: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
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


async def _load(port: int, token: str, count: int) -> Sent:
    """Record so many claims from all clients at once."""
    waits_ms: list[float] = []
    answers: list[bytes] = []

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, count, CLIENTS):
            body = _make_claim(number)
            head = (
                "POST /api/v1/records HTTP/1.1\r\nHost: notary\r\n"
                f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await _read_answer(reader)
            waits_ms.append((time.perf_counter() - began) * 1000)
            if number % 100 == 0:
                answers.append(answer)
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*[client(first) for first in range(CLIENTS)])
    return Sent(time.perf_counter() - began, waits_ms, answers)


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """Return the body of an answer, which must be a good one."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None, head
    body = await reader.readexactly(int(length[1]))
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(body.decode())
    return body


def _make_claim(number: int) -> bytes:
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

"""What a service needs with 1,000 open connections, and with a log of 2 GiB on its way.

Each connection asks once for a verdict, keeps open, and asks once more at the end: so
every one of them is served. The log is sent as the agent part sends it, and attached to
a build; meanwhile the connections stay open.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from bench.measure import Figure, Goal, child_environment
from bench.service import run_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.run import Run
    from bench.service import Served

CONNECTIONS = 1000
LOG_BYTES = 2 << 30
_PIECE = 1 << 20
_HOST = "127.0.0.1"


class Needed(NamedTuple):
    """Memory of the service, MiB resident, at its most.

    Attributes:
        idle: With nothing to do.
        connected: With all connections open and answered.
        uploaded: After the log, too.
        answered: Connections that were served twice.
    """

    idle: float
    connected: float
    uploaded: float
    answered: int


def weigh(
    ledger: str, env: Mapping[str, str], *, connections: int, log_bytes: int
) -> Needed:
    """Return what a new service needs.

    Args:
        ledger: Where its ledger is made.
        env: Its environment.
        connections: How many are open.
        log_bytes: The length of the log.
    """
    with run_service(ledger, env) as served:
        return asyncio.run(_weigh(served, connections, log_bytes))


async def _weigh(served: Served, connections: int, log_bytes: int) -> Needed:
    """Open the connections, send the log, ask all of them once more."""
    idle = _peak_mib(served)
    opened = await asyncio.gather(*[_connect(served) for _ in range(connections)])
    connected = _peak_mib(served)
    await asyncio.to_thread(_send_log, served, log_bytes)
    uploaded = _peak_mib(served)
    answers = await asyncio.gather(*[_ask(served, *one) for one in opened])
    for _, writer in opened:
        writer.close()
    return Needed(idle, connected, uploaded, sum(answers))


async def _connect(
    served: Served,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and ask once."""
    reader, writer = await asyncio.open_connection(_HOST, served.port)
    if not await _ask(served, reader, writer):
        raise RuntimeError("a connection was not served")
    return reader, writer


async def _ask(
    served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Ask for a verdict; return whether there is an answer.

    A service that is busy says so (503), and is asked again.
    """
    digest = hashlib.sha256(os.urandom(8)).hexdigest()
    asset = {
        "name": "app.jar",
        "kind": "file",
        "digest": f"sha256:{digest}",
        "ref": None,
        "size": None,
        "dirty": False,
    }
    question = {"assets": [asset], "org": None, "signers": [], "asOf": None}
    body = json.dumps({**question, "strict": False}).encode()
    head = (
        "POST /api/v1/verdicts HTTP/1.1\r\nHost: notary\r\n"
        f"Authorization: Bearer {served.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for _ in range(100):
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        fields = dict(
            line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:-2]
        )
        await reader.readexactly(int(fields[b"content-length"]))
        if b" 200 " in answer[:16]:
            return True
        await asyncio.sleep(0.1)
    return False


def _send_log(served: Served, size: int) -> None:
    """Send a log, and attach it to a build."""
    piece = os.urandom(_PIECE // 2).hex().encode()
    pieces = size // _PIECE
    digest = hashlib.sha256()
    for _ in range(pieces):
        digest.update(piece)
    described = {"sha256": digest.hexdigest(), "size": pieces * _PIECE}
    connection = http.client.HTTPConnection(_HOST, served.port, timeout=600)
    headers = {"Authorization": f"Bearer {served.token}"}
    connection.request(
        "PUT",
        f"/api/v1/blobs/sha256:{described['sha256']}",
        (piece for _ in range(pieces)),
        {**headers, "Content-Length": str(described["size"])},
    )
    _check(connection.getresponse())
    value = {
        "recordId": os.urandom(16).hex(),
        "claimedAt": "2026-01-02T03:04:05.006Z",
        "job": {"id": "ci.example.com:payments/main#1"},
        "digests": [],
        "attachment": {
            "name": "console.txt",
            "label": "log",
            "mime": "text/plain",
            "body": described,
        },
    }
    connection.request("POST", "/api/v1/attachments", json.dumps(value), headers)
    _check(connection.getresponse())
    connection.close()


def _check(answer: http.client.HTTPResponse) -> None:
    """Check that an answer is a good one."""
    text = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(text.decode())


def _peak_mib(served: Served) -> float:
    """Return the most memory that the service had resident."""
    with open(f"/proc/{served.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError("the service has ended")


def measure(run: Run) -> list[Figure]:
    """Measure the service's memory."""
    home = run.make_folder("memory")
    size = LOG_BYTES // 8 if run.is_quick else LOG_BYTES
    run.say(f"memory: {CONNECTIONS} connections, a log of {size >> 20} MiB")
    ledger = os.path.join(home, "ledger.db")
    found = weigh(
        ledger, child_environment(home), connections=CONNECTIONS, log_bytes=size
    )
    what = f"{CONNECTIONS} open connections and a log of {size >> 20} MiB"
    note = f"{found.answered} connections were served before and after the log."
    return [
        Figure("", "a service with nothing to do", found.idle, "MiB"),
        Figure("", f"{CONNECTIONS} open connections", found.connected, "MiB"),
        Figure(
            *("", what, found.uploaded, "MiB"),
            goal=Goal("<=", 256, of_ratio=False),
            note=note,
        ),
    ]

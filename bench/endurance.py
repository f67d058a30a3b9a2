"""A service under full load that is killed again and again: what it said stays said.

64 clients record a claim each, over and over. Every so often the service gets SIGKILL
and is started anew on the same ledger; a client whose answer is lost sends the same
claim once more, as the agent part does. Afterwards:

* each record that was acknowledged stands at its index;
* no record id stands twice;
* the ledger verifies whole, and the checkpoints of the answers are those of one log.

Ten minutes with a kill each minute; with ``--quick`` half a minute with one each 5 s.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.measure import Figure, child_environment
from bench.service import CLIENTS, Served, make_claim, post_claim, start
from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices, Session
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.receipt import parse_receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.run import Run

MINUTES = 10
EVERY_S = 60.0
CHECKED = 500
_PAUSE_S = 0.05


class Endured(NamedTuple):
    """What came of it.

    Attributes:
        acknowledged: Records that a client was told of.
        repeated: Claims that were sent more than once.
        kills: How often the service was killed.
        size: Records in the ledger.
        missing: Acknowledged record ids that do not stand where they should.
        doubled: Record ids that stand twice.
        findings: What ``ledger verify`` found.
        down_s: The longest time without any answer.
    """

    acknowledged: int
    repeated: int
    kills: int
    size: int
    missing: list[str]
    doubled: list[str]
    findings: list[str]
    down_s: float


class _Load:
    """The clients, and what they were told."""

    def __init__(self, ledger: str, env: Mapping[str, str]) -> None:
        """Start the service."""
        self._ledger = ledger
        self._env = env
        self._is_over = False
        self._answered_at = time.monotonic()
        self.told: dict[str, tuple[int, str]] = {}
        self.repeated = 0
        self.down_s = 0.0
        self.served = self._start()

    def _start(self) -> Served:
        """Start the service on the ledger, whatever state it was left in."""
        process, port = start(self._ledger, self._env)
        with open(f"{self._ledger}.admin-token", encoding="ascii") as file:
            return Served(process, port, file.read().strip())

    async def run(self, seconds: float, every_s: float) -> int:
        """Load for so long; return how often the service was killed."""
        deadline = time.monotonic() + seconds
        clients = [asyncio.create_task(self._work()) for _ in range(CLIENTS)]
        kills = 0
        while time.monotonic() + every_s < deadline:
            await asyncio.sleep(every_s)
            self.served.process.kill()
            await asyncio.to_thread(self.served.process.communicate)
            self.served = await asyncio.to_thread(self._start)
            kills += 1
        await asyncio.sleep(max(0.0, deadline - time.monotonic()))
        self._is_over = True
        await asyncio.gather(*clients)
        return kills

    def stop(self) -> None:
        """Stop the service as it should be stopped."""
        self.served.process.send_signal(signal.SIGTERM)
        self.served.process.communicate(timeout=60)

    async def _work(self) -> None:
        """Record claim after claim, each until it is acknowledged."""
        while not self._is_over:
            claim = make_claim(0)
            name = json.loads(claim)["recordId"]
            for attempt in range(10_000):
                served = self.served
                try:
                    answer = await post_claim(served, claim)
                except (OSError, EOFError, RuntimeError):
                    await asyncio.sleep(_PAUSE_S)
                    continue
                self._take(name, json.loads(answer), is_first=attempt == 0)
                break

    def _take(self, name: str, answer: dict[str, Any], *, is_first: bool) -> None:
        """Keep what a client was told."""
        now = time.monotonic()
        self.down_s = max(self.down_s, now - self._answered_at)
        self._answered_at = now
        (asset,) = answer["assets"]
        self.told[name] = asset["index"], asset["receipt"]
        self.repeated += not is_first


def endure(
    ledger: str, env: Mapping[str, str], *, seconds: float, every_s: float
) -> Endured:
    """Load a service, kill it every so often, and look at what is left.

    Args:
        ledger: Where its ledger is made.
        env: Its environment.
        seconds: How long.
        every_s: Seconds from one kill to the next.
    """
    load = _Load(ledger, env)
    try:
        kills = asyncio.run(load.run(seconds, every_s))
    finally:
        load.stop()
    return _look(ledger, env, load, kills)


def _look(ledger: str, env: Mapping[str, str], load: _Load, kills: int) -> Endured:
    """Compare the ledger with what the clients were told."""
    with Notary(ledger, environ=env) as notary:
        findings = [str(one) for one in notary.ledger.verify().findings]
    session = Session(ledger, Choices(), env)
    view = session.view()
    places: dict[str, list[int]] = {}
    for record in view.records(range(view.size)):
        if record.statement is not None and record.leaf.type == "notarization":
            name = str(record.statement.facts["recordId"])
            places.setdefault(name, []).append(record.index)
    told = load.told
    missing = [one for one, (index, _) in told.items() if places.get(one) != [index]]
    for _, receipt in list(told.values())[:: max(1, len(told) // CHECKED)]:
        note = parse_note(parse_receipt(receipt.encode()).checkpoint_note)
        seen = parse_checkpoint(note.text)
        view.check_consistent(seen.size, seen.root)
    session.close()
    return Endured(
        len(told),
        load.repeated,
        kills,
        view.size,
        missing,
        [one for one, found in places.items() if len(found) > 1],
        findings,
        load.down_s,
    )


def measure(run: Run) -> list[Figure]:
    """Measure what a service loses that is killed under full load: nothing."""
    home = run.make_folder("endurance")
    seconds, every_s = (30.0, 5.0) if run.is_quick else (MINUTES * 60.0, EVERY_S)
    run.say(f"endurance: {CLIENTS} clients, {seconds:.0f} s, killed each {every_s} s")
    ledger = os.path.join(home, "ledger.db")
    found = endure(ledger, child_environment(home), seconds=seconds, every_s=every_s)
    lost = len(found.missing) + len(found.doubled) + len(found.findings)
    note = (
        f"{found.acknowledged:,} acknowledged of {found.size:,} in the ledger, "
        f"{found.repeated} sent more than once, {found.kills} times killed; "
        f"{CHECKED} checkpoints of answers are of one log."
    )
    return [
        Figure("", "missing, doubled or damaged records", lost, "records", note=note),
        Figure("", "acknowledged", found.acknowledged / seconds, "records/s"),
        Figure("", "longest time without an answer", found.down_s, "s"),
    ]

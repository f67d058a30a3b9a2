"""H2: one small file, notarized by the agent part through a service over HTTP.

The service is the tests' stand-in over a real ledger, in a process of its own: what is
timed ends when the record is durable there and its receipt was checked here. The agent
part has no bytecode beside it, so each start compiles what it needs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.measure import Figure, Goal, child_environment, run_process, take_turns
from jenkins_notary.agent.build import TARGET

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.run import Run

ROUNDS = 30
BARE = "python -c pass"
AGENT = "cold agent part, HTTP"
ISOLATED = "cold agent part as a step starts it, -I -S"
CLIENT = "python -c 'import http.client'"

_SERVE = """\
import sys
from pathlib import Path
from tests.parts.service import StandIn
with StandIn(Path(sys.argv[1])) as service:
    print(service.url, service.token, service.vkey, flush=True)
    sys.stdin.read()
"""


def measure(run: Run) -> list[Figure]:
    """Measure the cold start of the agent part."""
    home = run.make_folder("agent")
    path = os.path.join(home, "app.jar")
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04 a small artifact\n")
    words = [str(TARGET), "notarize", path, "-o", "json"]
    commands = {
        BARE: [sys.executable, "-c", "pass"],
        AGENT: [sys.executable, *words],
        ISOLATED: [sys.executable, "-I", "-S", *words],
        CLIENT: [sys.executable, "-c", "import http.client"],
    }
    run.say(f"H2: {len(commands)} programs turn about")
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, home],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        url, token, vkey = server.stdout.readline().split()
        env = {
            **child_environment(home),
            "JENKINS_NOTARY_LEDGER": url,
            "JENKINS_NOTARY_TOKEN": token,
            "JENKINS_NOTARY_LOG": vkey,
        }
        cpu: dict[str, list[float]] = {name: [] for name in commands}

        def work(name: str) -> Callable[[], float]:
            def run_once() -> float:
                finished = run_process(commands[name], env)
                cpu[name].append(finished.cpu_seconds * 1000)
                return finished.seconds * 1000

            return run_once

        clock = take_turns(
            {name: work(name) for name in commands}, rounds=run.rounds(ROUNDS)
        )
        server.communicate("")
    busy = {name: statistics.median(values) for name, values in cpu.items()}
    return [
        Figure(
            "H2" if goal else "",
            name,
            clock[name],
            "ms",
            BARE,
            clock[BARE],
            goal,
            f"{busy[name]:.1f} ms of processor time, beside {busy[BARE]:.1f} ms of"
            f" {BARE} ({busy[name] / busy[BARE]:.2f} x).",
        )
        for name, goal in ((AGENT, Goal("<=", 5)), (ISOLATED, None), (CLIENT, None))
    ]

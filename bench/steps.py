"""H12: what a step costs a build, on a real Jenkins, beside `sh 'true'`.

Both take turns in one build, timed by the pipeline itself: so all that Jenkins does
around a step counts, the saving of the program too. Measured only where
`JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` name a controller.
"""

from __future__ import annotations

import json
import os
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Figure, Goal
from tests.parts.library import PREFIX, open_library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.run import Run

ROUNDS = 30
WARM_UP = 3
PEER = "sh 'true'"
STEPS = {
    "notaryNotarize": "notaryNotarize 'app.jar'",
    "notaryNotarize, no receipts": (
        "notaryNotarize(assets: 'app.jar', archiveReceipts: false)"
    ),
    "notaryAuthenticate": "notaryAuthenticate 'app.jar'",
}


def measure(run: Run) -> list[Figure]:
    """Measure the steps, where there is a Jenkins."""
    if f"{PREFIX}URL" not in os.environ:
        run.say(f"no real Jenkins for H12: {PREFIX}URL is not set")
        return []
    with open_library(os.environ, Path(run.make_folder("steps"))) as library:
        run.say("H12: one build runs the steps turn about")
        steps = {PEER: PEER, **STEPS}
        pipeline = make_pipeline(steps, run.rounds(ROUNDS) + WARM_UP)
        times = read_times(library.build("bench", pipeline).log, steps)
    bare = times.pop(PEER)
    return [
        Figure(
            "H12",
            f"{name}, more than {PEER} takes",
            found - bare,
            "ms",
            PEER,
            bare,
            Goal("<=", 200, of_ratio=False),
            f"the step takes {found:.0f} ms in all.",
        )
        for name, found in times.items()
    ]


def make_pipeline(steps: dict[str, str], rounds: int) -> str:
    """Return a pipeline that runs each step so often and says how long it took."""
    blocks = "\n".join(
        f"""    t = System.currentTimeMillis()
    {step}
    times[{number}] << System.currentTimeMillis() - t"""
        for number, step in enumerate(steps.values())
    )
    lists = ", ".join("[]" for _ in steps)
    return f"""@Library('notary') _
node {{
  writeFile file: 'app.jar', text: env.BUILD_TAG
  def times = [{lists}]
  long t = 0
  for (int i = 0; i < {rounds}; i++) {{
{blocks}
  }}
  echo "TIMES ${{times}}"
}}
"""


def read_times(log: str, names: Iterable[str]) -> dict[str, float]:
    """Return the median milliseconds of each step that a log tells of.

    Raises:
        ValueError: It tells of none: the build failed.
    """
    times = re.search(r"^TIMES (\[.*\])$", log, re.MULTILINE)
    if times is None:
        message = f"the build told no times: {log[-2000:]}"
        raise ValueError(message)
    return {
        name: statistics.median(found[WARM_UP:])
        for name, found in zip(names, json.loads(times[1]), strict=True)
    }

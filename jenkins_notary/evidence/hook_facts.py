"""Read the facts that only a controller knows, as its hook puts them in an event.

Every field may be absent. A field of a wrong form is left out and named, so that one
fault of a plugin never costs a build its record. A text that holds a secret, such as
the name of a stage, is replaced.

Source: docs/formats/outbox.md.
"""

from __future__ import annotations

from jenkins_notary.evidence.build_info import clean_parameters
from jenkins_notary.evidence.secret_words import hide_secrets
from jenkins_notary.evidence.shaping import (
    commit_id,
    flag,
    number,
    refuse,
    sha256_hex,
    shape,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.evidence.shaping import Shape

_WORD = text(100)
_NAME = text(500)
_URL = text(2048)
_JOB = text(1024)


def parse_facts(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (facts, what is wrong with the fields that were left out).

    >>> parse_facts({"core": "2.421", "mode": 7, "shoe": "x"})
    ({'core': '2.421'}, {'mode': 'expected text'})
    """
    facts: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, wanted in FACTS.items():
        if value.get(name) is None:
            continue
        try:
            facts[name] = hide_secrets(shape(value[name], wanted))
        except ValueError as error:
            faults[name] = f"expected {error}"
    if "parameters" in facts:
        facts["parameters"] = list(clean_parameters(value["parameters"]))
    return facts, faults


def _stage_lines(value: object) -> object:
    """Return the ranges of lines of a stage: pairs of numbers from 1."""
    found = shape(value, [[number]])
    assert isinstance(found, list)  # noqa: S101 - the shape is that of a list
    if not all(len(one) == 2 and 1 <= one[0] <= one[1] for one in found):
        refuse("pairs of first and last line")
    return found


FACTS: dict[str, Shape] = {
    "script": {
        "kind": _WORD,
        "sha256": sha256_hex,
        "source": _WORD,
        "loaded": [{"name": _NAME, "sha256": sha256_hex}],
        "scm": {"url": _URL, "commit": commit_id, "path": _JOB},
    },
    "libraries": [
        {
            "name": _NAME,
            "version": _NAME,
            "sha": commit_id,
            "trusted": flag,
            "changelog": flag,
        }
    ],
    "causes": [
        {
            "kind": _WORD,
            "description": _NAME,
            "user": text(200),
            "upstream": {"job": _JOB, "build": number},
            "original": number,
        }
    ],
    "replay": {"isReplay": flag, "original": number},
    "parameters": [{"name": text(200)}],
    "approvals": [
        {
            "id": _NAME,
            "message": _NAME,
            "submitter": text(200),
            "at": text(40),
            "ok": _NAME,
        }
    ],
    "rejections": [
        {"id": _NAME, "message": _NAME, "submitter": text(200), "at": text(40)}
    ],
    "node": [{"name": _NAME, "builtIn": flag, "labels": [text(200)]}],
    "core": _WORD,
    "plugins": [{"name": _NAME, "version": _NAME}],
    "change": {
        "id": _NAME,
        "branch": _NAME,
        "target": _NAME,
        "url": _URL,
        "fork": flag,
    },
    "scm": [{"url": _URL, "commit": commit_id, "branch": _NAME}],
    "stages": [
        {
            "id": _WORD,
            "name": _NAME,
            "startedAt": number,
            "durationMs": number,
            "status": _WORD,
            "lines": _stage_lines,
        }
    ],
    "log": {"size": number, "lines": number},
    "mode": _WORD,
    "artifacts": number,
}
"""The shape of each fact, by its name."""

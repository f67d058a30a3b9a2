"""A real service with builds on record whose every field a stranger chose.

:func:`record_builds` has a stand-in controller tell of builds through its outbox: a
plain one, and one in which every name, reason, label and line is :data:`HOSTILE`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.parts.jenkins import IDENTITY, STARTED_MS, TOKEN, USER, serve_jenkins
from tests.parts.serving import Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.jenkins import StandIn

HOSTILE = (
    "\"'><script>document.title='taken'</script><img src=x onerror=\"document."
    "title='taken'\">{{7919*7907}}{%raw%}\u202egnp.exe\u2066\u0627\u0644\u200b`javascript:alert(1)&amp;"
)
"""Breaks out of attributes, runs, asks templates, turns the line round, hides."""

HOSTILE_JOB = "payments/a'\"&{{7-7}}%2F;x=1 \u0627\u0644 \U0001f680"
"""A full name: Jenkins forbids ``< > # ? * : |`` and a few more in it."""

LOG = (
    b"Started by user admin\n[Pipeline] stage\n[Pipeline] { (Build)\n+ make\n"
    b"\tcompiled 12 files\n[Pipeline] }\n[Pipeline] stage\n[Pipeline] { (Test)\n"
    b"Tests run: 9, Failures: 0\n[Pipeline] }\nFinished: SUCCESS\n"
)
RESULTS = {1: "FAILURE", 2: "SUCCESS", 3: "SUCCESS"}
KEY_HASH = hashlib.sha256(base64.b64decode(IDENTITY)).hexdigest()
JAR = b"PK plain"
_OUTBOX = "0" * 32


class Site(NamedTuple):
    """A service with builds on record.

    Attributes:
        service: The service.
        jenkins: The controller.
        instance: The controller's slug.
        plain: Job id of a build without surprises.
        hostile: Job id of one with them.
        reader: A token that sees the folder ``payments`` alone.
    """

    service: Serving
    jenkins: StandIn
    instance: str
    plain: str
    hostile: str
    reader: str


@contextlib.contextmanager
def serve_site(folder: Path) -> Iterator[Site]:
    """Run a controller and a service, and record builds."""
    with serve_jenkins("/jenkins") as jenkins:
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        options = ("--jenkins-url", jenkins.url, "--jenkins-user", USER)
        access = ("--jenkins-token-file", str(folder / "token"))
        settings = folder / "settings.yaml"
        settings.write_text("coverage: {days: 400, grace-minutes: 0}\n")
        _add_builds(jenkins)
        more = ("--settings", str(settings))
        with Serving(folder, *options, *access, *more) as service:
            site = record_builds(service, jenkins)
            _wait_for_coverage(service)
            yield site


def record_builds(service: Serving, jenkins: StandIn) -> Site:
    """Record the builds that the pages are tried on."""
    instance = jenkins.url.split("/")[2].replace(":", "-")
    hook = service.token("hook", "--role", "controller", "--folder", f"{instance}:*")
    plain, hostile = "payments/api/main", HOSTILE_JOB
    events = [
        _event(jenkins, plain, number, result=result)
        for number, result in RESULTS.items()
    ]
    events.append(_event(jenkins, hostile, 1, text=HOSTILE))
    for seq, event in enumerate(events, 1):
        value = {
            "outbox": _OUTBOX,
            "identity": KEY_HASH,
            "instance": instance,
            "events": [{**event, "seq": seq}],
        }
        answer = service.ask("POST", "/api/v1/outbox", value, token=hook)
        assert answer.status == 200, answer
    digest = hashlib.sha256(JAR).hexdigest()
    site = Site(
        service,
        jenkins,
        instance,
        f"{instance}:{plain}#3",
        f"{instance}:{hostile}#1",
        service.token("reader", "--role", "reader", "--folder", "payments"),
    )
    _say(service, site.plain, "target/app.jar", f"sha256:{digest}")
    _say(service, site.hostile, HOSTILE, "sha256:" + "cd" * 32)
    secret = "ci.example.com:secret/main#1"
    _say(service, secret, "secret.jar", "sha256:" + "ee" * 32)
    service.command(
        *("untrust", "sha256:" + "cd" * 32, "--name", HOSTILE[:100]),
        *("--reason", HOSTILE[:500]),
    )
    return site


def _add_builds(jenkins: StandIn) -> None:
    """Let the controller have builds, and one that nobody records."""
    jenkins.add_folder("payments")
    for number, result in RESULTS.items():
        _add_build(jenkins, "payments/api/main", number, "plain", result=result)
    noise = b"".join(b"line %d of the noise\n" % one for one in range(2500))
    lines = HOSTILE.encode() + b"\n\x1b[31mred\x1b[0m\x00\xff\n" + b"x" * 9000 + b"\n"
    _add_build(jenkins, HOSTILE_JOB, 1, HOSTILE, log=LOG + lines + noise)
    _add_build(jenkins, HOSTILE_JOB, 2, "unrecorded")


def _wait_for_coverage(service: Serving) -> None:
    """Wait until the service has looked which builds are on record."""
    for _ in range(200):
        answer = service.ask("GET", "/api/v1/coverage?all=true")
        if any(one["jobs"] for one in answer.json["controllers"]):
            return
        time.sleep(0.1)
    raise AssertionError(answer)


def _add_build(
    jenkins: StandIn,
    name: str,
    number: int,
    text: str,
    *,
    log: bytes = LOG,
    result: str = "SUCCESS",
) -> None:
    """Let the controller have a build."""
    job = jenkins.jobs.get(name) or jenkins.add_job(name)
    job.add_build(
        number=number,
        log=log,
        result=result,
        artifacts={"target/app.jar": JAR, f"{text.replace('/', '_')[:150]}.txt": b"t"},
        tests=(1 if result == "FAILURE" else 0, 1, 9),
        timestamp=STARTED_MS + number * 60_000,
        causes=[
            {
                "_class": "hudson.model.Cause$UserIdCause",
                "shortDescription": f"Started by {text}",
                "userId": text,
                "userName": text,
            }
        ],
    )


def _event(
    jenkins: StandIn,
    name: str,
    number: int,
    *,
    text: str = "Test",
    result: str = "SUCCESS",
) -> dict[str, Any]:
    """Return what the hook tells of a build."""
    started = STARTED_MS + number * 60_000
    stage = {"startedAt": started, "durationMs": 993, "status": result}
    return {
        "v": 1,
        "at": "2026-11-28T00:20:00.000Z",
        "event": "finalized",
        "controller": {
            "url": jenkins.url,
            "version": "2.421",
            "identity": KEY_HASH,
        },
        "job": {"name": name},
        "build": {"number": number, "startedAt": started, "result": result},
        "facts": {
            "mode": "enforce",
            "node": [{"name": text, "builtIn": False}],
            "scm": [
                {
                    "url": "https://git.example.com/payments/api.git",
                    "commit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
                    "branch": text[:100],
                }
            ],
            "stages": [
                {"id": "4", "name": "Build", "lines": [[2, 6]], **stage},
                {"id": "9", "name": text, "lines": [[7, 10]], **stage},
            ],
        },
        "claims": [],
    }


def _say(service: Serving, job: str, name: str, digest: str) -> None:
    """Record one artifact of a build by its claim."""
    value = claim(digest, job=job, attributes={"release": "1.2"})
    value["assets"][0]["name"] = name
    value["assets"][0]["subjects"][0]["name"] = name
    answer = service.ask("POST", "/api/v1/records", value)
    assert answer.status == 200, answer

r"""Keep a controller in memory: for tests of programs that use this package.

It answers as the HTTP adapter does, and counts what would be requests:

>>> jenkins = MemoryJenkins()
>>> build = jenkins.add("payments/api", 7, log=b"hello\n", artifacts={"a.jar": b"PK"})
>>> jenkins.build("payments/api", 7)["artifacts"]
[{'relativePath': 'a.jar'}]
>>> with jenkins.console("payments/api", 7) as stream:
...     stream.read()
b'hello\n'
>>> jenkins.requests
2
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager

from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.ports import Controller, JobSummary, LogPart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, BinaryIO

    from jenkins_notary.errors import NotaryError

STARTED_MS = 1_767_323_045_006
_PAGE = 50
_LONE_LF = re.compile(rb"(?<!\r)\n")


class MemoryBuild:
    """One build; every attribute may be changed at any time.

    Attributes:
        value: Its JSON but for the artifacts; see ``jenkins.client.BUILD_TREE``.
        log: Its log, or None when it is lost.
        artifacts: Bytes by path.
        tests: The JUnit summary, or None.
        stages: The answer of ``wfapi/describe``, or None.
    """

    def __init__(self, value: dict[str, Any]) -> None:
        """Begin without log, artifacts, tests and stages."""
        self.value = value
        self.log: bytes | None = b""
        self.artifacts: dict[str, bytes] = {}
        self.tests: Mapping[str, Any] | None = None
        self.stages: Mapping[str, Any] | None = None

    def finish(self, result: str = "SUCCESS") -> None:
        """End a running build."""
        self.value.update(building=False, result=result, duration=5300)


class MemoryJenkins:
    """A ``Jenkins`` port of plain dicts.

    Attributes:
        faults: What a call fails with, by (method, number), such as ``("console", 7)``.
        on_request: Called with the method's name before each answer.
    """

    def __init__(self, controller: Controller | None = None) -> None:
        """Be ``ci.example.com`` unless another one is given."""
        self._controller = controller or Controller(
            "ci.example.com", "https://ci.example.com/", "2.421", "ab" * 32
        )
        self._jobs: dict[str, dict[int, MemoryBuild]] = {}
        self._next: dict[str, int] = {}
        self._requests = 0
        self.faults: dict[tuple[str, int], NotaryError] = {}
        self.on_request: Callable[[str], None] = lambda _method: None

    def add(
        self,
        name: str,
        number: int,
        *,
        log: bytes | None = b"",
        artifacts: Mapping[str, bytes] | None = None,
        **value: object,
    ) -> MemoryBuild:
        """Add a build; return it, to be changed.

        Args:
            name: The job's full name.
            number: The build's number.
            log: Its log.
            artifacts: Bytes by path.
            value: Fields of its JSON that differ from a successful Pipeline's.
        """
        build = MemoryBuild(
            {
                "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
                "number": number,
                "timestamp": STARTED_MS + number * 60_000,
                "duration": 0 if value.get("building") else 5300,
                "building": False,
                "result": None if value.get("building") else "SUCCESS",
                "queueId": number,
                "url": f"{self._controller.url}job/{'/job/'.join(name.split('/'))}"
                f"/{number}/",
                "actions": [],
                **value,
            }
        )
        build.log = log
        build.artifacts = dict(artifacts or {})
        self._jobs.setdefault(name, {})[number] = build
        self._next[name] = max(self._next.get(name, 1), number + 1)
        return build

    def delete(self, name: str, number: int | None = None) -> None:
        """Delete a build, or a job with all builds."""
        if number is None:
            del self._jobs[name], self._next[name]
        else:
            del self._jobs[name][number]

    @property
    def requests(self) -> int:
        """Return how many requests there would have been."""
        return self._requests

    def controller(self) -> Controller:
        """Return who answers."""
        return self._controller

    def jobs(self, pattern: str) -> Iterator[JobSummary]:
        """Yield the jobs below a pattern, all for one request."""
        self._count("jobs")
        folder = "" if pattern == "*" else pattern.removesuffix("/*")
        for name in sorted(self._jobs):
            is_below = not folder or name.startswith(f"{folder}/")
            if is_below or (name == folder and not pattern.endswith("/*")):
                numbers = self._jobs[name]
                yield JobSummary(
                    name,
                    self._next[name],
                    min(numbers, default=None),
                    max(numbers, default=None),
                )

    def builds(
        self, name: str, *, first: int, last: int
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON of a job's builds in [first, last], the newest first."""
        kept = sorted(self._jobs.get(name, {}), reverse=True)
        found = [number for number in kept if first <= number <= last]
        for place, number in enumerate(found):
            if place % _PAGE == 0:
                self._count("builds")
            yield self._json(name, number)
        if not found:
            self._count("builds")

    def build(self, name: str, number: int) -> Mapping[str, Any]:
        """Return one build's JSON."""
        self._count("build", number)
        self._find(name, number)
        return self._json(name, number)

    @contextmanager
    def console(self, name: str, number: int) -> Iterator[BinaryIO]:
        """Return the log as ``consoleText``."""
        self._count("console", number)
        log = self._find(name, number).log
        if log is None:
            raise _missing(f"log of {name}#{number}")
        yield io.BytesIO(log)

    def console_part(self, name: str, number: int, start: int) -> LogPart:
        """Return the log from an offset on, with CRLF, in whole lines while it runs."""
        self._count("console_part", number)
        build = self._find(name, number)
        log, is_growing = build.log or b"", bool(build.value["building"])
        if start > len(log):
            raise IntegrityError(
                f"log of {name}#{number}", expected=f"{start} bytes", got=f"{len(log)}"
            )
        end = log.rfind(b"\n") + 1 if is_growing else len(log)
        data = log[start : max(start, end)]
        text = _LONE_LF.sub(b"\r\n", data)
        return LogPart(text, start, start + len(data), is_growing)

    @contextmanager
    def artifact(self, name: str, number: int, path: str) -> Iterator[BinaryIO]:
        """Return an archived artifact's bytes."""
        self._count("artifact", number)
        artifacts = self._find(name, number).artifacts
        if path not in artifacts:
            raise _missing(f"artifact {path}")
        yield io.BytesIO(artifacts[path])

    def test_report(self, name: str, number: int) -> Mapping[str, Any] | None:
        """Return the JUnit summary, or None for none."""
        self._count("test_report", number)
        return self._find(name, number).tests

    def stages(self, name: str, number: int) -> Mapping[str, Any] | None:
        """Return the stage list, or None where there is none."""
        self._count("stages", number)
        return self._find(name, number).stages

    def _count(self, method: str, number: int = 0) -> None:
        """Count a request, and fail it where that is wanted."""
        self._requests += 1
        self.on_request(method)
        if (method, number) in self.faults:
            raise self.faults[method, number]

    def _find(self, name: str, number: int) -> MemoryBuild:
        """Return a build."""
        build = self._jobs.get(name, {}).get(number)
        if build is None:
            raise _missing(f"build {name}#{number}")
        return build

    def _json(self, name: str, number: int) -> dict[str, Any]:
        """Return a build's JSON."""
        build = self._jobs[name][number]
        listed = [{"relativePath": path} for path in build.artifacts]
        return {**build.value, "artifacts": listed}


def _missing(subject: str) -> NotFoundError:
    """Return the error of what is not there."""
    return NotFoundError(subject, expected="something there", got="HTTP 404")

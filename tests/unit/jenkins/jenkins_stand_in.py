"""What the tests of this folder share: a stand-in and a client that never waits."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from jenkins_notary.jenkins.access import Access
from jenkins_notary.jenkins.client import JenkinsClient
from jenkins_notary.jenkins.transport import HttpSettings
from tests.parts.jenkins import TOKEN, USER, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.jenkins import Job, StandIn


class Lab:
    """A stand-in with one job ``main`` of one build, and a client for it.

    Attributes:
        jenkins: The stand-in.
        client: Its client; pauses take no time.
        pauses: Seconds that the client would have waited, in order.
        now_s: The client's clock; each look at it adds ``tick_s``.
    """

    def __init__(self, jenkins: StandIn) -> None:
        self.jenkins = jenkins
        self.pauses: list[float] = []
        self.now_s = 0.0
        self.tick_s = 0.0
        self.access = Access("ci.example.com", jenkins.url, USER, TOKEN)
        self.client = self.make_client()
        self.main = jenkins.add_job("main", freestyle=True)
        self.main.add_build(log=b"Started by user x\nFinished: SUCCESS\n")

    def make_client(
        self, access: Access | None = None, *, read_s: float = 30.0
    ) -> JenkinsClient:
        """Return a client; time passes for it only as ``tick_s`` says."""
        settings = HttpSettings(
            connect_s=30.0,
            read_s=read_s,
            pause=self.pauses.append,
            clock=self._look,
            wall_s=lambda: 1_700_000_000.0,
        )
        return JenkinsClient(access or self.access, settings=settings)

    def add_many(self, count: int) -> Job:
        """Add a job ``many`` with so many builds."""
        job = self.jenkins.add_job("many")
        for _ in range(count):
            job.add_build()
        return job

    def read_log(self, name: str = "main", number: int = 1) -> bytes:
        """Return a whole console log."""
        with self.client.console(name, number) as stream:
            return stream.read()

    def _look(self) -> float:
        self.now_s += self.tick_s
        return self.now_s


@contextmanager
def open_lab() -> Iterator[Lab]:
    """Run a lab until the block ends."""
    with serve_jenkins("/ci") as jenkins:
        lab = Lab(jenkins)
        yield lab
        lab.client.close()

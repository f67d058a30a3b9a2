"""Do things again and again beside the requests, each in a thread of its own.

What goes wrong is told and tried again; it never ends the service, nor what else is to
be done. The waiting between two times grows while it goes wrong.
"""

from __future__ import annotations

import threading
import time

from jenkins_notary.errors import NotaryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PAUSE_S = 300.0
STOP_S = 10.0


class Tasks:
    """What is done beside the requests.

    Attributes:
        faults: How often each task went wrong since the start, by its name.
    """

    def __init__(self, report: Callable[[str, str], object]) -> None:
        """Do nothing yet.

        Args:
            report: Told of each fault: the task's name and what was wrong.
        """
        self.faults: dict[str, int] = {}
        self._report = report
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def every(self, seconds: float, name: str, work: Callable[[], object]) -> None:
        """Do something now and then, ``seconds`` after it was done, until stopped."""
        self.repeat(name, work, self._stop.wait, seconds)

    def repeat(
        self,
        name: str,
        work: Callable[[], object],
        wait: Callable[[float], object],
        seconds: float,
    ) -> None:
        """Do something, wait, and do it again, until stopped.

        Args:
            name: For faults and the thread.
            work: What is done; one call should take no longer than a few seconds, or
                look at :attr:`is_stopping`.
            wait: Waits for at most so many seconds, or until there is more to do.
            seconds: How long is waited where nothing went wrong.
        """
        self.faults.setdefault(name, 0)

        def run() -> None:
            pause = seconds
            while not self.is_stopping:
                if self._attempt(name, work):
                    pause = seconds
                    wait(seconds)
                else:
                    pause = min(max(pause * 2, 1.0), MAX_PAUSE_S)
                    self._stop.wait(pause)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    @property
    def is_stopping(self) -> bool:
        """Return whether everything is to end soon."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def join(self) -> None:
        """Wait for what is being done, after :meth:`stop`, some time in all."""
        until = time.monotonic() + STOP_S
        for one in self._threads:
            one.join(max(0.0, until - time.monotonic()))

    def _attempt(self, name: str, work: Callable[[], object]) -> bool:
        """Do something once; return whether it went well."""
        try:
            work()
        except NotaryError as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
            fault = f"{type(error).__name__}: {error}"
        else:
            return True
        self.faults[name] += 1
        self._report(name, fault[:500])
        return False

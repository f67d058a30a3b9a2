"""Look for secrets in a log while it is read, and tell what was found.

What is told never holds the value::

    {"count": 3, "kinds": {"github-token": 1, "password": 2},
     "lines": [{"line": 17, "kind": "password"}, ...]}

``lines`` are the first :data:`LINES_TOLD`; ``count`` and ``kinds`` count all.
"""

from __future__ import annotations

from jenkins_notary.evidence.secrets import SecretScanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from jenkins_notary.evidence.secrets import Finding

LINES_TOLD = 100
"""Findings that are told with their line."""


class ScannedStream:
    """A stream whose bytes are looked through for secrets as they are read.

    >>> import io
    >>> stream = ScannedStream(io.BytesIO(b"password = hunter2-and-more"))
    >>> _ = stream.read(20), stream.read(20), stream.read(20)
    >>> stream.findings()["kinds"]
    {'password': 1}
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Begin before the first byte."""
        self._stream = stream
        self._scanner = SecretScanner()
        self._is_finished = False
        self._kinds: dict[str, int] = {}
        self._lines: list[Finding] = []

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, scanned; b"" at the end."""
        data = self._stream.read(size)
        if data:
            self._note(self._scanner.feed(data))
        return data

    def findings(self) -> dict[str, object]:
        """Return what was found in all that was read, in the form that is recorded."""
        if not self._is_finished:
            self._is_finished = True
            self._note(self._scanner.finish())
        return {
            "count": sum(self._kinds.values()),
            "kinds": dict(sorted(self._kinds.items())),
            "lines": [{"line": one.line, "kind": one.kind} for one in self._lines],
        }

    def _note(self, findings: Iterable[Finding]) -> None:
        """Count findings, and keep the first."""
        for one in findings:
            self._kinds[one.kind] = self._kinds.get(one.kind, 0) + 1
            if len(self._lines) < LINES_TOLD:
                self._lines.append(one)

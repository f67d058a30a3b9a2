"""Collect what a check of a ledger finds: what, where, expected and got.

A check reports every problem, not the first only. So that a ledger which is altered
throughout cannot exhaust the memory, only the first findings are kept; all are
counted.

>>> findings = Findings(limit=1)
>>> findings.add("entry", "main log #7", expected="hash ab", got="hash cd")
>>> findings.add("row", "job of #8", got="none")
>>> findings.total, [str(one) for one in findings.kept]
(2, ['entry, main log #7: expected hash ab, got hash cd'])
"""

from __future__ import annotations

from jenkins_notary.errors import FaultsError, IntegrityError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Literal

    from jenkins_notary.errors import NotaryError

    Severity = Literal["error", "warning"]
    Progress = Callable[[str, int, int], None]
    """``progress(phase, done, total)``; a use case prints nothing itself."""

LIMIT = 200
"""How many findings are kept."""


def no_progress(_phase: str, _done: int, _total: int) -> None:
    """Show nothing: the Progress of a caller who wants none."""


class Finding(NamedTuple):
    """One thing that is not as it must be.

    Attributes:
        severity: ``error`` if something was altered, lost or forged; ``warning`` if
            the next write or command puts it right.
        what: The kind of thing: ``entry``, ``envelope``, ``tile``, ``row``, ...
        where: Which one, for a person to find it.
        expected: What had to hold, or "".
        got: What was found, or "".
    """

    severity: Severity
    what: str
    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        """Return one line."""
        return str(self.to_error())

    def to_error(self) -> IntegrityError:
        """Return the finding as a failure that can be raised."""
        return IntegrityError(
            f"{self.what}, {self.where}", expected=self.expected, got=self.got
        )

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return self._asdict()


class Findings:
    """Findings in the order in which they were made; the first are kept.

    Attributes:
        kept: The first ones, errors and warnings.
        total: How many errors there are, kept or not.
    """

    def __init__(self, *, limit: int = LIMIT) -> None:
        """Start with none."""
        self._limit = limit
        self.kept: list[Finding] = []
        self.total = 0

    @property
    def is_full(self) -> bool:
        """Return whether further findings are only counted."""
        return len(self.kept) >= self._limit

    def add(
        self,
        what: str,
        where: str,
        *,
        expected: str = "",
        got: str = "",
        severity: Severity = "error",
    ) -> None:
        """Add a finding; see :class:`Finding`."""
        self.total += severity == "error"
        if not self.is_full:
            self.kept.append(Finding(severity, what, where, expected, got))

    def among(self, places: Collection[tuple[str, str]]) -> Findings:
        """Return those that were kept and are at some of the (what, where)."""
        chosen = [one for one in self.kept if (one.what, one.where) in places]
        others = Findings(limit=self._limit)
        others.extend(chosen, sum(one.severity == "error" for one in chosen))
        return others

    def add_error(self, what: str, where: str, error: NotaryError) -> None:
        """Add a failure that was raised by a check or a store."""
        # The subject says which part of it: a field, a line, a subtree.
        inner = error.subject.removeprefix(where).strip()
        self.add(
            what,
            f"{where}, {inner}" if inner else where,
            expected=error.expected,
            got=error.got,
        )

    def extend(self, kept: Iterable[Finding], total: int) -> None:
        """Add what another collector, of another process perhaps, has found."""
        self.total += total
        self.kept += list(kept)[: max(0, self._limit - len(self.kept))]


def raise_findings(kept: Iterable[Finding], total: int) -> None:
    """Raise the errors among findings, if there are any.

    Raises:
        FaultsError: With one IntegrityError a kept finding; its code is 65.
    """
    if total:
        raise FaultsError(
            [one.to_error() for one in kept if one.severity == "error"],
            advice=f"{total} in all: restore a backup, and find out who altered it",
        )

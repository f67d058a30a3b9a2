"""Name every failure by what its caller does next, with the exit code on the class.

All failures of this project derive from :class:`NotaryError`. A class is cut by the
reaction it asks for, not by the place where it arose, so an exit code can never be
confused with a verdict: 0-5 are answers, 64 and above are failures.

A message always has the same order: the subject, what was expected, what was got,
and the next step:

>>> error = IntegrityError("leaf 7", expected="hash ab", got="hash cd", advice="run X")
>>> str(error)
'leaf 7: expected hash ab, got hash cd; run X'
>>> error.exit_code
65

Source: DESIGN section 6 (exit codes, after BSD sysexits.h). This module is part of
the agent: standard library only, Python 3.8.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEVERITY = (65, 70, 74, 78, 77, 69, 67, 66, 64, 1, 4, 3, 5, 2, 0)
"""Exit codes, the worst first: the code of several results is the first that occurs."""


def worst_code(codes: Iterable[int]) -> int:
    """Return the code that stands first in :data:`SEVERITY`; 0 for no codes.

    A code that is not in the table (a killed process, say) counts as 70.

    >>> worst_code([0, 2, 1])
    1
    """
    ranks = [SEVERITY.index(code if code in SEVERITY else 70) for code in codes]
    return SEVERITY[min(ranks)] if ranks else 0


class NotaryError(Exception):
    """Base of every failure; never raised itself.

    Attributes:
        subject: What the failure is about: a path, reference, index or option.
        expected: What had to hold, or "" when the subject says all.
        got: What was found, or "".
        advice: The next step for the person who reads it, or "".
        exit_code: The process exit code; part of the contract with callers.
        word: Stable machine-readable name of the kind of failure.
    """

    exit_code = 70
    word = "internal"

    def __init__(
        self, subject: str, *, expected: str = "", got: str = "", advice: str = ""
    ) -> None:
        """Keep the four parts; text is made on demand."""
        super().__init__(subject)
        self.subject = subject
        self.expected = expected
        self.got = got
        self.advice = advice

    def __str__(self) -> str:
        """Return the one-line message: subject, expected, got, advice."""
        facts = [
            f"{label}{text}"
            for label, text in (("expected ", self.expected), ("got ", self.got))
            if text
        ]
        line = self.subject + (": " + ", ".join(facts) if facts else "")
        return line + (f"; {self.advice}" if self.advice else "")

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form: error, code, and each part that is not empty."""
        parts = {
            "error": self.word,
            "code": self.exit_code,
            "message": str(self),
            "subject": self.subject,
            "expected": self.expected,
            "got": self.got,
            "advice": self.advice,
        }
        return {key: value for key, value in parts.items() if value != ""}


class UsageError(NotaryError):
    """An argument is wrong: an empty asset, a malformed job id, a bad digest."""

    exit_code = 64
    word = "usage"


class IntegrityError(NotaryError):
    """Something was altered: a bad proof, signature, hash, or a forked log."""

    exit_code = 65
    word = "integrity"


class NotFoundError(NotaryError):
    """A file, ledger, record, job or piece of evidence does not exist."""

    exit_code = 66
    word = "not-found"


class AmbiguousError(NotaryError):
    """Several things match and none may be chosen for the caller."""

    exit_code = 67
    word = "ambiguous"


class UnavailableError(NotaryError):
    """A ledger, registry or controller did not answer, after retries."""

    exit_code = 69
    word = "unavailable"


class InternalError(NotaryError):
    """A fault of this program: something that cannot happen did."""

    exit_code = 70
    word = "internal"


class StorageError(NotaryError):
    """The disk is full, read-only or failing."""

    exit_code = 74
    word = "storage"


class PermissionDeniedError(NotaryError):
    """The caller may not do or read this: file rights, a login, a role."""

    exit_code = 77
    word = "permission"


class ConfigurationError(NotaryError):
    """The configuration is wrong: a file, an environment variable, a key, a policy."""

    exit_code = 78
    word = "configuration"


class HeadMovedError(NotaryError):
    """Another writer committed first; read the head again and try again.

    Never seen by a user: when trying again does not help, it becomes
    UnavailableError.
    """

    exit_code = 69
    word = "head-moved"


class FaultsError(NotaryError):
    """Several faults of one call, reported together; its code is the worst.

    Attributes:
        faults: The single failures, in the order in which they were met.
    """

    word = "faults"

    def __init__(self, faults: Sequence[NotaryError], *, advice: str = "") -> None:
        """Group the faults of one call; at least one."""
        self.faults = tuple(faults)
        super().__init__(
            f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''}",
            advice=advice,
        )
        self.exit_code = worst_code([fault.exit_code for fault in self.faults])

    def __str__(self) -> str:
        """Return the summary line, then one line a fault."""
        return "\n".join([super().__str__(), *(f"  {f}" for f in self.faults)])

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form with the faults in a list."""
        whole = super().to_dict()
        whole["faults"] = [fault.to_dict() for fault in self.faults]
        return whole

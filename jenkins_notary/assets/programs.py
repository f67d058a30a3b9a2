"""Run another program for an asset: bounded in time and output, never by a shell."""

from __future__ import annotations

import os
import subprocess  # noqa: TID253 (this module is loaded for other programs only)
import tempfile  # noqa: TID253

from jenkins_notary.errors import UnavailableError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_OUTPUT_BYTES = 32 * 1024 * 1024
"""Longest standard output that is read."""

_MAX_ERROR_BYTES = 64 * 1024


class Finished(NamedTuple):
    """How a program ended.

    Attributes:
        code: Its exit code.
        output: Its standard output.
        error: The start of its standard error, as text.
    """

    code: int
    output: bytes
    error: str


def run_program(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
    timeout_s: float = 60.0,
) -> Finished:
    """Run a program to its end.

    Its output goes to unnamed temporary files, so a program that writes without end
    fills no memory; it is stopped by the time limit.

    Args:
        arguments: The program, found on PATH, and its arguments.
        environment: All of its environment variables; None for those of this process.
        given: What it reads from standard input.
        timeout_s: After this many seconds it is ended.

    Raises:
        UnavailableError: The program is not installed, does not end in time, or writes
            more than :data:`MAX_OUTPUT_BYTES`.
    """
    program = arguments[0]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        try:
            # A list, no shell: no argument is ever read as a command.
            result = subprocess.run(
                list(arguments),
                input=given,
                stdout=output,
                stderr=error,
                env=None if environment is None else dict(environment),
                timeout=timeout_s,
                check=False,
            )
        except OSError as fault:
            raise UnavailableError(
                f"the program {program}",
                expected="it on PATH",
                got=fault.strerror or "none",
                advice=f"install {program}",
            ) from fault
        except subprocess.TimeoutExpired as fault:
            raise UnavailableError(
                f"the program {program}",
                expected=f"an answer within {timeout_s:g} s",
                got="none",
            ) from fault
        if os.fstat(output.fileno()).st_size > MAX_OUTPUT_BYTES:
            raise UnavailableError(
                f"the program {program}",
                expected=f"at most {MAX_OUTPUT_BYTES} bytes of output",
                got="more",
            )
        output.seek(0)
        error.seek(0)
        text = error.read(_MAX_ERROR_BYTES).decode("utf-8", "replace")
        return Finished(result.returncode, output.read(), text)

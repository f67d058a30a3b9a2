"""Read the files that settings name for secrets: keys that end in ``-file``."""

from __future__ import annotations

import os
import stat

from jenkins_notary.errors import ConfigurationError

MAX_SECRET_BYTES = 64 << 10
MIN_SECRET_LENGTH = 16


def read_secret(path: str, subject: str) -> str:
    """Return the one line of a file that others may not read.

    Args:
        path: The file.
        subject: The setting that names it, for messages; they never hold the secret.

    Raises:
        ConfigurationError: Others may read it, it cannot be read, or holds no secret.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{subject} {path}", expected="a readable file", got=str(error.strerror)
        ) from error
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise ConfigurationError(
            f"{subject} {path}",
            expected="a file of mode 0600",
            got=stat.filemode(mode),
            advice="chmod 600, and change the secret",
        )
    text = data.decode("ascii", "replace").strip()
    if not MIN_SECRET_LENGTH <= len(text) <= MAX_SECRET_BYTES or not text.isprintable():
        raise ConfigurationError(
            f"{subject} {path}",
            expected=f"one line of at least {MIN_SECRET_LENGTH} characters",
            got="something else",
        )
    return text

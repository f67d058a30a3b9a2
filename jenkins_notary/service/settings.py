"""Read the file of ``serve --settings``: what an administrator decides of a service.

The file is YAML. Each section belongs to the module that uses it, which defines it as a
frozen ``msgspec.Struct`` with kebab-case keys and without unknown ones; here they are
only put together. A secret never stands in it: a key that ends in ``-file`` names the
file of mode 0600 that holds one.
"""

from __future__ import annotations

import msgspec

from jenkins_notary.errors import ConfigurationError

MAX_FILE_BYTES = 1 << 20


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The base of every section; each says ``frozen=True`` again, for type checkers."""


class Settings(Section, frozen=True):
    """All sections; what is left out has its default."""


def load_settings(path: str | None) -> Settings:
    """Return the settings of a file, all defaults for None.

    Raises:
        ConfigurationError: It cannot be read, or is not of the form; where is said.
    """
    if path is None:
        return Settings()
    import yaml

    subject = f"--settings {path}"
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(subject, expected=f"at most {MAX_FILE_BYTES} B")
        root = yaml.safe_load(content.decode())
    except OSError as error:
        raise ConfigurationError(
            subject, expected="a readable file", got=error.strerror or "an error"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError(
            subject, expected="plain YAML in UTF-8", got=str(error)[:200]
        ) from error
    try:
        return msgspec.convert({} if root is None else root, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            subject, expected="the sections and keys of its description", got=str(error)
        ) from error

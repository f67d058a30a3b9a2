"""State the version of the package, once."""

from __future__ import annotations

VERSION = "0.1.0"

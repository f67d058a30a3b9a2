"""Find the real parts that tests run, or skip with the reason and the way to get them.

Parts are got by `make parts` (`tests/parts/build.py`); a test never builds one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.parts import build

if TYPE_CHECKING:
    from pathlib import Path


def find_part(name: str) -> Path | None:
    """Return the path of a real part's program, or None if it is not there.

    Raises:
        KeyError: No part has that name.
    """
    return build.PARTS[name].find()


def require_part(name: str) -> Path:
    """Return the path of a real part's program; skip the test if it is not there.

    Raises:
        KeyError: No part has that name.
    """
    path = find_part(name)
    if path is None:
        pytest.skip(f"real part {name} is missing: {build.PARTS[name].advice()}")
    return path

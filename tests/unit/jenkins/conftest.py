from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.jenkins.jenkins_stand_in import open_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.jenkins.jenkins_stand_in import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Return a stand-in with a client."""
    with open_lab() as lab:
        yield lab

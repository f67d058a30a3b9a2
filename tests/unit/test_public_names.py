"""What the package offers is listed, found, and imported only when it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jenkins_notary
from jenkins_notary import errors

SOURCE = Path(jenkins_notary.__file__)


def test_list_is_literal_sorted_and_complete() -> None:
    (listed,) = [
        ast.literal_eval(node.value)
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
    ]

    assert listed == sorted(listed) == jenkins_notary.__all__


@pytest.mark.parametrize("name", jenkins_notary.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    assert getattr(jenkins_notary, name) is not None


def test_every_error_is_public() -> None:
    kinds = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.NotaryError)
    }

    # HeadMovedError is caught before it reaches a caller.
    assert kinds - {"HeadMovedError"} <= set(jenkins_notary.__all__)


def test_other_names_are_absent() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = jenkins_notary.nothing


def test_package_imports_nothing_before_it_is_used() -> None:
    script = "import sys, jenkins_notary; print(*sorted(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    ours = {one for one in done.stdout.split() if one.startswith("jenkins_notary.")}
    assert ours == {"jenkins_notary.version"}

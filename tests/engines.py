"""Say which tests of commands run on which engine of ledgers, and why some do not.

A test of these modules runs once an engine. What it does not name by `--ledger` is the
ledger of `JENKINS_NOTARY_LEDGER`: unset, so a SQLite file below the test's home, or a
new database of a real immudb.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _pytest.mark import ParameterSet

SQLITE = "sqlite"
IMMUDB = "immudb"

MODULES = re.compile(r"tests\.integration\.(test_cli_(?!remote)\w+|test_robustness\w*)")
"""The modules whose tests run commands on a ledger of their own."""

_FILE = "changes or reads the bytes of the SQLite file"
_DISK = "fills the disk, or takes the rights, of a SQLite file"
_PATH = "is about the paths of files that hold ledgers"

NOT_ON_IMMUDB: Mapping[str, str] = {
    "test_cli_ledger::test_altered_ledger_is_65_with_what_and_where": _FILE,
    "test_cli_ledger::test_audit_finds_a_ledger_that_was_put_back": _FILE,
    "test_cli_ledger::test_damaged_file_is_65": _FILE,
    "test_cli_ledger::test_erased_text_is_in_no_byte_of_the_file": _FILE,
    "test_robustness::test_checkpoint_that_a_power_cut_took_is_made_again": _FILE,
    "test_robustness_disk::test_disk_that_fills_up_while_many_are_recorded": _DISK,
    "test_robustness_disk::test_first_use_on_an_almost_full_disk_leaves_nothing_half": (
        _DISK
    ),
    "test_robustness_disk::test_full_disk_is_74_and_all_is_well_after": _DISK,
    "test_robustness_disk::test_read_only_disk_is_74_and_can_be_read": _DISK,
    "test_robustness_names::test_ledger_may_stand_at_any_path": _PATH,
    "test_robustness_names::test_one_ledger_reached_by_two_paths_is_one": _PATH,
    "test_robustness_names::test_two_ledgers_know_nothing_of_each_other": _PATH,
    "test_robustness_size": "measures bodies, which are files here on both engines",
}
"""Why a test cannot hold on a ledger in immudb, by ``module::test``, or by module."""


def engines_of(module: str, test: str) -> list[ParameterSet]:
    """Return the engines that a test runs on; none for one that is not of commands.

    Args:
        module: Its module's name, with dots.
        test: Its function's name.
    """
    if not MODULES.fullmatch(module):
        return []
    found = [pytest.param(SQLITE, id=SQLITE)]
    short = module.rpartition(".")[2]
    if NOT_ON_IMMUDB.keys().isdisjoint({short, f"{short}::{test}"}):
        found.append(pytest.param(IMMUDB, id=IMMUDB, marks=pytest.mark.real(IMMUDB)))
    return found

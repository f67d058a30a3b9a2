"""Take packs apart and put them together again, as an attacker would."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.packs.making import PackCheck, verify_pack
from jenkins_notary.api.session import Choices
from jenkins_notary.errors import IntegrityError, NotaryError
from jenkins_notary.evidence.pack_archive import (
    HEAD,
    PAGE,
    REPORT,
    VERIFIER,
    read_members,
    write_end,
    write_member,
)
from jenkins_notary.evidence.pack_head import (
    BUILD,
    PackHead,
    Selection,
    format_head,
    parse_head,
)
from jenkins_notary.standalone import verify
from tests.unit.api.people import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

TEXTS = (PAGE, REPORT, VERIFIER)
"""What only the program that wrote it can check."""


class DisagreeError(Exception):
    """One verifier refuses what the other takes."""


BUILD_42 = Selection(BUILD, JOB)


def pack(
    notary: Notary,
    selection: Selection = BUILD_42,
    **how: Any,  # noqa: ANN401 - passed on
) -> bytes:
    """Return a pack's bytes."""
    return b"".join(notary.pack(selection, **how))


def check(data: bytes, person: Person, **how: Any) -> PackCheck:  # noqa: ANN401 - passed on
    """Check a pack with the log's key, by both verifiers, which must agree.

    Raises:
        IntegrityError: Both refuse it.
        DisagreeError: Only one does.
    """
    log = how.pop("log", None) or person.notary().ledger.status().vkey
    lines: list[str] = []
    with suppress(verify.RefusedError):
        lines = verify.check(io.BytesIO(data), log)
    if lines:
        try:
            found = verify_pack(io.BytesIO(data), Choices(log=log), {}, **how)
        except IntegrityError as error:
            if any(name in error.subject for name in TEXTS):
                raise
            raise DisagreeError(str(error)) from error
        assert f"{found.checked.records} records," in lines[3]
        return found
    with pytest.raises(NotaryError) as caught:
        verify_pack(io.BytesIO(data), Choices(log=log), {}, **how)
    raise caught.value


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the members of a pack."""
    members = read_members(io.BytesIO(data))
    return {
        name: data[one.offset : one.offset + one.size] for name, one in members.items()
    }


def repack(members: Mapping[str, bytes]) -> bytes:
    """Return the archive of members, in their order."""
    made = [
        b"".join(write_member(name, len(data), [data]))
        for name, data in members.items()
    ]
    return b"".join([*made, write_end()])


def edit_head(
    members: dict[str, bytes], change: Callable[[PackHead], PackHead]
) -> None:
    """Change what a pack says of itself, so that its texts are not compared."""
    changed = change(parse_head(members[HEAD]))
    members[HEAD] = format_head(changed._replace(made_by="another"))

"""Say what a call claims of all its assets."""

from __future__ import annotations

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.values.status import Status

MANIFEST_LABEL = "manifest"
"""The label of a directory's manifest among the attachments."""


class Claim(NamedTuple):
    """What is said of all assets of a call.

    Attributes:
        status: The status to record.
        job: A job id as the user gave it, or None for that of the environment.
        attributes: Further facts, text, number or boolean by name.
        reason: Free text, or None.
        supersedes: Indexes of negative records that this one lifts.
        attachments: (path, label or None) of files to keep with the record.
    """

    status: Status
    job: str | None = None
    attributes: Mapping[str, str | int | bool] = {}
    reason: str | None = None
    supersedes: Sequence[int] = ()
    attachments: Sequence[tuple[str, str | None]] = ()

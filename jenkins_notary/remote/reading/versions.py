"""Say whether the versions of a service and of its clients go together.

A service serves clients of its own minor version and of the one before. It is upgraded
first. The shared library brings its agent part along: their version is one.
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

SAME, OLDER, TOO_OLD, NEWER = "same", "older", "too old", "newer"
WORDS = {
    "jenkins-notary-agent": "library and agent part",
    "jenkins-notary-hook": "hook",
}
"""What people call a program, by what it calls itself."""

_ADVICE = {
    TOO_OLD: "upgrade it: one minor version back is served, no older one",
    NEWER: "upgrade the service: it comes first",
}
_SHOWN = 20


def compare(version: str, own: str = VERSION) -> str:
    """Return what a client's version is to a service's.

    >>> [compare(one, "1.4.0") for one in ("1.4.9", "1.3.0", "1.2.9", "1.5.0")]
    ['same', 'older', 'too old', 'newer']
    """
    theirs, ours = _minor(version), _minor(own)
    if theirs == ours:
        return SAME
    if theirs > ours:
        return NEWER
    return OLDER if theirs == (ours[0], ours[1] - 1) else TOO_OLD


def check_clients(clients: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``doctor`` says of the programs that ask a service.

    Args:
        clients: Each with its ``token``, ``program``, ``version``, ``seen``, ``skew``.
    """
    wrong = [one for one in clients if one["skew"] in _ADVICE]
    listed = [
        f"{WORDS.get(one['program'], one['program'])} {one['version']} "
        f"(token {one['token']}, {one['seen']})"
        for one in [*wrong, *(one for one in clients if one not in wrong)]
    ]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return {
        "name": "clients",
        "ok": not wrong,
        "found": (", ".join(listed[:_SHOWN]) + more) or "none has asked yet",
        "advice": _ADVICE[wrong[0]["skew"]] if wrong else "",
        "code": ConfigurationError.exit_code if wrong else 0,
    }


def _minor(version: str) -> tuple[int, int]:
    """Return (major, minor) of a version."""
    major, minor, *_ = version.split(".")
    return int(major), int(minor)

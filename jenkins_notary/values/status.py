"""Name the statuses of an asset; the numbers are vcn's and are exit codes.

>>> Status.TRUSTED.value, Status["REVOKED"].value
(0, 4)
>>> Status.UNSUPPORTED in NEGATIVE
True
"""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """What the ledger says of an asset; UNKNOWN and REVOKED are never recorded."""

    TRUSTED = 0
    UNTRUSTED = 1
    UNKNOWN = 2
    UNSUPPORTED = 3
    REVOKED = 4


RECORDED = frozenset({Status.TRUSTED, Status.UNTRUSTED, Status.UNSUPPORTED})
"""The statuses that a record can give."""

NEGATIVE = frozenset({Status.UNTRUSTED, Status.UNSUPPORTED})
"""The recorded statuses that only a superseding record lifts."""

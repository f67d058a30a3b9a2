"""Say what a section of the settings is; each module of the service defines its own.

Apart from ``settings``, which puts the sections together, so that neither needs the
other.
"""

from __future__ import annotations

import msgspec


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The base of every section; each says ``frozen=True`` again, for type checkers.

    What types cannot say ``__post_init__`` checks, with a ``ValueError``.
    """

"""Define what is notarized: an asset, and the digests that stand for it.

An asset has at least one subject. The first subject is the asset's own digest; the
others are digests of the same thing under another view (an image's platform manifests
and configs, say) and are *linked* to it: a negative status on one applies to all.

>>> subject = Subject("app.jar", "sha256:" + "ab" * 32)
>>> Asset("app.jar", "file", 3, (subject,)).digest == subject.digest
True

Standard library only, Python 3.8: the agent loads this module.
"""

from __future__ import annotations

from jenkins_notary.errors import FaultsError, worst_code
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import PREFIX, is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.errors import NotaryError

KINDS = (
    "file",
    "directory",
    "git",
    "image",
    "image-archive",
    "url",
    "digest",
    "docker",
    "podman",
)
"""Every value that ``Asset.kind`` can have."""

MAX_FAULTS = 100
"""Faults that one report lists by name; the rest is counted."""


class Subject(NamedTuple):
    """One digest that stands for an asset.

    Attributes:
        name: What a person would call it; unique within its asset.
        digest: ``sha256:`` and 64 lower-case hex digits.
        algorithms: Further digests of the same bytes as (algorithm, hex) pairs,
            e.g. ``(("gitCommit", "<40 hex>"),)``. The names are in-toto's.
    """

    name: str
    digest: str
    algorithms: tuple[tuple[str, str], ...] = ()


class Asset(NamedTuple):
    """A thing that can be notarized, reduced to its digests and a few facts.

    Attributes:
        name: A relative path, image name, URL or given name; never a home path.
        kind: One of :data:`KINDS`.
        size: Bytes, or None where the kind has no single size.
        subjects: At least one; the first is the asset's own digest.
        ref: Images: ``name@sha256:…``; None for all others.
        metadata: Small facts by name; no secret, no person.
        dirty: True for a git work tree that differs from its commit.
        manifest: Directories: the exact bytes whose SHA-256 is the digest.
    """

    name: str
    kind: str
    size: int | None
    subjects: tuple[Subject, ...]
    ref: str | None = None
    metadata: dict[str, str | int | bool] = {}  # noqa: RUF012 (never changed)
    dirty: bool = False
    manifest: bytes | None = None

    @property
    def digest(self) -> str:
        """Return the asset's own digest."""
        return self.subjects[0].digest


def is_digest(text: str) -> bool:
    """Return whether ``text`` is ``sha256:`` and 64 lower-case hex digits.

    >>> is_digest("sha256:" + "0" * 64), is_digest("sha256:" + "A" * 64)
    (True, False)
    """
    return text.startswith(PREFIX) and is_hex_digest(text[len(PREFIX) :])


def printable(text: str, limit: int = 200) -> str:
    r"""Return ``text`` fit for one line of a message: bounded, no control characters.

    >>> print(printable("a" + chr(10) + "b"))
    a\nb
    """
    cut = text if len(text) <= limit else text[:limit] + "..."
    if cut.isprintable():
        return cut
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut
    )


def raise_faults(faults: Sequence[NotaryError]) -> None:
    """Raise the faults of one call together; return when there are none.

    One fault is raised as itself, so its class tells what to do. Several become one
    ``FaultsError``. More than :data:`MAX_FAULTS` are cut: those listed include one of
    the worst, and the last says how many are not shown.

    Raises:
        NotaryError: The only fault.
        FaultsError: There are several.
    """
    if not faults:
        return
    if len(faults) == 1:
        raise faults[0]
    shown = list(faults[:MAX_FAULTS])
    if len(faults) > MAX_FAULTS:
        worst = worst_code([fault.exit_code for fault in faults])
        first_worst = next(f for f in faults if f.exit_code == worst)
        if first_worst not in shown:
            shown[-1] = first_worst
        shown.append(type(first_worst)(f"and {len(faults) - MAX_FAULTS} more faults"))
    raise FaultsError(shown)

"""Read who is behind a record that was taken over from another log.

An import is a record of its own: the signer who brought it says what the other log's
record says, and that its receipt and signature were checked. It counts only if both
count here, who brought it and who said it there; a revocation of either reaches it.

Who brings records leaves none out: the newest import tells how far its log came. That
is believed of those only whom the administrators let import from that log, by making
them members of an org named after it::

    import:edge.example.com/1a2b3c4d

An enrolled signer who is not one of them may write what looks like an import; it does
not move on what is read next.
"""

from __future__ import annotations

from jenkins_notary.errors import PermissionDeniedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.trust.signers import Trust

TYPE = "import"


def voices(record: ProvenRecord) -> tuple[str, ...]:
    """Return the signers by whose word a record stands; all of them must count.

    Of an import that was erased, only who brought it is known. One that does not say
    who said it has the signer "", who is never enrolled.
    """
    if record.leaf.type != TYPE or record.statement is None:
        return (record.leaf.signer,)
    imported = record.statement.facts.get("imported")
    signer = imported.get("signer") if isinstance(imported, dict) else None
    return record.leaf.signer, signer if isinstance(signer, str) else ""


def importers_of(origin: str) -> str:
    """Return the org of those who may import from a log.

    >>> importers_of("edge.example.com/1a2b3c4d")
    'import:edge.example.com/1a2b3c4d'
    """
    return f"{TYPE}:{origin}"


def may_import(trust: Trust, signer: str, origin: str, index: int) -> bool:
    """Return whether what a signer imported from a log, at an index, is believed."""
    return (
        signer in trust.signers
        and not trust.is_revoked(signer, index)
        and trust.is_member(signer, importers_of(origin), index)
    )


def not_importer(signer: str, origin: str) -> PermissionDeniedError:
    """Return the error for a signer who may not import from a log."""
    org = importers_of(origin)
    return PermissionDeniedError(
        f"signer {signer}",
        expected=f"one that may import from {origin}: a member of {org}",
        got="another",
        advice=f"an administrator lets it: jenkins-notary org add {org} {signer}",
    )

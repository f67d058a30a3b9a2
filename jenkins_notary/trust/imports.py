"""Read who is behind a record that was taken over from another log.

An import is a record of its own: the signer who brought it says what the other log's
record says, and that its receipt and signature were checked. It counts only if both
count here, who brought it and who said it there; a revocation of either reaches it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.trust.record import ProvenRecord

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

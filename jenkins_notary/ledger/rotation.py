r"""Give a ledger a new key, so that whoever trusts the old one can follow.

A rotation is a trust record of action ``ledger-key`` whose ``note`` is a signed note,
signed by the old key and by the new one::

    jenkins-notary ledger key rotation
    example.com/1a2b3c4d
    example.com/1a2b3c4d+<8 hex>+<base64>

    — example.com/1a2b3c4d <signature of the old key>
    — example.com/1a2b3c4d <signature of the new key>

Both keys have the log's name, its origin. A reader who knows the first key folds the
trust log, and each note hands on from a key that it accepts to the next. The trust
record itself must be signed by administrators, so a stolen ledger key alone does not
hand on, to a reader who has a pin.

Rules: the old key's checkpoints verify for ever; but a checkpoint beyond the rotation
that only an older key has signed is refused.

Source: C2SP signed-note; FEATURES D21.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, NotaryError, NotFoundError, UsageError
from jenkins_notary.ledger.view import LedgerView, open_view
from jenkins_notary.tlog.checkpoint import open_checkpoint, parse_checkpoint
from jenkins_notary.tlog.note import open_note, parse_note, parse_vkey, sign_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.ledger.author import Author
    from jenkins_notary.ports import Appended, Ledger, LogReader, Verifier
    from jenkins_notary.tlog.note import NoteSigner, NoteVerifier
    from jenkins_notary.trust.signers import Trust

    MakeVerifier = Callable[[str], NoteVerifier]
    """Makes the verifier of a vkey's text."""

HEADER = "jenkins-notary ledger key rotation"


def format_rotation(origin: str, vkey: str) -> str:
    """Return the text that both keys sign."""
    return f"{HEADER}\n{origin}\n{vkey}\n"


def rotate_ledger_key(
    ledger: Ledger,
    author: Author,
    old: NoteSigner,
    new: NoteSigner,
    *,
    new_vkey: str,
) -> Sequence[Appended]:
    """Record that another key signs from now on; return where it stands.

    The record is committed under the old key. The caller then keeps the new key in the
    old one's place; the next write signs with it.

    Args:
        ledger: The writer, with the old key.
        author: The administrators' keys, as many as the threshold asks for.
        old: The present key.
        new: The next one, of the same name.
        new_vkey: Its verifier key.

    Raises:
        UsageError: Another name, or the same key.
    """
    if new.name != old.name or new.key_id == old.key_id:
        raise UsageError(
            "new ledger key", expected=f"another key named {old.name}", got=new.name
        )
    note = sign_note(format_rotation(old.name, new_vkey), [old, new])
    facts = {"action": "ledger-key", "origin": old.name, "note": note.decode()}
    return ledger.append([author.sign("trust", [], facts)])


def accepted_vkeys(
    trust: Trust, first_vkey: str, make_verifier: MakeVerifier
) -> list[tuple[int, str]]:
    """Return (from index, vkey) of the first key and of each that followed it.

    A rotation that does not hand on from the newest key so far is passed over: it
    cannot make a key accepted.

    Args:
        trust: The log's trust.
        first_vkey: The key that the reader trusts.
        make_verifier: Makes the verifier of a vkey's text.
    """
    chain = [(0, first_vkey)]
    origin = parse_vkey(first_vkey).name
    for index, text in trust.ledger_keys:
        vkey = _read_rotation(text, chain[-1][1], origin, make_verifier)
        if vkey is not None:
            chain.append((index, vkey))
    return chain


def open_followed_view(
    reader: LogReader,
    first_vkey: str,
    make_verifier: MakeVerifier,
    signatures: Verifier,
) -> tuple[LedgerView, list[str]]:
    """Return the newest view and the keys that were accepted, the newest last.

    Args:
        reader: The ledger.
        first_vkey: The key that the reader trusts, which may have been rotated out.
        make_verifier: Makes the verifier of a vkey's text.
        signatures: Signature checks of statements.

    Raises:
        NotFoundError: The ledger has no checkpoint yet.
        IntegrityError: The checkpoint is not signed by the first key or one that
            followed it, or only by one that was rotated out before.
    """
    note = reader.checkpoint()
    if note is None:
        raise NotFoundError(
            "checkpoint", got="none yet", advice="jenkins-notary ledger init"
        )
    candidate = parse_checkpoint(parse_note(note).text)
    if candidate.origin != parse_vkey(first_vkey).name:
        return open_view(reader, [make_verifier(first_vkey)], signatures), [first_vkey]
    view = LedgerView(reader, candidate, note, signatures)
    return view, follow_keys(view, first_vkey, make_verifier)


def follow_keys(
    view: LedgerView, first_vkey: str, make_verifier: MakeVerifier
) -> list[str]:
    """Verify a view's checkpoint by a key and those that followed it; return them.

    The chain is found in a view of a checkpoint that nobody has verified yet. That is
    sound: each link is signed by a key that is accepted already.

    Raises:
        IntegrityError: As :func:`open_followed_view`.
    """
    candidate = view.checkpoint
    chain = accepted_vkeys(view.trust(), first_vkey, make_verifier)
    verifiers = [make_verifier(vkey) for _, vkey in chain]
    opened = open_checkpoint(view.note, verifiers)
    signed = {(one.name, one.key_id) for one in opened.note.verified}
    newest = max(
        place for place, one in enumerate(verifiers) if (one.name, one.key_id) in signed
    )
    # The record of the rotation itself is still committed under the old key.
    if newest + 1 < len(chain) and candidate.size > chain[newest + 1][0] + 1:
        raise IntegrityError(
            f"checkpoint of {candidate.origin} at size {candidate.size}",
            expected=f"a signature by {chain[-1][1]}",
            got=f"one by {chain[newest][1]}, which was rotated out",
            advice="the old key may be stolen: ask the ledger's administrators",
        )
    return [vkey for _, vkey in chain]


def _read_rotation(
    text: str, vkey: str, origin: str, make_verifier: MakeVerifier
) -> str | None:
    """Return the key that a note hands on to from a key, None if it does not."""
    try:
        note = text.encode()
        lines = parse_note(note).text.split("\n")
        if len(lines) != 4 or lines[:2] != [HEADER, origin] or lines[3]:
            return None
        if parse_vkey(lines[2]).name != origin or lines[2] == vkey:
            return None
        opened = open_note(note, [make_verifier(vkey), make_verifier(lines[2])])
    except (NotaryError, UnicodeEncodeError):
        return None
    return lines[2] if len(opened.verified) == 2 else None

"""Show and make the signer's key."""

from __future__ import annotations

from jenkins_notary.api.results import KeyInfo
from jenkins_notary.errors import UsageError
from jenkins_notary.keys.pem import (
    KINDS,
    format_public_pem,
    generate_signer,
    load_signer,
)
from jenkins_notary.keys.signatures import Ed25519Signer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import Signer


def describe_key(session: Session, *, passphrase: bytes | None) -> KeyInfo:
    """Return the signer's key; none is made."""
    path = session.places.key
    return _describe(load_signer(path, passphrase=passphrase), path)


def make_key(session: Session, kind: str, *, passphrase: bytes | None) -> KeyInfo:
    """Make the signer's key.

    Raises:
        UsageError: Another kind, or there is a key already.
    """
    path = session.places.key
    if kind not in KINDS:
        raise UsageError("--kind", expected=" or ".join(KINDS), got=kind[:40])
    try:
        return _describe(
            generate_signer(
                path,
                kind=kind,  # type: ignore[arg-type]  # Checked above.
                passphrase=passphrase,
            ),
            path,
        )
    except FileExistsError as error:
        raise UsageError(
            f"key file {path}",
            expected="none yet",
            got="one",
            advice="choose another file with --key; a key is never replaced",
        ) from error


def _describe(signer: Signer, path: str) -> KeyInfo:
    """Return what is shown of a key."""
    kind = KINDS[0] if isinstance(signer, Ed25519Signer) else KINDS[1]
    return KeyInfo(signer.keyid, kind, path, format_public_pem(signer.public_der))

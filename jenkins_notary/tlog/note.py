r"""Read, verify and write signed notes, and the keys that verify them.

A note is a text, a blank line, and signature lines. Each line names a key and carries,
in base64, the key's 4-byte id and the signature of the text:

>>> data = (
...     "This is an example message.\n"
...     "\n"
...     "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ON"
...     "ncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
... ).encode()
>>> note = parse_note(data)
>>> note.text
'This is an example message.\n'
>>> note.signatures[0].name, note.signatures[0].key_id.hex()
('example.com/foo', '530d903a')

The key that verifies it, as people exchange it: name, key id, then algorithm byte and
public key in base64:

>>> vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
>>> key = parse_vkey(vkey)
>>> key.name, key.algorithm, len(key.public)
('example.com/foo', 1, 32)
>>> from jenkins_notary.tlog import ed25519
>>> opened = open_note(data, [Ed25519Verifier(key, ed25519.verify)])
>>> len(opened.verified), len(opened.unverified)
(1, 0)

Rules: UTF-8 without control characters but the newline; the last blank line divides;
key names without spaces or ``+``; at most 1,000,000 bytes and 100 signature lines. A
signature by an unknown key is no fault and proves nothing; one by a known key that does
not hold refuses the whole note.

Left out: the meaning of the text, and all cryptography: a verifier or signer is passed
in.

Source: C2SP signed-note v1.0.0, "Format", "Signatures" and "Verifier keys"; limits and
repeated signatures as in golang.org/x/mod/sumdb/note.
"""

from __future__ import annotations

from hashlib import sha256

from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple, Protocol
from jenkins_notary.tlog.canonical import decode_base64, encode_base64, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    CheckSignature = Callable[[bytes, bytes, bytes], bool]

ALGORITHM_ED25519 = 0x01
"""Ed25519 over the text."""

ALGORITHM_COSIGNATURE = 0x04
"""Ed25519 over text and time: :mod:`~jenkins_notary.tlog.cosignature`."""

MAX_NOTE_SIZE = 1_000_000
"""Bytes of the longest note."""

MAX_SIGNATURES = 100
"""Signature lines of one note."""

_KEY_ID_SIZE = 4
_KEY_PARTS = 3
_PUBLIC_KEY_SIZE = 32
_MARK = "\u2014 "
_CONTROLS = bytes(code for code in range(0x20) if code != ord("\n"))


class VerifierKey(NamedTuple):
    """A public key for notes; :meth:`make` or :func:`parse_vkey` makes a valid one.

    Attributes:
        name: Who signs, such as ``example.com/log42``.
        key_id: 4 bytes that, with the name, tell whose a signature is.
        algorithm: 0x01 Ed25519 or 0x04 Ed25519 cosignature.
        public: The 32 raw bytes of the public key.
    """

    name: str
    key_id: bytes
    algorithm: int
    public: bytes

    @classmethod
    def make(cls, name: str, public: bytes, *, algorithm: int) -> VerifierKey:
        """Return the key of a name and public key, with its id computed.

        Raises:
            ConfigurationError: A bad name, an unknown algorithm, not 32 bytes.
        """
        subject = f"verifier key {show(name)}"
        if not is_key_name(name):
            raise ConfigurationError(
                subject,
                expected="a name without spaces, plus signs or control characters",
            )
        if algorithm not in (ALGORITHM_ED25519, ALGORITHM_COSIGNATURE):
            raise ConfigurationError(
                subject,
                expected="algorithm 0x01 (Ed25519) or 0x04 (Ed25519 cosignature)",
                got=f"0x{algorithm:02x}",
            )
        if len(public) != _PUBLIC_KEY_SIZE:
            raise ConfigurationError(
                subject, expected="a public key of 32 bytes", got=f"{len(public)}"
            )
        return cls(name, key_id(name, algorithm, public), algorithm, public)


class NoteVerifier(Protocol):
    """Port: one public key that checks signatures of notes."""

    @property
    def name(self) -> str:
        """Key name, as on the signature line."""

    @property
    def key_id(self) -> bytes:
        """Key id, 4 bytes."""

    @property
    def algorithm(self) -> int:
        """Signature type byte."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether the signature (without key id) is right for the note text."""


class NoteSigner(Protocol):
    """Port: one private key that signs notes."""

    @property
    def name(self) -> str:
        """Key name, as on the signature line."""

    @property
    def key_id(self) -> bytes:
        """Key id, 4 bytes."""

    @property
    def algorithm(self) -> int:
        """Signature type byte."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature (without key id) of the note text."""


class Ed25519Verifier:
    """A :class:`NoteVerifier` for algorithm 0x01 over any Ed25519 check."""

    __slots__ = ("_check", "_public", "algorithm", "key_id", "name")

    def __init__(self, key: VerifierKey, check: CheckSignature) -> None:
        """Hold the key and ``check(public, message, signature) -> bool``.

        Raises:
            ConfigurationError: The key has another algorithm.
        """
        if key.algorithm != ALGORITHM_ED25519:
            raise ConfigurationError(
                f"verifier key {show(key.name)}",
                expected="algorithm 0x01",
                got=f"0x{key.algorithm:02x}",
            )
        self.name = key.name
        self.key_id = key.key_id
        self.algorithm = key.algorithm
        self._public = key.public
        self._check = check

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether the signature is right for the note text."""
        return self._check(self._public, message, signature)


class NoteSignature(NamedTuple):
    """One signature line.

    Attributes:
        name: Key name.
        key_id: Key id, 4 bytes.
        signature: What follows the id: at least one byte.
    """

    name: str
    key_id: bytes
    signature: bytes


class SignedNote(NamedTuple):
    """A note as read: nothing in it is verified.

    Attributes:
        text: With its final newline.
        signatures: All lines in order, repeated ones too.
    """

    text: str
    signatures: tuple[NoteSignature, ...]


class OpenedNote(NamedTuple):
    """A note that at least one known key has signed.

    Attributes:
        text: With its final newline: signed by every key in ``verified``.
        verified: Signatures that hold, at most one a key.
        unverified: Signatures by unknown keys, without repetitions.
    """

    text: str
    verified: tuple[NoteSignature, ...]
    unverified: tuple[NoteSignature, ...]


def is_key_name(name: str) -> bool:
    """Return whether a text can name a key on a signature line.

    Source: C2SP signed-note, "Format": no Unicode space, no plus, not empty.
    """
    # Surrogates cannot be written as UTF-8; isspace() covers some controls, not all.
    return bool(name) and not any(
        char.isspace() or char == "+" or char < " " or "\ud800" <= char <= "\udfff"
        for char in name
    )


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """Return the 4-byte id of a key.

    Source: C2SP signed-note, "Signatures": SHA-256(name, 0x0A, type, public key)[:4].
    """
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[
        :_KEY_ID_SIZE
    ]


def format_vkey(key: VerifierKey) -> str:
    """Return the text form of a key; the inverse of :func:`parse_vkey`."""
    material = encode_base64(bytes([key.algorithm]) + key.public)
    return f"{key.name}+{key.key_id.hex()}+{material}"


def parse_vkey(text: str) -> VerifierKey:
    """Return the key of its text form ``<name>+<id>+<base64>``.

    Raises:
        ConfigurationError: Malformed, an id that is not this key's, or an algorithm
            that is not supported.
    """
    parts = text.split("+", _KEY_PARTS - 1)
    try:
        material = decode_base64(parts[-1], "public key")
    except IntegrityError:
        material = b""
    if len(parts) != _KEY_PARTS or not material:
        raise ConfigurationError(
            f"verifier key {show(text)}", expected="<name>+<8 hex digits>+<base64>"
        )
    key = VerifierKey.make(parts[0], material[1:], algorithm=material[0])
    if key.key_id.hex() != parts[1]:
        raise ConfigurationError(
            f"verifier key {show(key.name)}",
            expected=f"key id {key.key_id.hex()}",
            got=show(parts[1]),
            advice="copy the key again, whole",
        )
    return key


def parse_note(data: bytes) -> SignedNote:
    """Return text and signatures of a note, none of them verified.

    Raises:
        IntegrityError: Not a signed note, or beyond the limits.
    """
    # (1) Size first, then "valid UTF-8" and "no ASCII control characters".
    if len(data) > MAX_NOTE_SIZE:
        raise _malformed(f"at most {MAX_NOTE_SIZE} bytes", f"{len(data)}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise _malformed("UTF-8", f"a fault at byte {error.start}") from error
    if len(data.translate(None, _CONTROLS)) != len(data):
        raise _malformed("no control characters but the newline")
    # (2) "The text is separated from the signatures by the last empty line."
    text, blank, block = whole.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise _malformed("a text, a blank line and signature lines")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed(f"at most {MAX_SIGNATURES} signatures", f"{len(lines)}")
    return SignedNote(text + "\n", tuple(map(_parse_signature, lines)))


def open_note(data: bytes, verifiers: Sequence[NoteVerifier]) -> OpenedNote:
    """Return the note if a known key signed it and no known key's signature is wrong.

    Of several signatures by one known key the first counts and the rest are dropped.

    Args:
        data: The whole note.
        verifiers: The known keys.

    Raises:
        IntegrityError: Malformed; a known key's signature is wrong; or no known key
            has signed.
        ConfigurationError: Two verifiers have the name and id of a signature.
    """
    note = parse_note(data)
    message = note.text.encode()
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    unverified: dict[NoteSignature, None] = {}
    for signature in note.signatures:
        identity = signature.name, signature.key_id
        label = f"key {show(signature.name)} {signature.key_id.hex()}"
        known = [key for key in verifiers if (key.name, key.key_id) == identity]
        if not known:
            unverified[signature] = None
        elif len(known) > 1:
            raise ConfigurationError(label, expected="to be configured once")
        elif identity not in verified:
            if not known[0].verify(message, signature.signature):
                raise IntegrityError(
                    f"signed note: the signature by {label} is wrong",
                    advice="the text or the signature was altered",
                )
            verified[identity] = signature
    if not verified:
        raise IntegrityError(
            "signed note: no known key has signed it",
            expected=_describe(verifiers) or "at least one known key",
            got=_describe(note.signatures),
        )
    return OpenedNote(note.text, tuple(verified.values()), tuple(unverified))


def format_note(note: SignedNote) -> bytes:
    """Return the bytes of a note; the inverse of :func:`parse_note`.

    Raises:
        UsageError: No such note can be: a text without final newline, a bad name, a
            control character, no signature or too many.
    """
    lines = [
        f"{_MARK}{name} {encode_base64(key_id + signature)}\n"
        for name, key_id, signature in note.signatures
    ]
    try:
        data = f"{note.text}\n{''.join(lines)}".encode()
        is_exact = parse_note(data) == note
    except (IntegrityError, UnicodeEncodeError) as error:
        raise UsageError(
            "note to sign", expected="a valid note", got=f"{error}"
        ) from error
    if not is_exact:
        raise UsageError("note to sign", expected="a text that ends with a newline")
    return data


def sign_note(
    text: str,
    signers: Sequence[NoteSigner],
    *,
    existing: Sequence[NoteSignature] = (),
) -> bytes:
    """Return the text signed by all signers, in order.

    Args:
        text: Ends with a newline.
        signers: The keys that sign now.
        existing: Signatures to keep, listed first; one by a key that signs now is
            replaced.

    Raises:
        UsageError: The text cannot stand in a note, or a signer's name on its line.
    """
    try:
        message = text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("note to sign", expected="text that is UTF-8") from error
    fresh = tuple(
        NoteSignature(signer.name, signer.key_id, signer.sign(message))
        for signer in signers
    )
    replaced = {signature[:2] for signature in fresh}
    kept = tuple(signature for signature in existing if signature[:2] not in replaced)
    return format_note(SignedNote(text, kept + fresh))


def _parse_signature(line: str) -> NoteSignature:
    """Return the parts of one signature line (without its newline)."""
    name, _, encoded = line[len(_MARK) :].partition(" ")
    if not line.startswith(_MARK) or not is_key_name(name):
        raise _malformed("signature lines of em dash, key name, base64", show(line))
    blob = decode_base64(encoded, "signed note: signature")
    if len(blob) <= _KEY_ID_SIZE:
        raise _malformed("a key id and a signature", f"{len(blob)} bytes")
    return NoteSignature(name, blob[:_KEY_ID_SIZE], blob[_KEY_ID_SIZE:])


def _describe(keys: Sequence[NoteVerifier] | Sequence[NoteSignature]) -> str:
    """Return names and ids of at most five keys for an error message."""
    return ", ".join(f"{show(key.name)} {key.key_id.hex()}" for key in keys[:5])


def _malformed(expected: str, got: str = "") -> IntegrityError:
    """Return the error for bytes that are no signed note."""
    return IntegrityError("signed note: malformed", expected=expected, got=got)

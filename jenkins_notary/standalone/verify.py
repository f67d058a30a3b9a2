r"""Verify a pack of evidence with nothing but Python and the package ``cryptography``.

    python3 verify.py PACK.tar VKEY

VKEY is the log's verifier key, ``name+<8 hex digits>+<base64>``, from whoever runs
the ledger and by another way than the pack. Take this file from a place that you trust,
too: the copy in a pack is as good as the pack. No network is used, nothing is written.

It answers 0 if all that is in the pack is proven, 65 if anything was altered, is
missing or does not belong, 64 if it was called wrongly. What is checked, in this order:

1. the archive: plain files under the names that a pack has, in order, nothing else;
2. the checkpoint: signed by VKEY, or by a key that followed it;
3. the trust log: whole, for its root stands in the checkpoint;
4. every record: in the log, equal to its leaf, signed by its own signer;
5. every log and attachment: the bytes that a record names, each named by one;
6. every UNTRUSTED or UNSUPPORTED of the trust log on an artifact of the pack: its
   record is in the pack;
7. of a period of the whole log: no record of it is missing.

It does not weigh levels and orgs: it says what was recorded by whom, and what stands
against it. ``jenkins-notary verify-pack`` gives the verdict.

This file is a second implementation of docs/formats/pack.md, written to be read. It
shares no code with the first.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import json
import re
import sys
import time

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

FOLDER = "jenkins-notary-pack/"
ORDER = (
    *("pack.json", "checkpoint", "trust.jsonl", "records/", "bodies/"),
    *("policy.yaml", "index.html", "report.md", "verify.py"),
)
NUMBERED = r"records/[0-9]{16}\.(dsse\.json|leaf\.json|tlog-proof)|bodies/[0-9a-f]{64}"
OWN = "urn:jenkins-notary:"
EXTENSION = "jenkinsNotary_record"
STANDARD = {
    "https://slsa.dev/provenance/v1": "provenance",
    "https://slsa.dev/verification_summary/v1": "vsa",
    "https://in-toto.io/attestation/test-result/v0.1": "test-result",
    "https://in-toto.io/attestation/vulns/v0.2": "vulns",
    "https://cyclonedx.org/bom": "cyclonedx",
    "https://spdx.dev/Document": "spdx",
}
SAID = {
    *("format", "v", "madeBy", "selection", "origin", "treeSize", "vkeys"),
    *("selected", "withheld", "leftOut"),
}
ASKED = {"kind", "job", "started", "release", "folder", "since", "until"}
NEGATIVE = ("UNTRUSTED", "UNSUPPORTED")
SMALL = 1 << 26
FOREIGN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading raises where a stranger wrote another form than a pack has."""


class RefusedError(Exception):
    """The pack is not what its log's key has signed."""


def need(holds: object, what: str) -> None:
    """Refuse the pack unless something holds."""
    if not holds:
        raise RefusedError(what)


# (1) The archive


def header(path: str, size: int) -> bytes:
    """Return the only header block that a member may have (POSIX ustar)."""
    block = path.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    block += b"%011o\0" % size + b"%011o\0" % 0 + b" " * 8 + b"0".ljust(101, b"\0")
    block += b"ustar\x0000".ljust(72, b"\0") + b"0000000\0" * 2
    block = block.ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


class Archive:
    """The members of a pack: where each lies."""

    def __init__(self, file: BinaryIO) -> None:
        """Read all headers."""
        self.file = file
        self.members: dict[str, tuple[int, int]] = {}
        length, offset, last = file.seek(0, 2), 0, (-1, "")
        while any(block := self.at(offset, 512)):
            path = block[:100].rstrip(b"\0").decode("ascii", "replace")
            digits = block[124:135]
            need(path.startswith(FOLDER) and path.isascii(), f"a file {path!r}")
            need(re.fullmatch(rb"[0-7]{11}", digits), f"the size of {path!r}")
            name, size = path[len(FOLDER) :], int(digits, 8)
            need(block == header(path, size), f"the header of {path!r}")
            place = (rank(name), name)
            need(place > last, f"the place of {name!r}")
            last = place
            self.members[name] = (offset + 512, size)
            offset += 512 + size + -size % 512
            need(offset <= length, f"{name!r}: cut short")
            need(not any(self.at(offset - -size % 512, -size % 512)), "bytes between")
        need(self.at(offset, 1025) == bytes(1024), "the end of the archive")

    def at(self, offset: int, size: int) -> bytes:
        """Return bytes of the file."""
        self.file.seek(offset)
        return self.file.read(size)

    def read(self, name: str) -> bytes:
        """Return a member's bytes."""
        need(name in self.members, f"{name} is missing")
        offset, size = self.members[name]
        need(size <= SMALL, f"{name} is too long")
        return self.at(offset, size)

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """Yield a member's bytes in chunks of a size."""
        offset, left = self.members[name]
        while left > 0:
            data = self.at(offset, min(size, left))
            yield data
            offset, left = offset + len(data), left - len(data)


def rank(name: str) -> int:
    """Return where a member stands."""
    found = re.fullmatch(NUMBERED, name)
    kind = name[: name.index("/") + 1] if found else name
    need(kind in ORDER and (found or not name.endswith("/")), f"a file {name!r}")
    return ORDER.index(kind)


# (2) Hashes, signatures, notes


def sha256(data: bytes) -> bytes:
    """Return the SHA-256."""
    return hashlib.sha256(data).digest()


def hash_leaf(data: bytes) -> bytes:
    """Return the leaf hash of RFC 6962."""
    return sha256(b"\0" + data)


class Tree:
    """The right edge of a tree that grows: its root in constant memory."""

    def __init__(self) -> None:
        """Start with no leaf."""
        self.edge: list[tuple[int, bytes]] = []

    def add(self, node: bytes) -> None:
        """Add a leaf hash; two subtrees of one height become one."""
        height = 0
        while self.edge and self.edge[-1][0] == height:
            node = sha256(b"\1" + self.edge.pop()[1] + node)
            height += 1
        self.edge.append((height, node))

    def root(self) -> bytes:
        """Return the root."""
        if not self.edge:
            return sha256(b"")
        node = self.edge[-1][1]
        for _, left in self.edge[-2::-1]:
            node = sha256(b"\1" + left + node)
        return node


def root_by_proof(
    leaf: bytes, index: int, size: int, proof: list[bytes]
) -> bytes | None:
    """Return the root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, last = index, size - 1
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            leaf = sha256(b"\1" + sibling + leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = sha256(b"\1" + leaf + sibling)
        node, last = node >> 1, last >> 1
    return leaf if last == 0 else None


def unbase64(text: object) -> bytes:
    """Return the bytes of base64 in its one spelling."""
    need(isinstance(text, str), "base64")
    try:
        data = base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise RefusedError("base64") from error
    need(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def load(data: bytes, what: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON in bytes; a key that stands twice is refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({key for key, _ in pairs}) == len(pairs), f"{what}: a key twice")
        return dict(pairs)

    try:
        return json.loads(data.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{what}: no JSON") from error


class Vkey:
    """A log's verifier key (C2SP signed-note, algorithm 1)."""

    def __init__(self, text: str) -> None:
        """Take it apart."""
        self.text, parts = text, text.split("+", 2)
        need(len(parts) == 3, f"the key {text!r}: name+8 hex digits+base64")
        self.name, material = parts[0], unbase64(parts[2])
        self.id = sha256(self.name.encode() + b"\n" + material)[:4]
        need(self.id.hex() == parts[1], f"the key {text!r}: its id is {self.id.hex()}")
        need(len(material) == 33 and material[0] == 1, f"the key {text!r}: no Ed25519")
        self.key = ed25519.Ed25519PublicKey.from_public_bytes(material[1:])

    def has_signed(self, note: str) -> bool:
        """Return whether it signed a note; a wrong signature of its own is refused."""
        text, blank, lines = note.rpartition("\n\n")
        need(blank and lines.endswith("\n"), "a signed note")
        for line in lines[:-1].split("\n"):
            dash, name, signature = [*line.split(" "), "", ""][:3]
            need(dash == "\u2014" and len(line.split(" ")) == 3, "a signature line")
            data = unbase64(signature)
            if (name, data[:4]) == (self.name, self.id):
                need(
                    is_signed(self.key, data[4:], (text + "\n").encode()), "a signature"
                )
                return True
        return False


def is_signed(key: Any, signature: bytes, message: bytes) -> bool:  # noqa: ANN401 - either kind
    """Return whether a signature by an Ed25519 or P-256 key is good."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def load_key(der: bytes) -> Any:  # noqa: ANN401 - either kind
    """Return a signer's public key, None for a kind that no signer has."""
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        return None
    kinds = (ed25519.Ed25519PublicKey, ec.EllipticCurvePublicKey)
    return key if isinstance(key, kinds) else None


def key_of(text: object, signer: object) -> bytes | None:
    """Return the key in base64 if it is the one that a signer id names."""
    try:
        der = unbase64(text)
    except RefusedError:
        return None
    return der if "0x" + sha256(der).hex()[:40] == signer else None


# (3) Records


class Head:
    """What a checkpoint says, not yet proven to be signed."""

    def __init__(self, note: str) -> None:
        """Take a signed note apart."""
        lines = note.rpartition("\n\n")[0].split("\n")
        self.note = note
        self.origin, self.size, self.root = lines[0], int(lines[1]), unbase64(lines[2])
        self.trust = [one for one in lines[3:] if one.startswith("trust ")]


class Record:
    """A record: a proven leaf, and its envelope unless it was erased or withheld."""

    def __init__(self, index: int, leaf: dict[str, Any], data: bytes | None) -> None:
        """Check that envelope and leaf agree in every field."""
        self.index, self.leaf = index, leaf
        self.payload = b""
        self.predicate: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.signatures: list[tuple[str, bytes]] = []
        self.names: dict[str, str] = {}
        self.is_open = data is not None
        if data is not None:
            self.open(data)

    def open(self, data: bytes) -> None:
        """Read the envelope (DSSE) and its statement (in-toto)."""
        what = f"record #{self.index}"
        need(sha256(data).hex() == self.leaf["envelope"], f"{what}: the envelope")
        envelope = load(data, what)
        need(isinstance(envelope, dict), what)
        kind = "application/vnd.in-toto+json"
        need(envelope.get("payloadType") == kind, f"{what}: its payload type")
        self.payload = unbase64(envelope.get("payload"))
        listed = envelope.get("signatures")
        need(isinstance(listed, list) and listed, f"{what}: no signature")
        self.signatures = [(o.get("keyid", ""), unbase64(o.get("sig"))) for o in listed]
        statement = load(self.payload, what)
        self.predicate = statement.get("predicate") or {}
        uri = statement["predicateType"]
        self.facts = self.predicate
        if not uri.startswith(OWN):
            self.facts = self.predicate.get(EXTENSION, {})
        for one in statement["subject"]:
            self.names.setdefault(one["digest"]["sha256"], one.get("name", ""))
        need(self.project(uri) == self.leaf, f"{what}: leaf and envelope differ")

    def project(self, uri: str) -> dict[str, Any]:
        """Return the leaf that the envelope must have."""
        signer, own = self.signatures[0][0], re.fullmatch(OWN + "([a-z-]+):v1", uri)
        need(own or not uri.startswith(OWN), f"record #{self.index}: type {uri}")
        leaf: dict[str, Any] = {
            "at": self.leaf["at"],
            "envelope": self.leaf["envelope"],
            "signer": signer if re.fullmatch("0x[0-9a-f]{40}", signer) else "",
            "subjects": sorted(self.names),
            "type": own[1] if own else STANDARD.get(uri, "attestation"),
            "v": 1,
        }
        if self.facts.get("job") is not None:
            job = self.facts["job"]["id"].encode("utf-8", "surrogatepass")
            leaf["job"] = sha256(job).hex()
        for key in ("status", "supersedes"):
            if self.facts.get(key):
                leaf[key] = self.facts[key]
        return leaf

    def is_by(self, signer: str, der: bytes) -> bool:
        """Return whether it bears a good signature by a signer."""
        key, kind = load_key(der), b"application/vnd.in-toto+json"
        message = b"DSSEv1 %d %b %d %b" % (
            len(kind),
            kind,
            len(self.payload),
            self.payload,
        )
        return key is not None and any(
            keyid == signer and is_signed(key, sig, message)
            for keyid, sig in self.signatures
        )


def read_record(pack: Archive, index: int, head: Head) -> Record:
    """Return a record whose leaf is proven to stand in the log."""
    name = f"records/{index:016d}"
    entry, proof = pack.read(name + ".leaf.json"), pack.read(name + ".tlog-proof")
    text, _, signed = proof.decode("utf-8", "replace").partition("\n\n")
    lines = text.split("\n")
    leaf = load(entry, name)
    is_under = lines[0] == "c2sp.org/tlog-proof@v1" and signed == head.note
    need(is_under, f"{name}: its proof")
    extra = entry
    if len(entry) > 2048:
        extra = b'{"at":%d,"v":1}' % leaf["at"]
    need(lines[1] == "extra " + base64.b64encode(extra).decode(), f"{name}: its proof")
    need(lines[2] == f"index {index}", f"{name}: its proof is another's")
    hashed = [unbase64(one) for one in lines[3:]]
    got = root_by_proof(hash_leaf(entry), index, head.size, hashed)
    need(got == head.root, f"{name}: not in the log")
    envelope = name + ".dsse.json"
    data = pack.read(envelope) if envelope in pack.members else None
    return Record(index, leaf, data)


# (4) Who may speak


class Trust:
    """Who speaks for the log, as its trust records say, in their order."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.origin = ""
        self.admins: dict[str, bytes] = {}
        self.threshold = 1
        self.signers: dict[str, bytes] = {}
        self.revoked: dict[str, int] = {}
        self.rotations: list[tuple[int, str]] = []
        self.ancestors: dict[str, int] = {}

    def apply(self, record: Record) -> None:
        """Apply a trust record; one that does not count is passed over."""
        said = record.predicate
        if not self.origin:
            self.begin(record, said, 16)
            return
        meant = str(said.get("origin", self.origin))
        known = meant == self.origin or record.index < self.ancestors.get(meant, 0)
        if self.has_quorum(record) and known:
            try:
                self.follow(record.index, said)
            except (KeyError, TypeError, ValueError, RefusedError):
                return

    def begin(self, record: Record, said: dict[str, Any], left: int) -> None:
        """Apply the first record, which names the administrators."""
        what = "record #0: no genesis that its administrators have signed"
        need(record.index == 0 and said.get("action") == "genesis" and left, what)
        inherits = said.get("inherits")
        if inherits is not None:
            new = Trust()
            new.set_admins(said)
            need(new.has_quorum(record), what)
            old = Record(0, {}, None)
            envelope = load(inherits["genesis"].encode(), what)
            old.payload = unbase64(envelope["payload"])
            old.signatures = [
                (one["keyid"], unbase64(one["sig"])) for one in envelope["signatures"]
            ]
            self.begin(old, load(old.payload, what)["predicate"], left - 1)
            self.ancestors[self.origin] = inherits["size"]
        else:
            self.set_admins(said)
            need(self.has_quorum(record), what)
        self.origin = said["origin"]

    def has_quorum(self, record: Record) -> bool:
        """Return whether enough administrators have signed who may at its index."""
        signed = [
            one
            for one, der in self.admins.items()
            if not self.is_revoked(one, record.index) and record.is_by(one, der)
        ]
        return len(signed) >= self.threshold

    def is_revoked(self, signer: str, index: int) -> bool:
        """Return whether what a signer recorded at an index is revoked."""
        return signer in self.revoked and index >= self.revoked[signer]

    def follow(self, index: int, said: dict[str, Any]) -> None:
        """Do what a trust record orders."""
        action = said["action"]
        if action == "administrators":
            self.set_admins(said)
        elif action == "enrol":
            der = key_of(said["publicKey"], said["signerId"])
            if der is not None:
                self.signers[said["signerId"]] = der
        elif action == "revoke" and said["signerId"] in self.signers:
            first = said["fromIndex"]
            need(type(first) is int and first >= 0, "fromIndex")
            known = self.revoked.get(said["signerId"], first)
            self.revoked[said["signerId"]] = min(first, known)
        elif action == "ledger-key":
            self.rotations.append((index, said["note"]))

    def set_admins(self, said: dict[str, Any]) -> None:
        """Replace the administrators; each is a signer too."""
        keys = {
            one["id"]: key_of(one["publicKey"], one["id"])
            for one in said["administrators"]
        }
        need(keys and all(keys.values()), "administrators without keys")
        need(1 <= int(said["threshold"]) <= len(keys), "the threshold")
        self.admins = {signer: der for signer, der in keys.items() if der}
        self.threshold = int(said["threshold"])
        for signer, der in self.admins.items():
            self.signers.setdefault(signer, der)

    def standing(self, record: Record) -> str:
        """Return how a record's signer stands; a bad signature is refused."""
        if not record.is_open:
            return "its text is not here"
        signer = record.leaf["signer"]
        der = self.signers.get(signer)
        claimed = record.facts.get("signer")
        if der is None and isinstance(claimed, dict):
            der = key_of(claimed.get("publicKey"), signer)
        if der is not None:
            need(record.is_by(signer, der), f"record #{record.index}: its signature")
        if signer not in self.signers:
            return "a signer that is not enrolled"
        return (
            "a revoked signer" if self.is_revoked(signer, record.index) else "enrolled"
        )


def check_keys(vkey: Vkey, trust: Trust, head: Head) -> None:
    """Check that a checkpoint is signed by a key, or the newest that followed it."""
    chain = [(0, vkey)]
    for index, text in trust.rotations:
        lines = text.rpartition("\n\n")[0].split("\n")
        try:
            first = ["jenkins-notary ledger key rotation", vkey.name]
            new = Vkey(lines[2]) if lines[:2] == first and len(lines) == 3 else None
            if new is None or new.name != vkey.name or new.id == chain[-1][1].id:
                continue
            if chain[-1][1].has_signed(text) and new.has_signed(text):
                chain.append((index, new))
        except (RefusedError, IndexError):
            continue
    signed = [
        place for place, (_, key) in enumerate(chain) if key.has_signed(head.note)
    ]
    need(signed, f"the checkpoint: not signed by {vkey.text}")
    following = chain[max(signed) + 1 :]
    need(
        not following or head.size <= following[0][0] + 1,
        "the checkpoint: signed by a key that was rotated out",
    )


# (5) The whole


def verify(file: BinaryIO, vkey_text: str) -> Iterator[str]:
    """Check a pack; yield what it has proven, a line each."""
    vkey, pack = Vkey(vkey_text), Archive(file)
    said = read_said(pack)
    head = Head(pack.read("checkpoint").decode())
    origins = {vkey.name, head.origin, said["origin"]}
    need(len(origins) == 1, f"the log: {head.origin!r}, not {vkey.name!r}")
    need(head.size == said["treeSize"], "treeSize")
    entries = pack.read("trust.jsonl").split(b"\n")[:-1]
    tree = Tree()
    for one in entries:
        tree.add(hash_leaf(one))
    root = base64.b64encode(tree.root()).decode()
    need(head.trust == [f"trust {len(entries)} {root}"], "the trust log")
    listed = [load(one, "trust.jsonl") for one in entries]
    records = read_records(pack, head)
    trust = fold(listed, records)
    need(trust.origin in {"", head.origin}, "record #0: of another log")
    check_keys(vkey, trust, head)
    standings = {index: trust.standing(one) for index, one in records.items()}
    selected = [i for first, last in said["selected"] for i in range(first, last + 1)]
    check_texts(records, selected, said)
    count = check_bodies(pack, records, selected, said)
    check_period(records, selected, said, head.size)
    yield f"log       {head.origin}, {head.size} records"
    yield f"key       {vkey.text}"
    yield f"about     {json.dumps(said['selection'], sort_keys=True)}"
    yield f"proven    {len(records)} records, {len(selected)} of them asked for"
    yield f"bodies    {count}; left out: {len(said['leftOut'])}"
    yield from describe(records, selected, listed, standings)


def read_said(pack: Archive) -> dict[str, Any]:
    """Return what a pack says of itself: the packer's word."""
    said: dict[str, Any] = load(pack.read("pack.json"), "pack.json")
    need((said["format"], said["v"]) == ("jenkins-notary-pack", 1), "pack.json")
    selection = said["selection"]
    need(said.keys() == SAID and selection.keys() <= ASKED, "pack.json: other keys")
    need(selection["kind"] in {"build", "release", "period"}, "pack.json: its kind")
    return said


def read_records(pack: Archive, head: Head) -> dict[int, Record]:
    """Return every record, proven; beside them there is nothing."""
    named = [one for one in pack.members if one.startswith("records/")]
    indexes = [int(one[8:24]) for one in named if one.endswith(".leaf.json")]
    known = {f"records/{one:016d}" for one in indexes}
    odd = [one for one in named if one[:24] not in known]
    need(not odd, f"{odd[:1]}: without a leaf")
    return {one: read_record(pack, one, head) for one in indexes}


def fold(listed: list[dict[str, Any]], records: dict[int, Record]) -> Trust:
    """Return who speaks, by the trust records of the trust log."""
    trust = Trust()
    for one in listed:
        if one["leaf"]["type"] == "trust":
            found = records.get(one["index"])
            what = f"trust record #{one['index']}"
            if found is None or not found.is_open or found.leaf != one["leaf"]:
                raise RefusedError(f"{what}: missing, or another")
            trust.apply(found)
    return trust


def check_texts(
    records: dict[int, Record], selected: list[int], told: dict[str, Any]
) -> None:
    """Check that every envelope is here, was erased, or may be withheld."""
    erased = {
        digest
        for one in records.values()
        if one.leaf["type"] == "erasure"
        for digest in one.leaf["subjects"]
    }
    for index in selected:
        need(index in records, f"record #{index} is missing")
    withheld = set(told["withheld"]) - set(selected)
    for index, one in records.items():
        is_gone = one.leaf["envelope"] in erased or index in withheld
        is_both = one.is_open and index in told["withheld"]
        need(not is_both, f"the envelope of #{index}, which is withheld")
        need(one.is_open or is_gone, f"the envelope of #{index} is missing")


def bodies_of(record: Record) -> list[dict[str, Any]]:
    """Return what a record says of bodies, as far as it is well said."""
    attachments = record.predicate.get("attachments")
    listed = attachments if isinstance(attachments, list) else []
    named = [record.predicate, *(one for one in listed if isinstance(one, dict))]
    found = [one.get("body") for one in named]
    return [one for one in found if isinstance(one, dict) and is_body(one)]


def is_body(one: dict[str, Any]) -> bool:
    """Return whether a description of a body has its form."""
    numbers = all(type(one.get(key)) is int for key in ("size", "chunkSize"))
    digests = [one.get(key) for key in ("sha256", "root")]
    return (
        numbers
        and all(re.fullmatch("[0-9a-f]{64}", str(text)) for text in digests)
        and 0 <= one["size"] < 1 << 53
        and 0 < one["chunkSize"] <= 1 << 24
    )


def check_bodies(
    pack: Archive, records: dict[int, Record], selected: list[int], told: dict[str, Any]
) -> int:
    """Check that each body is the one that was signed; return how many there are."""
    left_out = {(one["index"], one["sha256"]) for one in told["leftOut"]}
    wanted = {
        (one["sha256"], one["size"], one["chunkSize"], one["root"])
        for index in selected
        for one in bodies_of(records[index])
        if (index, one["sha256"]) not in left_out
    }
    named = {f"bodies/{one[0]}" for one in wanted}
    there = {one for one in pack.members if one.startswith("bodies/")}
    need(named == there, f"{sorted(named ^ there)[:1]}: missing, or named by no record")
    for sha256_hex, size, chunk_size, root_hex in wanted:
        name, whole = f"bodies/{sha256_hex}", hashlib.sha256()
        tree = Tree()
        for chunk in pack.chunks(name, chunk_size):
            whole.update(chunk)
            tree.add(hash_leaf(chunk))
        got = (whole.hexdigest(), pack.members[name][1], tree.root().hex())
        need(
            got == (sha256_hex, size, root_hex),
            f"{name}: not the bytes that were signed",
        )
    return len(named)


def check_period(
    records: dict[int, Record], selected: list[int], told: dict[str, Any], size: int
) -> None:
    """Check that no record of a period of the whole log is missing."""
    said = told["selection"]
    if said["kind"] != "period" or "folder" in said:
        return
    need(selected, "the period has no record")
    first, last = selected[0], selected[-1]
    need(len(selected) == last - first + 1, "a record of the period is missing")
    # Commit times never run backwards: the neighbours bound all that lies beyond.
    if first:
        need(first - 1 in records and "since" in said, f"record #{first - 1}")
        early = records[first - 1].leaf["at"] < milliseconds(said["since"])
        need(early, f"record #{first - 1}, which is of the period")
    if last + 1 < size:
        need(last + 1 in records and "until" in said, f"record #{last + 1}")
        late = records[last + 1].leaf["at"] > milliseconds(said["until"])
        need(late, f"record #{last + 1}, which is of the period")


def milliseconds(text: str) -> int:
    """Return the ms UTC of an RFC 3339 time or date."""
    form = (
        r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d))?(\.\d+)?)?"
        r"(?:Z|([+-]\d\d):?(\d\d))?"
    )
    found = re.fullmatch(form, text)
    need(found, f"the time {text!r}")
    day, clock, second, fraction, hours, minutes = found.groups() if found else ()
    stamp = f"{day} {clock or '00:00'}:{second or '00'}"
    seconds = calendar.timegm(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))
    if hours:
        sign = -1 if hours.startswith("-") else 1
        seconds -= sign * (abs(int(hours)) * 3600 + int(minutes) * 60)
    return seconds * 1000 + int(((fraction or ".") + "000")[1:4])


def describe(
    records: dict[int, Record],
    selected: list[int],
    listed: list[dict[str, Any]],
    standings: dict[int, str],
) -> Iterator[str]:
    """Yield what was recorded of each artifact, and what stands against it."""
    lifted = {
        index
        for number, one in records.items()
        if standings[number] == "enrolled"
        for index in one.leaf.get("supersedes", [])
    }
    against: dict[str, list[dict[str, Any]]] = {}
    for one in listed:
        if one["leaf"].get("status") in NEGATIVE:
            for digest in one["leaf"]["subjects"]:
                against.setdefault(digest, []).append(one)
    for index in selected:
        leaf = records[index].leaf
        for digest in leaf["subjects"] if leaf.get("status") else ():
            name = records[index].names.get(digest, "?")
            where = f"in #{index}: {standings[index]}"
            yield f"{leaf['status']}  {name!r} sha256:{digest} {where}"
            for one in against.get(digest, []):
                need(one["index"] in records, f"record #{one['index']} is missing")
                need(records[one["index"]].leaf == one["leaf"], "the trust log")
                how = "lifted" if one["index"] in lifted else "stands"
                yield f"  against it: {one['leaf']['status']} in #{one['index']}, {how}"


def check(file: BinaryIO, vkey: str) -> list[str]:
    """Return what a pack has proven; what has another form than a pack is refused."""
    try:
        return list(verify(file, vkey))
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        # What is read there is a stranger's.
        raise RefusedError(f"another form: {type(error).__name__}") from error


def main(argv: list[str]) -> int:
    """Check the pack that is named; return the exit code."""
    if len(argv) != 2:
        print("usage: python3 verify.py PACK.tar VKEY", file=sys.stderr)
        return 64
    try:
        with open(argv[0], "rb") as file:
            lines, code = [*check(file, argv[1]), "OK        all of it is proven"], 0
    except OSError as error:
        lines, code = [f"MISSING   {argv[0]!r}: {error.strerror}"], 66
    except RefusedError as error:
        lines, code = [f"REFUSED   {error}"], 65
    for line in lines:
        print(line.encode("ascii", "backslashreplace").decode())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

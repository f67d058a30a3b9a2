"""Find the bodies that a statement signs, and read them back whole.

A body is described by an object with ``sha256``, ``size``, ``chunkSize`` and ``root``
(``values.body``) under the key ``body``, wherever that stands in a predicate: an
attachment, a log, a directory's manifest. An object that says ``kept: digest`` beside
it tells of bytes that nobody has kept: that is no body.
"""

from __future__ import annotations

import hashlib

from jenkins_notary.errors import IntegrityError
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.values.body import MAX_CHUNK_SIZE, Body, parse_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.ports import Blobs
    from jenkins_notary.values.statement import Statement

_KEYS = {"sha256", "size", "chunkSize", "root"}


def find_bodies(statement: Statement) -> dict[str, Body]:
    """Return the bodies that a statement describes, by SHA-256 hex.

    Raises:
        IntegrityError: A descriptor is malformed.
    """
    found = {}
    for value, parent in walk_objects(statement.predicate):
        if _is_body(value, parent):
            body = parse_body(value)
            found[body.sha256_hex] = body
    return found


def find_described(statement: Statement) -> list[Body]:
    """Return every body that a statement describes, also one that is not kept.

    Raises:
        IntegrityError: A descriptor is malformed.
    """
    return [
        parse_body(value)
        for value, parent in walk_objects(statement.predicate)
        if parent.get("body") is value and value.keys() >= _KEYS
    ]


def find_labelled_bodies(statement: Statement) -> list[tuple[str, Body]]:
    """Return (label, body) of each body; "" for one without a label.

    The label is that of the object in which the descriptor stands.

    Raises:
        IntegrityError: A descriptor is malformed.
    """
    found = []
    for value, parent in walk_objects(statement.predicate):
        if _is_body(value, parent):
            label = parent.get("label")
            found.append((label if isinstance(label, str) else "", parse_body(value)))
    return found


def _is_body(value: dict[str, object], parent: dict[str, object]) -> bool:
    """Return whether an object within another one describes a body that is kept."""
    is_described = parent.get("body") is value and value.keys() >= _KEYS
    return is_described and parent.get("kept") != "digest"


def walk_objects(
    value: object,
) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """Yield each JSON object below a value with the object around it."""
    queue: list[tuple[object, dict[str, object]]] = [(value, {})]
    while queue:
        one, parent = queue.pop()
        if isinstance(one, dict):
            yield one, parent
            queue += [(below, one) for below in one.values()]
        elif isinstance(one, list):
            queue += [(below, parent) for below in one]


def read_body(blobs: Blobs, body: Body) -> Iterator[bytes]:
    """Yield a body's raw chunks, each proven to be the one that was signed.

    Raises:
        NotFoundError: No such body.
        IntegrityError: It is not the one that the descriptor signs; what was yielded
            before holds.
    """
    subject = f"body {body.sha256_hex}"
    if not 0 < body.chunk_size <= MAX_CHUNK_SIZE:
        raise IntegrityError(
            subject,
            expected=f"chunks of at most {MAX_CHUNK_SIZE} bytes",
            got=f"{body.chunk_size}",
        )
    leaves = blobs.leaf_hashes(body)
    if len(leaves) != body.chunks or root_of(leaves).hex() != body.root_hex:
        raise IntegrityError(
            subject,
            expected=f"root {body.root_hex} over {body.chunks} chunks",
            got=f"{root_of(leaves).hex()} over {len(leaves)}",
        )
    whole, size = hashlib.sha256(), 0
    for number, leaf in enumerate(leaves):
        chunk = blobs.chunk(body, number)
        got = hash_leaf(chunk)
        if got != leaf:
            raise IntegrityError(
                f"{subject} chunk {number}",
                expected=f"leaf hash {leaf.hex()}",
                got=got.hex(),
            )
        whole.update(chunk)
        size += len(chunk)
        yield chunk
    if (size, whole.hexdigest()) != (body.size, body.sha256_hex):
        raise IntegrityError(
            subject,
            expected=f"{body.size} bytes with SHA-256 {body.sha256_hex}",
            got=f"{size} bytes with {whole.hexdigest()}",
        )


def verify_body(blobs: Blobs, body: Body) -> None:
    """Check that a stored body is the one that was signed.

    Raises:
        NotFoundError: No such body.
        IntegrityError: It is another one.
    """
    for _ in read_body(blobs, body):
        pass

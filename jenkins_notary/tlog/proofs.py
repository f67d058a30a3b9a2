"""Make and verify inclusion and consistency proofs.

A proof is a tuple of 32-byte hashes. An *inclusion* proof lists the siblings on the way
from a leaf to the root, the leaf's own sibling first. A *consistency* proof lists the
nodes from which both an older and a newer root can be computed.

Proofs are made through a ``HashReader``: ``read(level, index)`` returns the hash of the
perfect subtree of ``2**level`` leaves that starts at leaf ``index * 2**level``. It is
asked only for subtrees that lie whole in the tree. Here, over a tree of three leaves:

>>> from jenkins_notary.tlog.merkle import hash_leaf, hash_node
>>> a, b, c = hash_leaf(b"a"), hash_leaf(b"b"), hash_leaf(b"c")
>>> read = {(0, 0): a, (0, 1): b, (0, 2): c, (1, 0): hash_node(a, b)}
>>> read = lambda level, index, stored=read: stored[level, index]
>>> root = tree_root(3, read)
>>> inclusion_proof(0, 3, read) == (b, c)
True
>>> verify_inclusion(a, 0, 3, (b, c), root)
>>> consistency_proof(2, 3, read) == (c,)
True
>>> verify_consistency(2, hash_node(a, b), 3, root, (c,))
>>> verify_inclusion(b, 0, 3, (b, c), root)  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
jenkins_notary.errors.IntegrityError: inclusion of leaf 0 in a tree of 3: expected ...

What a reader returns is not proven: verify what was made against a signed checkpoint.
A tree of size 0 is a prefix of every tree, by an empty proof (RFC 6962 leaves it open).

Source: RFC 6962 sections 2.1.1 and 2.1.2 (making), RFC 9162 sections 2.1.3.2 and
2.1.4.2 (verifying; the trees are the same).
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.tlog.canonical import HASH_SIZE, MAX_NUMBER
from jenkins_notary.tlog.merkle import EMPTY_ROOT, hash_node, join_subtrees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    HashReader = Callable[[int, int], bytes]


def tree_root(size: int, read: HashReader) -> bytes:
    """Return the root of the first ``size`` leaves.

    Cost: one read for each 1 bit of the size.

    Raises:
        UsageError: The size is negative.
    """
    if size < 0:
        raise UsageError("tree root", expected="a size of 0 or more", got=f"{size}")
    return _hash_range(0, size, read)


def inclusion_proof(index: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """Return the proof that leaf ``index`` is in the tree of ``size`` leaves.

    Cost: at most two reads for each level of the tree.

    Raises:
        UsageError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise UsageError(
            f"inclusion proof for leaf {index}", expected=f"an index below {size}"
        )
    start, end = 0, size
    siblings: list[tuple[int, int]] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return tuple(_hash_range(*sibling, read) for sibling in reversed(siblings))


def consistency_proof(old_size: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """Return the proof that the first ``old_size`` leaves are a prefix of ``size``.

    Empty when the sizes are equal or the old one is 0.

    Cost: at most two reads for each level of the tree.

    Raises:
        UsageError: The old size is negative or above the size.
    """
    if not 0 <= old_size <= size:
        raise UsageError(
            f"consistency proof from size {old_size}",
            expected=f"an old size from 0 to {size}",
        )
    if old_size == 0:
        return ()
    start, end = 0, size
    nodes: list[tuple[int, int]] = []
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            nodes.append((middle, end))
            end = middle
        else:
            nodes.append((start, middle))
            start = middle
    if start:
        # The old tree is not one whole subtree here, so its last part is named too.
        nodes.append((start, end))
    return tuple(_hash_range(*node, read) for node in reversed(nodes))


def verify_inclusion(  # noqa: PLR0917  # The order of the specification.
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf hash stands at an index of the tree with this size and root.

    Size and root must come from one signed checkpoint: seen from a leaf, trees of many
    sizes have the same shape, so a proof does not prove the size.

    Args:
        leaf_hash: 32 bytes, as :func:`~jenkins_notary.tlog.merkle.hash_leaf` makes it.
        index: Position of the leaf, from 0.
        size: Leaves in the tree.
        proof: 32-byte hashes, the leaf's sibling first.
        root: 32 bytes, from a verified checkpoint.

    Raises:
        IntegrityError: The proof does not hold, whatever the reason.
    """
    subject = f"inclusion of leaf {index} in a tree of {size}"
    # (1) RFC 9162 section 2.1.3.2, step 1: the leaf is in the tree.
    if not 0 <= index < size <= MAX_NUMBER:
        raise IntegrityError(subject, expected="an index below the size")
    _check_sizes(subject, leaf_hash, root)
    # (2) Steps 2 to 4: climb from the leaf, the siblings on their sides.
    sides = _sides(index, size - 1)
    _check_hashes(subject, proof, len(sides))
    computed = leaf_hash
    for step, is_left in enumerate(sides):
        sibling = proof[step]
        computed = (
            hash_node(sibling, computed) if is_left else hash_node(computed, sibling)
        )
    # (3) Step 5: the root is the one that was signed.
    _check_root(subject, computed, root)


def verify_consistency(  # noqa: PLR0917  # The order of the specification.
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``old_size`` is a prefix of the tree of ``size``.

    Each size and its root must come from one signed checkpoint: a proof does not prove
    the sizes.

    Args:
        old_size: Leaves in the older tree.
        old_root: Its root, 32 bytes.
        size: Leaves in the newer tree, not fewer.
        root: Its root, 32 bytes.
        proof: 32-byte hashes; empty if the sizes are equal or the old one is 0.

    Raises:
        IntegrityError: The proof does not hold, whatever the reason.
    """
    subject = f"consistency of tree size {old_size} with {size}"
    if not 0 <= old_size <= size <= MAX_NUMBER:
        raise IntegrityError(subject, expected="an old size not above the new one")
    _check_sizes(subject, old_root, root)
    # (1) Trees that need no proof allow none.
    if old_size in (0, size):
        _check_hashes(subject, proof, 0)
        _check_root(subject, EMPTY_ROOT if old_size == 0 else root, old_root)
        _check_root(subject, root if size else EMPTY_ROOT, root)
        return
    # (2) RFC 9162 section 2.1.4.2, steps 2 to 4: an old tree that is one perfect
    # subtree is where the climb starts; else the first hash of the proof is.
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    sides = _sides(node, last)
    _check_hashes(subject, proof, len(sides) + bool(node))
    path = list(proof) if node else [old_root, *proof]
    # (3) Steps 5 and 6: climb to both roots at once.
    old_computed = computed = path[0]
    for step, is_left in enumerate(sides, start=1):
        if is_left:
            old_computed = hash_node(path[step], old_computed)
            computed = hash_node(path[step], computed)
        else:
            computed = hash_node(computed, path[step])
    # (4) Step 7: both are the roots that were signed.
    _check_root(f"{subject}, old root", old_computed, old_root)
    _check_root(f"{subject}, new root", computed, root)


def _split(count: int) -> int:
    """Return the largest power of two below a count of at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _hash_range(start: int, end: int, read: HashReader) -> bytes:
    """Return the hash of the leaves from ``start`` to before ``end``.

    The start must be a multiple of the largest power of two in the range, as it is for
    every node of an RFC 6962 tree.
    """
    level = (end - start).bit_length() - 1
    if start < end and end - start == 1 << level:
        # One perfect subtree, as most siblings are.
        return read(level, start >> level)
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(read(level, start >> level))
        start += 1 << level
    return join_subtrees(hashes)


def _sides(node: int, last: int) -> list[bool]:
    """Return for each sibling on the way up whether it stands on the left.

    Args:
        node: Position of the node in its row.
        last: Position of the last node of that row.

    The list is as long as the one right proof. RFC 9162 section 2.1.3.2, step 4.
    """
    sides = []
    while last:
        is_left = bool(node & 1) or node == last
        sides.append(is_left)
        # The last node of a row without partner rises until it is a right child.
        while is_left and not node & 1:
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    return sides


def _check_hashes(subject: str, proof: Sequence[bytes], count: int) -> None:
    """Refuse a proof that is too short, too long, or not made of hashes."""
    if len(proof) != count or any(len(item) != HASH_SIZE for item in proof):
        raise IntegrityError(
            subject,
            expected=f"a proof of {count} hashes of {HASH_SIZE} bytes",
            got=f"{len(proof)} parts",
        )


def _check_sizes(subject: str, *hashes: bytes) -> None:
    """Refuse a leaf hash or root that is no hash."""
    for item in hashes:
        if len(item) != HASH_SIZE:
            raise IntegrityError(
                subject, expected=f"hashes of {HASH_SIZE} bytes", got=f"{len(item)}"
            )


def _check_root(subject: str, computed: bytes, root: bytes) -> None:
    """Refuse a computed root that is not the given one."""
    if computed != root:
        raise IntegrityError(
            subject, expected=f"root {root.hex()}", got=f"root {computed.hex()}"
        )

"""What the machine gives: the raw primitives that the budgets are made of."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.measure import Figure, time_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.run import Run

MESSAGE = bytes(1500)
"""As long as the signed bytes of one record."""

REPEATS = 2000
COMMITS = 200


def measure(run: Run) -> list[Figure]:
    """Measure syncs, signatures and hashing."""
    run.say("raw primitives")
    path = os.path.join(run.folder, "synced")
    block = os.urandom(256 << 10)

    def hash_blocks() -> None:
        state = hashlib.sha256()
        for _ in range(1024):
            state.update(block)

    size_mb = 1024 * len(block) / 1e6
    return [
        Figure("", "synced appends of 4 KiB", sync_rate(path), "commits/s"),
        Figure("", "Ed25519 sign, 1,500 bytes", sign_rate(), "/s"),
        Figure("", "Ed25519 verify, 1,500 bytes", verify_rate(), "/s"),
        Figure("", "SHA-256, one thread", size_mb / time_call(hash_blocks), "MB/s"),
    ]


def sync_rate(path: str) -> float:
    """Return how many appends to a file can be made durable in a second."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        started = time.perf_counter()
        for _ in range(COMMITS):
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
        return COMMITS / (time.perf_counter() - started)
    finally:
        os.close(descriptor)


def sign_rate() -> float:
    """Return Ed25519 signatures a second on one processor."""
    key = Ed25519PrivateKey.generate()
    return _rate(lambda: key.sign(MESSAGE))


def verify_rate() -> float:
    """Return Ed25519 signature checks a second on one processor."""
    key = Ed25519PrivateKey.generate()
    signature, public = key.sign(MESSAGE), key.public_key()
    return _rate(lambda: public.verify(signature, MESSAGE))


def _rate(work: Callable[[], object]) -> float:
    """Return how often work can be done in a second."""

    def repeat() -> None:
        for _ in range(REPEATS):
            work()

    repeat()
    return REPEATS / time_call(repeat)

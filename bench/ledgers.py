"""Make ledgers of many realistic records, once, and keep them outside the checkout.

A record is what ``notarize`` makes of one file in a Jenkins build: one subject, five
attributes, the job and what is recorded of a build's environment. A thousand jobs
take turns, a record a build. Every record can be derived from its number, so what is
looked up later needs no list.

A ledger lies below ``$XDG_CACHE_HOME/jenkins-notary/bench/<key>/<records>/``. The key
is a digest of all that a small sample of the same records puts into its store: it
changes when the stored form changes, and with nothing else. The larger ledgers
continue the smaller ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.api.notary import Notary
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.keys.log_key import LogSigner, format_log_key, load_log_verifier
from jenkins_notary.keys.pem import write_private_file
from jenkins_notary.keys.signatures import Ed25519Signer, KeyVerifier
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.view import open_view
from jenkins_notary.values.claim import describe_job
from jenkins_notary.values.statement import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Store
    from jenkins_notary.tlog.note import Ed25519Verifier

ORIGIN = "bench.example.com/00000000"
JOBS = 1000
BATCH = 5000
SAMPLE = 300
_STARTED_AT_MS = 1_767_225_600_000


class Bench(NamedTuple):
    """A ledger on the disk, with its keys.

    Attributes:
        folder: Where everything of it lies.
        records: How many records it has, the genesis among them.
        load_rate: Records a second when it was filled, signing included.
    """

    folder: str
    records: int
    load_rate: float

    @property
    def path(self) -> str:
        """Return the ledger's file."""
        return os.path.join(self.folder, "ledger.db")

    def open_store(self) -> SqliteStore:
        """Return the open store."""
        return SqliteStore.open(self.path)

    def open_view(self, store: SqliteStore) -> LedgerView:
        """Return a new view on the newest checkpoint, whose signature it checks."""
        return open_view(store, verifiers(), KeyVerifier())

    def open_notary(self) -> Notary:
        """Return the public API on the ledger, with pins of its own."""
        return Notary(
            self.path,
            key=os.path.join(self.folder, "key.pem"),
            environ={"HOME": self.folder},
        )


class _FixedClock:
    """A clock that stands a minute later for each batch."""

    def __init__(self, at_ms: int) -> None:
        """Begin at a time."""
        self._at_ms = at_ms

    def now_ms(self) -> int:
        """Return the time, and go on."""
        self._at_ms += 60_000
        return self._at_ms


def job_of(number: int) -> str:
    """Return the job id of a record.

    >>> job_of(2013)
    'ci.example.com:team-13/service-013/main#3'
    """
    service = number % JOBS
    return f"ci.example.com:{_job_name(service)}#{number // JOBS + 1}"


def digest_of(number: int) -> str:
    """Return the digest of the file that a record is about."""
    return f"sha256:{_hex('artifact', number)}"


def sign_records(start: int, stop: int) -> list[bytes]:
    """Return the envelopes of the records of a range."""
    signer = _signer()
    return [_sign_record(signer, number) for number in range(start, stop)]


def fetch_ledger(records: int, say: Callable[[str], None]) -> Bench:
    """Return a ledger from the cache, filled first if it is not there.

    Args:
        records: 10,000 or ten or a hundred times as many.
        say: Called with one line before long work.
    """
    home = os.path.join(_cache_folder(), _content_key())
    folder = os.path.join(home, str(records))
    if not os.path.exists(folder):
        smaller = fetch_ledger(records // 10, say) if records > 10_000 else None
        say(f"filling a ledger of {records:,} records, kept in {home}")
        os.makedirs(home, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as temporary:
            whole = os.path.join(temporary, "whole")
            _fill(whole, records, smaller)
            os.rename(whole, folder)
    with open(os.path.join(folder, "load.json"), encoding="ascii") as file:
        return Bench(folder, records, json.load(file)["records_per_s"])


def make_ledger(folder: str, records: int) -> None:
    """Make a ledger with its keys in a folder that does not exist yet."""
    _fill(folder, records, None)


def _fill(folder: str, records: int, smaller: Bench | None) -> None:
    """Make a ledger in a new folder, beginning with a copy of a smaller one."""
    if smaller is None:
        _begin(folder)
    else:
        shutil.copytree(smaller.folder, folder)
    store = SqliteStore.open(os.path.join(folder, "ledger.db"))
    size = 1 if smaller is None else smaller.records
    sequencer = make_sequencer(store, size)
    started = time.perf_counter()
    for envelopes in _sign_ahead(size, records):
        sequencer.append(envelopes)
    rate = (records - size) / (time.perf_counter() - started)
    store.close()
    with open(os.path.join(folder, "load.json"), "w", encoding="ascii") as file:
        json.dump({"records_per_s": rate}, file)


def _begin(folder: str) -> None:
    """Make the keys and a ledger with its genesis alone."""
    os.makedirs(folder, mode=0o700)
    path = os.path.join(folder, "ledger.db")
    log_signer = _log_signer()
    pem = _private_key("signer").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private_file(os.path.join(folder, "key.pem"), pem)
    write_private_file(f"{path}.key", format_log_key(log_signer).encode())
    store = SqliteStore.create(path)
    store.put_setting("origin", ORIGIN.encode())
    store.put_setting("vkey", log_signer.vkey.encode())
    append_genesis(make_sequencer(store), make_author(), ORIGIN)
    store.close()


def make_sequencer(store: Store, size: int = 0) -> Sequencer:
    """Return the writer of a ledger of these records, of which it has so many."""
    signer = _log_signer()
    clock = _FixedClock(_STARTED_AT_MS + size * 1000)
    return Sequencer(store, signer, verifiers(), clock)


def verifiers() -> list[Ed25519Verifier]:
    """Return the checks of checkpoints of these ledgers."""
    return [load_log_verifier(_log_signer().vkey)]


def make_author() -> Author:
    """Return who signs the genesis."""
    return Author((_signer(),), _hex("call", 0)[:32], _STARTED_AT_MS)


def _sign_ahead(start: int, stop: int) -> Iterator[list[bytes]]:
    """Yield batches of envelopes that another process signs meanwhile."""
    if stop - start <= BATCH:
        yield sign_records(start, stop)
        return
    with ProcessPoolExecutor(max_workers=1) as pool:
        ahead = deque(
            pool.submit(sign_records, first, min(first + BATCH, stop))
            for first in range(start, stop, BATCH)
        )
        while ahead:
            yield ahead.popleft().result()


def _sign_record(signer: Ed25519Signer, number: int) -> bytes:
    """Return the envelope of one record."""
    claimed_at_ms = _STARTED_AT_MS + number * 1000
    author = Author((signer,), _hex("call", number)[:32], claimed_at_ms)
    name = f"service-{number % JOBS:03d}-1.{number // JOBS}.0.jar"
    size = 1_000_000 + number * 7919 % 50_000_000
    facts = {
        "status": "TRUSTED",
        "job": describe_job(_build_environment(number), None),
        "attributes": {
            "branch": "main",
            "release": f"1.{number // JOBS}.0",
            "compiler": "temurin-21.0.5",
            "coverage": 70 + number % 30,
            "reproducible": number % 2 == 0,
        },
        "assets": [
            {
                "kind": "file",
                "name": name,
                "size": size,
                "subjects": [0],
                "metadata": {
                    "contentType": "application/java-archive",
                    "version": f"1.{number // JOBS}.0",
                },
            }
        ],
    }
    return author.sign("notarization", [Subject(name, digest_of(number)[7:])], facts)


def _build_environment(number: int) -> dict[str, str]:
    """Return what Jenkins sets in the build of a record."""
    service, build = number % JOBS, number // JOBS + 1
    name = _job_name(service)
    root = "https://ci.example.com/"
    url = f"{root}job/{name.replace('/', '/job/')}/"
    return {
        "JENKINS_URL": root,
        "JOB_NAME": name,
        "JOB_BASE_NAME": "main",
        "JOB_URL": url,
        "BRANCH_NAME": "main",
        "BRANCH_IS_PRIMARY": "true",
        "BUILD_NUMBER": str(build),
        "BUILD_ID": str(build),
        "BUILD_DISPLAY_NAME": f"#{build}",
        "BUILD_TAG": f"jenkins-{name.replace('/', '-')}-{build}",
        "BUILD_URL": f"{url}{build}/",
        "GIT_URL": f"https://git.example.com/team-{service % 20:02d}/service.git",
        "GIT_BRANCH": "main",
        "GIT_COMMIT": _hex("commit", number)[:40],
        "GIT_PREVIOUS_COMMIT": _hex("commit", max(number - JOBS, 0))[:40],
        "NODE_NAME": f"agent-{number % 37:02d}",
        "NODE_LABELS": f"agent-{number % 37:02d} linux",
        "EXECUTOR_NUMBER": str(number % 4),
        "STAGE_NAME": "Publish",
    }


def _job_name(service: int) -> str:
    """Return the full name of a job."""
    return f"team-{service % 20:02d}/service-{service:03d}/main"


def _hex(what: str, number: int) -> str:
    """Return 64 hex digits that belong to a thing and a number."""
    return hashlib.sha256(f"{what} {number}".encode()).hexdigest()


def _private_key(what: str) -> Ed25519PrivateKey:
    """Return a key that is the same in every run: it protects nothing."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_hex(what, 0)))


@cache
def _signer() -> Ed25519Signer:
    """Return the signer of all records."""
    return Ed25519Signer(_private_key("signer"))


def _log_signer() -> LogSigner:
    """Return the ledger's key."""
    return LogSigner(ORIGIN, _private_key("log"))


def _cache_folder() -> str:
    """Return the folder of all kept ledgers."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "jenkins-notary", "bench")


@cache
def _content_key() -> str:
    """Return a digest of all that the first records put into a store."""
    total = hashlib.sha256()
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.join(temporary, "sample")
        make_ledger(folder, SAMPLE)
        database = sqlite3.connect(os.path.join(folder, "ledger.db"))
        try:
            for line in database.iterdump():
                total.update(line.encode() + b"\n")
            for pragma in ("page_size", "user_version", "application_id"):
                (value,) = database.execute(f"PRAGMA {pragma}").fetchone()
                total.update(f"{pragma} {value}\n".encode())
        finally:
            database.close()
    return total.hexdigest()[:16]

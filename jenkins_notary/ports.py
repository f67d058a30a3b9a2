"""State what the core asks of the world: stores, ledgers, bodies, signers, a clock.

A port is a Protocol; adapters in ``engines``, ``blobs`` and elsewhere satisfy it and
decide nothing. :class:`LogReader` is what a verifier reads: everything it hands out
is a claim, to be checked against a signed checkpoint. :class:`Store` adds the one
atomic write. A ledger that is reached over the network is a :class:`LogReader` too,
so the same checks run whatever the engine.

Two logs live in each ledger, both RFC 6962 trees: ``main`` holds every record,
``trust`` those that can change a verdict. Derived rows lead from a key to an index of
the main log; see :data:`ROW_KINDS`.
"""

from __future__ import annotations

from jenkins_notary.shapes import NamedTuple, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO, Literal

    from jenkins_notary.values.body import Body

    LogName = Literal["main", "trust"]
    RowKind = Literal["subject", "job", "name", "signer", "commit", "statement"]

ROW_KINDS: tuple[RowKind, ...] = (
    "subject",
    "job",
    "name",
    "signer",
    "commit",
    "statement",
)
"""Kinds of derived rows and their keys.

- ``subject``: 32 raw bytes of a SHA-256 that the leaf names.
- ``job``: 32 raw bytes, the SHA-256 of the full job id.
- ``name``: ``<full name> 00 <number, 8 bytes big-endian> <instance>``, UTF-8.
- ``signer``: 20 raw bytes of the signer id.
- ``commit``: the raw bytes of a git commit id.
- ``statement``: 32 raw bytes, the SHA-256 of the signed bytes (idempotency).

Commit time needs no rows: it never runs backwards, so the log itself is sorted.
"""


class ServerStanding(NamedTuple):
    """Where one server of a ledger on several stands.

    Attributes:
        server: ``host:port``.
        role: ``primary`` or ``replica``; "" where it does not answer.
        transactions: How many it has committed.
        lag: How many it lacks of those that are known of; 0 where it does not answer.
        error: Why it does not answer, or "".
    """

    server: str
    role: str
    transactions: int
    lag: int
    error: str

    def __str__(self) -> str:
        """Return it for people."""
        if self.error:
            return f"{self.server}: no answer, {self.error}"
        behind = f", {self.lag} behind" if self.lag else ""
        return f"{self.server}: {self.role}, {self.transactions} transactions{behind}"


class Row(NamedTuple):
    """One derived row.

    Attributes:
        kind: One of :data:`ROW_KINDS`.
        key: The raw key, at most 1,400 bytes.
        index: The record's index in the main log.
    """

    kind: RowKind
    key: bytes
    index: int  # type: ignore[assignment]  # It hides tuple.index.


class Head(NamedTuple):
    """What has been committed: both trees' sizes and frontiers, and the last time.

    Attributes:
        main: The main tree's encoded frontier (``tlog.merkle.Frontier.encode``).
        trust: The trust tree's encoded frontier.
        at_ms: Commit time of the last record; the next one is never earlier.
    """

    main: bytes
    trust: bytes
    at_ms: int


class Batch(NamedTuple):
    """One atomic commit: all of it becomes durable, or nothing.

    Attributes:
        head: The head after the commit.
        main_start: Index of the first new entry of the main log.
        main: New entries of the main log, in order.
        trust_start: Index of the first new entry of the trust log.
        trust: New entries of the trust log, in order.
        envelopes: Envelope bytes by the 32 raw bytes of their SHA-256; one that
            exists already stays as it is.
        tiles: Hash tiles by (log, level, n): full ones at level 0, those that grew
            above (1 to 256 hashes), which replace what was there.
        rows: Derived rows.
    """

    head: Head
    main_start: int
    main: Sequence[bytes]
    trust_start: int
    trust: Sequence[bytes]
    envelopes: Mapping[bytes, bytes]
    tiles: Mapping[tuple[LogName, int, int], bytes]
    rows: Sequence[Row]


class LogReader(Protocol):
    """What a verifier reads of a ledger; every answer is a claim to be checked.

    Every method raises UnavailableError when the ledger does not answer,
    PermissionDeniedError when it refuses, and IntegrityError when what it holds
    cannot be read back whole.
    """

    def checkpoint(self) -> bytes | None:
        """Return the newest published checkpoint note, or None before the first."""

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return the first ``width`` hashes (32 bytes each) of a hash tile.

        A tile that the store does not have gives fewer bytes than asked for.
        """

    def rows(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        limit: int,
        after: tuple[bytes, int] | None = None,
        newest_first: bool = False,
    ) -> Sequence[Row]:
        """Return derived rows with ``low <= key < high``, sorted by (key, index).

        Args:
            kind: Which rows.
            low: The first key.
            high: The key behind the last.
            limit: The most rows that are returned; the caller pages.
            after: Start behind this (key, index), in the direction of the scan.
            newest_first: Scan from the end.
        """

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256 (32 raw bytes); absent ones left out."""


class Store(LogReader, Protocol):
    """A ledger's storage: a reader with one atomic compare-and-swap write."""

    @property
    def engine(self) -> str:
        """Return the engine's name, such as ``sqlite`` or ``memory``."""

    @property
    def max_keys(self) -> int:
        """Return how many entries, envelopes and rows one batch may have."""

    def head(self) -> Head | None:
        """Return the committed head, or None in a new store."""

    def commit(self, batch: Batch, *, onto: Head | None) -> None:
        """Make a batch durable if the store still has the head it was built on.

        Returns only after the data is durable.

        Args:
            batch: What to write.
            onto: The head that was read before the batch was made.

        Raises:
            HeadMovedError: Another writer was first; nothing was written.
            StorageError: The disk is full or read-only; nothing was written.
        """

    def publish(self, checkpoint: bytes, *, size: int) -> None:
        """Keep a checkpoint note of a committed head unless a larger one is kept.

        Need not be durable: the note can be made again from head and key.
        """

    def first_rows(self, statements: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the index of the first record of each statement that is there.

        Args:
            statements: Keys of ``statement`` rows.

        Cost: one call, however many.
        """

    def get_setting(self, name: str) -> bytes | None:
        """Return a small setting that was put when the ledger was made, or None."""

    def put_setting(self, name: str, value: bytes) -> None:
        """Put a setting, durably."""

    def erase(self, digests: Iterable[bytes], rows: Iterable[Row]) -> None:
        """Destroy envelopes (by SHA-256) and rows beyond recovery from the store."""

    def scan_rows(self, kind: RowKind) -> Iterator[Row]:
        """Yield all rows of a kind, sorted by (key, index): for verification."""

    def scan_envelopes(self) -> Iterator[bytes]:
        """Yield the SHA-256 of every stored envelope: for verification."""

    def scan_tiles(self, log: LogName) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, n, hashes) of every stored tile: for verification."""

    def close(self) -> None:
        """Release what is held; further calls are wrong."""


class Appended(NamedTuple):
    """Where an envelope came to stand.

    Attributes:
        index: Its index in the main log.
        at_ms: Its commit time.
        is_new: False when the same statement had been recorded before.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    at_ms: int
    is_new: bool


class Ledger(Protocol):
    """A ledger that can be written: the local sequencer, or a service."""

    @property
    def reader(self) -> LogReader:
        """Return what verifiers read."""

    def append(self, envelopes: Sequence[bytes]) -> Sequence[Appended]:
        """Append envelopes; return where each stands, once all are durable.

        An envelope whose statement was recorded before is not appended again: its
        first place is returned, so that handing one in twice is safe.
        """


class Signer(Protocol):
    """A private key that signs statements or checkpoints."""

    @property
    def keyid(self) -> str:
        """Return the signer id, ``0x`` and 40 hex digits."""

    @property
    def public_der(self) -> bytes:
        """Return the DER SubjectPublicKeyInfo of the public key."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature: 64 bytes for Ed25519, DER for ECDSA P-256."""


class Verifier(Protocol):
    """Signature checks, so that pure code needs no cryptographic library."""

    def is_valid(self, public_der: bytes, signature: bytes, message: bytes) -> bool:
        """Return whether a signature is good; False for a malformed key too."""


class Clock(Protocol):
    """The time, passed in so that tests and replays can choose it."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""


class Blobs(Protocol):
    """Bodies beside the log, content-addressed, in chunks that are read alone."""

    def put(self, stream: BinaryIO) -> Body:
        """Store all bytes of a stream, durably; one that exists stays once.

        Raises:
            StorageError: The disk is full or read-only; nothing half-written stays.
        """

    def has(self, sha256_hex: str) -> bool:
        """Return whether a body is stored."""

    def leaf_hashes(self, body: Body) -> Sequence[bytes]:
        """Return the RFC 6962 leaf hash of each chunk, as stored: a claim."""

    def chunk(self, body: Body, number: int) -> bytes:
        """Return one raw chunk: a claim, to be checked against its leaf hash.

        Raises:
            NotFoundError: No such body.
            IntegrityError: The stored chunk cannot be restored to its size.
        """

    def delete(self, sha256_hex: str) -> bool:
        """Delete a body; return whether there was one."""

    def scan(self) -> Iterator[str]:
        """Yield the SHA-256 hex of every stored body."""


class BodyStore(Blobs, Protocol):
    """Bodies of a ledger; those that are held back lie in another of the same kind."""

    def put_where(
        self, stream: BinaryIO, choose: Callable[[], BodyStore | None]
    ) -> Body:
        """Store a stream where is only known once it was read.

        Args:
            stream: The body's bytes.
            choose: Called when all was read: where the body goes, or None to drop it.
        """

    def move(self, body: Body, target: BodyStore) -> bool:
        """Move a body to another store, durably; return whether it was here."""


class Controller(NamedTuple):
    """Which Jenkins controller answers.

    Attributes:
        instance: Its enrolled slug, the instance of its job ids.
        url: Its root URL, without credentials, ending in ``/``.
        version: Jenkins' version, or "" where it does not say.
        identity: SHA-256 hex of the DER public key in ``X-Instance-Identity``, or
            None where it sends none.
    """

    instance: str
    url: str
    version: str
    identity: str | None


class JobSummary(NamedTuple):
    """One job that has builds, as a folder's listing tells it.

    Attributes:
        name: The full name as Jenkins has it (``payments/api/feature%2Fx``).
        next_number: Number of the next build: all below it were given out.
        first_number: Number of the oldest build that is kept, or None for none.
        last_number: Number of the newest build that is kept, or None for none.
    """

    name: str
    next_number: int
    first_number: int | None
    last_number: int | None


class LogPart(NamedTuple):
    """A piece of the console log of a build that may be running.

    Attributes:
        data: Its bytes, whole lines while the build is running.
        start: Where it was read from, an offset into Jenkins' raw log.
        next_start: Where to read on.
        is_growing: Whether Jenkins says that more is to come.
    """

    data: bytes
    start: int
    next_start: int
    is_growing: bool


class Jenkins(Protocol):
    """One controller, read only, one request at a time.

    Every method raises UnavailableError when the controller does not answer or its
    answer is not Jenkins' (after retries), PermissionDeniedError for 401 and 403, and
    NotFoundError for a job, build or thing that is not there.
    """

    @property
    def requests(self) -> int:
        """Return how many HTTP requests were sent so far, retries included."""

    def controller(self) -> Controller:
        """Return who answers; asked once."""

    def jobs(self, pattern: str) -> Iterator[JobSummary]:
        """Yield the jobs below a pattern, folders walked with one request each.

        Args:
            pattern: A job or folder (``payments``), or a folder's jobs
                (``payments/*``); ``*`` for all.
        """

    def builds(
        self, name: str, *, first: int, last: int
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON of a job's kept builds in [first, last], in pages.

        The newest comes first; each has the fields of :meth:`build`.
        """

    def build(self, name: str, number: int) -> Mapping[str, Any]:
        """Return one build's JSON, the fields of ``jenkins.client.BUILD_TREE``."""

    def console(self, name: str, number: int) -> AbstractContextManager[BinaryIO]:
        """Return the whole console log as ``consoleText``, streamed byte for byte.

        Raises:
            NotFoundError: Jenkins lost it, whatever HTTP status it says so with.
            UnavailableError: While reading too: it broke off.
        """

    def console_part(self, name: str, number: int, start: int) -> LogPart:
        """Return the log from an offset on (``progressiveText``), in its own form.

        Raises:
            IntegrityError: The log is shorter than ``start``: it rolled over.
        """

    def artifact(
        self, name: str, number: int, path: str
    ) -> AbstractContextManager[BinaryIO]:
        """Return an archived artifact's bytes, streamed."""

    def test_report(self, name: str, number: int) -> Mapping[str, Any] | None:
        """Return the JUnit summary of a build, or None for none."""

    def stages(self, name: str, number: int) -> Mapping[str, Any] | None:
        """Return the stage list (``wfapi/describe``), or None where there is none."""

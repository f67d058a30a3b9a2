"""Ask a ledger what it says of digests, and what has changed in it.

Two sources stand behind one port:

- a ledger on this machine or in immudb (:class:`LocalSource`): each record that decides
  is proven here, and its head is looked at each interval, which costs one small read;
- a notary service (``remote_source``), by a token of the role reader.

:class:`News` says which digests must be judged again. A positive record can only change
the digests that it names. A negative one, and each record of who may speak, can reach
digests by links that stand in other records, so after one of these all are judged
again, those that it names first.

No registry is asked here: an image's index, platform and config digests are linked in
the ledger when it is notarized. What else can be had is :mod:`.linked`'s matter.
"""

from __future__ import annotations

from itertools import islice

from jenkins_notary.api.authenticate import describe_as_of
from jenkins_notary.cluster.board import Verdict
from jenkins_notary.cluster.builds import MAX_LOOKED_AT, Build, read_build
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotaryError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.shapes import NamedTuple, Protocol
from jenkins_notary.trust.imports import voices
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.leaf import parse_leaf
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jenkins_notary.api.results import AsOf
    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.trust.verdict import TrustRule
    from jenkins_notary.values.leaf import Leaf

MAX_NEW = 5000
"""New records that are looked at one by one; after more all digests are judged."""

_PAGE = 500
WIDE_TYPES = frozenset({"trust", "erasure"})
"""Types of records that can change what is said of digests that they do not name."""


class Question(NamedTuple):
    """What is asked: a digest, and whose word counts.

    Attributes:
        digest: ``sha256:`` and 64 hex digits.
        rule: Whose word counts where it runs.
    """

    digest: str
    rule: TrustRule


class News(NamedTuple):
    """What has changed in a ledger.

    Attributes:
        digests: Hex of the digests that new records name.
        is_wide: Whether any other digest may have changed too.
    """

    digests: frozenset[str] = frozenset()
    is_wide: bool = False

    def __add__(self, other: News) -> News:  # type: ignore[override]  # not a tuple's
        """Return both together."""
        return News(self.digests | other.digests, self.is_wide or other.is_wide)


class Answers(NamedTuple):
    """What a ledger says.

    Attributes:
        as_of: The state of the log.
        verdicts: A verdict for each question.
    """

    as_of: AsOf
    verdicts: Mapping[Question, Verdict]


class Source(Protocol):
    """A ledger that is asked again and again; by one thread.

    Each method raises a NotaryError where the ledger does not answer, refuses, or is
    not the one that it was.
    """

    def poll(self) -> News:
        """Return what has changed since the last call; all, at the first."""

    def judge(self, questions: Sequence[Question]) -> Answers:
        """Return what the ledger says of some digests, in one state of it."""

    def close(self) -> None:
        """Release what is held."""


class LocalSource:
    """A ledger on this machine or in immudb, read and proven here."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        """Open nothing yet.

        Args:
            open_session: Opens the ledger, again after it was away.
        """
        self._open_session = open_session
        self._session: Session | None = None
        self._size: int | None = None
        self._note = b""

    def poll(self) -> News:
        """Return what has changed since the last call; all, at the first."""
        view = self._view()
        if view.note == self._note:
            return News()
        news = News(is_wide=True)
        if self._size is not None and view.size - self._size <= MAX_NEW:
            news = _read_news(view, self._size)
        self._note, self._size = view.note, view.size
        return news

    def judge(self, questions: Sequence[Question]) -> Answers:
        """Return what the ledger says of some digests, in one state of it."""
        view = self._view()
        # It decides on every verdict: if it was altered, there is none.
        view.trust()
        return Answers(
            describe_as_of(view), {one: _judge(view, one) for one in questions}
        )

    def close(self) -> None:
        """Release the ledger; the next call opens it anew."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _view(self) -> LedgerView:
        """Return the ledger as it is now."""
        try:
            if self._session is None:
                self._session = self._open_session()
            return self._session.followed_view()
        except NotaryError:
            # What broke may be the connection: the next call opens another one.
            self.close()
            raise


def read_news(leaves: Sequence[Leaf]) -> News:
    """Return what some new records may have changed."""
    return News(
        frozenset(one for leaf in leaves for one in leaf.subjects),
        any(is_wide(one) for one in leaves),
    )


def is_wide(leaf: Leaf) -> bool:
    """Return whether a record can change what is said of digests it does not name."""
    return leaf.counts_for_trust or leaf.type in WIDE_TYPES


def is_open(verdict: Verdict) -> bool:
    """Return whether the ledger has answered, and knows nothing."""
    return verdict.status is Status.UNKNOWN and verdict.as_of is not None


def group_by_rule(questions: Iterable[Question]) -> dict[TrustRule, list[Question]]:
    """Return questions by whose word counts."""
    groups: dict[TrustRule, list[Question]] = {}
    for one in questions:
        groups.setdefault(one.rule, []).append(one)
    return groups


def _read_news(view: LedgerView, start: int) -> News:
    """Return what the records from an index on may have changed.

    They are read unproven: a verdict is proven when it is made.
    """
    news = News()
    for first in range(start, view.size, _PAGE):
        entries = view.read_entries(first, min(first + _PAGE, view.size))
        leaves = [
            parse_leaf(entry, subject=f"leaf {first + n}")
            for n, entry in enumerate(entries)
        ]
        news += read_news(leaves)
    return news


def _judge(view: LedgerView, question: Question) -> Verdict:
    """Return what a ledger says of one digest.

    A record that was altered is that digest's matter alone; that the ledger does not
    answer is everybody's.

    Raises:
        UnavailableError: It does not answer.
        StorageError: It cannot be read.
    """
    try:
        found = view.verdict(digest_hex(question.digest), question.rule)
    except (UnavailableError, StorageError, ConfigurationError):
        raise
    except (IntegrityError, UsageError) as error:
        return Verdict.unknown(str(error))
    record = found.record
    if record is None:
        return Verdict(
            found.status,
            *(None, None, found.reason, None, None, None, None, None),
            describe_as_of(view),
        )
    trust = view.trust()
    build = _find_build(view, digest_hex(question.digest), record)
    return Verdict(
        found.status,
        min(trust.level(one) for one in voices(record)),
        record.leaf.signer,
        found.reason,
        build.job,
        build.url,
        build.commit,
        record.index,
        None,
        describe_as_of(view),
        make_receipt(view, record.index).decode(),
    )


def _find_build(view: LedgerView, sha256_hex: str, record: ProvenRecord) -> Build:
    """Return the build of the record that decides, else of the newest that names one.

    Whoever distrusts a digest is no build: what made it stands in another record.
    """
    own = _build_of(record)
    if own.job is not None:
        return own
    try:
        for index in islice(view.find_digest(sha256_hex), MAX_LOOKED_AT):
            other = view.record(index)
            made = _build_of(other)
            if made.job is not None and view.standing(other) == "enrolled":
                return made
    except IntegrityError:
        # The verdict holds without it, and `ledger verify` tells what was altered.
        return own
    return own


def _build_of(record: ProvenRecord) -> Build:
    """Return the build that a record names."""
    said = record.statement
    if said is None:
        return Build()
    return read_build(said.type, said.predicate, said.job_id)

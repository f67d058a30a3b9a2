"""Record the log of a running build, piece by piece, as a chain of records.

Each record names the one before and signs both its piece and all pieces so far
(``evidence.growing_log``). Who goes on with a chain has read all of it: what Jenkins
shows now must begin with what was recorded, or the log was rewritten. A program that
follows a build remembers that and reads on from where it was; a new one reads from the
beginning once.
"""

from __future__ import annotations

from jenkins_notary.api.builds.reading import FOREIGN
from jenkins_notary.api.builds.records import LOG_NAME, build_of, find_build, is_log
from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.logs.keeping import keep_log
from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.growing_log import LogTree, Part, format_part, parse_part
from jenkins_notary.evidence.provenance import describe_build
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.errors import NotaryError
    from jenkins_notary.evidence.provenance import BuildKey, BuildSources
    from jenkins_notary.ports import Jenkins

PROGRESSIVE_TEXT = "progressiveText"
MAX_FOLLOWED = 1000
"""Running builds that are remembered; of others the log is read from its beginning."""

_LONG = 256 << 10


class Chain(NamedTuple):
    """The end of a chain.

    Attributes:
        index: Index of its last record.
        part: Where it stands.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    part: Part


class _State:
    """A running build's log, as far as it was read."""

    def __init__(self, chain: Chain | None) -> None:
        """Begin before the first byte of a log that has a chain, or none."""
        self.tree = LogTree()
        self.next_start = 0
        self.chain = chain


class GrowingLogs:
    """The running builds that one program follows."""

    def __init__(self, session: Session, jenkins: Jenkins, *, secrets: str) -> None:
        """Read from a controller, record in a session's ledger.

        Args:
            session: An open ledger.
            jenkins: The controller.
            secrets: What becomes of pieces with secrets.
        """
        self._session = session
        self._jenkins = jenkins
        self._secrets = secrets
        self._states: dict[BuildKey, _State] = {}

    def grow(
        self, sources: BuildSources
    ) -> tuple[RecordView | None, NotaryError | None]:
        """Record what is new in a log; return (record or None, fault or None).

        Cost: one request for each long piece.
        """
        key = sources.key
        state = self._states.get(key)
        if state is None:
            identity = sources.controller.identity
            state = _State(find_chain(self._session, key, identity))
        # A failure anywhere below makes the next call begin anew.
        self._states.pop(key, None)
        stream = _Pieces(self._jenkins, state, key)
        try:
            stream.skip_known()
            if stream.has_more():
                kept = keep_log(
                    self._session,
                    stream,  # type: ignore[arg-type]  # Only read() is used.
                    policy=self._secrets,
                )
        except FOREIGN as error:
            if stream.error is not error:
                raise
            return None, error
        record = None
        if stream.size:
            record = self._record(sources, state, stream, kept.facts)
        if len(self._states) >= MAX_FOLLOWED:
            del self._states[next(iter(self._states))]
        self._states[key] = state
        return record, None

    def forget(self, key: BuildKey) -> None:
        """Forget a build that runs no longer."""
        self._states.pop(key, None)

    def _record(
        self,
        sources: BuildSources,
        state: _State,
        stream: _Pieces,
        facts: dict[str, object],
    ) -> RecordView:
        """Record a piece that is stored."""
        tree, chain = state.tree, state.chain
        part = Part(
            1 if chain is None else chain.part.number + 1,
            stream.start,
            state.next_start,
            tree.body(),
            tree.text.sha256_hex,
            tree.text.size,
        )
        body = facts["body"]
        assert isinstance(body, dict)  # noqa: S101 - a descriptor's JSON form
        envelope = self._session.author().sign(
            "log",
            [Subject(LOG_NAME, body["sha256"])],
            {
                "job": {"id": format_job_id(sources.key.job)},
                "build": describe_build(sources),
                "name": LOG_NAME,
                "form": PROGRESSIVE_TEXT,
                "source": "controller",
                "state": "growing",
                "previous": None if chain is None else chain.index,
                "part": format_part(part),
                **facts,
            },
        )
        (index,) = self._session.append([envelope])
        state.chain = Chain(index, part)
        view = self._session.view()
        return show_record(view, view.record(index), receipt=False)


def find_chain(session: Session, key: BuildKey, identity: str | None) -> Chain | None:
    """Return the end of a build's chain, None where there is none.

    Raises:
        IntegrityError: Its last record is malformed.
    """
    for record in find_build(session.view(), key, identity):
        if is_log(record, "growing") and record.statement is not None:
            part = record.statement.predicate.get("part")
            subject = f"record #{record.index}"
            return Chain(record.index, parse_part(part, subject=subject))
        if build_of(record) is not None and is_log(record, "whole"):
            break
    return None


class _Pieces:
    """What is new in a running build's log, as a stream.

    Attributes:
        start: Where it begins, bytes of the log as it was read.
        size: Bytes handed out.
        error: What reading failed with, or None.
    """

    def __init__(self, jenkins: Jenkins, state: _State, key: BuildKey) -> None:
        self._jenkins = jenkins
        self._state = state
        self._key = key
        self._data = b""
        self._is_over = False
        self.start = state.tree.size
        self.size = 0
        self.error: NotaryError | None = None

    def skip_known(self) -> None:
        """Read what the chain has recorded, which must be there as it was.

        Raises:
            IntegrityError: The log does not begin with it.
        """
        chain, tree = self._state.chain, self._state.tree
        if chain is None or tree.size:
            return
        while tree.size < chain.part.tree.size and self.has_more():
            self._take(chain.part.tree.size - tree.size)
        self.start = tree.size
        if tree.body() != chain.part.tree:
            self.error = IntegrityError(
                f"log of {format_job_id(self._key.job)}",
                expected=f"to begin as record #{chain.index} has it",
                got=f"another text in its first {tree.size} bytes",
                advice="it was rewritten or rolled over while the build ran",
            )
            raise self.error

    def has_more(self) -> bool:
        """Return whether there is more now; asks Jenkins if need be."""
        while not self._data and not self._is_over:
            try:
                part = self._jenkins.console_part(
                    self._key.job.name, self._key.job.number, self._state.next_start
                )
            except FOREIGN as error:
                self.error = error
                raise
            self._data = part.data
            self._state.next_start = part.next_start
            # A short answer has come to the end for now; a long one may have been cut.
            self._is_over = len(part.data) < _LONG
        return bool(self._data)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; b"" when there is no more for now."""
        if not self.has_more():
            return b""
        data = self._take(len(self._data) if size < 0 else size)
        self.size += len(data)
        return data

    def _take(self, size: int) -> bytes:
        """Take bytes of what was read, and count them in."""
        data, self._data = self._data[:size], self._data[size:]
        self._state.tree.update(data)
        return data

"""Judge by what an image contains, where the ledger knows nothing of its own digest.

A ledger is asked as ever. Of what it says UNKNOWN, registries are asked what it
contains (:mod:`~jenkins_notary.cluster.registries`); once they have answered, the
ledger is asked for that, under the same rule. Nothing waits for a registry.
"""

from __future__ import annotations

from jenkins_notary.cluster.judging import Answers, News, Question, is_open
from jenkins_notary.cluster.links import judge_linked
from jenkins_notary.values.digest import digest_hex, format_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jenkins_notary.cluster.board import Verdict
    from jenkins_notary.cluster.judging import Source
    from jenkins_notary.cluster.registries import Registries


class LinkedSource:
    """A ledger, and what registries say of images that it does not know."""

    def __init__(
        self,
        source: Source,
        registries: Registries,
        is_running: Callable[[str], bool],
    ) -> None:
        """Ask nothing yet.

        Args:
            source: The ledger.
            registries: Whom to ask what an image contains.
            is_running: Says of a digest whether it runs.
        """
        self._source = source
        self._registries = registries
        self._is_running = is_running

    def poll(self) -> News:
        """Return what has changed since the last call; all, at the first."""
        news = self._source.poll()
        named = frozenset(format_digest(one) for one in news.digests)
        changed = self._registries.collect(self._is_running)
        changed |= self._registries.using(named)
        return news + News(frozenset(digest_hex(one) for one in changed))

    def judge(self, questions: Sequence[Question]) -> Answers:
        """Return what the ledger says of some digests, or of what they contain."""
        found = self._source.judge(questions)
        verdicts = dict(found.verdicts)
        open_ones = [
            one
            for one, verdict in verdicts.items()
            if is_open(verdict) and verdict.error is None
        ]
        linked = {
            Question(digest, one.rule)
            for one in open_ones
            for digest in self._contained(one)
        }
        said: Mapping[Question, Verdict] = {}
        if linked:
            answers = self._source.judge([*linked])
            said = answers.verdicts
            found = min(found, answers, key=lambda one: one.as_of.tree_size)
        for one in open_ones:
            verdicts[one] = self._judge(one, verdicts[one], said)
        return Answers(found.as_of, verdicts)

    def close(self) -> None:
        """Release what is held."""
        self._source.close()

    def _contained(self, question: Question) -> tuple[str, ...]:
        """Return what an image contains, as far as that is known."""
        links = self._registries.links_of(question.digest)
        return () if links is None else links.digests

    def _judge(
        self, question: Question, own: Verdict, said: Mapping[Question, Verdict]
    ) -> Verdict:
        """Return the verdict on an image that the ledger does not know."""
        links = self._registries.links_of(question.digest)
        if links is not None:
            return judge_linked(
                own,
                links,
                {one: said[Question(one, question.rule)] for one in links.digests},
            )
        error = self._registries.error_of(question.digest)
        return own if error is None else own._replace(reason=error, error=error)

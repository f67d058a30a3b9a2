"""Keep what is known of pods and digests, and what is to be asked next.

For one thread. A digest is forgotten with the last container that runs it.
"""

from __future__ import annotations

from jenkins_notary.cluster.judging import Question
from jenkins_notary.values.digest import digest_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from jenkins_notary.cluster.board import Verdict
    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.cluster.judging import News
    from jenkins_notary.cluster.settings import Settings


class Kept:
    """What is known.

    Attributes:
        pods: Containers by the uid of their pod.
    """

    def __init__(self, settings: Settings) -> None:
        """Know nothing yet.

        Args:
            settings: Whose word counts in which namespace.
        """
        self._trust = settings.trust
        self.pods: dict[str, tuple[Container, ...]] = {}
        self._verdicts: dict[Question, Verdict] = {}
        self._users: dict[Question, dict[str, int]] = {}
        self._by_digest: dict[str, set[Question]] = {}
        self._due_first: dict[Question, None] = {}
        self._due_later: dict[Question, None] = {}

    @property
    def has_due(self) -> bool:
        """Return whether there is something to ask."""
        return bool(self._due_first or self._due_later)

    def place(self, uid: str, containers: tuple[Container, ...]) -> None:
        """Put a pod in the place of what was known of it; none: it is gone."""
        before = self.pods.pop(uid, ())
        if containers:
            self.pods[uid] = containers
        for one in self._questions(containers):
            users = self._users.setdefault(one, {})
            users[uid] = users.get(uid, 0) + 1
            self._by_digest.setdefault(digest_hex(one.digest), set()).add(one)
            if one not in self._verdicts:
                self._due_first[one] = None
        for one in self._questions(before):
            self._release(one, uid)

    def invalidate(self, news: News) -> None:
        """Note what must be asked again, what is named first."""
        for one in news.digests & self._by_digest.keys():
            self._due_first.update(dict.fromkeys(self._by_digest[one]))
        if news.is_wide:
            self._due_later.update(dict.fromkeys(self._users))

    def take_due(self, limit: int) -> list[Question]:
        """Return what is asked next."""
        taken: list[Question] = []
        for due in (self._due_first, self._due_later):
            found = [
                one for one, _ in zip(due, range(limit - len(taken)), strict=False)
            ]
            for one in found:
                self._due_first.pop(one, None)
                self._due_later.pop(one, None)
            taken += found
        return taken

    def give_back(self, questions: Sequence[Question]) -> None:
        """Have questions asked later: they could not be."""
        self._due_first = {**dict.fromkeys(questions), **self._due_first}

    def waiting_pods(self) -> set[str]:
        """Return the pods with a container of which nothing is known yet."""
        return {
            uid
            for one in self._due_first
            if one not in self._verdicts
            for uid in self._users.get(one, ())
        }

    def settle(self, question: Question, verdict: Verdict) -> Collection[str]:
        """Keep a verdict; return the pods that it is shown of."""
        if question not in self._users:
            return ()
        self._verdicts[question] = verdict
        return self._users[question]

    def is_running(self, digest: str) -> bool:
        """Return whether a container runs a digest."""
        return digest_hex(digest) in self._by_digest

    def verdict_of(self, container: Container) -> Verdict | None:
        """Return the verdict on what a container runs, None where there is none yet."""
        (question,) = self._questions((container,))
        return self._verdicts.get(question)

    def _release(self, question: Question, uid: str) -> None:
        """Forget a question of a pod, and its verdict once nobody has it."""
        users = self._users[question]
        users[uid] -= 1
        if users[uid]:
            return
        del users[uid]
        if users:
            return
        del self._users[question]
        self._verdicts.pop(question, None)
        self._due_first.pop(question, None)
        self._due_later.pop(question, None)
        name = digest_hex(question.digest)
        self._by_digest[name].discard(question)
        if not self._by_digest[name]:
            del self._by_digest[name]

    def _questions(self, containers: Iterable[Container]) -> list[Question]:
        """Return what is asked of containers that have a digest."""
        return [
            Question(one.digest, self._trust.rule_of(one.namespace))
            for one in containers
            if one.digest is not None
        ]

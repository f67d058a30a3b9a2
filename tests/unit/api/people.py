"""People who use one ledger: each with a home, keys and notices of their own."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING, Any

from jenkins_notary.api.notary import Notary
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.verify import verify_ledger
from jenkins_notary.values.statement import Subject
from tests.unit.ledger.ledgers import person

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ORIGIN = "ci.example.com/test"
JENKINS = {
    "JENKINS_URL": "https://ci.example.com/",
    "JOB_NAME": "payments/main",
    "BUILD_NUMBER": "42",
}
JOB = "ci.example.com:payments/main#42"


def digest(name: str) -> str:
    """Return the digest of a name's bytes."""
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


class Person:
    """Somebody with a home, who uses a ledger."""

    def __init__(self, home: Path, ledger: Path) -> None:
        self.home = home
        self.ledger = ledger
        self.environ = {"HOME": str(home)}
        self.notices: list[str] = []
        self.steps: list[str] = []
        self._opened: list[Notary] = []
        home.mkdir(exist_ok=True)

    @property
    def key(self) -> Path:
        """The signer's own key file."""
        return self.home / ".local/share/jenkins-notary/key.pem"

    @property
    def log_key(self) -> Path:
        """The ledger's key file."""
        return self.ledger.with_name(self.ledger.name + ".key")

    @property
    def pins(self) -> list[Path]:
        """The files of what was seen."""
        return sorted((self.home / ".local/state/jenkins-notary/pins").glob("*.pin"))

    @property
    def said(self) -> str:
        """Every notice so far."""
        return "\n".join(self.notices)

    def notary(
        self,
        *,
        at: Path | None = None,
        environ: Mapping[str, str] | None = None,
        **choices: Any,  # noqa: ANN401 - passed on
    ) -> Notary:
        """Return what this person opens; the test closes it."""
        opened = Notary(
            str(at or self.ledger),
            environ={**self.environ, **(environ or {})},
            notify=self.notices.append,
            progress=lambda what, _done, _total: self.steps.append(what),
            **choices,
        )
        self._opened.append(opened)
        return opened

    def record(self, name: str, **claim: Any) -> int:  # noqa: ANN401 - passed on
        """Record a bare digest as TRUSTED; return its index."""
        (done,) = self.notary().notarize([digest(name)], name=name, **claim)
        return done.index

    def verdict(self, name: str, **how: Any) -> str:  # noqa: ANN401 - passed on
        """Return the word on a name's digest, or the code of the error."""
        (answer,) = self.notary().authenticate([digest(name)], **how)
        return str(answer.code) if answer.status is None else answer.status.name

    def is_sound(self) -> bool:
        """Return whether the whole ledger verifies."""
        session = self.notary()._session
        report = verify_ledger(session.store, session.followed_verifiers(), KeyVerifier)
        return report.is_sound

    def close(self) -> None:
        """Release all that was opened."""
        for one in self._opened:
            one.close()


def stranger(name: str) -> Author:
    """Return an author whose key nobody enrolled."""
    return Author((person(name),), hashlib.md5(name.encode()).hexdigest(), 1)


def foreign(
    name: str, own_type: str, facts: Mapping[str, object], *, subject: str = "app"
) -> bytes:
    """Return the envelope of a statement that a stranger signed."""
    subjects = [Subject(subject, digest(subject)[7:])]
    return stranger(name).sign(own_type, subjects, facts)


def tamper(path: Path, sql: str, *values: object) -> None:
    """Run SQL on a ledger's file, as any program could."""
    db = sqlite3.connect(path)
    assert db.execute(sql, values).rowcount != 0
    db.commit()
    db.close()

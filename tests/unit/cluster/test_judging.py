"""Tests for asking a ledger on this machine again and again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices, Session
from jenkins_notary.cluster.judging import LocalSource, News, Question
from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def ask(text: str, rule: TrustRule | None = None) -> Question:
    return Question(digest_of(text), rule or TrustRule())


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


@pytest.fixture
def notary(path: str, tmp_path: Path) -> Iterator[Notary]:
    with Notary(path, environ={"HOME": str(tmp_path)}) as one:
        one.ledger.init()
        yield one


@pytest.fixture
def source(path: str, tmp_path: Path, notary: Notary) -> Iterator[LocalSource]:
    del notary
    one = LocalSource(lambda: Session(path, Choices(), {"HOME": str(tmp_path)}))
    yield one
    one.close()


def test_all_is_news_at_first_and_nothing_after(source: LocalSource) -> None:
    assert source.poll() == News(is_wide=True)
    assert source.poll() == News()


def test_a_positive_record_is_news_of_its_digests_alone(
    source: LocalSource, notary: Notary
) -> None:
    source.poll()
    notary.notarize([digest_of("a")], name="a")

    assert source.poll() == News(frozenset({digest_of("a")[7:]}))


def test_a_negative_record_and_one_of_trust_may_concern_all(
    source: LocalSource, notary: Notary
) -> None:
    source.poll()
    notary.untrust([digest_of("a")], reason="x")
    negative = source.poll()
    notary.signers.set_level(notary.show_key().signer, 7)
    trust = source.poll()

    assert negative == News(frozenset({digest_of("a")[7:]}), is_wide=True)
    assert trust.is_wide


def test_many_new_records_concern_all(
    source: LocalSource, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jenkins_notary.cluster.judging.MAX_NEW", 0)
    source.poll()
    notary.notarize([digest_of("a")], name="a")

    assert source.poll() == News(is_wide=True)


def test_each_digest_has_its_verdict_under_its_rule(
    source: LocalSource, notary: Notary
) -> None:
    job = "ci.example.com:shop/web#7"
    notary.notarize([digest_of("a")], name="a", job=job)
    notary.untrust([digest_of("b")], reason="CVE-1")
    strict = ask("a", TrustRule(org="nobody"))
    found = source.judge([ask("a"), ask("b"), ask("c"), strict])

    trusted, untrusted = found.verdicts[ask("a")], found.verdicts[ask("b")]
    assert (trusted.status, trusted.job, trusted.index) == (Status.TRUSTED, job, 1)
    assert (trusted.level, trusted.error) == (1, None)
    assert trusted.as_of == found.as_of
    assert found.as_of.tree_size == 3
    assert untrusted.status is Status.UNTRUSTED
    assert found.verdicts[ask("c")].status is Status.UNKNOWN
    assert found.verdicts[ask("c")].error is None
    assert found.verdicts[strict].status is Status.UNKNOWN


def test_who_distrusts_an_image_does_not_hide_what_made_it(
    source: LocalSource, notary: Notary
) -> None:
    for number in (6, 7):
        job = f"ci.example.com:shop/web#{number}"
        notary.notarize([digest_of("a")], name="a", job=job)
    notary.untrust([digest_of("a")], reason="CVE-1")
    found = source.judge([ask("a")]).verdicts[ask("a")]

    assert (found.status, found.index) == (Status.UNTRUSTED, 3)
    assert found.job == "ci.example.com:shop/web#7"


def test_a_record_that_was_altered_is_its_own_digests_matter(
    source: LocalSource, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    notary.notarize([digest_of("a")], name="a")
    notary.notarize([digest_of("b")], name="b")
    from jenkins_notary.ledger.view import LedgerView

    judge = LedgerView.verdict

    def fail(view: LedgerView, digest_hex: str, rule: TrustRule) -> object:
        if digest_hex == digest_of("a")[7:]:
            raise IntegrityError("record #1")
        return judge(view, digest_hex, rule)

    monkeypatch.setattr(LedgerView, "verdict", fail)
    found = source.judge([ask("a"), ask("b")]).verdicts

    assert (found[ask("a")].status, found[ask("a")].error) == (
        Status.UNKNOWN,
        "record #1",
    )
    assert found[ask("b")].status is Status.TRUSTED


def test_a_ledger_that_comes_later_is_found(tmp_path: Path) -> None:
    path, environ = str(tmp_path / "late.db"), {"HOME": str(tmp_path)}
    source = LocalSource(lambda: Session(path, Choices(), environ))
    with pytest.raises(NotFoundError):
        source.poll()
    with Notary(path, environ=environ) as notary:
        notary.ledger.init()

    assert source.poll().is_wide
    source.close()

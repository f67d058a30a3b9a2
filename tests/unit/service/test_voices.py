"""Whose key signs what a service is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.access.scopes import parse_scope
from jenkins_notary.service.builds.classes import BuildsSection, ProtectedBranches
from jenkins_notary.service.builds.sessions import ProvenBuild, Sessions
from jenkins_notary.service.builds.signing import ClassKeys
from jenkins_notary.service.builds.voices import Voice, Voices
from tests.parts.serving import claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.api.session import Session

JOB = "ci.example.com:payments/api/main#1"
WRITER = Principal("payments", "writer", (parse_scope("payments"),))
SECURITY = Principal("security", "security", ())
PROVEN = ProvenBuild(JOB, "nonce", "protected")


class NoJenkins:
    """Sessions of a service that may read one controller."""

    def can_prove(self, session: Session, job: str) -> bool:  # noqa: ARG002 - as the real one's
        return "ci.example.com" in job


class Desk:
    """A ledger, and who speaks on it."""

    def __init__(self, folder: Path) -> None:
        self.notary = Notary(str(folder / "ledger.db"), environ={"HOME": str(folder)})
        self.notary.ledger.init()
        self._folder = str(folder / "keys")

    def ask(
        self,
        value: object,
        *,
        who: Principal = WRITER,
        build: ProvenBuild | None = None,
        **chosen: Any,  # noqa: ANN401 - the section's fields
    ) -> Voice:
        rule = ProtectedBranches("payments", ("main",), "payments")
        section = BuildsSection(protected=(rule,), **chosen)
        keys = ClassKeys(self._folder, section, lambda _, __: None)
        voices = Voices(section, keys, cast("Sessions", NoJenkins()))
        sent = parse_claim(value)
        return voices.of_claim(self.notary._session, who, sent, build)

    def level(self, voice: Voice) -> tuple[int, tuple[str, ...]]:
        self.notary._session.refresh()
        found = {one.signer: one for one in self.notary.signers.list()}
        one = found[voice.signer.keyid]
        return one.level, one.orgs


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    yield one
    one.notary.close()


def known(voice: Voice) -> tuple[str, str]:
    assert voice.job is not None
    return voice.job["identity"], voice.job["class"]


def test_proven_build_speaks_as_what_it_is(desk: Desk) -> None:
    voice = desk.ask(claim(job=JOB), build=PROVEN)

    assert known(voice) == ("nonce", "protected")
    assert desk.level(voice) == (1, ("payments",))
    # A job without its controller is the same one.
    short = desk.ask(claim(job="payments/api/main#1"), build=PROVEN)
    assert short.signer.keyid == voice.signer.keyid


def test_build_that_says_it_runs_on_the_controller_is_weaker(desk: Desk) -> None:
    job = {"id": JOB, "ci": "jenkins", "environment": {"NODE_NAME": "built-in"}}
    value = {**claim(), "job": job}

    assert known(desk.ask(value, build=PROVEN)) == ("nonce", "weak")
    ignored = desk.ask(value, build=PROVEN, built_in_node="ignore")
    assert known(ignored) == ("nonce", "protected")


@pytest.mark.parametrize(
    "job",
    [
        None,
        "ci.example.com:payments/api/main#2",
        "ci.example.com:payments/api/PR-1#1",
        "other.example.com:payments/api/main#1",
    ],
)
def test_proven_build_speaks_of_no_other(desk: Desk, job: str | None) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        desk.ask(claim(job=job), build=PROVEN)

    assert JOB in str(caught.value)


def test_asserted_claim_is_weak(desk: Desk) -> None:
    voice = desk.ask(claim(job=JOB))

    assert known(voice) == ("asserted", "weak")
    assert desk.level(voice) == (0, ())


def test_asserted_claim_is_refused_where_a_session_can_be_had(desk: Desk) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        desk.ask(claim(job=JOB), asserted="refuse")
    assert "session" in str(caught.value)

    elsewhere = claim(job="gitlab.example.com:payments/api#1")
    assert known(desk.ask(elsewhere, asserted="refuse")) == ("asserted", "weak")
    proven = desk.ask(claim(job=JOB), build=PROVEN, asserted="refuse")
    assert known(proven) == ("nonce", "protected")
    person = desk.ask(claim(job=JOB), who=SECURITY, asserted="refuse")
    assert known(person) == ("asserted", "weak")


def test_persons_have_a_key_of_their_own(desk: Desk) -> None:
    plain = desk.ask(claim(job=None), who=SECURITY)
    bad = desk.ask(claim(job=None, status="UNTRUSTED", reason="CVE-1"), who=SECURITY)
    own = desk.ask(claim(job=JOB, status="UNTRUSTED", reason="bad"), build=PROVEN)
    lifted = desk.ask(claim(job=None, supersedes=[1], reason="fine"), who=SECURITY)

    signers = {one.signer.keyid for one in (plain, bad, own, lifted)}
    assert len(signers) == 1
    assert desk.level(bad)[0] == 1
    assert (plain.job, known(own)) == (None, ("nonce", "protected"))
    assert desk.notary._session.signer().keyid not in signers

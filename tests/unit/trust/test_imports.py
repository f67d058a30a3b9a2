"""An import counts by two signers: who brought it, and who said it."""

from __future__ import annotations

import pytest

from jenkins_notary.trust.imports import importers_of, may_import
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.statement import Subject
from tests.unit.trust.builders import Records, author, digest, sid


def bring(
    records: Records, status: str | None, imported: object, **facts: object
) -> int:
    """Add an import of a record on "app", brought by "sync"."""
    subjects = [Subject("app", digest("app"))]
    facts = {"status": status, "imported": imported}
    return records.add(author("sync").sign("import", subjects, facts))


def by(name: str) -> dict[str, str]:
    """Return what an import says of its origin, as far as verdicts read it."""
    return {"signer": sid(name)}


@pytest.fixture
def records() -> Records:
    """A log that knows who brings records, and who says them."""
    found = Records()
    found.enrol("sync", 5, "acme")
    found.enrol("ci", 1, "acme")
    return found


def test_it_counts_when_both_are_enrolled(records: Records) -> None:
    bring(records, "TRUSTED", by("ci"))

    assert records.status("app") == "TRUSTED"
    assert records.status("app", TrustRule(org="acme")) == "TRUSTED"
    assert records.status("app", TrustRule(keys=(sid("sync"), sid("ci")))) == "TRUSTED"


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(TrustRule(org="other"), id="org"),
        pytest.param(TrustRule(keys=(sid("sync"),)), id="only-who-brought-it"),
        pytest.param(TrustRule(keys=(sid("ci"),)), id="only-who-said-it"),
    ],
)
def test_a_rule_asks_for_both(records: Records, rule: TrustRule) -> None:
    bring(records, "TRUSTED", by("ci"))

    assert records.status("app", rule) == "UNKNOWN"


@pytest.mark.parametrize(
    "imported",
    [
        pytest.param({"signer": sid("stranger")}, id="stranger"),
        pytest.param({"signer": 7}, id="number"),
        pytest.param({}, id="nobody"),
        pytest.param("text", id="text"),
        pytest.param(None, id="nothing"),
    ],
)
@pytest.mark.parametrize("status", ["TRUSTED", "UNTRUSTED"])
def test_who_is_not_enrolled_here_says_nothing(
    records: Records, imported: object, status: str
) -> None:
    bring(records, status, imported)

    assert records.status("app") == "UNKNOWN"
    assert "not enrolled" in records.decide("app").reason


def test_the_stranger_is_named_with_what_enrols_it(records: Records) -> None:
    bring(records, "TRUSTED", by("stranger"))

    assert records.decide("app").advice == (
        f"jenkins-notary signer enrol {sid('stranger')}"
    )


@pytest.mark.parametrize("name", ["ci", "sync"])
def test_a_revocation_of_either_reaches_it(records: Records, name: str) -> None:
    index = bring(records, "TRUSTED", by("ci"))
    records.act("revoke", signerId=sid(name), fromIndex=index)

    assert records.status("app") == "REVOKED"


def test_it_weighs_no_more_than_who_said_it(records: Records) -> None:
    records.enrol("security", 3)
    records.note("UNTRUSTED", "app", by="security")
    bring(records, "TRUSTED", by("ci"))

    assert records.status("app") == "UNTRUSTED"


def test_it_lifts_no_negative_of_the_same_level(records: Records) -> None:
    records.note("UNTRUSTED", "app", by="ci")
    bring(records, "TRUSTED", by("ci"))

    assert records.status("app") == "UNTRUSTED"


def test_an_erased_one_that_distrusts_stands_by_its_leaf(records: Records) -> None:
    index = bring(records, "UNTRUSTED", by("ci"))
    records.erase(index)

    assert records.status("app") == "UNTRUSTED"


def test_only_members_of_the_logs_own_org_may_import_from_it(records: Records) -> None:
    records.enrol("edge-sync", 1, importers_of("edge.example.com/1"))
    trust = records.trust()

    assert may_import(trust, sid("edge-sync"), "edge.example.com/1", 9)
    assert not may_import(trust, sid("edge-sync"), "edge.example.com/2", 9)
    assert not may_import(trust, sid("sync"), "edge.example.com/1", 9)
    assert not may_import(trust, sid("stranger"), "edge.example.com/1", 9)


def test_who_was_revoked_may_not_import_any_more(records: Records) -> None:
    org = importers_of("edge.example.com/1")
    records.enrol("edge-sync", 1, org)
    index = records.act("revoke", signerId=sid("edge-sync"), fromIndex=4)
    trust = records.trust()

    assert may_import(trust, sid("edge-sync"), "edge.example.com/1", 3)
    assert not may_import(trust, sid("edge-sync"), "edge.example.com/1", index)

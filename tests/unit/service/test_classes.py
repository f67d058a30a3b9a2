"""Of what class a build is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jenkins_notary.errors import NotaryError
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.service.access.scopes import parse_scope
from jenkins_notary.service.builds.classes import (
    BuildsSection,
    ProtectedBranches,
    Shown,
    branch_of,
    classify,
    find_rule,
    folder_of,
    show,
)
from jenkins_notary.service.settings import load_settings
from jenkins_notary.values.jobid import parse_job_id

DOCS = Path(__file__).parents[3] / "docs"
PLAIN = Shown(frozenset({"BranchEventCause"}), frozenset(), is_built_in=False)
SECTION = BuildsSection(
    protected=(
        ProtectedBranches("payments", ("main", "release/*"), "payments"),
        ProtectedBranches("ci.example.com:payments/legacy", ("master",)),
        ProtectedBranches("other.example.com:*", ("**",)),
    )
)


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        ("payments/api/main#1", "protected"),
        ("payments/api/release%2F1.2#1", "protected"),
        ("payments/api/release%2F1%2F2#1", "branch"),
        ("payments/api/main2#1", "branch"),
        ("payments/api/feature%2Fmain#1", "branch"),
        ("payments-evil/api/main#1", "branch"),
        ("ci.example.com:payments/legacy/main#1", "branch"),
        ("ci.example.com:payments/legacy/master#1", "protected"),
        ("payments/legacy/main#1", "protected"),
        ("other.example.com:any/thing#1", "protected"),
        ("ci.example.com:any/thing#1", "branch"),
        # Whatever the pattern says, a change request is none of it.
        ("other.example.com:any/PR-1#1", "change"),
        ("other.example.com:any/PR-1-merge#1", "change"),
        ("other.example.com:any/MR-12-head#1", "change"),
        ("other.example.com:any/12%2F3412%2F1#1", "change"),
        ("other.example.com:any/PR-1x#1", "protected"),
    ],
)
def test_branch_decides_by_the_innermost_folder(job: str, kind: str) -> None:
    assert classify(SECTION, parse_job_id(job), PLAIN) == kind


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        pytest.param(None, "weak", id="nothing-is-known"),
        pytest.param(PLAIN._replace(is_replay=True), "weak", id="replay-by-hook"),
        pytest.param(
            PLAIN._replace(causes=frozenset({"ReplayCause", "UserIdCause"})),
            "weak",
            id="replay-by-api",
        ),
        pytest.param(PLAIN._replace(is_built_in=True), "weak", id="built-in"),
        pytest.param(PLAIN._replace(is_change=True), "change", id="change-by-hook"),
        pytest.param(
            PLAIN._replace(causes=frozenset({"GitHubPRCause"})), "change", id="cause"
        ),
        pytest.param(
            PLAIN._replace(parameters=frozenset({"ghprbPullId"})),
            "change",
            id="parameter",
        ),
    ],
)
def test_what_a_branch_cannot_make_good(shown: Shown | None, kind: str) -> None:
    assert classify(SECTION, parse_job_id("payments/api/main#1"), shown) == kind


def test_controllers_own_node_is_not_looked_at_where_that_is_chosen() -> None:
    section = BuildsSection(protected=SECTION.protected, built_in_node="ignore")
    job = parse_job_id("payments/api/main#1")

    assert classify(section, job, PLAIN._replace(is_built_in=True)) == "protected"


def test_api_and_hook_are_heard_together() -> None:
    value = {
        "number": 1,
        "timestamp": 1,
        "builtOn": "linux",
        "actions": [
            {"causes": [{"_class": "hudson.model.Cause$UserIdCause"}]},
            {"parameters": [{"name": "TARGET", "value": "x"}]},
        ],
    }
    info = parse_build(value, subject="a build")
    facts = {
        "causes": [{"kind": "TimerTriggerCause"}],
        "node": [{"name": "built-in", "builtIn": True}],
        "replay": {"isReplay": True},
        "change": {"id": "7"},
    }

    assert show(None, {}) is None
    assert show(info, {}) == Shown(
        frozenset({"UserIdCause"}), frozenset({"TARGET"}), is_built_in=False
    )
    assert show(info, facts) == Shown(
        frozenset({"UserIdCause", "TimerTriggerCause"}),
        frozenset({"TARGET"}),
        is_built_in=True,
        is_replay=True,
        is_change=True,
    )
    assert show(parse_build({**value, "builtOn": ""}, subject="x"), {}) == Shown(
        frozenset({"UserIdCause"}), frozenset({"TARGET"}), is_built_in=True
    )


@pytest.mark.parametrize(
    ("scopes", "job", "folder"),
    [
        (["payments"], "payments/api/main#1", "payments"),
        (["payments/api"], "payments/api/main#1", "payments"),
        (["a", "a/b"], "a/b/c#1", "a/b"),
        (["a", "ci.example.com:a"], "ci.example.com:a/c#1", "ci.example.com:a"),
        (["ci.example.com:*"], "ci.example.com:a#1", "ci.example.com:*"),
        (["b"], "a/c#1", "*"),
        ([], "a/c#1", "*"),
    ],
)
def test_keys_are_of_folders_that_an_administrator_named(
    scopes: list[str], job: str, folder: str
) -> None:
    parsed = [parse_scope(one) for one in scopes]

    assert folder_of(SECTION, parsed, job) == folder


def test_branch_is_decoded_once() -> None:
    assert branch_of("a/feature%252Fx") == "feature%2Fx"
    assert find_rule(BuildsSection(), parse_job_id("a/b#1")) is None


WRONG = {
    "protected: [{folder: '*', branches: [main]}]": "folder",
    "protected: [{folder: payments, branches: []}]": "branches",
    "protected: [{folder: payments, branches: ['']}]": "branches",
    "protected: [{folder: payments}]": "branches",
    "protected: [{folder: payments, branches: [main], org: ' '}]": "org",
    "protected: [{folder: payments, branches: [main], rule: x}]": "rule",
    "id-tokens: [{instance: a, issuer: 'http://ci.example.com', audience: x}]": "https",
    "id-tokens: [{instance: a, issuer: 'https://a/?x', audience: x}]": "plain URL",
    "id-tokens: [{instance: a, issuer: 'https://a/', audience: ''}]": "audience",
    "session-hours: 0": "hours",
    "asserted: maybe": "asserted",
    "built-in-node: 7": "built-in-node",
}


@pytest.mark.parametrize("section", WRONG)
def test_section_that_can_mean_nothing_is_refused(tmp_path: Path, section: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"builds:\n  {section}\n")
    with pytest.raises(NotaryError) as caught:
        load_settings(str(path))

    assert WRONG[section] in str(caught.value)


def test_two_issuers_of_one_controller_are_refused(tmp_path: Path) -> None:
    one = "{instance: a, issuer: 'https://a/', audience: x}"
    path = tmp_path / "settings.yaml"
    path.write_text(f"builds: {{id-tokens: [{one}, {one}]}}\n")
    with pytest.raises(NotaryError) as caught:
        load_settings(str(path))

    assert "each instance once" in str(caught.value)


def test_settings_that_the_page_shows_are_read(tmp_path: Path) -> None:
    page = (DOCS / "sessions.md").read_text(encoding="utf-8")
    (shown,) = re.findall(
        r"^```yaml\n(builds:.*?)^```$", page, re.MULTILINE | re.DOTALL
    )
    path = tmp_path / "settings.yaml"
    path.write_text(shown)
    builds = load_settings(str(path)).builds

    assert builds.protected[0].org == "payments"
    assert (builds.id_tokens[0].instance, builds.asserted) == (
        "ci.example.com",
        "refuse",
    )

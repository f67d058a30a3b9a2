"""Read builds out of environments: the right system, exact names, no secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import UsageError
from jenkins_notary.values.ci import ALLOWED, MAX_VALUE_BYTES, CiFacts, read_ci
from jenkins_notary.values.jobid import JobId

if TYPE_CHECKING:
    from jenkins_notary.values.ci import CiName

JENKINS = {
    "JENKINS_URL": "https://ci.example.com/",
    "JOB_NAME": "payments/main",
    "BUILD_NUMBER": "42",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_SERVER_URL": "https://gitlab.example.com:8443",
    "CI_PROJECT_PATH": "group/sub/app",
    "CI_JOB_ID": "4711",
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "octo/app",
    "GITHUB_RUN_ID": "815",
}
AZURE = {
    "TF_BUILD": "True",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/",
    "SYSTEM_TEAMPROJECT": "Web Shop",
    "BUILD_DEFINITIONNAME": "nightly",
    "BUILD_BUILDID": "99",
}
ALL = {"jenkins": JENKINS, "gitlab": GITLAB, "github": GITHUB, "azure-pipelines": AZURE}


def read(environ: dict[str, str]) -> CiFacts:
    """Return the facts of an environment that is a build's."""
    facts = read_ci(environ)
    assert facts is not None
    return facts


@pytest.mark.parametrize(
    ("environ", "ci", "job"),
    [
        (JENKINS, "jenkins", JobId("ci.example.com", "payments/main", 42)),
        (GITLAB, "gitlab", JobId("gitlab.example.com-8443", "group/sub/app", 4711)),
        (GITHUB, "github", JobId("github.com", "octo/app", 815)),
        (AZURE, "azure-pipelines", JobId("dev.azure.com", "acme/Web Shop/nightly", 99)),
    ],
    ids=list(ALL),
)
def test_each_system_gives_its_job_id(
    environ: dict[str, str], ci: str, job: JobId
) -> None:
    facts = read(environ)

    assert (facts.ci, facts.job) == (ci, job)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CI": "true", "MY_CI_THING": "1", "NOT_GITHUB_REALLY": "1"},
        {"JENKINS_HOME": "/var/lib/jenkins"},
        {"JENKINS_URL": "https://ci.example.com/"},
        {"JENKINS_URL": "https://ci.example.com/", "JOB_NAME": "a"},
        {"JOB_NAME": "a", "BUILD_NUMBER": "1"},
        {"BUILD_NUMBER": "1"},
        {"BUILD_URL": "https://other.example/build/1"},
        {"GITLAB_CI": "1"},
        {"GITLAB_CI": ""},
        {"GITHUB_ACTIONS": "yes"},
        {"TF_BUILD": "1"},
    ],
    ids=str,
)
def test_a_shell_outside_a_build_is_no_build(environ: dict[str, str]) -> None:
    assert read_ci(environ) is None


@pytest.mark.parametrize(
    "noise",
    [
        {"CI": "true"},
        {"MY_GITHUB_TOKEN_NAME": "x", "GITHUB_TOKEN": "x"},
        {"CI_MESSAGE": "x", "GITLAB_CI": "true"},
        {"GITHUB_ACTIONS": "true"},
        {"TF_BUILD": "True"},
        {**GITLAB, **GITHUB, **AZURE},
    ],
    ids=lambda noise: "+".join(noise)[:30],
)
def test_jenkins_is_recognized_before_any_other(noise: dict[str, str]) -> None:
    assert read({**noise, **JENKINS}).ci == "jenkins"


@pytest.mark.parametrize("name", ["gitlab", "github", "azure-pipelines"])
@pytest.mark.parametrize(
    "extra",
    [
        {"JENKINS_URL": "https://ci.example.com/"},
        {"JENKINS_URL": "https://ci.example.com/", "BUILD_NUMBER": "9"},
        {"BUILD_URL": "https://ci.example.com/job/upstream/7/"},
        {"JENKINS_HOME": "/x", "JOB_NAME": "a", "BUILD_NUMBER": "9"},
    ],
    ids="+".join,
)
def test_a_variable_about_some_jenkins_does_not_rename_another_build(
    name: str, extra: dict[str, str]
) -> None:
    assert read({**ALL[name], **extra}).ci == name


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        (
            {**JENKINS, "JOB_NAME": "p/feature%2Fx"},
            JobId("ci.example.com", "p/feature%2Fx", 42),
        ),
        (
            {**JENKINS, "JENKINS_URL": "http://u:p@localhost:8080/jenkins/"},
            JobId("localhost-8080", "payments/main", 42),
        ),
        (
            {"BUILD_URL": "https://ci.example.com/job/p/job/a%252Fb/7/"},
            JobId("ci.example.com", "p/a%2Fb", 7),
        ),
        (
            {
                "JENKINS_URL": "https://ci.example.com/",
                "BUILD_URL": "https://ci.example.com/job/p/7/",
                "JOB_NAME": "p",
            },
            JobId("ci.example.com", "p", 7),
        ),
        (
            {"JENKINS_HOME": "/x", "JOB_NAME": "a", "BUILD_NUMBER": "1"},
            JobId(None, "a", 1),
        ),
        (
            {**JENKINS, "JOB_NAME": "matrix/os=linux,jdk=17"},
            JobId("ci.example.com", "matrix/os=linux,jdk=17", 42),
        ),
    ],
)
def test_every_form_of_a_jenkins_build_gives_its_job_id(
    environ: dict[str, str], job: JobId
) -> None:
    facts = read(environ)

    assert (facts.ci, facts.job) == ("jenkins", job)


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"JOB_NAME": "a#b"}, "JOB_NAME"),
        ({"JOB_NAME": "a:b"}, "JOB_NAME"),
        ({"JOB_NAME": "../a"}, "JOB_NAME"),
        ({"JOB_NAME": "a\nb"}, "JOB_NAME"),
        ({"JOB_NAME": "a\udcff"}, "JOB_NAME"),
        ({"JOB_NAME": "x" * 5000}, "JOB_NAME"),
        ({"JOB_NAME": ""}, "JOB_NAME"),
        ({"BUILD_NUMBER": "0"}, "BUILD_NUMBER"),
        ({"BUILD_NUMBER": "1.2.3"}, "BUILD_NUMBER"),
        ({"BUILD_NUMBER": "\u0661"}, "BUILD_NUMBER"),
        ({"JENKINS_URL": "ci.example.com"}, "JENKINS_URL"),
        ({"JENKINS_URL": "https://u:s3cret@/x"}, "JENKINS_URL"),
        ({"JOB_NAME": "", "BUILD_URL": "https://u:s3cret@h/x"}, "BUILD_URL"),
        ({"JOB_NAME": "", "BUILD_URL": "https://h/x?t=s3cret"}, "BUILD_URL"),
    ],
    ids=str,
)
def test_a_jenkins_build_without_a_job_id_is_refused(
    change: dict[str, str], variable: str
) -> None:
    with pytest.raises(UsageError, match=f"environment variable {variable}") as caught:
        read_ci({**JENKINS, **change})

    assert "s3cret" not in str(caught.value)
    assert "--job" in str(caught.value)


@pytest.mark.parametrize("name", ["gitlab", "github", "azure-pipelines"])
@pytest.mark.parametrize("value", [None, "", "a:b#c", "\n", "https://"])
def test_another_system_with_a_broken_variable_has_no_job(
    name: str, value: str | None
) -> None:
    good = ALL[name]
    for variable in list(good)[1:]:
        broken: dict[str, str] = dict(good)
        del broken[variable]
        if value is not None:
            broken[variable] = value

        facts = read(broken)

        assert facts.ci == name
        assert facts.job is None


@pytest.mark.parametrize(
    ("url", "job"),
    [
        ("https://dev.azure.com/acme/", JobId("dev.azure.com", "acme/P/b", 9)),
        ("https://acme.visualstudio.com/", JobId("acme.visualstudio.com", "P/b", 9)),
        ("https://h:8080/tfs/Default/", JobId("h-8080", "tfs/Default/P/b", 9)),
        ("https://u:p@h/acme/?x", JobId("h", "acme/P/b", 9)),
        ("", None),
        ("dev.azure.com/acme", None),
    ],
)
def test_the_organization_of_azure_is_part_of_the_name(
    url: str, job: JobId | None
) -> None:
    facts = read(
        {
            "TF_BUILD": "true",
            "SYSTEM_COLLECTIONURI": url,
            "SYSTEM_TEAMPROJECT": "P",
            "BUILD_DEFINITIONNAME": "b",
            "BUILD_BUILDID": "9",
        }
    )

    assert facts.job == job


@pytest.mark.parametrize("name", list(ALLOWED))
def test_every_allowed_variable_and_no_other_is_recorded(name: CiName) -> None:
    noise = dict.fromkeys(
        ("PATH", "HOME", "SECRET", "CI_JOB_TOKEN", "GITHUB_ACTOR"), "s"
    )
    facts = read({**noise, **dict.fromkeys(ALLOWED[name], "1"), **ALL[name]})

    assert tuple(facts.environment) == ALLOWED[name]


NEVER = [
    "CHANGE_AUTHOR",
    "CHANGE_AUTHOR_DISPLAY_NAME",
    "CHANGE_AUTHOR_EMAIL",
    "CHANGE_FORK",
    "GIT_COMMITTER_NAME",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_AUTHOR_EMAIL",
    "JENKINS_HOME",
    "WORKSPACE",
    "WORKSPACE_TMP",
    "HUDSON_HOME",
    "PWD",
    "HOME",
    "USER",
    "LOGNAME",
    "CI_JOB_TOKEN",
    "CI_JOB_JWT",
    "CI_JOB_JWT_V2",
    "CI_REGISTRY_PASSWORD",
    "CI_REGISTRY_USER",
    "CI_DEPLOY_PASSWORD",
    "CI_DEPLOY_USER",
    "CI_DEPENDENCY_PROXY_PASSWORD",
    "CI_RUNNER_SHORT_TOKEN",
    "CI_COMMIT_AUTHOR",
    "CI_COMMIT_MESSAGE",
    "CI_COMMIT_DESCRIPTION",
    "CI_PROJECT_DIR",
    "CI_BUILDS_DIR",
    "CI_SERVER_TLS_KEY_FILE",
    "CI_MERGE_REQUEST_ASSIGNEES",
    "GITLAB_USER_EMAIL",
    "GITLAB_USER_ID",
    "GITLAB_USER_LOGIN",
    "GITLAB_USER_NAME",
    "GITHUB_TOKEN",
    "GITHUB_ACTOR",
    "GITHUB_ACTOR_ID",
    "GITHUB_TRIGGERING_ACTOR",
    "GITHUB_WORKSPACE",
    "GITHUB_EVENT_PATH",
    "GITHUB_REPOSITORY_OWNER",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "RUNNER_TEMP",
    "SYSTEM_ACCESSTOKEN",
    "BUILD_REQUESTEDFOR",
    "BUILD_REQUESTEDFOREMAIL",
    "BUILD_REQUESTEDFORID",
    "BUILD_QUEUEDBY",
    "BUILD_SOURCEVERSIONAUTHOR",
    "BUILD_SOURCEVERSIONMESSAGE",
    "AGENT_MACHINENAME",
    "AGENT_HOMEDIRECTORY",
    "AGENT_WORKFOLDER",
    "BUILD_SOURCESDIRECTORY",
    "JENKINS_NOTARY_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
]


@pytest.mark.parametrize("name", list(ALL))
def test_no_secret_person_or_path_is_recorded(name: str) -> None:
    facts = read({**dict.fromkeys(NEVER, "planted-value"), **ALL[name]})

    assert "planted-value" not in facts.environment.values()


def test_no_allowed_name_tells_of_a_secret_or_a_person() -> None:
    doubtful = re.compile(
        r"TOKEN|PASS|SECRET|_KEY|JWT|EMAIL|AUTHOR|ACTOR|USER|LOGIN|COMMITTER"
        r"|REQUESTEDFOR|QUEUEDBY|OWNER|ASSIGNEE|WORKSPACE|HOME|DIR\b|DIRECTORY|_PATH\b"
    )
    found = {one for names in ALLOWED.values() for one in names if doubtful.search(one)}

    # The path of a project in GitLab is its name.
    assert found == {"CI_PROJECT_PATH"}


def test_every_variable_stands_once() -> None:
    names = [name for one in ALLOWED.values() for name in one]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("value", "recorded"),
    [
        ("https://bot:s3cret@git.example.com/a.git", "https://git.example.com/a.git"),
        ("https://git.example.com/a?private_token=s", "https://git.example.com/a"),
        ("  spaced  ", "spaced"),
        ("a\nb\x1b[31mc", "a\ufffdb\ufffd[31mc"),
        ("a\u202eb\u2028c", "a\ufffdb\ufffdc"),
        ("a\udcffb", "a\ufffdb"),
        ("", None),
        ("   ", None),
        ("x" * MAX_VALUE_BYTES, "x" * MAX_VALUE_BYTES),
        ("x" * (MAX_VALUE_BYTES + 1), "x" * (MAX_VALUE_BYTES - 3) + "\u2026"),
        ("\u00e9" * 2000, "\u00e9" * ((MAX_VALUE_BYTES - 3) // 2) + "\u2026"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_value_is_clean_and_bounded(value: str, recorded: str | None) -> None:
    facts = read({**JENKINS, "GIT_URL": value})

    assert facts.environment.get("GIT_URL") == recorded


def test_a_cut_value_keeps_no_half_credential() -> None:
    url = "https://bot:" + "s3cret" * 1000 + "@git.example.com/a.git"
    facts = read({**JENKINS, "GIT_URL": url})

    assert facts.environment["GIT_URL"] == "https://git.example.com/a.git"

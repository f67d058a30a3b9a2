"""Read what a build's environment says of the build: its job id and plain facts.

>>> from jenkins_notary.values.jobid import format_job_id
>>> facts = read_ci({
...     "JENKINS_URL": "https://ci.example.com/",
...     "JOB_NAME": "payments/api/feature%2Fx",
...     "BUILD_NUMBER": "42",
...     "GIT_URL": "https://bot:s3cret@git.example.com/api.git",
...     "CI": "true",
... })
>>> facts.ci, format_job_id(facts.job)
('jenkins', 'ci.example.com:payments/api/feature%2Fx#42')
>>> facts.environment["GIT_URL"], "CI" in facts.environment
('https://git.example.com/api.git', False)

Which system runs the build, the first that holds:

1. Jenkins: ``JENKINS_URL`` and either ``BUILD_URL`` or both ``JOB_NAME`` and
   ``BUILD_NUMBER``.
2. GitLab: ``GITLAB_CI`` is ``true``. 3. GitHub: ``GITHUB_ACTIONS`` is ``true``.
4. Azure Pipelines: ``TF_BUILD`` is ``true`` in any case.
5. Jenkins without a configured URL: ``JENKINS_HOME``, ``JOB_NAME``, ``BUILD_NUMBER``
   (the job id then has no instance); or ``BUILD_URL`` alone, if it has ``/job/``.
6. ``JENKINS_URL`` with ``BUILD_NUMBER`` but nothing that names the job: refused.

A name that merely contains a word never decides: Jenkins itself exports ``CI=true``.

What is recorded stands in :data:`ALLOWED`, by exact name, and nothing else is. Left
out on purpose, though other tools record them:

- secrets: ``CI_JOB_TOKEN``, ``CI_REGISTRY_PASSWORD``, every token, password and key;
- persons: authors, committers, approvers, actors, their addresses and ids
  (``CHANGE_AUTHOR*``, ``GIT_AUTHOR_*``, ``GIT_COMMITTER_*``, ``GITLAB_USER_*``,
  ``CI_COMMIT_AUTHOR``, ``GITHUB_ACTOR``, ``BUILD_REQUESTEDFOR*``), the owner of a
  fork (``CHANGE_FORK``) and commit messages, which name persons in trailers;
- paths of the machine: ``WORKSPACE``, ``JENKINS_HOME``, ``CI_PROJECT_DIR``,
  ``GITHUB_WORKSPACE``, ``GITHUB_EVENT_PATH``, ``AGENT_*DIRECTORY``. They say nothing
  of what was built, differ between equal builds and help an intruder.

URLs lose credentials and query strings. A control character, a bidirectional
override or a byte that is no UTF-8 becomes U+FFFD; a value longer than
:data:`MAX_VALUE_BYTES` is cut and ends in an ellipsis; an empty one is left out.

All of it is a claim of the environment: a build can set any of these names.

Source: Jenkins core ``CoreEnvironmentContributor``, the Git and Branch API plugins;
GitLab's predefined CI/CD variables; GitHub's default environment variables; Azure
Pipelines' predefined variables.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import (
    JobId,
    check_job_name,
    format_instance,
    parse_job_id,
)
from jenkins_notary.values.urls import scrub_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    CiName = Literal["jenkins", "gitlab", "github", "azure-pipelines"]

MAX_VALUE_BYTES = 2048
"""The longest recorded value, in bytes of UTF-8."""

_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)

_JENKINS = """
    BRANCH_IS_PRIMARY BRANCH_NAME BUILD_DISPLAY_NAME BUILD_ID BUILD_NUMBER BUILD_TAG
    BUILD_URL CHANGE_BRANCH CHANGE_ID CHANGE_TARGET CHANGE_TITLE CHANGE_URL
    EXECUTOR_NUMBER GIT_BRANCH GIT_COMMIT GIT_LOCAL_BRANCH GIT_PREVIOUS_COMMIT
    GIT_PREVIOUS_SUCCESSFUL_COMMIT GIT_URL JENKINS_NOTARY_MODE JENKINS_URL
    JOB_BASE_NAME JOB_NAME JOB_URL NODE_LABELS NODE_NAME STAGE_NAME SVN_REVISION
    SVN_URL TAG_NAME
"""
_GITLAB = """
    CI_COMMIT_BRANCH CI_COMMIT_REF_NAME CI_COMMIT_REF_PROTECTED CI_COMMIT_SHA
    CI_COMMIT_SHORT_SHA CI_COMMIT_TAG CI_DEFAULT_BRANCH CI_JOB_ID CI_JOB_MANUAL
    CI_JOB_NAME CI_JOB_STAGE CI_JOB_STARTED_AT CI_JOB_TRIGGERED CI_JOB_URL
    CI_MERGE_REQUEST_ID CI_MERGE_REQUEST_IID CI_MERGE_REQUEST_SOURCE_BRANCH_NAME
    CI_MERGE_REQUEST_SOURCE_BRANCH_SHA CI_MERGE_REQUEST_TARGET_BRANCH_NAME
    CI_PAGES_DOMAIN CI_PAGES_URL CI_PIPELINE_ID CI_PIPELINE_IID CI_PIPELINE_SOURCE
    CI_PIPELINE_URL CI_PROJECT_ID CI_PROJECT_NAME CI_PROJECT_NAMESPACE
    CI_PROJECT_PATH CI_PROJECT_PATH_SLUG CI_PROJECT_URL CI_PROJECT_VISIBILITY
    CI_REGISTRY CI_REGISTRY_IMAGE CI_REPOSITORY_URL CI_RUNNER_DESCRIPTION
    CI_RUNNER_EXECUTABLE_ARCH CI_RUNNER_ID CI_RUNNER_REVISION CI_RUNNER_TAGS
    CI_RUNNER_VERSION CI_SERVER_HOST CI_SERVER_NAME CI_SERVER_PORT
    CI_SERVER_PROTOCOL CI_SERVER_REVISION CI_SERVER_URL CI_SERVER_VERSION
"""
_GITHUB = """
    GITHUB_ACTION GITHUB_API_URL GITHUB_BASE_REF GITHUB_EVENT_NAME
    GITHUB_GRAPHQL_URL GITHUB_HEAD_REF GITHUB_JOB GITHUB_REF GITHUB_REF_NAME
    GITHUB_REF_PROTECTED GITHUB_REF_TYPE GITHUB_REPOSITORY GITHUB_REPOSITORY_ID
    GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA
    GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA RUNNER_ARCH
    RUNNER_ENVIRONMENT RUNNER_NAME RUNNER_OS
"""
_AZURE = """
    AGENT_NAME AGENT_OS AGENT_OSARCHITECTURE AGENT_VERSION BUILD_BUILDID
    BUILD_BUILDNUMBER BUILD_BUILDURI BUILD_DEFINITIONNAME BUILD_DEFINITIONVERSION
    BUILD_REASON BUILD_REPOSITORY_ID BUILD_REPOSITORY_NAME BUILD_REPOSITORY_PROVIDER
    BUILD_REPOSITORY_URI BUILD_SOURCEBRANCH BUILD_SOURCEBRANCHNAME
    BUILD_SOURCEVERSION SYSTEM_COLLECTIONURI SYSTEM_DEFINITIONID SYSTEM_JOBATTEMPT
    SYSTEM_JOBDISPLAYNAME SYSTEM_JOBID SYSTEM_JOBNAME SYSTEM_PHASENAME SYSTEM_PLANID
    SYSTEM_PULLREQUEST_PULLREQUESTID SYSTEM_PULLREQUEST_PULLREQUESTNUMBER
    SYSTEM_PULLREQUEST_SOURCEBRANCH SYSTEM_PULLREQUEST_SOURCEREPOSITORYURI
    SYSTEM_PULLREQUEST_TARGETBRANCH SYSTEM_STAGEATTEMPT SYSTEM_STAGENAME
    SYSTEM_TEAMPROJECT SYSTEM_TEAMPROJECTID
"""
ALLOWED: Mapping[CiName, tuple[str, ...]] = {
    "jenkins": tuple(_JENKINS.split()),
    "gitlab": tuple(_GITLAB.split()),
    "github": tuple(_GITHUB.split()),
    "azure-pipelines": tuple(_AZURE.split()),
}
"""The names that are recorded, by system."""


class CiFacts(NamedTuple):
    """What the environment says of the build.

    Attributes:
        ci: Which system runs it.
        job: Its job id; None where GitLab, GitHub or Azure Pipelines give values
            that make none.
        environment: The allowed variables that are set, cleaned, by name.
    """

    ci: CiName
    job: JobId | None
    environment: dict[str, str]


def read_ci(environ: Mapping[str, str]) -> CiFacts | None:
    """Return the build that an environment describes, or None outside a build.

    Args:
        environ: Environment variables by name, such as ``os.environ``.

    Returns:
        The facts; never a secret, a person or a path of the machine.

    Raises:
        UsageError: A Jenkins build whose variables make no job id: a record under
            no job or a wrong one is worse than none.
    """
    ci = _recognize(environ)
    if ci is None:
        return None
    environment = {}
    for name in ALLOWED[ci]:
        value = _clean(environ.get(name, ""))
        if value:
            environment[name] = value
    return CiFacts(ci, _JOBS[ci](environ), environment)


def _recognize(environ: Mapping[str, str]) -> CiName | None:
    """Return which system runs the build; the order is the module's."""
    named = bool(environ.get("JOB_NAME") and environ.get("BUILD_NUMBER"))
    build_url = environ.get("BUILD_URL", "")
    controller = bool(environ.get("JENKINS_URL"))
    if controller and (named or build_url):
        return "jenkins"
    if environ.get("GITLAB_CI") == "true":
        return "gitlab"
    if environ.get("GITHUB_ACTIONS") == "true":
        return "github"
    if environ.get("TF_BUILD", "").lower() == "true":
        return "azure-pipelines"
    if (named and environ.get("JENKINS_HOME")) or "/job/" in build_url:
        return "jenkins"
    if controller and environ.get("BUILD_NUMBER"):
        return "jenkins"
    return None


def _jenkins_job(environ: Mapping[str, str]) -> JobId:
    """Return the job id of a Jenkins build, or refuse with the variable's name."""
    name, number = environ.get("JOB_NAME"), environ.get("BUILD_NUMBER")
    url, controller = environ.get("BUILD_URL"), environ.get("JENKINS_URL")
    if not (name and number):
        if not url:
            raise _refused("JOB_NAME", "the job's full name", "nothing")
        try:
            return parse_job_id(url)
        except UsageError as error:
            raise _refused("BUILD_URL", error.expected, scrub_url(url)) from error
    if not _NUMBER.fullmatch(number):
        raise _refused("BUILD_NUMBER", "a build number from 1", number)
    try:
        check_job_name(name)
    except UsageError as error:
        raise _refused("JOB_NAME", error.expected, name) from error
    # The root URL is optional in Jenkins' settings: without it nothing names the
    # controller, and a lookup then searches all instances.
    if not controller:
        return JobId(None, name, int(number))
    try:
        instance = format_instance(controller)
    except UsageError as error:
        raise _refused("JENKINS_URL", error.expected, scrub_url(controller)) from error
    return JobId(instance, name, int(number))


def _gitlab_job(environ: Mapping[str, str]) -> JobId | None:
    """Return ``<project path>#<CI_JOB_ID>`` on the server's host."""
    return _make_job(
        environ.get("CI_SERVER_URL", ""),
        environ.get("CI_PROJECT_PATH", ""),
        environ.get("CI_JOB_ID", ""),
    )


def _github_job(environ: Mapping[str, str]) -> JobId | None:
    """Return ``<owner>/<repository>#<run id>`` on the server's host."""
    return _make_job(
        environ.get("GITHUB_SERVER_URL", ""),
        environ.get("GITHUB_REPOSITORY", ""),
        environ.get("GITHUB_RUN_ID", ""),
    )


def _azure_job(environ: Mapping[str, str]) -> JobId | None:
    """Return ``<organization>/<project>/<pipeline>#<build id>`` on the host.

    The organization, or the collection of a server in house, is the path of the
    collection's URL; where it is the host (``acme.visualstudio.com``) there is none.
    """
    url = scrub_url(environ.get("SYSTEM_COLLECTIONURI", ""))
    _, _, path = url.partition("://")[2].partition("/")
    project = environ.get("SYSTEM_TEAMPROJECT", "")
    pipeline = environ.get("BUILD_DEFINITIONNAME", "")
    parts = [part for part in path.split("/") if part]
    name = "/".join([*parts, project, pipeline])
    return _make_job(url, name, environ.get("BUILD_BUILDID", ""))


def _make_job(url: str, name: str, number: str) -> JobId | None:
    """Return a job id, or None where the parts make none."""
    try:
        check_job_name(name)
        job = f"{format_instance(url)}:{name}#{number}"
        return parse_job_id(job)
    except UsageError:
        return None


def _clean(value: str) -> str:
    """Return a value that is safe to record: no credentials, controls or excess."""
    text = _UNSAFE.sub("\ufffd", scrub_url(value)).strip()
    data = text.encode()
    if len(data) <= MAX_VALUE_BYTES:
        return text
    return data[: MAX_VALUE_BYTES - 3].decode("utf-8", "ignore") + "\u2026"


def _refused(variable: str, expected: str, got: str) -> UsageError:
    """Return the error that names the variable."""
    return UsageError(
        f"environment variable {variable}",
        expected=expected,
        got=repr(got[:120]),
        advice="give the job id by --job",
    )


_JOBS = {
    "jenkins": _jenkins_job,
    "gitlab": _gitlab_job,
    "github": _github_job,
    "azure-pipelines": _azure_job,
}

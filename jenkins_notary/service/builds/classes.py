"""Say of what class a build is: by what the service has read of it, and by patterns.

=============  ==================================================================
class          a build
=============  ==================================================================
``protected``  whose branch an administrator's pattern names, and none of the below
``branch``     of any other branch or job
``change``     of a change request: a pull or merge request, or a fork's
``weak``       that is a replay, that runs on the controller itself, or that did not
               prove which one it is
=============  ==================================================================

What the administrator decides stands in the section ``builds`` of the settings::

    builds:
      protected:
        - folder: ci.example.com:payments
          branches: [main, release/*]
          org: payments
      id-tokens:
        - instance: ci.example.com
          issuer: https://ci.example.com/oidc
          audience: https://notary.example.com

A branch is the last part of a job's name, decoded: so multibranch projects name the
jobs of their branches. A plain job is meant by its own name in the same way. Without a
pattern nothing is protected.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from jenkins_notary.errors import NotaryError
from jenkins_notary.service.access.scopes import covers, format_scope, parse_scope
from jenkins_notary.service.sections import Section
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.patterns import is_match
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.service.access.scopes import Scope
    from jenkins_notary.values.jobid import JobId

BuildClass = Literal["protected", "branch", "change", "weak"]

MAX_HOURS = 24 * 30
ANYWHERE = "*"
"""The folder of builds that no other folder holds."""

_ORG_LIMIT = 64
_CHANGE_NAME = re.compile(
    r"(?:PR|MR|CR)-[0-9]+(?:-(?:head|merge))?|[0-9]+/[0-9]+/[0-9]+"
)
_CHANGE_CAUSE = re.compile(r"PullRequest|MergeRequest|Ghprb|GitHubPR|Gerrit")
_CHANGE_PARAMETERS = frozenset(
    {"ghprbPullId", "gitlabMergeRequestIid", "GERRIT_CHANGE_NUMBER", "CHANGE_ID"}
)
_BUILT_IN = frozenset({"", "built-in", "master"})


class ProtectedBranches(Section, frozen=True):
    """Branches of one folder whose builds speak for an org.

    Attributes:
        folder: ``[INSTANCE:]FOLDER`` or ``INSTANCE:*``.
        branches: Patterns; ``*`` stands within a part of a name, ``**`` for any parts.
        org: The org that the key of these builds joins; None for none.
    """

    folder: str
    branches: tuple[str, ...]
    org: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can mean nothing; msgspec tells where it stands."""
        try:
            parse_scope(self.folder)
        except NotaryError as error:
            raise ValueError(str(error)) from error
        if not self.branches or not all(self.branches):
            message = "branches: expected patterns, got none"
            raise ValueError(message)
        org = self.org
        is_name = org is None or (org.strip() and org.isprintable())
        if not is_name or len(org or "") > _ORG_LIMIT:
            message = f"org: expected 1 to {_ORG_LIMIT} printable characters"
            raise ValueError(message)


class Issuer(Section, frozen=True):
    """Who issues id tokens to the builds of a controller.

    Attributes:
        instance: The controller's.
        issuer: The ``iss`` of its tokens, below which its keys are found.
        audience: The ``aud`` that they must be meant for.
        ca_file: PEM file of the authorities to trust, or None for the system's.
    """

    instance: str
    issuer: str
    audience: str
    ca_file: str | None = None

    def __post_init__(self) -> None:
        """Refuse an issuer whose keys could be changed on the way."""
        parts = urlsplit(self.issuer)
        is_local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
            message = "issuer: expected https://"
            raise ValueError(message)
        if parts.query or parts.fragment or "@" in parts.netloc or not self.audience:
            message = "expected an issuer's plain URL, and an audience"
            raise ValueError(message)


class BuildsSection(Section, frozen=True):
    """The section ``builds``.

    Attributes:
        protected: Which branches of which folders are protected.
        id_tokens: Whose id tokens are believed.
        session_hours: How long a session lasts at most.
        asserted: Whether claims without a session are taken (``accept``) of builds
            that could have one, or not (``refuse``).
        built_in_node: Whether a build on the controller itself is ``weak``, or that is
            not looked at (``ignore``).
    """

    protected: tuple[ProtectedBranches, ...] = ()
    id_tokens: tuple[Issuer, ...] = ()
    session_hours: int = 24
    asserted: Literal["accept", "refuse"] = "accept"
    built_in_node: Literal["weak", "ignore"] = "weak"

    def __post_init__(self) -> None:
        """Refuse hours that are none, and two issuers of one controller."""
        if not 0 < self.session_hours <= MAX_HOURS:
            message = f"session-hours: expected 1 to {MAX_HOURS}"
            raise ValueError(message)
        instances = [one.instance for one in self.id_tokens]
        if len({*instances}) != len(instances):
            message = "id-tokens: expected each instance once"
            raise ValueError(message)


class Shown(NamedTuple):
    """What a controller shows of a build, as far as its class follows from it.

    Attributes:
        causes: The kinds of its causes.
        parameters: The names of its parameters.
        is_built_in: Whether it is known to run on the controller itself.
        is_replay: Whether its hook says that it is a replay.
        is_change: Whether its hook says that it is of a change request.
    """

    causes: frozenset[str]
    parameters: frozenset[str]
    is_built_in: bool
    is_replay: bool = False
    is_change: bool = False


def show(info: BuildInfo | None, facts: Mapping[str, Any]) -> Shown | None:
    """Return what a controller shows of a build, None for nothing.

    Args:
        info: What its API says, or None.
        facts: What its hook says (``evidence.hook_facts``); empty without one.
    """
    if info is None and not facts:
        return None
    causes = [*(() if info is None else info.causes), *facts.get("causes", ())]
    named = [*(() if info is None else info.parameters), *facts.get("parameters", ())]
    nodes = facts.get("node", ())
    return Shown(
        frozenset(str(one.get("kind")) for one in causes),
        frozenset(str(one.get("name")) for one in named),
        is_built_in(None if info is None else info.node)
        or any(one.get("builtIn") for one in nodes),
        bool(facts.get("replay", {}).get("isReplay")),
        "change" in facts,
    )


def classify(section: BuildsSection, job: JobId, shown: Shown | None) -> BuildClass:
    """Return the class of a build as its controller shows it.

    Args:
        section: What the administrator decided.
        job: Which build, with its instance.
        shown: What the controller shows of it; None for nothing.
    """
    if shown is None or shown.is_replay or "ReplayCause" in shown.causes:
        return "weak"
    if section.built_in_node == "weak" and shown.is_built_in:
        return "weak"
    if _is_change(job, shown):
        return "change"
    rule = find_rule(section, job)
    branch = branch_of(job.name)
    if rule is not None and any(is_match(one, branch) for one in rule.branches):
        return "protected"
    return "branch"


def is_built_in(node: str | None) -> bool:
    """Return whether a node's name is that of the controller itself.

    >>> is_built_in(""), is_built_in("built-in"), is_built_in("linux-1")
    (True, True, False)
    >>> is_built_in(None)  # not known
    False
    """
    return node in _BUILT_IN


def branch_of(name: str) -> str:
    """Return the branch that a job's full name ends with.

    >>> branch_of("payments/api/feature%2Fx")
    'feature/x'
    """
    return unquote(name.rpartition("/")[2])


def find_rule(section: BuildsSection, job: JobId) -> ProtectedBranches | None:
    """Return the rule of the innermost folder that holds a job, None for none."""
    found = [one for one in section.protected if covers(parse_scope(one.folder), job)]
    return max(found, key=lambda one: _depth(parse_scope(one.folder)), default=None)


def folder_of(section: BuildsSection, scopes: Sequence[Scope], job: str) -> str:
    """Return the folder whose keys sign for a job.

    It is the administrator's, or else the innermost of the token's: so there are only
    as many as they chose, whatever names builds have.
    """
    parsed = parse_job_id(job)
    rule = find_rule(section, parsed)
    if rule is not None:
        return format_scope(parse_scope(rule.folder))
    found = [one for one in scopes if covers(one, parsed)]
    return format_scope(max(found, key=_depth)) if found else ANYWHERE


def _depth(scope: Scope) -> tuple[int, bool]:
    """Return how far within a scope is."""
    folder = scope.folder
    return (0 if folder is None else folder.count("/") + 1, scope.instance is not None)


def _is_change(job: JobId, shown: Shown) -> bool:
    """Return whether a build is of a change request."""
    return (
        shown.is_change
        or _CHANGE_NAME.fullmatch(branch_of(job.name)) is not None
        or any(_CHANGE_CAUSE.search(one) for one in shown.causes)
        or not _CHANGE_PARAMETERS.isdisjoint(shown.parameters)
    )

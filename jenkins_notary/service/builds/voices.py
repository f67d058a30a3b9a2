"""Say with whose key a service signs what it is sent, and what it says of the build.

1. What a build says that has proved which one it is (a session) is signed by the key of
   its folder and class. Its claim is about itself alone.
2. What a person decides (the roles security and admin, and every UNTRUSTED and
   UNSUPPORTED that a role allows) is signed by the key for persons.
3. What a controller's outbox delivers as a build's claim is signed like (1): it says
   ``identity: controller``.
4. All else is a build's word without a proof: ``identity: asserted``, class ``weak``.

The administrator's key signs none of it.
"""

from __future__ import annotations

from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.service.builds.classes import classify, folder_of, is_built_in, show
from jenkins_notary.service.builds.sessions import ProvenBuild
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.status import NEGATIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.ports import Signer
    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.access.scopes import Scope
    from jenkins_notary.service.builds.classes import BuildClass, BuildsSection
    from jenkins_notary.service.builds.sessions import Sessions
    from jenkins_notary.service.builds.signing import ClassKeys
    from jenkins_notary.values.jobid import JobId

ASSERTED, WEAK = "asserted", "weak"
_PERSONS = frozenset({"security", "admin"})


class Voice(NamedTuple):
    """With what a claim is signed.

    Attributes:
        signer: Whose key signs.
        job: What the record says of the job, or None for no job.
    """

    signer: Signer
    job: Mapping[str, Any] | None


class Voices:
    """Who speaks, for one service."""

    def __init__(
        self, section: BuildsSection, keys: ClassKeys, sessions: Sessions
    ) -> None:
        """Know the keys and the sessions."""
        self._section = section
        self._keys = keys
        self._sessions = sessions

    def of_claim(
        self,
        session: Session,
        who: Principal,
        sent: SentClaim,
        build: ProvenBuild | None,
    ) -> Voice:
        """Return with what a claim is signed, which its token may make.

        Args:
            session: An open ledger with the administrator's key.
            who: Whose token sent it.
            sent: The claim.
            build: The build that has proved that it sends it, or None.

        Raises:
            PermissionDeniedError: A build speaks of another, or of none, or has no
                session where the administrator wants one.
        """
        job = sent.job
        if build is not None:
            _check_own(job, build)
        if sent.claim.status in NEGATIVE or sent.claim.supersedes:
            known = build or ProvenBuild("", ASSERTED, WEAK)
            told = None if job is None else _describe(job, known)
            return Voice(self._keys.for_person(session), told)
        if build is not None and job is not None:
            return self._of_build(session, who, job, build)
        if job is None:
            return Voice(self._keys.for_person(session), None)
        if (
            who.role not in _PERSONS
            and self._section.asserted == "refuse"
            and self._sessions.can_prove(session, job["id"])
        ):
            raise PermissionDeniedError(
                f"job {job['id'][:200]}",
                expected="a session of this build",
                got="none",
                advice="the program opens one itself in a build that runs, where its "
                "standard error goes to the build's log",
            )
        proven = ProvenBuild(job["id"], ASSERTED, WEAK)
        return self._sign_as(session, who.scopes, job, proven)

    def classify(
        self, job: JobId, info: BuildInfo | None, facts: Mapping[str, Any]
    ) -> BuildClass:
        """Return the class of a build by what its controller shows, API and hook."""
        return classify(self._section, job, show(info, facts))

    def of_controller(self, session: Session, job: JobId, kind: str) -> Signer:
        """Return who signs what a controller's outbox says that a build claims."""
        named = format_job_id(job)
        folder = folder_of(self._section, (), named)
        return self._keys.for_build(session, named, folder, kind)

    def _of_build(
        self,
        session: Session,
        who: Principal,
        job: Mapping[str, Any],
        build: ProvenBuild,
    ) -> Voice:
        """Return with what a build's word of itself is signed."""
        node = (job.get("environment") or {}).get("NODE_NAME")
        if self._section.built_in_node == "weak" and is_built_in(node):
            # It can only say what makes its word weaker.
            build = build._replace(kind=WEAK)
        return self._sign_as(session, who.scopes, job, build)

    def _sign_as(
        self,
        session: Session,
        scopes: Sequence[Scope],
        job: Mapping[str, Any],
        build: ProvenBuild,
    ) -> Voice:
        """Return the key of a build's folder and class, and what is said of the job."""
        folder = folder_of(self._section, scopes, build.job)
        signer = self._keys.for_build(session, build.job, folder, build.kind)
        return Voice(signer, _describe(job, build))


def _check_own(job: Mapping[str, Any] | None, build: ProvenBuild) -> None:
    """Check that a claim is of the build that has proved that it sends it.

    Raises:
        PermissionDeniedError: It is of another, or of none.
    """
    proven = parse_job_id(build.job)
    claimed = None if job is None else parse_job_id(job["id"])
    if (
        job is None
        or claimed is None
        or claimed[1:] != proven[1:]
        or claimed.instance not in {None, proven.instance}
    ):
        raise PermissionDeniedError(
            f"session of {build.job}",
            expected="a claim of this build",
            got="of none" if job is None else job["id"][:200],
        )


def _describe(job: Mapping[str, Any], build: ProvenBuild) -> dict[str, Any]:
    """Return what a record says of a job."""
    return {**job, "identity": build.identity, "class": build.kind}

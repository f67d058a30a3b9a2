"""Believe what a controller's id tokens say: which build was given one.

The plugin oidc-provider issues a token to a running build. Its ``sub`` is the URL of
the job and ``build_number`` the number of the build; no URL of a token is asked. Each
controller has its one issuer (:mod:`.classes`).

The plugin takes both from the build's environment, where a parameter of the name
``JOB_URL`` or ``BUILD_NUMBER`` may stand in their place: see docs/sessions.md.

Source: oidc-provider plugin, ``IdTokenConfiguration``: the default claim templates.
"""

from __future__ import annotations

from jenkins_notary.errors import PermissionDeniedError, UsageError
from jenkins_notary.service.access.jwt import Issuer
from jenkins_notary.values.jobid import format_job_id, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.service.builds.classes import BuildsSection
    from jenkins_notary.values.jobid import JobId


class IdTokens:
    """The issuers of a service's controllers."""

    def __init__(self, section: BuildsSection) -> None:
        """Ask nothing yet."""
        self._issuers = {
            one.instance: Issuer(one.issuer, one.audience, ca_file=one.ca_file)
            for one in section.id_tokens
        }

    def has(self, instance: str | None) -> bool:
        """Return whether a controller's id tokens are believed."""
        return instance in self._issuers

    def check(self, job: JobId, token: str) -> None:
        """Check that a token was issued to a build.

        Raises:
            PermissionDeniedError: It was issued to another, or does not hold.
            UnavailableError: The issuer's keys cannot be had.
        """
        claims = self._issuers[str(job.instance)].verify(token)
        subject, number = claims.get("sub"), str(claims.get("build_number"))
        got = f"{subject} #{number}"[:300]
        try:
            # The number in a URL's place is that of the build, as Jenkins writes it.
            named = parse_job_id(f"{str(subject).rstrip('/')}/{number}/")
        except UsageError:
            named = None
        if named is None or named[1:] != job[1:]:
            raise PermissionDeniedError(
                "id token", expected=f"one of {format_job_id(job)}", got=got
            )

"""Read the file of ``serve --settings``: what an administrator decides of a service.

The file is YAML. Each section belongs to the module that uses it, which defines it as a
frozen ``Section`` with kebab-case keys and without unknown ones; here they are only put
together. A secret never stands in it: a key that ends in ``-file`` names the
file of mode 0600 that holds one.
"""

from __future__ import annotations

import msgspec

from jenkins_notary.assets.asset import printable, raise_faults
from jenkins_notary.errors import ConfigurationError
from jenkins_notary.plain_yaml import read_plain_file
from jenkins_notary.service.access.limits import LimitSettings
from jenkins_notary.service.access.logins import LoginSettings
from jenkins_notary.service.builds.classes import BuildsSection
from jenkins_notary.service.builds.coverage import CoverageSettings
from jenkins_notary.service.monitoring.alerts import AlertSettings
from jenkins_notary.service.monitoring.measures import MetricsSettings
from jenkins_notary.service.sections import Section
from jenkins_notary.service.teams import Team  # noqa: TC001 - msgspec reads it
from jenkins_notary.service.witness.asking import WitnessSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.errors import NotaryError


class Settings(Section, frozen=True):
    """All sections; what is left out has its default.

    Attributes:
        ledgers: Further ledgers that are served.
        builds: Which builds speak for an org, and how they prove who they are.
        vcn: Whether the verbs of ``vcn serve`` are answered.
        login: How people log in.
        witnesses: Who is asked to sign checkpoints.
        coverage: Which builds are accounted for.
        alerts: What is told to whom.
        limits: What one caller may take.
        metrics: Who may read the figures.
    """

    ledgers: tuple[Team, ...] = ()
    builds: BuildsSection = BuildsSection()
    vcn: bool = False
    login: LoginSettings = LoginSettings()
    witnesses: WitnessSettings = WitnessSettings()
    coverage: CoverageSettings = CoverageSettings()
    alerts: AlertSettings = AlertSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings = MetricsSettings()

    def for_team(self, team: Team) -> Settings:
        """Return what holds for a team's ledger.

        Without a file of its own it has all of this but the people, for a group that is
        let in here is not let in there, and coverage: no team has all the jobs.

        Raises:
            ConfigurationError: Its file is wrong.
        """
        if team.settings is None:
            return msgspec.structs.replace(
                self,
                ledgers=(),
                login=LoginSettings(),
                coverage=CoverageSettings(jobs=()),
            )
        found = load_settings(team.settings)
        if found.ledgers:
            raise ConfigurationError(
                f"settings {team.settings} of {team.name}", expected="no ledgers"
            )
        return found


def load_settings(path: str | None) -> Settings:
    """Return the settings of a file, all defaults for None.

    Raises:
        ConfigurationError: It cannot be read, or is not of the form; where is said.
        FaultsError: Several sections are not.
    """
    if path is None:
        return Settings()
    subject = f"--settings {path}"
    root = read_plain_file(path, subject)
    if root is not None and not isinstance(root, dict):
        raise ConfigurationError(subject, expected="a mapping of sections")
    return _convert(root or {}, subject)


def _convert(root: Mapping[object, object], subject: str) -> Settings:
    """Return settings; the faults of all sections are raised together."""
    fields = {one.encode_name: one for one in msgspec.structs.fields(Settings)}
    faults: list[NotaryError] = []
    found: dict[str, Any] = {}
    for name, value in root.items():
        field = fields.get(name) if isinstance(name, str) else None
        if field is None:
            known = ", ".join(sorted(fields)) or "none in this version"
            got = printable(str(name), 80)
            faults.append(ConfigurationError(subject, expected=known, got=got))
            continue
        try:
            found[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            told = str(error).replace("$", str(name), 1)
            faults.append(ConfigurationError(subject, expected="its form", got=told))
    raise_faults(faults)
    return Settings(**found)

"""Say which commands the agent part has."""

from __future__ import annotations

from jenkins_notary.cli.commands import COMMANDS, Edition

_SHARED = (
    *("notarize", "untrust", "unsupport", "authenticate", "gate", "evidence"),
    *("attach", "deliver"),
)

AGENT = Edition(
    "jenkins-notary-agent",
    {
        **{words: COMMANDS[words] for words in _SHARED},
        "collect": (
            "jenkins_notary.agent.collect",
            "Have the service collect a build from Jenkins.",
        ),
    },
    is_whole=False,
)

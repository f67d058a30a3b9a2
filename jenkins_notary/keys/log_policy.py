"""Hold checkpoints to what ``--log`` names: a log's key, or a policy file.

Source: C2SP tlog-policy.
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError, IntegrityError
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.witness_key import load_witness_verifier
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.note import format_vkey
from jenkins_notary.tlog.policy import Policy, parse_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.tlog.checkpoint import OpenedCheckpoint
    from jenkins_notary.tlog.note import NoteVerifier


class LogPolicy:
    """Whose signatures a checkpoint must have.

    Attributes:
        verifiers: The logs' and witnesses' keys.
        vkeys: The logs' keys as text.
        has_quorum: Whether cosignatures are asked for at all.
    """

    def __init__(self, policy: Policy) -> None:
        """Hold checkpoints to a policy.

        Raises:
            ConfigurationError: It names no log.
        """
        self._policy = policy
        self.vkeys = [format_vkey(one) for one in policy.logs]
        self.has_quorum = policy.quorum is not None
        if not self.vkeys:
            raise ConfigurationError("log policy", expected="a log line", got="none")
        self.verifiers: list[NoteVerifier] = [
            *map(load_log_verifier, self.vkeys),
            *(load_witness_verifier(format_vkey(o)) for o in policy.witnesses.values()),
        ]

    def check(self, note: bytes) -> OpenedCheckpoint:
        """Return a checkpoint that its log and enough witnesses have signed.

        Raises:
            IntegrityError: They have not.
        """
        opened = open_checkpoint(note, self.verifiers)
        signed = {(one.name, one.key_id) for one in opened.note.verified}
        if not self._policy.is_met(signed):
            names = sorted({name for name, _ in signed} - {opened.checkpoint.origin})
            raise IntegrityError(
                f"checkpoint of {opened.checkpoint.origin} at {opened.checkpoint.size}",
                expected=f"the cosignatures of the quorum {self._policy.quorum}",
                got=", ".join(names) or "none",
                advice="a record that was just made has none yet: take its receipt "
                "from the service some seconds later",
            )
        return opened


def load_policy(text: str) -> LogPolicy:
    """Return the policy that ``--log`` names: a key alone, or a file.

    Raises:
        ConfigurationError: It is neither, or not of the form.
    """
    if looks_like_key(text):
        return LogPolicy(parse_policy(f"log {text}\nquorum none\n".encode()))
    try:
        with open(text, "rb") as file:
            data = file.read(1 << 20)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--log {text[:80]}",
            expected="a verifier key, or a readable policy file",
            got=getattr(error, "strerror", None) or "an impossible path",
        ) from error
    return LogPolicy(parse_policy(data))


def looks_like_key(text: str) -> bool:
    """Return whether a text is meant as a verifier key, not as a file.

    >>> looks_like_key("example.com/a+0011aabb+AAAA"), looks_like_key("/etc/log+x")
    (True, False)
    """
    return text.count("+") >= 2 and not text.startswith(("/", "./", "../"))

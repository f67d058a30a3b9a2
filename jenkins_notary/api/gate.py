"""Allow or deny assets by a policy: one decision an asset, with every reason."""

from __future__ import annotations

from jenkins_notary.api.authenticate import (
    Unread,
    collect_each,
    describe_as_of,
    view_as_of,
)
from jenkins_notary.assets.asset import KINDS
from jenkins_notary.errors import ConfigurationError, NotaryError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.gate import Reason, evaluate, gather_facts
from jenkins_notary.trust.policy import parse_policy
from jenkins_notary.values.digest import digest_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from jenkins_notary.api.results import AsOf
    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.policy import Policy
    from jenkins_notary.trust.verdict import TrustRule

DENIED = 5


class GateDecision(NamedTuple):
    """The gate's answer on one asset.

    Attributes:
        name: The asset as asked for.
        kind: Its kind, or "" when it could not be read.
        digest: Its digest, or "".
        allowed: Whether it passes.
        reasons: Every failed check.
        rules: The rules that were applied.
        status: The ledger's word, or None when there is an error.
        policy: The policy's own digest.
        as_of: The state of the log, or None when there is an error.
        error: Why there is no decision, or None.
    """

    name: str
    kind: str
    digest: str
    allowed: bool
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...]
    status: str | None
    policy: str
    as_of: AsOf | None
    error: NotaryError | None

    @property
    def code(self) -> int:
        """Return the exit code: 0 allowed, 5 denied, or that of the error."""
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.allowed else DENIED

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = {
            **self._asdict(),
            "code": self.code,
            "reasons": [one._asdict() for one in self.reasons],
            "rules": list(self.rules),
            "as_of": self.as_of and self.as_of._asdict(),
        }
        value["error"] = None if self.error is None else self.error.to_dict()
        return value


def gate_assets(
    session: Session,
    policy_bytes: bytes,
    words: Sequence[str],
    collect: Callable[[Sequence[str]], list[Asset]],
    *,
    rule: TrustRule,
    as_of: str | None = None,
) -> list[GateDecision]:
    """Return the gate's answer on each asset.

    The gate trusts no index row: it reads the whole log and checks that no record on
    the assets was left out.

    Args:
        session: An open ledger.
        policy_bytes: The policy, YAML or JSON.
        words: The assets, as on the command line.
        collect: Turns words into assets.
        rule: The reader's trust rule; the policy may ask for more.
        as_of: A tree size or time; None for now. Ages are counted to its time.

    Raises:
        NotaryError: The policy is wrong, or the ledger cannot be read or was altered.
    """
    policy = load_policy(policy_bytes)
    view = view_as_of(session, as_of)
    state = describe_as_of(view)
    view.trust()
    read = [*collect_each(words, collect)]
    _check_rows(view, read)
    now_ms = session.clock.now_ms()
    if as_of is not None:
        now_ms = view.leaf(view.size - 1)[1].at_ms
    return [
        _refuse(one.word, one.error, policy)
        if isinstance(one, Unread)
        else _decide(
            session, view, one, policy=policy, rule=rule, state=state, now_ms=now_ms
        )
        for one in read
    ]


def load_policy(data: bytes) -> Policy:
    """Return the policy in a YAML or JSON file.

    Raises:
        ConfigurationError: Not YAML.
        FaultsError: Not a policy; every fault is named.
    """
    import yaml

    try:
        value = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigurationError("policy", expected="YAML", got=text[:200]) from error
    return parse_policy(value, data, kinds=KINDS)


def _check_rows(view: LedgerView, read: Sequence[Asset | Unread]) -> None:
    """Check that the ledger leaves out no record on the assets."""
    from jenkins_notary.ledger.follow import check_rows

    check_rows(view, {digest_hex(a.digest) for a in read if not isinstance(a, Unread)})


def _decide(
    session: Session,
    view: LedgerView,
    asset: Asset,
    *,
    policy: Policy,
    rule: TrustRule,
    state: AsOf,
    now_ms: int,
) -> GateDecision:
    """Return the gate's answer on one asset."""
    own = digest_hex(asset.digest)
    try:
        facts = gather_facts(
            (own, asset.name, asset.kind),
            view.history(own),
            policy,
            trust=view.trust(),
            rule=rule,
            verifier=session.signatures,
        )
        result = evaluate(policy, facts, now_ms)
    except NotaryError as error:
        return _refuse(asset.name, error, policy)
    reasons = result.reasons
    if asset.dirty:
        reasons += (
            Reason(
                "",
                "status",
                "a work tree that is its commit",
                "one with changes",
                "commit or undo the changes",
            ),
        )
    return GateDecision(
        asset.name,
        asset.kind,
        asset.digest,
        result.allowed and not asset.dirty,
        reasons,
        result.rules,
        facts.verdict.status.name,
        policy.digest,
        state,
        None,
    )


def _refuse(name: str, error: NotaryError, policy: Policy) -> GateDecision:
    """Return the answer on an asset that could not be read or judged."""
    return GateDecision(
        name,
        "",
        "",
        allowed=False,
        reasons=(),
        rules=(),
        status=None,
        policy=policy.digest,
        as_of=None,
        error=error,
    )

"""Allow or deny assets by a policy: one decision an asset, with every reason."""

from __future__ import annotations

from functools import partial

from jenkins_notary.api.authenticate import (
    describe_as_of,
    fail_asset,
    judge_asset,
    view_as_of,
)
from jenkins_notary.assets.asset import KINDS
from jenkins_notary.assets.selection import Unread, collect_each
from jenkins_notary.errors import ConfigurationError, NotaryError
from jenkins_notary.plain_yaml import load_plain
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.gate import Reason, evaluate, gather_facts
from jenkins_notary.trust.policy import MAX_BYTES, parse_policy
from jenkins_notary.values.digest import digest_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from jenkins_notary.api.results import AssetVerdict
    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.policy import Policy
    from jenkins_notary.trust.verdict import TrustRule

DENIED = 5
_DIRTY = Reason(
    "",
    "status",
    "a work tree that is its commit",
    "one with changes",
    "commit or undo the changes",
)


class GateDecision(NamedTuple):
    """The gate's answer on one asset.

    Attributes:
        asset: The ledger's word on it, or why there is none.
        allowed: Whether it passes.
        reasons: Every failed check.
        rules: The rules that were applied.
        policy: The policy's own digest.
    """

    asset: AssetVerdict
    allowed: bool
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...]
    policy: str

    @property
    def code(self) -> int:
        """Return the exit code: 0 allowed, 5 denied, or that of the error."""
        if self.asset.error is not None:
            return self.asset.error.exit_code
        return 0 if self.allowed else DENIED

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: that of the verdict, with the gate's own."""
        return {
            **self.asset.to_dict(),
            "allowed": self.allowed,
            "code": self.code,
            "reasons": [one._asdict() for one in self.reasons],
            "rules": list(self.rules),
            "policy": self.policy,
        }


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
    judge = partial(judge_asset, session, view, rule=rule, state=state)
    decide = partial(_decide, session, view, policy=policy, rule=rule, now_ms=now_ms)
    return [
        GateDecision(
            fail_asset(one.word, one.error),
            allowed=False,
            reasons=(),
            rules=(),
            policy=policy.digest,
        )
        if isinstance(one, Unread)
        else decide(one, judge(one))
        for one in read
    ]


def load_policy(data: bytes) -> Policy:
    """Return the policy in a YAML or JSON file.

    Aliases are refused: a few of them make a small file large. So are keys that stand
    twice: the parser would drop one check without a word.

    Raises:
        ConfigurationError: Too long, or not YAML.
        FaultsError: Not a policy; every fault is named.
    """
    if len(data) > MAX_BYTES:
        raise ConfigurationError("policy", expected=f"at most {MAX_BYTES} bytes")

    try:
        value = load_plain(data)
    except (RecursionError, ValueError) as error:
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
    verdict: AssetVerdict,
    *,
    policy: Policy,
    rule: TrustRule,
    now_ms: int,
) -> GateDecision:
    """Return the gate's answer on one asset."""
    denied = GateDecision(
        verdict, allowed=False, reasons=(), rules=(), policy=policy.digest
    )
    if verdict.error is not None:
        return denied
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
        return denied._replace(asset=fail_asset(asset.name, error))
    reasons = result.reasons
    if asset.dirty:
        reasons += (_DIRTY,)
    return denied._replace(allowed=not reasons, reasons=reasons, rules=result.rules)

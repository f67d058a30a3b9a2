r"""Say whether what the API server is asked for may start: the webhook's answer, pure.

The API server sends an ``AdmissionReview`` and gets one back::

    {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
     "response": {"uid": "...", "allowed": false, "warnings": [],
      "status": {"code": 403, "reason": "Forbidden", "message": "..."},
      "auditAnnotations": {"verdict": "denied"}}}

1. Only what creates or changes containers is judged: CREATE and UPDATE of pods (their
   ephemeral containers too), and of the workloads that hold a pod's template. What is
   being deleted, and what is of an excluded namespace, is let through.
2. Of an update only images are judged that the old object does not have: a finalizer
   must come off a pod whose image was untrusted since it started.
3. Only ``name@sha256:<hex>`` is judged. A tag is never resolved: what it names may
   change before the node pulls. Whether a tag is denied is a setting of its own.
4. TRUSTED is let through, and what an administrator has exempted, with a warning. All
   else is denied, or in the mode ``warn`` let through with a warning.
5. What cannot be judged in time, because the ledger is away, say, is denied or warned
   of by a setting of its own: that choice is never an accident.
6. What would be denied is let through by an annotation of those who may, once that was
   recorded (``break_glass``).

Names come from whoever may create a pod: in answers they are one printable line, cut.

What is left out: how a digest is judged, how the record is kept, HTTP (``webhook``).

Source: Kubernetes "Dynamic Admission Control", ``admission.k8s.io/v1``.
"""

from __future__ import annotations

from jenkins_notary.assets.asset import printable
from jenkins_notary.cluster.break_glass import (
    BREAK_GLASS,
    BreakGlass,
    GlassRule,
    guard_annotation,
    read_reason,
    refuse_glass,
)
from jenkins_notary.cluster.review import (
    API_VERSION,
    POD_PATHS,
    find_containers,
    mapping,
    name_container,
)
from jenkins_notary.errors import IntegrityError, NotaryError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Literal

    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.cluster.review import Request

    Action = Literal["deny", "warn"]

SYSTEM_NAMESPACES = ("kube-node-lease", "kube-public", "kube-system")
MAX_IMAGES = 200
"""Images of one request that are judged; more are refused as one fault."""
MAX_WARNINGS = 10
MAX_WARNING = 240
MAX_MESSAGE = 3000


class Policy(NamedTuple):
    """What is settled of admission; nothing is left to chance.

    Attributes:
        mode: What becomes of an image that is not TRUSTED.
        tags: What becomes of an image that is not named by digest.
        unavailable: What becomes of one that cannot be judged.
        excluded: Namespaces that are let through, by their exact names.
        glass: Whose annotation lets an object through.
    """

    mode: Action = "deny"
    tags: Action = "deny"
    unavailable: Action = "deny"
    excluded: frozenset[str] = frozenset(SYSTEM_NAMESPACES)
    glass: GlassRule = GlassRule()


class Decision(NamedTuple):
    """What became of a request.

    Attributes:
        verdict: ``allowed``, ``warned``, ``denied``, ``break-glass`` or ``skipped``.
        faults: Why it is denied, or would have been.
        warnings: What else whoever asks is told.
        judged: The images that were judged.
    """

    verdict: str
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    judged: tuple[Judged, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Return whether the object may be written."""
        return self.verdict != "denied"


def decide(
    request: Request,
    policy: Policy,
    judge: Callable[[Sequence[Container]], Sequence[Judged]],
    record: Callable[[BreakGlass], None] | None,
) -> Decision:
    """Return what becomes of a request.

    Args:
        request: What the API server is asked for.
        policy: What is settled.
        judge: Returns what is known of containers that have a digest, in order.
            Raises a NotaryError where that cannot be said, or not in time.
        record: Records that glass was broken, durably; None where nobody may.
    """
    # The old object's word: nobody can create one that is on its way out.
    is_going = bool(mapping(request.old.get("metadata")).get("deletionTimestamp"))
    if (
        request.kind not in POD_PATHS
        or request.operation not in {"CREATE", "UPDATE"}
        or request.namespace in policy.excluded
        or is_going
    ):
        return Decision("skipped")
    guard = guard_annotation(request, policy.glass)
    if guard is not None:
        is_denied = "deny" in {policy.mode, policy.tags, policy.unavailable}
        return Decision("denied" if is_denied else "warned", (guard,))
    decision = _judge(request, policy, judge)
    if decision.is_allowed:
        return decision
    return _break_glass(request, policy, decision, record)


def format_review(request: Request, decision: Decision) -> dict[str, Any]:
    """Return the AdmissionReview that answers a request."""
    response: dict[str, Any] = {
        "uid": request.uid,
        "allowed": decision.is_allowed,
        "auditAnnotations": {"verdict": decision.verdict},
    }
    told = decision.warnings
    if decision.is_allowed:
        told = (*decision.faults, *told)
        if decision.faults:
            why = "; ".join(decision.faults)[:MAX_MESSAGE]
            response["auditAnnotations"]["faults"] = why
    else:
        response["status"] = {
            "code": 403,
            "reason": "Forbidden",
            "message": "; ".join(decision.faults)[:MAX_MESSAGE],
        }
    if told:
        response["warnings"] = _cut_warnings(told)
    return {
        "apiVersion": API_VERSION,
        "kind": "AdmissionReview",
        "response": response,
    }


def _judge(
    request: Request,
    policy: Policy,
    judge: Callable[[Sequence[Container]], Sequence[Judged]],
) -> Decision:
    """Return what becomes of a request by its images alone."""
    # The same image in several containers is judged once.
    wanted = [*{one.image: one for one in find_containers(request)}.values()]
    named = [one for one in wanted if one.digest is not None]
    found: list[tuple[Action, str]] = [
        (policy.tags, f"{name_container(one)}: {one.error}")
        for one in wanted
        if one.digest is None
    ]
    judged: Sequence[Judged] = ()
    if len(named) > MAX_IMAGES:
        got = f"expected at most {MAX_IMAGES} images, got {len(named)}"
        found.append((policy.mode, f"{request.place}: {got}"))
    elif named:
        try:
            judged = judge(named)
        except NotaryError as error:
            # An altered ledger is no outage: it is as bad as an untrusted image.
            is_altered = error.exit_code == IntegrityError.exit_code
            action = policy.mode if is_altered else policy.unavailable
            found.append((action, f"{request.place} cannot be judged: {error}"))
    found += [pair for one in judged for pair in _weigh(one, policy.mode)]
    denied = tuple(text for action, text in found if action == "deny")
    warned = tuple(text for action, text in found if action == "warn")
    verdict = "denied" if denied else "warned" if warned else "allowed"
    return Decision(verdict, denied, warned, tuple(judged))


def _weigh(judged: Judged, mode: Action) -> Iterator[tuple[Action, str]]:
    """Yield what becomes of a judged image, and why; nothing where all is well."""
    text = _fault(judged)
    if text and judged.exempt is not None:
        yield "warn", f"{text}; exempt until {_describe_exemption(judged)}"
    elif text:
        yield mode, text
    elif judged.stale:
        who = name_container(judged.container)
        yield "warn", f"{who}: its last word, the ledger does not answer"


def _fault(judged: Judged) -> str | None:
    """Return what is wrong with a judged image, None for nothing."""
    status, verdict = judged.verdict.status, judged.verdict
    if status is Status.TRUSTED and verdict.error is None:
        return None
    why = verdict.error or verdict.reason
    where = f"{name_container(judged.container)}: expected TRUSTED, got {status.name}"
    return printable(f"{where} ({printable(why, 160)})", 400)


def _describe_exemption(judged: Judged) -> str:
    """Return until when an image is exempt, and who answers for it."""
    exempt = judged.exempt
    assert exempt is not None  # noqa: S101 - the caller has looked
    return printable(f"{exempt.expires_at} by {exempt.owner}: {exempt.reason}")


def _break_glass(
    request: Request,
    policy: Policy,
    decision: Decision,
    record: Callable[[BreakGlass], None] | None,
) -> Decision:
    """Return what becomes of a denied request that may bear the annotation."""
    reason = read_reason(request.new, POD_PATHS[request.kind])
    if reason is None:
        return decision
    refused = refuse_glass(request, policy.glass, reason)
    if refused is None and record is None:
        refused = "nothing is set up to record it"
    if refused is None and record is not None and not request.is_dry_run:
        bad = tuple(one for one in decision.judged if _fault(one) is not None)
        act = BreakGlass(request, reason, bad, decision.faults)
        try:
            record(act)
        except NotaryError as error:
            refused = f"it cannot be recorded: {error}"
    if refused is not None:
        text = f"annotation {BREAK_GLASS} does not count: {refused}"
        return decision._replace(faults=(*decision.faults, text))
    told = f"let through by {BREAK_GLASS}, which is recorded: {printable(reason)}"
    return decision._replace(verdict="break-glass", warnings=(*decision.warnings, told))


def _cut_warnings(texts: Sequence[str]) -> list[str]:
    """Return warnings as HTTP headers take them: few, short, plain ASCII."""
    shown = [
        one.encode("ascii", "backslashreplace").decode()[:MAX_WARNING]
        for one in texts[:MAX_WARNINGS]
    ]
    if len(texts) > MAX_WARNINGS:
        shown.append(f"and {len(texts) - MAX_WARNINGS} more")
    return shown

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
6. Break-glass: an object that bears the annotation :data:`BREAK_GLASS`, with its
   reason, is let through if whoever asks is of a group that may, and once that was
   recorded. A controller makes pods for others: its word counts only where workloads
   come here too, so that nobody could write the annotation into a template who may not
   himself; this is checked, whatever the images are.

Names come from whoever may create a pod: in answers they are one printable line, cut.

What is left out: how a digest is judged, how the record is kept, HTTP (``webhook``).

Source: Kubernetes "Dynamic Admission Control", ``admission.k8s.io/v1``.
"""

from __future__ import annotations

import json

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.cluster.containers import Container
from jenkins_notary.errors import IntegrityError, NotaryError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Literal

    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.containers import Kind

    Action = Literal["deny", "warn"]

API_VERSION = "admission.k8s.io/v1"
BREAK_GLASS = "jenkins-notary/break-glass"
"""The annotation whose text is the reason why an object is let through."""

SYSTEM_NAMESPACES = ("kube-node-lease", "kube-public", "kube-system")
CONTROLLERS = ("system:kube-controller-manager", "system:serviceaccounts:kube-system")
"""The user and the group by which Kubernetes' own controllers make pods."""

MAX_IMAGES = 200
"""Images of one request that are judged; more are refused as one fault."""
MAX_WARNINGS = 10
MAX_WARNING = 240
MAX_REASON = 500
MAX_MESSAGE = 3000

_LISTS: Mapping[str, Kind] = {
    "containers": "regular",
    "initContainers": "init",
    "ephemeralContainers": "ephemeral",
}
_POD_PATHS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    **dict.fromkeys(
        (
            *("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController"),
            "StatefulSet",
        ),
        ("spec", "template", "spec"),
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the kinds that have containers hold them."""


class Policy(NamedTuple):
    """What is settled of admission; nothing is left to chance.

    Attributes:
        mode: What becomes of an image that is not TRUSTED.
        tags: What becomes of an image that is not named by digest.
        unavailable: What becomes of one that cannot be judged.
        excluded: Namespaces that are let through, by their exact names.
        break_glass: Groups, or users, that may let an object through.
        has_workloads: Whether workloads come here too.
    """

    mode: Action = "deny"
    tags: Action = "deny"
    unavailable: Action = "deny"
    excluded: frozenset[str] = frozenset(SYSTEM_NAMESPACES)
    break_glass: frozenset[str] = frozenset()
    has_workloads: bool = False


class Request(NamedTuple):
    """What of an AdmissionReview is looked at.

    Attributes:
        uid: The request's, which the answer repeats.
        operation: ``CREATE``, ``UPDATE``, ``DELETE`` or ``CONNECT``.
        kind: The object's kind.
        namespace: Where it is, or "".
        name: Its name, or the start of the one that it will get.
        user: Who asks.
        voices: The user and the user's groups.
        is_dry_run: Whether nothing may be written.
        new: The object.
        old: The object before, empty for none.
    """

    uid: str
    operation: str
    kind: str
    namespace: str
    name: str
    user: str
    voices: frozenset[str]
    is_dry_run: bool
    new: Mapping[str, Any]
    old: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Return which object it is, for people."""
        return printable(f"{self.kind} {self.namespace}/{self.name}")


class BreakGlass(NamedTuple):
    """That an object was let through, by whom and why.

    Attributes:
        request: What was asked for.
        reason: Why, in the words of whoever asks.
        judged: What would not have been let through.
        faults: Why not, a line each.
    """

    request: Request
    reason: str
    judged: tuple[Judged, ...]
    faults: tuple[str, ...]


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


def parse_review(data: bytes) -> Request:
    """Return the request of an AdmissionReview.

    Raises:
        UsageError: It is none.
    """
    try:
        review = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _no_review("something else") from error
    found = _mapping(review)
    request = _mapping(found.get("request"))
    uid = request.get("uid")
    if found.get("apiVersion") != API_VERSION or not isinstance(uid, str) or not uid:
        raise _no_review(str(found.get("apiVersion"))[:60])
    new, old = _mapping(request.get("object")), _mapping(request.get("oldObject"))
    metadata, user = _mapping(new.get("metadata")), _mapping(request.get("userInfo"))
    name = request.get("name") or metadata.get("name") or metadata.get("generateName")
    username, groups = user.get("username"), user.get("groups")
    listed = groups if isinstance(groups, list) else []
    return Request(
        uid,
        str(request.get("operation")),
        str(_mapping(request.get("kind")).get("kind")),
        str(request.get("namespace") or ""),
        str(name or ""),
        str(username or ""),
        frozenset(one for one in (username, *listed) if isinstance(one, str) and one),
        request.get("dryRun") is True,
        new,
        old,
    )


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
    is_going = bool(_mapping(request.old.get("metadata")).get("deletionTimestamp"))
    if (
        request.kind not in _POD_PATHS
        or request.operation not in {"CREATE", "UPDATE"}
        or request.namespace in policy.excluded
        or is_going
    ):
        return Decision("skipped")
    guard = _guard_annotation(request, policy)
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


def find_containers(request: Request) -> Iterator[Container]:
    """Yield the containers whose images the old object does not have.

    One without ``@sha256:`` has no digest; ``error`` says why.
    """
    path = _POD_PATHS[request.kind]
    known = {one.get("image") for _, one in _list_containers(request.old, path)}
    for kind, one in _list_containers(request.new, path):
        if one.get("image") not in known:
            yield _read_container(request, kind, one)


def _judge(
    request: Request,
    policy: Policy,
    judge: Callable[[Sequence[Container]], Sequence[Judged]],
) -> Decision:
    """Return what becomes of a request by its images alone."""
    # The same image in several containers is judged once.
    wanted = [*{one.image: one for one in find_containers(request)}.values()]
    named = [one for one in wanted if one.digest is not None]
    denied: list[str] = []
    warned: list[str] = []

    def add(action: Action, text: str) -> None:
        (denied if action == "deny" else warned).append(text)

    for one in wanted:
        if one.digest is None:
            add(policy.tags, f"{_name(one)}: {one.error}")
    judged: Sequence[Judged] = ()
    if len(named) > MAX_IMAGES:
        got = f"expected at most {MAX_IMAGES} images, got {len(named)}"
        add(policy.mode, f"{request.place}: {got}")
    elif named:
        try:
            judged = judge(named)
        except NotaryError as error:
            # An altered ledger is no outage: it is as bad as an untrusted image.
            is_altered = error.exit_code == IntegrityError.exit_code
            action = policy.mode if is_altered else policy.unavailable
            add(action, f"{request.place} cannot be judged: {error}")
    for known in judged:
        text = _fault(known)
        if text and known.exempt is not None:
            warned.append(f"{text}; exempt until {_describe_exemption(known)}")
        elif text:
            add(policy.mode, text)
    verdict = "denied" if denied else "warned" if warned else "allowed"
    return Decision(verdict, tuple(denied), tuple(warned), tuple(judged))


def _fault(judged: Judged) -> str | None:
    """Return what is wrong with a judged image, None for nothing."""
    status, verdict = judged.verdict.status, judged.verdict
    if status is Status.TRUSTED and verdict.error is None:
        return None
    why = verdict.error or verdict.reason
    where = f"{_name(judged.container)}: expected TRUSTED, got {status.name}"
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
    reason = _read_reason(request.new, _POD_PATHS[request.kind])
    if reason is None:
        return decision
    refused = _refuse_glass(request, policy, reason)
    if refused is None and record is None:
        refused = "nothing is set up to record it"
    if refused is None and record is not None and not request.is_dry_run:
        act = BreakGlass(request, reason, decision.judged, decision.faults)
        try:
            record(act)
        except NotaryError as error:
            refused = f"it cannot be recorded: {error}"
    if refused is not None:
        text = f"annotation {BREAK_GLASS} does not count: {refused}"
        return decision._replace(faults=(*decision.faults, text))
    told = f"let through by {BREAK_GLASS}, which is recorded: {printable(reason)}"
    return decision._replace(verdict="break-glass", warnings=(*decision.warnings, told))


def _refuse_glass(request: Request, policy: Policy, reason: str) -> str | None:
    """Return why an annotation does not count, None where it does."""
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        return f"expected a reason, one printable line of at most {MAX_REASON}"
    if not request.voices.isdisjoint(policy.break_glass):
        return None
    if not request.voices.isdisjoint(CONTROLLERS):
        if policy.has_workloads:
            return None
        return "a controller made the object, and workloads are not checked here"
    return f"{printable(request.user)} is of no group that may"


def _guard_annotation(request: Request, policy: Policy) -> str | None:
    """Return why a workload's annotation may not be written, None where it may.

    A controller's pods take it from the template; so it is checked where it is written.
    """
    if not policy.has_workloads or request.kind == "Pod":
        return None
    path = _POD_PATHS[request.kind]
    reason = _read_reason(request.new, path)
    if reason is None or reason == _read_reason(request.old, path):
        return None
    refused = _refuse_glass(request, policy, reason)
    return refused and f"annotation {BREAK_GLASS} may not be written: {refused}"


def _read_reason(value: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    """Return the annotation of an object, or of the pods that it describes."""
    own = value
    found = _read_annotation(own)
    for key in path[:-1]:
        own = _mapping(own.get(key))
        # The pods get the innermost one.
        found = _read_annotation(own) or found
    return found


def _read_annotation(value: Mapping[str, Any]) -> str | None:
    """Return the annotation in an object's own metadata."""
    annotations = _mapping(_mapping(value.get("metadata")).get("annotations"))
    found = annotations.get(BREAK_GLASS)
    return found if isinstance(found, str) else None


def _list_containers(
    value: Mapping[str, Any], path: tuple[str, ...]
) -> Iterable[tuple[Kind, Mapping[str, Any]]]:
    """Yield (kind, container) of all containers of an object."""
    spec = value
    for key in path:
        spec = _mapping(spec.get(key))
    for field, kind in _LISTS.items():
        listed = spec.get(field)
        for one in listed if isinstance(listed, list) else []:
            yield kind, _mapping(one)


def _read_container(
    request: Request, kind: Kind, value: Mapping[str, Any]
) -> Container:
    """Return a container that is to start."""
    image = value.get("image")
    text = image if isinstance(image, str) else ""
    digest, error = None, None
    try:
        digest = parse_reference(text).digest
    except UsageError as fault:
        error = str(fault)
    if digest is None and error is None:
        error = (
            f"image {printable(text)}: expected name@sha256:..., got a tag; "
            "name the digest that the push reported"
        )
    return Container(
        namespace=request.namespace,
        pod=request.name,
        uid="",
        name=str(value.get("name") or ""),
        kind=kind,
        image=text,
        image_id="",
        container_id="",
        digest=digest,
        error=error,
        node="",
        running=False,
    )


def _name(container: Container) -> str:
    """Return which container is meant, for people."""
    kind = "" if container.kind == "regular" else f"{container.kind} "
    name = printable(container.name, 80)
    digest = container.digest or ""
    return f"{kind}container {name} {digest[:19]}".rstrip()


def _cut_warnings(texts: Sequence[str]) -> list[str]:
    """Return warnings as HTTP headers take them: few, short, plain ASCII."""
    shown = [
        one.encode("ascii", "backslashreplace").decode()[:MAX_WARNING]
        for one in texts[:MAX_WARNINGS]
    ]
    if len(texts) > MAX_WARNINGS:
        shown.append(f"and {len(texts) - MAX_WARNINGS} more")
    return shown


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def _no_review(got: str) -> UsageError:
    """Return the failure of a body that is no review."""
    return UsageError("body", expected=f"an AdmissionReview of {API_VERSION}", got=got)

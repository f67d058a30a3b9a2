"""Tests for the admission webhook's answers: what is let through, and what is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.cluster.admission import (
    MAX_IMAGES,
    MAX_WARNING,
    MAX_WARNINGS,
    Decision,
    Policy,
    decide,
    format_review,
)
from jenkins_notary.cluster.board import Exemption, Judged, Verdict
from jenkins_notary.cluster.break_glass import BREAK_GLASS, BreakGlass, GlassRule
from jenkins_notary.cluster.review import find_containers, parse_review
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.cluster.containers import Container

GOOD, BAD, SPARED = (f"sha256:{one * 64}" for one in "abc")
APP = "registry.example.com/app"
EXEMPT = Exemption("ops", "vendor image", 1, "2027-01-01T00:00:00Z", "#7")
ONCALL = frozenset({"oncall"})
GLASS = Policy(glass=GlassRule(ONCALL))
GUARDED = Policy(glass=GlassRule(ONCALL, has_workloads=True))
REASON = {BREAK_GLASS: "INC-7: shop is down"}
CONTROLLER = "system:serviceaccounts:kube-system"
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
KEYS = [
    *("spec", "template", "jobTemplate", "metadata", "annotations", BREAK_GLASS),
    *("containers", "initContainers", "ephemeralContainers", "image", "name"),
]
STATUSES = {GOOD: Status.TRUSTED, BAD: Status.UNTRUSTED, SPARED: Status.UNSUPPORTED}


def judge(containers: Sequence[Container]) -> list[Judged]:
    """Say of each digest what it is known for."""
    return [
        Judged(
            container=one,
            verdict=make_verdict(STATUSES.get(str(one.digest), Status.UNKNOWN)),
            exempt=EXEMPT if one.digest == SPARED else None,
            stale=False,
            since_ms=0,
        )
        for one in containers
    ]


def make_verdict(status: Status) -> Verdict:
    """Return a verdict by a record."""
    reason = "record #9: leaked"
    return Verdict(status, 1, None, reason, None, None, None, 9, None, None)


def make_review(
    *images: str,
    kind: str = "Pod",
    old: Sequence[str] | None = None,
    annotations: Mapping[str, str] | None = None,
    groups: Sequence[str] = ("developers",),
    **facts: Any,  # noqa: ANN401 - of the request
) -> bytes:
    """Return the review of a pod with a container an image, or of what makes pods."""
    request = {
        "uid": "705ab4f5",
        "kind": {"group": "", "version": "v1", "kind": kind},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE" if old is None else "UPDATE",
        "userInfo": {"username": "dev-1", "groups": [*groups]},
        "object": make_object(images, kind, annotations),
        "oldObject": None if old is None else make_object(old, kind, None),
        **facts,
    }
    return wrap(request)


def wrap(request: Mapping[str, object]) -> bytes:
    """Return a review with a request."""
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps({**review, "request": request}).encode()


def make_object(
    images: Sequence[str], kind: str, annotations: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return a pod, or an object with its template."""
    listed = [{"name": f"c{n}", "image": one} for n, one in enumerate(images)]
    pod: dict[str, Any] = {
        "metadata": {"name": "web", "annotations": dict(annotations or {})},
        "spec": {"containers": listed},
    }
    if kind == "Pod":
        return pod
    if kind == "PodTemplate":
        return {"metadata": {"name": "web"}, "template": pod}
    spec: dict[str, Any] = {"template": pod}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    return {"metadata": {"name": "web"}, "spec": spec}


def ask(review: bytes, policy: Policy = GLASS, **further: Any) -> Decision:  # noqa: ANN401 - what decide takes
    """Return what becomes of a review."""
    arguments = {"judge": judge, "record": None, **further}
    return decide(parse_review(review), policy, **arguments)


def answer(review: bytes, policy: Policy = GLASS) -> dict[str, Any]:
    """Return the response to a review."""
    request = parse_review(review)
    found = format_review(request, decide(request, policy, judge, None))
    response: dict[str, Any] = found["response"]
    return response


def test_trusted_image_is_let_through_without_a_word() -> None:
    found = answer(make_review(f"{APP}@{GOOD}"))

    assert found == {
        "uid": "705ab4f5",
        "allowed": True,
        "auditAnnotations": {"verdict": "allowed"},
    }


@pytest.mark.parametrize("digest", [BAD, "sha256:" + "d" * 64], ids=["bad", "unknown"])
def test_any_other_status_is_denied_with_the_reason(digest: str) -> None:
    found = answer(make_review(f"{APP}@{GOOD}", f"{APP}@{digest}"))

    assert found["allowed"] is False
    assert found["status"]["code"] == 403
    assert "container c1 " + digest[:19] in found["status"]["message"]
    assert "expected TRUSTED, got UN" in found["status"]["message"]
    assert "record #9: leaked" in found["status"]["message"]


def test_mode_warn_lets_it_through_with_a_warning() -> None:
    found = answer(make_review(f"{APP}@{BAD}"), Policy(mode="warn"))

    assert found["allowed"] is True
    assert found["auditAnnotations"]["verdict"] == "warned"
    assert "got UNTRUSTED" in found["warnings"][0]


@pytest.mark.parametrize(
    "kind", ["containers", "initContainers", "ephemeralContainers"]
)
def test_containers_of_every_kind_are_judged(kind: str) -> None:
    review = json.loads(make_review(f"{APP}@{GOOD}"))
    spec = review["request"]["object"]["spec"]
    spec[kind] = [{"name": "extra", "image": f"{APP}@{BAD}"}]

    assert ask(json.dumps(review).encode()).verdict == "denied"


@pytest.mark.parametrize(
    "kind",
    [
        *("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "PodTemplate"),
        *("ReplicaSet", "ReplicationController", "StatefulSet"),
    ],
)
def test_everything_that_makes_pods_is_judged(kind: str) -> None:
    assert ask(make_review(f"{APP}@{BAD}", kind=kind)).verdict == "denied"
    assert ask(make_review(f"{APP}@{GOOD}", kind=kind)).verdict == "allowed"


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (f"{APP}:1.2", "got a tag"),
        ("app", "got a tag"),
        ("", "expected"),
        (f"{APP}@sha512:{'a' * 128}", "sha256:<64 hex digits>"),
        (f"{APP}@{GOOD.upper()}", "sha256:<64 hex digits>"),
        (f"{APP}@{GOOD}@{GOOD}", "sha256:<64 hex digits>"),
        (f"{APP}@{GOOD} ", "sha256:<64 hex digits>"),
    ],
)
def test_what_is_not_named_by_digest_follows_a_setting_of_its_own(
    image: str, told: str
) -> None:
    asked: list[object] = []
    review = make_review(image)
    denied = ask(review, Policy(mode="warn"), judge=asked.append)
    warned = ask(review, Policy(tags="warn"), judge=asked.append)

    assert denied.verdict == "denied"
    assert told in denied.faults[0]
    assert warned.verdict == "warned"
    assert not asked


def test_tag_beside_a_digest_does_not_count() -> None:
    assert ask(make_review(f"{APP}:1.2@{GOOD}")).verdict == "allowed"


def test_update_judges_only_what_the_old_object_does_not_have() -> None:
    kept = make_review(f"{APP}@{BAD}", old=[f"{APP}@{BAD}"])
    new = make_review(f"{APP}@{GOOD}", f"{APP}@{BAD}", old=[f"{APP}@{GOOD}"])

    assert ask(kept).verdict == "allowed"
    assert ask(new).verdict == "denied"


@pytest.mark.parametrize(
    "facts",
    [
        {"operation": "DELETE"},
        {"operation": "CONNECT"},
        {"namespace": "kube-system"},
        {"kind": {"kind": "ConfigMap"}},
        {"operation": "UPDATE", "oldObject": {"metadata": GOING}},
    ],
    ids=["delete", "connect", "system", "config", "going"],
)
def test_what_starts_nothing_or_is_excluded_is_skipped(facts: dict[str, Any]) -> None:
    assert ask(make_review(f"{APP}@{BAD}", **facts)).verdict == "skipped"


@pytest.mark.parametrize(
    "namespace", ["kube-system-2", "my-kube-system", "Kube-System"]
)
def test_namespaces_are_excluded_by_their_exact_names(namespace: str) -> None:
    assert ask(make_review(f"{APP}@{BAD}", namespace=namespace)).verdict == "denied"


def test_what_an_administrator_exempted_is_let_through_with_a_warning() -> None:
    found = answer(make_review(f"{APP}@{SPARED}"))

    assert found["allowed"] is True
    assert "exempt until 2027-01-01T00:00:00Z by ops" in found["warnings"][0]


def fail_with(error: NotaryError) -> Any:  # noqa: ANN401 - a judge
    """Return a judge that fails."""

    def fail(_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "policy", "verdict"),
    [
        (UnavailableError("ledger"), Policy(), "denied"),
        (UnavailableError("ledger"), Policy(unavailable="warn"), "warned"),
        (UnavailableError("ledger"), Policy(mode="warn"), "denied"),
        (PermissionDeniedError("token"), Policy(unavailable="warn"), "warned"),
        (IntegrityError("ledger"), Policy(unavailable="warn"), "denied"),
        (IntegrityError("ledger"), Policy(mode="warn"), "warned"),
    ],
)
def test_what_cannot_be_judged_follows_a_setting_of_its_own(
    error: NotaryError, policy: Policy, verdict: str
) -> None:
    found = ask(make_review(f"{APP}@{GOOD}"), policy, judge=fail_with(error))

    assert found.verdict == verdict
    assert "Pod shop/web cannot be judged" in str((*found.faults, *found.warnings))


def test_an_error_of_a_verdict_is_told_in_place_of_its_reason() -> None:
    def tell(containers: Sequence[Container]) -> list[Judged]:
        verdict = Verdict.unknown("signature is bad")
        return [one._replace(verdict=verdict) for one in judge(containers)]

    assert "signature is bad" in ask(make_review(f"{APP}@{GOOD}"), judge=tell).faults[0]


def test_too_many_images_are_one_fault_and_are_not_judged() -> None:
    images = [f"{APP}-{number}@{GOOD}" for number in range(MAX_IMAGES + 1)]
    found = ask(make_review(*images))

    assert found.verdict == "denied"
    assert f"at most {MAX_IMAGES} images" in found.faults[0]
    assert ask(make_review(*images[1:])).verdict == "allowed"


def test_an_image_of_several_containers_is_judged_once() -> None:
    found = ask(make_review(f"{APP}@{GOOD}", f"{APP}@{GOOD}"))

    assert len(found.judged) == 1


class TestBreakGlass:
    """An annotation that lets an object through."""

    def test_is_recorded_before_the_object_is_let_through(self) -> None:
        acts: list[BreakGlass] = []
        review = make_review(f"{APP}@{BAD}", annotations=REASON, groups=["oncall"])
        found = ask(review, record=acts.append)

        assert found.verdict == "break-glass"
        assert found.is_allowed
        assert "INC-7" in found.warnings[0]
        response = format_review(acts[0].request, found)["response"]
        assert response["allowed"]
        assert "got UNTRUSTED" in response["auditAnnotations"]["faults"]
        assert acts[0].reason == "INC-7: shop is down"
        assert acts[0].request.user == "dev-1"
        assert acts[0].judged[0].container.digest == BAD
        assert "got UNTRUSTED" in acts[0].faults[0]

    def test_leaves_what_is_trusted_alone(self) -> None:
        acts: list[BreakGlass] = []
        review = make_review(f"{APP}@{GOOD}", annotations=REASON, groups=["oncall"])

        assert ask(review, record=acts.append).verdict == "allowed"
        assert not acts

    def test_counts_by_the_name_of_a_user_too(self) -> None:
        review = make_review(f"{APP}@{BAD}", annotations=REASON)
        policy = Policy(glass=GlassRule(frozenset({"dev-1"})))

        assert ask(review, policy, record=lambda _: None).is_allowed

    @pytest.mark.parametrize(
        ("reason", "groups", "told"),
        [
            ("down", ["developers"], "dev-1 is of no group that may"),
            ("down", [CONTROLLER], "workloads are not checked here"),
            (" ", ["oncall"], "expected a reason"),
            ("a\nb", ["oncall"], "expected a reason"),
            ("x" * 501, ["oncall"], "expected a reason"),
        ],
    )
    def test_of_others_or_without_a_reason_does_not_count(
        self, reason: str, groups: list[str], told: str
    ) -> None:
        acts: list[BreakGlass] = []
        review = make_review(
            f"{APP}@{BAD}", annotations={BREAK_GLASS: reason}, groups=groups
        )
        found = ask(review, record=acts.append)

        assert found.verdict == "denied"
        assert told in found.faults[-1]
        assert not acts

    def test_that_cannot_be_recorded_does_not_count(self) -> None:
        review = make_review(f"{APP}@{BAD}", annotations=REASON, groups=["oncall"])
        failed = ask(review, record=fail_with(StorageError("spool", got="full")))

        assert failed.verdict == "denied"
        assert "cannot be recorded: spool" in failed.faults[-1]
        assert "nothing is set up to record it" in ask(review).faults[-1]

    def test_of_a_dry_run_records_nothing(self) -> None:
        acts: list[BreakGlass] = []
        review = make_review(
            f"{APP}@{BAD}", annotations=REASON, groups=["oncall"], dryRun=True
        )

        assert ask(review, record=acts.append).is_allowed
        assert not acts

    def test_of_a_template_counts_for_a_controller_where_workloads_are_checked(
        self,
    ) -> None:
        pod = make_review(f"{APP}@{BAD}", annotations=REASON, groups=[CONTROLLER])
        template = make_review(f"{APP}@{GOOD}", kind="Deployment", annotations=REASON)
        oncall = make_review(
            f"{APP}@{BAD}", kind="Deployment", annotations=REASON, groups=["oncall"]
        )

        assert ask(pod, GUARDED, record=lambda _: None).is_allowed
        assert not ask(template, GUARDED, record=lambda _: None).is_allowed
        assert "may not be written" in ask(template, GUARDED).faults[0]
        assert ask(oncall, GUARDED, record=lambda _: None).is_allowed

    def test_of_a_template_that_stays_as_it_was_may_stay(self) -> None:
        review = json.loads(
            make_review(f"{APP}@{GOOD}", kind="Deployment", annotations=REASON)
        )
        request = review["request"]
        request["operation"], request["oldObject"] = "UPDATE", request["object"]

        assert ask(json.dumps(review).encode(), GUARDED).verdict == "allowed"

    def test_may_not_be_moved_from_an_object_into_its_template(self) -> None:
        review = json.loads(make_review(f"{APP}@{GOOD}", kind="Deployment"))
        request = review["request"]
        request["operation"] = "UPDATE"
        request["oldObject"] = json.loads(json.dumps(request["object"]))
        request["oldObject"]["metadata"] = {"annotations": REASON}
        request["object"]["metadata"] = {"annotations": REASON}
        assert ask(json.dumps(review).encode(), GUARDED).verdict == "allowed"
        request["object"]["spec"]["template"]["metadata"] = {"annotations": REASON}

        found = ask(json.dumps(review).encode(), GUARDED)

        assert found.verdict == "denied"
        assert "may not be written" in found.faults[0]

    def test_in_a_template_is_only_warned_of_where_nothing_is_denied(self) -> None:
        policy = GUARDED._replace(mode="warn", tags="warn", unavailable="warn")
        review = make_review(f"{APP}@{GOOD}", kind="Job", annotations=REASON)

        assert ask(review, policy).verdict == "warned"


def test_answer_is_plain_short_and_bounded_whatever_the_names_are() -> None:
    hostile = "r.example/\x1b[2J\u202e\n" + "\u00e9" * 500
    found = answer(
        make_review(*[f"{hostile}{n}" for n in range(30)]), Policy("warn", "warn")
    )
    denied = answer(make_review(hostile, name="a\nWarning: b"))

    assert len(found["warnings"]) == MAX_WARNINGS + 1
    assert found["warnings"][-1] == "and 20 more"
    for one in found["warnings"]:
        assert one.isascii()
        assert one.isprintable()
        assert len(one) <= MAX_WARNING
    assert denied["status"]["message"].isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        wrap({"uid": ""}),
        wrap({"uid": 7}),
        make_review().replace(b"k8s.io/v1", b"k8s.io/v1beta1"),
    ],
)
def test_what_is_no_review_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"AdmissionReview of admission.k8s.io/v1"):
        parse_review(data)


@pytest.mark.parametrize(
    "facts",
    [
        {"object": None},
        {"object": []},
        {"object": {"spec": []}},
        {"object": {"spec": {"containers": {}}}},
        {"userInfo": {"groups": "oncall"}},
        {"kind": None},
    ],
)
def test_review_of_another_shape_breaks_nothing(facts: dict[str, Any]) -> None:
    request = parse_review(make_review(**facts))

    assert ask(make_review(**facts)).verdict in {"allowed", "skipped"}
    assert request.voices <= {"dev-1", "developers"}


def test_container_that_is_no_object_is_refused_as_one_without_a_digest() -> None:
    review = make_review(object={"spec": {"containers": [7, {"image": 7}]}})
    found = [*find_containers(parse_review(review))]

    assert [one.digest for one in found] == [None, None]
    assert ask(review).verdict == "denied"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner)
    ),
    max_leaves=12,
)


@given(JSON, JSON, st.sampled_from(["Pod", "Deployment", "CronJob", "PodTemplate"]))
def test_whatever_the_objects_are_an_answer_is_made(
    new: object, old: object, kind: str
) -> None:
    review = make_review(kind=kind, operation="UPDATE", object=new, oldObject=old)
    request = parse_review(review)
    found = format_review(request, decide(request, GUARDED, judge, None))
    response = found["response"]

    assert response["uid"] == "705ab4f5"
    assert response["allowed"] is not ("status" in response)
    assert all(
        one.isascii() and one.isprintable() for one in response.get("warnings", ())
    )


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (f"{APP}@{BAD}", "volume tools sha256:bbbbbbbbbbbb: expected TRUSTED"),
        (f"{APP}:1", "volume tools: image"),
        (["odd"], "volume tools: image reference"),
    ],
)
def test_a_volume_that_is_an_image_is_judged(reference: object, told: str) -> None:
    review = json.loads(make_review(f"{APP}@{GOOD}"))
    volume = {"name": "tools", "image": {"reference": reference}}
    review["request"]["object"]["spec"]["volumes"] = [volume, {"name": "x"}]

    found = ask(json.dumps(review).encode())

    assert found.verdict == "denied"
    assert found.faults[0].startswith(told)

"""Answer an API server whether what is to start may: ``kube admission``."""

from __future__ import annotations

import sys
import threading
import time

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.listening import add_listening, read_place
from jenkins_notary.cli.options import (
    add_all,
    add_key,
    add_ledger,
    add_registry,
    add_rule,
    add_service,
    add_spool,
)
from jenkins_notary.errors import NotaryError, UnavailableError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.cluster.admission import Action, Decision, Policy
    from jenkins_notary.cluster.glass_record import GlassRecorder
    from jenkins_notary.cluster.ledger_judge import LedgerJudge
    from jenkins_notary.cluster.review import Request
    from jenkins_notary.cluster.webhook import Webhook

PORT = 9443
BUDGET_MS = 2000
MAX_BUDGET_MS = 25_000
MAX_STALE_S = 3600
TIMEOUT_S = 3
"""Seconds that a service may take: the API server waits for 10 in all."""
DELIVER_S = 10


def declare(parser: Parser) -> None:
    """Add the options of ``kube admission``."""
    add_listening(parser, PORT)
    parser.option(
        "--client-ca",
        "authorities of the API server's own certificate, a PEM file; without, "
        "anybody who reaches the port may ask",
        metavar="FILE",
    )
    for name, what in (
        ("mode", "what is not TRUSTED"),
        ("tags", "an image that is not named by digest"),
        ("unavailable", "what cannot be judged"),
    ):
        text = f"what becomes of {what}; else deny"
        parser.option(f"--{name}", text, key=f"admission-{name}")
    parser.option(
        "--exclude-namespace", "let through, by its exact name", metavar="NAME"
    )
    parser.option(
        "--budget", f"milliseconds to judge in; else {BUDGET_MS}", metavar="N"
    )
    parser.option(
        "--max-stale",
        f"seconds that a last word holds without the ledger; else {MAX_STALE_S}",
        metavar="N",
    )
    parser.option(
        "--break-glass",
        "a group, or user, whose annotation lets an object through",
        metavar="GROUP",
    )
    parser.option("--workloads", "workloads come here too, not only pods")
    parser.option("--cluster", "the cluster's name in records", metavar="NAME")
    parser.option(
        "--interval",
        f"seconds between two deliveries of the spool; else {DELIVER_S}",
        metavar="N",
    )
    parser.option("--settings", "whose word counts, and exemptions", metavar="FILE")
    add_all(parser, add_rule, add_ledger, add_service, add_spool, add_key, add_registry)


def run(context: Context) -> int:
    """Serve until told to stop."""
    from jenkins_notary.cli.kube import check_extra

    check_extra("kube admission")
    from jenkins_notary.serving import listen
    from jenkins_notary.serving.place import format_address

    context.required("tls-cert")
    context.required("tls-key")
    place = read_place(context, PORT)
    context.assume("timeout", TIMEOUT_S)
    policy, judge = read_policy(context), _open_judge(context)
    webhook = _make_webhook(context, policy, judge)
    listener = listen.bind(place.host, place.port)
    address = format_address(place.host, listener.getsockname()[1], is_tls=True)
    with listener:
        judge.start()
        try:
            listen.run(
                webhook.app,
                listener,
                certificate=place.certificate,
                on_ready=lambda: context.output.notice(f"serving {address}"),
                notify=context.output.notice,
                client_ca=context.text("client-ca"),
            )
        finally:
            judge.stop()
    return 0


def read_policy(context: Context) -> Policy:
    """Return what is settled of admission."""
    from jenkins_notary.cluster.admission import SYSTEM_NAMESPACES, Policy
    from jenkins_notary.cluster.break_glass import GlassRule

    def action_of(name: str) -> Action:
        return "warn" if context.text(f"admission-{name}") == "warn" else "deny"

    return Policy(
        action_of("mode"),
        action_of("tags"),
        action_of("unavailable"),
        excluded=frozenset((*SYSTEM_NAMESPACES, *context.texts("exclude-namespace"))),
        glass=GlassRule(
            frozenset(context.texts("break-glass")),
            has_workloads=context.flag("workloads"),
        ),
    )


def _open_judge(context: Context) -> LedgerJudge:
    """Return what judges."""
    from jenkins_notary.cli.kube import open_source, read_settings
    from jenkins_notary.cluster.ledger_judge import LedgerJudge

    settings = read_settings(context)
    stale_s = context.integer("max-stale", MAX_STALE_S)
    if stale_s < 0:
        raise UsageError("--max-stale", expected="at least 0", got=str(stale_s))
    return LedgerJudge(
        settings,
        lambda wake: open_source(context, settings, wake),
        max_stale_s=float(stale_s),
    )


def _make_webhook(context: Context, policy: Policy, judge: LedgerJudge) -> Webhook:
    """Return what answers."""
    from jenkins_notary.cluster.webhook import Webhook
    from jenkins_notary.serving.metrics import Metrics

    budget_ms = context.integer("budget", BUDGET_MS)
    if not 0 < budget_ms <= MAX_BUDGET_MS:
        expected = f"1 to {MAX_BUDGET_MS} ms"
        raise UsageError("--budget", expected=expected, got=str(budget_ms))
    lock = threading.Lock()

    def tell(request: Request, decision: Decision, seconds: float) -> None:
        if decision.verdict != "skipped":
            with lock:
                _write_line(describe_decision(request, decision, seconds))

    return Webhook(
        policy,
        judge.judge,
        budget_s=budget_ms / 1000,
        metrics=Metrics(),
        record=_open_recorder(context) if policy.glass.voices else None,
        tell=tell,
        is_ready=lambda: judge.is_ready,
        needs_client=context.text("client-ca") is not None,
    )


def _open_recorder(context: Context) -> GlassRecorder:
    """Return what records that glass was broken; what waits is delivered meanwhile."""
    from jenkins_notary.cluster.glass_record import GlassRecorder

    if context.is_remote and context.text("spool") is not None:
        threading.Thread(target=_deliver, args=(context,), daemon=True).start()
    return GlassRecorder(context.client, context.required("cluster"))


def _deliver(context: Context) -> None:
    """Deliver what the spool keeps, for ever."""
    from jenkins_notary.remote.notary import RemoteNotary

    while True:
        time.sleep(max(1, context.integer("interval", DELIVER_S)))
        notary = context.client()
        assert isinstance(notary, RemoteNotary)  # noqa: S101 - the caller has looked
        try:
            for one in notary.open_keeper().deliver():
                if one.error is not None:
                    context.output.notice(f"set aside: {one.error}")
        except UnavailableError:
            continue
        except NotaryError as error:
            context.output.notice(f"not delivered: {error}")


def describe_decision(
    request: Request, decision: Decision, seconds: float
) -> Mapping[str, Any]:
    """Return the line of the log that tells a decision."""
    from jenkins_notary.cluster.board import now_ms
    from jenkins_notary.ledger.author import format_time

    is_good = decision.verdict == "allowed"
    return {
        "at": format_time(now_ms()),
        "level": "info" if is_good else "warning",
        "event": "admission",
        "verdict": decision.verdict,
        "uid": request.uid,
        "operation": request.operation,
        "kind": request.kind,
        "namespace": request.namespace,
        "name": request.name,
        # Who asks is a person: told only where that person took something upon himself.
        "user": request.user if decision.verdict == "break-glass" else None,
        "faults": [*decision.faults, *decision.warnings],
        "images": [
            {
                "image": one.container.image,
                "hash": one.container.digest,
                "status": one.verdict.status.name,
                "record": one.verdict.index,
                "stale": one.stale,
            }
            for one in decision.judged
        ],
        "seconds": round(seconds, 4),
    }


def _write_line(value: Mapping[str, Any]) -> None:
    """Write a line of the log to standard output, in ASCII."""
    import json

    data = json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


COMMANDS = {
    "kube admission": Command(
        declare,
        run,
        """
kube admission --tls-cert tls.crt --tls-key tls.key --mode warn --tags warn
kube admission --tls-cert tls.crt --tls-key tls.key --settings settings.yaml
kube admission --tls-cert a.crt --tls-key a.key --break-glass oncall --cluster prod
""",
        "Serves a validating webhook at /validate. Judged is each image that a pod or\n"
        "workload brings, by name@sha256:... alone; a tag is never resolved. Let\n"
        "through are TRUSTED and exempt images, and namespaces that are excluded by\n"
        "their exact names; those of the system always are. Needs no right in the\n"
        "cluster, and a token of the role reader; to record broken glass, writer for\n"
        "the folder kubernetes. Standard output has a line of JSON for each decision.\n"
        "A renewed certificate is taken up by itself.",
        "0 stopped as told",
    )
}

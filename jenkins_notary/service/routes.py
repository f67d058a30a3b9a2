"""List every route: its path, who may ask, what answers.

A path that is not here does not exist, and none but the two health checks and the way
in answers anybody who is not known.
"""

from __future__ import annotations

from jenkins_notary.service.access.rules import (
    ATTACH,
    AUDIT,
    COLLECT,
    EVIDENCE,
    IMPORT,
    JUDGE,
    OUTBOX,
    RECORD,
)
from jenkins_notary.service.answers import handlers, listings
from jenkins_notary.service.answers.about import show_about
from jenkins_notary.service.answers.importing import (
    parse_imports,
    show_progress,
    take_imports,
)
from jenkins_notary.service.answers.log_files import show_envelopes, show_packed
from jenkins_notary.service.answers.logs import find_log
from jenkins_notary.service.answers.packs import give_pack
from jenkins_notary.service.answers.trust import show_trust
from jenkins_notary.service.builds.coverage import show_coverage
from jenkins_notary.service.builds.deliveries import parse_delivery
from jenkins_notary.service.http.asks import parse_object
from jenkins_notary.service.monitoring.measures import show_metrics
from jenkins_notary.service.pages import jobs as page_jobs
from jenkins_notary.service.pages import site as pages
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jenkins_notary.service.answers.handlers import Call
    from jenkins_notary.serving.replies import Reply

API = "/api/v1"
WRITE, READ, LONG, PROVE = "write", "read", "long", "prove"
"""Lanes: threads are kept apart, so that what takes long holds up nothing else."""

RECORDS, UPLOAD, DOWNLOAD, TILES, HEALTH, DESCRIBE, OPEN, STATIC, EVENTS = (
    "records",
    "upload",
    "download",
    "tiles",
    "health",
    "describe",
    "open",
    "static",
    "events",
)
"""What the application does itself; ``open`` is where people come in."""


class Route(NamedTuple):
    """One route.

    Attributes:
        method: The HTTP method.
        path: Its path; ``{name}`` varies.
        right: What a token needs, or None for any token.
        summary: One line.
        lane: Which threads do the work; or what the application does itself.
        handler: What answers, or None for what the application does itself.
        limit: Bytes of the request's body.
        parse: Makes a JSON object of the body.
        is_page: Whether it answers with a page, for people.
    """

    method: str
    path: str
    right: str | None
    summary: str
    lane: str
    handler: Callable[[Call], dict[str, Any] | bytes | Reply] | None = None
    limit: int = 0
    parse: Callable[[bytes, int], dict[str, Any]] = parse_object
    is_page: bool = False


_MIB = 1 << 20
ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{API}/records",
        RECORD,
        "Record claims, or records that the client has signed.",
        RECORDS,
        None,
        32 * _MIB,
    ),
    Route(
        "GET",
        f"{API}/records/{{index}}",
        EVIDENCE,
        "Show a record with receipt and envelope.",
        READ,
        handlers.show,
    ),
    Route(
        "GET",
        f"{API}/records/{{index}}/receipt",
        EVIDENCE,
        "Return a record's receipt, a C2SP tlog-proof.",
        READ,
        handlers.show_receipt,
    ),
    Route(
        "GET",
        f"{API}/records/{{index}}/envelope",
        EVIDENCE,
        "Return what was signed, a DSSE envelope.",
        READ,
        listings.envelope,
    ),
    Route(
        "PUT",
        f"{API}/blobs/sha256:{{sha256}}",
        ATTACH,
        "Store a body, before the record that names it.",
        UPLOAD,
    ),
    Route(
        "GET",
        f"{API}/blobs/sha256:{{sha256}}",
        EVIDENCE,
        "Return a body that a record attaches, proven.",
        DOWNLOAD,
    ),
    Route(
        "POST",
        f"{API}/attachments",
        ATTACH,
        "Record a body as evidence of a job or of digests.",
        WRITE,
        handlers.attach,
        _MIB,
    ),
    Route(
        "POST",
        f"{API}/sessions",
        RECORD,
        "Begin a session of a build that runs, which then proves which one it is.",
        PROVE,
        handlers.open_session,
        _MIB,
    ),
    Route(
        "POST",
        f"{API}/verdicts",
        JUDGE,
        "Say what the ledger holds of assets.",
        READ,
        handlers.judge,
        8 * _MIB,
    ),
    Route(
        "POST",
        f"{API}/gate",
        JUDGE,
        "Allow or deny assets by a policy.",
        READ,
        handlers.gate,
        8 * _MIB,
    ),
    Route(
        "GET",
        f"{API}/pack",
        EVIDENCE,
        "Return the evidence of a build, a release or a period as one archive.",
        LONG,
        give_pack,
    ),
    Route(
        "GET",
        f"{API}/evidence",
        EVIDENCE,
        "Find records by job, digest, commit, signer or time.",
        READ,
        handlers.evidence,
    ),
    Route(
        "GET",
        f"{API}/logs",
        EVIDENCE,
        "Find a build's log, with what proves it.",
        READ,
        find_log,
    ),
    Route(
        "GET",
        f"{API}/trust",
        EVIDENCE,
        "List the signers and the orgs.",
        READ,
        show_trust,
    ),
    Route(
        "GET",
        f"{API}/about",
        None,
        "Say which version serves, and whom.",
        READ,
        show_about,
    ),
    Route(
        "GET",
        f"{API}/jobs",
        EVIDENCE,
        "List the jobs below a folder.",
        READ,
        listings.jobs,
    ),
    Route(
        "GET",
        f"{API}/log",
        EVIDENCE,
        "Return the text of a build's log, or some of its lines, proven.",
        LONG,
        listings.log_text,
    ),
    Route(
        "POST",
        f"{API}/collect",
        COLLECT,
        "Have a build recorded as its controller shows it.",
        LONG,
        handlers.collect,
        _MIB,
    ),
    Route(
        "POST",
        f"{API}/outbox",
        OUTBOX,
        "Record the events of a controller's outbox.",
        LONG,
        handlers.deliver,
        32 * _MIB,
        parse_delivery,
    ),
    Route(
        "GET",
        f"{API}/coverage",
        EVIDENCE,
        "Say which builds of its folders are on record and which are not.",
        READ,
        show_coverage,
    ),
    Route(
        "GET",
        f"{API}/status",
        None,
        "Say where the ledger stands.",
        READ,
        handlers.status,
    ),
    Route(
        "GET",
        f"{API}/proofs",
        AUDIT,
        "Prove that a record is in the log, or that the log only grew.",
        READ,
        handlers.prove,
    ),
    Route(
        "GET",
        f"{API}/witnesses",
        AUDIT,
        "Say who witnesses the log, and what they signed last.",
        READ,
        handlers.show_witnesses,
    ),
    Route(
        "POST",
        f"{API}/envelopes",
        AUDIT,
        "Return envelopes by digest, to check the whole log.",
        READ,
        show_envelopes,
        64 << 10,
    ),
    Route(
        "GET",
        f"{API}/packed",
        AUDIT,
        "Return records of a range, packed for a slow link.",
        READ,
        show_packed,
    ),
    Route(
        "GET",
        f"{API}/imports",
        IMPORT,
        "Say how far another log was imported.",
        READ,
        show_progress,
    ),
    Route(
        "POST",
        f"{API}/imports",
        IMPORT,
        "Take over the next records of another log.",
        LONG,
        take_imports,
        8 * _MIB,
        parse_imports,
    ),
    Route("GET", f"{API}/openapi.json", None, "Describe these routes.", DESCRIBE),
    Route("GET", "/checkpoint", AUDIT, "Return the log's signed checkpoint.", TILES),
    Route("GET", "/tile/{rest:path}", AUDIT, "Return a tile of the log.", TILES),
    Route(
        "GET",
        "/trust/tile/{rest:path}",
        AUDIT,
        "Return a tile of the trust log.",
        TILES,
    ),
    Route(
        "GET",
        f"{API}/events",
        EVIDENCE,
        "Send new records as they come.",
        EVENTS,
    ),
    Route(
        "GET",
        "/metrics",
        AUDIT,
        "Return the service's figures for Prometheus.",
        READ,
        show_metrics,
    ),
    Route("GET", "/login", None, "Show the form to log in.", OPEN),
    Route("POST", "/login", None, "Log in with a token.", OPEN, None, 8 << 10),
    Route("GET", "/login/oidc", None, "Log in at the OpenID provider.", OPEN),
    Route("GET", "/login/oidc/callback", None, "Come back from there.", OPEN),
    Route("POST", "/logout", None, "Log out.", OPEN, None, 8 << 10),
    Route("GET", "/healthz", None, "Say that the process lives.", HEALTH),
    Route("GET", "/readyz", None, "Say whether requests can be served.", HEALTH),
    *(
        Route("GET", path, EVIDENCE, summary, lane, handler, is_page=True)
        for path, summary, lane, handler in (
            ("/", "Search.", READ, pages.home),
            ("/search", "Find what some words mean.", READ, pages.search),
            ("/jobs", "List all jobs.", READ, page_jobs.list_all_jobs),
            ("/jobs/{rest:path}", "Show a build or job.", LONG, page_jobs.show_job),
            ("/digests/sha256:{sha256}", "Show a digest.", READ, pages.show_digest),
            ("/records/{index}", "Show a record.", READ, pages.show_one_record),
            ("/ledger", "Show the ledger.", READ, pages.show_ledger),
            ("/coverage", "Show what is not on record.", READ, pages.show_coverage),
            ("/audit", "Show the audits.", READ, pages.show_audits),
        )
    ),
    Route("GET", "/static/{name}", None, "Return a file of the pages.", STATIC),
)

"""Answer each request: what a route does, in a thread of its own.

A handler gets a :class:`Call`, whose token has the route's right, and checks the rest:
whose job it is, which records may be seen. It returns JSON, or raises a
``NotaryError``, which the application turns into a status.

Source: docs/formats/service-api.md.
"""

from __future__ import annotations

from base64 import b64encode

from jenkins_notary.api.authenticate import authenticate_assets
from jenkins_notary.api.claims import author_of
from jenkins_notary.api.evidence import search_records, show_record
from jenkins_notary.api.gate import gate_assets
from jenkins_notary.api.ledgers.maintenance import describe_ledger
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.evidence.build_view import describe_build
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.pages.links import Links
from jenkins_notary.service.access.rules import check_job
from jenkins_notary.service.access.scopes import is_within
from jenkins_notary.service.http.asks import (
    parse_assets,
    parse_number,
    parse_query,
    parse_rule,
    required_text,
    text_of,
)
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.proofs import consistency_proof, inclusion_proof
from jenkins_notary.tlog.tiles import TileHashReader
from jenkins_notary.values.body import format_body
from jenkins_notary.values.claim import check_label
from jenkins_notary.values.digest import digest_hex, is_hex_digest, parse_digest
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.ports import LogName
    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.builds.sessions import ProvenBuild
    from jenkins_notary.service.http.uploads import Uploads
    from jenkins_notary.service.running import Running
    from jenkins_notary.service.session import ServiceSession
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.body import Body

MAX_RECORDS = 100
"""Claims or envelopes of one request."""

MAX_LOOKED_AT = 5000
"""Records that one page of a search reads."""

MAX_DIGESTS = 499
MAX_ID_TOKEN = 16 << 10


class Call(NamedTuple):
    """One request, with what it needs.

    Attributes:
        session: The ledger.
        who: Who asks.
        uploads: Bodies that were sent before.
        service: The service that runs.
        value: The body's JSON object; empty where there is none.
        query: The query's parameters.
        path: The parts of the path that vary.
        build: The build that has proved that it asks, or None.
        root: The path below which the service lies, "" for the root.
        has_login: Whether a cookie says who asks.
    """

    session: ServiceSession
    who: Principal
    uploads: Uploads
    service: Running
    value: Mapping[str, Any]
    query: Mapping[str, str]
    path: Mapping[str, str]
    build: ProvenBuild | None = None
    root: str = ""
    has_login: bool = False

    @property
    def link(self) -> Links:
        """Return the addresses of the service's pages."""
        return Links(self.root)


def attach(call: Call) -> dict[str, Any]:
    """Record a body that was sent before as evidence of a job or of digests."""
    value, session = call.value, call.session
    one = value.get("attachment")
    if not isinstance(one, dict) or not isinstance(one.get("body"), dict):
        raise UsageError("attachment", expected="name, label, mime and body")
    body = _find_body(call, one["body"])
    name, mime = required_text(one, "name"), required_text(one, "mime", 200)
    if not mime.isprintable():
        raise UsageError("mime", expected="printable text")
    digests = value.get("digests") or []
    if not isinstance(digests, list) or len(digests) > MAX_DIGESTS:
        raise UsageError("digests", expected=f"a list of at most {MAX_DIGESTS}")
    about = [parse_digest(given) for given in digests if isinstance(given, str)]
    if len(about) != len(digests):
        raise UsageError("digests", expected="texts")
    sent = _parse_call(value)
    if sent.job is None and not about:
        raise UsageError("attachment", expected="a job or a digest", got="neither")
    if call.who.role == "writer" or sent.job is not None:
        check_job(call.who, None if sent.job is None else sent.job["id"])
    voice = call.service.voices.of_claim(session, call.who, sent, call.build)
    subjects = [Subject(name, body.sha256_hex)]
    subjects += [Subject(given, digest_hex(given)) for given in about]
    facts = {
        "job": voice.job,
        "name": name,
        "body": format_body(body),
        "label": check_label(text_of(one, "label", 1000)),
        "mime": mime,
        "submitter": call.who.describe(),
    }
    author = author_of(voice.signer, sent.record_id, sent.claimed_at)
    (index,) = session.append([author.sign("attachment", subjects, facts)])
    view = session.view()
    return {"records": [show_record(view, view.record(index)).to_dict()]}


def open_session(call: Call) -> dict[str, Any]:
    """Begin a session of a build, which then proves that it is this one."""
    named = within(call.who, required_text(call.value, "job", 4096))
    token = text_of(call.value, "idToken", MAX_ID_TOKEN)
    return call.service.sessions.open(call.session, call.who, named, id_token=token)


def judge(call: Call) -> dict[str, Any]:
    """Return the ledger's word on assets."""
    assets = parse_assets(call.value)
    if not assets:
        raise UsageError("assets", expected="at least one", got="none")
    strict = call.value.get("strict", False)
    if not isinstance(strict, bool):
        raise UsageError("strict", expected="true or false", got=repr(strict)[:40])
    verdicts = authenticate_assets(
        call.session,
        [one.name for one in assets],
        lambda _: assets,
        parse_rule(call.value),
        as_of=text_of(call.value, "asOf", 100),
        strict=strict,
    )
    return {"assets": [one.to_dict() for one in verdicts]}


def gate(call: Call) -> dict[str, Any]:
    """Return whether assets pass a policy."""
    assets = parse_assets(call.value)
    policy = call.value.get("policy")
    if not isinstance(policy, str):
        raise UsageError("policy", expected="text", got=repr(policy)[:40])
    decisions = gate_assets(
        call.session,
        policy.encode("utf-8", "surrogatepass"),
        [one.name for one in assets],
        lambda _: assets,
        rule=parse_rule(call.value),
        as_of=text_of(call.value, "asOf", 100),
    )
    return {"assets": [one.to_dict() for one in decisions]}


def evidence(call: Call) -> dict[str, Any]:
    """Return a page of records that may be seen, the newest of them."""
    query = parse_query(call.query)
    who, session = call.who, call.session
    if query.job is not None and "#" in query.job:
        query = query._replace(job=within(who, query.job))
    view = session.followed_view()
    if query.as_of is not None:
        from jenkins_notary.api.authenticate import view_as_of

        view = view_as_of(session, query.as_of)
    found, following = search_records(
        view, query, sees=who.sees, max_looked_at=MAX_LOOKED_AT
    )
    if not found and following is None:
        raise NotFoundError(
            "evidence",
            expected="a record",
            got="none that this token may see",
            advice="check the id and the token's folders",
        )
    receipts = call.query.get("receipts") == "true"
    records = [show_record(view, o, receipt=receipts).to_dict() for o in found]
    answer: dict[str, Any] = {"records": records, "next": following}
    is_whole = following is None and query.before is None
    if is_whole and query.job is not None and "#" in query.job:
        answer["build"] = describe_build(records)
    return answer


def show(call: Call) -> dict[str, Any]:
    """Return one record with its receipt and envelope."""
    view = call.session.followed_view()
    one = see(call)
    data = view.envelope_bytes(one)
    return {
        "record": show_record(view, one).to_dict(),
        "envelope": None if data is None else data.decode(),
    }


def show_receipt(call: Call) -> bytes:
    """Return a record's receipt, with cosignatures if there are some that cover it."""
    one = see(call)
    cosigned = call.service.witnesses.cosigned_view(call.session)
    if cosigned is not None and one.index < cosigned.size:
        return make_receipt(cosigned, one.index)
    return make_receipt(call.session.view(), one.index)


def show_witnesses(call: Call) -> dict[str, Any]:
    """Return who witnesses the log, and the newest checkpoint that enough signed."""
    return call.service.witnesses.describe()


def status(call: Call) -> dict[str, Any]:
    """Return where the ledger stands; its place on this host is nobody's business."""
    found = describe_ledger(call.session).to_dict()
    del found["ledger"]
    return found


def prove(call: Call) -> dict[str, Any]:
    """Return a proof: that a record is in the log, or that the log only grew."""
    view = call.session.followed_view()
    log = call.query.get("log", "main")
    if log not in {"main", "trust"}:
        raise UsageError("log", expected="main or trust", got=log[:40])
    name: LogName = "trust" if log == "trust" else "main"
    most = view.checkpoint.size if name == "main" else view.checkpoint.trust.size
    size = parse_number(call.query, "size", most) or 0
    index = parse_number(call.query, "index", None)
    old = parse_number(call.query, "from", None)
    if (index is None) == (old is None):
        raise UsageError("proof", expected="index or from", got="both or neither")
    if not 0 < size <= most:
        raise UsageError("size", expected=f"1 to {most}", got=str(size))
    store = call.session.store

    def fetch_tile(level: int, n: int, width: int) -> bytes:
        return store.tile(name, level, n, width)

    hashes = TileHashReader(size, fetch_tile)
    if index is not None:
        if index >= size:
            raise UsageError("index", expected=f"below {size}", got=str(index))
        proof = inclusion_proof(index, size, hashes)
    else:
        assert old is not None  # noqa: S101 - one of the two
        if not 0 < old <= size:
            raise UsageError("from", expected=f"1 to {size}", got=str(old))
        proof = consistency_proof(old, size, hashes)
    return {
        "size": size,
        "index": index,
        "from": old,
        "hashes": [b64encode(one).decode() for one in proof],
        "checkpoint": view.note.decode(),
    }


def collect(call: Call) -> dict[str, Any]:
    """Have a build recorded as its controller shows it."""
    from jenkins_notary.service.builds.collecting import collect_build

    job = parse_job_id(required_text(call.value, "job", 4096))
    only = call.value.get("only")
    if only not in {None, "log"}:
        raise UsageError("only", expected="log or null", got=repr(only)[:40])
    named = within(call.who, format_job_id(job))
    return collect_build(call.session, named, only_log=only == "log")


def deliver(call: Call) -> dict[str, Any]:
    """Record the events of a controller's outbox."""
    from jenkins_notary.service.builds.collecting import deliver_events

    return deliver_events(call.session, call.who, call.service, call.value)


def see(call: Call) -> ProvenRecord:
    """Return the record that a path names, if it may be seen.

    Raises:
        NotFoundError: There is none, or it may not.
    """
    view = call.session.followed_view()
    index = parse_number(call.path, "index", None) or 0
    one = view.record(index) if index < view.size else None
    if one is None or not call.who.sees(one):
        raise NotFoundError(f"record #{index}", got="none that this token may see")
    return one


def within(who: Principal, job: str) -> str:
    """Return a job id with the controller of the token, if it names none itself.

    Raises:
        PermissionDeniedError: The job is not in the token's folders.
    """
    parsed = parse_job_id(job)
    if parsed.instance is None and not is_within(who.scopes, job):
        for instance in {one.instance for one in who.scopes}:
            named = format_job_id(parsed._replace(instance=instance))
            if is_within(who.scopes, named):
                return named
    check_job(who, job)
    return job


def _find_body(call: Call, described: Mapping[str, Any]) -> Body:
    """Return a body that this token has sent."""
    sha256_hex = described.get("sha256")
    if not is_hex_digest(sha256_hex):
        raise UsageError("body", expected="its sha256", got=repr(sha256_hex)[:80])
    body = call.uploads.get(call.who.name, str(sha256_hex))
    if body is None:
        raise NotFoundError(
            f"body sha256:{sha256_hex}",
            expected="one that this token sent before",
            got="none",
        )
    return body


def _parse_call(value: Mapping[str, Any]) -> SentClaim:
    """Return record id, time and job of a request, as a claim has them."""
    # A claim's own parser knows their forms; what is claimed is of no matter.
    subject = {"name": "x", "digest": "sha256:" + "0" * 64}
    return parse_claim(
        {
            "recordId": value.get("recordId"),
            "claimedAt": value.get("claimedAt"),
            "job": value.get("job"),
            "status": "TRUSTED",
            "assets": [{"name": "x", "kind": "digest", "subjects": [subject]}],
        }
    )

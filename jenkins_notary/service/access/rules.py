"""Say what a token or a person may do: by the role, then by the folders.

Nothing is allowed that is not named here.

==========  ====================================================================
role        may
==========  ====================================================================
writer      record builds of its folders as TRUSTED, attach evidence, have builds
            collected; read its folders' evidence
status      say UNTRUSTED or UNSUPPORTED of what its folders' jobs recorded first
security    say anything of any digest, and lift it again
reader      read its folders' evidence
auditor     that, and the log: checkpoint, tiles, proofs
controller  deliver the outbox of a controller's hook
importer    bring the records of another log that its signer may import from
admin       all of it
==========  ====================================================================

All but controller and importer may ask for verdicts and gates: who holds a digest may
ask what the ledger says of it, and the answer names the record that decides.

A build's token cannot deliver an outbox: it would speak as the controller of what only
the controller knows. It cannot link a digest that others recorded to one of its own
either: an UNTRUST on its own would then fall on theirs.
"""

from __future__ import annotations

from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.service.access.scopes import Scope, format_scope, is_within
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.status import NEGATIVE, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.service.access.tokens import Token
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.statement import Statement

RECORD, ATTACH, COLLECT, OUTBOX = "record", "attach", "collect", "outbox"
JUDGE, EVIDENCE, AUDIT, IMPORT = "judge", "evidence", "audit", "import"

RIGHTS: Mapping[str, frozenset[str]] = {
    "writer": frozenset({RECORD, ATTACH, COLLECT, JUDGE, EVIDENCE}),
    "status": frozenset({RECORD, JUDGE, EVIDENCE}),
    "security": frozenset({RECORD, ATTACH, JUDGE, EVIDENCE}),
    "reader": frozenset({JUDGE, EVIDENCE}),
    "auditor": frozenset({JUDGE, EVIDENCE, AUDIT}),
    "controller": frozenset({OUTBOX}),
    "importer": frozenset({IMPORT}),
    "admin": frozenset(
        {RECORD, ATTACH, COLLECT, OUTBOX, JUDGE, EVIDENCE, AUDIT, IMPORT}
    ),
}

_MAX_LOOKED_AT = 1000
_FIRST_TYPES = frozenset({"notarization", "provenance", "import"})
_CLIENT_TYPES = frozenset(
    {
        *("notarization", "attachment", "provenance", "test-result", "vulns"),
        *("vsa", "cyclonedx", "spdx"),
    }
)

_OWN_FACTS = frozenset({"recorder", "sources", "submitter"})
"""What tells a record that a service made of its own knowledge from a client's."""

_OWN_FACTS_OF_JOBS = frozenset({"identity", "class"})


class Principal(NamedTuple):
    """Who asks: a token, or a person who has logged in.

    Attributes:
        name: The token's name, or how a person has logged in, ``:``, and his name: no
            token is named so.
        role: Its role.
        scopes: Its folders; none for all.
        kind: ``token`` or ``person``.
    """

    name: str
    role: str
    scopes: tuple[Scope, ...]
    kind: str = "token"

    @classmethod
    def of(cls, token: Token) -> Principal:
        """Return who a token stands for."""
        return cls(token.name, token.role, token.scopes)

    def may(self, right: str) -> bool:
        """Return whether its role has a right."""
        return right in RIGHTS[self.role]

    def sees(self, record: ProvenRecord) -> bool:
        """Return whether a record is one that it may read."""
        statement = record.statement
        if not self.scopes:
            return True
        if statement is None:
            return False
        if statement.job_id is None:
            # A warning that is about no job is for everybody.
            return statement.status in NEGATIVE
        return is_within(self.scopes, statement.job_id)

    @property
    def title(self) -> str:
        """Return what messages call it."""
        return f"{self.kind} {self.name}"

    def describe(self) -> dict[str, str]:
        """Return what a record says of who sent it."""
        return {self.kind: self.name, "role": self.role}


def check_right(who: Principal, right: str) -> None:
    """Check that a role has a right.

    Raises:
        PermissionDeniedError: It has not.
    """
    if not who.may(right):
        roles = sorted(role for role, rights in RIGHTS.items() if right in rights)
        raise PermissionDeniedError(
            who.title,
            expected=f"the role {' or '.join(roles)}",
            got=who.role,
        )


def check_job(who: Principal, job: str | None) -> None:
    """Check that a job is one of a token's folders.

    Raises:
        PermissionDeniedError: It is not, or there is none and the token has folders.
    """
    if not is_within(who.scopes, job):
        raise PermissionDeniedError(
            who.title,
            expected=f"a job in {' or '.join(map(format_scope, who.scopes))}",
            got="none" if job is None else job[:200],
        )


def check_claim(who: Principal, view: LedgerView, sent: SentClaim) -> None:
    """Check that a token may make a claim.

    Raises:
        PermissionDeniedError: It may not.
    """
    job = None if sent.job is None else sent.job["id"]
    groups = [[one.digest for one in asset.subjects] for asset in sent.assets]
    _check_asked(who, view, _Asked(sent.claim.status, job, groups))
    if sent.claim.supersedes and who.role not in {"security", "admin"}:
        raise PermissionDeniedError(
            who.title,
            expected="the role security to lift a negative record",
            got=who.role,
        )


def check_statement(who: Principal, view: LedgerView, statement: Statement) -> None:
    """Check that a token may have a statement recorded that a client signed.

    Raises:
        PermissionDeniedError: It may not.
    """
    if statement.type not in _CLIENT_TYPES and who.role != "admin":
        raise PermissionDeniedError(
            who.title,
            expected="a record of " + ", ".join(sorted(_CLIENT_TYPES)),
            got=statement.type,
        )
    job = statement.facts.get("job")
    told = job.keys() if isinstance(job, dict) else frozenset[str]()
    own = sorted((_OWN_FACTS & statement.facts.keys()) | (_OWN_FACTS_OF_JOBS & told))
    if own:
        raise PermissionDeniedError(
            f"token {who.name}",
            expected="a record without what only a service may say of itself",
            got=", ".join(own),
        )
    digests = [f"sha256:{one.sha256_hex}" for one in statement.subjects]
    groups = [digests] if statement.status is not None else []
    _check_asked(who, view, _Asked(statement.status, statement.job_id, groups))
    if statement.facts.get("supersedes") and who.role not in {"security", "admin"}:
        raise PermissionDeniedError(
            who.title,
            expected="the role security to lift a negative record",
            got=who.role,
        )


class _Asked(NamedTuple):
    """What a token wants recorded.

    Attributes:
        status: The status, or None for none.
        job: The job id, or None.
        groups: The digests that stand for each asset.
    """

    status: Status | None
    job: str | None
    groups: Sequence[Sequence[str]]


def _check_asked(who: Principal, view: LedgerView, asked: _Asked) -> None:
    """Check status, job and digests by the role."""
    if who.role == "writer":
        _check_writer(who, view, asked)
    elif who.role == "status":
        _check_status(who, view, asked)
    elif who.role not in {"security", "admin"}:
        raise _not_own(who, "a record", "a role that records")


def _check_writer(who: Principal, view: LedgerView, asked: _Asked) -> None:
    """Check that a build records its own, and links nothing of others to it."""
    if asked.status in NEGATIVE:
        raise _not_own(who, asked.status.name, "the role status or security")
    if asked.job is None:
        raise _not_own(who, "none", "the job that it records")
    check_job(who, asked.job)
    for digests in asked.groups:
        for digest in digests if len(digests) > 1 else ():
            if first_job(view, digest):
                _check_first(who, view, digest)


def _check_status(who: Principal, view: LedgerView, asked: _Asked) -> None:
    """Check that a negative record is of what the token's own jobs recorded first."""
    if asked.status not in NEGATIVE:
        got = "no status" if asked.status is None else asked.status.name
        raise _not_own(who, got, "UNTRUSTED or UNSUPPORTED")
    if asked.job is not None:
        check_job(who, asked.job)
    for digest in (one for digests in asked.groups for one in digests):
        _check_first(who, view, digest)


def _check_first(who: Principal, view: LedgerView, digest: str) -> None:
    """Check that a digest was recorded first by a job of a token's folders."""
    found = first_job(view, digest)
    if found is None or not is_within(who.scopes, found or None):
        raise PermissionDeniedError(
            f"{who.title} on {digest}",
            expected="a digest that a job of its folders recorded first",
            got="one that nobody recorded" if found is None else "one of others",
            advice="ask whoever has the role security",
        )


def first_job(view: LedgerView, digest: str) -> str | None:
    """Return the job that recorded a digest first; None for nobody, "" for no job.

    Only records of signers that count are looked at, for anybody may sign for himself.
    """
    key = exact_range(bytes.fromhex(digest_hex(digest)))
    for place, index in enumerate(view.find("subject", *key)):
        if place >= _MAX_LOOKED_AT:
            return ""
        record = view.record(index)
        if record.leaf.type in _FIRST_TYPES and view.standing(record) == "enrolled":
            statement = record.statement
            return (None if statement is None else statement.job_id) or ""
    return None


def _not_own(who: Principal, got: str, expected: str) -> PermissionDeniedError:
    """Return the error for what a role does not record."""
    return PermissionDeniedError(
        who.title, expected=expected, got=f"{got}, with the role {who.role}"
    )

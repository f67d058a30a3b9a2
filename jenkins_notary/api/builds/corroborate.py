"""Re-read from its controller what records claim of a build, and record the verdict.

A build is asked for once it has ended. Its archived files are those that a provenance
of the same ledger has hashed, or are hashed anew. Each claim is compared once: what a
corroboration record names already is left alone, so that the work can be done again and
again, by anybody who may read the controller.

Cost: one request a build, one for each archived file where no provenance has hashed
them; in the ledger a proof for each record of the job id.
"""

from __future__ import annotations

from jenkins_notary.api.builds.names import names_of
from jenkins_notary.api.builds.reading import Reading
from jenkins_notary.api.builds.records import find_build, is_whole
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.evidence.build_claim import read_claim
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.evidence.corroboration import (
    DIFFERS,
    MAX_CLAIMS,
    UNAVAILABLE,
    compare,
    observe,
    refuse_all,
)
from jenkins_notary.evidence.events import derive_record_id
from jenkins_notary.evidence.provenance import (
    HOOK,
    BuildKey,
    BuildSources,
    describe_build,
    describe_controller,
)
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.jobid import format_job_id
from jenkins_notary.values.leaf import hash_job
from jenkins_notary.values.statement import MAX_SUBJECTS, Subject, is_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.build_claim import BuildClaim
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Jenkins
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.jobid import JobId

MAX_RECORDS = 5000
"""Records of one job id that are looked through for claims."""

MAX_HASHED = 2000
"""Archived files of one build that are hashed for its claims alone."""

MAX_SECONDS = 600
"""How long hashing them may take."""


class Corroborated(NamedTuple):
    """What came of the claims of one build.

    Attributes:
        indexes: The corroboration records that were made now.
        is_running: Whether the build has not ended: its claims wait.
    """

    indexes: Sequence[int]
    is_running: bool = False


NOTHING = Corroborated(())


class _Asked(NamedTuple):
    """What the controller has of a build: its name there, and its JSON, or neither."""

    name: str
    info: BuildInfo | None


class Corroborator:
    """Compare the claims on builds of one controller."""

    def __init__(self, session: Session, jenkins: Jenkins) -> None:
        """Read from a controller, record in a session's ledger."""
        self._session = session
        self._jenkins = jenkins

    def corroborate(self, job: JobId, *, info: BuildInfo | None = None) -> Corroborated:
        """Compare what was claimed of a build and was not compared before.

        Args:
            job: The build, with or without its instance.
            info: Its JSON, where the caller has read it.

        Raises:
            UnavailableError: Jenkins does not answer.
            PermissionDeniedError: It refuses.
            NotaryError: The ledger is at fault.
        """
        view = self._session.view()
        claims = self._find_claims(view, job)
        if not claims:
            return NOTHING
        asked = _Asked(job.name, info)
        if info is None:
            asked = self._ask(view, job, claims[0].index)
        if asked.info is not None and asked.info.is_running:
            return Corroborated((), is_running=True)
        envelopes = []
        for start in range(0, len(claims), MAX_CLAIMS):
            part = claims[start : start + MAX_CLAIMS]
            facts = self._compare(view, job, asked, part)
            envelopes.append(self._sign(job, asked.info, part, facts))
        return Corroborated(self._session.append(envelopes))

    def _find_claims(self, view: LedgerView, job: JobId) -> list[BuildClaim]:
        """Return the claims on a build that no corroboration names, the oldest first.

        Only leaves are proven for what cannot be a claim: a sweep asks for each build.
        """
        key = exact_range(bytes.fromhex(hash_job(format_job_id(job))))
        own = self._session.signer().keyid
        claims, compared = [], set()
        for place, index in enumerate(view.find("job", *key)):
            if place >= MAX_RECORDS:
                self._session.notify(
                    f"{format_job_id(job)}: more than {MAX_RECORDS} records; "
                    "the claims in the newest are not compared"
                )
                break
            leaf = view.leaf(index)[1]
            if leaf.type == "corroboration":
                compared |= _named_claims(view, view.record(index))
            elif leaf.type == "notarization" or (
                leaf.type == "provenance" and leaf.signer != own
            ):
                record = view.record(index)
                claim = read_claim(record, own)
                if claim is not None and view.standing(record) != "revoked":
                    claims.append(claim)
        return [one for one in claims if one.index not in compared]

    def _ask(self, view: LedgerView, job: JobId, index: int) -> _Asked:
        """Return what the controller has of a build, by the newest name of its job."""
        for name in names_of(view, job, index):
            try:
                value = self._jenkins.build(name, job.number)
            except NotFoundError:
                continue
            subject = f"build {format_job_id(job)}"
            try:
                info = parse_build(value, subject=subject)
            except IntegrityError as error:
                # Of Jenkins, not of the ledger: it may answer better another time.
                raise UnavailableError(subject, got=str(error)) from error
            if info.number != job.number:
                raise UnavailableError(
                    subject, expected=f"number {job.number}", got=f"{info.number}"
                )
            return _Asked(name, info)
        return _Asked(job.name, None)

    def _compare(
        self,
        view: LedgerView,
        job: JobId,
        asked: _Asked,
        claims: Sequence[BuildClaim],
    ) -> dict[str, Any]:
        """Return the verdicts on claims."""
        if asked.info is None:
            return refuse_all(claims, **self._explain_absence(asked.name, job.number))
        named = job._replace(instance=self._jenkins.controller().instance)
        key = BuildKey(named, asked.info.started_at_ms)
        identity = self._jenkins.controller().identity
        recorded = self._find_provenance(view, key, identity)
        found = _read_archived(recorded)
        if found is None and any(one.assets for one in claims):
            found = self._hash(key, asked)
        archived, missed = found or ({}, "")
        observed = observe(
            job._replace(name=asked.name),
            asked.info,
            _read_facts(recorded),
            archived=archived,
            missed=missed,
        )
        return compare(job, claims, observed)

    def _find_provenance(
        self, view: LedgerView, key: BuildKey, identity: str | None
    ) -> list[ProvenRecord]:
        """Return the newest provenance that was read of a build, all its parts."""
        own = self._session.signer().keyid
        recorded: list[ProvenRecord] = []
        for one in find_build(view, key, identity):
            if one.leaf.type != "provenance" or one.leaf.signer != own:
                continue
            if recorded and _call_of(one) != _call_of(recorded[0]):
                break
            recorded.append(one)
        return recorded

    def _explain_absence(self, name: str, number: int) -> dict[str, str]:
        """Return verdict and reason for a build that Jenkins does not have."""
        try:
            following = [
                one.next_number for one in self._jenkins.jobs(name) if one.name == name
            ]
        except NotFoundError:
            following = []
        if not following:
            return {"verdict": UNAVAILABLE, "why": "Jenkins shows no such job"}
        if number >= following[0]:
            why = f"there never was one: the next build is number {following[0]}"
            return {"verdict": DIFFERS, "why": why}
        return {"verdict": UNAVAILABLE, "why": "Jenkins has the build no more"}

    def _hash(self, key: BuildKey, asked: _Asked) -> tuple[dict[str, str], str]:
        """Hash the archived files; return (digests by path, why not all)."""
        info = asked.info
        assert info is not None  # noqa: S101 - the caller has it
        left = info.artifacts_left + max(0, len(info.artifacts) - MAX_HASHED)
        reading = Reading(
            self._session,
            self._jenkins,
            BuildKey(key.job._replace(name=asked.name), key.started_at_ms),
            info._replace(artifacts=info.artifacts[:MAX_HASHED], artifacts_left=left),
            seconds=MAX_SECONDS,
        )
        reading.read_artifacts({})
        gap = reading.gaps.get("artifacts")
        found = {one.path: one.sha256_hex for one in reading.artifacts}
        missed = f"{gap['count']} archived files could not be read" if gap else ""
        return found, missed

    def _sign(
        self,
        job: JobId,
        info: BuildInfo | None,
        claims: Sequence[BuildClaim],
        facts: Mapping[str, Any],
    ) -> bytes:
        """Return the envelope of a corroboration record."""
        controller = self._jenkins.controller()
        started_ms = 0 if info is None else info.started_at_ms
        # Derived, and with a time that is known: what is compared twice, after a
        # failure in between, is the same record.
        name = (job.instance or "", job.name, str(job.number), str(started_ms))
        listed = ",".join(str(one.index) for one in claims)
        record_id = derive_record_id("corroboration", *name, listed)
        at_ms = max(0 if info is None else info.finished_at_ms, claims[-1].at_ms)
        author = Author((self._session.signer(),), record_id, at_ms)
        build: dict[str, Any] = {"controller": describe_controller(controller)}
        if info is not None:
            key = BuildKey(job._replace(instance=controller.instance), started_ms)
            build = describe_build(BuildSources(key, controller, info, {}))
        digests = {
            sha256_hex: Subject(one["name"], sha256_hex)
            for one in facts["artifacts"] or ()
            for sha256_hex in [digest_hex(one["digest"])]
        }
        return author.sign(
            "corroboration",
            [*digests.values()][:MAX_SUBJECTS],
            {
                "job": {"id": format_job_id(job)},
                "build": build,
                "recorder": self._session.recorder,
                **facts,
            },
        )


def corroborate_quietly(
    session: Session, jenkins: Jenkins, job: JobId, info: BuildInfo | None = None
) -> Sequence[int]:
    """Compare what was claimed of a build; what Jenkins does not give is only told.

    Who collects a build has collected it, whether or not its claims can be compared;
    they wait for the next time.
    """
    try:
        return Corroborator(session, jenkins).corroborate(job, info=info).indexes
    except (PermissionDeniedError, UnavailableError) as error:
        session.notify(f"claims of {format_job_id(job)} are not compared: {error}")
        return ()


def _named_claims(view: LedgerView, record: ProvenRecord) -> set[int]:
    """Return the claims that a corroboration names, if its signer counts."""
    if record.statement is None or view.standing(record) != "enrolled":
        return set()
    listed = record.statement.predicate.get("claims")
    return (
        {one for one in listed if is_index(one)} if isinstance(listed, list) else set()
    )


def _call_of(record: ProvenRecord) -> object:
    """Return the id that the parts of one provenance share."""
    return record.statement and record.statement.facts.get("recordId")


def _read_archived(
    recorded: Sequence[ProvenRecord],
) -> tuple[dict[str, str], str] | None:
    """Return (digests by path, why not all) of a provenance; None: it is not whole."""
    archived: dict[str, str] = {}
    missed = ""
    # A build that was read twice has two of one call: the newest has the last word.
    for one in reversed(recorded):
        if not is_whole(one) or one.statement is None:
            return None
        facts = one.statement.facts
        # Without artifacts the subject is the build's log.
        if facts.get("sizes") is not None:
            archived.update({o.name: o.sha256_hex for o in one.statement.subjects})
        if "artifacts" in (facts.get("gaps") or {}):
            missed = "not all archived files could be read"
    return (archived, missed) if recorded else None


def _read_facts(recorded: Sequence[ProvenRecord]) -> dict[str, Any]:
    """Return what the hook told of a build, as its newest provenance has it."""
    newest = recorded[0].statement if recorded else None
    if newest is None:
        return {}
    # Of our own making: its form is known.
    inner = newest.predicate["buildDefinition"]["internalParameters"]
    sources = newest.facts.get("sources", {})
    return {
        name: inner[name]
        for name in ("node", "change", "causes")
        if name in inner and HOOK in sources.get(name, "")
    }

"""Offer the commands as methods of one object: :class:`Notary`.

The command line is a thin dress over this class; whatever it does, a program can do::

    from jenkins_notary import Notary

    with Notary("sqlite:///var/lib/notary/ledger.db") as notary:
        for one in notary.notarize(["dist/*.whl"], job="ci.example.com:app/main#42"):
            print(one.index, one.digest)
        assert all(one.code == 0 for one in notary.authenticate(["dist/*.whl"]))

Failures are :class:`~jenkins_notary.errors.NotaryError`; several faults of one call
come together, and then nothing was recorded.
"""

from __future__ import annotations

import os

from jenkins_notary.api.session import Choices, JenkinsChoices, Session
from jenkins_notary.errors import AmbiguousError, NotFoundError
from jenkins_notary.values.claim import Claim, check_claim, check_label, check_reason
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any, BinaryIO, Self

    from jenkins_notary.api.builds.collect import Collected
    from jenkins_notary.api.builds.coverage import CoverageReport
    from jenkins_notary.api.builds.gathering import Wanted
    from jenkins_notary.api.gate import GateDecision
    from jenkins_notary.api.ledgers.keeper import LedgerKeeper
    from jenkins_notary.api.logs.check import LogCheck
    from jenkins_notary.api.logs.reading import LogExtract
    from jenkins_notary.api.results import (
        AssetRecord,
        AssetVerdict,
        Check,
        KeyInfo,
        RecordView,
    )
    from jenkins_notary.api.signers import Signers
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.evidence.checkpoint_lines import CheckpointLines
    from jenkins_notary.evidence.pack_head import Selection
    from jenkins_notary.ports import Jenkins
    from jenkins_notary.values.query import Query

    Progress = Callable[[str, int, int | None], None]


class Notary:
    """A ledger, opened for one user.

    Nothing is opened before it is needed. Not for several threads at once; make one
    each, any number may write to one ledger.
    """

    def __init__(
        self,
        ledger: str | None = None,
        *,
        key: str | None = None,
        log: str | None = None,
        passphrase: bytes | None = None,
        co_keys: Sequence[str] = (),
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        stdin: BinaryIO | None = None,
        notify: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        jenkins: JenkinsChoices | None = None,
    ) -> None:
        """Choose a ledger and key.

        Args:
            ledger: ``sqlite:///PATH`` or a path; None for the user's own.
            key: The signer's PEM file; None for the user's own, made on first use.
            log: The log's verifier key, when the caller has it from elsewhere.
            passphrase: Of an encrypted key.
            co_keys: PEM files of further administrators, who co-sign trust records.
            ca_file: PEM file of further certificate authorities, for registries.
            plain_http: Registry hosts that may be asked without TLS.
            environ: The environment; None for that of the process.
            stdin: Where ``-`` reads; None for standard input.
            notify: Called with one-line notices, such as of a key that was made.
            progress: Called with (what, done, total or None) during long work.
            jenkins: Where Jenkins is, for what reads it.
        """
        choices = Choices(
            key,
            log,
            passphrase,
            tuple(co_keys),
            ca_file,
            tuple(plain_http),
            stdin,
            notify,
            progress,
            jenkins or JenkinsChoices(),
        )
        self._session = Session(
            ledger, choices, os.environ if environ is None else environ
        )

    @property
    def ledger(self) -> LedgerKeeper:
        """Return what an administrator or auditor does with the ledger."""
        from jenkins_notary.api.ledgers.keeper import LedgerKeeper

        return LedgerKeeper(self._session)

    @property
    def signers(self) -> Signers:
        """Return the administration of who may speak."""
        from jenkins_notary.api.signers import Signers

        return Signers(self._session)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the ledger."""
        self.close()

    def close(self) -> None:
        """Release the ledger; the object may be used again."""
        self._session.close()

    # Assets

    def notarize(
        self,
        assets: Sequence[str],
        *,
        job: str | None = None,
        name: str | None = None,
        attributes: Mapping[str, str | int | bool] | None = None,
        attachments: Sequence[tuple[str, str | None]] = (),
        supersedes: Sequence[int] = (),
        reason: str | None = None,
        ephemeral_ok: bool = False,
        digest_file: str | None = None,
    ) -> list[AssetRecord]:
        """Record assets as TRUSTED; make the ledger if there is none.

        Args:
            assets: As on the command line: paths, patterns, schemes, ``-``.
            job: A job id; None for that of the environment, if any.
            name: The name of the one asset; needed for a bare digest.
            attributes: Further facts by name.
            attachments: (path, label or None) of files to keep with the record.
            supersedes: Negative records that this one lifts; needs a reason.
            reason: Free text.
            ephemeral_ok: Whether a ledger may be made on an agent that goes away.
            digest_file: What the push of the one image wrote: no registry is asked.

        Returns:
            One record an asset, in the order of the assets, durable.

        Raises:
            NotaryError: Nothing was recorded.
        """
        claim = Claim(
            Status.TRUSTED, job, attributes or {}, reason, supersedes, attachments
        )
        # What is wrong is found before anything is made.
        check_claim(self._session.environ, claim)
        found = self._collect(assets, name, digest_file=digest_file)
        self._create_if_missing(ephemeral_ok=ephemeral_ok)
        return self._record(found, claim)

    def untrust(
        self,
        assets: Sequence[str],
        *,
        reason: str,
        job: str | None = None,
        name: str | None = None,
        attributes: Mapping[str, str | int | bool] | None = None,
        attachments: Sequence[tuple[str, str | None]] = (),
    ) -> list[AssetRecord]:
        """Record assets as UNTRUSTED; see :meth:`notarize` for the arguments."""
        found = self._collect(assets, name, unnamed=True)
        return self._record(
            found,
            Claim(Status.UNTRUSTED, job, attributes or {}, reason, (), attachments),
        )

    def unsupport(
        self,
        assets: Sequence[str],
        *,
        reason: str,
        job: str | None = None,
        name: str | None = None,
        attributes: Mapping[str, str | int | bool] | None = None,
        attachments: Sequence[tuple[str, str | None]] = (),
    ) -> list[AssetRecord]:
        """Record assets as UNSUPPORTED; see :meth:`notarize` for the arguments."""
        found = self._collect(assets, name, unnamed=True)
        return self._record(
            found,
            Claim(Status.UNSUPPORTED, job, attributes or {}, reason, (), attachments),
        )

    def authenticate(
        self,
        assets: Sequence[str],
        *,
        org: str | None = None,
        keys: Sequence[str] = (),
        as_of: str | None = None,
        strict: bool = False,
        against: str | None = None,
        name: str | None = None,
    ) -> list[AssetVerdict]:
        """Return the ledger's word on each asset; one answer each, whatever happens.

        Args:
            assets: As on the command line.
            org: Only signers of this org count; wins over ``keys``.
            keys: Only these signer ids count.
            as_of: A tree size or an RFC 3339 time; None for now.
            strict: Read the whole log, and trust no index row.
            against: Digest of a directory's earlier record to compare with.
            name: A name for a bare digest, for the output only.

        Raises:
            NotaryError: The ledger itself cannot be read or was altered.
        """
        from jenkins_notary.api.authenticate import authenticate_assets
        from jenkins_notary.api.sources import read_words
        from jenkins_notary.trust.keys import parse_signer_id
        from jenkins_notary.trust.verdict import TrustRule

        rule = TrustRule(org, tuple(parse_signer_id(one) for one in keys))

        def collect(words: Sequence[str]) -> list[Asset]:
            return self._collect(words, name, unnamed=True)

        return authenticate_assets(
            self._session,
            read_words(self._session, assets),
            collect,
            rule,
            as_of=as_of,
            strict=strict,
            against=against,
        )

    def gate(
        self,
        policy: bytes,
        assets: Sequence[str],
        *,
        org: str | None = None,
        keys: Sequence[str] = (),
        as_of: str | None = None,
        name: str | None = None,
    ) -> list[GateDecision]:
        """Return whether each asset passes a policy, with every reason why not.

        The whole log is read, so that no record can be left out.

        Args:
            policy: The policy's YAML or JSON.
            assets: As on the command line.
            org: As for :meth:`authenticate`.
            keys: As for :meth:`authenticate`.
            as_of: A tree size or an RFC 3339 time; None for now.
            name: A name for a bare digest.

        Raises:
            NotaryError: The policy is wrong, or the ledger cannot be read or was
                altered.
        """
        from jenkins_notary.api.gate import gate_assets
        from jenkins_notary.api.sources import read_words
        from jenkins_notary.trust.keys import parse_signer_id
        from jenkins_notary.trust.verdict import TrustRule

        rule = TrustRule(org, tuple(parse_signer_id(one) for one in keys))

        def collect(words: Sequence[str]) -> list[Asset]:
            return self._collect(words, name, unnamed=True)

        return gate_assets(
            self._session,
            policy,
            read_words(self._session, assets),
            collect,
            rule=rule,
            as_of=as_of,
        )

    # Records and evidence

    def evidence(self, query: Query, *, receipts: bool = False) -> list[RecordView]:
        """Return the proven records that match a query, in log order.

        Raises:
            NotFoundError: Nothing matches.
            AmbiguousError: A job id without an instance matches several builds.
        """
        from jenkins_notary.api.evidence import find_records

        return find_records(self._session, query, receipts=receipts)

    def inspect(
        self,
        asset: str,
        *,
        limit: int = 100,
        as_of: str | None = None,
        receipts: bool = False,
        engine_proof: bool = False,
    ) -> list[RecordView]:
        """Return the history of an asset or digest, in log order.

        Args:
            asset: What ``authenticate`` takes.
            limit: Records at most, the newest.
            as_of: A tree size or a time.
            receipts: Whether with each record's receipt.
            engine_proof: Whether with where each stands in immudb, proven there.

        Raises:
            NotFoundError: No record names it.
            AmbiguousError: A pattern names several assets.
            UsageError: A proof of immudb is asked for of another engine.
        """
        from jenkins_notary.api.evidence import find_records
        from jenkins_notary.values.query import Query

        if engine_proof:
            from jenkins_notary.api.ledgers.engine_proof import check_engine

            check_engine(self._session.places.engine)
        found = self._collect([asset], None, unnamed=True)
        if len(found) > 1:
            raise AmbiguousError(
                asset,
                expected="one asset",
                got=f"{len(found)}: {', '.join(one.name for one in found[:10])}",
            )
        query = Query(digest=found[0].digest, limit=limit, as_of=as_of)
        records = find_records(self._session, query, receipts=receipts)
        if not engine_proof:
            return records
        from jenkins_notary.api.ledgers.engine_proof import prove_records

        return prove_records(self._session, found[0].digest, records)

    def envelope(self, one: RecordView) -> bytes:
        """Return a record's stored DSSE envelope, byte for byte.

        Raises:
            NotFoundError: It was erased.
        """
        data = self._session.view().envelope_bytes(one.record)
        if data is None:
            raise NotFoundError(
                f"envelope of record #{one.record.index}",
                got=f"erased by #{one.record.erased_by}",
            )
        return data

    def pack(
        self,
        selection: Selection,
        *,
        with_bodies: bool = True,
        policy: bytes | None = None,
    ) -> Iterator[bytes]:
        """Return the bytes of a pack: evidence in one file that proves itself.

        The pieces are made as they are taken; each is proven first.

        Args:
            selection: What goes in: a build, a release or a period.
            with_bodies: Whether logs and attachments do.
            policy: A policy's bytes, to go along.

        Raises:
            NotFoundError: Nothing matches.
            AmbiguousError: A job id matches several builds.
        """
        from jenkins_notary.api.packs.making import make_pack

        return make_pack(
            self._session, selection, with_bodies=with_bodies, policy=policy
        )

    def report(self, selection: Selection) -> dict[str, Any]:
        """Return the facts of a report; :mod:`~jenkins_notary.pages.reports` writes it.

        Args:
            selection: What it is about: a build, a release or a period.

        Raises:
            NotFoundError: Nothing matches.
            AmbiguousError: A job id matches several builds.
        """
        from jenkins_notary.api.packs.reports import make_report
        from jenkins_notary.api.packs.selection import select_records

        view = self._session.followed_view()
        selected = select_records(view, selection, sees=lambda _: True)
        return make_report(view, selection, selected)

    def attach(
        self,
        path: str,
        *,
        job: str | None = None,
        digests: Sequence[str] = (),
        label: str | None = None,
        mime: str | None = None,
    ) -> RecordView:
        """Keep a file as evidence of a job or of digests; return its record.

        Args:
            path: The file, or ``-`` for ``stdin``.
            job: A job id; None for that of the environment.
            digests: Assets that it is about.
            label: A label to find it by.
            mime: Its media type; None to guess by name.
        """
        from jenkins_notary.api.attachments import attach_body
        from jenkins_notary.api.inputs import open_input
        from jenkins_notary.assets.facts import guess_mime

        with open_input(self._session, path) as stream:
            return attach_body(
                self._session,
                stream,
                name="stdin" if path == "-" else os.path.basename(path),
                job=job,
                digests=digests,
                facts={"label": check_label(label), "mime": mime or guess_mime(path)},
            )

    def put_log(
        self,
        job: str | None,
        path: str,
        *,
        stage: str | None = None,
        form: str = "consoleText",
        secrets: str = "hold",
    ) -> RecordView:
        """Keep a build's log; return its record.

        Args:
            job: A job id; None for that of the environment.
            path: The file, or ``-`` for ``stdin``.
            stage: The stage that the log is of, or None for the whole build.
            form: Which of Jenkins' byte forms of a log it is.
            secrets: What becomes of a log in which secrets are found: ``store``,
                ``hold`` (nobody reads it until it is released) or ``digest`` (its
                text is not kept).
        """
        from jenkins_notary.api.inputs import open_input
        from jenkins_notary.api.logs.recording import put_log

        with open_input(self._session, path) as stream:
            return put_log(
                self._session, stream, job=job, stage=stage, form=form, secrets=secrets
            )

    def release_log(
        self,
        job: str,
        *,
        reason: str,
        stage: str | None = None,
        started: str | None = None,
    ) -> RecordView:
        """Let a log that is held back be read; return the record that says so.

        Args:
            job: A job id.
            reason: Why it may be read; it is recorded.
            stage: The stage whose log is meant; None for that of the whole build.
            started: When the build started, where several have the id.

        Raises:
            PermissionDeniedError: The key is neither an administrator's nor that of
                the log's signer.
        """
        from jenkins_notary.api.logs.holding import release_log

        return release_log(
            self._session, job, reason=reason, stage=stage, started=started
        )

    def find_log(
        self,
        job: str,
        *,
        stage: str | None = None,
        started: str | None = None,
        as_of: str | None = None,
    ) -> LogExtract:
        """Return which log of a build there is, and where a stage stands in it.

        Args:
            job: A job id.
            stage: The stage whose log is meant; None for that of the whole build.
            started: When the build started, RFC 3339, where several have the id.
            as_of: A tree size or time; None for now.

        Raises:
            NotFoundError: The build has no notarized log, or no such stage in it.
            AmbiguousError: The job id matches several builds.
        """
        from jenkins_notary.api.logs.reading import find_extract

        return find_extract(
            self._session, job, stage=stage, started=started, as_of=as_of
        )

    def read_log(
        self,
        job: str | LogExtract,
        *,
        stage: str | None = None,
        as_of: str | None = None,
    ) -> Iterator[bytes]:
        """Yield a build's notarized log, exactly; every chunk is proven first.

        Args:
            job: A job id, or what :meth:`find_log` returned.
            stage: The stage whose log is meant; None for that of the whole build.
            as_of: A tree size or time; None for now.

        Raises:
            NotFoundError: The build has no notarized log, or its body was erased or
                not kept.
            PermissionDeniedError: The log is held back.
            IntegrityError: The body is not the one that was signed.
        """
        from jenkins_notary.api.logs.reading import read_lines, read_log

        found = job
        if isinstance(found, str):
            found = self.find_log(found, stage=stage, as_of=as_of)
        if found.ranges is None:
            yield from read_log(self._session, found.log)
            return
        for _, line in read_lines(self._session, found):
            yield line + b"\n"

    def search_log(
        self,
        job: str | LogExtract,
        *,
        stage: str | None = None,
        grep: str | None = None,
        lines: tuple[int, int] | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (line number, line) of a build's log; numbers are the whole log's.

        Args:
            job: A job id, or what :meth:`find_log` returned.
            stage: The stage whose log is meant; None for that of the whole build.
            grep: Text that stands in the line.
            lines: (first, last) line number, from 1, both included.
        """
        from jenkins_notary.api.logs.reading import read_lines

        found = job
        if isinstance(found, str):
            found = self.find_log(found, stage=stage)
        yield from read_lines(self._session, found, grep=grep, lines=lines)

    def verify_log(self, log: LogExtract, jenkins: Jenkins | None = None) -> LogCheck:
        """Compare a notarized log with what Jenkins serves now.

        Args:
            log: What :meth:`find_log` returned.
            jenkins: The controller of the job; None for the configured one.

        Raises:
            NotFoundError: Jenkins lost the log, or has the build no more.
            UnavailableError: Jenkins does not answer.
            ConfigurationError: No such controller is configured.
        """
        from jenkins_notary.api.logs.check import check_log
        from jenkins_notary.values.jobid import parse_job_id

        if jenkins is None:
            instance = parse_job_id(log.log.job).instance
            jenkins = self._session.controllers().client(instance)
        return check_log(self._session, jenkins, log.log)

    def prove_lines(
        self, log: LogExtract, lines: tuple[int, int] | None = None
    ) -> dict[str, object]:
        """Return lines of a log with all that proves them offline, as JSON.

        Args:
            log: What :meth:`find_log` returned.
            lines: (first, last) line number, from 1; None for those of the stage.

        Raises:
            UsageError: Neither lines nor a stage, or too many lines.
            NotFoundError: The log has not as many lines.
        """
        from jenkins_notary.api.logs.excerpts import make_proof

        return make_proof(self._session, log, lines)

    def log_checkpoints(self, log: LogExtract) -> CheckpointLines:
        """Return the ledger's checkpoints in a log; forged ones are counted only.

        Raises:
            IntegrityError: A checkpoint that the ledger's key has signed contradicts
                the ledger.
        """
        from jenkins_notary.api.logs.reading import read_checkpoints

        return read_checkpoints(self._session, log.log)

    def read_attachment(self, digest: str) -> Iterator[bytes]:
        """Yield the bytes of an attachment or log by its own digest, proven."""
        from jenkins_notary.api.bodies import find_body, place_of
        from jenkins_notary.evidence.bodies import read_body

        record, body = find_body(self._session, digest)
        yield from read_body(place_of(self._session, record, body), body)

    # Jenkins

    def collect(self, wanted: Wanted) -> Iterator[Collected]:
        """Record builds as Jenkins shows them; yield what came of each, once durable.

        What Jenkins does not give is a fault of the result; see ``Collected.code``.

        Raises:
            NotaryError: Jenkins does not answer at all, or the ledger is at fault.
        """
        from jenkins_notary.api.builds.gathering import gather

        yield from gather(self._session, wanted)

    def coverage(
        self,
        pattern: str = "*",
        *,
        since: str | None = None,
        until: str | None = None,
        grace_s: int = 0,
    ) -> Iterator[CoverageReport]:
        """Account for every build number of jobs; yield a report a controller.

        Args:
            pattern: A job, a folder, ``*`` for all; with an instance for one
                controller.
            since: Builds that started from this time on, RFC 3339; None for all.
            until: Builds that started up to this time.
            grace_s: How long after its end a build need not be on record yet.

        Raises:
            NotaryError: Jenkins does not answer, or the ledger is at fault. What is
                missing is in the report: ``CoverageReport.all_faults``.
        """
        from jenkins_notary.api.builds.coverage import Period, report_coverage
        from jenkins_notary.api.builds.sweep import parse_time_of

        period = Period(
            None if since is None else parse_time_of("--since", since),
            None if until is None else parse_time_of("--until", until),
            grace_s * 1000,
        )
        yield from report_coverage(self._session, pattern, period)

    def exempt(self, name: str, *, owner: str, reason: str, expires: str) -> RecordView:
        """Record that a job or folder need not be covered, until a time.

        Args:
            name: ``[INSTANCE:]NAME`` of a job, or of a folder with all below it.
            owner: Who answers for it.
            reason: Why.
            expires: Until when, RFC 3339; the newest exemption of a name counts.

        Raises:
            PermissionDeniedError: The key is no administrator's.
        """
        from jenkins_notary.api.builds.exemptions import record_exemption

        return record_exemption(
            self._session, name, owner=owner, reason=reason, expires=expires
        )

    def drain_outbox(
        self,
        path: str,
        *,
        secrets: str = "hold",
        limit: int = 500,
        event_timeout_s: int | None = None,
    ) -> Iterator[Collected]:
        """Record the events in the outbox of a controller's hook; yield each result.

        An event's file is deleted once its records are durable.

        Args:
            path: The folder, ``$JENKINS_HOME/jenkins-notary/outbox``.
            secrets: What becomes of a log with secrets, as for :meth:`put_log`.
            limit: The most events that are taken.
            event_timeout_s: How long the build of an event may take to be read; what
                is not read by then is a gap. No event is begun after that time.

        Raises:
            NotaryError: What waits cannot be recorded for now, and stays.
        """
        from jenkins_notary.api.builds.collect import Choice
        from jenkins_notary.api.builds.outbox import drain

        choice = Choice(secrets=secrets, seconds=event_timeout_s)
        yield from drain(self._session, path, choice, limit=limit)

    def import_records(
        self, path: str, *, job: str | None = None, ephemeral_ok: bool = False
    ) -> list[AssetRecord]:
        """Record the digests of a CSV or JSON file as TRUSTED, in one commit."""
        from jenkins_notary.api.imports import read_import
        from jenkins_notary.api.notarize import record_assets

        assets = read_import(path)
        self._create_if_missing(ephemeral_ok=ephemeral_ok)
        return record_assets(self._session, assets, Claim(Status.TRUSTED, job))

    def show_key(self) -> KeyInfo:
        """Return the signer's key.

        Raises:
            NotFoundError: There is none yet.
        """
        from jenkins_notary.api.keys import describe_key

        return describe_key(self._session, passphrase=self._session.choices.passphrase)

    def generate_key(self, *, kind: str = "ed25519") -> KeyInfo:
        """Make the signer's key.

        Raises:
            UsageError: There is one already.
        """
        from jenkins_notary.api.keys import make_key

        return make_key(
            self._session, kind, passphrase=self._session.choices.passphrase
        )

    def doctor(self) -> list[Check]:
        """Look at everything that a user needs; every check is returned."""
        from jenkins_notary.api.doctor import run_checks

        return run_checks(self._session)

    # What the methods share

    def _create_if_missing(self, *, ephemeral_ok: bool) -> None:
        """Make the ledger if there is none."""
        if not self._session.has_ledger():
            from jenkins_notary.api.ledgers.creation import create_ledger

            create_ledger(self._session, ephemeral_ok=ephemeral_ok)

    def _record(self, assets: Sequence[Asset], claim: Claim) -> list[AssetRecord]:
        """Record assets with their manifests and attachments."""
        from jenkins_notary.api.attachments import store_bodies
        from jenkins_notary.api.notarize import record_assets

        check_reason(claim)
        stored = store_bodies(self._session, claim.attachments, assets)
        return record_assets(self._session, assets, claim, stored)

    def _collect(
        self,
        words: Sequence[str],
        name: str | None,
        *,
        unnamed: bool = False,
        digest_file: str | None = None,
    ) -> list[Asset]:
        """Return the assets that words name."""
        from jenkins_notary.api.sources import collect

        return collect(
            self._session,
            words,
            name=name,
            unnamed=unnamed,
            digest_file=digest_file,
        )

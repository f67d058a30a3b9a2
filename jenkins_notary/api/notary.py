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
import sys

from jenkins_notary.api.session import Session
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any, BinaryIO, Self

    from jenkins_notary.api.copies import BackupResult
    from jenkins_notary.api.evidence import Query
    from jenkins_notary.api.gate import GateDecision
    from jenkins_notary.api.results import (
        AssetRecord,
        AssetVerdict,
        Check,
        KeyInfo,
        LedgerStatus,
        RecordView,
        SignerInfo,
    )
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.ledger.audit import AuditResult
    from jenkins_notary.ledger.erase import ErasureResult
    from jenkins_notary.ledger.export import ExportResult
    from jenkins_notary.ledger.verify import VerifyReport
    from jenkins_notary.ports import Signer

    Progress = Callable[[str, int, int | None], None]


def _ignore(_: str) -> None:
    """Take a notice that nobody asked for."""


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
        environ: Mapping[str, str] | None = None,
        notify: Callable[[str], None] = _ignore,
        progress: Progress | None = None,
    ) -> None:
        """Choose a ledger and key.

        Args:
            ledger: ``sqlite:///PATH`` or a path; None for the user's own.
            key: The signer's PEM file; None for the user's own, made on first use.
            log: The log's verifier key, when the caller has it from elsewhere.
            passphrase: Of an encrypted key.
            co_keys: PEM files of further administrators, who co-sign trust records.
            environ: The environment; None for that of the process.
            notify: Called with one-line notices, such as of a key that was made.
            progress: Called with (what, done, total or None) during long work.
        """
        self._session = Session(
            ledger,
            key=key,
            log=log,
            passphrase=passphrase,
            environ=os.environ if environ is None else environ,
            notify=notify,
        )
        self._co_keys = co_keys
        self._passphrase = passphrase
        self._progress = progress

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
        stdin: BinaryIO | None = None,
        ephemeral_ok: bool = False,
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
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
            stdin: Where ``-`` reads its list.
            ephemeral_ok: Whether a ledger may be made on an agent that goes away.
            ca_file: PEM file of further certificate authorities, for registries.
            plain_http: Registry hosts that may be asked without TLS.

        Returns:
            One record an asset, in the order of the assets, durable.

        Raises:
            NotaryError: Nothing was recorded.
        """
        found = self._collect(assets, name, stdin, ca_file, plain_http)
        self._session.create_if_missing(ephemeral_ok=ephemeral_ok)
        return self._record(
            Status.TRUSTED, found, job, attributes, attachments, reason, supersedes
        )

    def untrust(
        self,
        assets: Sequence[str],
        *,
        reason: str,
        job: str | None = None,
        name: str | None = None,
        attributes: Mapping[str, str | int | bool] | None = None,
        attachments: Sequence[tuple[str, str | None]] = (),
        stdin: BinaryIO | None = None,
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
    ) -> list[AssetRecord]:
        """Record assets as UNTRUSTED; see :meth:`notarize` for the arguments."""
        found = self._collect(assets, name, stdin, ca_file, plain_http, unnamed=True)
        return self._record(
            Status.UNTRUSTED, found, job, attributes, attachments, reason, ()
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
        stdin: BinaryIO | None = None,
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
    ) -> list[AssetRecord]:
        """Record assets as UNSUPPORTED; see :meth:`notarize` for the arguments."""
        found = self._collect(assets, name, stdin, ca_file, plain_http, unnamed=True)
        return self._record(
            Status.UNSUPPORTED, found, job, attributes, attachments, reason, ()
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
        stdin: BinaryIO | None = None,
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
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
            stdin: Where ``-`` reads its list.
            ca_file: PEM file of further certificate authorities, for registries.
            plain_http: Registry hosts that may be asked without TLS.

        Raises:
            NotaryError: The ledger itself cannot be read or was altered.
        """
        from jenkins_notary.api.authenticate import authenticate_assets
        from jenkins_notary.trust.keys import parse_signer_id
        from jenkins_notary.trust.verdict import TrustRule

        rule = TrustRule(org, tuple(parse_signer_id(one) for one in keys))

        def collect(words: Sequence[str]) -> list[Asset]:
            return self._collect(words, name, stdin, ca_file, plain_http, unnamed=True)

        return authenticate_assets(
            self._session,
            self._read_list(assets, stdin),
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
        stdin: BinaryIO | None = None,
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
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
            stdin: Where ``-`` reads its list.
            ca_file: PEM file of further certificate authorities, for registries.
            plain_http: Registry hosts that may be asked without TLS.

        Raises:
            NotaryError: The policy is wrong, or the ledger cannot be read or was
                altered.
        """
        from jenkins_notary.api.gate import gate_assets
        from jenkins_notary.trust.keys import parse_signer_id
        from jenkins_notary.trust.verdict import TrustRule

        rule = TrustRule(org, tuple(parse_signer_id(one) for one in keys))

        def collect(words: Sequence[str]) -> list[Asset]:
            return self._collect(words, name, stdin, ca_file, plain_http, unnamed=True)

        return gate_assets(
            self._session,
            policy,
            self._read_list(assets, stdin),
            collect,
            rule,
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
        ca_file: str | None = None,
        plain_http: Sequence[str] = (),
    ) -> list[RecordView]:
        """Return the history of an asset or digest, in log order.

        Raises:
            NotFoundError: No record names it.
        """
        from jenkins_notary.api.evidence import Query, find_records

        (found,) = self._collect([asset], None, None, ca_file, plain_http, unnamed=True)
        query = Query(digest=found.digest, limit=limit, as_of=as_of)
        return find_records(self._session, query, receipts=receipts)

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

    def attach(
        self,
        path: str,
        *,
        job: str | None = None,
        digests: Sequence[str] = (),
        label: str | None = None,
        mime: str | None = None,
        stdin: BinaryIO | None = None,
    ) -> RecordView:
        """Keep a file as evidence of a job or of digests; return its record.

        Args:
            path: The file, or ``-`` for ``stdin``.
            job: A job id; None for that of the environment.
            digests: Assets that it is about.
            label: A label to find it by.
            mime: Its media type; None to guess by name.
            stdin: Where ``-`` reads.
        """
        from jenkins_notary.api.evidence import attach_body, check_label, guess_mime

        with self._open(path, stdin) as stream:
            return attach_body(
                self._session,
                stream,
                own_type="attachment",
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
        stdin: BinaryIO | None = None,
    ) -> RecordView:
        """Keep a build's log; return its record.

        Args:
            job: A job id; None for that of the environment.
            path: The file, or ``-`` for ``stdin``.
            stage: The stage that the log is of, or None for the whole build.
            form: Which of Jenkins' byte forms of a log it is.
            stdin: Where ``-`` reads.
        """
        from jenkins_notary.api.evidence import attach_body, check_label

        with self._open(path, stdin) as stream:
            return attach_body(
                self._session,
                stream,
                own_type="log",
                name="build log",
                job=job,
                facts={"stage": check_label(stage), "form": form},
            )

    def read_log(
        self, job: str, *, stage: str | None = None, as_of: str | None = None
    ) -> Iterator[bytes]:
        """Yield a build's notarized log, exactly; every chunk is proven first.

        Args:
            job: A job id.
            stage: The stage whose log is meant; None for that of the whole build.
            as_of: A tree size or time; None for now.

        Raises:
            NotFoundError: The build has no notarized log, or its body was erased.
            IntegrityError: The body is not the one that was signed.
        """
        from jenkins_notary.api.evidence import body_of, find_log
        from jenkins_notary.evidence.bodies import read_body

        record = find_log(self._session, job, stage=stage, as_of=as_of)
        yield from read_body(self._session.blobs, body_of(record))

    def search_log(
        self,
        job: str,
        *,
        stage: str | None = None,
        grep: str | None = None,
        lines: tuple[int, int] | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (line number, line) of a build's log.

        Args:
            job: A job id.
            stage: The stage whose log is meant; None for that of the whole build.
            grep: Text that stands in the line; wins over ``lines``.
            lines: (first, last) line number, from 1, both included.
        """
        from jenkins_notary.api.evidence import body_of, find_log
        from jenkins_notary.evidence.lines import find_lines
        from jenkins_notary.evidence.lines import grep as grep_lines

        body = body_of(find_log(self._session, job, stage=stage))
        if grep is not None:
            yield from grep_lines(self._session.blobs, body, grep)
        elif lines is not None:
            first, last = lines
            yield from find_lines(self._session.blobs, body, first, last + 1)

    def read_attachment(self, digest: str) -> Iterator[bytes]:
        """Yield the bytes of an attachment or log by its own digest, proven."""
        from jenkins_notary.api.evidence import find_body
        from jenkins_notary.evidence.bodies import read_body

        _, body = find_body(self._session, digest)
        yield from read_body(self._session.blobs, body)

    def import_records(self, path: str, *, job: str | None = None) -> list[AssetRecord]:
        """Record the digests of a CSV or JSON file as TRUSTED, in one commit."""
        from jenkins_notary.api.imports import read_import
        from jenkins_notary.api.notarize import Claim, record_assets

        assets = read_import(path)
        self._session.create_if_missing()
        return record_assets(self._session, assets, Claim(Status.TRUSTED, job))

    # Signers

    def show_key(self) -> KeyInfo:
        """Return the signer's key.

        Raises:
            NotFoundError: There is none yet.
        """
        from jenkins_notary.api.keys import describe_key

        return describe_key(self._session, passphrase=self._passphrase)

    def generate_key(self, *, kind: str = "ed25519") -> KeyInfo:
        """Make the signer's key.

        Raises:
            UsageError: There is one already.
        """
        from jenkins_notary.api.keys import make_key

        return make_key(self._session, kind, passphrase=self._passphrase)

    def signers(self) -> list[SignerInfo]:
        """Return the enrolled signers."""
        from jenkins_notary.api.signers import list_signers

        return list_signers(self._session)

    def orgs(self) -> Mapping[str, tuple[str, ...]]:
        """Return the members of each org."""
        return self._session.view().trust().orgs()

    def enrol(
        self, signer_or_pem: str, *, level: int = 1, orgs: Sequence[str] = ()
    ) -> RecordView:
        """Enrol a signer by its PEM file, or by its id if it has signed a record."""
        from jenkins_notary.api.signers import enrol_signer

        return enrol_signer(
            self._session,
            signer_or_pem,
            level=level,
            orgs=orgs,
            co_signers=self._co_signers(),
        )

    def revoke(self, signer: str, *, from_index: int | None = None) -> RecordView:
        """Revoke what a signer recorded from an index on; None for from now on."""
        from jenkins_notary.api.signers import revoke_signer

        return revoke_signer(
            self._session,
            signer,
            from_index=from_index,
            co_signers=self._co_signers(),
        )

    def set_level(self, signer: str, level: int) -> RecordView:
        """Give an enrolled signer another level."""
        from jenkins_notary.api.signers import set_level

        return set_level(self._session, signer, level, self._co_signers())

    def change_org(
        self, org: str, signers: Sequence[str], *, joined: bool
    ) -> RecordView:
        """Let signers join or leave an org."""
        from jenkins_notary.api.signers import change_org

        return change_org(
            self._session, org, signers, joined=joined, co_signers=self._co_signers()
        )

    # Ledger

    def init(
        self,
        *,
        origin: str | None = None,
        threshold: int = 1,
        ephemeral_ok: bool = False,
    ) -> LedgerStatus:
        """Make the ledger.

        Args:
            origin: The log's name; None for one made of the host's name.
            threshold: How many administrators (key and co-keys) must sign trust
                records.
            ephemeral_ok: Whether it may be made on an agent that goes away.

        Raises:
            UsageError: There is one already.
        """
        made = self._session.create_if_missing(
            origin=origin,
            threshold=threshold,
            co_signers=self._co_signers(),
            ephemeral_ok=ephemeral_ok,
        )
        if not made:
            raise UsageError(
                f"ledger {self._session.places.ledger_url}",
                expected="none yet",
                got="an initialized one",
            )
        return self.status()

    def status(self) -> LedgerStatus:
        """Return where the ledger stands, checked against the pin."""
        from jenkins_notary.api.maintenance import describe_ledger

        return describe_ledger(self._session)

    def verify(self, *, signatures: bool = True, bodies: bool = True) -> VerifyReport:
        """Check everything that the ledger holds: entries, tiles, rows, envelopes.

        Args:
            signatures: Check every record's signature too.
            bodies: Hash every body again too.

        Returns:
            What was checked and found; what was altered is in its findings.

        Raises:
            IntegrityError: The ledger is whole in itself, but not the one seen before.
        """
        from jenkins_notary.api.maintenance import verify_whole

        return verify_whole(
            self._session,
            signatures=signatures,
            bodies=bodies,
            progress=self._report,
        )

    def audit(self, state_file: str, *, full: bool = False) -> AuditResult:
        """Check that the ledger has only grown since an auditor's last look.

        Args:
            state_file: What the auditor keeps between looks; made at first.
            full: Read every record again, not a sample of the old ones.

        Raises:
            IntegrityError: The log was forked, rolled back or altered.
        """
        from jenkins_notary.api.maintenance import audit

        return audit(self._session, state_file, full=full, progress=self._report)

    def export(self, folder: str) -> ExportResult:
        """Write the ledger as static C2SP tiles, into a new or an earlier export."""
        from jenkins_notary.api.maintenance import export

        return export(self._session, folder, progress=self._report)

    def erase(
        self,
        indexes: Sequence[int] = (),
        *,
        containing: str | None = None,
        reason: str,
    ) -> ErasureResult:
        """Destroy envelopes and bodies of records, by a record that says so.

        Args:
            indexes: The records.
            containing: A text; every record that holds it is meant too.
            reason: Why; it stays, so it must not hold what is erased.
        """
        from jenkins_notary.api.erasure import erase_records

        return erase_records(
            self._session,
            indexes,
            containing=containing,
            reason=reason,
            co_signers=self._co_signers(),
            progress=self._report,
        )

    def resume_erasures(self) -> ErasureResult:
        """Finish erasures that were recorded and then interrupted."""
        from jenkins_notary.api.erasure import resume_erasures

        return resume_erasures(self._session, progress=self._report)

    def prune(
        self, *, before: str, labels: Sequence[str] | None = None
    ) -> ErasureResult:
        """Destroy the bodies of records before a time; the proofs stay.

        Args:
            before: RFC 3339 commit time.
            labels: Only bodies under these labels; None for all.
        """
        from jenkins_notary.api.erasure import prune

        return prune(
            self._session,
            before=before,
            labels=labels,
            co_signers=self._co_signers(),
            progress=self._report,
        )

    def backup(self, folder: str, *, with_key: bool = False) -> BackupResult:
        """Copy the ledger while others write, and check the copy whole.

        Args:
            folder: A new or an empty one.
            with_key: Copy the ledger's own key too.
        """
        from jenkins_notary.api.copies import backup

        return backup(self._session, folder, with_key=with_key, progress=self._report)

    def restore(self, folder: str) -> LedgerStatus:
        """Bring the ledger back from a backup, unless that would fork its log.

        Raises:
            IntegrityError: The backup was altered, or is older than what was seen.
        """
        from jenkins_notary.api.copies import restore

        restore(self._session, folder, progress=self._report)
        return self.status()

    def succeed(self, url: str, *, origin: str | None = None) -> LedgerStatus:
        """Begin a new log that follows this one; return where the new one stands.

        Args:
            url: Where the new ledger goes.
            origin: Its name; None for one made of the host's name.
        """
        from jenkins_notary.api.copies import succeed

        succeed(
            self._session,
            url,
            origin=origin,
            co_signers=self._co_signers(),
            progress=self._report,
        )
        old, places = self._session, self._session.places
        with Notary(
            url,
            key=places.key,
            passphrase=self._passphrase,
            environ=old.environ,
            notify=old.notify,
        ) as new:
            return new.status()

    def rotate_key(self) -> None:
        """Give the ledger a new key of its own; readers with a pin follow."""
        from jenkins_notary.api.copies import rotate_key

        rotate_key(self._session, co_signers=self._co_signers())

    def upgrade(self) -> list[str]:
        """Bring the ledger's storage to this version; return what was done."""
        from jenkins_notary.api.copies import upgrade

        return upgrade(self._session)

    def doctor(self) -> list[Check]:
        """Look at everything that a user needs; every check is returned."""
        from jenkins_notary.api.doctor import run_checks

        return run_checks(self._session)

    # What the methods share

    def _report(self, what: str, done: int, total: int | None) -> None:
        """Tell whoever listens how far long work has come."""
        if self._progress is not None:
            self._progress(what, done, total)

    def _record(
        self,
        status: Status,
        assets: Sequence[Asset],
        job: str | None,
        attributes: Mapping[str, str | int | bool] | None,
        attachments: Iterable[tuple[str, str | None]],
        reason: str | None,
        supersedes: Sequence[int],
    ) -> list[AssetRecord]:
        """Record assets with their manifests and attachments."""
        from jenkins_notary.api.notarize import Claim, record_assets

        if status is not Status.TRUSTED and not (reason or "").strip():
            raise UsageError(
                "reason", expected="why", got="none", advice="give --reason"
            )
        stored = self._store_bodies(list(attachments), assets)
        claim = Claim(status, job, attributes or {}, reason, supersedes, stored)
        return record_assets(self._session, assets, claim)

    def _store_bodies(
        self, attachments: Sequence[tuple[str, str | None]], assets: Sequence[Asset]
    ) -> list[dict[str, Any]]:
        """Store attachments and directory manifests; return their JSON form."""
        manifests = [one for one in assets if one.manifest is not None]
        if not attachments and not manifests:
            return []
        import io

        from jenkins_notary.api.authenticate import remember_directory
        from jenkins_notary.api.evidence import store_attachments
        from jenkins_notary.values.body import format_body

        self._session.view()
        stored: list[dict[str, Any]] = store_attachments(self._session, attachments)
        for one in manifests:
            body = self._session.blobs.put(io.BytesIO(one.manifest or b""))
            stored.append(
                {
                    "name": one.name,
                    "label": "manifest",
                    "mime": "application/json",
                    "body": format_body(body),
                }
            )
            remember_directory(self._session, one.name, one.digest)
        return stored

    def _collect(
        self,
        words: Sequence[str],
        name: str | None,
        stdin: BinaryIO | None,
        ca_file: str | None,
        plain_http: Sequence[str],
        *,
        unnamed: bool = False,
    ) -> list[Asset]:
        """Return the assets that words name."""
        from jenkins_notary.assets.selection import SelectionOptions, collect_assets

        report = self._progress

        def on_hash(bytes_done: int, files_done: int) -> None:
            if report is not None:
                report(f"hashing, {files_done} files", bytes_done, None)

        def open_images() -> Any:
            from jenkins_notary.registry.client import RegistryClient

            return RegistryClient(
                ca_file=ca_file,
                plain_http_hosts=plain_http,
                environ=self._session.environ,
            )

        def open_urls() -> Any:
            from jenkins_notary.registry.http_source import HttpSource

            return HttpSource(ca_file=ca_file, plain_http_hosts=plain_http)

        options = SelectionOptions(
            name=name,
            unnamed_digests=unnamed,
            stdin=stdin,
            progress=None if report is None else on_hash,
            open_images=open_images,
            open_urls=open_urls,
        )
        return collect_assets(words, options)

    def _read_list(self, words: Sequence[str], stdin: BinaryIO | None) -> list[str]:
        """Return the words with a list on standard input read, so each is judged."""
        from jenkins_notary.assets.selection import expand_lists

        return expand_lists(words, stdin)

    def _open(self, path: str, stdin: BinaryIO | None) -> BinaryIO:
        """Open a file or standard input."""
        from jenkins_notary.api.evidence import open_file

        if path != "-":
            return open_file(path)
        return sys.stdin.buffer if stdin is None else stdin

    def _co_signers(self) -> list[Signer]:
        """Return the further administrators' keys."""
        from jenkins_notary.keys.pem import load_signer

        return [load_signer(one, passphrase=self._passphrase) for one in self._co_keys]

"""Keep a ledger: make it, check it, copy it, clean it; ``Notary.ledger``."""

from __future__ import annotations

from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.api.ledgers.copies import BackupResult
    from jenkins_notary.api.ledgers.resend import Resent
    from jenkins_notary.api.ledgers.sync import Synced
    from jenkins_notary.api.ledgers.sync_ends import Source, Target
    from jenkins_notary.api.logs.tail import Tail
    from jenkins_notary.api.results import LedgerStatus
    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.audit import AuditResult
    from jenkins_notary.ledger.erase import ErasureResult
    from jenkins_notary.ledger.export import ExportResult
    from jenkins_notary.ledger.verify import VerifyReport


class LedgerKeeper:
    """What an administrator or auditor does with a ledger."""

    def __init__(self, session: Session) -> None:
        """Hold what is open."""
        self._session = session

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
        if not 1 <= threshold <= 1 + len(self._session.choices.co_keys):
            raise UsageError(
                "--threshold",
                expected="at most as many as there are administrators' keys",
                got=f"{threshold} of {1 + len(self._session.choices.co_keys)}",
                advice="name further administrators with --co-key",
            )
        from jenkins_notary.api.ledgers.creation import create_ledger

        made = not self._session.has_ledger() and create_ledger(
            self._session,
            origin=origin,
            threshold=threshold,
            co_signers=self._session.co_signers(),
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
        from jenkins_notary.api.ledgers.immudb import look_at_servers
        from jenkins_notary.api.ledgers.maintenance import describe_ledger

        status = describe_ledger(self._session)
        return status._replace(servers=look_at_servers(self._session))

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
        from jenkins_notary.api.ledgers.maintenance import verify_whole

        return verify_whole(
            self._session,
            signatures=signatures,
            bodies=bodies,
            progress=self._session.report,
        )

    def audit(self, state_file: str, *, full: bool = False) -> AuditResult:
        """Check that the ledger has only grown since an auditor's last look.

        Args:
            state_file: What the auditor keeps between looks; made at first.
            full: Read every record again, not a sample of the old ones.

        Raises:
            IntegrityError: The log was forked, rolled back or altered.
        """
        from jenkins_notary.api.ledgers.maintenance import audit

        return audit(
            self._session, state_file, full=full, progress=self._session.report
        )

    def export(self, folder: str) -> ExportResult:
        """Write the ledger as static C2SP tiles, into a new or an earlier export."""
        from jenkins_notary.api.ledgers.maintenance import export

        return export(self._session, folder, progress=self._session.report)

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
        from jenkins_notary.api.ledgers.erasure import erase_records

        return erase_records(
            self._session,
            indexes,
            containing=containing,
            reason=reason,
            co_signers=self._session.co_signers(),
            progress=self._session.report,
        )

    def resume_erasures(self) -> ErasureResult:
        """Finish erasures that were recorded and then interrupted."""
        from jenkins_notary.api.ledgers.erasure import resume_erasures

        return resume_erasures(self._session, progress=self._session.report)

    def prune(
        self, *, before: str, labels: Sequence[str] | None = None
    ) -> ErasureResult:
        """Destroy the bodies of records before a time; the proofs stay.

        Args:
            before: RFC 3339 commit time.
            labels: Only bodies under these labels; None for all.
        """
        from jenkins_notary.api.ledgers.erasure import prune

        return prune(
            self._session,
            before=before,
            labels=labels,
            co_signers=self._session.co_signers(),
            progress=self._session.report,
        )

    def backup(self, folder: str, *, with_key: bool = False) -> BackupResult:
        """Copy the ledger while others write, and check the copy whole.

        Args:
            folder: A new or an empty one.
            with_key: Copy the ledger's own key too.
        """
        from jenkins_notary.api.ledgers.copies import backup

        return backup(
            self._session, folder, with_key=with_key, progress=self._session.report
        )

    def restore(self, folder: str, *, published: Sequence[bytes] = ()) -> LedgerStatus:
        """Bring the ledger back from a backup, unless that would fork its log.

        Args:
            folder: The backup.
            published: Receipts and checkpoints that went out, beside the user's pin.

        Raises:
            IntegrityError: The backup was altered, or is older than what was seen.
        """
        from jenkins_notary.api.ledgers.copies import restore

        restore(
            self._session,
            folder,
            published=published,
            progress=self._session.report,
        )
        return self.status()

    def resend(self, sources: Sequence[str]) -> Resent:
        """Record again what a log that was lost had recorded.

        Args:
            sources: Ledger files, such as an auditor's copy, and folders with
                ``*.dsse.json`` anywhere below.
        """
        from jenkins_notary.api.ledgers.resend import resend

        return resend(self._session, sources)

    def succeed(
        self, url: str, *, origin: str | None = None, published: Sequence[bytes] = ()
    ) -> LedgerStatus:
        """Begin a new log that follows this one; return where the new one stands.

        Args:
            url: Where the new ledger goes.
            origin: Its name; None for one made of the host's name.
            published: Receipts and checkpoints that went out, beside the pin.
        """
        from jenkins_notary.api.ledgers.copies import succeed

        succeed(
            self._session,
            url,
            origin=origin,
            co_signers=self._session.co_signers(),
            published=published,
            progress=self._session.report,
        )
        return LedgerKeeper(self._session.reopen(url)).status()

    def migrate(self, url: str) -> LedgerStatus:
        """Move this ledger to another engine or place; return where it stands there.

        The source is sealed: it can be read, and nothing is written to it any more.

        Args:
            url: Where it goes.
        """
        from jenkins_notary.api.ledgers.migration import migrate

        target = migrate(
            self._session,
            url,
            co_signers=self._session.co_signers(),
            progress=self._session.report,
        )
        try:
            return LedgerKeeper(target).status()
        finally:
            target.close()

    def sync(
        self, source: str | Source, *, log: str | None = None, rate: int | None = None
    ) -> Synced:
        """Import what another ledger has more than was imported before.

        Args:
            source: The other ledger: a path or URL as of ``Notary``; or what reads one
                elsewhere.
            log: The verifier key that must have signed it, for a path or URL.
            rate: Bytes a second that may be read; None for no limit.
        """
        from jenkins_notary.api.ledgers.sync import sync
        from jenkins_notary.api.ledgers.sync_ends import SessionSource, SessionTarget

        target = SessionTarget(self._session)
        if not isinstance(source, str):
            return sync(target, source, rate=rate)
        other = self._session.reopen(source, log=log)
        try:
            return sync(target, SessionSource(other), rate=rate)
        finally:
            other.close()

    def send_to(self, target: Target, *, rate: int | None = None) -> Synced:
        """Import what this ledger has more into another, wherever that is.

        Args:
            target: The other ledger, such as a service's.
            rate: Bytes a second that may be sent; None for no limit.
        """
        from jenkins_notary.api.ledgers.sync import sync
        from jenkins_notary.api.ledgers.sync_ends import SessionSource

        return sync(target, SessionSource(self._session), rate=rate)

    def tail(
        self,
        path: str,
        *,
        name: str | None = None,
        job: str | None = None,
        secrets: str = "hold",
    ) -> Tail:
        """Return what records a log file's new lines with each ``record_new``.

        Args:
            path: The file.
            name: What stands for host and path in the records; None for these.
            job: The build that the lines belong to, or None for none.
            secrets: What is done with pieces in which secrets are found: ``store``,
                ``hold`` or ``digest``.
        """
        from jenkins_notary.api.logs.tail import Tail

        return Tail(self._session, path, name=name, job=job, secrets=secrets)

    def rotate_key(self) -> None:
        """Give the ledger a new key of its own; readers with a pin follow."""
        from jenkins_notary.api.ledgers.rotation import rotate_key

        rotate_key(self._session, co_signers=self._session.co_signers())

    def upgrade(self) -> list[str]:
        """Bring the ledger's storage to this version; return what was done."""
        from jenkins_notary.api.ledgers.copies import upgrade

        return upgrade(self._session)

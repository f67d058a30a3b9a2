"""Record a baseline: in a ledger at hand, or in a service's, signed here either way.

Nobody signs a baseline for somebody else: a service that signs would take the key of a
folder's builds for it.
"""

from __future__ import annotations

import os
import time
from typing import Protocol

from jenkins_notary.api.notarize import record_assets, sign_groups
from jenkins_notary.api.signers import list_signers
from jenkins_notary.cluster.bulk_sign import (
    BATCH,
    ORIGIN,
    SIGNED,
    WOULD_SIGN,
    check_signer,
    sort_out,
    to_asset,
)
from jenkins_notary.errors import UsageError
from jenkins_notary.keys.pem import load_signer
from jenkins_notary.ledger.author import Author
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.claim import Claim, describe_claim
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.cluster.bulk_sign import Fate, Image
    from jenkins_notary.remote.reading.notary import RemoteReader


class BaselineLedger(Protocol):
    """A ledger that a baseline is recorded in."""

    @property
    def signer(self) -> str | None:
        """Return the id of the key that signs, None where none was named."""

    def signers(self) -> Sequence[Mapping[str, Any]]:
        """Return the enrolled signers, in the JSON form of ``signer list``."""

    def authenticate(
        self, digests: Sequence[str], signers: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        """Return the word on each digest, by these signers alone if there are any."""

    def record(self, assets: Sequence[Asset], claim: Claim) -> Sequence[int]:
        """Record assets durably; return the index of each one's record."""


class LocalLedger:
    """A ledger at hand, of any engine."""

    def __init__(self, session: Session) -> None:
        """Open nothing yet."""
        self._session = session

    @property
    def signer(self) -> str | None:
        """Return the id of the key that signs, None where none was named."""
        has_key = self._session.choices.key is not None
        return self._session.signer().keyid if has_key else None

    def signers(self) -> Sequence[Mapping[str, Any]]:
        """Return the enrolled signers."""
        return [one.to_dict() for one in list_signers(self._session)]

    def authenticate(
        self, digests: Sequence[str], signers: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        """Return the word on each digest."""
        view, rule = self._session.followed_view(), TrustRule(keys=tuple(signers))
        found = [view.verdict(digest_hex(one), rule) for one in digests]
        return [
            {
                "status": one.status.name,
                "reason": one.reason,
                "index": one.record and one.record.index,
            }
            for one in found
        ]

    def record(self, assets: Sequence[Asset], claim: Claim) -> Sequence[int]:
        """Record assets durably."""
        return [one.index for one in record_assets(self._session, assets, claim)]


class ServiceLedger:
    """A ledger that a service keeps; the key is here."""

    def __init__(
        self, reader: RemoteReader, key: str | None, passphrase: bytes | None
    ) -> None:
        """Load the key; ask nothing yet.

        Raises:
            NotFoundError: There is no such key.
        """
        self._reader = reader
        self._signer = None if key is None else load_signer(key, passphrase=passphrase)

    @property
    def signer(self) -> str | None:
        """Return the id of the key that signs, None where none was named."""
        return None if self._signer is None else self._signer.keyid

    def signers(self) -> Sequence[Mapping[str, Any]]:
        """Return the enrolled signers, as the service tells them."""
        return [one.to_dict() for one in self._reader.signers.list()]

    def authenticate(
        self, digests: Sequence[str], signers: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        """Return the word on each digest, checked."""
        found = self._reader.authenticate(digests, keys=signers)
        return [one.to_dict() for one in found]

    def record(self, assets: Sequence[Asset], claim: Claim) -> Sequence[int]:
        """Record assets durably; what the service answers is proven."""
        assert self._signer is not None  # noqa: S101 - the caller has checked it
        now_ms = time.time_ns() // 1_000_000
        author = Author((self._signer,), os.urandom(16).hex(), now_ms)
        groups, envelopes = sign_groups(author, assets, describe_claim({}, claim))
        records = self._reader.record(envelopes)
        return [
            one.index for group, one in zip(groups, records, strict=True) for _ in group
        ]


def sign_baseline(
    images: Sequence[Image],
    ledger: BaselineLedger,
    *,
    is_dry_run: bool,
    attributes: Mapping[str, str],
    job: str | None,
    report: Callable[[str, int, int | None], object],
) -> Iterator[Fate]:
    """Record what is unknown; yield what became of each image, once durable.

    Args:
        images: What runs.
        ledger: Where it is recorded.
        is_dry_run: Whether nothing is; then no key is needed.
        attributes: Further attributes of each record.
        job: A job id that the records name, or None.
        report: Called with (what, done, total).

    Raises:
        UsageError: No key was named.
        ConfigurationError: The key may not sign a baseline.
        NotaryError: The rest was not recorded; the same call goes on with it.
    """
    signer = ledger.signer
    if signer is not None:
        check_signer(signer, ledger.signers())
    elif not is_dry_run:
        raise UsageError(
            "--key",
            expected="a key that signs baselines alone",
            got="none",
            advice="jenkins-notary key generate --key baseline.pem",
        )
    claim = Claim(Status.TRUSTED, job, {**attributes, **ORIGIN})
    for start in range(0, len(images), BATCH):
        report("signing images", start, len(images))
        group = images[start : start + BATCH]
        fates = [*sort_out(group, ledger.authenticate, signer)]
        wanted = [one.image for one in fates if one.outcome == WOULD_SIGN]
        indexes: dict[str, int] = {}
        if wanted and not is_dry_run:
            found = ledger.record([to_asset(one) for one in wanted], claim)
            indexes = dict(zip([one.digest for one in wanted], found, strict=True))
        yield from (_sign(one, indexes.get(one.image.digest)) for one in fates)


def _sign(fate: Fate, index: int | None) -> Fate:
    """Return what became of an image whose record is here."""
    if index is None:
        return fate
    reason = f"record #{index}: what ran"
    return fate._replace(
        outcome=SIGNED, status=Status.TRUSTED, reason=reason, index=index
    )

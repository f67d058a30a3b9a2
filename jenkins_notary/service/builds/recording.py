"""Record claims, and records that clients have signed: ``POST /records``.

The body is one of three objects: a claim (``assets.claims``); ``{"claims": [...]}``,
several, recorded in one commit or not at all; ``{"envelopes": [...]}``, DSSE envelopes
as text, which the client has signed and which are verified before they are taken.
"""

from __future__ import annotations

from jenkins_notary.api.claims import sign_claim
from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.notarize import show_assets
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.ledger.bodies import find_described
from jenkins_notary.service.access.rules import check_claim, check_statement
from jenkins_notary.service.http.asks import list_of, parse_object
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.keys import is_signer_id
from jenkins_notary.trust.record import check_author
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jenkins_notary.api.notarize import SignedAssets
    from jenkins_notary.api.session import Session
    from jenkins_notary.service.access.limits import Quotas
    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.builds.sessions import ProvenBuild
    from jenkins_notary.service.builds.voices import Voices
    from jenkins_notary.service.http.uploads import Uploads
    from jenkins_notary.values.body import Body

MAX_RECORDS = 100
"""Claims or envelopes of one request."""


class Sender(NamedTuple):
    """Who sends records.

    Attributes:
        who: Whose request it is.
        build: The build that has proved that it sends it, or None.
        uploads: Bodies that were sent before.
        voices: Whose key signs what is sent.
        quotas: What was recorded today.
    """

    who: Principal
    build: ProvenBuild | None
    uploads: Uploads
    voices: Voices
    quotas: Quotas


class Recording:
    """One request's records, from the body to the answer."""

    def __init__(self, data: bytes, limit: int, sender: Sender) -> None:
        """Take a request's body; nothing is looked at yet.

        Args:
            data: The body.
            limit: The most bytes of it.
            sender: Whose request it is.
        """
        self._data = data
        self._limit = limit
        self._sender = sender
        self._who = sender.who
        self._signed: list[SignedAssets] = []
        self._is_list = False

    def prepare(self, session: Session) -> Sequence[bytes]:
        """Return the envelopes, checked and signed.

        Raises:
            UsageError: The request is malformed.
            PermissionDeniedError: The token may not record this.
        """
        value = parse_object(self._data, self._limit)
        if "envelopes" in value:
            listed = list_of(value, "envelopes", MAX_RECORDS)
            return [self._check_signed(session, one) for one in listed]
        self._is_list = "claims" in value
        claims = list_of(value, "claims", MAX_RECORDS) if self._is_list else [value]
        self._signed = [self._sign(session, one) for one in claims]
        return [data for one in self._signed for data in one.envelopes]

    def finish(self, session: Session, indexes: Sequence[int]) -> dict[str, Any]:
        """Return the answer: assets with receipts, or the records."""
        view = session.view()
        if not self._signed:
            shown = [show_record(view, view.record(n)) for n in indexes]
            return {"records": [one.to_dict() for one in shown]}
        answers = []
        for one in self._signed:
            own, indexes = indexes[: len(one.envelopes)], indexes[len(one.envelopes) :]
            # A claim that was sent before has the envelope of the first time.
            assets = [each.to_dict() for each in show_assets(session, one, own)]
            stored = {
                str(n): (view.stored_envelope(view.leaf(n)[1]) or b"").decode()
                for n in own
            }
            answers.append({"assets": assets, "envelopes": stored})
        return {"results": answers} if self._is_list else answers[0]

    def _sign(self, session: Session, value: object) -> SignedAssets:
        """Return a claim, signed."""
        sent = parse_claim(value)
        check_claim(self._who, session.view(), sent)
        named = {one.sha256_hex for one in sent.attachments}
        uploads = self._sender.uploads
        found = {one: uploads.get(self._who.name, one) for one in named}
        size = sum(one.size for one in found.values() if one is not None)
        job = None if sent.job is None else sent.job["id"]
        self._sender.quotas.take_record(self._who.title, job, size)
        voice = self._sender.voices.of_claim(
            session, self._who, sent, self._sender.build
        )
        return sign_claim(
            session,
            sent._replace(job=voice.job),
            {one: body for one, body in found.items() if body is not None},
            submitter=self._who.describe(),
            signer=voice.signer,
        )

    def _check_signed(self, session: Session, text: object) -> bytes:
        """Return an envelope that its own signer has signed."""
        if not isinstance(text, str):
            raise UsageError("envelope", expected="its JSON, as text")
        data = text.encode("utf-8", "surrogatepass")
        try:
            envelope = parse_envelope(data)
            statement = parse_statement(envelope.payload)
            check_author(envelope, statement, session.signatures, subject="envelope")
            bodies = find_described(statement)
        except IntegrityError as error:
            # The request is wrong; nothing that is kept was altered.
            raise UsageError(
                error.subject, expected=error.expected, got=error.got
            ) from error
        signer = envelope.signatures[0].keyid
        if not is_signer_id(signer):
            raise UsageError(
                "envelope", expected="a first signature by 0x...", got=signer[:80]
            )
        check_statement(self._who, session.view(), statement)
        self._check_bodies(bodies)
        size = sum(one.size for one in bodies)
        self._sender.quotas.take_record(self._who.title, statement.job_id, size)
        return data

    def _check_bodies(self, bodies: Sequence[Body]) -> None:
        """Check that this token has sent the bodies that a client's record names.

        Else it could read the body of others through a record of its own, and name one
        that nobody holds.
        """
        for one in bodies:
            if self._sender.uploads.get(self._who.name, one.sha256_hex) != one:
                raise NotFoundError(
                    f"body sha256:{one.sha256_hex}",
                    expected="one that this token sent before, as it is described",
                    got="none",
                )

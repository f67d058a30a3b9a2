"""Believe an answer only for what it holds: whole, about what was asked, and proven.

A service is not taken at its word:

1. An answer has one item for each asset that was sent, in order, with its name, kind
   and digest; its status and code are of the table and agree with each other.
2. A record's receipt is well formed, stands at the index that the item names, and its
   leaf holds the digest, status, signer and job that the item states. The leaf stands
   in the receipt, or is made again from the envelope, whose hash it names.
3. The inclusion proof leads from the leaf to the root in the checkpoint.
4. The checkpoint is signed by the log's key, where the caller named one (``--log``).
   Without it (1) to (3) are checked all the same, and that is said: they catch faults,
   not a service that lies.
5. The envelope's statement has the record id, digests, status and job that were sent,
   so that what was recorded is what was claimed.

What does not hold is an IntegrityError: the record may exist, but must not be relied
on.
"""

from __future__ import annotations

from jenkins_notary.errors import SEVERITY, IntegrityError, UsageError
from jenkins_notary.ledger.receipts import check_receipt
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import ALGORITHM_ED25519, parse_note
from jenkins_notary.tlog.receipt import parse_receipt
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.leaf import hash_job
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.ledger.receipts import CheckedReceipt
    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.tlog.note import NoteVerifier

RECORD_KEYS = (
    *("name", "kind", "digest", "ref", "size", "status", "job", "signer"),
    *("timestamp", "index", "receipt", "code"),
)
"""Keys of a recorded asset, in order."""

VERDICT_KEYS = (
    *("name", "kind", "digest", "ref", "size", "status", "code", "job", "signer"),
    *("timestamp", "index", "receipt", "as_of", "reason", "advice"),
)
"""Keys of a verdict, in order."""

GATE_KEYS = ("allowed", "reasons", "rules", "policy")
"""Further keys of the gate's decision."""

DENIED = 5
_FAILURES = frozenset(code for code in SEVERITY if code >= 64)


class _AnyKey(NamedTuple):
    """A verifier that takes the place of a key that nobody named."""

    name: str
    key_id: bytes
    algorithm: int = ALGORITHM_ED25519

    def verify(self, message: bytes, signature: bytes) -> bool:  # noqa: ARG002 - the port's
        """Say yes: the proof is checked, the signature is not."""
        return True


class AnswerChecker:
    """Checks the answers of one call."""

    def __init__(self, url: str, verifiers: Sequence[NoteVerifier]) -> None:
        """Keep whom the answers are from, and the log's keys, none if not named."""
        self._url = url
        self._verifiers = verifiers
        self._checked: dict[str, CheckedReceipt] = {}

    def check_records(
        self, answer: Mapping[str, Any], sent: SentClaim
    ) -> list[dict[str, Any]]:
        """Return the items of an answer to a claim.

        Raises:
            IntegrityError: It is not the answer to what was sent, or not proven.
        """
        items = self._items(answer, sent.assets)
        envelopes = answer.get("envelopes")
        if not isinstance(envelopes, dict):
            raise self._wrong("the records' envelopes", envelopes)
        job = None if sent.job is None else sent.job["id"]
        for item, asset in zip(items, sent.assets):
            index = item.get("index")
            self._expect(item, "status", sent.claim.status.name)
            self._expect(item, "code", 0)
            self._expect(item, "job", job)
            self._expect(item, "size", asset.size)
            self._expect(item, "ref", asset.ref)
            envelope = envelopes.get(str(index))
            if not isinstance(envelope, str):
                raise self._wrong(f"the envelope of record #{index}", envelope)
            checked = self._check_receipt(item, envelope.encode())
            self._check_leaf(item, checked, sent.claim.status, job)
            statement = None if checked is None else checked.statement
            got = None if statement is None else statement.facts.get("recordId")
            if got != sent.record_id:
                raise self._wrong(f"record id {sent.record_id}", got)
        return [{key: one.get(key) for key in RECORD_KEYS} for one in items]

    def check_verdicts(
        self, answer: Mapping[str, Any], sent: Sequence[Asset]
    ) -> list[dict[str, Any]]:
        """Return the items of an answer to ``authenticate``.

        Raises:
            IntegrityError: As :meth:`check_records`.
        """
        return [
            self._check_verdict(item, asset, VERDICT_KEYS)
            for item, asset in zip(self._items(answer, sent), sent)
        ]

    def check_decisions(
        self, answer: Mapping[str, Any], sent: Sequence[Asset], policy: str
    ) -> list[dict[str, Any]]:
        """Return the items of an answer to ``gate``.

        Args:
            answer: The answer.
            sent: The assets, in order.
            policy: The digest of the policy that was sent.

        Raises:
            IntegrityError: As :meth:`check_records`.
        """
        found = []
        for item, asset in zip(self._items(answer, sent), sent):
            self._expect(item, "policy", policy)
            self._check_decision(item)
            code = item["code"] if item.get("error") else _status_code(item)
            verdict = {**item, "code": code}
            checked = self._check_verdict(verdict, asset, VERDICT_KEYS + GATE_KEYS)
            found.append({**checked, "code": item.get("code")})
        return found

    def check_found(self, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the records of an answer to a search; each with its form.

        Raises:
            IntegrityError: It is no list of records.
        """
        items = answer.get("records")
        if not isinstance(items, list) or not all(isinstance(o, dict) for o in items):
            raise self._wrong("a list of records", items)
        for item in items:
            self._expect(item, "code", 0)
            if type(item.get("index")) is not int or not isinstance(
                item.get("type"), str
            ):
                raise self._wrong("a record's index and type", item)
            if item.get("receipt") is not None:
                self._check_place(item)
        return items

    def check_attached(
        self, answer: Mapping[str, Any], sha256_hex: str
    ) -> list[dict[str, Any]]:
        """Return the one record that attaches a body.

        Raises:
            IntegrityError: There is none, or it is about another body.
        """
        items = self.check_found(answer)
        digests = items[0].get("digests") if len(items) == 1 else None
        if not isinstance(digests, list) or f"sha256:{sha256_hex}" not in digests:
            raise self._wrong(f"a record of sha256:{sha256_hex}", digests)
        return items

    def check_envelope(
        self, item: Mapping[str, Any], envelope: bytes
    ) -> CheckedReceipt:
        """Return what the receipt of a record proves of its envelope.

        Raises:
            IntegrityError: It proves another record, or another envelope.
        """
        checked = self._check_receipt(item, envelope)
        assert checked is not None  # noqa: S101 - with its envelope a leaf is at hand
        return checked

    def check_note(self, text: object) -> Checkpoint:
        """Return the checkpoint in a signed note.

        Raises:
            IntegrityError: It is none, or the log's key has not signed it.
        """
        from jenkins_notary.tlog.checkpoint import open_checkpoint

        note = str(text).encode("utf-8", "surrogatepass")
        return open_checkpoint(note, self._keys_of(note)).checkpoint

    def _check_verdict(
        self, item: dict[str, Any], asset: Asset, keys: Sequence[str]
    ) -> dict[str, Any]:
        """Return one verdict with its keys in order."""
        code, error = item.get("code"), item.get("error")
        if error is not None:
            is_error = isinstance(error, dict) and error.get("code") == code
            if not is_error or code not in _FAILURES or item.get("status") is not None:
                raise self._wrong("an error with its code", error)
        elif code != _status_code(item):
            raise self._wrong(f"the code of {item.get('status')}", code)
        else:
            self._check_state(item)
        if item.get("receipt") is not None:
            checked = self._check_receipt(item, None)
            if code == 0:
                self._check_leaf(item, checked, Status.TRUSTED, item.get("job"))
        elif code == 0:
            raise self._wrong("a receipt of the record that decides", None)
        if asset.dirty and code == 0:
            raise self._wrong(f"{asset.name} not to count: its tree is dirty", code)
        value = {key: item.get(key) for key in keys}
        return value if error is None else {**value, "error": error}

    def _check_state(self, item: Mapping[str, Any]) -> None:
        """Check that a verdict says which state of the log it holds for."""
        as_of = item.get("as_of")
        if not isinstance(as_of, dict) or type(as_of.get("tree_size")) is not int:
            raise self._wrong("the state of the log that it holds for", as_of)

    def _check_decision(self, item: Mapping[str, Any]) -> None:
        """Check that a decision's code is what it says."""
        allowed, code = item.get("allowed"), item.get("code")
        if item.get("error") is not None:
            is_right = allowed is False and code in _FAILURES
        elif allowed is True:
            is_right = code == 0 and not item.get("reasons")
        else:
            is_right = allowed is False and code == DENIED and bool(item.get("reasons"))
        if not is_right:
            raise self._wrong(
                "a decision with its code and reasons", f"{allowed} {code}"
            )

    def _items(
        self, answer: Mapping[str, Any], sent: Sequence[Asset]
    ) -> list[dict[str, Any]]:
        """Return the items of an answer, one for each asset, about that asset."""
        items = answer.get("assets")
        if not isinstance(items, list) or len(items) != len(sent):
            got = len(items) if isinstance(items, list) else items
            raise self._wrong(f"{len(sent)} assets", got)
        for item, asset in zip(items, sent):
            if not isinstance(item, dict):
                raise self._wrong("an asset", item)
            for key in ("name", "kind", "digest"):
                self._expect(item, key, getattr(asset, key))
        return items

    def _check_receipt(
        self, item: Mapping[str, Any], envelope: bytes | None
    ) -> CheckedReceipt | None:
        """Return what an item's receipt proves; None where its leaf is not at hand."""
        text = item.get("receipt")
        if not isinstance(text, str):
            raise self._wrong("a receipt", text)
        # The assets of one record share one receipt.
        checked = self._checked.get(text)
        if checked is None:
            data = text.encode("utf-8", "surrogatepass")
            try:
                checked = check_receipt(data, self._keys(data), envelope=envelope)
            except UsageError:
                # A record of many assets, asked for without its envelope.
                self._check_place(item)
                return None
            self._checked[text] = checked
        if checked.index != item.get("index"):
            raise self._wrong(
                f"a receipt of record #{item.get('index')}", checked.index
            )
        return checked

    def _check_leaf(
        self,
        item: Mapping[str, Any],
        checked: CheckedReceipt | None,
        status: Status,
        job: str | None,
    ) -> None:
        """Check that a proven leaf says what an item says."""
        if checked is None:
            return
        leaf = checked.leaf
        if digest_hex(str(item["digest"])) not in leaf.subjects:
            raise self._wrong(f"a record of {item['digest']}", f"#{checked.index}")
        if leaf.status is not status:
            raise self._wrong(f"a record with status {status.name}", leaf.status)
        if leaf.signer != item.get("signer"):
            raise self._wrong(f"a record by {item.get('signer')}", leaf.signer)
        if leaf.job_hex != (None if job is None else hash_job(job)):
            raise self._wrong(f"a record of job {job}", "another job")

    def _check_place(self, item: Mapping[str, Any]) -> None:
        """Check the place and the checkpoint of a receipt whose leaf is not at hand."""
        from jenkins_notary.tlog.checkpoint import open_checkpoint

        data = str(item.get("receipt")).encode("utf-8", "surrogatepass")
        receipt = parse_receipt(data)
        checkpoint = open_checkpoint(
            receipt.checkpoint_note, self._keys(data)
        ).checkpoint
        if receipt.index != item.get("index") or receipt.index >= checkpoint.size:
            raise self._wrong(
                f"a receipt of record #{item.get('index')}", receipt.index
            )

    def _keys(self, data: bytes) -> Sequence[NoteVerifier]:
        """Return whose signature on a receipt's checkpoint counts."""
        return self._keys_of(parse_receipt(data).checkpoint_note)

    def _keys_of(self, data: bytes) -> Sequence[NoteVerifier]:
        """Return the log's keys, or a stand-in for the one that signed a note."""
        if self._verifiers:
            return self._verifiers
        note = parse_note(data)
        origin = parse_checkpoint(note.text).origin
        own = [one for one in note.signatures if one.name == origin]
        return [_AnyKey(one.name, one.key_id) for one in own[:1]]

    def _expect(self, item: Mapping[str, Any], key: str, value: object) -> None:
        """Check one value of an item."""
        got = item.get(key)
        if got != value or type(got) is not type(value):
            raise self._wrong(f"{key} {value!r}"[:120], repr(got)[:120])

    def _wrong(self, expected: str, got: object) -> IntegrityError:
        """Return the error for an answer that does not hold."""
        return IntegrityError(
            f"answer of {self._url}",
            expected=expected,
            got=str(got)[:120],
            advice="do not rely on it: have the service and its ledger checked",
        )


def _status_code(item: Mapping[str, Any]) -> int | None:
    """Return the code of an item's status word, None for no such word."""
    word = item.get("status")
    status = Status.__members__.get(word) if isinstance(word, str) else None
    return None if status is None else status.value

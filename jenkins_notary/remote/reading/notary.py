"""Offer the reading methods of ``Notary`` on a service's ledger.

What needs the ledger's own files or keys is not here: the command line says so by name.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode  # noqa: TID253 - not in the agent part

from jenkins_notary.errors import AmbiguousError, IntegrityError, NotFoundError
from jenkins_notary.remote.notary import RemoteItem, RemoteNotary
from jenkins_notary.values.digest import digest_hex, parse_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from jenkins_notary.evidence.pack_head import Selection
    from jenkins_notary.remote.reading.logs import RemoteLog
    from jenkins_notary.tlog.note import NoteVerifier


class RemoteReader(RemoteNotary):
    """A service's ledger, for whoever reads it."""

    def __enter__(self) -> RemoteReader:  # noqa: PYI034 - Self is Python 3.11
        """Return itself."""
        return self

    def _load_verifier(self, vkey: str) -> NoteVerifier:
        """Return the check of the log's signatures, by a compiled library."""
        from jenkins_notary.keys.log_key import load_log_verifier

        return load_log_verifier(vkey)

    @property
    def ledger(self) -> RemoteLedger:
        """Return what can be asked of the ledger."""
        return RemoteLedger(self)

    @property
    def signers(self) -> RemoteSigners:
        """Return who may speak."""
        return RemoteSigners(self)

    @property
    def url(self) -> str:
        """Return the service's URL."""
        return self._open().url

    @property
    def log_key(self) -> str | None:
        """Return the verifier key that was named with ``--log``, or None."""
        return self._choices.log

    def ask(self, path: str, **parameters: str | None) -> Mapping[str, Any]:
        """Return the JSON object that a path of the API gives.

        Args:
            path: The path below the API's.
            parameters: Of its query; those that are None are left out.
        """
        return self._open().get(path + format_query(parameters))

    def inspect(
        self,
        asset: str,
        *,
        limit: int = 100,
        as_of: str | None = None,
        receipts: bool = False,
    ) -> list[RemoteItem]:
        """Return the history of an asset or digest; see ``Notary.inspect``."""
        found = self._collect([asset], None, unnamed=True)
        if len(found) > 1:
            names = ", ".join(one.name for one in found[:10])
            raise AmbiguousError(
                asset, expected="one asset", got=f"{len(found)}: {names}"
            )
        answer = self.ask(
            "/evidence",
            digest=found[0].digest,
            limit=str(limit),
            asOf=as_of,
            receipts="true" if receipts else None,
        )
        return [RemoteItem(one) for one in self._checker().check_found(answer)]

    def envelope(self, one: RemoteItem) -> bytes:
        """Return a record's DSSE envelope, proven to be in the log.

        Raises:
            NotFoundError: It was erased.
            IntegrityError: It is not the record's, or is not proven.
        """
        answer = self.ask(f"/records/{one.index}")
        record, text = answer.get("record"), answer.get("envelope")
        if not isinstance(record, dict) or record.get("index") != one.index:
            raise self.unexpected(f"record #{one.index}")
        if text is None:
            raise NotFoundError(
                f"envelope of record #{one.index}",
                got=f"erased by #{record.get('erased_by')}",
            )
        data = str(text).encode("utf-8", "surrogatepass")
        self._checker().check_envelope(record, data)
        return data

    def record(self, envelopes: Sequence[bytes]) -> list[RemoteItem]:
        """Have records taken that were signed here; return each, proven.

        Args:
            envelopes: At most 100.

        Raises:
            IntegrityError: What the service answers does not prove them.
        """
        value = {"envelopes": [one.decode() for one in envelopes]}
        answer = self._open().post("/records", value)
        checker = self._checker()
        found = checker.check_found(answer)
        if len(found) != len(envelopes):
            raise self.unexpected(f"{len(envelopes)} records")
        for place, item in enumerate(found):
            checker.check_envelope(item, envelopes[place])
        return [RemoteItem(one) for one in found]

    def doctor(self) -> list[RemoteItem]:
        """Return what is to be said of the way to the service, and of it; see there."""
        from jenkins_notary.remote.reading.doctor import run_checks

        return run_checks(self)

    def check_status(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return where a ledger stands, if its checkpoint says the same.

        Raises:
            IntegrityError: It says something else, or the log's key has not signed it.
        """
        found = self._checker().check_note(answer.get("checkpoint"))
        told = (answer.get("origin"), answer.get("tree_size"), answer.get("root"))
        if told != (found.origin, found.size, found.root.hex()):
            raise self.unexpected("the state that its checkpoint has")
        return {**answer, "ledger": self.url}

    def unexpected(self, expected: str) -> IntegrityError:
        """Return the error for an answer of another form."""
        return IntegrityError(
            f"answer of {self.url}", expected=expected, got="something else"
        )

    def read_attachment(self, digest: str) -> Iterator[bytes]:
        """Yield the bytes of an attachment or log by its own digest, proven."""
        from jenkins_notary.remote.reading.bodies import read_body

        yield from read_body(self._open(), digest_hex(parse_digest(digest)))

    def fetch_pack(
        self, selection: Selection, file: BinaryIO, *, with_bodies: bool
    ) -> None:
        """Write a pack as the service makes it; what it proves, ``verify-pack`` tells.

        Args:
            selection: What goes in.
            file: Where it goes.
            with_bodies: Whether logs and attachments do.
        """
        asked = {key: one for key, one in selection.to_dict().items() if key != "kind"}
        query = format_query({**asked, "bodies": None if with_bodies else "false"})
        self._open().fetch(f"/pack{query}", None, file)

    def find_log(
        self,
        job: str,
        *,
        stage: str | None = None,
        started: str | None = None,
        as_of: str | None = None,
    ) -> RemoteLog:
        """Return which log of a build there is; see ``Notary.find_log``."""
        from jenkins_notary.remote.reading.logs import parse_log

        answer = self.ask("/logs", job=job, stage=stage, started=started, asOf=as_of)
        return parse_log(answer, self._checker())

    def read_log(self, log: RemoteLog) -> Iterator[bytes]:
        """Yield a log's bytes, or those of a stage's lines, proven."""
        from jenkins_notary.remote.reading.logs import read_lines, read_whole

        if log.ranges is None:
            yield from read_whole(self._open(), log)
            return
        for _, line in read_lines(self._open(), log):
            yield line + b"\n"

    def search_log(
        self,
        log: RemoteLog,
        *,
        grep: str | None = None,
        lines: tuple[int, int] | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (line number, line) of a log; see ``Notary.search_log``."""
        from jenkins_notary.remote.reading.logs import read_lines

        yield from read_lines(self._open(), log, grep=grep, lines=lines)


class RemoteLedger:
    """Where a service's ledger stands."""

    def __init__(self, notary: RemoteReader) -> None:
        """Ask through the API."""
        self._notary = notary

    def status(self) -> RemoteItem:
        """Return where it stands, its checkpoint checked."""
        return RemoteItem(self._notary.check_status(self._notary.ask("/status")))


class RemoteSigners:
    """Who may speak in a service's ledger."""

    def __init__(self, notary: RemoteReader) -> None:
        """Ask through the API."""
        self._notary = notary

    def list(self) -> builtins.list[RemoteItem]:
        """Return the enrolled signers, as the service tells them."""
        found = self._notary.ask("/trust").get("signers")
        if not isinstance(found, list) or not all(map(_is_signer, found)):
            raise self._notary.unexpected("a list of signers")
        return [RemoteItem(one) for one in found]

    def orgs(self) -> Mapping[str, Sequence[str]]:
        """Return the members of each org, as the service tells them."""
        found = self._notary.ask("/trust").get("orgs")
        if not isinstance(found, dict) or not all(map(_is_texts, found.values())):
            raise self._notary.unexpected("orgs and their signers")
        return found


def format_query(parameters: Mapping[str, str | None]) -> str:
    """Return the query of a request, "" for none.

    >>> format_query({"job": "payments/api#42", "stage": None})
    '?job=payments%2Fapi%2342'
    """
    given = {key: value for key, value in parameters.items() if value is not None}
    return "?" + urlencode(given, quote_via=quote, safe="") if given else ""


def _is_signer(value: object) -> bool:
    """Return whether something is what is told of a signer."""
    if not isinstance(value, dict):
        return False
    revoked = value.get("revoked_from")
    return (
        isinstance(value.get("signer"), str)
        and type(value.get("level")) is int
        and type(value.get("administrator")) is bool
        and type(value.get("enrolled_at")) is int
        and (revoked is None or type(revoked) is int)
        and _is_texts(value.get("orgs"))
    )


def _is_texts(value: object) -> bool:
    """Return whether something is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)

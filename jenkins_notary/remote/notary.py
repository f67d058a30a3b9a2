"""Offer the methods of ``Notary`` on a ledger that a service keeps.

Assets are hashed here, and only digests, names and facts are sent; the service signs.
Two ways out: the service (``https://``), or with ``claims`` a file, where a build agent
has no way to the service and Jenkins' controller hands it in.
"""

from __future__ import annotations

import os
import time

from jenkins_notary.assets.claims import VERSION, SentClaim, format_claim
from jenkins_notary.assets.selection import (
    SelectionOptions,
    Unread,
    collect_assets,
    collect_each,
    expand_lists,
)
from jenkins_notary.errors import ConfigurationError, StorageError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.claim import (
    Claim,
    check_claim,
    check_label,
    check_reason,
    describe_job,
)
from jenkins_notary.values.status import Status
from jenkins_notary.whole_file import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, BinaryIO

    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.assets.claims import Attachment
    from jenkins_notary.assets.images import ImageSource
    from jenkins_notary.assets.urls import UrlSource
    from jenkins_notary.remote.answers import AnswerChecker
    from jenkins_notary.remote.bodies import FileBody
    from jenkins_notary.remote.keeping import Keeper
    from jenkins_notary.remote.service import Service
    from jenkins_notary.tlog.note import NoteVerifier
    from jenkins_notary.values.query import Query

MAX_TOKEN = 4096
MAX_TIMEOUT_S = 3600


class RemoteChoices(NamedTuple):
    """What the caller chose.

    Attributes:
        ledger: The service's URL; None with ``claims``.
        log: The verifier key that must have signed checkpoints, or None.
        claims: The file to write claims to instead of asking a service, or None.
        token_file: The file that holds the token, or None for that of ``token``.
        token: The token itself, from the environment, or None.
        timeout_s: Seconds that all requests may take together.
        ca_file: PEM file of the authorities to trust, or None for the system's.
        plain_http: Hosts that may be asked without TLS.
        environ: The environment.
        stdin: Where lists are read from, or None.
        notify: Called with one-line notices.
        progress: Called with (what, done, total or None) during long work, or None.
        announce: Prints a line that gets into a build's log, or None where nothing
            does: then no build proves that it asks.
        spool: The folder that keeps what a service that is away is to record, or None.
    """

    ledger: str | None
    log: str | None
    claims: str | None
    token_file: str | None
    token: str | None
    timeout_s: int
    ca_file: str | None
    plain_http: Sequence[str]
    environ: Mapping[str, str]
    stdin: BinaryIO | None
    notify: Callable[[str], None]
    progress: Callable[[str, int, int | None], None] | None
    announce: Callable[[str], None] | None = None
    spool: str | None = None


class RemoteItem(NamedTuple):
    """One checked item of an answer.

    Attributes:
        value: Its JSON form.
    """

    value: dict[str, Any]

    @property
    def code(self) -> int:
        """Return its exit code."""
        return int(self.value["code"])

    @property
    def name(self) -> str:
        """Return the asset's name."""
        return str(self.value["name"])

    @property
    def index(self) -> int:  # type: ignore[override]  # It hides tuple.index.
        """Return the record's place in the log."""
        return int(self.value["index"])

    @property
    def receipt(self) -> str:
        """Return the tlog-proof's text."""
        return str(self.value["receipt"])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self.value


class RemoteNotary:
    """A ledger behind a service, used for one call of the program."""

    def __init__(self, choices: RemoteChoices) -> None:
        """Keep the choices; nothing is opened yet."""
        self._choices = choices
        self._service: Service | None = None
        self._envelopes: Mapping[str, str] = {}

    def __enter__(self) -> RemoteNotary:  # noqa: PYI034 - Self is Python 3.11
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: each request has a connection of its own."""

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
    ) -> list[RemoteItem]:
        """Record assets as TRUSTED; see ``Notary.notarize`` for the arguments.

        Raises:
            NotaryError: Nothing was recorded, or what was is not proven (65).
        """
        del ephemeral_ok  # The service's ledger goes away with no agent.
        claim = Claim(
            Status.TRUSTED, job, attributes or {}, reason, supersedes, attachments
        )
        check_claim(self._choices.environ, claim)
        if supersedes and not reason:
            raise UsageError("--supersede", expected="a TRUSTED record and a --reason")
        found = self._collect(assets, name, unnamed=False, digest_file=digest_file)
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
    ) -> list[RemoteItem]:
        """Record assets as UNTRUSTED; see :meth:`notarize`."""
        claim = Claim(Status.UNTRUSTED, job, attributes or {}, reason, (), attachments)
        check_reason(claim)
        return self._record(self._collect(assets, name, unnamed=True), claim)

    def unsupport(
        self,
        assets: Sequence[str],
        *,
        reason: str,
        job: str | None = None,
        name: str | None = None,
        attributes: Mapping[str, str | int | bool] | None = None,
        attachments: Sequence[tuple[str, str | None]] = (),
    ) -> list[RemoteItem]:
        """Record assets as UNSUPPORTED; see :meth:`notarize`."""
        claim = Claim(
            Status.UNSUPPORTED, job, attributes or {}, reason, (), attachments
        )
        check_reason(claim)
        return self._record(self._collect(assets, name, unnamed=True), claim)

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
    ) -> list[RemoteItem]:
        """Return the service's word on each asset, checked; one answer each.

        Raises:
            NotaryError: The service does not answer, or not as it must.
        """
        if against is not None:
            raise _not_here("--against", "compare where the ledger is")
        read = self._read_each(assets, name)
        known = [one for one in read if not isinstance(one, Unread)]
        checked: list[dict[str, Any]] = []
        if known:
            request = {
                **_describe_rule(known, org, keys, as_of),
                "strict": strict,
            }
            answer = self._open().post("/verdicts", request, meanwhile=_load_checks)
            checked = self._checker().check_verdicts(answer, known)
        return _merge(read, checked, {})

    def gate(
        self,
        policy: bytes,
        assets: Sequence[str],
        *,
        org: str | None = None,
        keys: Sequence[str] = (),
        as_of: str | None = None,
        name: str | None = None,
    ) -> list[RemoteItem]:
        """Return whether each asset passes a policy; see ``Notary.gate``."""
        from hashlib import sha256

        try:
            text = policy.decode()
        except UnicodeDecodeError as error:
            raise ConfigurationError("policy", expected="YAML in UTF-8") from error
        digest = f"sha256:{sha256(policy).hexdigest()}"
        read = self._read_each(assets, name)
        known = [one for one in read if not isinstance(one, Unread)]
        request = {**_describe_rule(known, org, keys, as_of), "policy": text}
        # Sent without assets too: a wrong policy must be said.
        answer = self._open().post("/gate", request, meanwhile=_load_checks)
        checked = self._checker().check_decisions(answer, known, digest)
        nothing = {"allowed": False, "reasons": [], "rules": [], "policy": digest}
        return _merge(read, checked, nothing)

    def evidence(self, query: Query, *, receipts: bool = False) -> list[RemoteItem]:
        """Return the records that match a query; see ``Notary.evidence``."""
        asked = {
            "asOf" if key == "as_of" else key: value
            for key, value in query._asdict().items()
            if value is not None
        }
        if receipts:
            asked["receipts"] = "true"
        parts = [f"{key}={_quote(str(value))}" for key, value in asked.items()]
        answer = self._open().get("/evidence?" + "&".join(parts))
        return [RemoteItem(one) for one in self._checker().check_found(answer)]

    def collect(self, job: str, *, only: str | None = None) -> list[RemoteItem]:
        """Have the service collect a build from its controller.

        Args:
            job: A job id.
            only: ``log`` for the log alone, None for everything.
        """
        answer = self._open().post("/collect", {"job": job, "only": only})
        return [RemoteItem(one) for one in self._checker().check_found(answer)]

    def attach(
        self,
        path: str,
        *,
        job: str | None = None,
        digests: Sequence[str] = (),
        label: str | None = None,
        mime: str | None = None,
    ) -> RemoteItem:
        """Keep a file as evidence of a job or of digests; return its record."""
        from jenkins_notary.remote.bodies import open_body
        from jenkins_notary.values.digest import parse_digest

        described = describe_job(self._choices.environ, job)
        if described is None and not digests:
            raise UsageError(
                "attachment",
                expected="a job or a digest that it belongs to",
                got="neither",
                advice="give --job or --digest",
            )
        about = [parse_digest(one) for one in digests]
        with open_body(path, self._choices.stdin, check_label(label), mime) as body:
            value = {
                "recordId": os.urandom(16).hex(),
                "claimedAt": _now(),
                "job": described,
                "digests": about,
                "attachment": body.describe(),
            }
            if self._choices.spool is None:
                return self._send_attachment(body, value, described)
            keeper = self.open_keeper()
            kept = {"index": None, "type": "attachment", "status": None, "code": 0}
            return keeper.send_or_keep(
                lambda: self._send_attachment(body, value, described),
                lambda: keeper.keep_attachment(body, value),
                RemoteItem(kept),
            )

    def _send_attachment(
        self,
        body: FileBody,
        value: Mapping[str, object],
        job: Mapping[str, Any] | None,
    ) -> RemoteItem:
        """Send a body and what it belongs to; return its record."""
        body.send(self._open())
        answer = self._post("/attachments", value, job)
        (item,) = self._checker().check_attached(answer, body.sha256_hex)
        return RemoteItem(item)

    def envelope_of(self, record: RemoteItem) -> bytes:
        """Return the DSSE envelope of a record of this call, as it was checked."""
        return self._envelopes[str(record.index)].encode()

    def _record(self, assets: Sequence[Asset], claim: Claim) -> list[RemoteItem]:
        """Send what is claimed of hashed assets, and check the answer."""
        job = describe_job(self._choices.environ, claim.job)
        for one in assets:
            if one.dirty:
                self._choices.notify(
                    f"{one.name} has changes that are in no commit: it is recorded as "
                    "dirty, and never authenticates by this record"
                )
        sent = SentClaim(os.urandom(16).hex(), _now(), claim, job, assets, ())
        if self._choices.claims is not None:
            return self._write_claims(self._choices.claims, sent)
        if self._choices.spool is None:
            return self._send_claim(sent, claim, assets)
        keeper = self.open_keeper()
        manifests = [one for one in assets if one.manifest is not None]
        return keeper.send_or_keep(
            lambda: self._send_claim(sent, claim, assets),
            lambda: keeper.keep_claim(sent, claim.attachments, manifests),
            _show_claimed(sent),
        )

    def open_keeper(self) -> Keeper:
        """Return what keeps claims while the service is away.

        Raises:
            UsageError: No spool is named.
            StorageError: It cannot be opened.
        """
        from jenkins_notary.remote.keeping import Keeper

        choices = self._choices
        if choices.spool is None:
            raise UsageError("--spool", expected="a folder", got="none")
        return Keeper(choices.spool, self.connect, self._checker, choices.notify)

    def _send_claim(
        self, sent: SentClaim, claim: Claim, assets: Sequence[Asset]
    ) -> list[RemoteItem]:
        """Send a claim with its bodies, and check the answer."""
        service = self._open()
        sent = sent._replace(attachments=self._send_bodies(service, claim, assets))
        answer = self._post("/records", format_claim(sent), sent.job)
        checked = self._checker().check_records(answer, sent)
        self._envelopes = answer["envelopes"]
        return [RemoteItem(one) for one in checked]

    def _post(
        self, path: str, value: Mapping[str, object], job: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the answer to what is sent, as this build if it is about it."""
        service, announce = self._open(), self._choices.announce
        if announce is None or job is None:
            return service.post(path, value, meanwhile=_load_checks)
        from jenkins_notary.remote.sessions import BuildSession

        build = BuildSession(
            service, self._choices.environ, announce, self._choices.notify
        )
        return build.post(path, value, job, meanwhile=_load_checks)

    def _send_bodies(
        self, service: Service, claim: Claim, assets: Sequence[Asset]
    ) -> list[Attachment]:
        """Send attached files and manifests of directories; return what they are."""
        manifests = [one for one in assets if one.manifest is not None]
        if not claim.attachments and not manifests:
            return []
        from jenkins_notary.remote.bodies import send_bodies

        return send_bodies(service, claim.attachments, manifests)

    def _write_claims(self, path: str, sent: SentClaim) -> list[RemoteItem]:
        """Write a claims file; return the items, which no ledger holds yet."""
        if sent.claim.attachments:
            raise _not_here("--attach", "with --claims nothing is sent: attach later")
        import json

        value = {"v": VERSION, **format_claim(sent)}
        _write_file(path, json.dumps(value, indent=1).encode("ascii") + b"\n")
        self._choices.notify(f"nothing is recorded yet: the claims are in {path}")
        return _show_claimed(sent)

    def _read_each(
        self, words: Sequence[str], name: str | None
    ) -> list[Asset | Unread]:
        """Return each asset, or why one cannot be read."""
        expanded = expand_lists(words, self._choices.stdin)
        if not expanded:
            raise UsageError("assets", expected="at least one", got="none")

        def collect(some: Sequence[str]) -> list[Asset]:
            return self._collect(some, name, unnamed=True)

        return [*collect_each(expanded, collect)]

    def _collect(
        self,
        words: Sequence[str],
        name: str | None,
        *,
        unnamed: bool,
        digest_file: str | None = None,
    ) -> list[Asset]:
        """Return the assets that words name."""
        progress = self._choices.progress

        def on_hash(bytes_done: int, files_done: int) -> None:
            assert progress is not None  # noqa: S101 - else it is not called
            progress(f"hashing, {files_done} files", bytes_done, None)

        return collect_assets(
            words,
            SelectionOptions(
                name=name,
                unnamed_digests=unnamed,
                stdin=self._choices.stdin,
                progress=None if progress is None else on_hash,
                open_images=self._open_images,
                open_urls=self._open_urls,
                digest_file=digest_file,
            ),
        )

    def _open_images(self) -> ImageSource:
        """Return the registry client, where the whole package is installed."""
        try:
            from jenkins_notary.registry.client import RegistryClient
        except ImportError as error:
            raise _not_here(
                "image://",
                "give the digest that the push reported: --digest-file FILE, or "
                "sha256:... with --name; or use the installed jenkins-notary",
            ) from error
        return RegistryClient(
            ca_file=self._choices.ca_file,
            plain_http_hosts=self._choices.plain_http,
            environ=self._choices.environ,
        )

    def _open_urls(self) -> UrlSource:
        """Return the URL client, where the whole package is installed."""
        try:
            from jenkins_notary.registry.http_source import HttpSource
        except ImportError as error:
            raise _not_here(
                "https://",
                "name the downloaded file; or use the installed jenkins-notary",
            ) from error
        return HttpSource(
            ca_file=self._choices.ca_file, plain_http_hosts=self._choices.plain_http
        )

    def _open(self) -> Service:
        """Return the service.

        Raises:
            ConfigurationError: Its URL, the proxy's or the token is wrong.
            UsageError: There is none: claims are written, and nothing is asked.
        """
        if self._service is None:
            self._service = self.connect()
        return self._service

    def connect(self) -> Service:
        """Return the service, whose time begins now; nothing is sent yet.

        Raises:
            ConfigurationError: Its URL, the proxy's or the token is wrong.
            UsageError: There is none: claims are written, and nothing is asked.
        """
        from jenkins_notary.remote.address import find_proxy, parse_service_url
        from jenkins_notary.remote.http import Route
        from jenkins_notary.remote.service import Service

        choices = self._choices
        if choices.claims is not None or choices.ledger is None:
            raise _not_here("--claims", "it writes a file; only recording can")
        if not 0 < choices.timeout_s <= MAX_TIMEOUT_S:
            raise UsageError(
                "--timeout",
                expected=f"1 to {MAX_TIMEOUT_S} seconds",
                got=str(choices.timeout_s),
            )
        address = parse_service_url(choices.ledger, choices.plain_http)
        # A server that is silent for half the time gets one more attempt.
        route = Route(
            address,
            find_proxy(address, choices.environ),
            choices.ca_file,
            choices.timeout_s / 2,
        )
        return Service(route, token=self._read_token(), timeout_s=choices.timeout_s)

    def _checker(self) -> AnswerChecker:
        """Return the check of answers, by the log's key where there is one."""
        from jenkins_notary.remote.answers import AnswerChecker

        choices = self._choices
        if choices.log is None:
            choices.notify(
                "no log key is named: the receipts' proofs are checked, their "
                "signatures are not; set --log to the key that the ledger's "
                "administrator publishes"
            )
            return AnswerChecker(self._open().url, [])
        return AnswerChecker(self._open().url, [self._load_verifier(choices.log)])

    def _load_verifier(self, vkey: str) -> NoteVerifier:
        """Return the check of the log's signatures, by code that is everywhere."""
        from jenkins_notary.tlog import ed25519
        from jenkins_notary.tlog.note import Ed25519Verifier, parse_vkey

        return Ed25519Verifier(parse_vkey(vkey), ed25519.verify)

    def _read_token(self) -> str | None:
        """Return the token, from its file or the environment; None for none.

        Raises:
            ConfigurationError: It cannot be read, or cannot stand in a header.
        """
        path, token = self._choices.token_file, self._choices.token
        where = "environment variable JENKINS_NOTARY_TOKEN"
        if path is not None:
            where = f"token file {path}"
            try:
                with open(path, "rb") as file:
                    token = file.read(MAX_TOKEN + 2).decode("latin-1").rstrip("\r\n")
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    where,
                    expected="a readable file",
                    got=getattr(error, "strerror", None) or "an impossible path",
                ) from error
        if not token:
            if path is None:
                return None
            raise ConfigurationError(where, expected="a token", got="nothing")
        is_plain = token.isascii() and token.isprintable() and " " not in token
        if not is_plain or len(token) > MAX_TOKEN:
            # Its text is never shown.
            raise ConfigurationError(
                where, expected="a token of plain characters", got="others, or too many"
            )
        return token


def _show_claimed(sent: SentClaim) -> list[RemoteItem]:
    """Return the items of a claim that no ledger holds yet."""
    from jenkins_notary.remote.answers import RECORD_KEYS

    job = None if sent.job is None else sent.job["id"]
    return [
        RemoteItem(
            {
                **dict.fromkeys(RECORD_KEYS),
                "name": one.name,
                "kind": one.kind,
                "digest": one.digest,
                "ref": one.ref,
                "size": one.size,
                "status": sent.claim.status.name,
                "job": job,
                "code": 0,
            }
        )
        for one in sent.assets
    ]


def _describe_rule(
    assets: Sequence[Asset], org: str | None, keys: Sequence[str], as_of: str | None
) -> dict[str, object]:
    """Return what a request says of assets and of whose word counts."""
    return {
        "assets": [
            {
                "name": one.name,
                "kind": one.kind,
                "digest": one.digest,
                "ref": one.ref,
                "size": one.size,
                "dirty": one.dirty,
            }
            for one in assets
        ],
        "org": org,
        "signers": list(keys),
        "asOf": as_of,
    }


def _merge(
    read: Sequence[Asset | Unread],
    checked: Sequence[dict[str, Any]],
    further: Mapping[str, object],
) -> list[RemoteItem]:
    """Return an item for each asset: the service's, or why it could not be read."""
    from jenkins_notary.remote.answers import VERDICT_KEYS

    answers = iter(checked)
    return [
        RemoteItem(
            {
                **dict.fromkeys(VERDICT_KEYS),
                "name": one.word,
                "kind": "",
                "digest": "",
                "code": one.error.exit_code,
                "reason": str(one.error),
                "advice": one.error.advice,
                "error": one.error.to_dict(),
                **further,
            }
            if isinstance(one, Unread)
            else next(answers)
        )
        for one in read
    ]


def _quote(text: str) -> str:
    """Return a text percent-encoded for a query.

    >>> _quote("payments/*#42")
    'payments%2F%2A%2342'
    """
    return "".join(
        chr(one)
        if one < 128 and (chr(one).isalnum() or chr(one) in "-._~")
        else f"%{one:02X}"
        for one in text.encode("utf-8", "surrogatepass")
    )


def _load_checks() -> None:
    """Load what checks an answer: a third of the program, needed only then."""
    from jenkins_notary.remote import answers  # noqa: F401 - loaded
    from jenkins_notary.tlog import ed25519  # noqa: F401


def _now() -> str:
    """Return the time, RFC 3339 UTC with milliseconds."""
    seconds, ms = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ms:03d}Z"


def _write_file(path: str, data: bytes) -> None:
    """Write a file whole or not at all."""
    if not path.strip():
        raise UsageError("--claims", expected="a file", got="an empty path")
    try:
        replace_file(path, [data], mode=0o666)
    except OSError as error:
        raise StorageError(
            f"--claims {path}", got=error.strerror or "an error"
        ) from error


def _not_here(subject: str, advice: str) -> UsageError:
    """Return the error for what only a ledger or the whole package can do."""
    return UsageError(
        subject, expected="something that a service can do", advice=advice
    )

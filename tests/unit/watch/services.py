"""A service without HTTP, over a small ledger: it can be told to lie."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any

from jenkins_notary.errors import NotFoundError
from jenkins_notary.service.answers.static import read_checkpoint, read_tile
from jenkins_notary.tlog.checkpoint import (
    format_checkpoint,
    parse_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.note import parse_note, sign_note
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.watch.distant import DistantChoices, DistantLedger
from jenkins_notary.watch.log import ServiceLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.tlog.checkpoint import TreeHead
    from tests.unit.ledger.ledgers import Ledger


class LedgerService:
    """What ``Service`` offers, straight from a ledger.

    Attributes:
        ledger: What is served; may be replaced.
        note: A checkpoint to show instead of the ledger's own, or None.
        bend_file: Changes the bytes of a file of the log, by its path.
        bend_answer: Changes the JSON of an answer, by its path.
        asked: The paths that were asked for.
    """

    url = "https://notary.example.com"

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.note: bytes | None = None
        self.bend_file: Callable[[str, bytes], bytes] = lambda _, data: data
        self.bend_answer: Callable[[str, Any], Any] = lambda _, value: value
        self.asked: list[str] = []

    def read_file(self, path: str) -> bytes:
        """Return a file of the log."""
        self.asked.append(path)
        store = self.ledger.store
        if path == "/checkpoint":
            data = read_checkpoint(store) if self.note is None else self.note
        elif path.startswith("/trust/"):
            data = read_tile(store, "trust", path.removeprefix("/trust/"))
        else:
            data = read_tile(store, "main", path[1:])
        return self.bend_file(path, data)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return an answer."""
        self.asked.append(path)
        name, _, query = path.partition("?")
        if name == "/status":
            return self.bend_answer(name, {"vkey": self.ledger.key.vkey})
        if name == "/witnesses":
            return self.bend_answer(name, {"cosigned": None})
        asked = dict(urllib.parse.parse_qsl(query))
        view = self.ledger.view()
        before = int(asked.get("before", view.size))
        found = [one for one in view.find_digest(asked["digest"][7:]) if one < before]
        if not found:
            raise NotFoundError("evidence", got="none")
        page = sorted(found[: int(asked["limit"])])
        following = page[0] if len(page) < len(found) else None
        records = [{"index": one} for one in page]
        return self.bend_answer(name, {"records": records, "next": following})

    def post(self, path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return an answer."""
        self.asked.append(path)
        if path == "/envelopes":
            found = {}
            for one in value["digests"]:
                data = self.ledger.store.envelopes([bytes.fromhex(one)])
                found[one] = next((each.decode() for each in data.values()), None)
            return self.bend_answer(path, {"envelopes": found})
        view = self.ledger.view()
        state = {"tree_size": view.size, "timestamp": ""}
        return self.bend_answer(
            path,
            {
                "assets": [
                    {
                        "digest": one["digest"],
                        "status": word(view, one["digest"][7:]),
                        "as_of": state,
                    }
                    for one in value["assets"]
                ]
            },
        )

    def sign(self, trust: TreeHead) -> bytes:
        """Return the ledger's checkpoint with another head of the trust log."""
        note = self.ledger.store.checkpoint()
        found = parse_checkpoint(parse_note(note).text)
        bent = found._replace(extensions=(trust_extension(*trust),))
        return sign_note(format_checkpoint(bent), [self.ledger.key])


def word(view: LedgerView, digest_hex: str) -> str:
    """Return the status of a digest."""
    return view.verdict(digest_hex, TrustRule()).status.name


def open_distant(
    service: LedgerService,
    folder: Path,
    *,
    log: str | None = None,
    said: list[str] | None = None,
) -> DistantLedger:
    """Return a service's log, for a user whose pins are in a folder."""
    told = [] if said is None else said
    choices = DistantChoices(log, str(folder / "pins"), told.append)
    connect: Any = lambda: service  # noqa: E731 - it stands for the class
    return DistantLedger(ServiceLog(connect), connect, choices)

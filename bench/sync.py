"""Sync over a line of 1 Mbit/s: from a service, and to one.

Both ends are real processes; between them a relay lets 125,000 bytes a second through
in each direction, and counts every byte of HTTP. Beside it stands what the same records
take as the log's own files and envelopes, which is what any C2SP client reads.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.ledgers import ORIGIN, fetch_ledger, make_author, make_ledger
from bench.link import Link
from bench.measure import Figure, child_environment
from bench.run import install_program
from jenkins_notary.keys.pem import format_public_pem
from jenkins_notary.tlog.tiles import TILE_WIDTH, entries_path, tile_path
from jenkins_notary.trust.imports import importers_of
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from bench.run import Program, Run

RECORDS = 100_000
SENT = 10_000
SAMPLE = 2000
RATE = 125_000
DELAY_S = 0.02
LINE = "a line of 1 Mbit/s"


def measure(run: Run) -> list[Figure]:
    """Measure both directions."""
    count = RECORDS // 10 if run.is_quick else RECORDS
    edge = fetch_ledger(count, run.say)
    home = run.make_folder("home")
    public = os.path.join(home, "edge.pub")
    signer = make_author().signers[0]
    Path(public).write_text(format_public_pem(signer.public_der), "ascii")
    program = install_program(home, public)
    program.run("signer", "enrol", public)
    with _serve(run.make_folder("edge"), edge.folder) as service:
        run.say(f"{count:,} records from a service over {LINE}")
        fetched = _fetch(program, service, count)
    # Who has seen the longer log would refuse the shorter one of the same name.
    other = program._replace(env=child_environment(run.make_folder("other")))
    return [*fetched, *_send(run, other, public)]


def _serve(folder: str, source: str) -> Serving:
    """Return a service on a copy of a ledger."""
    home = os.path.join(folder, "service")
    os.mkdir(home)
    for name in ("ledger.db", "ledger.db.key", "key.pem"):
        shutil.copy(os.path.join(source, name), home)
    return Serving(Path(folder), "--key", os.path.join(home, "key.pem"))


def _fetch(program: Program, service: Serving, count: int) -> list[Figure]:
    """Sync from a service into the program's own ledger."""
    centre = os.path.join(program.env["XDG_DATA_HOME"], "jenkins-notary", "ledger.db")
    auditor = _with_token(program, service.token("auditor", "--role", "auditor"))
    with Link(service.port, rate=RATE, delay_s=DELAY_S) as link:
        words = ("ledger", "sync", f"http://127.0.0.1:{link.port}", centre)
        seconds = auditor.time(*words)
        taken = link.total
        auditor.run(*words)
        idle = link.total - taken
    plain = RATE / _plain_bytes(service)
    return [
        Figure(
            "",
            f"sync from a service, {count:,} records, {LINE}",
            count / seconds,
            "records/s",
            "the log's own files at the speed of the line",
            plain,
        ),
        Figure("", "bytes of HTTP a record, fetched", taken / count, "bytes"),
        Figure("", "bytes of HTTP of a sync that finds nothing new", idle, "bytes"),
    ]


def _plain_bytes(service: Serving) -> float:
    """Return what a record takes as the log's own files and envelopes."""
    token = service.admin
    stop = SAMPLE // TILE_WIDTH * TILE_WIDTH
    size = 0
    with service.notary() as notary:
        view = notary._session.view()
        leaves = [leaf for _, leaf in view.leaves(range(stop))]
    for n in range(stop // TILE_WIDTH):
        for path in (entries_path(n, TILE_WIDTH), tile_path(0, n, TILE_WIDTH)):
            size += len(service.ask("GET", f"/{path}", token=token).body)
        digests = [one.envelope_hex for one in leaves[n * TILE_WIDTH :][:TILE_WIDTH]]
        asked = {"digests": digests}
        size += len(service.ask("POST", "/api/v1/envelopes", asked, token=token).body)
    return size / stop


def _send(run: Run, program: Program, public: str) -> list[Figure]:
    """Sync the records of an edge to a service."""
    count = SENT // 5 if run.is_quick else SENT
    run.say(f"{count:,} records to a service over {LINE}")
    folder = os.path.join(run.folder, "sender")
    make_ledger(folder, count)
    path, key = os.path.join(folder, "ledger.db"), os.path.join(folder, "key.pem")
    with Serving(Path(run.make_folder("centre"))) as service:
        org = importers_of(ORIGIN)
        service.command("signer", "enrol", public, "--org", org)
        importer = _with_token(program, service.token("edge", "--role", "importer"))
        with Link(service.port, rate=RATE, delay_s=DELAY_S) as link:
            url = f"http://127.0.0.1:{link.port}"
            seconds = importer.time("ledger", "sync", path, url, "--key", key)
            sent = link.total
    rate, what = count / seconds, f"sync to a service, {count:,} records, {LINE}"
    return [
        Figure("", what, rate, "records/s"),
        Figure("", "bytes of HTTP a record, sent", sent / count, "bytes"),
    ]


def _with_token(program: Program, token: str) -> Program:
    """Return the program as one who asks a service."""
    return program._replace(env={**program.env, "JENKINS_NOTARY_TOKEN": token})

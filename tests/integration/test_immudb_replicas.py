"""A ledger on a primary with a synchronous and an asynchronous replica, all real."""

from __future__ import annotations

import re
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.engines.immudb import connection, servers, store
from tests.parts.immudb import HOST
from tests.parts.immudb_replicas import (
    Node,
    ReplicatedSite,
    demote,
    promote,
    transactions,
)
from tests.parts.immudb_site import SiteService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real("immudb")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReplicatedSite]:
    """A ledger with one record, which all servers have."""
    monkeypatch.setattr(connection, "RETRY_S", 1.0)
    monkeypatch.setattr(store, "RETRY_S", 1.0)
    monkeypatch.setattr(servers, "CALL_S", 2.0)
    monkeypatch.setattr(servers, "PROBE_S", 1.0)
    found = ReplicatedSite(tmp_path)
    try:
        found.serve()
        assert found.run("ledger", "init").code == 0
        assert found.run("notarize", str(found.app)).code == 0
        catch_up(found.c, transactions(found.a))
        yield found
    finally:
        found.stop()


def catch_up(node: Node, size: int) -> None:
    """Wait until a server has so many transactions."""
    deadline = time.monotonic() + 60
    while transactions(node) < size:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def size_of(site: ReplicatedSite) -> int:
    """Return how many records the ledger has."""
    return int(site.run("ledger", "status", "-o", "json").json["tree_size"])


def test_reads_go_on_without_the_primary_and_writes_are_refused(
    site: ReplicatedSite,
) -> None:
    app = str(site.app)
    site.a.send(signal.SIGSTOP)
    passed_by = site.run("authenticate", app)
    assert passed_by.code == 0, passed_by.stderr
    site.a.stop(signal.SIGKILL)

    found = site.run("authenticate", app, "--strict", "-o", "json")
    assert found.code == 0, found.stderr
    assert found.json["assets"][0]["as_of"]["tree_size"] == 2
    assert f"its replica {HOST}:{site.b.port} does" in found.stderr
    refused = site.run("untrust", app, "--reason", "CVE-2026-0001")
    assert refused.code == 69
    assert "a primary that takes writes" in refused.stderr
    site.b.stop(signal.SIGKILL)
    assert f"its replica {HOST}:{site.c.port} does" in site.run("inspect", app).stderr

    site.a.start()
    site.b.start()
    assert size_of(site) == 2
    catch_up(site.b, transactions(site.a))
    done = site.run("untrust", app, "--reason", "CVE-2026-0001")
    assert done.code == 0, done.stderr
    assert site.run("authenticate", app).code == 1
    assert site.run("ledger", "verify").code == 0


def test_a_replica_that_is_behind_betters_no_verdict(site: ReplicatedSite) -> None:
    app = str(site.app)
    site.c.stop()
    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0
    assert site.run("authenticate", app).code == 1
    seen = transactions(site.a)
    site.a.stop()
    site.b.stop()
    site.c.start()

    done = site.run("authenticate", app)
    assert done.code == 69, done.stderr
    assert re.search(rf"replica .*:{site.c.port}: \d+ of the {seen} tr", done.stderr)
    # The pin knows as much where the state is gone.
    for state in (site.home / "state/jenkins-notary/pins").glob("*.immudb"):
        state.unlink()
    pinned = site.run("authenticate", app)
    assert pinned.code == 69, pinned.stderr
    assert "3 records that were seen, got 2 at a replica" in pinned.stderr
    # Who has seen nothing is told that he sees what a replica has.
    shutil.rmtree(site.home / "state")
    fresh = site.run("authenticate", app)
    assert fresh.code == 0
    assert "what it was not sent yet is not seen" in fresh.stderr


def test_a_promoted_replica_goes_on_with_all_that_was_acknowledged(
    site: ReplicatedSite,
) -> None:
    """The primary is killed at once behind its answer."""
    app = str(site.app)
    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0
    site.a.stop(signal.SIGKILL)
    promote(site.b)

    assert site.run("authenticate", app, "--strict").code == 1
    assert size_of(site) == 3
    assert site.run("notarize", app).code == 0
    assert site.run("ledger", "verify").code == 0
    # The old primary must not go on beside the new one.
    site.a.start()
    second = site.run("authenticate", app)
    assert second.code == 65, second.stderr
    assert "promoted while it was behind" in second.stderr
    demote(site.a, site.b)
    catch_up(site.a, transactions(site.b))
    assert site.run("authenticate", app).code == 1
    found = site.run("ledger", "status", "-o", "json").json
    roles = [one["role"] for one in found["servers"]]
    assert (found["tree_size"], roles) == (4, ["replica", "primary", "replica"])


def test_one_that_was_promoted_while_behind_is_refused(site: ReplicatedSite) -> None:
    app = str(site.app)
    site.c.stop()
    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0
    site.a.stop()
    site.b.stop()
    site.c.start()
    promote(site.c)

    for words in (("authenticate", app), ("notarize", app)):
        done = site.run(*words)
        assert done.code == 65, done.stderr
        assert "promoted while it was behind" in done.stderr


def test_a_commit_without_an_answer_is_in_the_log_once(site: ReplicatedSite) -> None:
    """The synchronous replica hangs: the primary cannot say whether it is done."""
    app = str(site.app)
    site.b.send(signal.SIGSTOP)
    done = site.run("untrust", app, "--reason", "CVE-2026-0001")
    assert done.code == 69, done.stderr
    assert "synchronous replica is away" in done.stderr
    assert site.run("authenticate", app).code == 0
    site.b.send(signal.SIGCONT)
    catch_up(site.b, transactions(site.a))

    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0
    assert site.run("authenticate", app).code == 1
    assert size_of(site) in {3, 4}
    assert site.run("ledger", "verify").code == 0


def test_how_far_a_replica_is_behind_is_said(
    site: ReplicatedSite, tmp_path: Path
) -> None:
    with SiteService(site, tmp_path / "service") as service:
        site.c.stop()
        assert site.run("untrust", str(site.app), "--reason", "x").code == 0
        seen = transactions(site.a)
        catch_up(site.b, seen)
        site.a.stop()
        site.c.start()
        metrics = service.ask("GET", "/metrics").body.decode()
    found = site.run("ledger", "status", "-o", "json").json["servers"]
    lag = seen - transactions(site.c)
    names = [f"{HOST}:{one.port}" for one in site.nodes]

    assert [one["server"] for one in found] == names
    assert found[0]["error"]
    assert [one["lag"] for one in found[1:]] == [0, lag]
    assert f"{lag} behind" in site.run("ledger", "status").text
    doctor = site.run("doctor")
    assert doctor.code == 69
    assert f"{lag} behind" in doctor.text
    for name, values in {
        "up": (0, 1, 1),
        "primary": (0, 0, 0),
        "lag_transactions": (None, 0, lag),
    }.items():
        for server, value in zip(names, values, strict=True):
            series = f'jenkins_notary_immudb_{name}{{server="{server}"}}'
            is_there = re.search(rf"^{re.escape(series)} (\d+)$", metrics, re.MULTILINE)
            assert (is_there and int(is_there[1])) == value, series

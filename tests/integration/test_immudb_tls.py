"""TLS to a real immudb, with certificates on both sides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.parts.immudb import HOST
from tests.parts.immudb_site import DATABASE, Site
from tests.parts.registry import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real("immudb")

CA, CERT, KEY, PLAINTEXT = (
    f"JENKINS_NOTARY_IMMUDB_{one}" for one in ("CA", "CERT", "KEY", "PLAINTEXT")
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server with TLS, and beside it the files of an authority and of another."""
    for name in ("ours", "other"):
        folder = tmp_path / name
        folder.mkdir()
        authority = Authority()
        authority.write(folder)
        authority.issue(folder, "server")
        authority.issue(folder, "client")
    ours = tmp_path / "ours"
    found = Site(tmp_path)
    found.serve(
        *(
            "--certificate",
            str(ours / "server.crt"),
            "--pkey",
            str(ours / "server.key"),
        ),
        *("--mtls", "--clientcas", str(ours / "ca.crt")),
    )
    found.environ[CA] = str(ours / "ca.crt")
    yield found
    found.stop()


def files(site: Site, name: str) -> dict[str, str]:
    """Return what a client of an authority shows."""
    folder = site.folder / name
    return {CERT: str(folder / "client.crt"), KEY: str(folder / "client.key")}


def test_a_ledger_is_made_and_read_over_tls(site: Site) -> None:
    """No option is needed, which not every command has."""
    client = files(site, "ours")

    assert site.run("ledger", "init").code == 0
    assert site.run("notarize", str(site.app), **client).code == 0
    assert site.run("authenticate", str(site.app), "--strict", **client).code == 0
    assert site.run("ledger", "verify").code == 0
    old = {CA: "", "JENKINS_NOTARY_CA_FILE": site.environ[CA]}
    assert site.run("authenticate", str(site.app), **old).code == 0


def test_who_is_not_trusted_is_refused_at_once(site: Site) -> None:
    url = f"immudb://localhost:{site.port}/{DATABASE}"
    other = str(site.folder / "other" / "ca.crt")
    started = time.monotonic()
    for changes in (
        {CA: other},
        {CA: "", **files(site, "ours")},
        {"JENKINS_NOTARY_LEDGER": url},
        files(site, "other"),
    ):
        done = site.run("ledger", "status", **changes)
        assert done.code == 69, (changes, done.stderr)
        assert "JENKINS_NOTARY_IMMUDB_CA" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({CA: "{junk}"}, "certificates in PEM", id="authority"),
        pytest.param({CA: "/none"}, "a readable file", id="no-authority"),
        pytest.param({CERT: "{junk}", KEY: "{junk}"}, "in PEM", id="client"),
        pytest.param({CERT: "{ours}", KEY: "{other}"}, "its key", id="no-pair"),
        pytest.param({CERT: "{ours}"}, KEY, id="no-key"),
    ],
)
def test_a_wrong_file_is_a_wrong_configuration(
    tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    site = Site(tmp_path)
    named = {"junk": str(tmp_path / "app.jar")}
    for name, part in (("ours", "crt"), ("other", "key")):
        (tmp_path / name).mkdir()
        Authority().issue(tmp_path / name, "client")
        named[name] = str(tmp_path / name / f"client.{part}")
    site.environ["JENKINS_NOTARY_LEDGER"] = f"immudb://db.example.com/{DATABASE}"
    given = {name: value.format(**named) for name, value in changes.items()}

    done = site.run("ledger", "status", JENKINS_NOTARY_IMMUDB_SERVER_KEY="", **given)
    assert done.code == 78, done.stderr
    assert told in done.stderr


def test_only_named_hosts_are_asked_without_tls(site: Site) -> None:
    site.stop()
    site.serve()

    # This host by another name than those that are known to be it.
    host = f"::ffff:{HOST}"
    url = f"immudb://[{host}]:{site.port}/{DATABASE}"
    other = {CA: "", "JENKINS_NOTARY_LEDGER": url}
    refused = site.run("ledger", "init", **other)
    assert refused.code == 69
    assert "speaks TLS" in refused.stderr
    named = {**other, PLAINTEXT: f"db.example.com, {host}"}
    assert site.run("ledger", "init", **named).code == 0

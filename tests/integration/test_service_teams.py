"""Several ledgers in one service: each its own log, tokens and files."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from jenkins_notary.errors import ConfigurationError, NotaryError
from jenkins_notary.service.access.logins import LoginSettings
from jenkins_notary.service.settings import Settings, load_settings
from jenkins_notary.service.teams import MAX_TEAMS, Team, Teams, check_teams
from tests.agent import agent
from tests.command import command
from tests.parts.serving import Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#1"


class World(NamedTuple):
    """A service with two teams beside its own ledger."""

    service: Serving
    folder: Path
    payments: str
    mobile: str

    def ledger(self, name: str) -> str:
        """Return the file of a team's ledger."""
        return str(self.folder / f"{name}.db")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("teams")
    settings = folder / "settings.yaml"
    settings.write_text(
        f"""
ledgers:
  - name: payments
    ledger: {folder}/payments.db
  - name: mobile
    ledger: sqlite://{folder}/mobile.db
    public-log: true
"""
    )
    with Serving(folder, "--settings", str(settings)) as service:
        yield World(
            service,
            folder,
            (folder / "payments.db.admin-token").read_text().strip(),
            (folder / "mobile.db.admin-token").read_text().strip(),
        )


def test_each_team_has_a_log_of_its_own(world: World) -> None:
    ask = world.service.ask
    origins = {
        ask("GET", f"{path}/api/v1/status", token=token).json["origin"]
        for path, token in (
            ("", world.service.admin),
            ("/teams/payments", world.payments),
            ("/teams/mobile", world.mobile),
        )
    }

    assert len(origins) == 3


def test_token_holds_for_one_ledger_only(world: World) -> None:
    ask = world.service.ask
    for path, own in (
        ("", world.service.admin),
        ("/teams/payments", world.payments),
        ("/teams/mobile", world.mobile),
    ):
        for token in (world.service.admin, world.payments, world.mobile):
            answer = ask("GET", f"{path}/api/v1/status", token=token)

            assert answer.status == (200 if token == own else 401)


def test_teams_that_are_not_there_look_like_those_that_are(world: World) -> None:
    ask = world.service.ask
    there = ask("GET", "/teams/payments/api/v1/status", token="no.token")
    absent = ask("GET", "/teams/nobody/api/v1/status", token="no.token")

    def told(answer: Any) -> Any:  # noqa: ANN401 - JSON
        return {**answer.json, "message": "", "id": ""}

    assert there.status == absent.status == 401
    assert told(there) == told(absent)


@pytest.mark.parametrize(
    "path",
    [
        "/teams/payments/../mobile/api/v1/status",
        "/teams/%70ayments%2F..%2Fmobile/api/v1/status",
        "//teams/mobile/api/v1/status",
        "/teams/mobile%00/api/v1/status",
        "/teams/Mobile/api/v1/status",
        "/teams/payments/teams/mobile/api/v1/status",
    ],
)
def test_path_leads_to_no_other_team(world: World, path: str) -> None:
    answer = world.service.ask("GET", path, token=world.mobile)

    assert answer.status in {400, 401}


def test_agent_part_uses_a_teams_url(world: World, tmp_path: Path) -> None:
    (tmp_path / "app.jar").write_bytes(b"of a team")
    url = f"{world.service.url}/teams/payments"
    environ = {"JENKINS_NOTARY_LEDGER": url, "JENKINS_NOTARY_TOKEN": world.payments}
    jar = str(tmp_path / "app.jar")

    assert agent("notarize", jar, "--job", JOB, environ=environ).code == 0
    assert agent("authenticate", jar, environ=environ).code in {0, 2}
    elsewhere = {
        "JENKINS_NOTARY_LEDGER": world.service.url,
        "JENKINS_NOTARY_TOKEN": world.service.admin,
    }
    assert agent("authenticate", jar, environ=elsewhere).code == 2
    done = command("evidence", JOB, environ=environ)
    assert done.code == 0
    assert command("evidence", JOB, environ=elsewhere).code == 66


def test_tokens_of_a_team_are_made_beside_its_ledger(world: World) -> None:
    words = ("token", "create", "build", "--role", "writer", "--folder", "payments")
    made = command(
        *words, "--ledger", world.ledger("payments"), environ=world.service.environ
    )
    token = made.text.strip()
    answer = world.service.ask(
        "POST", "/teams/payments/api/v1/records", claim(), token=token
    )

    assert made.code == 0, made.stderr
    assert answer.status == 200
    assert world.service.ask("GET", "/api/v1/status", token=token).status == 401


def test_public_log_is_a_matter_of_each_ledger(world: World) -> None:
    ask = world.service.ask

    assert ask("GET", "/teams/mobile/checkpoint", token="").status == 200
    assert ask("GET", "/teams/mobile/tile/0/000.p/2", token="").status == 200
    assert ask("GET", "/teams/payments/checkpoint", token="").status == 401
    assert ask("GET", "/checkpoint", token="").status == 401


def test_health_and_access_log_name_the_team(world: World) -> None:
    before = len(world.service.lines(0))
    for path in ("/readyz", "/teams/mobile/readyz", "/teams/mobile/healthz"):
        assert world.service.ask("GET", path, token="").status == 200
    assert world.service.ask("GET", "/teams/mobile", token=world.mobile).status in {
        200,
        404,
    }

    seen = [one["path"] for one in world.service.lines(before + 4)[before:]]
    assert "/teams/mobile/readyz" in seen


def test_pages_of_a_team_lead_to_its_own_pages_alone(world: World) -> None:
    ask, html = world.service.ask, {"Accept": "text/html"}
    digest = "sha256:" + "ab" * 32
    answer = ask(
        "POST",
        "/teams/mobile/api/v1/records",
        claim(digest, job=JOB),
        token=world.mobile,
    )
    assert answer.status == 200
    todo, seen = ["/teams/mobile/"], set[str]()
    while todo and len(seen) < 40:
        path = todo.pop()
        seen.add(path)
        page = ask("GET", path, token=world.mobile, headers=html)
        assert page.status == 200, path
        text = page.body.decode()
        if page.headers["content-type"].startswith("text/html"):
            found = re.findall(r'(?:href|src|action)="(/[^"]*)"', text)
            assert [one for one in found if not one.startswith("/teams/mobile/")] == []
            linked = [unescape(one) for one in found if "/logout" not in one]
            todo += [one for one in linked if one not in seen]

    assert f"/teams/mobile/digests/{digest}" in seen
    asked = ask("GET", "/teams/mobile/jobs", token="", headers=html)
    assert asked.headers["location"].startswith("/teams/mobile/login?next=")


def test_who_is_logged_in_at_the_root_too_reads_a_teams_pages(world: World) -> None:
    ask = world.service.ask

    def log_in(root: str, token: str) -> str:
        headers = {"Origin": world.service.url}
        answer = ask(
            "POST", f"{root}/login", f"token={token}", token="", headers=headers
        )
        return answer.headers["set-cookie"].partition(";")[0]

    # A browser sends that of the longer path first.
    own, root = log_in("/teams/mobile", world.mobile), log_in("", world.service.admin)
    both = {"Cookie": f"{own}; {root}"}
    about = "/api/v1/about"
    assert ask("GET", f"/teams/mobile{about}", token="", headers=both).status == 200
    assert ask("GET", about, token="", headers=both).status == 200
    alone = {"Cookie": root}
    assert ask("GET", f"/teams/mobile{about}", token="", headers=alone).status == 401


def test_settings_name_every_fault_of_the_ledgers(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    for wrong in (
        "[{name: A, ledger: /a}]",
        "[{name: a, ledger: a.db}]",
        "[{name: a}]",
        "[{name: a, ledger: /a, tokens: none}]",
    ):
        path.write_text(f"ledgers: {wrong}\n")
        with pytest.raises(NotaryError, match="ledgers"):
            load_settings(str(path))


def test_people_of_one_ledger_are_not_let_in_to_a_teams(tmp_path: Path) -> None:
    proxy = LoginSettings(url="https://notary.example.com")
    team = Team(name="a", ledger="/x/a.db")
    all_of_it = Settings(login=proxy, ledgers=(team,))
    own = tmp_path / "own.yaml"
    own.write_text("login: {url: 'https://team.example.com'}\n")
    named = Team(name="b", ledger="/x/b.db", settings=str(own))

    assert all_of_it.for_team(team).login == LoginSettings()
    assert all_of_it.for_team(team).ledgers == ()
    assert all_of_it.for_team(named).login.url == "https://team.example.com"
    own.write_text("ledgers: [{name: c, ledger: /c}]\n")
    with pytest.raises(ConfigurationError, match="no ledgers"):
        all_of_it.for_team(named)


@pytest.mark.parametrize(
    "teams",
    [
        [Team(name="a", ledger="/x/a.db"), Team(name="a", ledger="/x/b.db")],
        [Team(name="a", ledger="/x/a.db"), Team(name="b", ledger="sqlite:////x/a.db")],
        [Team(name="a", ledger="/x/ledger.db")],
        [Team(name=f"a{n}", ledger=f"/x/{n}.db") for n in range(MAX_TEAMS + 1)],
    ],
    ids=["name", "file", "own", "many"],
)
def test_ledger_that_is_named_twice_is_refused(teams: list[Team]) -> None:
    with pytest.raises(ConfigurationError, match="ledgers"):
        check_teams("/x/ledger.db", teams, {"HOME": "/home/notary"})


def test_a_connection_that_asks_nothing_is_the_roots() -> None:
    seen = []

    async def root(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401, ARG001
        seen.append(scope["type"])

    asyncio.run(Teams(root, {})({"type": "lifespan"}, None, None))  # type: ignore[arg-type]  # nothing is read

    assert seen == ["lifespan"]

"""Clients' certificates at the real service: a token may need one of its own."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.command import command
from tests.parts.registry import Authority
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/api/v1/status"


class World:
    """An authority, a service that knows it, and clients."""

    def __init__(self, folder: Path, *, required: bool = False) -> None:
        self.folder = folder
        self.authority = Authority()
        self.ca = self.authority.write(folder)
        certificate, key = self.authority.issue(folder, "server")
        wanted = {
            "ca-file": str(self.ca),
            "required": required,
            "tokens": {"agent": "agent-7"},
        }
        settings = folder / "settings.yaml"
        settings.write_text(json.dumps({"login": {"certificates": wanted}}))
        self.service = Serving(
            folder,
            *("--tls-cert", str(certificate), "--tls-key", str(key)),
            *("--settings", str(settings)),
        )

    def client(self, name: str | None, by: Authority | None = None) -> ssl.SSLContext:
        """Return how a client connects that shows a certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        if name is not None:
            pair = (by or self.authority).issue(self.folder, name)
            context.load_cert_chain(*pair)
        return context

    def ask(self, name: str | None, token: str) -> int:
        """Return the status that a client gets."""
        context = self.client(name)
        return self.service.ask("GET", PATH, token=token, context=context).status


def test_token_holds_with_its_certificate_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.service as service:
        token = service.token("agent", "--role", "reader")
        form = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        login = service.ask(
            "POST",
            "/login",
            f"token={token}",
            token="",
            headers=form,
            context=world.client(None),
        )

        assert world.ask("agent-7", token) == 200
        assert world.ask("agent-8", token) == 401
        assert world.ask(None, token) == 401
        assert world.ask(None, service.admin) == 200
        assert login.status == 401
        assert "set-cookie" not in login.headers


def test_cookie_under_tls_is_bound_to_this_host_and_to_tls(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.service as service:
        answer = service.ask(
            "POST",
            "/login",
            f"token={service.admin}",
            token="",
            headers={"Sec-Fetch-Site": "same-origin"},
            context=world.client(None),
        )

    assert answer.headers["set-cookie"].startswith("__Host-notary=")
    assert "Secure" in answer.headers["set-cookie"]


def test_nobody_gets_in_without_a_certificate_where_one_is_required(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, required=True)
    with world.service as service:
        assert world.ask("agent-8", service.admin) == 200
        foreign = world.client("agent-7", Authority())
        for context in (world.client(None), foreign):
            with pytest.raises(OSError, match=r"alert|reset|EOF|closed"):
                service.ask("GET", PATH, context=context)


def test_certificates_without_tls_are_refused_at_the_start(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("login: {certificates: {ca-file: /nowhere}}")
    words = ("--ledger", str(tmp_path / "l.db"), "--settings", str(settings))

    assert command("serve", "--port", "0", *words).code == 78

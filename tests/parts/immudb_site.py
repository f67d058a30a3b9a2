"""A person with a ledger in a real immudb of their own."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.command import command
from tests.parts.immudb import HOST, USER, serve_immudb
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Done

DATABASE = "payments"


class Site:
    """A person with a ledger in immudb, and the server.

    Attributes:
        environ: The person's environment.
        home: Where the person's files are.
        port: Where the server listens.
        app: A file to notarize.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.app = folder / "app.jar"
        self.app.write_bytes(b"app")
        self.port = 0
        self._running = ExitStack()
        self._make_key()
        kinds = ("DATA", "STATE", "CONFIG", "CACHE")
        self.environ = {
            "HOME": str(self.home),
            "JENKINS_NOTARY_IMMUDB_USER": USER,
            "JENKINS_NOTARY_IMMUDB_PASSWORD": USER,
            "JENKINS_NOTARY_IMMUDB_SERVER_KEY": str(folder / "pk.pem"),
            **{f"XDG_{one}_HOME": str(self.home / one.lower()) for one in kinds},
        }

    def serve(self, *options: str) -> None:
        """Run the server, at the port where it was."""
        (self.folder / "server").mkdir(exist_ok=True)
        given = ("--signingKey", str(self.folder / "sk.pem"), *options)
        folder = str(self.folder / "server")
        context = serve_immudb(folder, *given, port=self.port)
        self.port = self._running.enter_context(context)
        self.environ["JENKINS_NOTARY_LEDGER"] = (
            f"immudb://{HOST}:{self.port}/{DATABASE}"
        )

    def stop(self) -> None:
        """Stop the server."""
        self._running.close()

    def run(self, *argv: str, **changes: str) -> Done:
        """Run a command line."""
        return command(*argv, environ={**self.environ, **changes})

    def _make_key(self) -> None:
        """Make the key that signs the server's states."""
        key = generate_private_key(SECP256R1())
        (self.folder / "sk.pem").write_bytes(
            key.private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
            )
        )
        (self.folder / "pk.pem").write_bytes(
            key.public_key().public_bytes(
                Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
            )
        )


class SiteService(Serving):
    """A service on a site's ledger; several may run at once."""

    def __init__(self, site: Site, folder: Path) -> None:
        super().__init__(folder)
        self.ledger = site.environ["JENKINS_NOTARY_LEDGER"]  # type: ignore[assignment]  # a URL
        self.environ = {**os.environ, **site.environ}
        made = site.run("token", "create", folder.name, "--role", "admin")
        (self.home / "ledger.db.admin-token").write_bytes(made.stdout)

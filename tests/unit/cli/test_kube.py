"""Tests for the cluster's commands, as far as no API server is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import command

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t0p-s3cret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def test_watching_needs_an_api_server() -> None:
    done = command("kube", "watch", "--ledger", "ledger.db")

    assert done.code == 78
    assert "no pod's service account and no kubeconfig" in done.stderr
    assert "--kubeconfig FILE" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--namespace", "Shop"], "name 'Shop'", id="namespace"),
        pytest.param(["--signer", "0x12"], "40 hex digits", id="signer"),
        pytest.param(["--settings", "/none"], "No such file", id="settings"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(
    options: list[str], words: str, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(CONFIG)
    done = command("kube", "watch", "--kubeconfig", str(config), *options)

    assert done.code == 78
    assert words in done.stderr
    assert "s3cret" not in done.stderr

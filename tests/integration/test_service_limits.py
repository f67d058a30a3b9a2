"""The real service bounds who asks for too much, and lets records in before bodies."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from pathlib import Path


def serve(folder: Path, **limits: object) -> Serving:
    path = folder / "settings.yaml"
    path.write_text(json.dumps({"limits": limits}))
    return Serving(folder, "--settings", str(path))


def put(service: Serving, data: bytes) -> Answer:
    digest = hashlib.sha256(data).hexdigest()
    return service.ask("PUT", f"/api/v1/blobs/sha256:{digest}", data)


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with serve(
        tmp_path, **{"requests-a-minute": 5, "strangers-a-minute": 8}
    ) as service:
        path = "/api/v1/status"
        known = [service.ask("GET", path) for _ in range(7)]
        strangers = [service.ask("GET", path, token="x.y").status for _ in range(8)]
        # The form is a stranger's too; who is known goes on by his own count.
        form = service.ask("GET", "/login", token="")
        other = service.token("other", "--role", "reader")

        assert [one.status for one in known] == [200] * 5 + [429] * 2
        assert int(known[-1].headers["retry-after"]) >= 1
        assert known[-1].json["code"] == 69
        assert strangers == [401] * 8
        assert form.status == 429
        assert service.ask("GET", path, token=other).status == 200
        assert service.ask("GET", "/healthz", token="").status == 200


def test_quotas_bound_records_and_bytes_of_a_day(tmp_path: Path) -> None:
    folder = {"folder": "payments", "records-a-day": 2}
    limits = {"records-a-day": 3, "bytes-a-day": 100, "folders": [folder]}
    with serve(tmp_path, **limits) as service:
        other = "ci.example.com:other/main#1"

        def record(job: str = "ci.example.com:payments/api#1") -> int:
            return service.ask("POST", "/api/v1/records", claim(job=job)).status

        assert [record(), record(), record()] == [200, 200, 429]
        assert [record(other), record(other)] == [200, 429]
        assert [put(service, b"x" * 60).status for _ in range(2)] == [200, 429]
        with service.notary() as notary:
            assert notary.ledger.verify().findings == ()


def test_records_come_in_when_the_disk_is_too_full_for_bodies(tmp_path: Path) -> None:
    with serve(tmp_path, **{"min-free-bytes": 1 << 60}) as service:
        body = put(service, b"too much")

        assert body.status == 507
        assert service.ask("POST", "/api/v1/records", claim()).status == 200
        figures = service.ask("GET", "/metrics").body
        assert b"jenkins_notary_bodies_refused 1\n" in figures

"""What one token has sent is remembered, whatever others send."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from jenkins_notary.service.http import uploads as module
from jenkins_notary.service.http.uploads import KEPT_S, Uploads
from jenkins_notary.values.body import Body

if TYPE_CHECKING:
    import pytest


def make_body(number: int) -> Body:
    text = hashlib.sha256(b"%d" % number).hexdigest()
    return Body(text, 1, 1, text)


def test_token_that_sends_many_bodies_drives_out_its_own_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 10)
    uploads = Uploads()
    mine = [make_body(number) for number in range(3)]
    for one in mine:
        uploads.add("mine", one)
    others = [make_body(number) for number in range(100)]
    for one in [*others, *others[-5:]]:
        uploads.add("others", one)

    assert [uploads.get("mine", one.sha256_hex) for one in mine] == mine
    kept = [one for one in others if uploads.get("others", one.sha256_hex)]
    assert kept == others[-7:]
    assert uploads.get("nobody", mine[0].sha256_hex) is None


def test_body_is_remembered_for_a_while() -> None:
    now_s = [0.0]
    uploads = Uploads(lambda: now_s[0])
    body = make_body(1)
    uploads.add("mine", body)
    now_s[0] = KEPT_S - 1
    assert uploads.get("mine", body.sha256_hex) == body
    now_s[0] = KEPT_S
    assert uploads.get("mine", body.sha256_hex) is None

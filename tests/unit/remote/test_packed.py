"""What is packed comes back byte for byte, whoever wrote it, and stays bounded."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as some

from jenkins_notary.errors import IntegrityError
from jenkins_notary.remote.reading import packed
from jenkins_notary.remote.reading.packed import (
    PackedRecord,
    pack_envelopes,
    pack_records,
    put_together,
    take_apart,
    unpack_envelopes,
    unpack_records,
)
from jenkins_notary.values.canonical import canonical_json
from jenkins_notary.values.envelope import Signature, format_envelope, parse_envelope
from jenkins_notary.values.leaf import format_leaf, project_leaf
from jenkins_notary.values.statement import Subject, parse_statement
from tests.unit.trust.builders import author

if TYPE_CHECKING:
    from typing import Any

APP = author("ci").sign(
    "notarization", [Subject("app", "aa" * 32)], {"status": "TRUSTED"}
)


def bring(text: object) -> bytes:
    """Return an import that holds something for an envelope."""
    facts = {"imported": {"envelope": {"text": text}}}
    return author("sync").sign("import", [Subject("app", "aa" * 32)], facts)


def leaf_of(envelope: bytes, at_ms: int) -> bytes:
    """Return the entry of an envelope."""
    parsed = parse_envelope(envelope)
    statement = parse_statement(parsed.payload)
    return format_leaf(project_leaf(envelope, parsed, statement, at_ms))


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param(APP, id="ours"),
        pytest.param(bring(APP.decode()), id="import"),
        pytest.param(bring(bring(APP.decode()).decode()), id="import-of-an-import"),
        pytest.param(bring("no envelope"), id="import-of-text"),
        pytest.param(bring({"p": {}, "s": []}), id="import-of-what-looks-packed"),
        pytest.param(bring(7), id="import-of-a-number"),
        pytest.param(APP.replace(b'","', b'" ,"', 1), id="spaced"),
        pytest.param(b"{}", id="no-envelope"),
        pytest.param(
            format_envelope(b"\xff", (Signature("0x", b""),)), id="payload-no-text"
        ),
        pytest.param(
            format_envelope(b'{"b": 1}', (Signature("k", b"s"),)), id="not-canonical"
        ),
        pytest.param(
            format_envelope(b'{"predicate":[]}', (Signature("", b"s"),)), id="no-import"
        ),
    ],
)
def test_an_envelope_comes_back_as_it_was(envelope: bytes) -> None:
    assert put_together(take_apart(envelope)) == envelope
    assert unpack_envelopes(pack_envelopes([envelope])) == [envelope]


def test_ours_is_taken_apart_and_an_import_all_the_way_down() -> None:
    outer: Any = take_apart(bring(APP.decode()))
    inner = outer["p"]["predicate"]["imported"]["envelope"]["text"]

    assert inner["p"]["predicate"]["status"] == "TRUSTED"


def test_records_that_are_alike_take_a_fifth_of_their_bytes() -> None:
    by = author("ci")
    envelopes = [
        by._replace(record_id=f"{number:032x}").sign(
            "notarization", [Subject("app", f"{number:064x}")], {"status": "TRUSTED"}
        )
        for number in range(128)
    ]
    records = [PackedRecord(leaf_of(one, 7), one) for one in envelopes]
    data = pack_records(records)

    assert unpack_records(data) == records
    assert len(data) < sum(map(len, envelopes)) / 5


def test_a_record_whose_leaf_does_not_follow_comes_back_too() -> None:
    records = [
        PackedRecord(leaf_of(APP, 7), None),
        PackedRecord(b'{"at":7}', APP),
        PackedRecord(b'{"at":"x"}', APP),
        PackedRecord(b"[]", APP),
    ]

    assert unpack_records(pack_records(records)) == records


@given(payload=some.binary(max_size=60), keyid=some.sampled_from(["", "0xab"]))
def test_any_envelope_comes_back(payload: bytes, keyid: str) -> None:
    envelope = format_envelope(payload, (Signature(keyid, payload),))

    assert put_together(take_apart(envelope)) == envelope


def frame(value: object) -> bytes:
    """Return a frame of JSON."""
    return zstandard.ZstdCompressor().compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"(\xb5/\xfd", id="cut"),
        pytest.param(frame([])[:-1], id="cut-frame"),
        pytest.param(frame({}), id="no-list"),
        pytest.param(frame([1]), id="no-record"),
        pytest.param(frame([{"at": 1}]), id="no-envelope"),
        pytest.param(frame([{"at": 1, "e": None}]), id="no-leaf"),
        pytest.param(frame([{"at": "1", "e": "{}"}]), id="no-time"),
        pytest.param(frame([{"at": 1, "e": "{}"}]), id="no-dsse"),
        pytest.param(frame([{"at": 1, "e": {"p": {}}}]), id="no-signatures"),
        pytest.param(frame([{"at": 1, "e": {"p": {}, "s": [["a"]]}}]), id="no-pair"),
        pytest.param(
            frame([{"at": 1, "e": {"p": {}, "s": [["a", "?"]]}}]), id="base64"
        ),
        pytest.param(frame([{"at": 1, "e": {"p": {}, "s": 7}}]), id="no-list-of-them"),
        pytest.param(frame([{"at": 1, "e": "\ud800"}]), id="surrogate"),
    ],
)
def test_what_nobody_packed_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        unpack_records(data)


@pytest.mark.parametrize("has_size", [True, False])
def test_a_frame_that_would_grow_too_long_is_refused_before_it_does(
    monkeypatch: pytest.MonkeyPatch, *, has_size: bool
) -> None:
    monkeypatch.setattr(packed, "MAX_SENT_BYTES", 1000)
    compressor = zstandard.ZstdCompressor(write_content_size=has_size)
    bomb = compressor.compress(canonical_json(["0" * 2000]))

    with pytest.raises(IntegrityError, match="at most 1000 bytes"):
        unpack_envelopes(bomb)


def test_a_payload_in_another_base64_stays_text() -> None:
    payload = b64encode(b'{"a":1}').decode().rstrip("=")
    odd = f'{{"payload":"{payload}","payloadType":"x","signatures":[]}}'.encode()

    assert take_apart(odd) == odd.decode()

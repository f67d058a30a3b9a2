from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines import packing
from jenkins_notary.engines.packing import (
    pack_entry,
    pack_envelope,
    unpack_entry,
    unpack_envelope,
    unpack_parts,
)
from jenkins_notary.errors import IntegrityError
from jenkins_notary.values.envelope import Signature, format_envelope, parse_envelope

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY = b'{"at":1767323045000,"envelope":"%b","type":"notarization","v":1}' % (
    hashlib.sha256(b"").hexdigest().encode()
)
PAYLOAD = (
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"status":"TRUSTED"}}'
)
ENVELOPE = format_envelope(PAYLOAD, (Signature("0x" + "ab" * 20, bytes(range(64))),))
SIGNATURES = st.lists(
    st.builds(
        Signature,
        st.text("0x9af-_ .\x7f", max_size=60),
        st.binary(max_size=80),
    ),
    min_size=1,
    max_size=16,
)


@given(st.binary(max_size=3000) | st.text().map(str.encode))
def test_any_bytes_come_back(raw: bytes) -> None:
    assert unpack_entry(pack_entry(raw)) == raw
    assert unpack_envelope(pack_envelope(raw)) == raw


@given(st.binary(max_size=3000), SIGNATURES)
def test_envelope_comes_back_from_its_parts(
    payload: bytes, signatures: list[Signature]
) -> None:
    raw = format_envelope(payload, tuple(signatures))

    assert unpack_envelope(pack_envelope(raw)) == raw
    found = unpack_parts(pack_envelope(raw))
    if isinstance(found, bytes):
        assert found == raw
    else:
        assert found == parse_envelope(raw)


@pytest.mark.parametrize(
    ("raw", "codec"),
    [
        pytest.param(ENVELOPE, packing.ENVELOPE_PARTS, id="ours"),
        pytest.param(
            json.dumps(json.loads(ENVELOPE)).encode(), packing.ENVELOPE, id="spaces"
        ),
        pytest.param(ENVELOPE[:-2], packing.ENVELOPE, id="cut"),
        pytest.param(b"\x00\x01", packing.RAW, id="incompressible"),
    ],
)
def test_envelope_takes_the_codec_that_restores_it(raw: bytes, codec: int) -> None:
    assert pack_envelope(raw)[0] == codec


def test_value_is_smaller_packed() -> None:
    assert len(pack_entry(ENTRY)) < len(ENTRY) * 0.6
    assert len(pack_envelope(ENVELOPE)) < len(ENVELOPE) * 0.6


@pytest.mark.parametrize(
    ("words", "digest"),
    [
        pytest.param(
            packing.LEAF_WORDS,
            "8d401b0a4fae02092f29a546925c8f37725aec1fb354cc7ed9c4a61bf2436fbc",
            id="leaf",
        ),
        pytest.param(
            packing.STATEMENT_WORDS,
            "f204aadef2699ee83e005212174f0431954b17ca3a6d82cab8ebd645ccbb62a9",
            id="statement",
        ),
    ],
)
def test_words_of_a_codec_never_change(words: bytes, digest: str) -> None:
    assert hashlib.sha256(words).hexdigest() == digest


@pytest.mark.parametrize(
    ("unpack", "packed", "raw"),
    [
        pytest.param(
            unpack_entry,
            "027dcdbb15c4300804c05e5c019f4562cb113cd17f098e2eb8c4d3c0fcbab5dd5c1022f2"
            "375f2f69c098d3da0a9ea94127b9a668b07d2ef4628145471f3048ad9d619511cfe7fe02",
            ENTRY,
            id="entry",
        ),
        pytest.param(
            unpack_envelope,
            "04233ba1627aa796418b8181c1c1a022318938c8c0c8c4ccc2cac6cec1c9c5cdc3cbc72f"
            "2028242c222a262e2129252d232b27afa0a8a4aca2aaa6aea1a9a5ada3aba78fc87756d6"
            "36b676f640db7c00",
            ENVELOPE,
            id="envelope",
        ),
    ],
)
def test_value_packed_by_the_first_release_comes_back(
    unpack: Callable[[object], bytes], packed: str, raw: bytes
) -> None:
    assert unpack(bytes.fromhex(packed)) == raw


@pytest.mark.parametrize(
    ("unpack", "packed", "raw"),
    [
        pytest.param(unpack_entry, pack_entry(ENTRY), ENTRY, id="entry"),
        pytest.param(unpack_envelope, pack_envelope(ENVELOPE), ENVELOPE, id="envelope"),
    ],
)
def test_altered_value_gives_other_bytes_or_an_integrity_error(
    unpack: Callable[[object], bytes], packed: bytes, raw: bytes
) -> None:
    altered = [packed[:end] for end in range(len(packed))]
    altered += [packed + b"\0"]
    altered += [
        packed[:at] + bytes((packed[at] ^ bit,)) + packed[at + 1 :]
        for at in range(len(packed))
        for bit in (1, 2, 128)
    ]
    same = 0
    for one in altered:
        try:
            same += unpack(one) == raw
        except IntegrityError:
            continue

    # Deflate leaves a few bits without meaning: padding, and ways to say the same.
    assert same <= 3


def bomb(size: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return packed + deflate.flush()


@pytest.mark.parametrize(
    ("unpack", "codec"),
    [
        pytest.param(unpack_entry, packing.LEAF, id="entry"),
        pytest.param(unpack_envelope, packing.ENVELOPE, id="envelope"),
        pytest.param(unpack_envelope, packing.ENVELOPE_PARTS, id="parts"),
    ],
)
def test_stream_that_grows_beyond_the_longest_value_is_refused(
    unpack: Callable[[object], bytes], codec: int
) -> None:
    packed = bytes((codec,)) + bomb(64 << 20)

    with pytest.raises(IntegrityError, match="at most"):
        unpack(packed)


@pytest.mark.parametrize("unpack", [unpack_entry, unpack_envelope, unpack_parts])
@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="empty"),
        pytest.param(None, id="null"),
        pytest.param("\x01a", id="text"),
        pytest.param(7, id="number"),
        pytest.param(bytes(40), id="erased"),
        pytest.param(b"\x63later", id="codec of a newer program"),
    ],
)
def test_value_of_another_form_is_refused(
    unpack: Callable[[object], bytes], packed: object
) -> None:
    with pytest.raises(IntegrityError):
        unpack(packed)

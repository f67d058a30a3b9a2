from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import FaultsError
from jenkins_notary.ledger.author import describe_signer
from jenkins_notary.ledger.findings import Findings, raise_findings
from jenkins_notary.ledger.reread import accept_parts, format_plain, read_envelope
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.ledger.rowsums import BUCKET, RowSums
from jenkins_notary.ledger.transfer import Transfer
from jenkins_notary.ports import ROW_KINDS, Row
from jenkins_notary.values.envelope import (
    MAX_BYTES,
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    format_envelope,
    parse_envelope,
)
from jenkins_notary.values.leaf import Leaf, format_leaf, parse_leaf
from jenkins_notary.values.statement import Subject
from jenkins_notary.values.status import Status
from tests.unit.ledger.ledgers import Ledger, digest, person

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.ledger.verify import VerifyReport

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)


@pytest.fixture
def ledger() -> Ledger:
    """A ledger with something of each kind, in more than one tile."""
    made = Ledger()
    made.enrol("build")
    made.add("app", commit="a" * 40, by="build")
    bad = made.add("lib", "UNTRUSTED", reason="CVE")
    made.add("lib", supersedes=[bad])
    made.attach(b"line\n" * 100_000)
    made.fill(600)
    return made


def findings_of(report: VerifyReport) -> set[str]:
    return {one.what for one in report.findings if one.severity == "error"}


def test_an_untouched_ledger_is_sound_and_counted(ledger: Ledger) -> None:
    report = ledger.verify()

    assert report.is_sound
    assert report.findings == ()
    assert report.size == report.signatures == report.signed_size == 606
    assert report.root_hex == ledger.view().checkpoint.root.hex()
    assert (report.trust_size, report.erased, report.bodies) == (4, 0, 1)
    assert report.to_dict()["sound"] is True
    report.raise_findings()


def test_signatures_and_bodies_can_be_left_out(ledger: Ledger) -> None:
    report = ledger.verify(bodies=False, signatures=False)

    assert report.is_sound
    assert (report.signatures, report.bodies) == (0, 0)


def test_progress_ends_at_the_size(ledger: Ledger) -> None:
    from jenkins_notary.keys.signatures import KeyVerifier
    from jenkins_notary.ledger.verify import verify_ledger

    seen: list[tuple[str, int, int]] = []
    verify_ledger(
        ledger.store,
        ledger.verifiers,
        KeyVerifier,
        progress=lambda *step: seen.append(step),
    )

    assert ("records", 606, 606) in seen
    assert ("rows", len(ROW_KINDS), len(ROW_KINDS)) in seen


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 513])
def test_ledgers_of_any_size_are_sound(size: int) -> None:
    made = Ledger()
    made.fill(size - 1)

    report = made.verify(signatures=False)

    assert (report.findings, report.size) == ((), size)


def test_an_entry_that_was_changed_is_named(ledger: Ledger) -> None:
    entries = ledger.store._entries["main"]
    entries[300] = entries[300].replace(b'"TRUSTED"', b'"UNTRUSTED"')

    report = ledger.verify()

    assert {"record", "tile", "root"} <= findings_of(report)
    assert any("#300" in one.where for one in report.findings)
    with pytest.raises(FaultsError, match="record #300"):
        report.raise_findings()


def test_an_entry_behind_the_last_tile_is_narrowed_by_the_head(ledger: Ledger) -> None:
    entries = ledger.store._entries["main"]
    entries[605] = entries[605].replace(b'"at":17', b'"at":18')

    report = ledger.verify()

    assert "root" in findings_of(report)
    assert any("#604 to #605" in one.where for one in report.findings)


def test_entries_that_changed_places_are_found(ledger: Ledger) -> None:
    entries = ledger.store._entries["main"]
    entries[20], entries[21] = entries[21], entries[20]

    report = ledger.verify()

    assert {"tile", "root", "row"} <= findings_of(report)


def test_a_lost_entry_is_found(ledger: Ledger) -> None:
    ledger.store._entries["main"].pop()

    assert "entry" in findings_of(ledger.verify())


def test_an_entry_beyond_the_head_is_found(ledger: Ledger) -> None:
    entries = ledger.store._entries["main"]
    entries.append(entries[-1])

    report = ledger.verify()

    assert [one.where for one in report.findings] == ["main log, #606 or later"]


def test_an_envelope_that_was_changed_is_named(ledger: Ledger) -> None:
    leaf = ledger.view().leaf(4)[1]
    key = bytes.fromhex(leaf.envelope_hex)
    ledger.store._envelopes[key] = ledger.store._envelopes[key].replace(
        b"payload", b"payl0ad"
    )

    report = ledger.verify()

    assert report.findings[0].what == "envelope"
    assert "record #4" in report.findings[0].where


def test_an_envelope_that_is_gone_without_a_record_is_named(ledger: Ledger) -> None:
    leaf = ledger.view().leaf(4)[1]
    del ledger.store._envelopes[bytes.fromhex(leaf.envelope_hex)]

    report = ledger.verify()

    assert report.findings[0].where == "record #4"
    assert "no erasure record" in report.findings[0].got


def test_an_erasure_by_a_stranger_excuses_nothing(ledger: Ledger) -> None:
    leaf = ledger.view().leaf(4)[1]
    ledger.append(
        ledger.author("stranger").sign(
            "erasure", [Subject("", leaf.envelope_hex)], {"reason": "mine"}
        )
    )
    del ledger.store._envelopes[bytes.fromhex(leaf.envelope_hex)]

    assert "envelope" in findings_of(ledger.verify())


def test_an_envelope_that_no_entry_names_is_named(ledger: Ledger) -> None:
    ledger.store._envelopes[hashlib.sha256(b"x").digest()] = b"x"

    report = ledger.verify()

    assert [one.where for one in report.findings] == [digest("x")]


def test_a_bad_signature_is_named(ledger: Ledger) -> None:
    good = parse_envelope(
        ledger.author().sign("notarization", [], {"status": "TRUSTED"})
    )
    (one,) = good.signatures
    forged = Signature(one.keyid, bytes(64))
    ledger.append(format_envelope(good.payload, (forged,)))

    report = ledger.verify()

    assert [(one.what, one.where) for one in report.findings] == [
        ("signature", "record #606")
    ]
    assert ledger.verify(signatures=False).is_sound


def test_a_signer_whose_key_nobody_knows_is_counted(ledger: Ledger) -> None:
    good = parse_envelope(
        ledger.author().sign("notarization", [], {"status": "TRUSTED"})
    )
    foreign = Signature("sigstore", good.signatures[0].sig)
    ledger.append(format_envelope(good.payload, (foreign,)))

    report = ledger.verify()

    assert (report.total, report.unchecked) == (0, 1)


@pytest.mark.parametrize("kind", ROW_KINDS)
def test_a_row_that_was_left_out_is_named(ledger: Ledger, kind: str) -> None:
    table = ledger.store._rows[kind]
    _, index = table.pop(len(table) // 2)

    report = ledger.verify()

    assert [(one.what, one.got) for one in report.findings] == [("row", "none")]
    assert report.findings[0].where == f"{kind} row of record #{index}"


@pytest.mark.parametrize("kind", ROW_KINDS)
@pytest.mark.parametrize("index", [5, 606, -1], ids=["forged", "beyond", "below"])
def test_a_row_that_was_added_is_named(ledger: Ledger, kind: str, index: int) -> None:
    ledger.store._rows[kind].append((b"\xff" * 32, index))

    report = ledger.verify()

    assert findings_of(report) == {"row"}


def test_rows_that_were_all_lost_are_counted_and_some_named(ledger: Ledger) -> None:
    ledger.store._rows["subject"].clear()

    report = ledger.verify()

    assert report.total > 500
    assert len(report.findings) == 200


def test_a_row_led_to_another_record_is_found(ledger: Ledger) -> None:
    table = ledger.store._rows["job"]
    (key, index), table[0] = table[0], (table[0][0], 100)

    report = ledger.verify()

    assert {one.where for one in report.findings} == {
        f"job row of record #{index}",
        "job row of record #100",
    }
    assert ledger.store.rows("job", *exact_range(key), limit=1)


def test_a_trust_record_that_was_hidden_is_named(ledger: Ledger) -> None:
    del ledger.store._entries["trust"][2]

    report = ledger.verify()

    assert "trust record" in findings_of(report)
    assert any("record #3" in one.where for one in report.findings)


def test_a_trust_record_that_was_added_is_found(ledger: Ledger) -> None:
    trust = ledger.store._entries["trust"]
    trust.insert(2, trust[1].replace(b'"index":1', b'"index":2'))

    assert "trust record" in findings_of(ledger.verify())


def test_a_trust_record_that_was_changed_is_found(ledger: Ledger) -> None:
    trust = ledger.store._entries["trust"]
    trust[2] = trust[2].replace(b"UNTRUSTED", b"TRUSTED")

    report = ledger.verify()

    assert {"trust record", "root", "head"} <= findings_of(report)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda tile: bytes(32) + tile[32:], id="changed"),
        pytest.param(lambda tile: tile[:-32], id="cut"),
        pytest.param(lambda tile: tile + bytes(32), id="longer"),
        pytest.param(lambda _: None, id="lost"),
    ],
)
@pytest.mark.parametrize("place", [("main", 0, 1), ("main", 1, 0)])
def test_a_tile_that_was_altered_is_named(
    ledger: Ledger,
    place: tuple[str, int, int],
    harm: Callable[[bytes], bytes | None],
) -> None:
    tiles = ledger.store._tiles
    harmed = harm(tiles.pop(place))
    if harmed is not None:
        tiles[place] = harmed

    report = ledger.verify()

    # A proof of a trust record that needs the tile cannot be made either.
    assert findings_of(report) - {"trust record"} == {"tile"}
    assert any(f"tile/{place[1]}/00{place[2]}" in one.where for one in report.findings)


def test_a_tile_beyond_the_tree_is_found(ledger: Ledger) -> None:
    ledger.store._tiles["main", 0, 7] = bytes(8192)

    assert findings_of(ledger.verify()) == {"tile"}


def test_a_checkpoint_by_another_key_is_found(ledger: Ledger) -> None:
    other = Ledger(origin="other.example.com/log")
    ledger.store._checkpoint = (9999, other.view().note)

    report = ledger.verify()

    assert report.findings[0].what == "checkpoint"
    assert report.signed_size == 0


def test_a_missing_checkpoint_is_found(ledger: Ledger) -> None:
    ledger.store._checkpoint = None

    assert findings_of(ledger.verify()) == {"checkpoint"}


def test_a_head_that_was_put_back_is_found(ledger: Ledger) -> None:
    before = ledger.store.head()
    ledger.add("later")
    ledger.store._head = before

    report = ledger.verify()

    assert {"head", "entry"} <= findings_of(report)


def test_a_missing_head_is_found(ledger: Ledger) -> None:
    ledger.store._head = None

    assert findings_of(ledger.verify()) == {"head"}


def test_a_malformed_head_is_found(ledger: Ledger) -> None:
    ledger.store._head = ledger.store._head._replace(main=b"short")

    assert "head" in findings_of(ledger.verify())


def test_a_head_time_that_is_wrong_is_found(ledger: Ledger) -> None:
    ledger.store._head = ledger.store._head._replace(at_ms=1)

    assert [one.where for one in ledger.verify().findings] == ["commit time"]


@pytest.mark.parametrize("count", [10, 5000], ids=["one-range", "two-ranges"])
def test_commit_times_that_run_backwards_are_found(count: int) -> None:
    made = Ledger()
    made.fill(count)
    copy = Ledger()
    copy.store = MemoryStore()
    transfer = Transfer(copy.store)
    last = min(4096, count)
    for first in range(0, count + 1, 1000):
        entries = made.store.entries("main", first, min(first + 1000, count + 1))
        data = made.store._envelopes
        transfer.add(
            [
                (
                    entry.replace(b'{"at":1', b'{"at":2') if index < last else entry,
                    data[bytes.fromhex(parse_leaf(entry).envelope_hex)],
                )
                for index, entry in enumerate(entries, first)
            ]
        )

    report = copy.verify(signatures=False)

    assert ("commit time", f"record #{last}") in {
        (one.what, one.where) for one in report.findings
    }


def test_records_that_are_not_signed_yet_are_a_warning(ledger: Ledger) -> None:
    checkpoint = ledger.store._checkpoint
    ledger.add("later")
    ledger.store._checkpoint = checkpoint

    report = ledger.verify()

    assert report.is_sound
    assert [one.severity for one in report.findings] == ["warning"]
    assert (report.size, report.signed_size) == (607, 606)


def test_another_genesis_is_found(ledger: Ledger) -> None:
    other = Ledger(origin="other.example.com/log")
    entry = other.store._entries["main"][0]
    ledger.store._entries["main"][0] = entry

    report = ledger.verify()

    assert {"root", "envelope"} <= findings_of(report)


def test_a_changed_body_and_a_lost_one_are_named(ledger: Ledger) -> None:
    kept = ledger.blobs._kept  # type: ignore[union-attr]  # Bodies in memory here.
    (sha,) = kept
    kept[sha] = kept[sha]._replace(chunks=(b"other", *kept[sha].chunks[1:]))

    changed = ledger.verify()
    del kept[sha]
    lost = ledger.verify()

    assert [one.what for one in changed.findings] == ["body"]
    assert "leaf hash" in changed.findings[0].expected
    assert "no erasure record" in lost.findings[0].got


def test_records_that_come_meanwhile_are_no_findings(ledger: Ledger) -> None:
    from jenkins_notary.keys.signatures import KeyVerifier
    from jenkins_notary.ledger.verify import verify_ledger

    def write(phase: str, done: int, _total: int) -> None:
        if phase == "rows" and done == 0:
            ledger.add("meanwhile", "UNTRUSTED")
            ledger.fill(300)

    report = verify_ledger(ledger.store, ledger.verifiers, KeyVerifier, progress=write)

    assert (report.findings, report.size) == ((), 606)


def test_records_that_never_cease_to_come_are_no_findings(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jenkins_notary.ledger.regrow import check_stored_tiles

    came: list[int] = []

    def write_and_check(*given: Any) -> int:  # noqa: ANN401 - as the check takes
        came.append(1)
        ledger.add(f"meanwhile {len(came)}", "UNTRUSTED")
        return check_stored_tiles(*given)

    monkeypatch.setattr(
        "jenkins_notary.ledger.verify.check_stored_tiles", write_and_check
    )

    assert ledger.verify().findings == ()
    assert len(came) == 2 * 5


def test_an_empty_store_says_that_there_is_no_checkpoint() -> None:
    made = Ledger()
    made.store._head = made.store._checkpoint = None

    report = made.verify()

    assert (report.size, findings_of(report)) == (0, {"checkpoint"})


def test_only_the_first_findings_are_kept_and_all_counted() -> None:
    findings = Findings(limit=2)
    for place in range(5):
        findings.add("row", f"#{place}")
    findings.extend(findings.kept, 3)

    assert (len(findings.kept), findings.total, findings.is_full) == (2, 8, True)
    with pytest.raises(FaultsError) as caught:
        raise_findings(findings.kept, findings.total)
    assert caught.value.exit_code == 65
    raise_findings([], 0)


@given(
    st.builds(
        Leaf,
        st.sampled_from(["notarization", "trust", "test-result"]),
        HEX,
        st.sampled_from(["", "0x" + "a" * 40]),
        st.lists(HEX, unique=True, max_size=4).map(lambda x: tuple(sorted(x))),
        st.integers(0, (1 << 53) - 1),
        st.none() | HEX,
        st.sampled_from([None, Status.TRUSTED, Status.UNTRUSTED]),
        st.lists(st.integers(0, 99), max_size=2).map(tuple),
    )
)
def test_the_fast_form_of_a_leaf_is_the_canonical_one(leaf: Leaf) -> None:
    plain = format_plain(leaf)

    assert plain == (b"" if leaf.supersedes else format_leaf(leaf))


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=70))
def test_an_envelope_is_read_fast_as_it_is_read_slowly(
    payload: bytes, sig: bytes
) -> None:
    keyid = person("a").keyid
    for signatures in (
        (Signature(keyid, sig),),
        (Signature("other", sig),),
        (Signature(keyid, sig), Signature(keyid, sig)),
    ):
        data = format_envelope(payload, signatures)

        assert read_envelope(data, "x") == parse_envelope(data)


@given(
    st.binary(max_size=40),
    st.sampled_from([PAYLOAD_TYPE, "text/plain"]),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    person("a").keyid,
                    "",
                    "0x",
                    'a"b',
                    "a" * 300,
                    person("a").keyid + "\n",
                ]
            ),
            st.binary(max_size=70),
        ),
        max_size=2,
    ),
)
def test_parts_are_accepted_only_if_their_bytes_read_the_same(
    payload: bytes, payload_type: str, signatures: list[tuple[str, bytes]]
) -> None:
    listed = tuple(Signature(*one) for one in signatures)
    parts = Envelope(payload, payload_type, listed)
    data = format_envelope(payload, listed)

    accepted = accept_parts(parts, data)

    if accepted is not None:
        assert accepted == parse_envelope(data)
        assert len(listed) == 1
    assert accept_parts(None, data) is None


def test_parts_of_an_envelope_that_is_too_long_are_not_accepted() -> None:
    signatures = (Signature(person("a").keyid, b"s"),)
    parts = Envelope(b"p", PAYLOAD_TYPE, signatures)

    assert accept_parts(parts, bytes(MAX_BYTES)) is parts
    assert accept_parts(parts, bytes(MAX_BYTES + 1)) is None


@given(
    st.lists(st.tuples(st.binary(max_size=3), st.integers(0, 3 * BUCKET)), max_size=20),
)
def test_sums_tell_sets_of_rows_apart_and_not_orders(
    rows: list[tuple[bytes, int]],
) -> None:
    left, right = RowSums(b"k" * 16), RowSums(b"k" * 16)
    for key, index in rows:
        left.add(key, index)
    right.add_all(reversed(rows))

    assert left.differing(right) == []
    right.add(b"more", BUCKET)
    assert left.differing(right) == [1]


def test_enrolled_keys_are_those_that_statements_carry() -> None:
    described = describe_signer(person("admin"))

    assert described["id"] == person("admin").keyid
    assert Row("signer", bytes.fromhex(described["id"][2:]), 0).kind == "signer"

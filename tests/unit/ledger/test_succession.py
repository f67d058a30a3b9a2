from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import (
    ConfigurationError,
    FaultsError,
    IntegrityError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.ledger.author import describe_signer
from jenkins_notary.ledger.backup import (
    Manifest,
    check_copy,
    copy_bodies,
    format_manifest,
    parse_manifest,
    upgrade_ledger,
)
from jenkins_notary.ledger.erase import erase, select_erasable
from jenkins_notary.ledger.pins import Pin
from jenkins_notary.ledger.rotation import (
    accepted_vkeys,
    format_rotation,
    open_followed_view,
    rotate_ledger_key,
)
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.succession import (
    Succession,
    check_continuable,
    follow_succession,
    succeed_log,
)
from jenkins_notary.ledger.view import open_view
from jenkins_notary.tlog.note import sign_note
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.statement import Subject
from jenkins_notary.values.status import Status
from tests.unit.ledger.ledgers import (
    VERIFIER,
    Ledger,
    digest,
    log_key,
    person,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.ledger.view import LedgerView

NEXT = "ci.example.com/next"


def copy_of(store: MemoryStore) -> MemoryStore:
    """Return a backup of a store."""
    copy = MemoryStore()
    copy._head, copy._checkpoint = store._head, store._checkpoint
    copy._entries = {log: list(kept) for log, kept in store._entries.items()}
    copy._tiles, copy._envelopes = dict(store._tiles), dict(store._envelopes)
    copy._rows = {kind: list(kept) for kind, kept in store._rows.items()}
    return copy


@pytest.fixture
def ledger() -> Ledger:
    """A ledger with a changed administration, an untrust, a supersede, an erasure."""
    made = Ledger()
    made.enrol("security", 5)
    made.add("lib")
    bad = made.add("lib", "UNTRUSTED", by="security", reason="CVE")
    made.add("tool", "UNTRUSTED", by="security")
    made.add("tool", by="security", supersedes=[4])
    made.order(
        "administrators",
        administrators=[describe_signer(person("boss"))],
        threshold=1,
    )
    made.order("revoke", by=["boss"], signerId=person("admin").keyid, fromIndex=90)
    erase(
        made.view(),
        made.sequencer,
        select_erasable(made.view(), [bad]),
        author=made.author("boss"),
        store=made.store,
        blobs=None,
        reason="a name stood in it",
    )
    made.fill(300)
    return made


def succeed(
    old: Ledger,
    *,
    last_note: bytes | None = None,
    by: Sequence[str] = ("boss",),
    origin: str = NEXT,
) -> Ledger:
    """Return the ledger that follows another."""
    store = MemoryStore()
    succeed_log(
        old.view(),
        old.store,
        store,
        log_key(origin),
        author=old.author(*by),
        last_note=last_note,
        old_verifiers=old.verifiers,
    )
    return Ledger(store, origin=origin)


def follow(pin: Pin, ledger: Ledger) -> Succession | None:
    return follow_succession(pin, ledger.view(), ledger.store, load_log_verifier)


def test_a_succession_keeps_every_record_and_verdict(ledger: Ledger) -> None:
    new = succeed(ledger)

    old_entries = ledger.store.entries("main", 1, 400)
    assert new.store.entries("main", 1, 400) == old_entries
    report = new.verify()
    assert (report.findings, report.erased) == ((), 1)
    assert report.origin == NEXT

    def statuses(view: LedgerView) -> list[Status]:
        return [
            view.verdict(digest(name), TrustRule()).status
            for name in ("lib", "tool", "f7", "nothing")
        ]

    assert statuses(new.view()) == statuses(ledger.view())
    assert statuses(new.view())[0] is Status.UNTRUSTED
    trust, old_trust = new.view().trust(), ledger.view().trust()
    assert trust.administrators == old_trust.administrators
    assert trust.signers == old_trust.signers
    assert trust.ignored == old_trust.ignored == []
    assert trust.origin == NEXT


def test_a_successor_is_written_and_handed_in_records_are_found(
    ledger: Ledger,
) -> None:
    envelope = ledger.author().sign("notarization", [], {"attributes": {"a": "b"}})
    (first,) = ledger.append(envelope)
    new = succeed(ledger)

    new.add("fresh", by="security")
    (again,) = new.append(envelope)

    assert again.index == first.index
    assert new.verify().is_sound
    status = new.view().verdict(digest("fresh"), TrustRule()).status
    assert status is Status.TRUSTED


def test_trust_records_for_the_old_origin_count_only_where_they_stood(
    ledger: Ledger,
) -> None:
    new = succeed(ledger)
    described = describe_signer(person("late"))

    for origin in (ledger.key.name, NEXT):
        new.append(
            new.author("boss").sign(
                "trust",
                [],
                {
                    "action": "enrol",
                    "origin": origin,
                    "signerId": described["id"],
                    "publicKey": described["publicKey"],
                },
            )
        )
        trust = new.view().trust()
        assert (described["id"] in trust.signers) == (origin == NEXT)


@pytest.mark.parametrize("size", [1, 2, 9, 256, 309])
def test_a_client_of_the_old_log_follows(ledger: Ledger, size: int) -> None:
    view = ledger.view().at_size(size)
    checkpoint = view.checkpoint
    pinned = Ledger()
    assert checkpoint.size == 309
    new = succeed(ledger)
    new.add("later")
    # The pin's note is the client's own; what counts is its size and root.
    root = view.root()
    trust_size = sum(
        1
        for entry in ledger.store.entries("trust", 0, 99)
        if json.loads(entry)["index"] < size
    )
    from jenkins_notary.tlog.checkpoint import (
        Checkpoint,
        format_checkpoint,
        trust_extension,
    )
    from jenkins_notary.tlog.merkle import Frontier, hash_leaf

    trust = Frontier().append(
        [hash_leaf(one) for one in ledger.store.entries("trust", 0, trust_size)]
    )
    extension = trust_extension(trust.size, trust.root())
    text = format_checkpoint(Checkpoint(ledger.key.name, size, root, (extension,)))
    pin = Pin(ledger.key.vkey, sign_note(text, [ledger.key]))

    found = follow(pin, new)

    assert found == Succession(ledger.key.name, NEXT, 309, 309)
    assert found.lost == 0
    assert pinned.key.vkey == ledger.key.vkey


def test_records_that_a_backup_lacks_are_said_to_be_lost(ledger: Ledger) -> None:
    backup = Ledger(copy_of(ledger.store))
    ledger.add("lost one")
    ledger.add("lost two")
    pin, published = ledger.pin(), ledger.view().note

    with pytest.raises(IntegrityError, match="ledger succeed"):
        check_continuable(backup.view(), [published], backup.verifiers)
    new = succeed(backup, last_note=published)

    found = follow(pin, new)
    assert found is not None
    assert (found.inherited_size, found.bound_size, found.lost) == (309, 311, 2)


def test_a_backup_that_is_not_older_may_continue(ledger: Ledger) -> None:
    backup = Ledger(copy_of(ledger.store))
    other = Ledger(origin="other.example.com/log")
    notes = [ledger.view().note, other.view().note]
    keys = [*backup.verifiers, *other.verifiers]

    check_continuable(backup.view(), notes, keys)

    ledger.add("more")
    check_continuable(ledger.view(), notes, keys)


def test_a_client_that_saw_more_than_is_bound_does_not_follow(ledger: Ledger) -> None:
    backup = Ledger(copy_of(ledger.store))
    ledger.add("seen by the client")

    with pytest.raises(IntegrityError, match="last checkpoint at 310 or more"):
        follow(ledger.pin(), succeed(backup))


def test_a_client_of_a_fork_does_not_follow(ledger: Ledger) -> None:
    fork = Ledger(copy_of(ledger.store))
    ledger.add("here")
    fork.add("there")

    with pytest.raises(IntegrityError):
        follow(ledger.pin(), succeed(fork))


def test_a_log_that_follows_none_is_not_a_successor(ledger: Ledger) -> None:
    assert follow(ledger.pin(), Ledger(origin="other.example.com/log")) is None


def test_a_successor_of_another_log_is_refused(ledger: Ledger) -> None:
    pin = Ledger(origin="other.example.com/log").pin()

    with pytest.raises(IntegrityError):
        follow(pin, succeed(ledger))


def test_only_the_present_administrators_may_succeed(ledger: Ledger) -> None:
    for by in (("admin",), ("stranger",), ("boss", "stranger")):
        with pytest.raises(PermissionDeniedError):
            succeed(ledger, by=by)


def test_the_old_name_and_a_full_store_are_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="never reused"):
        succeed(ledger, origin=ledger.key.name)
    with pytest.raises(UsageError, match="empty"):
        succeed_log(
            ledger.view(),
            ledger.store,
            Ledger().store,
            log_key(NEXT),
            author=ledger.author("boss"),
        )


def test_a_bound_checkpoint_that_is_older_is_refused(ledger: Ledger) -> None:
    older = ledger.view().note
    ledger.add("more")

    with pytest.raises(IntegrityError, match="last known checkpoint"):
        succeed(ledger, last_note=older)


def test_a_successor_may_be_succeeded(ledger: Ledger) -> None:
    middle = succeed(ledger)
    middle.add("between", by="security")
    pin = middle.pin()

    last = succeed(middle, origin="ci.example.com/third")

    found = follow(pin, last)
    assert found is not None
    assert (found.old_origin, found.inherited_size) == (NEXT, 310)
    assert last.verify().is_sound
    assert last.view().trust().signers == ledger.view().trust().signers


def forge(
    ledger: Ledger, change: Callable[[dict[str, Any]], None], *, by: str = "boss"
) -> Ledger:
    """Return a successor whose genesis was made by somebody's own program."""
    honest = succeed(ledger)
    statement = honest.view().record(0).statement
    assert statement is not None
    facts = {
        key: value
        for key, value in json.loads(json.dumps(statement.predicate)).items()
        if key not in {"recordId", "claimedAt", "signer"}
    }
    change(facts)
    from jenkins_notary.ledger import succession

    envelope = ledger.author(by).sign("trust", [], facts)
    store = MemoryStore()
    patch = pytest.MonkeyPatch()
    patch.setattr(succession, "_make_genesis", lambda *_, **__: envelope)
    try:
        succeed_log(
            ledger.view(),
            ledger.store,
            store,
            log_key(NEXT),
            author=ledger.author("boss"),
        )
    finally:
        patch.undo()
    return Ledger(store, origin=NEXT)


def own_administrators(facts: dict[str, Any]) -> None:
    facts["administrators"] = [describe_signer(person("thief"))]


def test_a_genesis_by_others_than_the_old_administrators_is_refused(
    ledger: Ledger,
) -> None:
    forged = forge(ledger, own_administrators, by="thief")

    with pytest.raises(IntegrityError, match="old log's administrators"):
        follow(ledger.pin(), forged)


def test_a_genesis_by_a_former_administrator_is_refused(ledger: Ledger) -> None:
    def former(facts: dict[str, Any]) -> None:
        facts["administrators"] = [describe_signer(person("admin"))]

    with pytest.raises(IntegrityError, match="old log's administrators"):
        follow(ledger.pin(), forge(ledger, former, by="admin"))


def test_a_genesis_that_carries_another_old_genesis_is_refused(
    ledger: Ledger,
) -> None:
    thief = Ledger(administrators=("thief",))
    digest_hex = thief.view().leaf(0)[1].envelope_hex

    def exchange(facts: dict[str, Any]) -> None:
        own_administrators(facts)
        envelopes = thief.store.envelopes([bytes.fromhex(digest_hex)])
        (facts["inherits"]["genesis"],) = [one.decode() for one in envelopes.values()]

    with pytest.raises(IntegrityError):
        follow(ledger.pin(), forge(ledger, exchange, by="thief"))


@pytest.mark.parametrize(
    "inherits",
    [
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"size": 0, "genesis": "{}", "checkpoint": "x"}, id="no-records"),
        pytest.param({"size": 5, "genesis": 7, "checkpoint": "x"}, id="number"),
        pytest.param(
            {"size": 5, "genesis": "\ud800", "checkpoint": "x"}, id="surrogate"
        ),
        pytest.param({"size": 5, "genesis": "{}", "checkpoint": "x"}, id="no-envelope"),
    ],
)
def test_a_genesis_whose_inheritance_is_malformed_opens_nothing(
    inherits: object,
) -> None:
    made = Ledger()
    store = MemoryStore()
    key = log_key(NEXT)
    envelope = made.author().sign(
        "trust",
        [],
        {
            "action": "genesis",
            "origin": NEXT,
            "administrators": [describe_signer(person("admin"))],
            "threshold": 1,
            "succeeds": made.view().note.decode(),
            "inherits": inherits,
        },
    )
    verifiers = [load_log_verifier(key.vkey)]
    Sequencer(store, key, verifiers, made.clock).append([envelope])

    with pytest.raises(IntegrityError):
        open_view(store, verifiers, VERIFIER).trust()


def test_a_rewritten_record_is_not_followed(ledger: Ledger) -> None:
    fork = Ledger()
    fork.enrol("security", 5)
    fork.order(
        "administrators",
        administrators=[describe_signer(person("boss"))],
        threshold=1,
    )
    fork.fill(400)

    with pytest.raises(IntegrityError):
        follow(ledger.pin(), succeed(fork))


@pytest.fixture
def rotated() -> tuple[Ledger, Pin]:
    """A ledger whose key was rotated, and a pin from before."""
    made = Ledger()
    made.add("before")
    pin = made.pin()
    rotate(made, 1)
    return made, pin


def rotate(made: Ledger, number: int, *, by: str = "admin") -> None:
    """Rotate a ledger's key, and write on with the new one."""
    new = log_key(made.key.name, number=number)
    rotate_ledger_key(made.sequencer, made.author(by), made.key, new, new_vkey=new.vkey)
    made.verifiers.append(load_log_verifier(new.vkey))
    made.key = new
    made.sequencer = Sequencer(made.store, new, made.verifiers, made.clock)


def test_who_trusts_the_old_key_follows_a_rotation(
    rotated: tuple[Ledger, Pin],
) -> None:
    made, pin = rotated
    made.add("after")
    rotate(made, 2)
    made.add("later")

    view, vkeys = open_followed_view(made.store, pin.vkey, load_log_verifier, VERIFIER)

    assert vkeys == [pin.vkey, *(log_key(made.key.name, number=n).vkey for n in (1, 2))]
    assert view.size == 6
    assert made.verify().is_sound


def test_the_checkpoint_of_the_rotation_itself_may_be_the_old_keys(
    rotated: tuple[Ledger, Pin],
) -> None:
    made, pin = rotated

    view, vkeys = open_followed_view(made.store, pin.vkey, load_log_verifier, VERIFIER)

    assert (view.size, len(vkeys)) == (3, 2)


def test_a_key_that_was_rotated_out_signs_nothing_more(
    rotated: tuple[Ledger, Pin],
) -> None:
    made, pin = rotated
    made.key = log_key(made.key.name)
    made.sequencer = Sequencer(made.store, made.key, made.verifiers, made.clock)
    made.add("by a thief of the old key")

    with pytest.raises(IntegrityError, match="rotated out"):
        open_followed_view(made.store, pin.vkey, load_log_verifier, VERIFIER)


def test_who_knows_only_a_later_key_reads_too(rotated: tuple[Ledger, Pin]) -> None:
    made, _ = rotated
    made.add("after")

    view, vkeys = open_followed_view(
        made.store, made.key.vkey, load_log_verifier, VERIFIER
    )

    assert (view.size, vkeys) == (4, [made.key.vkey])


def test_a_stranger_key_does_not_follow(rotated: tuple[Ledger, Pin]) -> None:
    made, _ = rotated
    for vkey in (log_key(made.key.name, number=9).vkey, log_key(NEXT).vkey):
        with pytest.raises(IntegrityError):
            open_followed_view(made.store, vkey, load_log_verifier, VERIFIER)


def test_a_rotation_by_no_administrator_hands_on_nothing() -> None:
    made = Ledger()
    pin = made.pin()
    rotate(made, 1, by="stranger")
    made.add("after")

    with pytest.raises(IntegrityError):
        open_followed_view(made.store, pin.vkey, load_log_verifier, VERIFIER)


@pytest.mark.parametrize(
    ("text", "signers"),
    [
        pytest.param(None, [1], id="new-key-alone"),
        pytest.param(None, [0], id="old-key-alone"),
        pytest.param(None, [9, 1], id="another-old-key"),
        pytest.param("other text\n", [0, 1], id="other-text"),
        pytest.param("origin", [0, 1], id="other-origin"),
        pytest.param("same", [0, 1], id="same-key"),
        pytest.param("vkey", [0, 1], id="no-key"),
    ],
)
def test_a_note_that_does_not_hand_on_is_passed_over(
    text: str | None, signers: list[int]
) -> None:
    made = Ledger()
    old, new = made.key, log_key(made.key.name, number=1)
    texts = {
        None: format_rotation(old.name, new.vkey),
        "origin": format_rotation(NEXT, new.vkey),
        "same": format_rotation(old.name, old.vkey),
        "vkey": format_rotation(old.name, "no key"),
    }
    keys = [log_key(old.name, number=number) for number in signers]
    note = sign_note(texts.get(text, text or ""), keys).decode()
    made.order("ledger-key", note=note)
    made.order("ledger-key", note="no note")

    chain = accepted_vkeys(made.view().trust(), old.vkey, load_log_verifier)

    assert chain == [(0, old.vkey)]


def test_a_rotation_needs_another_key_of_the_same_name() -> None:
    made = Ledger()
    for new in (made.key, log_key(NEXT)):
        with pytest.raises(UsageError):
            rotate_ledger_key(
                made.sequencer, made.author(), made.key, new, new_vkey=new.vkey
            )


def test_a_manifest_is_read_as_it_was_written(ledger: Ledger) -> None:
    manifest = Manifest(ledger.key.name, ledger.key.vkey, 309, ledger.view().note)

    assert parse_manifest(format_manifest(manifest)) == manifest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"v":2}',
        b'{"v":1}',
        b'{"v":1,"origin":"a","vkey":"b","size":true,"checkpoint":"c"}',
        b'{"v":1,"origin":"a","vkey":"b","size":1,"checkpoint":"\\ud800"}',
    ],
)
def test_a_damaged_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_manifest(data)


def test_a_copy_must_be_sound_and_the_one_of_its_manifest(ledger: Ledger) -> None:
    manifest = Manifest(ledger.key.name, ledger.key.vkey, 309, ledger.view().note)
    copy = Ledger(copy_of(ledger.store))

    found = check_copy(manifest, copy.store, copy.verify(), copy.verifiers)
    assert found.size == 309

    copy.add("more")
    with pytest.raises(IntegrityError, match="two backups were mixed"):
        check_copy(manifest, copy.store, copy.verify(), copy.verifiers)
    copy.store._envelopes.popitem()
    with pytest.raises(FaultsError):
        check_copy(manifest, copy.store, copy.verify(), copy.verifiers)


def test_bodies_are_copied_once_and_checked() -> None:
    made = Ledger()
    made.attach(b"")
    made.attach(b"a" * 600_000)
    made.attach(b"a" * 600_000)
    gone = made.put(b"gone")
    made.attach(b"gone")
    made.blobs.delete(gone.sha256_hex)
    target = MemoryBlobs()

    assert copy_bodies(made.view(), made.blobs, target) == 2
    assert copy_bodies(made.view(), made.blobs, target) == 0
    assert set(target.scan()) == set(made.blobs.scan())


def test_a_changed_body_is_not_copied() -> None:
    made = Ledger()
    made.attach(b"body")
    kept = made.blobs._kept  # type: ignore[union-attr]  # Bodies in memory here.
    (sha,) = kept
    kept[sha] = kept[sha]._replace(chunks=(b"other",))

    with pytest.raises(IntegrityError):
        copy_bodies(made.view(), made.blobs, MemoryBlobs())


def test_an_upgrade_has_nothing_to_do_and_refuses_a_newer_schema() -> None:
    store = MemoryStore()
    assert upgrade_ledger(store) == []
    store.put_setting("schema", b"1")
    assert upgrade_ledger(store) == []
    store.put_setting("schema", b"2")

    with pytest.raises(ConfigurationError, match="upgrade jenkins-notary"):
        upgrade_ledger(store)


def test_an_erasure_in_a_successor_is_by_its_administrators(ledger: Ledger) -> None:
    new = succeed(ledger)
    leaf = new.view().leaf(2)[1]
    new.append(new.author("boss").sign("erasure", [Subject("", leaf.envelope_hex)], {}))
    new.store.erase(
        [bytes.fromhex(leaf.envelope_hex)],
        [row for row in new.store.scan_rows("name") if row.index == 2],
    )

    assert new.verify().is_sound

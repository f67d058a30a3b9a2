"""Hold the laws of values on whatever a stranger may write."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jenkins_notary.errors import IntegrityError, NotaryError, UsageError
from jenkins_notary.values.body import MAX_CHUNK_SIZE, Body, format_body, parse_body
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.ci import ALLOWED, MAX_VALUE_BYTES, read_ci
from jenkins_notary.values.digest import format_digest, parse_digest
from jenkins_notary.values.envelope import (
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    format_envelope,
    parse_envelope,
)
from jenkins_notary.values.jobid import (
    JobId,
    check_job_name,
    format_instance,
    format_job_id,
    parse_job_id,
    parse_job_prefix,
)
from jenkins_notary.values.leaf import (
    Leaf,
    check_agreement,
    format_leaf,
    format_trust_entry,
    parse_leaf,
    parse_trust_entry,
    project_leaf,
)
from jenkins_notary.values.statement import (
    EXTENSION,
    STATEMENT_TYPE,
    Subject,
    format_statement,
    parse_statement,
    predicate_uri,
)
from jenkins_notary.values.status import RECORDED
from jenkins_notary.values.urls import scrub_url

if TYPE_CHECKING:
    from collections.abc import Callable

HEXES = st.binary(min_size=32, max_size=32).map(bytes.hex)
SIGNERS = st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}")
INDEXES = st.integers(0, (1 << 53) - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
LEAVES = st.builds(
    Leaf,
    st.sampled_from(["notarization", "gate", "trust", "cyclonedx"]),
    HEXES,
    SIGNERS | st.just(""),
    st.sets(HEXES, max_size=4).map(lambda found: tuple(sorted(found))),
    INDEXES,
    HEXES | st.none(),
    st.sampled_from(sorted(RECORDED, key=lambda one: one.value)) | st.none(),
    st.lists(INDEXES, max_size=3).map(tuple),
)
SIGNATURES = st.lists(
    st.builds(
        Signature,
        st.text(
            st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')
        ),
        st.binary(max_size=80),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12),
    min_size=1,
    max_size=4,
).map("/".join)


def is_name(name: str) -> bool:
    """Return whether a text is a job's full name."""
    try:
        check_job_name(name)
    except UsageError:
        return False
    return True


JOBS = st.builds(
    JobId,
    st.none() | st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
    NAMES.filter(is_name),
    st.integers(1, 10**19 - 1),
)


@given(LEAVES)
def test_a_leaf_is_read_as_it_was_written(leaf: Leaf) -> None:
    assert parse_leaf(format_leaf(leaf)) == leaf


@given(LEAVES, INDEXES)
def test_a_trust_entry_is_read_as_it_was_written(leaf: Leaf, index: int) -> None:
    assert parse_trust_entry(format_trust_entry(index, leaf)) == (index, leaf)


@given(LEAVES, st.data())
def test_a_leaf_with_one_byte_changed_is_another_leaf_or_none(
    leaf: Leaf, data: st.DataObject
) -> None:
    entry = bytearray(format_leaf(leaf))
    place = data.draw(st.integers(0, len(entry) - 1))
    entry[place] ^= data.draw(st.integers(1, 255))

    with suppress(IntegrityError):
        assert parse_leaf(bytes(entry)) != leaf


@given(LEAVES, st.sampled_from(sorted(Leaf._fields)), JSON)
def test_what_parses_as_a_leaf_has_one_spelling(
    leaf: Leaf, field: str, value: object
) -> None:
    keys = {"at_ms": "at", "envelope_hex": "envelope", "job_hex": "job"}
    altered = json.loads(format_leaf(leaf)) | {keys.get(field, field): value}
    entry = json.dumps(altered, sort_keys=True, separators=(",", ":")).encode()

    with suppress(IntegrityError):
        assert format_leaf(parse_leaf(entry)) == entry
    with suppress(IntegrityError):
        framed = b'{"index":1,"leaf":%b}' % entry
        assert format_trust_entry(*parse_trust_entry(framed)) == framed


@given(st.binary(max_size=200), SIGNATURES)
def test_an_envelope_is_read_as_it_was_written(
    payload: bytes, signatures: tuple[Signature, ...]
) -> None:
    data = format_envelope(payload, signatures)

    assert parse_envelope(data) == Envelope(payload, PAYLOAD_TYPE, signatures)


@given(st.text())
def test_any_key_id_that_is_read_can_be_written(keyid: str) -> None:
    value = {
        "payload": "",
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": keyid, "sig": ""}],
    }
    with suppress(IntegrityError):
        read = parse_envelope(json.dumps(value).encode())

        assert parse_envelope(format_envelope(read.payload, read.signatures)) == read


@given(
    st.lists(st.builds(Subject, st.text(), HEXES), max_size=3).map(tuple),
    st.dictionaries(
        st.text().filter(lambda key: key not in {"job", "status", "supersedes"}),
        JSON.filter(lambda value: "NaN" not in json.dumps(value)),
        max_size=3,
    ),
)
def test_a_statement_is_read_as_it_was_written(
    subjects: tuple[Subject, ...], predicate: dict[str, Any]
) -> None:
    try:
        payload = format_statement(predicate_uri("gate"), subjects, predicate)
    except ValueError:
        return  # A float that JSON lacks.
    read = parse_statement(payload)

    assert read.subjects == subjects
    assert canonical_json(read.predicate) == canonical_json(predicate)


@given(JOBS)
def test_a_job_id_is_read_as_it_was_written(job: JobId) -> None:
    assert parse_job_id(format_job_id(job)) == job


@given(st.text())
@example("a#1")
@example("https://h/job/a%2Fb/1")
def test_a_text_that_is_a_job_id_has_one_spelling(text: str) -> None:
    with suppress(UsageError):
        if "://" not in text:
            assert format_job_id(parse_job_id(text)) == text


@given(JOBS)
def test_the_url_of_a_build_gives_its_job_id(job: JobId) -> None:
    from urllib.parse import quote

    path = "/job/".join(quote(part, safe="") for part in job.name.split("/"))

    assert parse_job_id(f"https://h:80/ci/job/{path}/{job.number}/") == job._replace(
        instance="h-80"
    )


@given(HEXES)
def test_a_digest_is_read_as_it_was_written(digest: str) -> None:
    assert parse_digest(format_digest(digest)) == format_digest(digest)


@given(st.builds(Body, HEXES, INDEXES, st.integers(1, MAX_CHUNK_SIZE), HEXES))
def test_a_descriptor_is_read_as_it_was_written(body: Body) -> None:
    assert parse_body(format_body(body)) == body


@pytest.mark.parametrize(
    "parse",
    [
        parse_leaf,
        parse_trust_entry,
        parse_envelope,
        parse_statement,
        lambda data: load_json(data, subject="thing"),
        lambda data: parse_body(load_json(data, subject="thing")),
    ],
    ids=["leaf", "trust entry", "envelope", "statement", "json", "body"],
)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_from_anywhere_parse_or_are_refused(
    parse: Callable[[bytes], object], data: bytes
) -> None:
    with suppress(NotaryError):
        parse(data)


@pytest.mark.parametrize(
    "parse",
    [parse_job_id, parse_job_prefix, format_instance, parse_digest, check_job_name],
)
@given(
    st.text(st.characters(exclude_categories=[]))
    | st.text("ab/:#@%.[]1 -").map(lambda text: f"https://{text}")
    | st.text("ab/:#%.1 -*")
)
def test_text_from_anywhere_parses_or_is_refused(
    parse: Callable[[str], object], text: str
) -> None:
    with suppress(UsageError):
        parse(text)


STATEMENT_KEYS = ["_type", "subject", "predicateType", "predicate"]
FACT_KEYS = ["job", "status", "supersedes", "recordId", EXTENSION]


@given(
    st.dictionaries(st.sampled_from(STATEMENT_KEYS), JSON),
    st.dictionaries(st.sampled_from(FACT_KEYS), JSON),
    st.sampled_from([predicate_uri("gate"), "https://slsa.dev/provenance/v1"]),
)
def test_a_statement_with_any_field_altered_projects_or_is_refused(
    change: dict[str, Any], facts: dict[str, Any], predicate_type: str
) -> None:
    own = {"predicate": facts, "predicateType": predicate_type}
    value = {"_type": STATEMENT_TYPE, "subject": [], **own, **change}
    data = format_envelope(json.dumps(value).encode(), (Signature("", b""),))
    envelope = parse_envelope(data)

    with suppress(IntegrityError):
        statement = parse_statement(envelope.payload)
        leaf = project_leaf(data, envelope, statement, 0)
        assert parse_leaf(format_leaf(leaf)) == leaf


@given(LEAVES, LEAVES)
def test_an_envelope_agrees_with_its_own_leaf_only(one: Leaf, other: Leaf) -> None:
    payload = format_statement(
        predicate_uri("gate"),
        [Subject("x", digest) for digest in one.subjects],
        {"supersedes": list(one.supersedes)},
    )
    data = format_envelope(payload, (Signature(one.signer, b""),))
    envelope = parse_envelope(data)
    own = project_leaf(data, envelope, parse_statement(payload), one.at_ms)
    check_agreement(own, data, subject="record")

    for field in Leaf._fields:
        forged = own._replace(**{field: getattr(other, field)})
        if forged != own and field != "at_ms":
            with pytest.raises(IntegrityError, match="record"):
                check_agreement(forged, data, subject="record")


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"v":[', b'{"leaf":{"v":'])
def test_any_depth_of_nesting_parses_or_is_refused(opening: bytes) -> None:
    closing = {b"[": b"]", b"{": b"}"}
    for depth in (*range(1, 1100, 7), 5_000, 100_000):
        end = b"".join(closing.get(bytes([byte]), b"") for byte in reversed(opening))
        data = opening * depth + b"1" + end * depth

        for parse in (parse_leaf, parse_trust_entry, parse_envelope, parse_statement):
            with suppress(NotaryError):
                parse(data)


@given(st.text(st.characters(exclude_categories=[])))
@example("https://a:b@c/?d#e")
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    scrubbed = scrub_url(text)

    assert scrub_url(scrubbed) == scrubbed


@given(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Z", "Cc", "Cs"]), max_size=20),
)
def test_no_password_survives_scrubbing(user: str, noise: str) -> None:
    password = f"{noise}s3cret{noise}"

    assert "s3cret" not in scrub_url(f"https://{user}:{password}@host/path")


@given(
    st.dictionaries(
        st.sampled_from(sorted({name for one in ALLOWED.values() for name in one})),
        st.text(st.characters(exclude_categories=[])),
    ),
    st.sampled_from([{"GITLAB_CI": "true"}, {"TF_BUILD": "True"}, {"CI": "true"}]),
)
def test_any_environment_gives_clean_facts_or_a_usage_error(
    environ: dict[str, str], marker: dict[str, str]
) -> None:
    with suppress(UsageError):
        facts = read_ci(environ | marker)
        for value in facts.environment.values() if facts else ():
            assert 0 < len(value.encode()) <= MAX_VALUE_BYTES
            assert "\n" not in value

from __future__ import annotations

import pytest

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.tlog.note import VerifierKey, format_vkey
from jenkins_notary.tlog.policy import MAX_BYTES, MAX_LINES, Policy, parse_policy


def key(number: int, *, algorithm: int = 4) -> str:
    """Return the vkey of a witness, or with algorithm 1 of a log."""
    name = f"{'log' if algorithm == 1 else 'w'}{number}.example.com"
    return format_vkey(
        VerifierKey.make(name, bytes([number]) * 32, algorithm=algorithm)
    )


def parse(*lines: str) -> Policy:
    """Return the policy of some lines."""
    return parse_policy("\n".join(lines).encode())


LOG = f"log {key(9, algorithm=1)} https://log.example.com/"
WITNESSES = [f"witness {name} {key(place)}" for place, name in enumerate("abcdef")]


def ids(policy: Policy, names: str) -> list[tuple[str, bytes]]:
    """Return what stands for the cosignatures of some witnesses."""
    return [policy.witnesses[one][:2] for one in names]


def test_the_quorum_of_the_specifications_example_is_counted() -> None:
    policy = parse(
        LOG,
        *WITNESSES,
        "group x 2 a b c",
        "\tgroup y any d e f ",
        "group both all x y",
        "",
        "  # a comment",
        "quorum both",
    )

    assert [one.name for one in policy.logs] == ["log9.example.com"]
    for names, wanted in (
        ("abd", True),
        ("acef", True),
        ("abcdef", True),
        ("ab", False),
        ("adef", False),
        ("", False),
    ):
        assert policy.is_met(ids(policy, names)) is wanted, names


def test_a_quorum_of_one_witness_and_of_none() -> None:
    one = parse(LOG, WITNESSES[0], f"{WITNESSES[1]} https://w.example.com", "quorum a")

    assert one.is_met(ids(one, "a"))
    assert not one.is_met(ids(one, "b"))
    assert not one.is_met([(one.witnesses["a"].name, b"\0\0\0\0")])
    assert parse("quorum none").is_met([])


def test_names_are_bytes() -> None:
    policy = parse_policy(
        b"witness K "
        + key(1).encode()
        + b"\nwitness \xe2\x84\xaa "
        + key(2).encode()
        + b"\nwitness \xff "
        + key(3).encode()
        + b"\nquorum K\n"
    )

    assert len(policy.witnesses) == 3


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([LOG], "a quorum line"),
        ([LOG, "quorum none", "quorum none"], "the one quorum"),
        ([LOG, "quorum a"], "a name of a line before"),
        ([LOG, "quorum"], "the one quorum"),
        ([LOG, "quorum a b"], "the one quorum"),
        (["log", "quorum none"], "line 1"),
        (["log a b c", "quorum none"], "line 1"),
        (["Log x", "quorum none"], "line 1"),
        ([LOG, LOG, "quorum none"], "each key once"),
        (["log x", "quorum none"], "a verifier key"),
        ([f"log {key(1)}", "quorum none"], "algorithm 0x01"),
        ([f"witness a {key(1, algorithm=1)}", "quorum a"], "algorithm 0x04"),
        (["witness a", "quorum none"], "line 1"),
        ([f"witness none {key(1)}", "quorum none"], "a new name"),
        ([*WITNESSES[:1], f"witness a {key(7)}", "quorum a"], "a new name"),
        ([*WITNESSES[:1], f"witness z {key(0)}", "quorum a"], "each key once"),
        ([*WITNESSES[:2], "group g all a", "group g all b", "quorum g"], "a new name"),
        ([*WITNESSES[:2], "group g all a", "group h all a b", "quorum g"], "once"),
        ([*WITNESSES[:2], "group g any a a", "quorum g"], "each member once"),
        ([*WITNESSES[:2], "group g any none", "quorum g"], "a line before"),
        ([*WITNESSES[:2], "group g any g", "quorum g"], "a line before"),
        ([*WITNESSES[:2], "group g 0 a b", "quorum g"], "1 to 2"),
        ([*WITNESSES[:2], "group g 3 a b", "quorum g"], "1 to 2"),
        ([*WITNESSES[:2], "group g -1 a b", "quorum g"], "1 to 2"),
        ([*WITNESSES[:2], "group g some a b", "quorum g"], "1 to 2"),
        ([*WITNESSES[:2], "group g 99999 a b", "quorum g"], "1 to 2"),
        ([*WITNESSES[:2], "group g 1", "quorum g"], "line 3"),
        (["quorum\rnone"], "text of at most"),
        (["#" * (MAX_BYTES + 1)], "text of at most"),
        (["#"] * (MAX_LINES + 1), "lines"),
    ],
    ids=range(30),
)
def test_another_form_is_refused(lines: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        parse(*lines)

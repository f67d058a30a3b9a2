"""Options and arguments may be mixed; every fault is one usage error."""

from __future__ import annotations

import argparse

import pytest

from jenkins_notary.agent.main import AGENT
from jenkins_notary.cli.commands import COMMANDS, INSTALLED
from jenkins_notary.cli.completion import make_whole_parser
from jenkins_notary.cli.main import make_parser
from jenkins_notary.cli.options import Parser
from jenkins_notary.config import OPTIONS
from jenkins_notary.errors import UsageError


@pytest.fixture
def parser() -> Parser:
    parser = Parser("try")
    parser.argument("FIRST", "the first")
    parser.argument("REST", "the rest", count="*")
    parser.option("--org", "an org", metavar="ORG", short="-g")
    parser.option("--null", "by NUL", short="-0")
    parser.option("--signer", "a signer", metavar="0x...")
    return parser


@pytest.mark.parametrize(
    ("argv", "rest", "org"),
    [
        pytest.param("a b c", ["b", "c"], None, id="arguments"),
        pytest.param("a --org x b", ["b"], "x", id="mixed"),
        pytest.param("--org=x a b", ["b"], "x", id="option-first"),
        pytest.param("a -gx -", ["-"], "x", id="dash-is-an-argument"),
        pytest.param("a -- --org x", ["--org", "x"], None, id="behind-two-dashes"),
        pytest.param("-g x -- a -b", ["-b"], "x", id="argument-with-a-dash"),
        pytest.param("a -0 b", ["b"], None, id="option-that-is-a-digit"),
        pytest.param("a -0gx b", ["b"], "x", id="several-letters"),
        pytest.param("a -g=x b", ["b"], "x", id="letter-and-equals"),
        pytest.param("a --org=-x b", ["b"], "-x", id="value-with-a-dash"),
        pytest.param("a --org -7 b", ["b"], "-7", id="negative-number"),
        pytest.param("a --org - b", ["b"], "-", id="dash-is-a-value"),
        pytest.param("a --org= b", ["b"], "", id="empty-value"),
        pytest.param("a --org x --org y b", ["b"], "y", id="last-counts"),
    ],
)
def test_options_and_arguments_may_be_mixed(
    parser: Parser, argv: str, rest: list[str], org: str | None
) -> None:
    found = parser.read(argv.split())

    assert found.words == {"FIRST": ["a"], "REST": rest}
    assert found.options["org"] == org


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param("", "got no FIRST", id="missing"),
        pytest.param("a --colour", "unknown option '--colour'", id="unknown"),
        pytest.param("a --or x", "unknown option '--or'", id="abbreviated"),
        pytest.param("a --org", "--org: no value", id="no-value"),
        pytest.param("a --org --null", "or write --org=--null", id="swallowed-option"),
        pytest.param("a -0g", "--org: no value", id="no-value-of-a-short-one"),
        pytest.param("a -5", "unknown option '-5'", id="digit"),
        pytest.param("a -05", "unknown option '-05'", id="second-letter"),
        pytest.param("a --null=1", "takes no value", id="flag-with-value"),
    ],
)
def test_fault_is_usage_error_with_a_next_step(
    parser: Parser, argv: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parser.read(argv.split())

    assert caught.value.advice == "see jenkins-notary try --help"


def test_argument_too_many_is_usage_error() -> None:
    with pytest.raises(UsageError, match="one argument too many: 'b'"):
        make_parser("receipt verify").read(["a", "b"])


def test_unset_options_are_none_and_repeated_ones_a_list(parser: Parser) -> None:
    found = parser.read(["a", "--signer", "1", "--signer", "2"])

    assert found.options == {"org": None, "null": None, "signer": ["1", "2"]}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [("a --null", True), ("a --no-null", False), ("a -0 --no-null", False)],
)
def test_flag_has_an_opposite(parser: Parser, argv: str, *, expected: bool) -> None:
    assert parser.read(argv.split()).options["null"] is expected


def test_help_is_asked_for_even_without_arguments(parser: Parser) -> None:
    assert parser.read(["--help"]).is_help
    assert parser.read(["-h", "--colour"]).is_help


def test_table_of_options_and_all_parsers_agree() -> None:
    used = {
        name
        for edition in (INSTALLED, AGENT)
        for words in edition.commands
        for name in make_parser(words, edition).flags
    }

    assert used == set(OPTIONS)


@pytest.mark.parametrize("words", COMMANDS)
def test_flag_is_the_name_or_ends_it(words: str) -> None:
    for name, flag in make_parser(words).flags.items():
        assert name == flag[2:] or name.endswith(f"-{flag[2:]}")


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_and_argument_has_help(words: str) -> None:
    parser = make_parser(words)

    assert all(one.help for one in parser.options)
    assert all(one.help for one in parser.arguments)


@pytest.mark.parametrize("words", COMMANDS)
def test_value_has_a_name_and_spellings_differ(words: str) -> None:
    options = make_parser(words).options
    spellings = [one.flag for one in options]
    spellings += [one.short for one in options if one.short]
    spellings += [f"--no-{one.flag[2:]}" for one in options if one.kind == "flag"]

    assert len(set(spellings)) == len(spellings)
    assert all((one.kind == "flag") == (one.metavar is None) for one in options)


def test_whole_parser_has_every_command() -> None:
    found = set()

    def walk(parser: argparse.ArgumentParser, words: str) -> None:
        found.add(words)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    walk(child, f"{words} {name}".strip())

    walk(make_whole_parser(), "")

    assert found >= set(COMMANDS)

"""One precedence: flag over environment over file; every fault named, no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.config import (
    MAX_FILE_BYTES,
    OPTIONS,
    load_file,
    settle,
    variable_name,
)
from jenkins_notary.errors import (
    ConfigurationError,
    FaultsError,
    NotaryError,
    UsageError,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def settle_org(
    flag: str | None, variable: str | None, file: Path, in_file: str | None
) -> object:
    environ = {} if variable is None else {"JENKINS_NOTARY_ORG": variable}
    file.write_text("" if in_file is None else f"org: {in_file}\n")
    flags = {"org": flag, "config": str(file)}
    return settle(flags, environ).values.get("org")


@pytest.mark.parametrize(
    ("flag", "variable", "in_file", "expected"),
    [
        pytest.param("a", "b", "c", "a", id="flag-wins"),
        pytest.param(None, "b", "c", "b", id="environment-over-file"),
        pytest.param(None, None, "c", "c", id="file"),
        pytest.param(None, None, None, None, id="unset"),
        pytest.param(None, "", "c", "c", id="empty-variable-is-none"),
    ],
)
def test_flag_wins_over_environment_wins_over_file(  # noqa: PLR0917 - fixtures and the row
    file: Path,
    flag: str | None,
    variable: str | None,
    in_file: str | None,
    expected: str | None,
) -> None:
    assert settle_org(flag, variable, file, in_file) == expected


def test_source_of_each_value_is_kept(file: Path) -> None:
    file.write_text("name: x\n")

    settings = settle(
        {"config": str(file), "org": None, "name": None}, {"JENKINS_NOTARY_ORG": "acme"}
    )

    assert settings.sources == {"config": "flag", "org": "environment", "name": "file"}


def test_flag_switched_off_overrides_environment() -> None:
    environ = {"JENKINS_NOTARY_STRICT": "yes"}

    assert settle({"strict": None}, environ).values["strict"] is True
    assert settle({"strict": False}, environ).values["strict"] is False


def test_higher_list_replaces_lower_list(file: Path) -> None:
    file.write_text("signer: [a, b]\n")

    flags = {"signer": ["c"], "config": str(file)}

    assert settle(flags, {}).values["signer"] == ["c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a,b", ["a", "b"], id="commas"),
        pytest.param("a, b ,", ["a", "b"], id="spaces-and-trailing-comma"),
        pytest.param("k=a,b\n", ["k=a,b"], id="line-break-keeps-commas"),
        pytest.param("a\nb\n\n", ["a", "b"], id="lines"),
    ],
)
def test_list_in_environment_is_cut_by_line_else_by_comma(
    text: str, expected: list[str]
) -> None:
    environ = {"JENKINS_NOTARY_ATTR": text}

    assert settle({"attr": None}, environ).values["attr"] == expected


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        pytest.param("limit", "many", "integer", id="integer"),
        pytest.param("limit", "9" * 30, "integer", id="huge"),
        pytest.param("limit", "\u0663", "integer", id="other-digits"),
        pytest.param("output", "xml", "text, json, yaml", id="choice"),
        pytest.param("supersede", ["1", "x"], "integers", id="list-of-integers"),
    ],
)
def test_wrong_flag_is_usage_error(
    name: str, given: str | list[str], kind: str
) -> None:
    with pytest.raises(UsageError, match=kind):
        settle({name: given}, {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("JENKINS_NOTARY_LIMIT", "many", id="integer"),
        pytest.param("JENKINS_NOTARY_STRICT", "perhaps", id="flag"),
        pytest.param("JENKINS_NOTARY_OUTPUT", "xml", id="choice"),
    ],
)
def test_wrong_variable_is_configuration_error(variable: str, value: str) -> None:
    flags = {"limit": None, "strict": None, "output": None}

    with pytest.raises(ConfigurationError, match=variable):
        settle(flags, {variable: value})


def test_variable_of_another_command_is_not_read() -> None:
    settings = settle({"name": None}, {"JENKINS_NOTARY_LIMIT": "many"})

    assert settings.values == {}


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        pytest.param("quiet: yes", "quiet", True, id="flag"),
        pytest.param("limit: 5", "limit", 5, id="integer"),
        pytest.param("as-of: 2026-01-31", "as-of", "2026-01-31", id="unquoted-date"),
        pytest.param("as-of: 1200", "as-of", "1200", id="unquoted-size"),
        pytest.param("signer: a", "signer", ["a"], id="one-of-a-list"),
        pytest.param("signer: [a, b]", "signer", ["a", "b"], id="list"),
        pytest.param("supersede: [3, 4]", "supersede", [3, 4], id="integers"),
        pytest.param("ledger: '17'", "ledger", "17", id="quoted-text"),
    ],
)
def test_file_gives_each_kind(
    file: Path, text: str, name: str, expected: object
) -> None:
    file.write_text(text)

    values, faults = load_file(str(file))

    assert (values, faults) == ({name: expected}, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "ledger: [a]", "line 1: 'ledger': expected text, got a list", id="l"
        ),
        pytest.param("ledger: {a: b}", "expected text, got a mapping", id="mapping"),
        pytest.param("ledger: 5", "expected text, got an integer", id="number"),
        pytest.param("ledger:", "expected text, got nothing", id="nothing"),
        pytest.param("quiet: 7", "expected true or false, got an integer", id="flag"),
        pytest.param("limit: many", "expected an integer, got text", id="integer"),
        pytest.param("limit: 0x10", "expected an integer, got '0x10'", id="hex"),
        pytest.param("output: xml", "expected one of text, json, yaml", id="choice"),
        pytest.param(
            "signer: [[a]]", "expected a list of texts, got a list", id="deep"
        ),
        pytest.param("colour: red", "'colour': expected a known option", id="unknown"),
        pytest.param("plain_http: a", "did you mean 'plain-http'", id="underscore"),
        pytest.param("config: x", "expected a known option", id="config-in-file"),
        pytest.param(
            "org: a\norg: b", "line 2: 'org': expected each option once", id="2"
        ),
        pytest.param("[a]: b", "expected a known option", id="key-is-a-list"),
        pytest.param("ledger: !!binary aGk=", "expected text", id="other-tag"),
    ],
)
def test_fault_in_file_names_its_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)

    _, (fault,) = load_file(str(file))

    assert isinstance(fault, ConfigurationError)
    assert message in str(fault)
    assert str(file) in str(fault)


@pytest.mark.parametrize("name", ["token", "passphrase", "immudb-password", "SECRET"])
def test_secret_in_file_is_refused_and_not_repeated(file: Path, name: str) -> None:
    file.write_text(f"{name}: hunter2\n")

    _, (fault,) = load_file(str(file))

    assert "environment" in str(fault)
    assert "hunter2" not in str(fault)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"- a\n", id="list"),
        pytest.param(b"text", id="text"),
        pytest.param(b"a: [", id="broken"),
        pytest.param(b"a: b\n--- \nc: d\n", id="two-documents"),
        pytest.param(b"\xff\xfe\x00", id="no-utf-8"),
        pytest.param(b"a: \x00", id="control-character"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b"#" * (MAX_FILE_BYTES + 1), id="large"),
        pytest.param(b"a: *nowhere", id="no-anchor"),
    ],
)
def test_file_that_is_no_yaml_mapping_is_one_configuration_error(
    file: Path, data: bytes
) -> None:
    file.write_bytes(data)

    with pytest.raises(ConfigurationError, match=str(file)):
        load_file(str(file))


def test_anchors_do_not_multiply(file: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    file.write_text("\n".join(lines))

    _, faults = load_file(str(file))

    assert len(faults) == 60


def test_all_faults_are_reported_together(file: Path) -> None:
    file.write_text("colour: red\nlimit: many\n")
    environ = {"JENKINS_NOTARY_STRICT": "perhaps"}

    with pytest.raises(FaultsError) as caught:
        settle({"config": str(file), "strict": None, "output": "xml"}, environ)

    assert caught.value.exit_code == 78
    assert len(caught.value.faults) == 4


def test_missing_file_is_configuration_error(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        settle({"config": str(file)}, {})


def test_file_is_found_in_the_xdg_folder(tmp_path: Path) -> None:
    folder = tmp_path / "jenkins-notary"
    folder.mkdir()
    (folder / "config.yaml").write_text("org: acme\n")

    settings = settle({"org": None}, {"XDG_CONFIG_HOME": str(tmp_path)})

    assert settings.values == {"org": "acme"}


def test_file_is_found_below_home_when_xdg_is_relative(tmp_path: Path) -> None:
    folder = tmp_path / ".config/jenkins-notary"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("org: acme\n")

    settings = settle({"org": None}, {"XDG_CONFIG_HOME": "x", "HOME": str(tmp_path)})

    assert settings.values == {"org": "acme"}


def test_no_home_is_no_file() -> None:
    assert settle({"org": None}, {}).values == {}


def test_file_can_be_named_by_environment(file: Path) -> None:
    file.write_text("org: acme\n")
    environ = {"JENKINS_NOTARY_CONFIG": str(file)}

    assert settle({"org": None, "config": None}, environ).values["org"] == "acme"


def test_variable_with_a_typo_is_a_warning() -> None:
    environ = {
        "JENKINS_NOTARY_LEGDER": "x",
        "JENKINS_NOTARY_TOKEN": "secret",
        "JENKINS_NOTARY_LEDGER": "y",
    }

    (warning,) = settle({}, environ).warnings

    assert "JENKINS_NOTARY_LEGDER" in warning
    assert "did you mean JENKINS_NOTARY_LEDGER?" in warning


def test_table_is_sorted_and_every_name_makes_a_variable() -> None:
    assert list(OPTIONS) == sorted(OPTIONS)
    assert len({variable_name(name) for name in OPTIONS}) == len(OPTIONS)
    assert issubclass(ConfigurationError, NotaryError)

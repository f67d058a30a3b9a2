"""Tests for the watcher's settings file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.cluster.containers import Container
from jenkins_notary.cluster.settings import Settings, load_settings, repository_of
from jenkins_notary.errors import ConfigurationError
from jenkins_notary.trust.verdict import TrustRule

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0x" + "A1" * 20
DIGEST = "sha256:" + "ab" * 32
GOOD = f"""
watch: {{namespaces: [shop], exclude-namespaces: [kube-system], interval: 0.5}}
trust:
  org: acme
  keys: ["{KEY}"]
  namespaces: [{{name: payments, keys: ["{KEY}"]}}]
exemptions:
  - {{namespace: shop, image: grafana/grafana, owner: ops, reason: vendor,
      expires: "2027-01-01T00:00:00Z"}}
  - {{namespace: shop, owner: ops, reason: all, expires: 2026-06-01T00:00:00Z}}
pages-url: https://notary.example.com
lease: {{name: watcher}}
history: {{cluster: prod, job: "k8s.example.com:clusters/prod#1"}}
"""


def load(folder: Path, text: str) -> Settings:
    """Return the settings of a text."""
    (folder / "settings.yaml").write_text(text)
    return load_settings(str(folder / "settings.yaml"))


def make_container(**changes: Any) -> Container:  # noqa: ANN401 - fields
    """Return a container of grafana's."""
    one = Container(
        *("shop", "g-1", "u-1", "g", "regular", "grafana/grafana:11"),
        *(f"docker.io/grafana/grafana@{DIGEST}", "", DIGEST, None, "n"),
        running=True,
    )
    return one._replace(**changes)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)

    assert found.watch.namespaces == ("shop",)
    assert found.trust.rule_of("shop") == TrustRule("acme", (KEY.lower(),))
    assert found.trust.rule_of("payments") == TrustRule(None, (KEY.lower(),))
    assert found.lease is not None
    assert found.history is not None


def test_without_a_file_all_is_watched_by_the_common_rule() -> None:
    assert load_settings(None) == Settings()
    assert Settings().trust.rule_of("x") == TrustRule()


def test_an_empty_file_and_an_empty_org_say_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()
    assert load(tmp_path, 'trust: {org: ""}').trust.rule_of("x") == TrustRule()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("watch: {namespace: [a]}", "namespace"),
        ("watch: {namespaces: [A]}", "name 'A'"),
        ("watch: {interval: 0}", "interval"),
        ("trust: {keys: [0x12]}", "Expected `str`"),
        ('trust: {keys: ["0x12"]}', "40 hex digits"),
        ("trust: {namespaces: [{name: a}]}", "an org or keys"),
        (
            "trust: {namespaces: [{name: a, org: x}, {name: a, org: y}]}",
            "each once",
        ),
        (
            "exemptions: [{owner: a, reason: b, expires: '2027-01-01T00:00:00Z'}]",
            "a namespace, an image or a digest",
        ),
        (
            "exemptions: [{namespace: a, owner: a, reason: b, expires: '2027-01-01'}]",
            "expires",
        ),
        (
            (
                "exemptions: [{namespace: a, owner: '', reason: b,"
                " expires: '2027-01-01T00:00:00Z'}]"
            ),
            "length >= 1",
        ),
        (
            (
                "exemptions: [{image: 'A B', owner: a, reason: b,"
                " expires: '2027-01-01T00:00:00Z'}]"
            ),
            "without a tag",
        ),
        (
            (
                "exemptions: [{digest: 'sha256:12', owner: a, reason: b,"
                " expires: '2027-01-01T00:00:00Z'}]"
            ),
            "64 hex digits",
        ),
        ("history: {cluster: a, job: 'x'}", "job"),
        ("lease: {name: A}", "name 'A'"),
        ("lease: {name: a, namespace: B}", "name 'B'"),
        ("- a", "Expected `object`"),
        ("a: [", "plain YAML"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)

    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a readable file"):
        load_settings(str(tmp_path))


def test_a_file_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at most"):
        load(tmp_path, "#" * ((1 << 20) + 1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, "vendor", id="longest"),
        pytest.param({"image_id": DIGEST}, "vendor", id="reference-where-no-name"),
        pytest.param({"image_id": f"evil/grafana@{DIGEST}"}, "all", id="what-runs"),
        pytest.param({"namespace": "shop2"}, None, id="longer-name"),
        pytest.param(
            {"image_id": f"docker.io/grafana/grafana-evil@{DIGEST}"}, "all", id="prefix"
        ),
    ],
)
def test_an_exemption_holds_for_what_is_equal(
    tmp_path: Path, changes: dict[str, str], reason: str | None
) -> None:
    settings = load(tmp_path, GOOD)
    found = settings.exemption_of(make_container(**changes), 1_700_000_000_000)

    assert (found and found.reason) == reason


def test_an_exemption_ends(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    june, january = 1_780_272_000_000, 1_798_761_600_000

    assert settings.next_expiry_ms(0) == june
    assert settings.next_expiry_ms(june) == january
    assert settings.next_expiry_ms(january) == float("inf")
    assert settings.exemption_of(make_container(), january - 1) is not None
    assert settings.exemption_of(make_container(), january) is None


def test_a_digest_alone_may_be_exempt(tmp_path: Path) -> None:
    text = f"""exemptions: [{{digest: "{DIGEST}", owner: a, reason: b,
        expires: "2027-01-01T00:00:00Z"}}]"""
    settings = load(tmp_path, text)

    assert settings.exemption_of(make_container(), 0) is not None
    assert settings.exemption_of(make_container(digest="sha256:00"), 0) is None


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        (
            f"docker-pullable://reg.example.com:5000/a/b@{DIGEST}",
            "reg.example.com:5000/a/b",
        ),
        ("nginx", "docker.io/library/nginx"),
        ("ab" * 32, None),
        (DIGEST, None),
        ("", None),
    ],
)
def test_a_repository_is_read_of_any_reference(
    reference: str, repository: str | None
) -> None:
    assert repository_of(reference) == repository


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    replaced = found.replace(namespaces=["web"], org=None, keys=[KEY])

    assert replaced.watch.namespaces == ("web",)
    assert replaced.trust.rule_of("web") == TrustRule(None, (KEY.lower(),))
    assert found.replace(namespaces=[], org=None, keys=[]) == found


@pytest.mark.parametrize(
    "text", ["trust: {org: acme}\ntrust: {}\n", "trust: {org: acme, org: other}\n"]
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=r"twice"):
        load_settings(str(file))

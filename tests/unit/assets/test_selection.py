"""Turn the words of a command line into assets."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets import selection
from jenkins_notary.assets.asset import KINDS
from jenkins_notary.assets.selection import (
    SelectionOptions,
    collect_assets,
    display_name,
    expand_lists,
)
from jenkins_notary.assets.urls import FetchedUrl
from jenkins_notary.errors import (
    FaultsError,
    InternalError,
    NotaryError,
    NotFoundError,
    UsageError,
)
from tests.parts.registry import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.assets.images import FetchedManifest
    from jenkins_notary.assets.reference import ImageReference

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a few files."""
    work = tmp_path / "work"
    for name in ("app.jar", "out/app.jar", "out/b.txt", "-", "with:colon", "*"):
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(work)
    return work


def names(*words: str, options: SelectionOptions | None = None) -> list[str]:
    return [asset.name for asset in collect_assets(list(words), options)]


def from_list(content: bytes, word: str = "-") -> list[str]:
    return names(word, options=SelectionOptions(stdin=io.BytesIO(content)))


def test_file_is_an_asset_with_its_facts(here: Path) -> None:
    (here / "app-1.2.json").write_text("{}")

    asset = collect_assets(["app-1.2.json"])[0]

    assert asset.digest == "sha256:" + hashlib.sha256(b"{}").hexdigest()
    assert (asset.name, asset.kind, asset.size) == ("app-1.2.json", "file", 2)
    assert asset.metadata == {"contentType": "application/json", "version": "1.2"}


@pytest.mark.usefixtures("here")
def test_order_of_the_words_is_kept() -> None:
    words = ["out/b.txt", "out/*.jar", "dir://out", "app.jar", "out"]

    assert names(*words) == ["out/b.txt", "out/app.jar", "out", "app.jar", "out"]


@pytest.mark.usefixtures("here")
def test_same_file_name_twice_is_two_assets() -> None:
    assets = collect_assets(["app.jar", "out/app.jar", "app.jar"])

    assert [asset.name for asset in assets] == ["app.jar", "out/app.jar", "app.jar"]
    assert assets[0].digest != assets[1].digest


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("word", ["*", "file://*", "with:colon", "file://with:colon"])
def test_name_with_special_characters_is_the_file_if_it_exists(word: str) -> None:
    assert names(word) == [word.removeprefix("file://")]


@pytest.mark.usefixtures("here")
def test_file_scheme_takes_no_pattern_and_no_folder() -> None:
    with pytest.raises(NotFoundError):
        names("file://out/*.jar")
    with pytest.raises(UsageError, match="a directory"):
        names("file://out")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("app.jar", "app.jar"),
        ("./app.jar", "app.jar"),
        ("out/../app.jar", "app.jar"),
        ("out//app.jar", "out/app.jar"),
        ("{here}/out/app.jar", "out/app.jar"),
        ("../elsewhere/app.jar", "app.jar"),
        ("/srv/bob/app.jar", "app.jar"),
        ("{here}-evil/app.jar", "app.jar"),
        (".", "work"),
        ("{here}", "work"),
        ("/", "root"),
        ("..", "{parent}"),
    ],
)
def test_name_is_relative_or_only_the_last_part(
    here: Path, path: str, name: str
) -> None:
    expected = name.format(parent=here.parent.name)

    assert display_name(path.format(here=here)) == expected


def test_name_that_is_not_utf8_is_refused(here: Path) -> None:
    with open(os.fsencode(here) + b"/caf\xe9", "wb"):
        pass

    with pytest.raises(UsageError, match="UTF-8"):
        names("caf\udce9")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("", 64),
        (" ", 64),
        ("absent", 66),
        ("*.war", 66),
        ("file://", 64),
        ("dir://", 64),
        ("image://", 64),
        ("docker://", 64),
        ("docker://-v", 64),
        ("image://A B", 64),
        ("oci-archive:", 64),
        ("oci-archive:absent", 66),
        ("docker-archive:absent", 66),
        ("git://absent", 66),
        ("dir://absent", 66),
        ("ftp://a.example/b", 64),
        ("://x", 64),
        ("sha256:12", 64),
        (DIGEST, 64),
        ("a\0b", 64),
    ],
)
def test_bad_word_has_its_code(word: str, code: int) -> None:
    with pytest.raises(NotaryError) as caught:
        names(word)

    assert caught.value.exit_code == code


@pytest.mark.usefixtures("here")
def test_all_faults_are_listed_and_nothing_is_returned() -> None:
    with pytest.raises(FaultsError) as caught:
        names("app.jar", "", "absent", "ftp://x.example/", "*.war")

    assert len(caught.value.faults) == 4
    assert caught.value.exit_code == 66


def test_no_word_is_a_usage_fault() -> None:
    with pytest.raises(UsageError, match="at least one"):
        names()


class TestNames:
    def test_bare_digest_takes_the_given_name(self) -> None:
        options = SelectionOptions(name="app.jar")

        asset = collect_assets([DIGEST.upper()], options)[0]

        assert (asset.name, asset.kind, asset.digest) == ("app.jar", "digest", DIGEST)
        assert asset.subjects[0].name == "app.jar"

    def test_bare_digest_may_stand_alone_in_a_lookup(self) -> None:
        assert names(DIGEST, options=SelectionOptions(unnamed_digests=True)) == [DIGEST]

    def test_linked_subjects_follow_the_new_name(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "layout")
        layout.finish(layout.add_image("hi"))
        options = SelectionOptions(name="web")

        asset = collect_assets([f"oci:{layout.folder}"], options)[0]

        assert [subject.name for subject in asset.subjects] == ["web", "web#config"]

    @pytest.mark.usefixtures("here")
    @pytest.mark.parametrize("words", [["app.jar", "out/b.txt"], ["out/*"]])
    def test_name_is_for_one_asset_only(self, words: list[str]) -> None:
        with pytest.raises(UsageError, match="one asset to give it to, got 2"):
            collect_assets(words, SelectionOptions(name="x"))

    @pytest.mark.usefixtures("here")
    @pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m"])
    def test_odd_name_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="a printable name"):
            collect_assets(["app.jar"], SelectionOptions(name=name))


@pytest.mark.usefixtures("here")
class TestLists:
    @pytest.mark.parametrize(
        ("word", "content"),
        [
            ("-", b"app.jar\nout/*.txt\n"),
            ("-", b"app.jar\nout/*.txt"),
            ("-", b"app.jar\r\nout/*.txt\r\n"),
            ("-0", b"app.jar\0out/*.txt\0"),
            ("-0", b"app.jar\0out/*.txt"),
        ],
    )
    def test_list_has_an_asset_an_entry(self, word: str, content: bytes) -> None:
        assert from_list(content, word) == ["app.jar", "out/b.txt"]

    def test_list_stands_beside_other_words(self) -> None:
        options = SelectionOptions(stdin=io.BytesIO(b"out/b.txt\n"))

        assert names("app.jar", "-", "app.jar", options=options) == [
            "app.jar",
            "out/b.txt",
            "app.jar",
        ]

    def test_name_with_a_line_break_comes_by_nul(self, here: Path) -> None:
        (here / "a\nb").touch()

        assert from_list(b"a\nb\0", "-0") == ["a\nb"]

    @pytest.mark.parametrize(
        "content", [b"app.jar\n\nout/b.txt\n", b"app.jar\n  \n", b"app.jar\n-\n"]
    )
    def test_blank_entry_is_refused_by_number(self, content: bytes) -> None:
        with pytest.raises(UsageError, match="entry 2 of the list"):
            from_list(content)

    @pytest.mark.parametrize("end", [b"", b"\n"], ids=["open", "closed"])
    def test_entry_that_is_too_long_is_refused(self, end: bytes) -> None:
        with pytest.raises(UsageError, match=r"entry 2 .* at most 32768 bytes"):
            from_list(b"app.jar\n" + b"x" * (1 << 20) + end)

    def test_number_of_entries_is_bounded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selection, "MAX_WORDS", 2)

        with pytest.raises(UsageError, match="at most 2"):
            from_list(b"app.jar\n" * 3)

    def test_empty_list_is_a_usage_fault(self) -> None:
        with pytest.raises(UsageError, match="at least one"):
            from_list(b"")

    def test_second_list_is_refused(self) -> None:
        options = SelectionOptions(stdin=io.BytesIO(b"app.jar\n"))

        with pytest.raises(UsageError, match="a second one"):
            names("-", "-", options=options)

    def test_list_without_standard_input_is_refused(self) -> None:
        with pytest.raises(UsageError, match="none there"):
            names("-")

    def test_list_is_read_without_hashing_its_entries(self) -> None:
        stdin = io.BytesIO(b"absent\nsha256:12\n")

        assert expand_lists(["a", "-", "b"], stdin) == ["a", "absent", "sha256:12", "b"]
        with pytest.raises(UsageError, match="entry 1"):
            expand_lists(["-"], io.BytesIO(b"\n"))

    def test_file_named_dash_is_reached_by_its_path(self) -> None:
        assert names("./-") == ["-"]


class Network:
    """Both network ports in memory."""

    def fetch_manifest(self, reference: ImageReference) -> FetchedManifest:
        raise NotFoundError(str(reference))

    def fetch_url(
        self, url: str, *, progress: Callable[[int], None] | None = None
    ) -> FetchedUrl:
        if progress:
            progress(5)
        return FetchedUrl("ab" * 32, 5, url[:5].encode(), 1)


class TestNetwork:
    def test_clients_are_made_once_and_only_when_needed(self, here: Path) -> None:
        made: list[Network] = []

        def make() -> Network:
            made.append(Network())
            return made[-1]

        options = SelectionOptions(open_images=make, open_urls=make)
        collect_assets([str(here / "app.jar")], options)
        assert made == []
        collect_assets(["https://a.example/1", "https://a.example/2"], options)
        assert len(made) == 1
        with pytest.raises(NotFoundError, match=r"reg\.example/app:1"):
            collect_assets(["image://reg.example/app:1"], options)

    @pytest.mark.parametrize("word", ["https://a.example/1", "image://alpine"])
    def test_missing_client_is_a_fault_of_the_program(self, word: str) -> None:
        with pytest.raises(InternalError):
            collect_assets([word])

    def test_url_keeps_no_secret(self) -> None:
        options = SelectionOptions(open_urls=Network)
        word = "https://bob:pw@a.example/app-1.2.jar?token=secret#part"

        asset = collect_assets([word], options)[0]

        assert asset.name == "https://a.example/app-1.2.jar"
        assert asset.metadata["queryRemoved"] is True
        assert asset.metadata["version"] == "1.2"
        assert not any(secret in str(asset) for secret in ("bob", "pw", "secret"))


@pytest.mark.usefixtures("here")
def test_progress_grows_to_the_whole_call() -> None:
    seen: list[tuple[int, int]] = []
    options = SelectionOptions(
        progress=lambda b, f: seen.append((b, f)), open_urls=Network
    )

    assets = collect_assets(["https://a.example/1", "app.jar", "out", "out/*"], options)

    assert seen == sorted(seen)
    total = sum(asset.size or 0 for asset in assets)
    assert seen[-1] == (total, 6)


def test_ten_thousand_files_take_well_below_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"f{number:05}.txt" for number in range(10_000)]
    for word in words:
        (tmp_path / word).write_text(word)

    started = time.process_time()
    assets = collect_assets(words)

    # Measured: 0.14 s; the bound leaves room for a slow machine.
    assert time.process_time() - started < 1.5
    assert len(assets) == 10_000


def test_plain_files_load_no_other_kind(here: Path) -> None:
    script = (
        "import sys\n"
        "from jenkins_notary.assets.selection import collect_assets\n"
        "collect_assets(['app.jar'])\n"
        "heavy = {'subprocess', 'json', 'requests', 'urllib.parse', 'pathlib',"
        " 'threading', 'fnmatch', 'tempfile', 'dataclasses'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "room = 'jenkins_notary.assets.'\n"
        "print(sorted(name for name in sys.modules if name.startswith(room)))"
    )

    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=here,
        env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )

    heavy, loaded = done.stdout.splitlines()
    assert heavy == "[]"
    assert loaded == str(
        [f"jenkins_notary.assets.{m}" for m in ("asset", "facts", "files", "selection")]
    )


def test_every_kind_is_known() -> None:
    assert len(set(KINDS)) == len(KINDS) == 9

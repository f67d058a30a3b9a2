from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api import imports
from jenkins_notary.api.imports import read_import
from jenkins_notary.errors import FaultsError, NotaryError, NotFoundError, UsageError
from tests.unit.api.people import JOB, digest

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

A, B = digest("a"), digest("b")


def read(tmp_path: Path, data: bytes | str) -> list[tuple[str, str, str, int | None]]:
    """Return (name, kind, digest, size) of each asset of a file."""
    path = tmp_path / "import"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return [
        (one.name, one.kind, one.digest, one.size) for one in read_import(str(path))
    ]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"digest,name,kind,size\n{A},a,file,3\n{B},b,,\n", id="csv"),
        pytest.param(
            f"\ufeffname,hash,size,kind\r\na,{A},3,file\r\nb,{B},,", id="excel"
        ),
        pytest.param(
            f'name,digest,kind,size,note\na,"{A}",file,3,x\nb,{B[7:]},,\n',
            id="further-columns-and-bare-digest",
        ),
        pytest.param(
            json.dumps(
                [
                    {"digest": A, "name": "a", "kind": "file", "size": 3},
                    {"hash": B.upper(), "name": "b", "size": None},
                ]
            ),
            id="json",
        ),
        pytest.param(
            " \n"
            + json.dumps(
                {
                    "assets": [
                        {"digest": A, "name": "a", "kind": "file", "size": "3"},
                        {"digest": B, "name": "b", "size": ""},
                    ]
                }
            ),
            id="json-object",
        ),
    ],
)
def test_every_form_gives_the_same_assets(tmp_path: Path, data: str) -> None:
    assert read(tmp_path, data) == [("a", "file", A, 3), ("b", "digest", B, None)]


def test_quoted_name_keeps_commas_and_odd_characters(tmp_path: Path) -> None:
    name = "a, \u2028b\x0b\x85c"

    assert read(tmp_path, f'digest,name\n{A},"{name}"\n')[0][0] == name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param("", "a header line", id="empty"),
        pytest.param("\n\n", "a header line", id="blank"),
        pytest.param("name,size\na,1\n", "got name,size", id="no-digest-column"),
        pytest.param("digest,name\n", "at least one entry", id="header-only"),
        pytest.param("[]", "at least one entry", id="empty-list"),
        pytest.param('{"assets": {}}', "a list", id="no-list"),
        pytest.param('{"other": []}', "a list", id="other-key"),
        pytest.param("[", "import", id="no-json"),
        pytest.param("[" * 100_000, "import", id="deep-json"),
        pytest.param(b"digest,name\n\xff,a", "UTF-8", id="no-utf-8"),
        pytest.param(f'digest,name\n{A},"a', "CSV", id="open-quote"),
        pytest.param(f'digest,name\n"{A}"x,a', "CSV", id="text-behind-quote"),
        pytest.param('"digest"x,name\n', "CSV", id="header-with-a-bad-quote"),
        pytest.param("digest," + "x" * 200_000, "CSV", id="endless-header"),
        pytest.param(f"digest,name\n{A}," + "x" * 200_000, "CSV", id="endless-field"),
    ],
)
def test_file_of_another_form_is_refused(
    tmp_path: Path, data: bytes | str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(tmp_path, data)

    assert len(str(caught.value)) < 1000


def test_every_faulty_line_is_named(tmp_path: Path) -> None:
    lines = [
        "digest,name,kind,size",
        f"{A},good,,",
        "sha256:12,short,,",
        f"{A},,,",
        f"{A},kind,rocket,",
        f"{A},size,,-1",
        f"{A}",
        f"{A},{'x' * 4097},,",
    ]

    with pytest.raises(FaultsError) as caught:
        read(tmp_path, "\n".join(lines))

    text = str(caught.value)
    assert len(caught.value.faults) == 6
    for line in (3, 4, 5, 6, 7, 8):
        assert f"line {line}" in text
    assert "line 2" not in text
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(7, id="number"),
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="nothing"),
        pytest.param({"digest": 7, "name": "a"}, id="digest-number"),
        pytest.param({"digest": A, "name": ["a"]}, id="name-list"),
        pytest.param({"digest": A, "name": " "}, id="blank-name"),
        pytest.param(
            {"digest": A, "name": "a", "kind": {}, "size": []}, id="size-list"
        ),
        pytest.param({"digest": A, "name": "a", "kind": ["file"]}, id="kind-list"),
        pytest.param({"digest": A, "name": "a", "size": True}, id="size-boolean"),
        pytest.param({"digest": A, "name": "a", "size": 1.5}, id="size-fraction"),
        pytest.param({"digest": A, "name": "a", "size": 10**18}, id="size-huge"),
        pytest.param({"digest": A, "name": "a", "size": "\u0661"}, id="size-arabic"),
        pytest.param({"digest": A, "name": "a", "status": []}, id="status-list"),
        pytest.param({"digest": A, "name": "a", "status": "UNTRUSTED"}, id="status"),
    ],
)
def test_faulty_entry_is_named_by_its_place(
    tmp_path: Path, notary: Notary, entry: object
) -> None:
    path = tmp_path / "work" / "import.json"
    path.write_text(json.dumps([{"digest": B, "name": "good"}, entry]))

    with pytest.raises(UsageError, match=r"entry 2|import") as caught:
        notary.import_records(str(path))

    str(caught.value).encode()
    assert notary.ledger.status().tree_size == 1


def test_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_import(str(tmp_path / "missing"))
    with pytest.raises(UsageError):
        read_import(str(tmp_path))


def test_file_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_BYTES", 20)

    with pytest.raises(UsageError, match="at most 20 bytes"):
        read(tmp_path, "x" * 21)


def test_import_is_one_commit(admin: Person, tmp_path: Path) -> None:
    lines = ["digest,name", *(f"{digest(f'f{n}')},f{n}" for n in range(600))]
    path = tmp_path / "work" / "import.csv"
    path.write_text("\n".join(lines))

    done = admin.notary().import_records(str(path), job=JOB)

    assert len(done) == 600
    assert {one.index for one in done} == {1, 2}
    assert len({one.timestamp for one in done}) == 1
    assert {one.job for one in done} == {JOB}
    assert admin.verdict("f599", strict=True) == "TRUSTED"


def test_import_makes_a_ledger(newcomer: Person, tmp_path: Path) -> None:
    path = tmp_path / "work" / "import.csv"
    path.write_text(f"digest,name\n{A},a\n")

    assert newcomer.notary().import_records(str(path))[0].index == 1


def test_bad_import_makes_none(newcomer: Person, tmp_path: Path) -> None:
    path = tmp_path / "work" / "import.csv"
    path.write_text("digest,name\nx,a\n")

    with pytest.raises(NotaryError):
        newcomer.notary().import_records(str(path))
    assert not newcomer.ledger.exists()

from __future__ import annotations

import io
import tarfile

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.evidence.pack_archive import (
    FOLDER,
    MAX_MEMBER,
    format_header,
    read_members,
    write_end,
    write_member,
)

ONE = b"".join(write_member("checkpoint", 5, [b"he", b"llo"]))
TWO = b"".join(write_member("trust.jsonl", 0, []))


def tar_of(name: str, **fields: object) -> bytes:
    """Return what Python's own tar writes."""
    info = tarfile.TarInfo(FOLDER + name)
    for key, value in fields.items():
        setattr(info, key, value)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()[:512]


def test_header_is_that_of_an_ordinary_tar() -> None:
    info = tarfile.TarInfo.frombuf(
        format_header(FOLDER + "checkpoint", 1234), "utf-8", "strict"
    )

    assert (info.name, info.size, info.mode) == (FOLDER + "checkpoint", 1234, 0o644)
    assert info.isreg()


def test_members_are_found_where_they_lie() -> None:
    data = ONE + TWO + write_end()

    found = read_members(io.BytesIO(data))

    place = found["checkpoint"]
    assert data[place.offset : place.offset + place.size] == b"hello"
    assert found["trust.jsonl"].size == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        write_end()[:-1],
        write_end() + bytes(512),
        write_end() + b"x",
        ONE,
        ONE[:-1] + write_end(),
        ONE + ONE + write_end(),
        TWO + ONE + write_end(),
        ONE[:600] + b"x" + ONE[601:] + write_end(),
        ONE + bytes(512) + TWO + write_end(),
        b"\x1f\x8b\x08" + bytes(2000),
    ],
    ids=[
        *("nothing", "a byte", "half an end", "a long end", "more behind the end"),
        *("no end", "a member cut short", "one twice", "another order"),
        *("bytes in the padding", "a hole", "compressed"),
    ],
)
def test_archive_in_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        read_members(io.BytesIO(data))


@pytest.mark.parametrize(
    "name",
    [
        *("../etc/passwd", "/etc/passwd", "records/../x", "bodies/" + "g" * 64),
        *("bodies/" + "A" * 64, "records/1.leaf.json", "records/", "bodies/", ""),
        *("pack.json/", "evil.sh", "records/0000000000000001.leaf.json\n"),
    ],
)
def test_name_that_no_pack_has_is_refused(name: str) -> None:
    data = b"".join(write_member(name, 1, [b"x"])) + write_end()

    with pytest.raises(IntegrityError):
        read_members(io.BytesIO(data))


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "x"},
        {"type": tarfile.DIRTYPE},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.XHDTYPE, "size": 10},
        {"type": tarfile.GNUTYPE_LONGNAME, "size": 10},
        {"type": tarfile.GNUTYPE_SPARSE},
        {"mode": 0o755},
        {"uid": 1},
        {"mtime": 1},
        {"uname": "root"},
    ],
    ids=str,
)
def test_member_that_is_no_plain_file_of_a_pack_is_refused(
    fields: dict[str, object],
) -> None:
    header = tar_of("checkpoint", **fields)

    with pytest.raises(IntegrityError, match="header of a pack"):
        read_members(io.BytesIO(header + bytes(512) + write_end()))


def test_size_that_reaches_beyond_the_file_takes_no_memory() -> None:
    header = format_header(FOLDER + "checkpoint", MAX_MEMBER)

    with pytest.raises(IntegrityError, match="cut short"):
        read_members(io.BytesIO(header + write_end()))


@pytest.mark.parametrize(
    ("name", "size"), [("checkpoint", MAX_MEMBER + 1), ("é", 1), ("x" * 101, 1)]
)
def test_member_that_a_header_cannot_tell_is_not_written(name: str, size: int) -> None:
    with pytest.raises(UsageError):
        format_header(name, size)

"""Read small facts off a file's name and first bytes."""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

import pytest

from jenkins_notary.assets.facts import describe_file, find_version
from jenkins_notary.assets.files import hash_files

ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"


def pe_head(machine: int) -> bytes:
    """Return the first bytes of a PE file for one machine."""
    return (
        b"MZ"
        + bytes(58)
        + struct.pack("<I", 128)
        + bytes(64)
        + b"PE\0\0"
        + (struct.pack("<H", machine))
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("app-1.2.3.jar", "1.2.3"),
        ("app-v2.0.tar.gz", "2.0"),
        ("app_10.20.30.40.zip", "10.20.30.40"),
        ("lib-1.0-2.1.whl", "2.1"),
        ("report.txt", ""),
        ("v1", ""),
        ("1" * 400 + ".2", ""),
    ],
)
def test_version_is_the_last_dotted_number_of_the_name(name: str, version: str) -> None:
    assert find_version(name) == version


@pytest.mark.parametrize(
    ("name", "head", "content_type"),
    [
        ("a.txt", b"hello\n", "text/plain; charset=utf-8"),
        ("a", "grüße".encode(), "text/plain; charset=utf-8"),
        ("a.json", b'{"a": 1}', "application/json"),
        ("a.json", b"\0\1\2", "application/octet-stream"),
        ("a.txt", b"\x7fELF", "application/x-executable"),
        ("a.jar", b"PK\x03\x04", "application/java-archive"),
        ("a.jar", b"not a zip", "application/octet-stream"),
        ("a.zip", b"PK\x03\x04", "application/zip"),
        ("A.class", b"\xca\xfe\xba\xbe\0\0\0\x3d", "application/java-vm"),
        ("empty", b"", "application/x-empty"),
        ("a.gz", b"\x1f\x8b\x08", "application/gzip"),
    ],
)
def test_content_type_goes_by_bytes_then_by_ending(
    name: str, head: bytes, content_type: str
) -> None:
    assert describe_file(name, head)["contentType"] == content_type


@pytest.mark.parametrize(
    ("head", "form", "architecture"),
    [
        (ELF + b"\x3e\x00", "elf", "amd64"),
        (ELF + b"\xb7\x00", "elf", "arm64"),
        (ELF + b"\xf3\x00", "elf", "riscv64"),
        (ELF + b"\x15\x00", "elf", "ppc64le"),
        (ELF + b"\x63\x00", "elf", "machine-99"),
        (pe_head(0x8664), "pe", "amd64"),
        (pe_head(0x1234), "pe", "machine-4660"),
        (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", "mach-o", "arm64"),
        (b"\xfe\xed\xfa\xce\0\0\0\x12", "mach-o", "ppc"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "mach-o", "universal"),
    ],
)
def test_executable_tells_format_and_architecture(
    head: bytes, form: str, architecture: str
) -> None:
    facts = describe_file("program", head)

    assert (facts["format"], facts["architecture"]) == (form, architecture)


@pytest.mark.parametrize(
    "head",
    [
        b"\x7fELF",
        ELF,
        b"\x7fELF\x02\x07" + bytes(20),
        b"MZ",
        b"MZ" + b"\xff" * 100,
        b"\xca\xfe\xba\xbe",
        b"\xca\xfe\xba\xbe\0\0\0\x34",
        b"\xfe",
    ],
)
def test_cut_or_odd_executable_has_no_architecture(head: bytes) -> None:
    assert "architecture" not in describe_file("program", head)


def test_this_interpreter_is_an_executable_with_an_architecture() -> None:
    program = str(Path(shutil.which(sys.executable) or sys.executable).resolve())

    facts = describe_file(program, hash_files([program])[0].head)

    assert facts["format"] in {"elf", "mach-o", "pe"}
    assert not str(facts["architecture"]).startswith("machine-")

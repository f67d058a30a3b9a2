r"""Read small facts off a file: content type, version, executable architecture.

Only the name and the first 512 bytes are looked at, so the facts cost no extra reading.
They are hints for people and never part of a verdict: a content type is guessed from
magic bytes, then from the ending of the name; a version is the last dotted number of
the name.

>>> describe_file("app-1.2.3.jar", b"PK\x03\x04")
{'contentType': 'application/java-archive', 'version': '1.2.3'}

Source: ELF e_ident and e_machine (gABI), the PE/COFF specification, mach-o/loader.h,
the JVM specification 4.1 for ``0xCAFEBABE``. Standard library only, Python 3.8.
"""

from __future__ import annotations

import re

HEAD_BYTES = 512
"""How many first bytes of a file are looked at."""

_VERSION = re.compile(r"(?<![\d.])v?(\d{1,9}(?:\.\d{1,9}){1,5})(?![\d])")
_CONTROL = bytes(c for c in range(32) if c not in b"\t\n\f\r\x1b")

_MAGIC = (
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"!<arch>\ndebian-binary", "application/vnd.debian.binary-package"),
    (b"!<arch>\n", "application/x-archive"),
    (b"\xed\xab\xee\xdb", "application/x-rpm"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x00asm", "application/wasm"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_MAGIC_FIRST = frozenset(magic[0] for magic, _ in _MAGIC) | frozenset(
    (0xCA, 0xCE, 0xCF, 0xFE)
)
_BY_ENDING = {
    "jar": "application/java-archive",
    "war": "application/java-archive",
    "ear": "application/java-archive",
    "hpi": "application/java-archive",
    "class": "application/java-vm",
    "json": "application/json",
    "xml": "application/xml",
    "pom": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_ZIP_ENDINGS = frozenset(("jar", "war", "ear", "hpi"))

_ELF_MACHINES = {
    2: "sparc",
    3: "386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    43: "sparc64",
    62: "amd64",
    183: "arm64",
    243: "riscv",
    258: "loong64",
}
_PE_MACHINES = {
    0x014C: "386",
    0x01C0: "arm",
    0x01C4: "arm",
    0x8664: "amd64",
    0xAA64: "arm64",
}
_MACHO_CPUS = {
    7: "386",
    0x01000007: "amd64",
    12: "arm",
    0x0100000C: "arm64",
    18: "ppc",
    0x01000012: "ppc64",
}
_FIRST_CLASS_VERSION = 45
"""Java class files start at major version 45; no universal binary holds 45 parts."""


def describe_file(name: str, head: bytes) -> dict[str, str | int | bool]:
    """Return the facts of one file.

    Args:
        name: The file's name; only its last part counts.
        head: Its first bytes, at most :data:`HEAD_BYTES` are looked at.

    Returns:
        ``contentType`` always; ``version``, ``format`` (``elf``, ``pe``, ``mach-o``)
        and ``architecture`` where they are found.
    """
    base = name[name.rfind("/") + 1 :]
    ending = base[base.rfind(".") + 1 :].lower() if "." in base else ""
    facts: dict[str, str | int | bool] = {}
    executable = None
    if head and head[0] in _MAGIC_FIRST:
        executable = read_executable(head)
    facts["contentType"] = sniff_content_type(ending, head)
    if "." in base and not base.isalpha():
        version = find_version(base)
        if version:
            facts["version"] = version
    if executable:
        facts["format"], facts["architecture"] = executable
        if executable[0] == "mach-o":
            facts["contentType"] = "application/x-mach-binary"
    return facts


def sniff_content_type(ending: str, head: bytes) -> str:
    """Return a media type from the first bytes, refined by the name's ending."""
    if not head:
        return "application/x-empty"
    if head[0] in _MAGIC_FIRST:
        for magic, content_type in _MAGIC:
            if head.startswith(magic):
                if content_type == "application/zip" and ending in _ZIP_ENDINGS:
                    return _BY_ENDING[ending]
                return content_type
        if head.startswith(b"\xca\xfe\xba\xbe") and ending == "class":
            return _BY_ENDING["class"]
    if head[:HEAD_BYTES].translate(None, _CONTROL) != head[:HEAD_BYTES]:
        return "application/octet-stream"
    if ending in _ZIP_ENDINGS or ending == "class":
        return "application/octet-stream"
    return _BY_ENDING.get(ending, "text/plain; charset=utf-8")


def find_version(name: str) -> str:
    """Return the last dotted number in a file name, or "".

    >>> find_version("lib-v2.10.jar"), find_version("report.txt")
    ('2.10', '')
    """
    found = _VERSION.findall(name)
    return str(found[-1]) if found else ""


def read_executable(head: bytes) -> tuple[str, str] | None:
    """Return (format, architecture) of an executable's first bytes, or None.

    A machine that is not in the tables is named by its number, e.g. ``machine-99``.
    """
    if head.startswith(b"\x7fELF"):
        return _read_elf(head)
    if head.startswith(b"MZ"):
        return _read_pe(head)
    return _read_macho(head)


def _read_elf(head: bytes) -> tuple[str, str] | None:
    """Read e_machine, 16 bits at offset 18 in the byte order of e_ident[5]."""
    order = {1: "little", 2: "big"}.get(head[5] if len(head) >= 20 else 0)
    if order is None:
        return None
    machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]  # literal
    name = _ELF_MACHINES.get(machine, f"machine-{machine}")
    if machine == 21 and order == "little":  # Em_ppc64.
        name = "ppc64le"
    if machine == 243:  # Em_riscv; the class byte tells the width.
        name = "riscv64" if head[4] == 2 else "riscv32"
    return "elf", name


def _read_pe(head: bytes) -> tuple[str, str] | None:
    """Read the COFF machine behind the signature that offset 0x3c points at."""
    at = int.from_bytes(head[0x3C:0x40], "little")
    if at < 4 or head[at : at + 4] != b"PE\0\0" or len(head) < at + 6:
        return None
    machine = int.from_bytes(head[at + 4 : at + 6], "little")
    return "pe", _PE_MACHINES.get(machine, f"machine-{machine}")


def _read_macho(head: bytes) -> tuple[str, str] | None:
    """Read cputype behind the magic; a universal binary is named ``universal``."""
    magic = head[:4]
    if magic in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"):
        cpu = int.from_bytes(head[4:8], "little")
    elif magic in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"):
        cpu = int.from_bytes(head[4:8], "big")
    elif magic == b"\xca\xfe\xba\xbe" and len(head) >= 8:
        parts = int.from_bytes(head[4:8], "big")
        return ("mach-o", "universal") if 0 < parts < _FIRST_CLASS_VERSION else None
    else:
        return None
    return "mach-o", _MACHO_CPUS.get(cpu, f"machine-{cpu}")


def guess_mime(path: str) -> str:
    """Return the media type that a file's name suggests.

    >>> guess_mime("notes.txt"), guess_mime("data")
    ('text/plain', 'application/octet-stream')
    """
    import mimetypes

    return mimetypes.guess_type(path, strict=False)[0] or "application/octet-stream"

"""Read digests to record from a CSV or JSON file.

CSV has a header line with ``digest`` (or ``hash``) and ``name``; ``kind`` and ``size``
may stand too. JSON is a list of objects with the same keys, or an object that holds it
under ``assets``. Faults are reported together, by line or place.
"""

from __future__ import annotations

from jenkins_notary.api.inputs import open_file
from jenkins_notary.assets.asset import KINDS, Asset, Subject, raise_faults
from jenkins_notary.errors import IntegrityError, NotaryError, UsageError
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.digest import parse_digest
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 256 << 20
MAX_NAME = 4096


def read_import(path: str) -> list[Asset]:
    """Return the assets of a file.

    Raises:
        UsageError: Not such a file; all faulty entries are named.
        NotFoundError: No such file.
    """
    with open_file(path) as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"import {path}", expected=f"at most {MAX_BYTES} bytes")
    is_json = data.lstrip()[:1] in {b"[", b"{"}
    entries = _read_json(data, path) if is_json else _read_csv(data, path)
    assets: list[Asset] = []
    faults: list[NotaryError] = []
    for place, entry in entries:
        try:
            assets.append(_parse_entry(entry, f"{path} {place}"))
        except NotaryError as fault:
            faults.append(fault)
    raise_faults(faults)
    if not assets:
        raise UsageError(f"import {path}", expected="at least one entry", got="none")
    return assets


def _read_json(data: bytes, path: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield (place, entry) of a JSON file."""
    try:
        value = load_json(data, subject=f"import {path}", limit=MAX_BYTES)
    except IntegrityError as error:
        raise UsageError(
            error.subject, expected=error.expected, got=error.got
        ) from error
    listed = value.get("assets") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise UsageError(f"import {path}", expected="a list, or an object with assets")
    for place, entry in enumerate(listed, 1):
        yield f"entry {place}", entry if isinstance(entry, dict) else {}


def _read_csv(data: bytes, path: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield (place, entry) of a CSV file."""
    import csv
    import io

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"import {path}", expected="UTF-8 text") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        if not {"digest", "hash"} & set(names):
            raise UsageError(
                f"import {path}",
                expected="a header line with digest and name",
                got=",".join(names)[:80],
            )
        for entry in reader:
            yield f"line {reader.line_num}", entry
    except csv.Error as error:
        raise UsageError(f"import {path}", expected="CSV", got=f"{error}") from error


def _parse_entry(entry: Mapping[str, object], subject: str) -> Asset:
    """Return the asset of one entry."""
    text = entry.get("digest") or entry.get("hash")
    name = entry.get("name")
    if entry.get("status") not in (None, "", Status.TRUSTED.name):
        raise UsageError(
            f"{subject} status",
            expected="TRUSTED, or none: what is imported is recorded as trusted",
            got=str(entry["status"])[:40],
            advice="use untrust or unsupport for the others",
        )
    if not isinstance(text, str) or not isinstance(name, str) or not name.strip():
        raise UsageError(subject, expected="a digest and a name")
    if len(name) > MAX_NAME:
        raise UsageError(subject, expected=f"a name of at most {MAX_NAME} characters")
    kind = entry.get("kind") or "digest"
    if kind not in KINDS:
        raise UsageError(
            f"{subject} kind", expected=", ".join(KINDS), got=str(kind)[:40]
        )
    try:
        digest = parse_digest(text)
    except UsageError as error:
        raise UsageError(f"{subject} digest", expected=error.expected) from error
    return Asset(
        name,
        str(kind),
        _parse_size(entry.get("size"), subject),
        (Subject(name, digest),),
    )


def _parse_size(value: object, subject: str) -> int | None:
    """Return the size of an entry, None if it has none."""
    if value is None or value == "":
        return None
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UsageError(f"{subject} size", expected="a number of bytes", got=text[:40])
    return int(text)

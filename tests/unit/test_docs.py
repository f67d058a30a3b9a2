"""Hold the documents to the code: examples parse, links lead somewhere, codes agree.

A fenced block whose first line names a format after its language (`json leaf`) is an
example of that format; all examples of one format set belong together.
"""

from __future__ import annotations

import configparser
import inspect
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary import Notary, config, errors
from jenkins_notary.agent.build import TARGET
from jenkins_notary.api import results
from jenkins_notary.api.builds.collect import Collected
from jenkins_notary.api.gate import GateDecision
from jenkins_notary.api.ledgers.copies import BackupResult
from jenkins_notary.api.ledgers.keeper import LedgerKeeper
from jenkins_notary.api.logs.check import LogCheck
from jenkins_notary.api.logs.excerpts import verify_proof
from jenkins_notary.api.logs.reading import LogExtract
from jenkins_notary.api.logs.recording import FoundLog
from jenkins_notary.api.packs.making import PackCheck
from jenkins_notary.api.receipts import ReceiptView, verify_receipt
from jenkins_notary.api.signers import Signers
from jenkins_notary.assets.asset import KINDS
from jenkins_notary.assets.claims import format_claim, parse_claim
from jenkins_notary.assets.directories import parse_manifest
from jenkins_notary.cli.commands import find_command
from jenkins_notary.cli.main import make_parser
from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.evidence.build_view import describe_build, trace_digest
from jenkins_notary.evidence.checkpoint_lines import (
    format_checkpoint_line,
    read_checkpoint_lines,
)
from jenkins_notary.evidence.comparison import Comparison
from jenkins_notary.evidence.excerpts import parse_excerpt, verify_excerpt
from jenkins_notary.evidence.growing_log import LogTree, Part, parse_part
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.evidence.pack_check import CheckedPack
from jenkins_notary.evidence.pack_head import PackHead, Selection, parse_head
from jenkins_notary.keys.log_key import load_log_verifier, parse_log_key
from jenkins_notary.keys.signatures import Ed25519Signer, KeyVerifier
from jenkins_notary.ledger.audit import AuditResult
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.backup import parse_manifest as parse_backup
from jenkins_notary.ledger.erase import ErasureResult
from jenkins_notary.ledger.export import ExportResult
from jenkins_notary.ledger.pins import Pin, parse_pin
from jenkins_notary.ledger.receipts import check_receipt
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.verify import VerifyReport
from jenkins_notary.ledger.view import open_view
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.trust.policy import parse_policy
from jenkins_notary.trust.record import ProvenRecord
from jenkins_notary.values.body import parse_body
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.leaf import check_agreement, parse_leaf, parse_trust_entry
from jenkins_notary.values.statement import parse_statement
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("docs/**/*.md"), ROOT / "CHANGELOG.md", *ROOT.glob("README.md")]
)
EXAMPLES = [*sorted(ROOT.glob("examples/*.yaml"))]
FENCE = re.compile(r"^```(\w+) ?([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\$\([^)]*\)")
ORIGIN = "ci.example.com/5f3c9a1e"


def read_blocks(page: str, name: str) -> list[bytes]:
    """Return the examples of a format on a page of docs/formats."""
    text = (ROOT / "docs/formats" / page).read_text(encoding="utf-8")
    found = [body for _, kind, body in FENCE.findall(text) if kind == name]
    assert found, f"{page} has no example of {name}"
    return [body.encode() for body in found]


def canonical(block: bytes) -> bytes:
    """Return the one form of a JSON example that is shown with line breaks."""
    return canonical_json(load_json(block, subject="example"))


def read_vkey() -> str:
    return read_blocks("ledger.md", "vkey")[0].decode().strip()


def read_leaf() -> bytes:
    return canonical(read_blocks("record.md", "leaf")[0])


def read_envelope() -> bytes:
    return read_blocks("record.md", "envelope")[0].rstrip(b"\n")


def make_status() -> results.LedgerStatus:
    (block,) = read_blocks("json-output.md", "LedgerStatus")
    return results.LedgerStatus(**json.loads(block))


def make_verdict() -> results.AssetVerdict:
    return results.AssetVerdict(
        name="app.jar",
        kind="file",
        digest="",
        ref=None,
        size=None,
        status=Status.UNKNOWN,
        record=None,
        job=None,
        as_of=None,
        reason="",
        advice="",
        error=None,
        changes=None,
        receipt=None,
    )


def make_asset_record() -> results.AssetRecord:
    return results.AssetRecord(
        name="app.jar",
        kind="file",
        digest="",
        ref=None,
        size=None,
        status=Status.TRUSTED,
        job=None,
        signer="",
        timestamp="",
        index=1,
        receipt="",
    )


def make_receipt_view() -> ReceiptView:
    (receipt,) = read_blocks("ledger.md", "receipt")
    return verify_receipt(receipt, vkey=read_vkey(), envelope=read_envelope())


def make_decision() -> GateDecision:
    return GateDecision(
        asset=make_verdict(), allowed=True, reasons=(), rules=(), policy=""
    )


def make_audit() -> AuditResult:
    return AuditResult(
        origin=ORIGIN,
        pin=Pin("", b""),
        old_size=0,
        old_root_hex="",
        size=1,
        root_hex="",
        old_trust_size=0,
        trust_size=1,
        records=1,
    )


def make_report() -> VerifyReport:
    numbers = dict.fromkeys(("size", "signed_size", "trust_size", "erased", "total"), 0)
    counts = dict.fromkeys(("signatures", "unchecked", "rows", "tiles", "bodies"), 0)
    return VerifyReport(origin=ORIGIN, root_hex="", findings=(), **numbers, **counts)


def make_record() -> results.RecordView:
    leaf = parse_leaf(read_leaf())
    envelope, statement = check_agreement(leaf, read_envelope(), subject="example")
    record = ProvenRecord(1, leaf, envelope, statement)
    return results.RecordView(record, "enrolled", None)


API_PARTS = {"Notary": Notary, "ledger": LedgerKeeper, "signers": Signers}

MADE: dict[str, Callable[[], Any]] = {
    "AssetRecord": make_asset_record,
    "AssetVerdict": make_verdict,
    "AuditResult": make_audit,
    "BackupResult": lambda: BackupResult(
        "", ORIGIN, 3, 1, with_key=False, with_tokens=False
    ),
    "Collected": lambda: Collected("", None, "failed", (), (), 0),
    "Check": lambda: results.Check(name="", ok=True, found="", advice="", code=0),
    "ErasureResult": lambda: ErasureResult((1,), 0, 2),
    "ExportResult": lambda: ExportResult(3, 2, 5, 0),
    "GateDecision": make_decision,
    "KeyInfo": lambda: results.KeyInfo(signer="", kind="", path="", pem=""),
    "LedgerStatus": make_status,
    "PackCheck": lambda: PackCheck(
        CheckedPack(
            PackHead("", Selection("build"), "", 1, ("x",), (), (), ()),
            *(1, 0, 0, (), None),
        ),
        "",
        has_texts=True,
        at_ms=0,
    ),
    "ReceiptView": make_receipt_view,
    "EngineProof": lambda: results.EngineProof("", "", 1, (), 1, "", state_signed=True),
    "RecordView": make_record,
    "SignerInfo": lambda: results.SignerInfo(
        signer="",
        level=1,
        orgs=(),
        administrator=True,
        enrolled_at=0,
        revoked_from=None,
    ),
    "VerifyReport": make_report,
    "error": lambda: errors.NotFoundError("text", expected="a", got="b"),
}


def test_envelope_holds_the_statement_and_the_leaf_is_its_projection() -> None:
    statement = canonical(read_blocks("record.md", "statement")[0])

    check_agreement(parse_leaf(read_leaf()), read_envelope(), subject="example")
    assert parse_envelope(read_envelope()).payload == statement


def test_every_statement_parses() -> None:
    for block in read_blocks("record.md", "statement"):
        statement = parse_statement(canonical(block))

        assert statement.type != "attestation"


def test_trust_entry_parses() -> None:
    index, leaf = parse_trust_entry(
        canonical(read_blocks("record.md", "trust-entry")[0])
    )

    assert leaf.counts_for_trust
    assert index == 2


def test_checkpoint_is_signed_by_the_key_that_is_shown() -> None:
    (note,) = read_blocks("ledger.md", "checkpoint")
    opened = open_checkpoint(note, [load_log_verifier(read_vkey())])

    assert opened.checkpoint.origin == ORIGIN
    assert opened.checkpoint.trust.size == 2


def test_receipt_proves_the_leaf_that_is_shown() -> None:
    (receipt,) = read_blocks("ledger.md", "receipt")
    checked = check_receipt(
        receipt, [load_log_verifier(read_vkey())], envelope=read_envelope()
    )

    assert checked.leaf == parse_leaf(read_leaf())


def test_log_key_is_that_of_the_verifier_key() -> None:
    (text,) = read_blocks("ledger.md", "log-key")

    assert parse_log_key(text.decode(), subject="example").vkey == read_vkey()


def test_pin_holds_the_checkpoint() -> None:
    pin = parse_pin(read_blocks("ledger.md", "pin")[0], subject="example")

    assert pin.vkey == read_vkey()
    assert pin.note == read_blocks("ledger.md", "checkpoint")[0]


def test_backup_manifest_holds_the_checkpoint() -> None:
    manifest = parse_backup(read_blocks("ledger.md", "backup")[0])

    assert manifest.vkey == read_vkey()
    assert manifest.checkpoint == read_blocks("ledger.md", "checkpoint")[0]


def test_trust_actions_count_when_an_administrator_signs_them() -> None:
    actions = [json.loads(one) for one in read_blocks("trust.md", "trust")]
    ledger_key = parse_log_key(
        read_blocks("ledger.md", "log-key")[0].decode(), subject="example"
    )
    verifiers = [load_log_verifier(ledger_key.vkey)]
    signer = Ed25519Signer(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
    store = MemoryStore()
    sequencer = Sequencer(
        store, ledger_key, verifiers, SimpleNamespace(now_ms=lambda: 1)
    )
    for number, action in enumerate(actions):
        author = Author((signer,), f"{number:032x}", 0)
        sequencer.append([author.sign("trust", [], action)])
    trust = open_view(store, verifiers, KeyVerifier()).trust()

    assert trust.ignored == []
    assert trust.origin == ORIGIN
    assert trust.signers["0x8cef065b7af83669150b7d32704d3d3e75c3e9ae"].level == 5


def test_excerpt_proves_lines_of_the_body() -> None:
    body = parse_body(json.loads(read_blocks("blobs.md", "body")[0]))
    excerpt = parse_excerpt(json.loads(read_blocks("blobs.md", "excerpt")[0]))

    verify_excerpt(excerpt, body)


def test_file_of_proven_lines_needs_the_key_alone() -> None:
    (block,) = read_blocks("blobs.md", "proof")
    proven = verify_proof(block, vkey=read_vkey())

    assert [one.text for one in proven.lines] == [b"+ make\nok\n"]
    assert proven.lines[0].first_line == 2
    assert proven.receipt.signed_by == "0xfd110d301d2f077de1414b8f99f441b1403fab20"


def test_checkpoint_line_holds_the_checkpoint() -> None:
    (line,) = read_blocks("blobs.md", "checkpoint-line")
    (note,) = read_blocks("ledger.md", "checkpoint")
    found = read_checkpoint_lines([(1, line)], [load_log_verifier(read_vkey())])

    assert line == format_checkpoint_line(note)
    assert [one.checkpoint.origin for one in found.verified] == [ORIGIN]


def test_views_of_builds_and_logs_have_the_keys_that_are_shown() -> None:
    page = (ROOT / "docs/formats/json-output.md").read_text(encoding="utf-8")
    log = FoundLog((make_record().record,), "", "", "", "", "", None)
    check = LogCheck(
        log, "altered", Comparison(0, 0, ""), is_shown=True, served_from=""
    )
    documents = {
        "The view of a build": describe_build([]),
        "The way of a digest": {**trace_digest([]), "complete": True},
        "A log's facts": LogExtract(log, [], (), "text").to_dict(),
        "Comparison of `log --verify`": check.to_dict(),
    }
    for title, document in documents.items():
        section = page.partition(f"### {title}\n")[2].partition("\n##")[0]
        assert set(document) <= set(re.findall(r"`(\w+)`", section)), title


def test_manifest_has_the_digest_that_is_shown() -> None:
    manifest = read_blocks("directory-manifest.md", "manifest")[0].rstrip(b"\n")
    page = (ROOT / "docs/formats/directory-manifest.md").read_text(encoding="utf-8")

    assert parse_manifest(manifest)
    assert f"`sha256:{hash_hex(manifest)}`" in page


def hash_hex(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


@pytest.mark.parametrize("name", sorted(MADE))
def test_json_document_has_the_keys_that_are_shown(name: str) -> None:
    (block,) = read_blocks("json-output.md", name)

    assert set(json.loads(block)) == set(MADE[name]().to_dict())


def test_head_of_the_page_is_one_of_a_pack() -> None:
    (block,) = read_blocks("pack.md", "pack")

    assert parse_head(canonical_json(json.loads(block))).selected == (7, 8, 9, 12)


def test_part_of_a_growing_log_is_what_is_made() -> None:
    (block,) = read_blocks("record.md", "log-part")
    tree = LogTree()
    tree.update(b"one\r\n")
    tree.update(b"two\r\n")

    part = parse_part(json.loads(block), subject="example")

    assert part == Part(2, 5, 8, tree.body(), tree.text.sha256_hex, tree.text.size)


def test_alias_is_found_by_the_digests_of_its_names() -> None:
    statements = [
        parse_statement(canonical(one)) for one in read_blocks("record.md", "statement")
    ]
    (alias,) = [one for one in statements if one.type == "alias"]
    names = (alias.facts["from"], alias.facts["to"])

    assert list(alias.subjects) == name_subjects(alias.facts["instance"], *names)


def test_policies_parse() -> None:
    sources = [
        *read_blocks("policy.md", "policy"),
        (ROOT / "examples/policy.yaml").read_bytes(),
    ]
    for source in sources:
        policy = parse_policy(yaml.safe_load(source), source, kinds=KINDS)

        assert policy.rules


def test_configurations_parse(tmp_path: Path) -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    blocks = [body for _, kind, body in FENCE.findall(page) if kind == "config"]
    blocks.append((ROOT / "examples/config.yaml").read_text(encoding="utf-8"))
    for block in blocks:
        path = tmp_path / "config.yaml"
        path.write_text(block, encoding="utf-8")
        values, faults = config.load_file(str(path))

        assert faults == []
        assert values


def test_configuration_page_lists_every_option_and_variable() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    options = page.partition("\n## Options\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([a-z-]+)` \|", options, re.MULTILINE))
    variables = page.partition("\n## Other variables\n")[2].partition("\n## ")[0]

    assert named == set(config.OPTIONS)
    assert {one for one in config.VARIABLES if f"_{one}`" not in variables} == set()


def test_exit_codes_page_agrees_with_the_errors() -> None:
    page = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]*?) *\|", page, re.MULTILINE))
    order = FENCE.search(page)
    assert order is not None
    kinds = {
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.NotaryError)
    } - {errors.NotaryError, errors.FaultsError}

    assert [int(one) for one in order[3].split()] == list(errors.SEVERITY)
    assert {int(code) for code in rows} == {*errors.SEVERITY, 130}
    assert [k for k in kinds if f"`{k.word}`" not in rows[str(k.exit_code)]] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda one: str(one.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page

        assert target.exists(), link
        assert not anchor or anchor in list_anchors(target), link


def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", one.lower()) for one in headings]
    return {one.replace(" ", "-") for one in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda one: str(one.relative_to(ROOT)))
def test_command_lines_that_are_shown_exist(page: Path) -> None:
    blocks = FENCE.findall(page.read_text(encoding="utf-8").replace("\\\n", " "))
    shells = {"console", "groovy", "sh"}
    text = "\n".join(body for kind, _, body in blocks if kind in shells)
    for line in re.findall(
        r"^(?:\$ |.*\| )?\s*jenkins-notary (.+)$", text, re.MULTILINE
    ):
        words = find_command(line.split())

        assert words, line
        options = make_parser(words).options
        known = {one.flag for one in options} | {one.short for one in options}
        known |= {f"--no-{one.flag[2:]}" for one in options if one.kind == "flag"}
        own = re.split(r" [|>&#]", QUOTED.sub("X", line))[0]
        given = re.findall(r"(?<= )--?[a-z][\w-]*", own)
        assert [one for one in given if one not in known] == [], line


@pytest.mark.parametrize(
    "page", [*PAGES, *EXAMPLES], ids=lambda one: str(one.relative_to(ROOT))
)
def test_no_page_speaks_of_a_machine_or_holds_a_tab(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    # Example output may show the home of anybody, who is called me.
    assert re.findall(r"/(?:work|root|tmp|Users)/|/home/(?!me/)\w", text) == []
    assert "\t" not in text
    assert re.findall("@[A-Z]+@", text) == []


def test_status_that_is_shown_has_the_root_of_the_checkpoint() -> None:
    (note,) = read_blocks("ledger.md", "checkpoint")
    signed = open_checkpoint(note, [load_log_verifier(read_vkey())]).checkpoint

    assert make_status().root == signed.root.hex()


@pytest.mark.parametrize("part", API_PARTS)
def test_api_page_lists_every_method(part: str) -> None:
    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    section = re.split(rf"\n##+ `?(?:notary\.)?{part}`?\n", page)[1].split("\n##")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    methods = {
        name
        for name, one in vars(API_PARTS[part]).items()
        if not name.startswith("_") and not isinstance(one, property)
    }

    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == methods


def test_api_page_names_every_argument_of_the_class() -> None:
    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    shown = re.findall(r"`Notary\(([^`]*)\)`", page.replace("\n", " "))
    (call,) = [one for one in shown if one]
    names = [one.partition("=")[0].strip() for one in call.split(",")]

    assert names == [*inspect.signature(Notary).parameters]


def test_python_that_is_shown_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    (code,) = [body for kind, _, body in FENCE.findall(page) if kind == "python"]
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [one for one in os.environ if one.startswith(("XDG_", "JENKINS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/app.jar").write_bytes(b"jar")
    with Notary(key="build.pem") as notary:
        notary.generate_key()
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    code = code.replace("sqlite:////var/lib/notary/ledger.db", ledger)
    exec(compile(code, "python-api.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()

    assert lines[0].startswith("1 sha256:")
    assert lines[1] == "True 0 record #1"
    assert lines[2] == "[1]"
    assert lines[3].endswith(" True")


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[(.*)\]\(decisions/(.*)\)$", index, re.MULTILINE)
    found = sorted((ROOT / "docs/decisions").glob("*.md"))

    assert [path for _, path in listed] == [one.name for one in found]
    for (title, _), path in zip(listed, found, strict=True):
        text = path.read_text(encoding="utf-8")

        assert text.startswith(f"# {title}\n")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)[:2] == [
            "Context",
            "Decision",
        ]


def test_dependencies_page_agrees_with_the_setup() -> None:
    page = (ROOT / "docs/decisions/0011-dependencies.md").read_text(encoding="utf-8")
    alive = page.partition("**Liveness**")[2].partition("**Rejected.**")[0]
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    runtime = setup["options"]["install_requires"]

    named = set(re.findall(r"^\| ([a-z0-9-]+) \| \d", alive, re.MULTILINE))
    assert named == set(re.findall(r"(?m)^[\w-]+", runtime))


def test_claim_that_is_shown_is_one() -> None:
    (block,) = read_blocks("service-api.md", "claim")
    shown = json.loads(block)

    assert format_claim(parse_claim(shown)) == shown


def test_agent_page_tells_the_size_of_the_file() -> None:
    page = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"It is (\d+) KB", page)

    assert abs(TARGET.stat().st_size / 1000 - int(shown)) < 20

"""Compare what records claim of a build with what its controller tells, by field.

Claims are read by ``build_claim``. What the controller tells is read from its API, and
of some fields only its hook knows. Each field has one of three verdicts:

===============  =============================================================
``agrees``       the controller tells all that was claimed
``differs``      it tells something else
``unavailable``  nobody claims it, or the controller does not tell; ``why`` says
===============  =============================================================

The predicate of a *corroboration* record, ``docs/formats/record.md``::

    {"job": {"id": "ci.example.com:payments/api/main#42"},
     "build": {"number": 42, "startedAt": "...", ...},
     "claims": [12], "verdict": "agrees",
     "fields": [{"field": "commit", "verdict": "agrees", "claimed": ["<40 hex>"],
                 "observed": ["<40 hex>"], "source": "api", "records": [12]}, ...],
     "artifacts": [{"name": "app.jar", "digest": "sha256:...", "verdict": "agrees",
                    "path": "target/app.jar", "records": [12]}],
     "counts": {"agrees": 1, "differs": 0, "unavailable": 0}}

An artifact agrees when its digest is that of an archived file, which was hashed anew.
Nothing here decides what a record counts for: it is said beside it.
"""

from __future__ import annotations

from jenkins_notary.evidence.build_claim import (
    MAX_TEXTS,
    describe_cause,
    describe_parameter,
    hide_value,
    name_build,
    plain_branch,
    plain_node,
    unique,
)
from jenkins_notary.evidence.provenance import API, HOOK
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.evidence.build_claim import BuildClaim, ClaimedAsset, Texts
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.values.jobid import JobId

AGREES, DIFFERS, UNAVAILABLE = "agrees", "differs", "unavailable"
FIELDS = ("build", "commit", "branch", "cause", "parameters", "result", "node")
"""The fields besides the artifacts, in the order in which they are told."""

MAX_ARTIFACTS = 500
"""Artifacts that one record names; those that differ come first."""

MAX_CLAIMS = 200
"""Claims that one record compares."""

CLOCK_MS = 60_000
"""How far the clocks of controller and ledger may be apart."""

_NOT_CLAIMED = "nobody claims it"
_UNTOLD: Mapping[str, str] = {
    "commit": "the controller tells of no checkout",
    "branch": "the controller tells of no branch",
    "node": "which nodes a Pipeline used only the hook tells",
}


class Observed(NamedTuple):
    """What a controller tells of a build.

    Attributes:
        started_at_ms: When it started, ms UTC.
        fields: What it tells, by the field; None where it does not.
        sources: ``api`` or ``hook``, by the field.
        names: Further names that the branch may have: the job's own.
        secrets: Names of parameters whose values are not told.
        archived: SHA-256 hex of the archived files, by path.
        missed: Why not all archived files could be hashed, "" if they were.
    """

    started_at_ms: int
    fields: Mapping[str, Texts | None]
    sources: Mapping[str, str]
    names: Texts
    secrets: frozenset[str]
    archived: Mapping[str, str]
    missed: str


def observe(
    job: JobId,
    info: BuildInfo,
    facts: Mapping[str, Any],
    *,
    archived: Mapping[str, str],
    missed: str = "",
) -> Observed:
    """Return what a controller tells of a build.

    Args:
        job: The build's job id.
        info: What its API says.
        facts: What its hook said, as the recorded provenance has it; empty for none.
        archived: SHA-256 hex of the archived files, by path.
        missed: Why not all of them could be hashed.
    """
    from urllib.parse import unquote

    scm = facts.get("scm") or info.commits
    branches = [plain_branch(str(one["branch"])) for one in scm if one.get("branch")]
    change = facts.get("change") or {}
    branches += [str(change[key]) for key in ("branch", "id") if change.get(key)]
    nodes = [str(one.get("name", "")) for one in facts.get("node") or ()]
    if not nodes and info.node is not None:
        nodes = [info.node]
    fields: dict[str, Texts | None] = {
        "build": (name_build(job),),
        "commit": unique(str(one["commit"]) for one in scm if one.get("commit")),
        "branch": unique(one for one in branches if one and one != "detached"),
        "cause": unique(map(describe_cause, facts.get("causes") or info.causes)),
        "parameters": tuple(map(describe_parameter, info.parameters)),
        "result": (info.result,) if info.result else None,
        "node": unique(map(plain_node, nodes)),
    }
    may_be_none = {"parameters", "cause"}
    hooked = {"commit": "scm", "branch": "scm", "cause": "causes", "node": "node"}
    return Observed(
        info.started_at_ms,
        {
            name: one or (() if name in may_be_none else None)
            for name, one in fields.items()
        },
        {name: HOOK if facts.get(hooked.get(name, "")) else API for name in FIELDS},
        (unquote(job.name.rpartition("/")[2]),),
        frozenset(str(one["name"]) for one in info.parameters if one.get("secret")),
        archived,
        missed,
    )


def compare(
    job: JobId, claims: Sequence[BuildClaim], observed: Observed
) -> dict[str, Any]:
    """Return the verdicts on claims of one build, as the record has them.

    Args:
        job: The build's job id.
        claims: At least one, at most :data:`MAX_CLAIMS`.
        observed: What its controller tells.
    """
    fields = [_compare_build(job, claims, observed)]
    fields += [_compare_field(name, claims, observed) for name in FIELDS[1:]]
    archive = _Archive(observed)
    compared = [
        archive.compare(asset, records)
        for asset, records in _join_assets(claims).items()
    ]
    return _describe(claims, fields, compared)


def refuse_all(
    claims: Sequence[BuildClaim], *, verdict: str, why: str
) -> dict[str, Any]:
    """Return the verdicts on claims of a build that the controller does not have.

    Args:
        claims: At least one.
        verdict: That on the build itself: ``differs`` if there never was one.
        why: Why.
    """
    records = [one.index for one in claims]
    build = {"field": "build", "verdict": verdict, "why": why, "records": records}
    others = [
        {
            "field": name,
            "verdict": UNAVAILABLE,
            "claimed": list(_claimed(name, claims)) or None,
            "why": why if _claimed(name, claims) else _NOT_CLAIMED,
        }
        for name in FIELDS[1:]
    ]
    compared = [
        _describe_asset(asset, records, UNAVAILABLE, why=why)
        for asset, records in _join_assets(claims).items()
    ]
    return _describe(claims, [build, *map(_drop_none, others)], compared)


def _describe(
    claims: Sequence[BuildClaim],
    fields: Sequence[Mapping[str, Any]],
    artifacts: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the facts of a record from its verdicts."""
    verdicts = [one["verdict"] for one in (*fields, *artifacts)]
    counts = {
        word: sum(one["verdict"] == word for one in artifacts)
        for word in (AGREES, DIFFERS, UNAVAILABLE)
    }
    # What differs must be told, however much else a build claims.
    artifacts.sort(key=lambda one: one["verdict"] != DIFFERS)
    # That there is such a build, the first field, agrees with whatever is said of it.
    whole = AGREES if AGREES in verdicts[1:] else UNAVAILABLE
    if DIFFERS in verdicts:
        whole = DIFFERS
    return {
        "claims": [one.index for one in claims],
        "verdict": whole,
        "fields": list(fields),
        "artifacts": artifacts[:MAX_ARTIFACTS] or None,
        "counts": counts if artifacts else None,
    }


def _compare_build(
    job: JobId, claims: Sequence[BuildClaim], observed: Observed
) -> dict[str, Any]:
    """Return the verdict on which build it is, and on when it was claimed."""
    other = [one.index for one in claims if _names_other(one, job)]
    early = [
        one.index for one in claims if one.at_ms < observed.started_at_ms - CLOCK_MS
    ]
    why = None
    if other:
        why = f"the environment of #{other[0]} names another build"
    elif early:
        why = (
            f"#{early[0]} was recorded before the build started: ahead of it, or of a "
            "job that was deleted and made again"
        )
    return _drop_none(
        {
            "field": "build",
            "verdict": AGREES if why is None else DIFFERS,
            "claimed": list(_claimed("build", claims)) or [name_build(job)],
            "observed": [name_build(job)],
            "source": API,
            "why": why,
            "records": other or early or [one.index for one in claims],
        }
    )


def _compare_field(
    name: str, claims: Sequence[BuildClaim], observed: Observed
) -> dict[str, Any]:
    """Return the verdict on one field."""
    claimed = _claimed(name, claims)
    told = observed.fields[name]
    if name == "parameters":
        claimed = tuple(_hide(one, observed.secrets) for one in claimed)
    known = set(told or ())
    if name == "branch":
        known |= set(observed.names)
    if not claimed:
        verdict, why = UNAVAILABLE, _NOT_CLAIMED
    elif known.issuperset(map(_NORMAL.get(name, str), claimed)):
        verdict, why = AGREES, None
    elif told is None:
        verdict, why = UNAVAILABLE, _UNTOLD.get(name, "the controller does not tell")
    else:
        verdict, why = DIFFERS, None
    return _drop_none(
        {
            "field": name,
            "verdict": verdict,
            "claimed": list(claimed) or None,
            "observed": list((told or ())[:MAX_TEXTS]) or None,
            "source": observed.sources[name] if told else None,
            "why": why,
            "records": [one.index for one in claims if name in one.fields] or None,
        }
    )


class _Archive:
    """The archived files of a build, found by digest and by name."""

    def __init__(self, observed: Observed) -> None:
        self._digests = observed.archived
        self._missed = observed.missed
        self._paths: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        for path, sha256_hex in observed.archived.items():
            self._paths.setdefault(sha256_hex, path)
            self._names.setdefault(path.rpartition("/")[2], []).append(path)

    def compare(self, asset: ClaimedAsset, records: list[int]) -> dict[str, Any]:
        """Return the verdict on one digest."""
        path = self._paths.get(asset.sha256_hex)
        if path is not None:
            same = self._digests.get(asset.name) == asset.sha256_hex
            named = asset.name if same else path
            return _describe_asset(asset, records, AGREES, path=named)
        path = self._find(asset.name) if asset.kind == "file" else None
        if path is not None:
            observed = self._digests[path]
            return _describe_asset(
                asset, records, DIFFERS, path=path, observed=observed
            )
        why = self._missed or "the build has archived no such file"
        return _describe_asset(asset, records, UNAVAILABLE, why=why)

    def _find(self, name: str) -> str | None:
        """Return the one archived path that a name means, None for none or several."""
        plain = name.removeprefix("./")
        if plain in self._digests:
            return plain
        found = [
            path
            for path in self._names.get(plain.rpartition("/")[2], ())
            if path.endswith(f"/{plain}") or plain.endswith(f"/{path}")
        ]
        return found[0] if len(found) == 1 else None


def _describe_asset(
    asset: ClaimedAsset,
    records: list[int],
    verdict: str,
    *,
    path: str | None = None,
    observed: str | None = None,
    why: str | None = None,
) -> dict[str, Any]:
    """Return the JSON form of the verdict on one digest."""
    return _drop_none(
        {
            "name": asset.name[:1024],
            "digest": f"sha256:{asset.sha256_hex}",
            "verdict": verdict,
            "path": path,
            "observed": observed and f"sha256:{observed}",
            "why": why,
            "records": records,
        }
    )


def _join_assets(claims: Sequence[BuildClaim]) -> dict[ClaimedAsset, list[int]]:
    """Return each digest that is claimed, with the records that claim it."""
    joined: dict[ClaimedAsset, list[int]] = {}
    for claim in claims:
        for asset in claim.assets:
            joined.setdefault(asset, []).append(claim.index)
    return joined


def _claimed(name: str, claims: Sequence[BuildClaim]) -> Texts:
    """Return all that claims say of a field."""
    return unique(text for one in claims for text in one.fields.get(name, ()))


def _names_other(claim: BuildClaim, job: JobId) -> bool:
    """Return whether a claim's environment is that of another build."""
    return any(text != name_build(job) for text in claim.fields.get("build", ()))


def _hide(text: str, secrets: frozenset[str]) -> str:
    """Return a claimed parameter without a value that the controller keeps secret."""
    name = text.partition("=")[0]
    return hide_value(name) if name in secrets else text


def _drop_none(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without the keys that have no value."""
    return {key: one for key, one in value.items() if one is not None}


_NORMAL = {"branch": plain_branch, "node": plain_node}

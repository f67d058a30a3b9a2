"""Say which SLSA build level a build can honestly claim, and what is against the next.

Each level has preconditions, and each is checked on what the ledger holds of the build:
a level is claimed if every one of it and of those below holds. What cannot be checked
here does not hold. Level 3 is never claimed: that builds cannot reach one another, or
the controller, is a property of agents that no record shows.

The view, a part of what ``evidence JOB_ID`` shows::

    {"level": "L1", "text": "SLSA Build L1; L2 not claimed: because ...",
     "next": "L2", "because": ["the nodes are not known: only the hook tells them"],
     "artifacts": ["sha256:..."],
     "checks": [{"level": "L1", "what": "...", "ok": true, "found": "record #7"}, ...]}

It holds for the artifacts that the controller has archived, which were hashed from
there. Other digests, an image that was pushed say, are the build's own word.

A level says how the provenance came about, not that the build is good. It is worth what
the signer of the records is worth; where ledger and key lie in a build's reach nothing
above L1 is claimed.

Source: SLSA v1.0, "Producing artifacts", build levels. This module is part of the
agent: standard library only, Python 3.8.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    Record = Mapping[str, Any]

LEVELS = ("L1", "L2", "L3")
BUILD_TYPE = "urn:jenkins-notary:jenkins-build:v1"
_EXTENSION = "jenkinsNotary_record"
_COUNTING = "enrolled"
_TOLD = 5
_ISOLATION = (
    "nothing here shows that builds cannot reach one another on their agents, nor the "
    "controller: SLSA asks for isolated, ephemeral nodes"
)


def assess_build(records: Sequence[Record]) -> dict[str, Any]:
    """Return the level of a build, from the JSON form of all its records."""
    evidence = _Evidence(records)
    checks = [
        *({"level": "L1", **one} for one in _check_first(evidence)),
        *({"level": "L2", **one} for one in _check_second(evidence)),
        {
            "level": "L3",
            "what": "builds are isolated",
            "ok": False,
            "found": _ISOLATION,
        },
    ]
    failed = [one for one in checks if not one["ok"]]
    following = failed[0]["level"]
    place = LEVELS.index(following)
    level = LEVELS[place - 1] if place else None
    because = [one["found"] for one in failed if one["level"] == following]
    head = "no SLSA build level" if level is None else f"SLSA Build {level}"
    return {
        "level": level,
        "text": f"{head}; {following} not claimed: because {'; '.join(because)}",
        "next": following,
        "because": because,
        "artifacts": [] if level is None else evidence.artifacts,
        "checks": checks,
    }


def find_corroborations(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return what corroborations say of a build, the oldest first.

    Returns:
        ``index``, ``verdict``, ``claims``, ``fields``, ``artifacts``, ``counts`` each;
        only of records by signers that count.
    """
    return [
        {
            "index": one.get("index"),
            "verdict": said.get("verdict"),
            "claims": _list(said.get("claims")),
            "fields": _objects(said.get("fields")),
            "artifacts": _objects(said.get("artifacts")),
            "counts": _object(said.get("counts")),
        }
        for one in records
        if one.get("type") == "corroboration" and one.get("standing") == _COUNTING
        for said in [_object(one.get("predicate"))]
    ]


class _Evidence:
    """What the records of a build hold, as the checks need it.

    Attributes:
        provenance: The newest that was read from a controller, or None.
        facts: What it says under this project's own key.
        outer: Its ``externalParameters``.
        inner: Its ``internalParameters``.
        artifacts: Digests of the archived artifacts.
        claims: Indexes of the notarizations.
        corroborations: See :func:`find_corroborations`.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        counting = [one for one in records if one.get("standing") == _COUNTING]
        found = [one for one in counting if _is_read(one)]
        self.provenance = found[-1] if found else None
        predicate = _object(self.provenance and self.provenance.get("predicate"))
        self.facts = _object(predicate.get(_EXTENSION))
        self.definition = _object(predicate.get("buildDefinition"))
        self.outer = _object(self.definition.get("externalParameters"))
        self.inner = _object(self.definition.get("internalParameters"))
        self.artifacts = [
            f"sha256:{_object(subject.get('digest')).get('sha256')}"
            for one in found
            if _call_of(one) == self.facts.get("recordId")
            for subject in _objects(one.get("subjects"))
            if self.facts.get("sizes")
        ]
        self.claims = [
            one.get("index")
            for one in records
            if one.get("type") == "notarization"
            and one.get("standing") in {_COUNTING, "not enrolled"}
        ]
        self.corroborations = find_corroborations(records)

    @property
    def commits(self) -> list[str]:
        """Return the commits that the build was made from."""
        listed = _objects(self.definition.get("resolvedDependencies"))
        digests = [_object(one.get("digest")) for one in listed]
        return [str(one["gitCommit"]) for one in digests if "gitCommit" in one]

    @property
    def script_sha256(self) -> object:
        """Return the digest of the script that ran, None where it is not known."""
        return _object(self.outer.get("script")).get("sha256")


def _check_first(evidence: _Evidence) -> Iterator[dict[str, Any]]:
    """Yield the checks of Build L1: provenance exists and says how it was built."""
    index = None if evidence.provenance is None else evidence.provenance.get("index")
    yield _check(
        "provenance that was read from the controller",
        good=None if index is None else f"record #{index}",
        bad="no provenance of this build was read from its controller",
    )
    open_gaps = sorted(str(one) for one in _object(evidence.facts.get("gaps")))
    yield _check(
        "it is whole",
        good=None if open_gaps or index is None else "no gaps",
        bad=f"of the build was not read: {', '.join(open_gaps) or 'anything'}",
    )
    source = evidence.commits[:1] or (
        [f"script sha256:{evidence.script_sha256}"] if evidence.script_sha256 else []
    )
    yield _check(
        "what was built is named: a commit or the script",
        good=source[0] if source else None,
        bad="neither a commit nor the script that ran is known",
    )
    yield _check(
        "artifacts were hashed from the controller's archive",
        good=f"{len(evidence.artifacts)}" if evidence.artifacts else None,
        bad="the build has archived no artifact",
    )


def _check_second(evidence: _Evidence) -> Iterator[dict[str, Any]]:
    """Yield the checks of Build L2: authentic, and made by the control plane."""
    facts = evidence.facts
    yield _check(
        "the signing key is out of builds' reach",
        good="a service records" if facts.get("recorder") == "service" else None,
        bad="it was not recorded by a service: builds may reach the key that signs",
    )
    controller = _object(_object(facts.get("build")).get("controller"))
    identity = controller.get("identity")
    yield _check(
        "the controller is known by its key",
        good=f"identity {str(identity)[:16]}" if identity else None,
        bad="the controller shows no instance identity",
    )
    yield _check_nodes(evidence)
    yield _check_script(evidence)
    yield _check_claims(evidence)


def _check_nodes(evidence: _Evidence) -> dict[str, Any]:
    """Return the check that no part of the build ran beside the control plane."""
    nodes = _objects(evidence.inner.get("node"))
    own = [one for one in nodes if one.get("builtIn") is not False]
    bad = "the nodes are not known: only the hook tells them"
    if own:
        bad = "it ran on the controller's own node, where it can reach the controller"
    names = ", ".join(str(one.get("name")) for one in nodes[:_TOLD])
    return _check(
        "no part of it ran on the controller",
        good=f"ran on {names}" if nodes and not own else None,
        bad=bad,
    )


def _check_script(evidence: _Evidence) -> dict[str, Any]:
    """Return the check that what ran is what the job says, or known exactly."""
    is_replay = _object(evidence.inner.get("replay")).get("isReplay") is True
    sources = _object(evidence.facts.get("sources"))
    # A cause tells of a replay only as long as the API is what tells it.
    is_known = "replay" in sources or evidence.inner.get("kind") != "WorkflowRun"
    bad = "it is a replay: somebody wrote its script at hand"
    if not is_replay:
        bad = "whether it is a replay is not known: only the hook tells"
    good = "no replay" if is_known and not is_replay else None
    return _check("it ran what its job says", good=good, bad=bad)


def _check_claims(evidence: _Evidence) -> dict[str, Any]:
    """Return the check that what was claimed of it was held to the controller."""
    compared = {index for one in evidence.corroborations for index in one["claims"]}
    left = [index for index in evidence.claims if index not in compared]
    differing = [
        one["index"] for one in evidence.corroborations if one["verdict"] == "differs"
    ]
    bad = ""
    if left:
        listed = ", ".join(f"#{index}" for index in left[:_TOLD])
        bad = f"what was claimed in {listed} was not held to the controller"
    if differing:
        bad = f"what was claimed differs from the controller: see #{differing[0]}"
    good = f"{len(evidence.claims)} records with claims, none differs"
    return _check(
        "claims were held to the controller", good=None if bad else good, bad=bad
    )


def _check(what: str, *, good: str | None, bad: str) -> dict[str, Any]:
    """Return one check: what was found, or what is against it."""
    return {
        "what": what,
        "ok": good is not None,
        "found": bad if good is None else good,
    }


def _is_read(record: Record) -> bool:
    """Return whether a record is a provenance that was read from a controller."""
    predicate = _object(record.get("predicate"))
    definition = _object(predicate.get("buildDefinition"))
    return (
        record.get("type") == "provenance"
        and definition.get("buildType") == BUILD_TYPE
        and "sources" in _object(predicate.get(_EXTENSION))
    )


def _call_of(record: Record) -> object:
    """Return the id that the parts of one provenance share."""
    return _object(_object(record.get("predicate")).get(_EXTENSION)).get("recordId")


def _object(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    """Return a JSON list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a list."""
    return [one for one in _list(value) if isinstance(one, dict)]

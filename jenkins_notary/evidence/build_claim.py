"""Read what a record claims of a Jenkins build, as texts by the field.

A *claim* is a record that somebody else than the controller's reader made: a
notarization by a step, which has the build's environment and digests, or a provenance
that a client signed. What controllers tell is brought into the same texts, so that the
two can be compared (``corroboration``).
"""

from __future__ import annotations

from jenkins_notary.evidence.build_info import clean_causes, clean_parameters
from jenkins_notary.evidence.provenance import BUILD_TYPE
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.jobid import JobId

    Texts: TypeAlias = tuple[str, ...]

MAX_TEXTS = 100
MAX_TEXT = 500
BUILT_IN = "built-in"


class ClaimedAsset(NamedTuple):
    """One digest that a record claims for a build.

    Attributes:
        name: As recorded.
        kind: The asset's kind.
        sha256_hex: Its own digest.
    """

    name: str
    kind: str
    sha256_hex: str


class BuildClaim(NamedTuple):
    """What one record claims of its build.

    Attributes:
        index: The record's.
        at_ms: When it was committed.
        fields: What it claims, by the field; only those that it claims.
        assets: The digests that it claims.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    at_ms: int
    fields: Mapping[str, Texts]
    assets: tuple[ClaimedAsset, ...]


def read_claim(record: ProvenRecord, own_signer: str) -> BuildClaim | None:
    """Return what a record claims of a Jenkins build, None for no claim.

    Args:
        record: A proven record with a job.
        own_signer: The signer of what is read from controllers: its provenance is no
            claim, but what claims are held to.
    """
    statement = record.statement
    if statement is None or statement.job_id is None:
        return None
    if statement.type == "notarization":
        job = statement.facts["job"]
        if job.get("ci", "jenkins") != "jenkins":
            return None
        fields, assets = _read_environment(job), _read_assets(record)
    elif statement.type == "provenance" and record.leaf.signer != own_signer:
        fields = _read_provenance(statement.predicate)
        assets = [
            ClaimedAsset(one.name, "file", one.sha256_hex) for one in statement.subjects
        ]
    else:
        return None
    bounded = {
        name: tuple(text[:MAX_TEXT] for text in texts[:MAX_TEXTS])
        for name, texts in fields.items()
        if texts
    }
    return BuildClaim(record.index, record.leaf.at_ms, bounded, tuple(assets))


def _read_environment(job: Mapping[str, Any]) -> dict[str, Texts]:
    """Return the fields that a step's environment claims."""
    found = job.get("environment")
    environment = found if isinstance(found, dict) else {}

    def texts(*names: str) -> Texts:
        values = [environment.get(name) for name in names]
        return unique(one for one in values if isinstance(one, str) and one)

    name, number = environment.get("JOB_NAME"), environment.get("BUILD_NUMBER")
    return {
        "build": (f"{name}#{number}",) if name and number else (),
        "commit": texts("GIT_COMMIT"),
        "branch": texts("BRANCH_NAME", "GIT_BRANCH"),
        "node": texts("NODE_NAME"),
    }


def _read_assets(record: ProvenRecord) -> list[ClaimedAsset]:
    """Return the assets of a notarization, each by its own digest."""
    assert record.statement is not None  # noqa: S101 - the caller read it
    subjects = record.statement.subjects
    listed = record.statement.predicate.get("assets")
    found = []
    for one in listed if isinstance(listed, list) else ():
        places = one.get("subjects") if isinstance(one, dict) else None
        first = places[0] if isinstance(places, list) and places else None
        if type(first) is int and 0 <= first < len(subjects):
            subject = subjects[first]
            name, kind = str(one.get("name", subject.name)), str(one.get("kind", ""))
            found.append(ClaimedAsset(name, kind, subject.sha256_hex))
    return found


def _read_provenance(predicate: Mapping[str, Any]) -> dict[str, Texts]:
    """Return the fields that a client's provenance claims."""
    definition = _object(predicate.get("buildDefinition"))
    listed = definition.get("resolvedDependencies")
    commits = [
        _object(one.get("digest")).get("gitCommit")
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and one.get("name", "source") == "source"
    ]
    fields = {"commit": unique(one for one in commits if isinstance(one, str))}
    if definition.get("buildType") != BUILD_TYPE:
        return fields
    outer = _object(definition.get("externalParameters"))
    inner = _object(definition.get("internalParameters"))
    result, nodes = inner.get("result"), inner.get("node")
    causes, parameters = inner.get("causes"), outer.get("parameters")
    return {
        **fields,
        "cause": unique(map(describe_cause, _clean_told(causes))),
        "parameters": tuple(map(describe_parameter, clean_parameters(parameters))),
        "result": (result,) if isinstance(result, str) else (),
        "node": tuple(
            str(one.get("name", ""))
            for one in (nodes if isinstance(nodes, list) else ())
            if isinstance(one, dict)
        ),
    }


def _clean_told(causes: object) -> Iterator[Mapping[str, Any]]:
    """Yield causes that a provenance tells, in the form that the API's are read to."""
    for one in causes if isinstance(causes, list) else ():
        if isinstance(one, dict):
            told = {**_object(one.get("upstream")), **one}
            value = {
                "_class": one.get("kind"),
                "userId": one.get("user"),
                "upstreamProject": told.get("job"),
                "upstreamBuild": told.get("build"),
            }
            yield from clean_causes([value])


def describe_cause(cause: Mapping[str, Any]) -> str:
    """Return a cause in one text.

    >>> describe_cause({"kind": "UserIdCause", "user": "ann"})
    'UserIdCause ann'
    """
    upstream = _object(cause.get("upstream"))
    about = f"{upstream.get('job')}#{upstream.get('build')}" if upstream else ""
    about = about or str(cause.get("user", ""))
    return f"{cause.get('kind', 'Cause')} {about}".strip()[:MAX_TEXT]


def describe_parameter(parameter: Mapping[str, Any]) -> str:
    """Return a parameter in one text, a secret one by its name alone."""
    name = str(parameter.get("name"))
    text = (
        hide_value(name) if parameter.get("secret") else f"{name}={parameter['value']}"
    )
    return text[:MAX_TEXT]


def hide_value(name: str) -> str:
    """Return a parameter whose value is not told."""
    return f"{name} (secret)"


def plain_branch(name: str) -> str:
    """Return a branch without what a checkout puts before it.

    >>> plain_branch("refs/remotes/origin/main"), plain_branch("feature/x")
    ('main', 'feature/x')
    """
    for prefix in ("refs/remotes/", "refs/heads/", "origin/"):
        name = name.removeprefix(prefix)
    return name


def plain_node(name: str) -> str:
    """Return a node's name; the controller's own node has had several."""
    return BUILT_IN if name in {"", "master"} else name


def name_build(job: JobId) -> str:
    """Return a build without its controller."""
    return format_job_id(job._replace(instance=None))


def unique(texts: Iterable[str]) -> Texts:
    """Return texts in order, each once."""
    return tuple(dict.fromkeys(texts))


def _object(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}

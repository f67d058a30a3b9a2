"""Parse and format job ids: ``[<instance>:]<full name>#<build number>``.

>>> parse_job_id("ci.example.com:payments/api/main#42")
JobId(instance='ci.example.com', name='payments/api/main', number=42)
>>> format_job_id(JobId(None, "payments/api/feature%2Fx", 7))
'payments/api/feature%2Fx#7'

Every form that Jenkins hands out and that can be reversed is read: the id itself,
a build's URL (classic, with views, a context path, a trailing page, a redirect of
Display URL) and a Blue Ocean URL. A URL is decoded once, so a multibranch job keeps
the name that Jenkins gives it:

>>> parse_job_id("https://ci.example.com/ci/job/payments/job/feature%252Fx/42/console")
JobId(instance='ci.example.com', name='payments/feature%2Fx', number=42)

``BUILD_TAG`` (``jenkins-payments-main-42``) joins names by a dash that names may
hold, so it cannot be reversed and is refused. GitLab's id is
``<project path>#<CI_JOB_ID>``, that of GitHub and Azure Pipelines alike.

Source: Jenkins core ``Jenkins.checkGoodName`` (``:`` and ``#`` never stand in an
item's name), ``Run.getUrl``; Blue Ocean's organization routes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.urls import scrub_url

_INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff:#?*\\<>|]")
_BLUE_OCEAN = ["blue", "organizations"]
MAX_NAME_BYTES = 1024
MAX_SEGMENTS = 64


class JobId(NamedTuple):
    """One build's name.

    Attributes:
        instance: The enrolled slug of the controller, lower case, or None when the
            caller left it out: a lookup then searches all.
        name: The full name as Jenkins has it, segments joined by ``/``.
        number: The build number, from 1.
    """

    instance: str | None
    name: str
    number: int


def parse_job_id(text: str) -> JobId:
    """Return the job id in any of the forms that can be reversed.

    Args:
        text: A job id, or the URL of a build.

    Returns:
        The job id.

    Raises:
        UsageError: Malformed, or a form that does not name one build.
    """
    if "://" in text[:16]:
        return _parse_url(text)
    head, mark, number = text.rpartition("#")
    if not mark:
        raise _malformed(text, "a build number behind '#'")
    instance, colon, name = head.rpartition(":")
    if colon and not _INSTANCE.fullmatch(instance):
        raise _malformed(text, "an instance of letters, digits, '.' and '-'")
    if not _NUMBER.fullmatch(number):
        raise _malformed(text, "a build number from 1 behind '#'")
    check_job_name(name, subject=text)
    return JobId(instance if colon else None, name, int(number))


def format_job_id(job: JobId) -> str:
    """Return the job id's text; inverse of :func:`parse_job_id`."""
    where = f"{job.instance}:" if job.instance else ""
    return f"{where}{job.name}#{job.number}"


def check_job_name(name: str, *, subject: str | None = None) -> None:
    """Check a full name: segments joined by ``/``, none empty, ``.`` or ``..``.

    Args:
        name: The full name.
        subject: What the name was part of, for the message; the name itself if None.

    Raises:
        UsageError: Malformed or too long.
    """
    # Only names of a bounded length are remembered.
    find_fault = _find_fault if len(name) > MAX_NAME_BYTES else _find_known_fault
    expected = find_fault(name)
    if expected is not None:
        raise _malformed(name if subject is None else subject, expected)


def parse_job_prefix(text: str) -> tuple[str | None, str]:
    """Return (instance or None, name) of a job or folder whose builds are meant.

    ``payments`` and ``payments/*`` mean the job and all below it; segments are
    whole, so neither means ``payments-evil``.

    >>> parse_job_prefix("ci.example.com:payments/*")
    ('ci.example.com', 'payments')

    Raises:
        UsageError: Malformed.
    """
    instance, colon, name = text.rpartition(":")
    if colon and not _INSTANCE.fullmatch(instance):
        raise _malformed(text, "an instance of letters, digits, '.' and '-'")
    folder = name[:-2] if name.endswith("/*") else name
    check_job_name(folder.rstrip("/"), subject=text)
    return (instance if colon else None, folder.rstrip("/"))


def format_instance(url: str) -> str:
    """Return the default instance of a controller's URL: its host and port.

    >>> format_instance("https://CI.example.com:8443/jenkins/")
    'ci.example.com-8443'

    Raises:
        UsageError: No http(s) URL with a host.
    """
    matched = re.match(
        r"https?://(?:[^/?#]*@)?(\[[0-9a-fA-F:.]+\]|[^/:?#@]+)(?::([0-9]+))?(?:[/?#]|$)",
        url,
    )
    # Lower-casing makes ASCII of some other letters: a host is ASCII before it.
    if not matched or not matched[1].isascii():
        raise UsageError("controller URL", expected="http(s)://host[:port]/")
    host = matched[1].strip("[]").replace(":", "-").lower()
    instance = host + (f"-{matched[2]}" if matched[2] else "")
    if not _INSTANCE.fullmatch(instance):
        raise UsageError("controller URL", expected="a plain host name", got=host[:80])
    return instance


def _find_fault(name: str) -> str | None:
    """Return what a full name should be instead, None for a good one."""
    if _FORBIDDEN.search(name):
        return "a name without control characters and :#?*\\<>|"
    segments = name.split("/")
    if any(part.strip() in {"", ".", ".."} for part in segments):
        return "a name without empty, '.' or '..' segments"
    if len(name.encode()) > MAX_NAME_BYTES or len(segments) > MAX_SEGMENTS:
        return f"a name of at most {MAX_NAME_BYTES} bytes"
    return None


# A ledger names the same jobs again and again.
_find_known_fault = lru_cache(maxsize=4096)(_find_fault)


def _parse_url(url: str) -> JobId:
    """Return the job id of a build's URL."""
    path = url.split("://", 1)[1].split("?", 1)[0].split("#", 1)[0]
    segments = path.split("/")[1:]
    # A context path, if any, stands before it; a job may be named "blue" too.
    starts = [at for at in (0, 1) if segments[at : at + 2] == _BLUE_OCEAN]
    if starts:
        names, number = _read_blue_ocean(segments[starts[0] + 2 :], url)
    else:
        names, number = _read_classic(segments, url)
    if not names or not _NUMBER.fullmatch(number):
        raise _malformed(url, "the URL of one build, .../job/NAME/NUMBER/")
    name = "/".join(names)
    check_job_name(name, subject=url)
    return JobId(format_instance(url), name, int(number))


def _read_classic(segments: list[str], url: str) -> tuple[list[str], str]:
    """Return (name segments, number) of a URL ``.../job/FOLDER/job/NAME/NUMBER/``."""
    names: list[str] = []
    place = 0
    while place < len(segments) and segments[place] != "job":
        # A view may be named "job".
        place += 2 if segments[place] == "view" else 1
    while segments[place : place + 1] == ["job"] and place + 1 < len(segments):
        name = _decode(segments[place + 1], url)
        if "/" in name:
            raise _malformed(
                url, "segments without '%2F': in a URL Jenkins writes '%252F'"
            )
        names.append(name)
        place = _skip_views(segments, place + 2)
    return names, segments[place] if place < len(segments) else ""


def _decode(segment: str, url: str) -> str:
    """Return a segment decoded once; what is no UTF-8 names no job."""
    from urllib.parse import unquote  # Only for URLs: it costs cold start.

    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise _malformed(url, "a path in UTF-8") from error


def _skip_views(segments: list[str], place: int) -> int:
    """Return the place behind ``view/NAME`` pairs, which are no part of a name."""
    while segments[place : place + 1] == ["view"]:
        place += 2
    return place


def _read_blue_ocean(segments: list[str], url: str) -> tuple[list[str], str]:
    """Return (name segments, number) of what follows ``blue/organizations``.

    A branch stands there by its own name; the job of branch ``feature/x`` is named
    ``feature%2Fx``.
    """
    if len(segments) < 5 or segments[2] != "detail":
        raise _malformed(url, ".../ORGANIZATION/PIPELINE/detail/BRANCH/NUMBER/")
    names = _decode(segments[1], url).split("/")
    branch = _decode(segments[3], url)
    # A plain Pipeline job repeats its own name where a branch would stand.
    if branch != names[-1]:
        names.append(branch.replace("/", "%2F"))
    return names, segments[4]


def _malformed(text: str, expected: str) -> UsageError:
    """Return the one error of this module."""
    return UsageError(
        f"job id {scrub_url(text)[:120]!r}",
        expected=expected,
        advice="write [INSTANCE:]FULL/NAME#NUMBER or the build's URL",
    )

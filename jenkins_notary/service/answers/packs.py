"""Give out packs, as they are made: what a token may see, and nothing of the rest.

Whatever is asked for is decided before the first byte is sent, so a refusal has its
status; a fault behind that cuts the answer short, which every verifier notices.
"""

from __future__ import annotations

from jenkins_notary.api.packs.making import make_pack
from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.evidence.pack_head import (
    BUILD,
    PERIOD,
    RELEASE,
    Selection,
    suggest_name,
)
from jenkins_notary.service.access.rules import check_job
from jenkins_notary.service.answers.handlers import within
from jenkins_notary.service.http.asks import check_known, text_of
from jenkins_notary.serving.replies import Reply
from jenkins_notary.values.jobid import (
    JobId,
    format_job_id,
    parse_job_id,
    parse_job_prefix,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.answers.handlers import Call

PIECE = 64 << 10
_ASKED = frozenset(
    {*("job", "started", "release", "folder", "since", "until"), "bodies"}
)


def give_pack(call: Call) -> Reply:
    """Return the pack of a build, a release or a period."""
    check_known(call.query, _ASKED)
    job, release = (text_of(call.query, key, 4096) for key in ("job", "release"))
    selection = Selection(
        PERIOD
        if job is None and release is None
        else RELEASE
        if job is None
        else BUILD,
        None if job is None else within(call.who, format_job_id(parse_job_id(job))),
        text_of(call.query, "started", 100),
        release,
        text_of(call.query, "folder", 4096),
        text_of(call.query, "since", 100),
        text_of(call.query, "until", 100),
    )
    _check_folder(call.who, selection)
    pieces = make_pack(
        call.session,
        selection,
        sees=call.who.sees,
        with_bodies=text_of(call.query, "bodies", 10) != "false",
    )
    name = suggest_name(selection)
    return Reply(
        _join(pieces),
        "application/x-tar",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _check_folder(who: Principal, selection: Selection) -> None:
    """Check that a token may ask for a folder, or for all of them.

    Raises:
        PermissionDeniedError: It may not.
    """
    if selection.folder is not None:
        instance, name = parse_job_prefix(selection.folder)
        check_job(who, format_job_id(JobId(instance, name, 1)))
    elif selection.kind == PERIOD and who.scopes:
        raise PermissionDeniedError(
            who.title,
            expected="a folder, for a period of all of them is not its to see",
            got="none",
            advice="ask with folder=NAME",
        )


def _join(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield larger pieces: each costs a change of threads."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)

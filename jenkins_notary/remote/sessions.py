"""Prove to a service that this program runs in the build that it speaks of.

In a Jenkins build, and of that build alone, a session is opened before the first record
is sent. The service gives a nonce, which is printed on standard error: from there it
gets into the build's own log, where the service finds it. With an id token of the
oidc-provider plugin (``JENKINS_NOTARY_ID_TOKEN``) nothing needs to be printed.

The session is kept for the further steps of the build, in the folder ``WORKSPACE_TMP``
and a file of mode 0600: only the first step waits for its proof. Where the service has
none to give (an older one, or one without access to Jenkins) records are sent without,
and say that they are only asserted.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat

from jenkins_notary.errors import NotFoundError, PermissionDeniedError, UnavailableError
from jenkins_notary.values.claim import describe_job
from jenkins_notary.whole_file import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from jenkins_notary.remote.service import Service

_NONCE = re.compile(r"[0-9a-f]{32}")
_SESSION = re.compile(r"[0-9a-f]{16}\.[A-Za-z0-9_-]{20,100}")
_MAX_FILE = 200


class BuildSession:
    """The session of the build that this program runs in."""

    def __init__(
        self,
        service: Service,
        environ: Mapping[str, str],
        announce: Callable[[str], object],
        notify: Callable[[str], object],
    ) -> None:
        """Open nothing yet.

        Args:
            service: The service.
            environ: The environment of the build.
            announce: Prints a line that gets into the build's log.
            notify: Called with one-line notices.
        """
        self._service = service
        self._environ = environ
        self._announce = announce
        self._notify = notify

    def post(
        self,
        path: str,
        value: Mapping[str, object],
        job: Mapping[str, Any] | None,
        *,
        meanwhile: Callable[[], object] = bool,
    ) -> Mapping[str, Any]:
        """Return the answer to what is sent, as this build if it is about this build.

        Raises:
            NotaryError: See ``Service.post``.
        """
        own = self._find_own(job)
        if own is None:
            return self._service.post(path, value, meanwhile=meanwhile)
        file = self._find_file(own)
        text = None if file is None else _read(file)
        if text is not None:
            try:
                return self._service.post(
                    path, value, meanwhile=meanwhile, session=text
                )
            except PermissionDeniedError as error:
                # That of another build in the same workspace, or of another token.
                if error.subject != "session":
                    raise
        text = self._begin(own)
        answer = self._service.post(path, value, meanwhile=meanwhile, session=text)
        if text is not None and file is not None:
            _write(file, text)
        return answer

    def _find_own(self, job: Mapping[str, Any] | None) -> str | None:
        """Return the job id if it is this Jenkins build's, else None."""
        if job is None or job.get("ci") != "jenkins":
            return None
        own = describe_job(self._environ, None)
        is_own = own is not None and own["id"] == job["id"]
        return str(job["id"]) if is_own else None

    def _begin(self, job: str) -> str | None:
        """Open a session and print its line; None where there is none to be had."""
        token = self._environ.get("JENKINS_NOTARY_ID_TOKEN") or None
        asked = {"job": job} if token is None else {"job": job, "idToken": token}
        try:
            answer = self._service.post("/sessions", asked)
        except NotFoundError:
            # A service of before there were sessions.
            return None
        text, nonce = answer.get("session"), answer.get("nonce")
        if text is None:
            self._notify(
                "this build cannot prove which one it is: "
                f"{str(answer.get('reason'))[:300]}"
            )
            return None
        is_line = nonce is None or (isinstance(nonce, str) and _NONCE.fullmatch(nonce))
        if not isinstance(text, str) or not _SESSION.fullmatch(text) or not is_line:
            raise UnavailableError(
                self._service.url, expected="a session", got="something else"
            )
        if nonce is not None:
            # Nothing else of the answer is printed: it would stand in the log.
            self._announce(f"session {nonce}")
        return text

    def _find_file(self, job: str) -> str | None:
        """Return where the session is kept; None where there is no such place."""
        folder = self._environ.get("WORKSPACE_TMP", "")
        if not os.path.isabs(folder) or not os.path.isdir(folder):
            return None
        name = hashlib.sha256(f"{self._service.url}\n{job}".encode()).hexdigest()[:16]
        return os.path.join(folder, f"jenkins-notary-session-{name}")


def _read(path: str) -> str | None:
    """Return the session that a file of this user alone holds; None for none."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        mode = os.fstat(descriptor).st_mode
        is_private = os.name != "posix" or not mode & 0o077
        data = os.read(descriptor, _MAX_FILE) if stat.S_ISREG(mode) else b""
    except OSError:
        return None
    finally:
        os.close(descriptor)
    text = data.decode("latin-1")
    return text if is_private and _SESSION.fullmatch(text) else None


def _write(path: str, text: str) -> None:
    """Keep a session in a file of this user alone; else each step has its own."""
    try:
        replace_file(path, [text.encode("ascii")], sync=False)
    except OSError:
        return

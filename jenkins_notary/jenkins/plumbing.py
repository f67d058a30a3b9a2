"""Send requests through python-jenkins, with its traps taken out.

Its session, login, URL forms and calls are used as they are. Undone here, each with a
test of its own:

- ``JENKINS_API_EXTRA_HEADERS`` is neither sent nor logged (it logs the values);
- ``PYTHONHTTPSVERIFY=0`` does not switch certificate checks off;
- no request goes without a time-out, none follows a redirect, none fetches a crumb
  (a GET needs none), none tries Kerberos where that is installed;
- no login comes from ``.netrc``, no cookie is kept;
- no status becomes an exception that hides it, and no body is read unasked: 401, 403
  and 500 are told apart by :mod:`jenkins_notary.jenkins.transport`, which bounds the
  body too, also for python-jenkins' own calls.

Source: python-jenkins 1.8.3, ``jenkins/__init__.py``; requests 2.32, ``sessions.py``.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy

import jenkins
import requests

from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jenkins_notary.jenkins.access import Access

_TRAPS = ("JENKINS_API_EXTRA_HEADERS", "PYTHONHTTPSVERIFY")
_ENVIRON_LOCK = threading.Lock()


class Plumbing(jenkins.Jenkins):  # type: ignore[misc]  # python-jenkins has no types.
    """python-jenkins' client for one controller; see this module."""

    def __init__(
        self,
        access: Access,
        *,
        connect_s: float,
        read_s: float,
        read_text: Callable[[str], str],
    ) -> None:
        """Prepare a session; nothing is sent.

        Args:
            access: The controller.
            connect_s: Seconds to connect.
            read_s: Seconds to wait for the next bytes.
            read_text: Fetches the text of a URL for python-jenkins' own calls.
        """
        with _hidden(_TRAPS):
            super().__init__(
                access.url, access.user, access.token, timeout=(connect_s, read_s)
            )
        del self._auths[1:]
        self._auths[0] = ("ours", self._auths[0][1] or _NoLogin())
        self._read_text = read_text
        self._session = _make_session(access.ca_file)

    def send(self, url: str, accept: str) -> requests.Response:
        """Send one GET; return the answer, whatever its status, its body unread."""
        request = requests.Request("GET", url, headers={"Accept": accept})
        answer: requests.Response = self.jenkins_request(
            request, add_crumb=False, stream=True
        )
        return answer

    def job_path(self, name: str) -> str:
        """Return ``job/FOLDER/job/NAME/`` of a full name, quoted for a URL."""
        folder_url, short_name = self._get_job_folder(name)
        quoted = self._get_encoded_params(
            {"folder_url": folder_url, "short_name": short_name}
        )
        return f"{quoted['folder_url']}job/{quoted['short_name']}/"

    def jenkins_open(self, req: requests.Request, **_: object) -> str:
        """Return a bounded text: what python-jenkins' own calls read."""
        return self._read_text(self._session.prepare_request(req).url or "")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _request(
        self,
        req: requests.Request,
        stream: bool | None = None,  # noqa: FBT001 - python-jenkins passes it so
    ) -> requests.Response:
        prepared = self._session.prepare_request(req)
        # Proxies and REQUESTS_CA_BUNDLE; a CA file of ours goes before the latter.
        settings = self._session.merge_environment_settings(
            prepared.url, {}, stream, self._session.verify, None
        )
        return self._session.send(
            prepared, timeout=self.timeout, allow_redirects=False, **settings
        )

    def _response_handler(self, response: requests.Response) -> requests.Response:
        return response


class _Session(requests.Session):
    """A session that leaves redirects alone.

    Even with ``allow_redirects=False`` the library reads a redirect's whole body into
    memory; told that there is no target, it does not.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Say that there is none."""
        return None


class _NoLogin(requests.auth.AuthBase):
    """Adds nothing: without any, the library looks into ``.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _make_session(ca_file: str | None) -> requests.Session:
    """Return the session that replaces python-jenkins' own."""
    session = _Session()
    session.verify = ca_file or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = f"jenkins-notary/{VERSION}"
    # What is hashed must be what is served: no compression on the way.
    session.headers["Accept-Encoding"] = "identity"
    return session


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Hide environment variables while the library's constructor reads them."""
    with _ENVIRON_LOCK:
        held = {name: os.environ.pop(name) for name in names if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(held)

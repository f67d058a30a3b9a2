"""Find the API server that is meant, by a kubeconfig file or a pod's account.

The forms stand in :mod:`~jenkins_notary.kubernetes.access`.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time

from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.kubernetes.access import (
    ACCOUNT_FOLDER,
    MAX_FILE_BYTES,
    Access,
    Identity,
    check_server,
    decode_data,
    load_account,
    read_credential,
    read_text,
)
from jenkins_notary.plain_yaml import read_plain_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

EXEC_S = 60
_REFRESH_S = 60.0
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def find_access(
    environ: Mapping[str, str],
    kubeconfig: str | None = None,
    *,
    context: str | None = None,
    account_folder: str = ACCOUNT_FOLDER,
) -> Access:
    """Return the API server that is meant.

    Args:
        environ: The environment.
        kubeconfig: A file that was named, or None.
        context: The context in it, or None for the current one.
        account_folder: Where a pod's service account is mounted.

    Raises:
        ConfigurationError: None is found, or what is found cannot be used.
    """
    named = kubeconfig or environ.get("KUBECONFIG", "").partition(os.pathsep)[0]
    if named:
        return load_kubeconfig(named, context, environ)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return load_account(environ, account_folder)
    default = os.path.join(environ.get("HOME", ""), ".kube", "config")
    if environ.get("HOME") and os.path.exists(default):
        return load_kubeconfig(default, context, environ)
    raise ConfigurationError(
        "Kubernetes",
        expected="an API server",
        got="no pod's service account and no kubeconfig",
        advice="name one: --kubeconfig FILE",
    )


def load_kubeconfig(
    path: str, context: str | None, environ: Mapping[str, str]
) -> Access:
    """Return the API server of a context in a file.

    Args:
        path: The file.
        context: Its name, or None for the current one.
        environ: The environment, for a program that gives tokens.

    Raises:
        ConfigurationError: The file is malformed, or what it says is not done here.
    """
    root = _load(path)
    name = root.get("current-context") if context is None else context
    chosen = _find(root, "context", name, path)
    cluster = _find(root, "cluster", chosen.get("cluster"), path)
    user = _find(root, "user", chosen.get("user"), path)
    where, folder = f"kubeconfig {path}", os.path.dirname(os.path.abspath(path))
    if cluster.get("insecure-skip-tls-verify"):
        raise ConfigurationError(
            where,
            expected="a server whose certificate is checked",
            got="insecure-skip-tls-verify",
            advice="name its authority: certificate-authority",
        )
    data = cluster.get("certificate-authority-data")
    namespace, server_name = chosen.get("namespace"), cluster.get("tls-server-name")
    return Access(
        check_server(cluster.get("server"), where),
        _path(folder, cluster.get("certificate-authority")),
        None if data is None else decode_data(data, where).decode("ascii", "replace"),
        server_name if isinstance(server_name, str) else None,
        _identify(user, folder, where, environ),
        namespace if isinstance(namespace, str) else "default",
    )


def _load(path: str) -> Mapping[str, Any]:
    """Return a file's YAML mapping."""
    where = f"kubeconfig {path}"
    root = read_plain_file(path, where)
    if not isinstance(root, dict):
        raise ConfigurationError(where, expected="a mapping")
    return root


def _find(
    root: Mapping[str, Any], key: str, name: object, path: str
) -> Mapping[str, Any]:
    """Return the context, cluster or user of a name."""
    entries = root.get(f"{key}s")
    for one in entries if isinstance(entries, list) else ():
        if isinstance(one, dict) and name is not None and one.get("name") == name:
            found = one.get(key)
            return found if isinstance(found, dict) else {}
    raise ConfigurationError(
        f"kubeconfig {path}",
        expected=f"a {key} {str(name)[:80]!r} among its {key}s",
        advice="name a context: --kube-context NAME",
    )


def _identify(
    user: Mapping[str, Any], folder: str, where: str, environ: Mapping[str, str]
) -> Identity:
    """Return as whom a user of the file asks."""
    pem, pair = None, None
    if "client-certificate-data" in user:
        pem = (
            decode_data(user["client-certificate-data"], where),
            decode_data(user.get("client-key-data"), where),
        )
    elif "client-certificate" in user:
        paths = (
            _path(folder, user["client-certificate"]),
            _path(folder, user.get("client-key")),
        )
        if None in paths:
            raise ConfigurationError(where, expected="a certificate and its key")
        pair = (str(paths[0]), str(paths[1]))
    return Identity(_find_token(user, folder, where, environ), pair, pem)


def _find_token(
    user: Mapping[str, Any], folder: str, where: str, environ: Mapping[str, str]
) -> Callable[[bool], str | None]:
    """Return what gives a user's token."""
    token, file = user.get("token"), _path(folder, user.get("tokenFile"))
    if isinstance(token, str):
        plain = token.strip()
        if not plain or not plain.isascii() or not plain.isprintable():
            # What stands there is not repeated.
            raise ConfigurationError(where, expected="a token of one line, in ASCII")
        return lambda _: plain
    if file is not None:
        return lambda _: read_text(file, "token file")
    if isinstance(user.get("exec"), dict):
        return _Program(user["exec"], folder, where, environ)
    if "auth-provider" in user or "username" in user:
        raise ConfigurationError(
            where,
            expected="a user with a token, a certificate or exec",
            got="auth-provider" if "auth-provider" in user else "a password",
            advice="get credentials anew; for AKS: az aks get-credentials",
        )
    return lambda _: None


def _path(folder: str, value: object) -> str | None:
    """Return a path of the file, which is relative to its folder."""
    return os.path.join(folder, value) if isinstance(value, str) and value else None


class _Program:
    """A program that prints a token, which is kept until it is no longer valid."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        folder: str,
        where: str,
        environ: Mapping[str, str],
    ) -> None:
        """Check the program's command line; run nothing yet."""
        words = [spec.get("command"), *(spec.get("args") or ())]
        if not all(isinstance(one, str) and one for one in words):
            raise ConfigurationError(where, expected="exec with a command of words")
        if spec.get("apiVersion") not in _VERSIONS:
            raise ConfigurationError(where, expected=f"exec of {_VERSIONS[0]}")
        command = str(words[0])
        # As kubectl has it: a word with a slash is relative to the file.
        first = os.path.join(folder, command) if os.sep in command else command
        self._words: Sequence[str] = [first, *map(str, words[1:])]
        self._where = f"{where}: {command[:80]}"
        given = [one for one in spec.get("env") or () if isinstance(one, dict)]
        info = {"apiVersion": spec["apiVersion"], "kind": "ExecCredential"}
        self._environ = {
            **environ,
            **{str(one.get("name")): str(one.get("value")) for one in given},
            "KUBERNETES_EXEC_INFO": json.dumps(
                {**info, "spec": {"interactive": False}}
            ),
        }
        self._lock = threading.Lock()
        self._token: str | None = None
        self._until = 0.0

    def __call__(self, is_refused: bool) -> str:  # noqa: FBT001 - as Identity has it
        """Return the token; a new one if the old one was refused or is over."""
        with self._lock:
            if self._token is None or is_refused or time.time() > self._until:
                status = read_credential(self._run(), self._where)
                self._token = str(status["token"])
                self._until = _end_of(status.get("expirationTimestamp"))
            return self._token

    def _run(self) -> object:
        """Return the JSON that the program prints."""
        try:
            done = subprocess.run(
                self._words,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=EXEC_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise ConfigurationError(
                self._where, expected="a program that is installed", got="none"
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(
                self._where, expected=f"a token within {EXEC_S} s"
            ) from error
        try:
            return json.loads(done.stdout[:MAX_FILE_BYTES])
        except ValueError as error:
            raise UnavailableError(
                self._where,
                expected="an ExecCredential",
                got=f"exit code {done.returncode}",
                advice="run it by hand; log in at the provider first",
            ) from error


def _end_of(text: object) -> float:
    """Return when a token is renewed, in seconds since the epoch."""
    from datetime import datetime

    try:
        end = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        return float("inf")
    return end.timestamp() - _REFRESH_S

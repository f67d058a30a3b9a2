"""Say where an API server is, and as whom it is asked.

In a pod all of it comes from the service account that is mounted there, and from two
variables; elsewhere from a kubeconfig file (``--kubeconfig``, else ``KUBECONFIG``, else
``~/.kube/config``)::

    clusters: [{name: aks, cluster: {server: "https://aks.example.com:443",
                certificate-authority-data: LS0t...}}]
    users:    [{name: me, user: {token: ...}}]
    contexts: [{name: aks, context: {cluster: aks, user: me, namespace: shop}}]
    current-context: aks

Of a user ``token``, ``tokenFile``, ``client-certificate`` and ``client-key`` (a file or
``-data``) and ``exec`` are known: the program that cloud providers name there, which
prints a token. A token file is read anew for each request, for it is renewed while the
pod runs. The server's certificate is always checked: ``insecure-skip-tls-verify`` is
refused.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files";
client-go ``rest.InClusterConfig``; ``client.authentication.k8s.io/v1``.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from urllib.parse import urlsplit

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
MAX_FILE_BYTES = 1 << 20


class Identity(NamedTuple):
    """As whom the server is asked.

    Attributes:
        token: Returns the bearer token, None where there is none; called for each
            request. ``True`` asks for another one than before, if there can be one.
        certificate: Paths of PEM files (certificate, key), or None.
        pem: The same as bytes, or None.
    """

    token: Callable[[bool], str | None]
    certificate: tuple[str, str] | None = None
    pem: tuple[bytes, bytes] | None = None


class Access(NamedTuple):
    """One API server.

    Attributes:
        url: ``https://HOST:PORT``, without a slash at its end.
        ca_file: PEM file of the authorities that signed its certificate, or None.
        ca_pem: The same as text, or None; the system's authorities without both.
        server_name: The name in its certificate, where it is not the host.
        identity: As whom it is asked.
        namespace: The one that is meant where none is named.
    """

    url: str
    ca_file: str | None
    ca_pem: str | None
    server_name: str | None
    identity: Identity
    namespace: str

    def make_context(self) -> ssl.SSLContext:
        """Return the TLS settings, with all files read anew.

        Raises:
            ConfigurationError: A file of certificates cannot be used.
        """
        try:
            context = ssl.create_default_context(
                cafile=self.ca_file, cadata=self.ca_pem
            )
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.identity.certificate is not None:
                context.load_cert_chain(*self.identity.certificate)
            if self.identity.pem is not None:
                _load_pem(context, *self.identity.pem)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"certificates for {self.url}",
                expected="PEM files",
                got=getattr(error, "strerror", None) or type(error).__name__,
            ) from error
        return context


def load_account(environ: Mapping[str, str], folder: str = ACCOUNT_FOLDER) -> Access:
    """Return the API server of the cluster that this pod runs in.

    Raises:
        ConfigurationError: The service account is not mounted.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    token_file = os.path.join(folder, "token")
    read_text(token_file, "the service account's token")
    return Access(
        check_server(url, "KUBERNETES_SERVICE_HOST"),
        os.path.join(folder, "ca.crt"),
        None,
        None,
        Identity(lambda _: read_text(token_file, "the service account's token")),
        _read_namespace(folder),
    )


def check_server(url: object, where: str) -> str:
    """Return an API server's URL, without a slash at its end.

    Raises:
        ConfigurationError: It is none, or one without TLS.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        is_good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(where, expected="https://HOST:PORT of an API server")
    return str(url).rstrip("/")


def read_text(path: str, what: str) -> str:
    """Return the one line of a file, whose text is never shown.

    Raises:
        ConfigurationError: It cannot be read, or is no plain line.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES).strip()
    except OSError as error:
        raise ConfigurationError(
            f"{what}, {path}", expected="a file", got=error.strerror or "an error"
        ) from error
    if not data or not data.isascii() or not data.decode().isprintable():
        raise ConfigurationError(f"{what}, {path}", expected="one line of plain text")
    return data.decode()


def decode_data(text: object, where: str) -> bytes:
    """Return the bytes of a ``-data`` field.

    Raises:
        ConfigurationError: It is no base64.
    """
    try:
        return base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(where, expected="base64") from error


def read_credential(value: object, where: str) -> Any:  # noqa: ANN401 - JSON
    """Return the ``status`` of what a credential program printed.

    Raises:
        ConfigurationError: It is no ExecCredential with a token.
    """
    status = value.get("status") if isinstance(value, dict) else None
    token = status.get("token") if isinstance(status, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ConfigurationError(where, expected="an ExecCredential with a token")
    return status


def _read_namespace(folder: str) -> str:
    """Return the namespace of this pod."""
    try:
        return read_text(os.path.join(folder, "namespace"), "the pod's namespace")
    except ConfigurationError:
        return "default"


def _load_pem(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a certificate and its key, which Python takes from a file alone."""
    with tempfile.NamedTemporaryFile(prefix="jenkins-notary-") as file:
        file.write(certificate.rstrip(b"\n") + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)

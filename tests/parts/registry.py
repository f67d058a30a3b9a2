"""Start a real image registry on loopback, and make images to push into it.

The registry is Debian's `docker-registry`, in four forms: open, with basic logins, with
tokens from a realm, each over plain HTTP or TLS with a private authority. Images are
made as OCI layouts by the standard library and pushed by the real client `skopeo`.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import http.server
import io
import ipaddress
import json
import socket
import subprocess
import tarfile
import threading
import time
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

USER = "builder"
PASSWORD = "s3cret-word"
BCRYPT = "$2b$05$abcdefghijklmnopqrstuuEpHRRKIlpAGo.iP7Bpa.htQEJMAAnRe"
"""The password as docker-registry's htpasswd file wants it."""

SERVICE, ISSUER = "test-registry", "test-issuer"
START_S = 20.0

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registry(NamedTuple):
    """A registry that runs.

    Attributes:
        host: `127.0.0.1:port`.
        ca_file: PEM of the private authority, or None for plain HTTP.
        requests: Each token request that the realm saw, as (path, Authorization).
    """

    host: str
    ca_file: Path | None
    requests: list[tuple[str, str]]


class Authority:
    """A private certificate authority for 127.0.0.1."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._certify(self.key, "test authority", is_ca=True)

    def _certify(
        self, key: ec.EllipticCurvePrivateKey, name: str, *, is_ca: bool
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if is_ca else self.certificate.subject
        now = dt.datetime.now(dt.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=is_ca,
            crl_sign=is_ca,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(
                x509.BasicConstraints(ca=is_ca, path_length=None), critical=True
            )
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write a server's certificate and key; return their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(key, name, is_ca=False)
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(pem_key(key))
        return paths

    def write(self, folder: Path) -> Path:
        """Write the authority's own certificate; return its path."""
        path = folder / "ca.crt"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def sign_token(self, claims: dict[str, object]) -> str:
        """Return a signed token (ES256) that carries this authority as its x5c."""
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        header = {
            "alg": "ES256",
            "typ": "JWT",
            "x5c": [base64.b64encode(der).decode()],
        }
        text = ".".join(url64(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(signature)
        return f"{text}.{url64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as unencrypted PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def url64(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@contextmanager
def run_registry(
    program: Path, folder: Path, *, auth: str = "", tls: bool = False
) -> Iterator[Registry]:
    """Run a registry until the block ends.

    Args:
        program: `docker-registry`.
        folder: Empty; for its configuration, data and certificates.
        auth: "" for none, `htpasswd`, or `token`.
        tls: Whether it speaks TLS with a certificate of a private authority.
    """
    authority = Authority()
    ca_file = authority.write(folder)
    requests: list[tuple[str, str]] = []
    port = free_port()
    lines = [
        "version: 0.1",
        "log: {level: error, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}",
        "http:",
        f"  addr: 127.0.0.1:{port}",
        "  secret: test",
    ]
    if tls:
        certificate, key = authority.issue(folder, "server")
        lines += ["  tls:", f"    certificate: {certificate}", f"    key: {key}"]
    with _realm(authority, requests) as realm:
        if auth == "htpasswd":
            (folder / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
            lines.append(f"auth: {{htpasswd: {{realm: r, path: {folder}/htpasswd}}}}")
        if auth == "token":
            lines.append(
                f"auth: {{token: {{realm: '{realm}', service: {SERVICE}, "
                f"issuer: {ISSUER}, rootcertbundle: {ca_file}}}}}"
            )
        config = folder / "config.yml"
        config.write_text("\n".join(lines) + "\n")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, "serve", config], stdout=log, stderr=log
            )
            try:
                wait_for(port, process, folder / "log")
                yield Registry(f"127.0.0.1:{port}", ca_file if tls else None, requests)
            finally:
                process.terminate()
                process.wait()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something listens on a port; fail with the log if it ended."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.02)
        else:
            return


@contextmanager
def _realm(authority: Authority, requests: list[tuple[str, str]]) -> Iterator[str]:
    """Run a token realm: anyone gets a token; only the known user one with access."""

    class Realm(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            requests.append((self.path, given))
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if given not in ("", f"Basic {pair}"):
                self.send_error(401)
                return
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            kind, name, actions = query["scope"][0].split(":")
            access: dict[str, object] = {
                "type": kind,
                "name": name,
                "actions": actions.split(","),
            }
            self._answer([access] if given else [])

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((form, ""))
            found = urllib.parse.parse_qs(form)
            kind, name, actions = found["scope"][0].split(":")
            access: dict[str, object] = {
                "type": kind,
                "name": name,
                "actions": actions.split(","),
            }
            self._answer([access] if found["refresh_token"] == ["identity"] else [])

        def _answer(self, access: Sequence[dict[str, object]]) -> None:
            now = int(time.time())
            claims: dict[str, object] = {
                "iss": ISSUER,
                "sub": USER,
                "aud": SERVICE,
                "exp": now + 300,
                "nbf": now - 10,
                "iat": now,
                "jti": str(now),
                "access": list(access),
            }
            body = json.dumps({"token": authority.sign_token(claims)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serve_http(Realm) as base:
        yield f"{base}/token"


@contextmanager
def serve_http(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve a handler on loopback; yield `http://127.0.0.1:port`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def digest_of(content: bytes) -> str:
    """Return `sha256:…` of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Layout:
    """An OCI image layout in a folder, to which images are added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add_blob(self, content: bytes) -> dict[str, object]:
        """Store a blob; return digest and size as a descriptor's start."""
        digest = digest_of(content)
        (self.blobs / digest[7:]).write_bytes(content)
        return {"digest": digest, "size": len(content)}

    def add_image(self, text: str, architecture: str = "amd64") -> dict[str, object]:
        """Add an image with one file; return its descriptor."""
        raw = tar_of({"hello": text.encode()})
        layer = gzip.compress(raw, mtime=0)
        config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(raw)]},
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **self.add_blob(config)},
            "layers": [{"mediaType": OCI_LAYER, **self.add_blob(layer)}],
        }
        return {
            "mediaType": OCI_MANIFEST,
            **self.add_blob(json.dumps(manifest).encode()),
            "platform": {"os": "linux", "architecture": architecture},
        }

    def add_index(self, entries: Sequence[dict[str, object]]) -> dict[str, object]:
        """Add an index over descriptors; return its descriptor."""
        index = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": list(entries),
        }
        return {"mediaType": OCI_INDEX, **self.add_blob(json.dumps(index).encode())}

    def finish(self, *entries: dict[str, object]) -> Path:
        """Write `index.json`, which lists the images of this layout."""
        index = {"schemaVersion": 2, "manifests": list(entries)}
        (self.folder / "index.json").write_text(json.dumps(index))
        return self.folder


def tar_of(files: dict[str, bytes]) -> bytes:
    """Return a tar file's bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def push(skopeo: Path, layout: Path, registry: Registry, name: str) -> None:
    """Push the one image of a layout, all platforms, with logins where needed."""
    subprocess.run(
        [
            *(skopeo, "copy", "--all", "--insecure-policy", "--dest-tls-verify=false"),
            *("--preserve-digests", "--dest-creds", f"{USER}:{PASSWORD}"),
            *(f"oci:{layout}", f"docker://{registry.host}/{name}"),
        ],
        check=True,
        capture_output=True,
    )

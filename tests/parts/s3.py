"""Run a real server that speaks S3: versitygw on a folder."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3

from tests.parts.build import PARTS
from tests.parts.listening import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
KEY, SECRET = "notary", "not-a-secret"


@contextmanager
def serve_s3(folder: Path, *, port: int = 0) -> Iterator[dict[str, str]]:
    """Run a server; yield the environment of who asks it.

    Args:
        folder: Where its buckets are.
        port: Where it listens; 0 for any.

    Raises:
        RuntimeError: It is not built, or does not start.
    """
    program = PARTS["versitygw"].find()
    if program is None:
        message = f"versitygw is missing: {PARTS['versitygw'].advice()}"
        raise RuntimeError(message)
    with socket.create_server((HOST, port)) as free:
        port = free.getsockname()[1]
    for name in ("buckets", "versions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    words = [
        *(str(program), "--port", f"{HOST}:{port}", "--quiet", "posix"),
        *("--versioning-dir", str(folder / "versions"), str(folder / "buckets")),
    ]
    secrets = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    with subprocess.Popen(
        words,
        env={**os.environ, **secrets},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(process, port)
            yield {
                "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{port}",
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        finally:
            process.terminate()


def make_bucket(environ: dict[str, str], name: str, *, versions: bool = False) -> None:
    """Make a bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name=environ["AWS_REGION"],
    )
    client.create_bucket(Bucket=name)
    if versions:
        client.put_bucket_versioning(
            Bucket=name, VersioningConfiguration={"Status": "Enabled"}
        )

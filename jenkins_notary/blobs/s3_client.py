"""Reach a server that speaks S3, and tell its errors as this project does.

Where it is and who asks is settled by the AWS library's own environment and files
(``AWS_ENDPOINT_URL_S3``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, profiles, roles): no
secret stands in the place's URL. Plain ``http://`` is for loopback alone.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit  # noqa: TID253 - not in the agent part

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from jenkins_notary.errors import (
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from jenkins_notary.errors import NotaryError

ATTEMPTS = 4
"""How often a request is sent at most, with growing pauses."""

_CONNECT_S = 5
_READ_S = 20
_CONNECTIONS = 32
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SETTINGS = (
    *(NoCredentialsError, NoRegionError, ParamValidationError),
    PartialCredentialsError,
)
_BY_CODE: dict[str, type[NotaryError]] = {
    **dict.fromkeys(("404", "NoSuchKey", "NotFound"), NotFoundError),
    **dict.fromkeys(
        ("401", "403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId"),
        PermissionDeniedError,
    ),
    # The last one is versitygw's own, and its status 404.
    **dict.fromkeys(
        ("SignatureDoesNotMatch", "XAdminUserNotFound"), PermissionDeniedError
    ),
    **dict.fromkeys(("507", "NoSuchBucket", "QuotaExceeded"), StorageError),
}


def client() -> Any:  # noqa: ANN401 - made by the library at run time
    """Return this process's client, which its threads share.

    Raises:
        ConfigurationError: The library's settings are wrong.
    """
    return _make_client(os.getpid())


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Turn the library's errors into this project's.

    Args:
        subject: What is asked for, for the message.
    """
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise _translate(error, subject) from error


@cache
def _make_client(pid: int) -> Any:  # noqa: ANN401, ARG001 - as above; a process's own
    """Return a client."""
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
    )
    try:
        made = boto3.session.Session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            "bodies in s3://",
            expected="the AWS library's settings",
            got=str(error)[:200],
            advice="set AWS_REGION, and AWS_ENDPOINT_URL_S3 for a server of your own",
        ) from error
    where = urlsplit(made.meta.endpoint_url)
    if where.scheme != "https" and where.hostname not in _LOOPBACK:
        raise ConfigurationError(
            "AWS_ENDPOINT_URL_S3",
            expected="https://",
            got=f"{where.scheme}://{where.hostname}",
        )
    return made


def _translate(error: Exception, subject: str) -> NotaryError:
    """Return this project's error for one of the library."""
    # An upload's own error has the server's behind it.
    cause = error.__context__ if isinstance(error, Boto3Error) else error
    if isinstance(cause, _SETTINGS):
        return ConfigurationError(
            subject, expected="the AWS library's settings", got=str(cause)[:200]
        )
    if not isinstance(cause, ClientError):
        return UnavailableError(subject, expected="an answer", got=type(cause).__name__)
    told = cause.response["Error"]
    code = str(told.get("Code", ""))
    got = f"{code}: {told.get('Message', '')}"[:200]
    return _BY_CODE.get(code, UnavailableError)(subject, expected="success", got=got)

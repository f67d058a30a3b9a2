"""Open a store of bodies by what names it: a folder, or ``s3://BUCKET/PREFIX``."""

from __future__ import annotations

import re

from jenkins_notary.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import BodyStore

_S3 = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")


def open_blobs(place: str) -> BodyStore:
    """Return a store of bodies; nothing is asked of it yet.

    Raises:
        ConfigurationError: No such kind of place, or its library is missing.
    """
    if "://" not in place:
        from jenkins_notary.blobs.files import FileBlobs

        return FileBlobs(place)
    if not place.startswith(_S3):
        raise ConfigurationError(
            "JENKINS_NOTARY_BLOBS",
            expected="s3://BUCKET or s3://BUCKET/PREFIX",
            got=place.partition("://")[0][:20] + "://...",
        )
    bucket, _, prefix = place.removeprefix(_S3).partition("/")
    if not _BUCKET.fullmatch(bucket):
        # It is not repeated, for it may hold a password.
        raise ConfigurationError(
            "JENKINS_NOTARY_BLOBS",
            expected="s3://BUCKET or s3://BUCKET/PREFIX",
            got="no name of a bucket",
            advice="keys come by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    try:
        from jenkins_notary.blobs.s3 import S3Blobs
    except ImportError as error:
        raise ConfigurationError(
            f"bodies in {place}",
            expected="the extra [s3]",
            got=f"no module {error.name}",
            advice="pip install 'jenkins-notary[s3]'",
        ) from error
    return S3Blobs(bucket, prefix)

"""Open a store of bodies by what names it: a folder, or ``s3://BUCKET/PREFIX``."""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import BodyStore

_S3 = "s3://"


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
    try:
        from jenkins_notary.blobs.s3 import S3Blobs
    except ImportError as error:
        raise ConfigurationError(
            f"bodies in {place}",
            expected="the extra [s3]",
            got=f"no module {error.name}",
            advice="pip install 'jenkins-notary[s3]'",
        ) from error
    bucket, _, prefix = place.removeprefix(_S3).partition("/")
    return S3Blobs(bucket, prefix)

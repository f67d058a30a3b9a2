"""Find out what somebody looks for, by the form of the words.

>>> from jenkins_notary.pages.links import Links
>>> find_meaning("payments/api/main#42", Links())
'/jobs/payments/api/main%2342'
>>> find_meaning("registry.example/app@sha256:" + "ab" * 32, Links())[:20]
'/digests/sha256:abab'
>>> find_meaning("what is this?", Links()) is None
True
"""

from __future__ import annotations

import re

from jenkins_notary.errors import UsageError
from jenkins_notary.trust.keys import is_signer_id
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.pages.links import Links

_RECORD = re.compile(r"#([0-9]{1,15})")
_DIGEST = re.compile(r"(?:.*@)?(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)


def find_meaning(words: str, link: Links) -> str | Query | None:
    """Return the path of the page that is meant, what to look for, or None.

    64 hex digits are a checksum; git's own ids of that length are found by it, too, for
    a commit is recorded under the SHA-256 of its bytes.
    """
    if found := _RECORD.fullmatch(words):
        return link.record(int(found[1]))
    if found := _DIGEST.fullmatch(words):
        return link.digest(f"sha256:{found[1].lower()}")
    if _COMMIT.fullmatch(words):
        return Query(commit=words.lower())
    if is_signer_id(words.lower()):
        return Query(signer=words.lower())
    try:
        return link.build(format_job_id(parse_job_id(words)))
    except UsageError:
        return link.folder(words) if " " not in words else None

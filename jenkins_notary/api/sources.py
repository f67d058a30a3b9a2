"""Turn the words of a call into assets, with the session's registries and input."""

from __future__ import annotations

from jenkins_notary.assets.selection import (
    SelectionOptions,
    collect_assets,
    expand_lists,
)
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.registry.client import RegistryClient
    from jenkins_notary.registry.http_source import HttpSource


def collect(
    session: Session,
    words: Sequence[str],
    *,
    name: str | None,
    unnamed: bool = False,
    digest_file: str | None = None,
) -> list[Asset]:
    """Return the assets that words name.

    Args:
        session: For registries, standard input and progress.
        words: As on the command line.
        name: The name of the one asset, or None.
        unnamed: Whether a bare digest may stand without a name.
        digest_file: What the push of the one image wrote, or None.

    Raises:
        NotaryError: One cannot be read.
        FaultsError: Several cannot.
    """
    check_words(words)
    choices = session.choices

    def on_hash(bytes_done: int, files_done: int) -> None:
        session.report(f"hashing, {files_done} files", bytes_done, None)

    def open_images() -> RegistryClient:
        from jenkins_notary.registry.client import RegistryClient

        return RegistryClient(
            ca_file=choices.ca_file,
            plain_http_hosts=choices.plain_http,
            environ=session.environ,
        )

    def open_urls() -> HttpSource:
        from jenkins_notary.registry.http_source import HttpSource

        return HttpSource(ca_file=choices.ca_file, plain_http_hosts=choices.plain_http)

    options = SelectionOptions(
        name=name,
        unnamed_digests=unnamed,
        stdin=choices.stdin,
        progress=None if choices.progress is None else on_hash,
        open_images=open_images,
        open_urls=open_urls,
        digest_file=digest_file,
    )
    return collect_assets(words, options)


def read_words(session: Session, words: Sequence[str]) -> list[str]:
    """Return the words with a list on standard input read, so each is judged.

    Raises:
        UsageError: There are none: no answer must not look like a good one.
    """
    check_words(words)
    expanded = expand_lists(words, session.choices.stdin)
    if not expanded:
        raise UsageError("assets", expected="at least one", got="none")
    return expanded


def check_words(words: Sequence[str]) -> None:
    """Refuse a single text, whose characters would be taken for assets.

    Raises:
        UsageError: It is one.
    """
    if isinstance(words, str):
        raise UsageError(
            "assets", expected="a list of texts", got="one text", advice="write [TEXT]"
        )

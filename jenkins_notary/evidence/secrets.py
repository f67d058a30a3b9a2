r"""Find secrets in a text before it is stored: where and of what kind, never which.

>>> text = b"step one\nexport AWS_KEY=AKIAQWERTYUIOPASDFGH\n"
>>> list(scan_secrets([text[:30], text[30:]]))
[Finding(line=2, kind='aws-access-key-id')]

A text is scanned as it streams, in windows that overlap by more than the longest
match, so a secret across two chunks is found. Every pattern begins with a literal, for
which the text is searched at the speed of memory, and goes on with bounded, possessive
repetitions: no text makes the time more than linear. Each kind is reported once a line.

What it does not find: secrets that are encoded again, broken over lines, in UTF-16 or
in compressed text, and passwords that stand alone. It takes masked values (``****``)
and references (``${TOKEN}``) for what they are. A finding is a reason to hold a text
back, and none is no proof that there is no secret.

Cost: about 120 MiB a second on a console log; memory for one window.

Source: the token formats that GitHub, GitLab, Slack, AWS, npm, PyPI, Docker, Google and
Stripe publish for secret scanners; Jenkins core ``ApiTokenStore`` (``11`` and 32 hex
digits); RFC 7519 (JWT); RFC 7468 (PEM labels).
"""

from __future__ import annotations

import re
from math import log2

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WINDOW = 256 << 10
"""Bytes that are scanned at a time."""

_OVERLAP = 8 << 10
# A match that begins this close to a window's start was settled in the one before,
# and here its surroundings are cut off. Overlap less margin exceeds every match.
_MARGIN = 64

_WORD = rb"[0-9A-Za-z_]"
_GITLAB = b"|".join(
    rb"(?<=gl[a-z]{%d}-)(?<!%bgl[a-z]{%d}-)" % (size, _WORD, size)
    for size in range(2, 6)
)
# Searching costs by the pattern, whatever it holds: rules that share a character are
# one pattern that begins with it, and what stands before it is looked back at. A name
# ends in "_" and a number: the kind is what precedes them.
_TOKENS = (
    (
        rb"A(?:"
        rb"(?P<aws_access_key_id>[KS]IA(?<![0-9A-Za-z]A[KS]IA)[A-Z2-7]{16}"
        rb"(?![0-9A-Za-z]))"
        rb"|(?P<google_api_key>Iza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])))"
    ),
    (
        rb"_(?<=[0-9A-Za-z]_)(?:"
        rb"(?P<github_token_1>(?<=gh[pousr]_)(?<!%bgh[pousr]_)[0-9A-Za-z]{36,255}+)"
        rb"|(?P<github_token_2>(?<=github_pat_)[0-9A-Za-z_]{22,255}+)"
        rb"|(?P<npm_token>(?<=npm_)(?<!%bnpm_)[0-9A-Za-z]{36,64}+)"
        rb"|(?P<docker_token>(?<=dckr_pat_)[0-9A-Za-z_-]{20,64}+)"
        rb"|(?P<stripe_key>(?<=sk_live_)[0-9A-Za-z]{16,128}+))"
    )
    % (_WORD, _WORD),
    (
        rb"-(?:(?<=[0-9A-Za-z]-)(?:"
        rb"(?P<slack_token_1>(?<=xox[abeoprs]-)[0-9A-Za-z-]{10,255}+)"
        rb"|(?P<slack_token_2>(?<=xapp-)[0-9]-[0-9A-Za-z-]{10,255}+)"
        rb"|(?P<pypi_token>(?<=pypi-)AgE[0-9A-Za-z_-]{50,255}+)"
        rb"|(?P<gitlab_token>(?:%b)[0-9A-Za-z_.-]{20,255}+))"
        rb"|(?P<private_key>----BEGIN (?:[0-9A-Z]{1,20}+ ){0,4}PRIVATE KEY"
        rb"(?: BLOCK)?-----))"
    )
    % _GITLAB,
    rb"hooks\.slack(?P<slack_webhook>\.com/services/[0-9A-Za-z/]{20,255}+)",
    (
        rb"eyJ(?P<jwt>(?<![0-9A-Za-z_-]eyJ)[0-9A-Za-z_-]{10,2048}+"
        rb"\.eyJ[0-9A-Za-z_-]{10,2048}+)"
    ),
    rb"11(?P<jenkins_api_token>(?<![0-9A-Za-z]11)[0-9a-f]{32}(?![0-9A-Za-z]))",
)
_URL = rb"://[^\s/:@\"']{0,128}+:([^\s/@\"']{1,256}+)@"
_ASSIGNED = (
    rb"[0-9a-z_.-]{0,40}+[\"']?+[ \t]{0,4}+(?:=>|:=|==?|:)[ \t]{0,4}+"
    rb"(\"[^\"\n]{1,200}+|'[^'\n]{1,200}+|[^\s\"',;]{1,200}+)"
)
_HEADER = (
    rb"authorization[\"']?[ \t]{0,4}[:=][ \t\"']{0,4}"
    rb"(?:basic|bearer|token)[ \t]{1,4}([^\s\"']{6,200}+)"
)
_KEY_NAMES = tuple(
    word + joint
    for word in (b"api", b"access", b"account", b"secret", b"private", b"signing")
    for joint in (b"", b"_", b"-", b".")
)
_MASKS = frozenset(b"*xX.#-")
_REFERENCES = (b"$", b"%", b"<", b"{{", b"(", b"[", b"@", b"env.", b"params.")
_NOTHING = frozenset(
    {
        b"null",
        b"none",
        b"nil",
        b"true",
        b"false",
        b"undefined",
        b"yes",
        b"no",
        b"string",
    }
)


class Finding(NamedTuple):
    """One place where a secret seems to stand.

    Attributes:
        line: Number of the line, from 1.
        kind: What it looks like, such as ``github-token``.
    """

    line: int
    kind: str


class SecretScanner:
    """Scan a text that comes in pieces.

    >>> scanner = SecretScanner()
    >>> scanner.feed(b"password = 'hunter")
    []
    >>> scanner.feed(b"2-and-more'"), scanner.finish()
    ([], [Finding(line=1, kind='password')])
    """

    def __init__(self) -> None:
        """Begin at line 1."""
        self._held = bytearray()
        self._line = 1
        self._margin = 0
        self._reported: set[Finding] = set()

    def feed(self, data: bytes) -> list[Finding]:
        """Take the next bytes; return what is found and settled, in order."""
        findings: list[Finding] = []
        for start in range(0, len(data), WINDOW):
            self._held += data[start : start + WINDOW]
            if len(self._held) >= WINDOW:
                findings += self._scan(is_last=False)
        return findings

    def finish(self) -> list[Finding]:
        """Return what is found in the rest; call it once, at the end."""
        return self._scan(is_last=True)

    def _scan(self, *, is_last: bool) -> list[Finding]:
        """Scan what is held, and keep its end for the next window."""
        text = bytes(self._held)
        places = sorted(
            (start, kind)
            for start, stop, kind in _find_all(text, self._margin)
            # What touches the end may go on in the next window: it is seen again.
            if is_last or stop < len(text)
        )
        findings = []
        line, counted = self._line, 0
        for start, kind in places:
            line += text.count(b"\n", counted, start)
            counted = start
            finding = Finding(line, kind)
            if finding not in self._reported:
                self._reported.add(finding)
                findings.append(finding)
        keep = max(0, len(text) - _OVERLAP)
        self._line += text.count(b"\n", 0, keep)
        self._held = bytearray(text[keep:])
        self._margin = _MARGIN
        self._reported = {one for one in self._reported if one.line >= self._line}
        return findings


def scan_secrets(chunks: Iterable[bytes]) -> Iterator[Finding]:
    """Yield what looks like a secret in a text that comes in chunks.

    Args:
        chunks: The text's bytes, cut anywhere.

    Yields:
        Line and kind, in the order of the text; each kind once a line.
    """
    scanner = SecretScanner()
    for chunk in chunks:
        yield from scanner.feed(chunk)
    yield from scanner.finish()


def _find_all(text: bytes, margin: int) -> Iterator[tuple[int, int, str]]:
    """Yield (start, stop, kind) of the matches in a window, from the margin on."""
    for pattern in _SEARCHES:
        for found in pattern.finditer(text, margin):
            yield found.start(), found.end(), _KINDS[str(found.lastgroup)]
    for found in _URL_SEARCH(text, margin):
        if not _is_harmless(found[1]):
            yield found.start(), found.end(), "url-credentials"
    # Names of variables in any case: bytes keep their places when lower-cased, and
    # the value is looked at as it stands in the text.
    lower = text.lower()
    for kind, search, is_secret in _ASSIGNMENTS:
        place = margin
        while match := search(lower, place):
            start, stop = match.span()
            value = text[match.start(1) : stop].strip(b"\"'")
            if _is_harmless(value):
                # What stands for a value here may hold a further name and its value.
                place = match.start(1)
            elif is_secret(value, lower[max(0, start - 16) : start]):
                yield start, stop, kind
                # Once a line is enough, and looking at a value is what takes time.
                place = text.find(b"\n", stop)
                if place < 0:
                    break
            else:
                place = stop


def _is_harmless(value: bytes) -> bool:
    """Return whether a value is masked, a reference to a variable, or a word."""
    return (
        _MASKS.issuperset(value)
        or b"****" in value
        or value.startswith(_REFERENCES)
        or value.lower() in _NOTHING
    )


def _is_password(value: bytes, _before: bytes) -> bool:
    """Return whether the value of a password variable is one, and no prose."""
    return len(value) >= 4 and not (
        value.isalpha() and value.islower() and len(value) < 8
    )


def _is_token(value: bytes, _before: bytes) -> bool:
    """Return whether the value of a token or secret is one, and no prose."""
    return len(value) >= 8 and _is_mixed(value) and _entropy(value) >= 2.5


def _is_key(value: bytes, before: bytes) -> bool:
    """Return whether a key's name says that it is secret, or its value is random."""
    if before.endswith(_KEY_NAMES):
        return _is_token(value, before)
    return before.endswith(b"_") and _is_random(value, before)


def _is_random(value: bytes, _before: bytes) -> bool:
    """Return whether a value looks random; a hex digest does not count."""
    return (
        len(value) >= 20
        and _is_mixed(value)
        and not value.islower()
        and not value.isupper()
        and not any(mark in value for mark in (b"://", b"\\", b"(", b" "))
        and _entropy(value) >= 4.0
    )


def _is_mixed(value: bytes) -> bool:
    """Return whether a value has a digit and a letter."""
    return any(48 <= byte < 58 for byte in value) and value.lower() != value.upper()


def _entropy(value: bytes) -> float:
    """Return the bits a byte of a value, by how often each byte stands in it."""
    shares = [value.count(byte) / len(value) for byte in set(value)]
    return -sum(share * log2(share) for share in shares)


def _kind_of(group: str) -> str:
    """Return the kind that a group of :data:`_TOKENS` is named after."""
    return group.rstrip("_12").replace("_", "-")


_SEARCHES = [re.compile(pattern) for pattern in _TOKENS]
_KINDS = {name: _kind_of(name) for one in _SEARCHES for name in one.groupindex}
_URL_SEARCH = re.compile(_URL).finditer
_PASSWORD = (
    rb"p(?:assw(?:or)?d|assphrase|ass(?<=_pass)(?=[\"' \t:=])|wd(?<=_pwd))" + _ASSIGNED
)
_ASSIGNMENTS = [
    ("password", re.compile(_PASSWORD).search, _is_password),
    (
        "secret",
        re.compile(rb"cre(?:t(?<=secret)|dential)" + _ASSIGNED).search,
        _is_token,
    ),
    ("secret", re.compile(rb"token" + _ASSIGNED).search, _is_token),
    ("secret", re.compile(rb"key" + _ASSIGNED).search, _is_key),
    (
        "high-entropy-assignment",
        re.compile(rb"_auth" + _ASSIGNED).search,
        _is_random,
    ),
    (
        "authorization-header",
        re.compile(_HEADER).search,
        lambda _value, _before: True,
    ),
]

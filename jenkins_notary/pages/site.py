"""Turn what a page shows into its HTML.

Templates lie beside this module. Every value that they print is made visible
(``pages.text``) and escaped, whatever it is; one that is missing is a fault. There is
no script, and nothing comes from elsewhere: :data:`POLICY` forbids both to the browser
as well. The one page that changes under a reader's eyes, that of what runs in a
cluster, has a script of its own (:data:`LIVE_POLICY`).
"""

from __future__ import annotations

import hashlib
from functools import cache, partial
from importlib.resources import files

import jinja2

from jenkins_notary.pages.links import Links
from jenkins_notary.pages.text import (
    decode_line,
    format_duration,
    format_size,
    visible,
)
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page."""

LIVE_POLICY = (
    f"{POLICY}; script-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The same for a page that asks again by a script of ours, which makes no markup."""

STATIC = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
"""Files that pages use, and what they are."""

LIVE_STATIC = {**STATIC, "board.js": "text/javascript"}
"""The same of a page that asks again."""

_TEMPLATES = "templates"


class Frame(NamedTuple):
    """What stands around every page.

    Attributes:
        title: The page's own title.
        who: Name of who reads, or None for nobody that is known.
        section: Which entry of the menu it belongs to, or "".
        size: Records that the ledger has, or None where it was not asked.
        origin: The log's name, or "".
        timestamp: Commit time of the last record, RFC 3339, or "".
        has_login: Whether he can sign out.
        root: The path below which the service lies, "" for the root.
    """

    title: str
    who: str | None = None
    section: str = ""
    size: int | None = None
    origin: str = ""
    timestamp: str = ""
    has_login: bool = False
    root: str = ""


def render(template: str, frame: Frame, **facts: object) -> bytes:
    """Return a page as UTF-8.

    Args:
        template: Its template's name, without ``.html.j2``.
        frame: What stands around it.
        facts: What the template shows.
    """
    page = _environment().get_template(f"{template}.html.j2")
    return page.render({"frame": frame, "link": Links(frame.root), **facts}).encode()


def render_alone(template: str, **facts: object) -> bytes:
    """Return what a template with no frame around it gives, as UTF-8."""
    return _environment().get_template(template).render(facts).encode()


@cache
def read_static(name: str) -> bytes:
    """Return a file that pages use; its name is one of :data:`LIVE_STATIC`."""
    return _folder().joinpath(name).read_bytes()


@cache
def static_path(name: str) -> str:
    """Return the path of a file that pages use; it changes when the file does."""
    return f"/static/{name}?v={hashlib.sha256(read_static(name)).hexdigest()[:16]}"


@cache
def _environment() -> jinja2.Environment:
    """Return how templates are read."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_show,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static_path"] = static_path
    environment.filters.update(
        {
            "size": format_size,
            "duration": format_duration,
            "line": decode_line,
            "sentence": _begin_large,
            "short": partial(visible, limit=80),
            "when": _format_when,
        }
    )
    return environment


def load_template(name: str) -> str:
    """Return the source of a template."""
    return _folder().joinpath(name).read_text("utf-8")


def _folder() -> Traversable:
    """Return the folder of the templates."""
    return files("jenkins_notary.pages").joinpath(_TEMPLATES)


def _show(value: object) -> object:
    """Return what is printed for a value; markup of a template's own stays."""
    if hasattr(value, "__html__"):
        return value
    return "" if value is None else visible(str(value))


def _begin_large(text: str) -> str:
    """Return a text with a large first letter."""
    return text[:1].upper() + text[1:]


def _format_when(timestamp: object) -> str:
    """Return a time for a person: RFC 3339 without its ``T`` and fractions.

    >>> _format_when("2026-01-02T03:04:05.006Z")
    '2026-01-02 03:04:05 UTC'
    """
    text = str(timestamp or "")
    is_time = len(text) in {20, 24} and text[10] == "T" and text.endswith("Z")
    return f"{text[:10]} {text[11:19]} UTC" if is_time else visible(text, 40)

r"""Write a report as a page that stands alone, or as Markdown.

The page needs no other file and no script; its Content-Security-Policy allows nothing
but the style that it carries. Both are the same facts, whoever wrote the names in them.

>>> print(mark("app-1.2.jar"), mark("<b>|`x`"))
`app-1.2.jar` &lt;b&gt;\|\`x\`
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

import jinja2

from jenkins_notary.pages.site import load_template, read_static, render_alone
from jenkins_notary.pages.text import format_size, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9._:/#@%+=, -]+")
# A reader that knows no backslash must not take them for tags either.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def render_html(report: Mapping[str, Any], pack: Mapping[str, Any] | None) -> bytes:
    """Return a report as one HTML page in UTF-8.

    Args:
        report: As ``api.reports`` makes it.
        pack: What is said of the pack that it lies in, or None for a report alone.
    """
    style = read_static("style.css").decode()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return render_alone(
        "report.html.j2", report=report, pack=pack, style=style, style_hash=digest
    )


def render_markdown(report: Mapping[str, Any], pack: Mapping[str, Any] | None) -> bytes:
    """Return a report as Markdown in UTF-8; see :func:`render_html`."""
    return _markdown().render(report=report, pack=pack).encode()


def mark(value: object) -> str:
    """Return a value as Markdown that means nothing but itself."""
    text = "" if value is None else visible(str(value))
    if _PLAIN.fullmatch(text) and text.strip() == text:
        return f"`{text}`"
    return _PUNCTUATION.sub(lambda one: _ENTITIES.get(one[0], f"\\{one[0]}"), text)


@cache
def _markdown() -> jinja2.Template:
    """Return the template of the Markdown form; each value goes through ``mark``."""
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701 - no HTML: `mark` is what escapes
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update({"mark": mark, "size": format_size})
    return environment.from_string(load_template("report.md.j2"))

"""Make the page on which people log in; it needs no other file and no script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

import jinja2

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 26rem;
  padding: 0 1rem; color-scheme: light dark }
label, input, button, a.button { display: block; width: 100%; box-sizing: border-box }
input, button, a.button { font: inherit; padding: .5rem; margin: .25rem 0 1rem }
a.button { border: 1px solid; text-align: center }
.fault { border: 1px solid; padding: .5rem }
"""
"""The page's style; its hash is what the Content-Security-Policy lets through."""

STYLE_HASH = "sha256-" + base64.b64encode(
    hashlib.sha256(STYLE.encode()).digest()
).decode("ascii")


def render_login(*, wanted: str, fault: str = "", provider: str = "") -> bytes:
    """Return the page as UTF-8.

    Args:
        wanted: Where to go afterwards; anybody may have written it.
        fault: What was wrong the last time, or "".
        provider: Name of the identity provider, "" where there is none.
    """
    page = _template().render(
        wanted=wanted, fault=fault, provider=provider, style=STYLE
    )
    return page.encode("utf-8", "replace")


@cache
def _template() -> jinja2.Template:
    """Return the page's template."""
    folder = files("jenkins_notary.pages").joinpath("templates")
    source = folder.joinpath("login.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source)

"""How does the daemon's state look in a browser: one page that renews itself, no script, nothing loaded?"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@cache
def _style() -> str:
    return resources.files("selector.adapters").joinpath("templates/status.css").read_text(encoding="utf-8")


@cache
def _template() -> Template:
    pages = Environment(loader=PackageLoader("selector.adapters"), autoescape=True, undefined=StrictUndefined)
    pages.filters["moment"] = _moment
    return pages.get_template("status.html.j2")


def page(document: Mapping[str, Any], *, alive: bool) -> str:
    """Return the page for a state as `state_document` tells it; every text is escaped."""
    return _template().render(s=document, alive=alive, style=_style())


def _moment(text: str | None) -> str:
    return f"{text[:10]} {text[11:19]} UTC" if text else "never"


PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    + "'"
)
"""Nothing but the page's own style is allowed."""

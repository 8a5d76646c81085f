"""Where do reports lie: report.html, report.md and report.json of each decision, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selector.adapters.report_html import render_html
from selector.adapters.report_json import render_json
from selector.adapters.report_markdown import render_markdown

PAGE = "report.html"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class ReportFiles:
    """ReportWriter that keeps reports below a folder: `<folder>/<model>/<decision>/report.html`.

    Args:
        folder: made where it is missing.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, report: Any) -> Path:
        """Write all formats, each one whole or not at all, the page last, and return the page's path.

        Writing the same decision again replaces its files.

        Raises:
            OSError: the folder cannot be written to; earlier reports stay as they are.

        """
        texts = {
            "report.json": render_json(report),
            "report.md": render_markdown(report),
            PAGE: render_html(report),
        }
        folder = self._place(report.model, report.decision)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            _write(folder / name, text)
        return folder / PAGE

    def path(self, model: str, decision: str) -> Path | None:
        """Return the page of an earlier decision, or None."""
        page = self._place(model, decision) / PAGE
        return page if page.is_file() else None

    def _place(self, model: str, decision: str) -> Path:
        return self._folder / slug(model) / slug(decision)


def linked(folder: Path, address: str | None) -> Callable[[Path], str]:
    """Return what says where people find a page: at this web address, or on this machine where there is none.

    Args:
        folder: that holds all reports.
        address: at which somebody serves that folder.

    """

    def link(page: Path) -> str:
        if address is None or not page.is_relative_to(folder):
            return str(page)
        return f"{address.rstrip('/')}/{quote(page.relative_to(folder).as_posix())}"

    return link


def slug(name: str) -> str:
    """Return a folder name that no two names share: a plain name itself, else what is plain of it and a digest."""
    if _PLAIN.fullmatch(name) and not name.endswith("."):
        return name
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain}~{digest}" if plain else f"~{digest}"


def _write(path: Path, text: str) -> None:
    """Put the text there so that a reader, or a crash, sees the old file or the new one and nothing between."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(draft, flags, 0o644), "wb") as file:
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

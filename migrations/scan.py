"""What is in a legacy model store? A walk that reads, never writes, never unpickles, and stops for no single entry."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

from migrations.copies import link_copies, listed_once, resolve_links
from migrations.drafts import NOTHING_HERE, settle
from migrations.folder import Folder, list_folder
from migrations.known_files import KnownFiles
from migrations.layouts import Layout, Reading, layouts
from migrations.mlflow_stores import is_mlflow_database, store_of
from migrations.model import Scan, StagedModel, Unreadable
from selector.errors import UsageError
from selector.ports import Progress
from selector.ports_exports import MAKER, RECORD

SKIPPED: Final = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".dvc",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".ipynb_checkpoints",
        ".cache",
        ".trash",
        ".tox",
        ".nox",
        "site-packages",
        "dist-packages",
    }
)
MAX_FOLDERS: Final = 200_000
MAX_DEPTH: Final = 32


def _is_ours(record: Path) -> bool:
    """Tell whether a model's folder is an export of a champion, which must not become a candidate once more."""
    try:
        with record.open("rb") as file:
            return f'"made_by": "{MAKER}"'.encode() in file.read(100)
    except OSError:
        return False


class _Walk:
    """One scan under way."""

    def __init__(self, asked: Sequence[Layout], timezone: tzinfo, progress: Progress | None, known: KnownFiles) -> None:
        self.layouts, self.timezone, self.progress, self.known = asked, timezone, progress, known
        self.models: list[StagedModel] = []
        self.unreadable: list[Unreadable] = []
        self.notes: list[str] = []
        self.seen: set[Path] = set()
        self.claimed: set[Path] = set()
        self.links: list[Path] = []

    def tree(self, root: Path) -> None:
        """Walk everything below a root, breadth first, folders in order of their names."""
        todo = deque([(root, 0)])
        while todo:
            path, depth = todo.popleft()
            if path in self.seen:
                continue
            self.seen.add(path)
            if len(self.seen) > MAX_FOLDERS:
                self.notes.append(f"there are more than {MAX_FOLDERS:,} folders; the rest is not looked at")
                return
            if self.progress:
                self.progress(f"scanning {path.name}", len(self.seen), len(self.seen) + len(todo))
            below = self.folder(path, root)
            if below and depth >= MAX_DEPTH:
                self.notes.append(f"{path} is nested deeper than {MAX_DEPTH} folders; what is below is not looked at")
            elif below:
                todo.extend((path / name, depth + 1) for name in below)

    def folder(self, path: Path, root: Path) -> tuple[str, ...]:
        """Read one folder with all layouts; return the subfolders that are still to be walked."""
        try:
            folder = list_folder(path, root, self.known)
        except OSError as error:
            reason = f"the folder cannot be read: {error.strerror or error}"
            self.unreadable.append(Unreadable(path.name, path, reason))
            return ()
        if RECORD in folder.files and _is_ours(folder.files[RECORD]):
            reason = f"{path.name} was exported from MLflow by {MAKER}"
            self.unreadable.append(Unreadable(path.name, path, reason, ignored=True))
            return ()
        if "pyvenv.cfg" in folder.files:
            return ()
        if "meta.yaml" in folder.files and not {"MLmodel"} & set(folder.files):
            self.notes.append(f"{store_of(path)} is an MLflow file store: import it with `migrate store`")
            return ()
        self.notes += [
            f"{file} is an MLflow database: import it with `migrate store`"
            for file in folder.files.values()
            if is_mlflow_database(file, self.known)
        ]
        return self.read(folder)

    def read(self, folder: Folder) -> tuple[str, ...]:
        """Ask the layouts in turn; each sees what the ones before it, and registries elsewhere, left."""
        taken = frozenset(name for name, path in folder.files.items() if path in self.claimed)
        folder = folder.without(taken)
        listing = self._listing(folder)
        remembered = self.known.recall("folder", str(folder.path), listing) if listing else None
        if remembered is not None:
            self._add(*remembered)
            return ()
        for layout in self.layouts:
            reading = layout.read(folder)
            if reading is None:
                continue
            models, unreadable = self._settled(reading, folder)
            if taken:  # its model is listed already, as a record of a registry elsewhere
                unreadable = [one for one in unreadable if one.path != folder.path or one.reason != NOTHING_HERE]
            links = [folder.path / name for name, kind in folder.others.items() if kind == "a link" and reading.whole]
            self._add(models, unreadable, reading.notes, links)
            if reading.whole:
                if listing:
                    self.known.keep("folder", str(folder.path), listing, (models, unreadable, reading.notes, links))
                return ()
            folder = folder.without(reading.used)
        for name, kind in folder.others.items():
            if kind == "a link":
                self.links.append(folder.path / name)
                continue
            reason = f"{name} is {kind}; it is not followed or opened"
            self.unreadable.append(Unreadable(name, folder.path / name, reason, ignored=True))
        return tuple(name for name in folder.folders if name not in SKIPPED)

    def _settled(self, reading: Reading, folder: Folder) -> tuple[list[StagedModel], list[Unreadable]]:
        """Judge the drafts of one reading."""
        models: list[StagedModel] = []
        unreadable: list[Unreadable] = []
        for draft in reading.drafts:
            home = draft.home or folder
            found = settle(draft, home, self.timezone)
            self.claimed |= {home.path / name for name in (*draft.candidates, *draft.documents)}
            if isinstance(found, StagedModel):
                models.append(found)
            else:
                unreadable.append(found)
        return models, [*unreadable, *reading.unreadable]

    def _add(
        self,
        models: Sequence[StagedModel],
        unreadable: Sequence[Unreadable],
        notes: Sequence[str],
        links: Sequence[Path],
    ) -> None:
        self.models += models
        self.unreadable += unreadable
        self.notes += notes
        self.links += links

    def _listing(self, folder: Folder) -> Any:
        """Return all that the reading of a folder without subfolders depends on, or None where that may change."""
        if folder.folders or not folder.files or not all(self.known.settled(s) for s in folder.stamps.values()):
            return None
        names = tuple(layout.name for layout in self.layouts)
        files = tuple((name, folder.stamps.get(name)) for name in folder.files)
        return names, str(self.timezone), str(folder.root), files, tuple(folder.others.items())


def scan(
    paths: Sequence[Path],
    *,
    layout: str | None = None,
    timezone: tzinfo = UTC,
    progress: Progress | None = None,
    known: KnownFiles | None = None,
) -> Scan:
    """List every model below some paths, and why each of the others cannot be imported.

    Nothing is written, no link is followed, nothing is unpickled. One bad entry costs only itself.

    Args:
        paths: folders or single model files; each must exist.
        layout: the name of the only layout to use; by default all of them.
        timezone: for recorded times without a zone.
        progress: called once a folder.
        known: what earlier scans learned; files that have not changed are not read again.

    Returns:
        Models oldest first (then by name), everything else by path.

    Raises:
        UsageError: a path does not exist, or no layout has this name.

    """
    remembered = KnownFiles() if known is None else known
    walk = _Walk(layouts(layout), timezone, progress, remembered)
    for given in sorted(paths, key=lambda p: not p.is_dir()):
        path = Path(os.path.abspath(given))  # noqa: PTH100  resolve() would follow links, and paths identify entries
        if path.is_dir():
            walk.tree(path)
        elif path.exists():
            walk.read(Folder(path.parent, path.parent, {path.name: path}, (), {}, remembered))
        else:
            raise UsageError(f"{given} does not exist.", advice="Give folders or files of a legacy model store.")
    roots = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  resolve() would follow links
    models, unreadable = resolve_links(walk.models, walk.unreadable, sorted(walk.links), roots)
    models, copies = link_copies(models)
    unreadable = listed_once(unreadable)
    return Scan(
        tuple(sorted(models, key=lambda m: (m.created_at, m.name, str(m.path)))),
        tuple(sorted((*unreadable, *copies), key=lambda u: (str(u.path), u.name))),
        tuple(dict.fromkeys(walk.notes)),
    )

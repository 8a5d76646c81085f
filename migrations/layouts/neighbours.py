"""Which folders beside a folder of models may hold their numbers?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrations.folder import Folder, list_folder

NEIGHBOURS: Final = ("metrics", "reports", "results", "evaluation", "outputs", "artifacts", "logs", "report")


def neighbours(folder: Folder) -> Iterator[Folder]:
    """Yield the parent folder and those below it that people keep results in, as far as they are being scanned.

    Nothing outside of the scanned tree is looked at, no link is followed, and what cannot be read is left out.
    """
    if folder.path == folder.root:
        return
    try:
        parent = list_folder(folder.path.parent, folder.root, folder.known)
    except OSError:
        return
    yield parent
    for name in NEIGHBOURS:
        if name in parent.folders and parent.path / name != folder.path:
            try:
                yield list_folder(parent.path / name, folder.root, folder.known)
            except OSError:
                continue

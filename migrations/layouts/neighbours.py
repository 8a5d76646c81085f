"""Which folders beside a folder of models may hold their numbers?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from migrations.folder import Folder, list_folder

NEIGHBOURS: Final = ("metrics", "reports", "results", "evaluation", "outputs", "artifacts", "logs", "report")
_RESULTS: Final = re.compile(
    r"metri[ckq]|result|report|eval|score|performance|ergebnis|bericht|relat[oó]rio|rapport|avalia|auswert",
    re.IGNORECASE,
)


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
    likely = [name for name in parent.folders if name in NEIGHBOURS or _RESULTS.search(name)]
    for name in likely:
        if parent.path / name != folder.path:
            try:
                yield list_folder(parent.path / name, folder.root, folder.known)
            except OSError:
                continue

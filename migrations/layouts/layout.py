"""What does a layout have to answer about a folder?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.model import Unreadable


@dataclass(frozen=True, slots=True)
class Reading:
    """What a layout recognised in one folder.

    Attributes:
        drafts: entries to be judged.
        used: names of files that need no other layout's attention.
        whole: the folder is one unit: its subfolders are not looked into.
        unreadable: entries that the layout itself has to refuse.
        notes: what people should know about the folder.

    """

    drafts: tuple[Draft, ...] = ()
    used: frozenset[str] = frozenset()
    whole: bool = False
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


class Layout(Protocol):
    """Recognises one way in which people keep models on disk."""

    @property
    def name(self) -> str:
        """The layout's name, for `--layout`."""
        ...

    def read(self, folder: Folder) -> Reading | None:
        """Return what is recognised, or None where the folder is not of this layout."""
        ...

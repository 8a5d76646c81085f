"""What do the folders, meta.yaml and one-value files of an MLflow file store say, and what of them is unreadable?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.stores.files import folder_below, read_text, walk
from migrations.stores.model import LeftOut, UnreadableStoreError

META: Final = "meta.yaml"
MOST_META: Final = 4 << 20
MOST_VALUE: Final = 1 << 20
LINK: Final = "a link, which is not followed"
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MissingMetaError(UnreadableStoreError):
    """A folder has no meta.yaml: it is none of MLflow's entries, or what is left of one."""


class FileTree:
    """Reads below one folder, and notes what cannot be read.

    Args:
        root: names in notes are relative to it.

    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: list[LeftOut] = []
        self._noted: set[LeftOut] = set()

    def folders(self, folder: Path) -> Iterator[Path]:
        """Yield the real folders in a folder, by name; a link is noted, nothing comes where there is no folder."""
        try:
            entries = sorted(folder.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            self.leave("folder", self._named(folder), str(error.strerror or error), failed=True)
            return
        for path in entries:
            if path.is_symlink():
                if path.is_dir():
                    self.leave("folder", self._named(path), LINK)
            elif path.is_dir():
                yield path

    def values(self, folder: Path) -> dict[str, str]:
        """Return the texts of a folder with one file per key."""
        return dict(self.texts(folder, MOST_VALUE))

    def value(self, path: Path) -> str:
        """Return the text of one file, "" where it is missing or cannot be read."""
        try:
            return read_text(path, MOST_VALUE)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            self.leave("file", self._named(path), str(error.strerror or error), failed=True)
            return ""

    def texts(self, folder: Path, most: int) -> Iterator[tuple[str, str]]:
        """Yield key and text of each file below a folder; keys may have slashes."""
        if folder_below(folder.parent, (folder.name,)) is None:
            return
        for entry in walk(folder):
            path = Path(entry.path)
            try:
                yield path.relative_to(folder).as_posix(), read_text(path, most)
            except OSError as error:
                linked = entry.is_symlink()
                reason = LINK if linked else str(error.strerror or error)
                self.leave("file", self._named(path), reason, failed=not linked)

    def leave(self, what: str, name: str, reason: str, *, failed: bool = False) -> None:
        """Note what is not carried, once."""
        note = LeftOut(what, name, reason, failed)
        if note not in self._noted:
            self._noted.add(note)
            self.left_out.append(note)

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def meta_of(folder: Path) -> Mapping[str, Any]:
    """Return a folder's meta.yaml.

    Raises:
        MissingMetaError: there is none.
        UnreadableStoreError: it is broken.

    """
    try:
        # The loader is YAML's safe one, with or without its C parser.
        found = yaml.load(read_text(folder / META, MOST_META), Loader=_SafeLoader)  # noqa: S506 - see above
    except (FileNotFoundError, NotADirectoryError):
        raise MissingMetaError(f"it has no {META}") from None
    except OSError as error:
        raise UnreadableStoreError(f"its {META} cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableStoreError(f"its {META} is broken: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise UnreadableStoreError(f"its {META} is empty or no mapping")
    return found

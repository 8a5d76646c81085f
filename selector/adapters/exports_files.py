"""How is a folder of model files replaced so that readers, kills and full disks never see half a model?

The configured path is a symbolic link to a complete folder in a hidden one beside it, and is replaced by a rename:

    models/production -> .production.versions/v7-1f0c92ab
    models/.production.versions/v7-1f0c92ab    the champion's files and selector.json
    models/.production.versions/v6-77d0e1b3    the one before, for those who are still reading it

docs/adr/0011 says why.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selector.adapters.exports_record import Record, foreign, parse, sizes
from selector.errors import ExportBusyError, ExportError
from selector.ports_exports import RECORD, Exported

DRAFT = "draft-"
LINK = "link"
LOCK = "lock"


class FileExports:
    """Implements ports_exports.Exports for absolute paths of folders."""

    def read(self, where: str) -> Exported | None:
        """Return what the folder holds, as `Exports.read` says."""
        place = Path(where)
        with _told(where):
            folder = _ours(place)
            if folder is None:
                return None
            try:
                record = parse((folder / RECORD).read_bytes(), where)
                whole = all((folder / name).stat().st_size == size for name, size in record.files.items())
            except (FileNotFoundError, NotADirectoryError):
                return None
            return record.exported if whole else None

    def write(self, where: str, folder: Path, exported: Exported) -> None:
        """Replace the folder, as `Exports.write` says."""
        place = Path(where)
        with _told(where):
            _ours(place)
            versions = _versions(place)
            versions.mkdir(parents=True, exist_ok=True)
            with _alone(versions, where):
                before = _ours(place)
                _remove(left for left in versions.iterdir() if left.name.startswith(DRAFT))
                made = _copy(folder, versions, Record(exported, sizes(folder, where)))
                try:
                    _switch(place, made)
                except OSError:
                    if _ours(place) != made:
                        _remove((made,))
                    raise
                stay = {made, before, versions / LOCK}
                _remove(old for old in versions.iterdir() if old not in stay)


def _versions(place: Path) -> Path:
    return place.with_name(f".{place.name}.versions")


def _ours(place: Path) -> Path | None:
    """Return the folder that the place leads to; None where there is nothing yet.

    Raises:
        ExportError: something else than our link, or an empty folder, is there.

    """
    try:
        target = Path(place.readlink())
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        if place.is_dir() and not any(place.iterdir()):
            return None
        why = "is there already, and mlflow-selector did not make it"
        advice = f"mv {shlex.quote(str(place))} {shlex.quote(str(place) + '.before')}, or export to another folder"
        raise ExportError(f"{place} {why}", advice=advice) from None
    if target.parent != Path(_versions(place).name):
        raise foreign(str(place), f"is a link to {target}, and mlflow-selector did not make it")
    return place.parent / target


@contextmanager
def _alone(versions: Path, where: str) -> Iterator[None]:
    """Keep another process from writing the same export. The lock ends with the process, however that ends."""
    lock = os.open(versions / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportBusyError(f"another process writes {where} just now") from None
        yield
    finally:
        os.close(lock)


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "make room, or give this user the right to write there (under systemd: ReadWritePaths=)"
        raise ExportError(f"{where}: {error.strerror or error}", advice=advice) from error


def _copy(folder: Path, versions: Path, record: Record) -> Path:
    """Make a complete, durable copy beside the others; permissions as the umask says, not as the source has them."""
    name = f"v{record.exported.version if record.exported else 0}-{secrets.token_hex(4)}"
    draft, made = versions / f"{DRAFT}{name}", versions / name
    draft.mkdir()
    try:
        for path in record.files:
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, draft / path, follow_symlinks=False)
        (draft / RECORD).write_text(record.to_json(), encoding="utf-8")
        _sync(draft)
        draft.rename(made)
        _sync_one(versions)
    except OSError:
        _remove((draft, made))
        raise
    return made


def _switch(place: Path, made: Path) -> None:
    """Let the place lead to the new folder, in one step."""
    link = made.parent / LINK
    link.unlink(missing_ok=True)
    link.symlink_to(Path(made.parent.name, made.name))
    if not place.is_symlink() and place.is_dir():
        place.rmdir()  # an empty folder is in the way of the first export; one that is not empty stays
    link.replace(place)
    _sync_one(place.parent)


def _sync(folder: Path) -> None:
    """Let everything below reach the disk, the folders last."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync_one(Path(root, name))
        _sync_one(Path(root))


def _sync_one(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(paths: Iterable[Path]) -> None:
    """Remove what is no longer needed; what cannot be removed is tried again at the next replacement."""
    for path in list(paths):
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink(missing_ok=True)

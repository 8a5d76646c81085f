"""Does this file system tell of what other computers write to it?"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

REMOTE: Final = {
    0x00006969: "NFS",
    0x0000517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB",
    0x65735546: "FUSE",
    0x01021997: "9P",
    0x5346414F: "AFS",
    0x00C36400: "Ceph",
    0x01161970: "GFS2",
    0x7461636F: "OCFS2",
    0x0BD00BD0: "Lustre",
    0x786F4256: "VirtualBox shared folder",
}
"""Magic numbers, statfs(2): inotify there sees what this computer writes, and nothing else."""

_STATFS_BYTES: Final = 512


def remote_kind(folder: Path) -> str | None:
    """Return what kind of remote file system a folder lies on; None for a local one, or where it cannot be told."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)  # f_type comes first, a long
    if libc.statfs(os.fsencode(folder), buffer) != 0:
        return None
    return REMOTE.get(ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF)

"""Which files may this process open from now on? Asked of the kernel's Landlock, through ctypes.

Source: https://docs.kernel.org/userspace-api/landlock.html. ABI 1 (Linux 5.13) to 7 differ in what they can refuse;
each right is asked for only where the kernel knows it. Reading files is the only right that is ever given.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on x86_64 and aarch64
_PR_SET_NO_NEW_PRIVS = 38
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ABI_1_RIGHTS = (1 << 13) - 1
_LATER_RIGHTS = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # REFER, TRUNCATE, IOCTL_DEV
_NETWORK_ABI, _TCP_BIND_AND_CONNECT = 4, 3
_SCOPE_ABI, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 3

_libc = ctypes.CDLL(None, use_errno=True)


def abi(cap: int | None = None) -> int:
    """Return the kernel's Landlock ABI, at most `cap`; 0 where there is none.

    A cap of 0 imitates a kernel without Landlock, 2 one like Debian 12's.
    """
    answer = int(_libc.syscall(_CREATE, None, 0, 1))
    present = max(answer, 0)
    return present if cap is None else min(present, cap)


def allow_reading_only(paths: Iterable[str], cap: int | None = None) -> int:
    """Refuse this thread, for ever, every file outside `paths`, and all writing.

    Args:
        paths: files and folders that stay readable; those that do not exist are skipped.
        cap: the highest ABI to use.

    Returns:
        The ABI used.

    Raises:
        OSError: where the kernel has no Landlock or refuses the rules; nothing is restricted then.

    """
    version = abi(cap)
    if version == 0:
        raise OSError(ctypes.get_errno(), "this kernel offers no Landlock")
    handled = _ABI_1_RIGHTS
    for since, right in _LATER_RIGHTS.items():
        handled |= right if version >= since else 0
    network = _TCP_BIND_AND_CONNECT if version >= _NETWORK_ABI else 0
    scope = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPE_ABI else 0
    size = 24 if version >= _SCOPE_ABI else 16 if version >= _NETWORK_ABI else 8
    attributes = ctypes.create_string_buffer(struct.pack("<QQQ", handled, network, scope), 24)
    ruleset = _checked(_libc.syscall(_CREATE, attributes, size, 0), "landlock_create_ruleset")
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                _allow(ruleset, path)
        _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
        _checked(_libc.syscall(_RESTRICT, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: str) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rights = _READ_FILE | (_READ_DIR if folder else 0)
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, descriptor), 12)
        _checked(_libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return int(result)

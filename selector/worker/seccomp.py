"""Which system calls may this process make from now on? Compiled into a filter for the kernel's seccomp.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html and linux/bpf_common.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from selector.worker.syscalls import ALLOWED, CHECKED, MISSING

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000
_LOAD, _RETURN, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x20, 0x06, 0x15, 0x35, 0x45
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

_CLONE_THREAD = 0x10000
_O_ANY_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY)
# F_SETOWN, F_SETSIG, F_SETLEASE and F_NOTIFY can make the kernel signal another process: they are not in the list.
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 1030)  # DUPFD, GETFD, SETFD, GETFL, SETFL, GETLK, DUPFD_CLOEXEC
_IOCTL_COMMANDS = (0x5401, 0x541B, 0x5450, 0x5451)  # TCGETS, FIONREAD, FIONCLEX, FIOCLEX; TIOCSTI types for others
_PRCTL_OPTIONS = (15, 16, 0x53564D41)  # SET_NAME, GET_NAME, SET_VMA; PDEATHSIG cannot be taken back

_libc = ctypes.CDLL(None, use_errno=True)


def supported() -> bool:
    """Tell whether the numbers for this machine are known."""
    return platform.machine() in _MACHINES


def refuse_all_but_prediction() -> None:
    """Install the filter for this thread and all that it starts, for ever.

    Raises:
        OSError: the machine is neither x86_64 nor aarch64, or the kernel (or a filter of the service manager) refuses.

    """
    if not supported():
        raise OSError(errno.ENOSYS, f"no system call table for {platform.machine()}")
    program = _program(platform.machine(), os.getpid())
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer)), 16)
    # prctl, not seccomp(2): systemd 252's @system-service allows only the former.
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)):
        if _libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the kernel refuses the system call filter")


def _program(machine: str, pid: int) -> list[bytes]:
    """Return the filter as BPF instructions: wrong architecture dies, known numbers pass, the rest gets EPERM."""
    column, architecture = _MACHINES[machine]
    refuse, missing = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS
    out = [_step(_LOAD, _ARCHITECTURE), _step(_IF_EQUAL, architecture, 1, 0), _step(_RETURN, _KILL)]
    out += [_step(_LOAD, _NUMBER), _step(_IF_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, refuse)]
    for numbers, verdict in ((ALLOWED, _ALLOW), (MISSING, missing)):
        for pair in numbers.values():
            number = pair[column]
            if number is not None:
                out += [_step(_IF_EQUAL, number, 0, 1), _step(_RETURN, verdict)]
    for name, pair in CHECKED.items():
        number = pair[column]
        if number is not None:
            body = _check(name, pid, refuse)
            out += [_step(_IF_EQUAL, number, 0, len(body)), *body]
    return [*out, _step(_RETURN, refuse)]


def _check(name: str, pid: int, refuse: int) -> list[bytes]:
    """Return instructions that look at one argument and then always return."""
    if name in ("open", "openat"):
        return _flags(1 if name == "open" else 2, _O_ANY_WRITING, refuse, _ALLOW)
    if name == "clone":
        return _flags(0, _CLONE_THREAD, _ALLOW, refuse)
    if name == "prlimit64":
        return _one_of(0, (0, pid), refuse)
    if name in ("kill", "tgkill"):
        return _one_of(0, (pid,), refuse)
    if name == "prctl":
        return _one_of(0, _PRCTL_OPTIONS, refuse)
    return _one_of(1, {"ioctl": _IOCTL_COMMANDS, "fcntl": _FCNTL_COMMANDS}[name], refuse)


def _flags(argument: int, mask: int, verdict: int, otherwise: int) -> list[bytes]:
    load = _step(_LOAD, _FIRST_ARGUMENT + 8 * argument)
    return [load, _step(_IF_ANY_BIT, mask, 0, 1), _step(_RETURN, verdict), _step(_RETURN, otherwise)]


def _one_of(argument: int, values: tuple[int, ...], refuse: int) -> list[bytes]:
    out = [_step(_LOAD, _FIRST_ARGUMENT + 8 * argument)]
    for value in values:
        out += [_step(_IF_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
    return [*out, _step(_RETURN, refuse)]


def _step(code: int, operand: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, when_true, when_false, operand)

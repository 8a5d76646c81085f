"""How much may this process use? Set through setrlimit, which it cannot raise again."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def set_limits(memory: int, cpu_seconds: int, open_files: int = 256) -> None:
    """Limit address space, processor time and open files; no core files, no written files.

    SIGXCPU comes at `cpu_seconds`, SIGKILL two seconds later.

    Args:
        memory: bytes that may come on top of what the process, with all its libraries, has now.
        cpu_seconds: processor time.
        open_files: open descriptors.

    """
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    pairs = {
        resource.RLIMIT_AS: (used + memory, used + memory),
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 2),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NOFILE: (open_files, open_files),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, hard) in pairs.items():
        _, ceiling = resource.getrlimit(kind)
        top = hard if ceiling == resource.RLIM_INFINITY else min(hard, ceiling)
        resource.setrlimit(kind, (min(soft, top), top))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent`, which forked it, ends; end at once where it has ended."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)

"""How does the process lock itself up before it looks at a model? Limits, then Landlock, then seccomp."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from selector.worker import landlock, limits, seccomp

SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo")

PROCESSORS = (
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
)
"""joblib, and LightGBM through it, count processors whenever they predict, and fail where they may not look."""


def readable() -> list[str]:
    """Return what a Python program needs to read while it runs: the interpreter's libraries and installed packages."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    packages = [entry for entry in sys.path if entry.endswith("-packages")]
    libraries = [str(Path(prefix) / "lib") for prefix in {sys.base_prefix, sys.prefix} if prefix != "/usr"]
    return sorted(
        path for path in {*installed, *packages, *libraries, *SYSTEM_LIBRARIES, *PROCESSORS} if Path(path).exists()
    )


def confine(folder: str | None, memory: int, cpu_seconds: int, max_abi: int | None, *, required: bool) -> str:
    """Lock this process up and say how.

    Args:
        folder: the model's folder, the only thing readable besides the interpreter; None where there is no model.
        memory: bytes of address space on top of what the libraries take.
        cpu_seconds: processor time.
        max_abi: the highest Landlock ABI to use; None for the kernel's own, 0 to do without.
        required: raise where Landlock or seccomp cannot be had; else go on with what there is.

    Returns:
        What confines it, such as "Landlock ABI 7 + seccomp"; "" where nothing does.

    Raises:
        OSError: confinement is required and cannot be had, or the process has several threads (Landlock holds one).

    """
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise OSError(0, "the worker has more than one thread before it is confined")
    limits.set_limits(memory, cpu_seconds)
    parts = []
    try:
        parts.append(
            f"Landlock ABI {landlock.allow_reading_only([*readable(), *([folder] if folder else [])], max_abi)}"
        )
    except OSError:
        if required:
            raise
    try:
        seccomp.refuse_all_but_prediction()
        parts.append("seccomp")
    except OSError:
        if required:
            raise
    return " + ".join(parts)

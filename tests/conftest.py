"""Which real servers do tests share?"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="session")
def postgres_url():
    """The address of a PostgreSQL made for this test run; it listens on a socket in its own folder only."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: its initdb is neither on PATH nor in /usr/lib/postgresql/*/bin")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    run = {"check": True, "capture_output": True, "text": True, "cwd": folder}
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        # PostgreSQL refuses to run as root.
        user = next(name for name in ("postgres", "nobody") if any(p.pw_name == name for p in pwd.getpwall()))
        run |= {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        initdb = [programs / "initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--username=owner", "-D", data]
        subprocess.run(initdb, **run)
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        start = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
        subprocess.run(start, **{**run, "capture_output": False, "stdout": subprocess.DEVNULL})
        try:
            yield f"postgresql://owner@/postgres?host={folder}"
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

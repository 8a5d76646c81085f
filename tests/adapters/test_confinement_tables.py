"""Do the numbers in our tables mean what the kernel means by them?"""

import platform
import re
from pathlib import Path

import pytest

from selector.worker import landlock, seccomp
from selector.worker.syscalls import ALLOWED, CHECKED, MISSING

HEADERS = {0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), 1: Path("/usr/include/asm-generic/unistd.h")}
EVERYTHING = {**ALLOWED, **CHECKED, **MISSING}
DANGEROUS = [
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "sendto",
    "fork",
    "vfork",
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "memfd_create",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "io_uring_setup",
    "pidfd_open",
    "pidfd_send_signal",
    "rt_sigqueueinfo",
    "tkill",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchownat",
    "utimensat",
    "setxattr",
    "truncate",
    "ftruncate",
    "unlink",
    "unlinkat",
    "rename",
    "renameat2",
    "mkdir",
    "mkdirat",
    "symlinkat",
    "linkat",
    "mknodat",
    "creat",
    "bpf",
    "keyctl",
    "add_key",
    "userfaultfd",
    "perf_event_open",
    "shmget",
    "msgget",
    "semget",
    "mq_open",
    "setpriority",
    "sched_setaffinity",
    "setsid",
    "setpgid",
    "setrlimit",
    "landlock_create_ruleset",
    "seccomp",
    "personality",
    "inotify_init1",
    "fanotify_init",
]


def numbers(header):
    if not header.exists():
        pytest.skip(f"the kernel's header {header} is not installed")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text(), re.MULTILINE)
    table = {name: int(number) for name, number in found}
    return {**table, **({"newfstatat": table["fstatat"]} if "fstatat" in table else {})}


@pytest.mark.parametrize("column", HEADERS)
def test_every_number_is_the_kernels(column):
    kernel = numbers(HEADERS[column])
    assert {name: pair[column] for name, pair in EVERYTHING.items()} == {name: kernel.get(name) for name in EVERYTHING}


@pytest.mark.parametrize("column", HEADERS)
def test_no_number_of_a_dangerous_call_is_allowed(column):
    kernel = numbers(HEADERS[column])
    allowed = {pair[column] for pair in ALLOWED.values()}
    assert {name for name in DANGEROUS if kernel.get(name) in allowed and name in kernel} == set()
    assert set(DANGEROUS).isdisjoint(EVERYTHING)


def test_no_call_stands_in_two_tables():
    assert len(EVERYTHING) == len(ALLOWED) + len(CHECKED) + len(MISSING)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_of_every_machine_fits_the_kernel_and_ends_in_a_refusal(machine):
    program = seccomp._program(machine, 4711)
    assert len(program) < 4096
    assert all(len(step) == 8 for step in program)
    assert program[-1] == seccomp._step(0x06, 0x00050001)


def verdict(machine, number, *arguments):
    """Run the filter as the kernel would."""
    architecture = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    data = {0: number, 4: architecture} | {16 + 8 * i: value & 0xFFFFFFFF for i, value in enumerate(arguments)}
    program, at, accumulator = seccomp._program(machine, 4711), 0, 0
    while True:
        code, if_true, if_false, operand = seccomp.struct.unpack("<HBBI", program[at])
        at += 1
        if code == 0x20:
            accumulator = data.get(operand, 0)
        elif code == 0x06:
            return operand
        else:
            holds = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}[
                code
            ]
            at += if_true if holds else if_false


ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("read", (), ALLOW),
        ("umask", (), ALLOW),
        ("clone3", (), UNKNOWN),
        ("openat2", (), UNKNOWN),
        ("clone", (0x3D0F00,), ALLOW),
        ("clone", (17,), REFUSE),
        ("openat", (0, 0, 0o2000000), ALLOW),
        ("openat", (0, 0, 0o1), REFUSE),
        ("openat", (0, 0, 0o2), REFUSE),
        ("openat", (0, 0, 0o100), REFUSE),
        ("openat", (0, 0, 0o1000), REFUSE),
        ("kill", (4711, 9), ALLOW),
        ("kill", (1, 9), REFUSE),
        ("kill", (0, 9), REFUSE),
        ("kill", (-1, 9), REFUSE),
        ("tgkill", (4711, 4711, 6), ALLOW),
        ("tgkill", (1, 1, 9), REFUSE),
        ("fcntl", (3, 3), ALLOW),
        ("fcntl", (3, 8), REFUSE),
        ("fcntl", (3, 10), REFUSE),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), REFUSE),
        ("prctl", (15,), ALLOW),
        ("prctl", (1,), REFUSE),
        ("prctl", (22,), REFUSE),
        ("prlimit64", (0,), ALLOW),
        ("prlimit64", (1,), REFUSE),
    ],
)
def test_arguments_decide_where_they_must(machine, name, arguments, expected):
    column = 0 if machine == "x86_64" else 1
    assert verdict(machine, EVERYTHING[name][column], *arguments) == expected


def test_every_number_outside_of_the_tables_is_refused():
    for machine, column in (("x86_64", 0), ("aarch64", 1)):
        known = {pair[column] for pair in EVERYTHING.values()}
        assert all(verdict(machine, number) == REFUSE for number in range(600) if number not in known)
        assert verdict(machine, 0x40000000) == REFUSE


def test_an_unknown_machine_is_not_confined_by_another_machines_numbers(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not seccomp.supported()
    with pytest.raises(OSError, match="no system call table for riscv64"):
        seccomp.refuse_all_but_prediction()


def test_a_cap_of_zero_is_a_kernel_without_landlock():
    assert landlock.abi(0) == 0
    with pytest.raises(OSError, match="no Landlock"):
        landlock.allow_reading_only([], 0)

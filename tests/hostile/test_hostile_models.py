"""Does a model that attacks cost only itself? Each attack runs for real, in a worker that is confined as in production."""

import contextlib
import os
import pickle
import platform
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
import yaml
from sklearn.linear_model import LogisticRegression

from selector.adapters.holdout_files import HoldoutFiles
from selector.adapters.scorer_confined import ConfinedScorer
from selector.domain.model import Predictions, Unscorable
from selector.ports import HoldoutSpec, ScoreJob

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks use x86_64 system call numbers")

ROWS = 400
SECRET = "hunter2-of-the-daemon"
TIMEOUT = 5

PRELUDE = """
import ctypes, os, socket, subprocess, sys, signal, time, threading, resource, fcntl, struct, json
libc = ctypes.CDLL(None, use_errno=True)
def escaped(what='it worked'):
    raise RuntimeError('ESCAPED: ' + str(what))
def refused(result):
    if result != -1 or ctypes.get_errno() not in (1, 38):  # any other error: the call itself was let through
        escaped((result, ctypes.get_errno()))
    raise PermissionError(ctypes.get_errno(), 'refused')
"""

# Every attack ends in escaped() where it works; what it changes outside is looked for as well.
ATTACKS = {
    "write a file": "open({marker!r}, 'w').write('x'); escaped()",
    "write a file by system call": "refused(libc.open({marker!r}.encode(), os.O_WRONLY | os.O_CREAT, 0o600))",
    "write into its own folder": "open({folder!r} + '/more', 'w').write('x'); escaped()",
    "cut off its own file through a reading descriptor": "os.open({folder!r} + '/victim', os.O_RDONLY | os.O_TRUNC); escaped()",
    "truncate by name": "os.truncate({folder!r} + '/victim', 0); escaped()",
    "write into the packages": "open(os.path.dirname(json.__file__) + '/evil.py', 'w'); escaped()",
    "delete a file": "os.remove({victim!r}); escaped()",
    "delete its own file": "os.remove({folder!r} + '/victim'); escaped()",
    "rename": "os.rename({victim!r}, {victim!r} + '2'); escaped()",
    "make a folder": "os.mkdir({marker!r}); escaped()",
    "make a link": "os.symlink('/etc/passwd', {marker!r}); escaped()",
    "make a hard link": "os.link({victim!r}, {marker!r}); escaped()",
    "make a pipe with a name": "os.mkfifo({marker!r}); escaped()",
    "change a mode": "os.chmod({victim!r}, 0o777); escaped()",
    "change an owner": "os.chown({victim!r}, 12345, 12345); escaped()",
    "change a time": "os.utime({victim!r}, (0, 0)); escaped()",
    "set an attribute": "os.setxattr({victim!r}, 'user.evil', b'1'); escaped()",
    "read a secret": "escaped(open({secret!r}).read())",
    "read /etc/passwd": "escaped(open('/etc/passwd').read())",
    "read the environment of the daemon": "escaped(open('/proc/{daemon}/environ').read())",
    "read the environment of its parent": "escaped(open(f'/proc/{{os.getppid()}}/environ').read())",
    "read the memory of its parent": "escaped(open(f'/proc/{{os.getppid()}}/mem', 'rb'))",
    "list the processes": "escaped(os.listdir('/proc'))",
    "list the folder of the store": "escaped(os.listdir({outside!r}))",
    "open a TCP connection": "socket.create_connection(('127.0.0.1', {port}), 1); escaped()",
    "send UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port})); escaped()",
    "listen": "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); escaped()",
    "connect to a UNIX socket": "s = socket.socket(socket.AF_UNIX); s.connect({unix!r}); escaped()",
    "connect to an abstract socket": "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + {abstract!r}); escaped()",
    "make a socket pair": "socket.socketpair(); escaped()",
    "open netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); escaped()",
    "fork": "os.fork(); escaped()",
    "vfork by system call": "refused(libc.syscall(58))",
    "clone without threads": "refused(libc.syscall(56, 17, 0, 0, 0, 0))",
    "clone3": "refused(libc.syscall(435, ctypes.create_string_buffer(88), 88))",
    "start a program": "subprocess.run(['/bin/true']); escaped()",
    "replace itself by a program": "os.execv('/bin/true', ['true']); escaped()",
    "start a shell": "os.system('true') == 0 and escaped(); raise PermissionError",
    "run a file in memory": "refused(libc.syscall(319, b'x', 0))",
    "new user namespace": "refused(libc.syscall(272, 0x10000000))",
    "io_uring": "refused(libc.syscall(425, 8, ctypes.create_string_buffer(120)))",
    "openat2": "refused(libc.syscall(437, -100, b'/etc/passwd', ctypes.create_string_buffer(24), 24))",
    "the x32 numbers": "refused(libc.syscall(0x40000000 + 41, 2, 1, 0))",
    "kill the daemon": "os.kill({daemon}, 9); escaped()",
    "kill its parent": "os.kill(os.getppid(), 9); escaped()",
    "kill its process group": "os.kill(0, 9); escaped()",
    "kill everybody": "os.kill(-1, 9); escaped()",
    "signal a thread of its parent": "refused(libc.syscall(234, os.getppid(), os.getppid(), 9))",
    "queue a signal": "refused(libc.syscall(129, os.getppid(), 10, ctypes.create_string_buffer(128)))",
    "signal through a process descriptor": "refused(libc.syscall(434, os.getppid(), 0))",
    "have the kernel signal its parent": "fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid()); escaped()",
    "trace its parent": "refused(libc.syscall(101, 16, os.getppid(), 0, 0))",
    "read its parent's memory by system call": "refused(libc.syscall(310, os.getppid(), 0, 0, 0, 0, 0))",
    "limit its parent": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3)); escaped()",
    "slow its parent down": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19); escaped()",
    "raise its own limits": "resource.setrlimit(resource.RLIMIT_CPU, (9999, 9999)); escaped()",
    "outlive its parent": "refused(libc.prctl(1, 0, 0, 0, 0))",
    "leave its session": "os.setsid(); escaped()",
    "shared memory": "refused(libc.syscall(29, 4711, 4096, 0o1666))",
    "message queue": "refused(libc.syscall(68, 4711, 0o1666))",
    "the kernel's keys": "refused(libc.syscall(248, b'user', b'x', b'y', 1, -4))",
    "load a kernel program": "refused(libc.syscall(321, 5, 0, 0))",
    "mount": "refused(libc.syscall(165, b'none', b'/mnt', b'tmpfs', 0, 0))",
    "change the root": "os.chroot('/usr/lib'); escaped()",
    "lift its own confinement": "refused(libc.syscall(444, 0, 0, 1))",
    "take 8 GiB": "x = bytearray(8 << 30); escaped()",
    "take memory in small pieces": "import numpy; x = [numpy.empty(1 << 17) for _ in range(8192)]; escaped()",
    "start 100,000 threads": "[threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in range(100_000)]; escaped()",
    "sleep for ever": "time.sleep(10_000); escaped()",
    "spin, ignoring the limit's signal": "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
    "stop itself": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(10_000); escaped()",
    "print for ever": "while True: print('x' * 100_000)",
    "print 10 MB and fail": "print('x' * 10_000_000); raise ValueError('printed')",
    "exit": "os._exit(0)",
    "exit by exception": "sys.exit(3)",
    "crash": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "recurse without end": "sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "raise what is no Exception": "raise KeyboardInterrupt",
    "raise an error whose text is hostile": "raise ValueError('\\x1b[2J\\r\\nSTOPPING=1\\u202e' + 'x' * 10**7)",
    "send nonsense on every descriptor": "[contextlib_write(fd, b'x' * 5000) for fd in range(1024)]; os._exit(0)",
    "send nothing but a magic": "os.write(3, b'MSA1'); os._exit(0)",
    "send an endless header": "os.write(3, b'MSA1' + b'\\xff' * 4)\nwhile True: os.write(3, b'x' * 65536)",
    "send deep JSON": "h = b'[' * 500_000; os.write(3, b'MSA1' + struct.pack('<I', len(h)) + h); os._exit(0)",
    "send too few rows": "send({{'rows': 1}}, b'\\0' * 8)",
    "send numbers that are none": "send({{'labels': '<f8'}}, struct.pack('<d', float('nan')) * {rows})",
    "send a probability of 7": "send({{'labels': None, 'columns': 1}}, struct.pack('<d', 7.0) * {rows})",
    "send a billion columns": "send({{'columns': 10**9}}, b'')",
    "send too much": "send({{}}, b'\\0' * 8 * {rows} + b'more')",
    "send a label outside its list": "send({{'labels': 'text', 'vocabulary': ['a']}}, struct.pack('<q', 5) * {rows})",
    "send half an answer": "send({{}}, b'\\0' * 4 * {rows})",
    "send an odd class list": "send({{'classes': [{{}}] * 3}}, b'\\0' * 8 * {rows})",
}

SENDING = """
def contextlib_write(fd, content):
    try:
        os.write(fd, content)
    except OSError:
        pass
def send(change, body):
    header = {'labels': '<i8', 'vocabulary': [], 'columns': None, 'classes': [], 'seconds': 0.0, 'rows': ROWS, 'f1': 1.0}
    text = json.dumps({**header, **change}).encode()
    content = b'MSA1' + struct.pack('<I', len(text)) + text + body
    while content:
        content = content[os.write(3, content):]
    os._exit(0)
""".replace("ROWS", str(ROWS))

HANGING = {
    "sleep for ever",
    "spin, ignoring the limit's signal",
    "stop itself",
    "print for ever",
    "recurse without end",
    "start 100,000 threads",
}
"""Attacks that end at the time limit, whatever the kernel's Landlock can do: run once."""

CONTAINED = {
    "take 8 GiB": "asked for more than 2 GiB of memory",
    "take memory in small pieces": "asked for more than 2 GiB of memory",
    "sleep for ever": "hung: no answer within 5 s",
    "spin, ignoring the limit's signal": "hung: no answer within 5 s",
    "stop itself": "hung: no answer within 5 s",
    "print 10 MB and fail": "failed with ValueError: printed",
    "exit": "ended its process without an answer (exit code 0)",
    "exit by exception": "failed with SystemExit: 3",
    "crash": "crashed with SIGSEGV",
    "abort": "crashed with SIGABRT",
    "open a TCP connection": "tried to open a socket, which confinement refuses",
    "write a file": "tried to write",
    "fork": "tried to start a process, which confinement refuses",
    "start a program": "which confinement refuses",
    "read a secret": "tried to read",
    "send too few rows": "answers for 1 rows instead of 400",
    "send numbers that are none": "400 labels that are not finite numbers",
    "send a probability of 7": "not numbers between 0 and 1",
    "send a billion columns": "gives 1000000000 probabilities a row",
    "send too much": "more than 400 predictions",
}


class Attack:
    """Runs its code wherever it is unpickled."""

    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return exec, (self.code, {})


def model_folder(folder: Path, content: bytes, name="model.pkl", flavors=None):
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    (folder / "victim").write_text("still here")
    flavors = flavors or {"sklearn": {"pickled_model": name, "serialization_format": "pickle"}}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return folder


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def processes():
    """All processes below this one, as pid -> command."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = status.read_text().partition(" (")
            command, _, rest = rest.rpartition(") ")
            parents[int(pid)] = (int(rest.split()[1]), command)
    found, waiting = {}, [os.getpid()]
    while waiting:
        here = waiting.pop()
        children = [pid for pid, (parent, _) in parents.items() if parent == here]
        found |= {pid: parents[pid][1] for pid in children}
        waiting += children
    return found


def settled_processes():
    """The same, once workers whose answer was refused early have been killed and reaped."""
    ends = time.monotonic() + 10
    while len(found := processes()) > 1 and time.monotonic() < ends:
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module", params=[None, 2], ids=["newest Landlock", "Landlock ABI 2"])
def outcome(request, tmp_path_factory):
    base, outside = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("outside")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)})
    frame.assign(y=(frame.a > 0).astype(int)).to_csv(base / "holdout.csv", index=False)
    _, features = HoldoutFiles(base).read(HoldoutSpec("holdout.csv", "y"))
    (outside / "secret").write_text(SECRET)
    (outside / "victim").write_text("still here")
    before = (outside / "victim").stat()
    os.environ["SECRET_OF_THE_DAEMON"] = SECRET

    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(outside / "socket"))
        unix.listen()
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0hostile-test-" + str(os.getpid()))
        abstract.listen()
        names = {
            "marker": str(outside / "marker"),
            "victim": str(outside / "victim"),
            "secret": str(outside / "secret"),
            "outside": str(outside),
            "unix": str(outside / "socket"),
            "abstract": "hostile-test-" + str(os.getpid()),
            "port": tcp.getsockname()[1],
            "daemon": os.getpid(),
            "rows": ROWS,
        }
        jobs = []
        for number, (name, code) in enumerate(ATTACKS.items()):
            if request.param and name in HANGING:
                continue
            folder = base / f"attack{number}"
            body = PRELUDE + SENDING + textwrap.dedent(code.format(**names, folder=str(folder)))
            jobs.append(ScoreJob(name, model_folder(folder, pickle.dumps(Attack(body)))))
        honest = LogisticRegression().fit(frame, frame.a > 0)
        for place in (0, len(jobs) // 2, len(jobs)):
            folder = model_folder(base / f"control{place}", pickle.dumps(honest))
            jobs.insert(place, ScoreJob(f"control {place}", folder))

        scorer = ConfinedScorer(2, timeout=TIMEOUT, memory=2 << 30, max_abi=request.param)
        stack.callback(scorer.close)
        confinement = scorer.self_test()
        server = scorer._server.pid
        descriptors = open_descriptors()
        threads = threading.active_count()
        results = {scored.key: scored.result for scored in scorer.score(jobs, features)}
        yield {
            "abi": request.param,
            "confinement": confinement,
            "results": results,
            "outside": outside,
            "base": base,
            "victim": (before, (outside / "victim").stat()),
            "server": (server, scorer._server.pid),
            "below": settled_processes(),
            "descriptors": (descriptors, open_descriptors()),
            "threads": (threads, threading.active_count()),
            "honest": honest.predict(frame),
        }
    del os.environ["SECRET_OF_THE_DAEMON"]


def test_the_confinement_is_the_one_that_was_asked_for(outcome):
    if outcome["abi"]:
        assert outcome["confinement"] == "Landlock ABI 2 + seccomp"
    else:
        assert outcome["confinement"].startswith("Landlock ABI ")


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_contained_and_has_a_reason(outcome, name):
    if outcome["abi"] and name in HANGING:
        return
    result = outcome["results"][name]
    assert isinstance(result, Unscorable), result
    assert "ESCAPED" not in result.reason
    assert SECRET not in result.reason
    assert result.reason.isprintable()
    assert len(result.reason) < 800
    assert CONTAINED.get(name, "") in result.reason


def test_honest_models_among_the_attackers_are_scored(outcome):
    controls = [result for key, result in outcome["results"].items() if key.startswith("control")]
    assert len(controls) == 3
    for result in controls:
        assert isinstance(result, Predictions), result
        np.testing.assert_array_equal(result.labels.astype(bool), outcome["honest"])


def test_nothing_outside_has_changed(outcome):
    assert {entry.name for entry in outcome["outside"].iterdir()} == {"secret", "victim", "socket"}
    before, after = outcome["victim"]
    assert (before.st_mode, before.st_uid, before.st_mtime_ns) == (after.st_mode, after.st_uid, after.st_mtime_ns)
    for folder in outcome["base"].glob("attack*"):
        assert {entry.name for entry in folder.iterdir()} == {"MLmodel", "model.pkl", "victim"}
        assert (folder / "victim").read_text() == "still here"


def test_the_fork_server_survives_and_no_process_thread_or_descriptor_is_left(outcome):
    before, after = outcome["server"]
    assert before == after
    assert set(outcome["below"]) == {after}
    assert outcome["descriptors"][0] == outcome["descriptors"][1]
    assert outcome["threads"][0] == outcome["threads"][1]


def test_attacks_that_are_no_hang_are_remembered_and_hangs_are_tried_again(outcome):
    results = outcome["results"]
    assert outcome["abi"] or results["sleep for ever"].transient
    assert not results["crash"].transient
    assert not results["take 8 GiB"].transient
    assert not results["open a TCP connection"].transient


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    base = tmp_path_factory.mktemp("bench")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)})
    frame.assign(y=(frame.a > 0).astype(int)).to_csv(base / "holdout.csv", index=False)
    _, features = HoldoutFiles(base).read(HoldoutSpec("holdout.csv", "y"))
    scorer = ConfinedScorer(2, timeout=10, memory=2 << 30)
    yield base, frame, features, scorer
    scorer.close()


def test_what_a_model_claims_about_itself_changes_nothing(bench):
    base, _, features, scorer = bench
    code = PRELUDE + SENDING + f"send({{'seconds': -1e308, 'f1': 1.0, 'score': 1.0}}, struct.pack('<q', 1) * {ROWS})"
    folder = model_folder(base / "forger", pickle.dumps(Attack(code)))
    (scored,) = scorer.score([ScoreJob("m", folder)], features)
    assert isinstance(scored.result, Predictions)
    assert scored.result.labels.tolist() == [1] * ROWS
    assert scored.result.seconds == 0.0
    assert not hasattr(scored.result, "f1")


def test_the_environment_and_the_command_line_of_workers_hold_no_secret(bench, monkeypatch):
    base, _, features, _ = bench
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    code = PRELUDE + "raise ValueError(' '.join(f'{k}={v};' for k, v in os.environ.items()))"
    scorer = ConfinedScorer(timeout=10)
    try:
        folder = model_folder(base / "environment", pickle.dumps(Attack(code)))
        (scored,) = scorer.score([ScoreJob("m", folder)], features)
        assert "OMP_NUM_THREADS=1;" in scored.result.reason
        for absent in (SECRET, "MLFLOW_TRACKING", "HOME=", os.environ["PATH"]):
            assert absent not in scored.result.reason
        process = Path(f"/proc/{scorer._server.pid}")
        assert SECRET.encode() not in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    finally:
        scorer.close()


DAEMON = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from selector.adapters.holdout_files import HoldoutFiles
from selector.adapters.scorer_confined import ConfinedScorer
from selector.ports import HoldoutSpec, ScoreJob

base = Path({base!r})
_, features = HoldoutFiles(base).read(HoldoutSpec("holdout.csv", "y"))
scorer = ConfinedScorer(2, timeout=300)
scorer.self_test()
print(scorer._server.pid, flush=True)
list(scorer.score([ScoreJob("one", base / "sleeper"), ScoreJob("two", base / "sleeper")], features))
"""


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def test_workers_die_with_a_daemon_that_is_killed(bench):
    base, *_ = bench
    model_folder(base / "sleeper", pickle.dumps(Attack("import time; time.sleep(10_000)")))
    script = DAEMON.format(root=str(Path(__file__).parents[2]), base=str(base))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as daemon:
        server = int(daemon.stdout.readline())
        children = Path(f"/proc/{server}/task/{server}/children")
        ends = time.monotonic() + 60
        while len(workers := [int(pid) for pid in children.read_text().split()]) < 2 and time.monotonic() < ends:
            time.sleep(0.05)
        assert len(workers) == 2
        daemon.kill()
    ends = time.monotonic() + 20
    while any(map(alive, (server, *workers))) and time.monotonic() < ends:
        time.sleep(0.05)
    assert [pid for pid in (server, *workers) if alive(pid)] == []


def test_workers_die_with_a_fork_server_that_is_killed_and_scoring_goes_on(bench):
    base, frame, features, _ = bench
    sleeping = model_folder(base / "sleeping", pickle.dumps(Attack("import time; time.sleep(10_000)")))
    honest = model_folder(base / "going on", pickle.dumps(LogisticRegression().fit(frame, frame.a > 0)))
    scorer = ConfinedScorer(1, timeout=300)
    try:
        answers = scorer.score(iter([ScoreJob("a", sleeping), ScoreJob("b", honest)]), features)
        scorer.self_test()
        server = scorer._server.pid
        children = Path(f"/proc/{server}/task/{server}/children")

        def kill_soon():
            while not (found := children.read_text().split()):
                time.sleep(0.05)
            workers.extend(map(int, found))
            os.kill(server, 9)

        workers = []
        killer = threading.Thread(target=kill_soon)
        killer.start()
        results = {scored.key: scored.result for scored in answers}
        killer.join()
        assert results["a"] == Unscorable("the worker process ended before the model answered", transient=True)
        assert isinstance(results["b"], Predictions)
        ends = time.monotonic() + 20
        while any(map(alive, workers)) and time.monotonic() < ends:
            time.sleep(0.05)
        assert not any(map(alive, workers))
    finally:
        scorer.close()


def test_an_input_changed_by_one_model_is_whole_for_the_next(bench):
    base, frame, features, scorer = bench
    code = "import numpy as np\nclass M:\n  def predict(self, f):\n    f.iloc[:, :] = 7.0\n    return np.zeros(len(f), int)\n"
    mutating = model_folder(base / "mutating", b"\x80\x04" + pickle.dumps(Maker(code))[2:])
    honest = LogisticRegression().fit(frame, frame.a > 0)
    folder = model_folder(base / "after", pickle.dumps(honest))
    results = {
        s.key: s.result for s in scorer.score([ScoreJob("mutating", mutating), ScoreJob("honest", folder)], features)
    }
    assert isinstance(results["mutating"], Predictions)
    np.testing.assert_array_equal(results["honest"].labels.astype(bool), honest.predict(frame))


class Maker:
    """Makes an instance of the class M that its code defines."""

    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return eval, (f"(lambda n: (exec({self.code!r}, n), n['M']())[1])({{}})",)


def mutants(content: bytes, rng):
    for place in (0, 1, len(content) // 3, len(content) // 2, len(content) - 1):
        yield content[:place]
    for _ in range(7):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 5):
            changed[place] = rng.integers(0, 256)
        yield bytes(changed)


def test_damaged_native_files_crash_at_most_their_own_worker(bench):
    base, frame, features, scorer = bench
    target, rng = (frame.a > 0).astype(int), np.random.default_rng(1)
    text = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(frame, target), 3)
    trees = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(frame, target), 3)
    whole = {
        "lightgbm": ("model.txt", text.model_to_string().encode()),
        "xgboost ubj": ("model.ubj", bytes(trees.save_raw("ubj"))),
        "xgboost json": ("model.json", bytes(trees.save_raw("json"))),
    }
    jobs = []
    for kind, (name, content) in whole.items():
        flavors = {kind.split()[0]: {"data": name, "model_class": "Booster"}}
        jobs.append(ScoreJob(f"{kind} whole", model_folder(base / f"{kind} whole", content, name, flavors)))
        for number, mutant in enumerate(mutants(content, rng)):
            folder = model_folder(base / f"{kind} {number}", mutant, name, flavors)
            jobs.append(ScoreJob(f"{kind} {number}", folder))
    results = {scored.key: scored.result for scored in scorer.score(jobs, features)}
    assert len(results) == len(jobs) == 39
    for kind in whole:
        assert isinstance(results[f"{kind} whole"], Predictions), results[f"{kind} whole"]
        for number in (0, 1, 2):
            assert isinstance(results[f"{kind} {number}"], Unscorable), results[f"{kind} {number}"]
    for result in results.values():
        if isinstance(result, Predictions):
            assert np.isfinite(result.probabilities).all()

"""Which real servers do tests share?"""

from __future__ import annotations

import collections
import contextlib
import http.client
import http.server
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None)  # a loaded machine is not a slow program
settings.load_profile("suite")

FOREIGN_WARNINGS = (
    # MLflow 3.17's own queries, on SQLAlchemy 2.1; users never see it.
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
)


def pytest_configure(config):
    """Warnings are errors, except these few of others' making."""
    for line in FOREIGN_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


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
    run = {"cwd": folder, "stdout": subprocess.DEVNULL}
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        # PostgreSQL refuses to run as root.
        user = next(name for name in ("postgres", "nobody") if any(p.pw_name == name for p in pwd.getpwall()))
        run |= {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        initdb = [programs / "initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--username=owner", "-D", data]
        subprocess.run(initdb, check=True, **run)
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        start = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
        subprocess.run(start, check=True, **run)
        try:
            yield f"postgresql://owner@/postgres?host={folder}"
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-w", "-m", "fast", "stop"], check=True, **run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_url):
    """The address of an empty database of its own for one test."""
    import psycopg  # noqa: PLC0415 - only these tests need it

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory):
    """An empty MLflow database, made once: MLflow takes seconds to create its tables."""
    from selector.adapters.mlflow_connection import Connection  # noqa: PLC0415 - only some tests need MLflow

    file = tmp_path_factory.mktemp("mlflow-template") / "mlflow.db"
    Connection(f"sqlite:///{file}").ask("open", lambda client: client.search_experiments())
    return file


def _database_in(folder: Path, template: Path) -> str:
    file = folder / "mlflow.db"
    shutil.copyfile(template, file)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        place = (folder / "mlartifacts" / "0").as_uri()
        connection.execute("UPDATE experiments SET artifact_location = ?", (place,))
    return f"sqlite:///{file}"


@pytest.fixture
def mlflow_sqlite(tmp_path, mlflow_template):
    """The URI of an empty MLflow database of its own for one test."""
    return _database_in(tmp_path, mlflow_template)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _serving(store: str, folder: Path, **more: str):
    """Run `mlflow server` with one worker, and `more` in its environment, on a free loopback port."""
    url = f"http://127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    with (folder / "server.log").open("wb") as log:
        options = {"cwd": folder, "env": kept | quiet | more, "stdout": log, "stderr": log, "start_new_session": True}
        process = subprocess.Popen(command, **options)
    try:
        _await_health(url, process, folder / "server.log")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _await_health(url: str, process: subprocess.Popen, log: Path) -> None:
    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"mlflow server did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
def mlflow_server_database(tmp_path_factory, mlflow_template):
    """The database file behind `mlflow_server`, for tests that need more rows than they can send."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    return Path(_database_in(folder, mlflow_template).removeprefix("sqlite:///"))


@pytest.fixture(scope="session")
def mlflow_server(mlflow_server_database):
    """The URL of a real MLflow server over SQLite, shared by all tests: use names of your own."""
    with _serving(f"sqlite:///{mlflow_server_database}", mlflow_server_database.parent) as url:
        yield url


@pytest.fixture(scope="module")
def mlflow_webhook_server(tmp_path_factory, mlflow_template):
    """The URL of a real MLflow server that sends webhooks to this computer, which it refuses by default."""
    folder = tmp_path_factory.mktemp("mlflow-webhook-server")
    allowed = {"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    with _serving(_database_in(folder, mlflow_template), folder, **allowed) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_postgres_server(tmp_path_factory, postgres_url):
    """The URL of a real MLflow server over PostgreSQL, shared by all tests: use names of your own."""
    import psycopg  # noqa: PLC0415 - only these tests need it

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE mlflow_server")
    store = postgres_url.replace("/postgres?", "/mlflow_server?").replace("postgresql:", "postgresql+psycopg:")
    with _serving(store, tmp_path_factory.mktemp("mlflow-postgres-server")) as url:
        yield url


class CountingProxy:
    """A small HTTP proxy before one server that counts what passes.

    Attributes:
        url: use it in place of the server's.
        counts: requests by method.
        paths: "METHOD /path" of each request, in order.

    """

    def __init__(self, server_url: str) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.paths: list[str] = []
        proxy, target = self, server_url.removeprefix("http://")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                proxy.counts[self.command] += 1
                proxy.paths.append(f"{self.command} {self.path.partition('?')[0]}")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                onward = http.client.HTTPConnection(target, timeout=60)
                try:
                    onward.request(self.command, self.path, body, {**dict(self.headers), "Host": target})
                    answer = onward.getresponse()
                    content = answer.read()
                finally:
                    onward.close()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on  # noqa: N815 - http.server's names

            def log_message(self, *words) -> None:
                """Stay silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def total(self) -> int:
        """How many requests passed."""
        return sum(self.counts.values())

    @property
    def writes(self) -> list[str]:
        """The requests that could change something: all but GET and the searches, which MLflow sends as POST."""
        return [path for path in self.paths if not path.startswith("GET ") and not path.endswith("search")]

    def reset(self) -> None:
        """Forget what was counted."""
        self.counts.clear()
        self.paths.clear()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def counting_proxy():
    """Put a counting proxy before a server: `proxy = counting_proxy(mlflow_server)`."""
    proxies: list[CountingProxy] = []

    def before(server_url: str) -> CountingProxy:
        proxies.append(CountingProxy(server_url))
        return proxies[-1]

    yield before
    for proxy in proxies:
        proxy.close()

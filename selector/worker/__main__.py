"""python -I …/worker/__main__.py FD ROOT IDLE: the fork server, started by the selector with a socket on FD."""

from __future__ import annotations

import signal
import socket
import sys


def main() -> None:
    """Import everything once, say that all is ready, and serve."""
    descriptor, root, idle = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    sys.path.insert(0, root)
    try:
        from selector.worker.fork_server import ForkServer  # noqa: PLC0415  isolated mode: the path is set just above
        from selector.worker.preload import preload  # noqa: PLC0415  the same
    finally:
        sys.path.remove(root)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the selector, which then closes the socket
    preload()
    control = socket.socket(fileno=descriptor)
    control.send(b"ready")
    ForkServer(control, idle).serve()


if __name__ == "__main__":
    main()

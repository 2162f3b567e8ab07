"""The daemon as a process of its own: start it, stop it, kill it, start it again."""

import os
import random
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15


class Process:
    """A child that says on its stderr when it is ready. As a context manager it is stopped, and checked, at the end."""

    def __init__(self, arguments, ready, **popen_options):
        self.arguments = [str(argument) for argument in arguments]
        self.ready_pattern = re.compile(ready)
        self.popen_options = popen_options
        self.child = None
        self.log = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exception_type, *_):
        status = self.stop()
        self._show_log()
        if exception_type is None:
            assert status == 0, f"{self.arguments[0]} ended with status {status} when it was stopped"

    def start(self):
        """Returns the match of the ready pattern."""
        self.child = subprocess.Popen(
            self.arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **self.popen_options
        )
        ready = Future()
        threading.Thread(target=self._read_log, args=(self.child, ready), daemon=True).start()
        try:
            return ready.result(START_TIMEOUT_S)
        except BaseException:
            self.kill()
            self._show_log()
            raise

    def stop(self):
        """Asks for an orderly end, as systemd does, and returns the exit status; of one that has ended already, 0."""
        if self.child.returncode is not None:
            return 0
        self.child.terminate()
        try:
            return self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        """kill -9: the process gets no chance to put anything in order."""
        self.child.kill()
        self.child.wait(STOP_TIMEOUT_S)

    def _read_log(self, child, ready):
        with child.stderr:
            for line in child.stderr:
                self.log.append(line)
                found = self.ready_pattern.search(line)
                if found and not ready.done():
                    ready.set_result(found)
        if not ready.done():
            ready.set_exception(RuntimeError(f"{self.arguments[0]} ended before it was ready: status {child.wait()}"))

    def _show_log(self):
        sys.stderr.writelines(self.log)  # which pytest shows beside a failure


class Daemon(Process):
    """`revoked`, or whatever INTEROP_DAEMON names, with its data in `directory` and further command-line options."""

    def __init__(self, directory, *options, port=None):
        self.port = port or free_port()
        self.data_file = directory / "revoked.db"
        super().__init__(
            [os.environ["INTEROP_DAEMON"], "--bind", "127.0.0.1", "--port", self.port, "--dir", directory, *options],
            ready="Ready to accept connections",
        )


def free_port():
    """A port below those that the kernel hands out to clients: a client that redials a daemon which is down could be
    given the very port that it dials, and would be connected to itself."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")

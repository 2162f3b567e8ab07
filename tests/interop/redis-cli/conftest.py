import os
import subprocess

import pexpect
import pytest


@pytest.fixture
def run(daemon, tmp_path):
    """Runs redis-cli or redis-benchmark against the daemon and returns what it printed; it has to exit with 0."""

    def run(program, *arguments, stdin=""):
        command = [program, "-p", str(daemon.port), *map(str, arguments)]
        done = subprocess.run(
            command, input=stdin, env=environment(tmp_path), capture_output=True, text=True, timeout=50
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def terminal(daemon, tmp_path):
    """Starts redis-cli in a terminal of its own."""
    children = []

    def terminal(*arguments):
        child = pexpect.spawn(
            "redis-cli",
            ["-p", str(daemon.port), *map(str, arguments)],
            env=environment(tmp_path) | {"TERM": "xterm"},
            dimensions=(24, 200),
            encoding="utf-8",
            timeout=20,
        )
        child.delaybeforesend = None
        children.append(child)
        return child

    yield terminal
    for child in children:
        child.close(force=True)


def environment(home):
    """This one's, but without its owner's .redisclirc and history."""
    return os.environ | {"HOME": str(home)}

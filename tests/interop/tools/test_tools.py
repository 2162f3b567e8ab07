"""The tools with a real Redis on the other side: moving over, going back, and the daemon's file read meanwhile."""

import os
import subprocess

import pytest

from daemon import Process, free_port

FAR_MS = 95_617_584_000_000


class Redis(Process):
    """Debian's redis-server, which keeps nothing."""

    def __init__(self, directory):
        self.port = free_port()
        options = ["--port", self.port, "--dir", directory, "--save", "", "--requirepass", "s3cret"]
        super().__init__(
            ["sh", "-c", 'exec redis-server "$@" >&2', "sh", *options], ready="Ready to accept connections"
        )


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path) as redis:
        yield redis


def cli(server, *arguments, stdin=None):
    """What redis-cli prints."""
    command = ["redis-cli", "-p", str(server.port), *map(str, arguments)]
    environment = os.environ | ({"REDISCLI_AUTH": "s3cret"} if isinstance(server, Redis) else {})
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.decode().strip()


def tool(*arguments):
    """What a tool prints, and says."""
    command = [os.environ["INTEROP_DAEMON"], *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.decode()


def url(server):
    return f"redis://{':s3cret@' if isinstance(server, Redis) else ''}127.0.0.1:{server.port}"


def test_a_redis_moves_over_while_it_works_and_may_be_copied_again(redis, daemon):
    members = "\n".join(f"SADD revoked token-{n}" for n in range(20_000))
    strings = "\n".join(f"SET session-{n} {n} PXAT {FAR_MS}" for n in range(3_000))
    cli(redis, "--pipe", stdin=f"{members}\n{strings}\n".encode())
    cli(redis, "PEXPIREAT", "revoked", FAR_MS)
    cli(redis, "HSET", "user", "name", "x")
    cli(redis, "RPUSH", "queue", "x")
    cli(redis, "-n", "3", "SADD", "small", "1", "2", "\xff")
    for _ in range(2):
        said, _ = tool("import", "--from-redis", url(redis), "--to", url(daemon))
        rows = [line.split() for line in said.decode().splitlines()]
        assert rows[1:5] == [
            ["sets", "2", "2"], ["members", "20003", "20003"], ["strings", "3000", "3000"], ["with", "ends", "3001", "3001"]
        ]
        assert rows[5:] == ["Left out: 1 of type hash".split(), "Left out: 1 of type list".split()]
    assert cli(daemon, "SCARD", "revoked") == "20000"
    assert abs(int(cli(daemon, "PEXPIRETIME", "session-7")) - FAR_MS) < 60_000
    assert cli(daemon, "EXISTS", "user", "queue") == "0"


def test_what_was_exported_goes_back_into_redis(redis, daemon, tmp_path):
    cli(daemon, "PSADDEXAT", "ending", FAR_MS, "a", "b")
    cli(daemon, "PSADDEXAT", "mixed", FAR_MS, "a")
    cli(daemon, "SADD", "mixed", "b")
    cli(daemon, "-n", "2", "SET", "k", "v", "PXAT", FAR_MS)
    commands, warning = tool("export", daemon.data_file, "--format", "resp", "--for", "redis")
    assert "3 members are written without their ends" in warning
    assert "errors: 0" in cli(redis, "--pipe", stdin=commands)
    assert cli(redis, "SCARD", "ending") == cli(redis, "SCARD", "mixed") == "2"
    assert cli(redis, "PEXPIRETIME", "ending") == str(FAR_MS)
    assert cli(redis, "PEXPIRETIME", "mixed") == "-1"
    assert cli(redis, "-n", "2", "PEXPIRETIME", "k") == str(FAR_MS)


def test_redis_cli_pipes_what_was_exported_into_the_daemon(daemon, tmp_path):
    cli(daemon, "PSADDEXAT", "ending", FAR_MS, "a", "b")
    before, _ = tool("export", daemon.data_file)
    commands, _ = tool("export", daemon.data_file, "--format", "resp")
    cli(daemon, "FLUSHALL")
    assert "errors: 0" in cli(daemon, "--pipe", stdin=commands)
    assert tool("export", daemon.data_file)[0] == before != b""


def test_sqlite3_reads_a_backup(daemon, tmp_path):
    cli(daemon, "SADD", "revoked", "token")
    tool("backup", tmp_path / "copy.db", "--from", daemon.data_file)
    command = ["sqlite3", tmp_path / "copy.db", "select key, member from revocations; pragma integrity_check"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.splitlines() == ["revoked|token", "ok"]

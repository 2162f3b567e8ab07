"""The modes that redis-cli and redis-benchmark have for scripts and for operators."""

import random
import re
import uuid

import pytest

from daemon import Daemon


def test_pipe_inserts_100_000_members(run):
    source = random.Random(1)
    members = [str(uuid.UUID(int=source.getrandbits(128))) for _ in range(100_000)]
    requests = "".join(f"*3\r\n$4\r\nSADD\r\n$7\r\nrevoked\r\n$36\r\n{member}\r\n" for member in members)
    assert "errors: 0, replies: 100000" in run("redis-cli", "--pipe", stdin=requests)
    assert run("redis-cli", "scard", "revoked") == "100000\n"


def test_pipe_takes_inline_commands(run):
    assert "errors: 0, replies: 2" in run("redis-cli", "--pipe", stdin='SADD revoked a\nSADD revoked "b c"\r\n')
    assert sorted(run("redis-cli", "smembers", "revoked").splitlines()) == ["a", "b c"]


def test_stat_prints_row_after_row(terminal):
    stat = terminal("--stat", "-i", "0.1")
    stat.expect_exact("keys       mem      clients")
    row = r"\n0 +[\d.]+[KMG] +\d+ +\d+ +(\d+) \(\+\d+\) +\d+"  # keys, memory, clients, blocked, requests, connections
    stat.expect(row)
    first = int(stat.match[1])
    stat.expect(row)
    assert int(stat.match[1]) > first


def test_bigkeys_finds_the_biggest_set(run):
    run("redis-cli", "sadd", "small", "a")
    run("redis-cli", "sadd", "big", "a", "b", "c")
    report = run("redis-cli", "--bigkeys")
    assert "Sampled 2 keys in the keyspace!" in report
    assert re.search("Biggest +set found '\"big\"' has 3 members", report)


def test_scan_lists_the_keys_that_match(run):
    run("redis-cli", "--pipe", stdin="".join(f"SADD user:{n} a\nSADD session:{n} a\n" for n in range(500)))
    keys = run("redis-cli", "--scan", "--pattern", "user:*").splitlines()
    assert sorted(keys) == sorted(f"user:{n}" for n in range(500))


def test_resp3_gives_members_as_a_set(run):
    run("redis-cli", "sadd", "revoked", "a")
    assert run("redis-cli", "-3", "--no-raw", "smembers", "revoked") == '1~ "a"\n'


def test_resp3_gives_hello_as_a_map(run):
    assert '# "proto" => (integer) 3\n' in run("redis-cli", "-3", "--no-raw", "hello")


def test_database_is_selected_by_option(run):
    run("redis-cli", "-n", 3, "sadd", "revoked", "a")
    assert run("redis-cli", "-n", 3, "dbsize") == "1\n"
    assert run("redis-cli", "dbsize") == "0\n"


def test_error_reply_sets_the_exit_status_when_asked(run):
    with pytest.raises(AssertionError, match="ERR unknown command 'nosuch'"):
        run("redis-cli", "-e", "nosuch")


@pytest.mark.parametrize("pipeline", [1, 16])
def test_benchmark_runs_through(run, pipeline):
    report = run("redis-benchmark", "-t", "ping,sadd", "-n", 20_000, "-r", 100_000, "-P", pipeline, "--csv")
    assert re.findall(r'^"(\w+)","[1-9]', report, re.MULTILINE) == ["PING_INLINE", "PING_MBULK", "SADD"]


def test_benchmark_can_read_the_configuration(run):
    assert "WARNING" not in run("redis-benchmark", "-t", "ping", "-n", 1)


def test_shutdown_ends_the_daemon(run, daemon):
    run("redis-cli", "shutdown")
    assert daemon.child.wait(timeout=20) == 0


class TestWithPassword:
    @pytest.fixture
    def daemon(self, tmp_path):
        with Daemon(tmp_path, "--requirepass", "secret") as daemon:
            yield daemon

    def test_right_one_opens(self, run):
        assert run("redis-cli", "-a", "secret", "sadd", "revoked", "a") == "1\n"

    def test_wrong_one_is_refused(self, run):
        assert run("redis-cli", "-a", "guess", "ping") == "NOAUTH Authentication required.\n\n"

    def test_none_is_refused(self, run):
        assert run("redis-cli", "ping") == "NOAUTH Authentication required.\n\n"

    def test_benchmark_runs_through(self, run):
        report = run("redis-benchmark", "-a", "secret", "-t", "sadd", "-n", 1_000, "--csv")
        assert re.search(r'^"SADD","[1-9]', report, re.MULTILINE)

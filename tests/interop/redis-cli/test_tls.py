"""redis-cli and redis-benchmark over TLS."""

import subprocess

import pytest

from tls import tls_daemon


@pytest.fixture
def daemon(tmp_path):
    with tls_daemon(tmp_path, "yes") as daemon:
        yield daemon


def redis_cli(daemon, *arguments, program="redis-cli", certificate=True):
    folder = daemon.certificates
    command = [program, "-h", "localhost", "-p", str(daemon.tls_port), "--tls", "--cacert", f"{folder}/ca.pem"]
    if certificate:
        command += ["--cert", f"{folder}/client.pem", "--key", f"{folder}/client-key.pem"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=50)


def test_revokes_and_asks(daemon):
    assert redis_cli(daemon, "SADD", "revoked", "token").stdout == "1\n"
    assert redis_cli(daemon, "SISMEMBER", "revoked", "token").stdout == "1\n"
    assert f"name=tls,bind=127.0.0.1,port={daemon.tls_port}" in redis_cli(daemon, "INFO", "server").stdout


def test_without_a_certificate_it_is_refused(daemon):
    done = redis_cli(daemon, "PING", certificate=False)
    assert "PONG" not in done.stdout


def test_benchmark_pipelines(daemon):
    done = redis_cli(daemon, "-n", "20000", "-P", "50", "-q", "-t", "sadd,ping_mbulk", program="redis-benchmark")
    assert done.returncode == 0 and "requests per second" in done.stdout, done.stdout + done.stderr

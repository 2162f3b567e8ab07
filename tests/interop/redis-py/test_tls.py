"""redis-py over TLS, with a certificate of its own where the daemon wants one."""

import asyncio

import pytest
import redis
import redis.asyncio

from tls import tls_daemon


@pytest.fixture(params=["no", "optional", "yes"])
def auth_clients(request):
    return request.param


@pytest.fixture
def options(tmp_path, auth_clients, protocol):
    with tls_daemon(tmp_path, auth_clients) as daemon:
        folder = daemon.certificates
        options = {"host": "localhost", "port": daemon.tls_port, "protocol": protocol, "ssl": True}
        options["ssl_ca_certs"] = f"{folder}/ca.pem"
        if auth_clients == "yes":
            options |= {"ssl_certfile": f"{folder}/client.pem", "ssl_keyfile": f"{folder}/client-key.pem"}
        yield options


def test_revokes_and_asks(options):
    with redis.Redis(**options) as client:
        assert client.sadd("revoked", "token") == 1
        assert client.sismember("revoked", "token") == 1
        assert client.set("large", "x" * 1_000_000) is True
        assert client.get("large") == b"x" * 1_000_000
        with client.pipeline(transaction=False) as pipeline:
            for number in range(10_000):
                pipeline.sadd("many", number)
            assert pipeline.execute() == [1] * 10_000
        assert len(client.smembers("many")) == 10_000


def test_asyncio(options):
    async def ask():
        async with redis.asyncio.Redis(**options) as client:
            await client.sadd("revoked", "token")
            return await client.sismember("revoked", "token")

    assert asyncio.run(ask()) == 1


def test_without_a_certificate_it_is_refused_where_one_is_needed(options, auth_clients):
    options = {name: value for name, value in options.items() if name not in ("ssl_certfile", "ssl_keyfile")}
    with redis.Redis(**options) as client:
        if auth_clients == "yes":
            with pytest.raises(redis.ConnectionError):
                client.ping()
        else:
            assert client.ping()

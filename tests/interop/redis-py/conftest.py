import pytest
import redis


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def protocol(request):
    return request.param


@pytest.fixture
def client(daemon, protocol):
    with redis.Redis(port=daemon.port, protocol=protocol) as client:
        yield client

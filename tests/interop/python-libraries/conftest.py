import pytest
import redis


@pytest.fixture
def url(daemon):
    return f"redis://127.0.0.1:{daemon.port}"


@pytest.fixture
def server(url):
    """What a library left in the daemon, past the library."""
    with redis.Redis.from_url(url, decode_responses=True) as server:
        yield server

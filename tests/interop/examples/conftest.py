import pytest

import sites
from daemon import Daemon, free_port


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def url(port):
    return f"redis://127.0.0.1:{port}"


@pytest.fixture
def daemon(tmp_path, port):
    """The test's own, at the port where the servers of the module look for it."""
    with Daemon(tmp_path, port=port) as daemon:
        yield daemon


@pytest.fixture(scope="module", params=sites.ALL)
def example(request):
    return sites.ALL[request.param]


@pytest.fixture(scope="module")
def workers(example, url, tmp_path_factory):
    """Two servers of one example, which share nothing but the daemon."""
    directory = tmp_path_factory.mktemp("site")
    with example.serve(directory, REVOKED_URL=url) as one, example.serve(directory, REVOKED_URL=url) as other:
        yield one, other

"""prometheus-redis-exporter, Debian's: the metrics that it makes of a daemon, as Prometheus would fetch them.

What it sends at each scrape: CLIENT SETNAME, CONFIG GET *, INFO ALL, LATENCY LATEST, SLOWLOG LEN, SLOWLOG GET 1; with
`-export-client-list` CLIENT LIST; with `-check-keys` SELECT, SCAN with MATCH and COUNT, and of each key TYPE, then SCARD,
or PFCOUNT (which has to fail) and STRLEN and GET. Its key groups are left out: they are a Lua script.
"""

import os
import re
import signal
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from daemon import Daemon, Process, free_port
from waiting import wait_until


class Exporter(Process):
    def __init__(self, daemon, *options):
        self.port = free_port()
        listen = ["-web.listen-address", f"127.0.0.1:{self.port}"]
        super().__init__(
            [os.environ["REDIS_EXPORTER"], "-redis.addr", f"redis://127.0.0.1:{daemon.port}", *listen, *options],
            ready="Providing metrics at",
        )

    def start(self):
        super().start()
        wait_until(self._listens)

    def stop(self):
        status = super().stop()
        return 0 if status == -signal.SIGTERM else status  # which it leaves to the kernel

    def scrape(self):
        """The value of each metric by its name, labels and all."""
        text = self._fetch("metrics")
        return {name: float(value) for name, value in re.findall(r"^(redis_.+) (\S+)$", text, re.MULTILINE)}

    def complaints(self):
        return [line for line in self.log if "level=info" not in line]

    def _listens(self):
        try:
            return self._fetch("")
        except urllib.error.URLError:
            return False

    def _fetch(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=20) as response:
            return response.read().decode()


@pytest.fixture
def options():
    return []


@pytest.fixture
def exporter(daemon, options):
    with Exporter(daemon, *options) as exporter:
        yield exporter
        assert exporter.complaints() == []


@pytest.fixture
def client(daemon):
    with redis.Redis(port=daemon.port, client_name="worker-1") as client:
        yield client


def assert_up(metrics):
    assert metrics["redis_up"] == 1
    assert metrics['redis_exporter_last_scrape_error{err=""}'] == 0


def test_daemon_is_up(exporter):
    assert_up(exporter.scrape())


def test_names_the_daemon(exporter):
    (info,) = (name for name in exporter.scrape() if name.startswith("redis_instance_info"))
    for label in [r'redis_version="[\d.]+"', 'role="master"', 'redis_mode="standalone"', r'process_id="\d+"']:
        assert re.search(label, info)


def test_counts_keys_by_database(exporter, daemon, client):
    client.sadd("revoked", "a", "b", "c")
    client.set("kept", "for ever")
    client.set("session", "ada", ex=600)
    with redis.Redis(port=daemon.port, db=3) as third:
        third.sadd("revoked", "a")
    metrics = exporter.scrape()
    keys = {n: metrics[f'redis_db_keys{{db="db{n}"}}'] for n in range(16)}
    assert keys == {n: 0 for n in range(16)} | {0: 3, 3: 1}
    assert metrics['redis_db_keys_expiring{db="db0"}'] == 1
    assert metrics['redis_db_keys_expiring{db="db3"}'] == 0


def test_counts_what_was_done(exporter, client):
    before = exporter.scrape()
    for n in range(100):
        client.sadd("revoked", n)
        client.sismember("revoked", n)
    metrics = exporter.scrape()
    assert metrics['redis_commands_total{cmd="sadd"}'] == 100
    assert metrics['redis_commands_total{cmd="sismember"}'] == 100
    assert metrics['redis_commands_duration_seconds_total{cmd="sadd"}'] > 0
    for name in ["redis_commands_processed_total", "redis_net_input_bytes_total", "redis_net_output_bytes_total"]:
        assert metrics[name] >= before[name] + 200


def test_tells_the_state_of_the_process(exporter, client):
    client.ping()
    metrics = exporter.scrape()
    assert metrics["redis_connected_clients"] == 2
    assert metrics["redis_loading_dump_file"] == 0
    assert metrics["redis_config_maxclients"] > 0
    assert metrics["redis_start_time_seconds"] > 0
    assert metrics["redis_memory_used_bytes"] > 0
    for name in ["redis_memory_max_bytes", "redis_uptime_in_seconds", "redis_slowlog_length"]:
        assert metrics[name] >= 0


class TestOfSingleKeys:
    @pytest.fixture
    def options(self):
        return ["-check-keys", "db0=*,db3=*"]

    def test_tells_their_size(self, exporter, daemon, client):
        client.sadd("revoked", "a", "b", "c")
        client.set("session", "ada")
        with redis.Redis(port=daemon.port, db=3) as third:
            third.sadd("revoked", *range(1000))
        sizes = {name: value for name, value in exporter.scrape().items() if name.startswith("redis_key_size")}
        assert sizes == {
            'redis_key_size{db="db0",key="revoked"}': 3,
            'redis_key_size{db="db0",key="session"}': 3,
            'redis_key_size{db="db3",key="revoked"}': 1000,
        }


class TestOfClients:
    @pytest.fixture
    def options(self):
        return ["-export-client-list"]

    def test_lists_them(self, exporter, client):
        client.ping()
        clients = [name for name in exporter.scrape() if name.startswith("redis_connected_clients_details")]
        assert any('name="worker-1"' in labels for labels in clients)
        assert any('name="redis_exporter"' in labels for labels in clients)


def test_scrapes_under_load(exporter, daemon):
    stopping = threading.Event()

    def write(number):
        added = 0
        with redis.Redis(port=daemon.port) as client:
            while not stopping.is_set():
                pipe = client.pipeline(transaction=False)
                for _ in range(50):
                    pipe.sadd(f"revoked:{number}:{added}", "a")
                    added += 1
                pipe.execute()
        return added

    with ThreadPoolExecutor(4) as pool:
        try:
            writers = [pool.submit(write, number) for number in range(4)]
            scrapes = [exporter.scrape() for _ in range(20)]
        finally:
            stopping.set()
        added = sum(writer.result() for writer in writers)
    for metrics in scrapes:
        assert_up(metrics)
    keys = [metrics['redis_db_keys{db="db0"}'] for metrics in [*scrapes, exporter.scrape()]]
    assert keys == sorted(keys)
    assert keys[-1] == added > keys[0]


def test_tells_when_the_daemon_is_down_and_when_it_is_back(exporter, daemon, client):
    client.sadd("revoked", "a")
    daemon.kill()
    assert exporter.scrape()["redis_up"] == 0
    wait_until(exporter.complaints)
    exporter.log.clear()
    daemon.start()
    metrics = exporter.scrape()
    assert_up(metrics)
    assert metrics['redis_db_keys{db="db0"}'] == 1


class TestWithPassword:
    @pytest.fixture
    def daemon(self, tmp_path):
        with Daemon(tmp_path, "--requirepass", "secret") as daemon:
            yield daemon

    @pytest.fixture
    def options(self):
        return ["-redis.password", "secret"]

    def test_daemon_is_up(self, exporter):
        assert_up(exporter.scrape())

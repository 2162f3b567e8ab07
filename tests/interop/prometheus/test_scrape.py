"""Prometheus itself, Debian's: it scrapes a daemon by the documented configuration, and evaluates the alerts and every
expression of the dashboard."""

import json
import os
import re
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import redis

from daemon import Daemon, Process, free_port
from waiting import wait_until

MONITORING = Path(__file__).parents[3] / "packaging" / "monitoring"
PROMTOOL = os.environ["PROMTOOL"]


class Observed(Daemon):
    def __init__(self, directory, *options):
        self.metrics_port = free_port()
        super().__init__(directory, "--metrics-port", self.metrics_port, *options)

    def metrics(self):
        return fetch(self.metrics_port, "/metrics")


class Prometheus(Process):
    def __init__(self, directory, daemon):
        self.port = free_port()
        configuration = (
            documented_configuration()
            .replace("127.0.0.1:9180", f"127.0.0.1:{daemon.metrics_port}")
            .replace("alerts.yml", str(MONITORING / "alerts.yml"))
        )
        file = directory / "prometheus.yml"
        file.write_text("global: {scrape_interval: 200ms, evaluation_interval: 200ms}\n" + configuration)
        super().__init__(
            [
                os.environ["PROMETHEUS"],
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            ready="Server is ready to receive web requests",
        )

    def ask(self, path, **parameters):
        answer = json.loads(fetch(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """The values of an expression."""
        return [float(sample["value"][1]) for sample in self.ask("query", query=expression)["result"]]


def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
        return response.read().decode()


def documented_configuration():
    return re.search(r"^```yaml\n(.+?)^```", (MONITORING / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]


def expressions():
    """What the dashboard asks for, of every job and instance."""
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
    for target in (target for panel in panels for target in panel.get("targets", [])):
        expression = target["expr"].replace("$job", ".*").replace("$instance", ".*")
        yield expression.replace("$__rate_interval", "1m")


@pytest.fixture
def daemon(tmp_path):
    (tmp_path / "data").mkdir()
    with Observed(tmp_path / "data", "--maxmemory", "1gb") as daemon:
        yield daemon


@pytest.fixture
def prometheus(tmp_path, daemon):
    (tmp_path / "prometheus").mkdir()
    with Prometheus(tmp_path / "prometheus", daemon) as prometheus:
        wait_until(lambda: prometheus.query("up") == [1])
        yield prometheus


def use(daemon):
    with redis.Redis(port=daemon.port) as client:
        client.sadd("revoked", "a", "b")
        client.sismember("revoked", "a")
        client.get("nothing")
        with pytest.raises(redis.ResponseError):
            client.get("revoked")


def test_promtool_finds_nothing_to_complain_of(daemon):
    use(daemon)
    lint = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=daemon.metrics(), text=True, capture_output=True, timeout=60
    )
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
    rules = subprocess.run(
        [PROMTOOL, "check", "rules", MONITORING / "alerts.yml"], text=True, capture_output=True, timeout=60
    )
    assert rules.returncode == 0, rules.stdout + rules.stderr


def test_it_has_what_the_daemon_tells(daemon, prometheus):
    use(daemon)
    wait_until(lambda: prometheus.query('revoked_keys{database="0"}') == [1])
    wait_until(lambda: prometheus.query('revoked_commands_total{command="get", result="error"}') == [1])
    assert prometheus.query("revoked_commit_rows_sum") == [4]
    assert prometheus.query('histogram_quantile(1, revoked_command_duration_seconds_bucket{command="sadd"})')[0] > 0


def test_every_panel_of_the_dashboard_shows_something(daemon, prometheus):
    use(daemon)
    # A rate needs two samples, and something between them for a ratio.
    wait_until(lambda: prometheus.query("count_over_time(revoked_commit_rows_count[1m]) > 1"))
    use(daemon)
    wait_until(lambda: prometheus.query("changes(revoked_commands_total{command='sadd',result='ok'}[1m]) > 0"))
    silent = [expression for expression in expressions() if not prometheus.query(expression)]
    assert silent == []


def test_alerts_are_sound_and_silent_while_all_is_well(daemon, prometheus):
    use(daemon)

    def rules():
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()))
    assert len(rules()) > 5
    assert [rule["name"] for rule in rules() if rule["state"] != "inactive"] == []


def test_an_alert_fires_when_the_daemon_is_gone(daemon, prometheus):
    daemon.kill()

    def states():
        return {rule["name"]: rule["state"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"]}

    wait_until(lambda: states()["RevokedDown"] in ("pending", "firing"))

"""From flask-blacklist's table to the daemon, with a table that flask-blacklist wrote."""

import subprocess

import pytest
import redis

from worker import HERE, Worker

OK, REFUSED = 200, 403


@pytest.fixture
def app_db(tmp_path):
    return tmp_path / "app.db"


@pytest.fixture
def old_worker(app_db):
    with Worker("app_flask_blacklist", APP_DB=str(app_db)) as worker:
        yield worker


@pytest.fixture
def new_worker(daemon):
    with Worker("app_praetorian", REVOCATIONS_URL=f"redis://127.0.0.1:{daemon.port}") as worker:
        yield worker


def move(app_db, daemon):
    command = [HERE / "move-from-flask-blacklist", app_db, "-p", str(daemon.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_token_revoked_before_the_move_is_refused_after_it(old_worker, new_worker, app_db, daemon):
    token, other = old_worker.log_in(), old_worker.log_in()
    assert old_worker.log_out(token) == OK
    assert old_worker.profile_status(token) == REFUSED
    move(app_db, daemon)
    assert new_worker.profile_status(token) == REFUSED
    assert new_worker.profile_status(other) == OK


def test_moving_again_adds_only_what_is_new(old_worker, app_db, daemon):
    old_worker.log_out(old_worker.log_in())
    assert "errors: 0, replies: 1" in move(app_db, daemon)
    old_worker.log_out(old_worker.log_in())
    assert "errors: 0, replies: 2" in move(app_db, daemon)
    assert redis.Redis(port=daemon.port).scard("revoked") == 2

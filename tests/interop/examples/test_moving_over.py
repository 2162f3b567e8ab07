"""From flask-blacklist's table to the daemon, with a table that flask-blacklist wrote."""

import subprocess

import pytest
import redis

import sites
from sites import EXAMPLES, HERE

OK, LOGGED_OUT, REFUSED = 200, 204, 403


@pytest.fixture
def app_db(tmp_path):
    return tmp_path / "app.db"


@pytest.fixture
def before(app_db):
    one_worker = sites.gunicorn("app_flask_blacklist:app", workers=1)  # two would not know of each other's revocations
    with sites.Server(HERE, *one_worker, APP_DB=str(app_db)) as before:
        yield before


@pytest.fixture
def after(daemon, url, tmp_path):
    with sites.ALL["flask-praetorian"].serve(tmp_path, REVOKED_URL=url) as after:
        yield after


def move(app_db, daemon):
    command = [EXAMPLES / "flask-praetorian/move-from-flask-blacklist", app_db, "-p", str(daemon.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_token_revoked_before_the_move_is_refused_after_it(before, after, app_db, daemon):
    tokens, others = before.log_in(), before.log_in()
    assert before.log_out(tokens).status_code == LOGGED_OUT
    assert before.profile(tokens).status_code == REFUSED
    move(app_db, daemon)
    assert after.profile(tokens).status_code == REFUSED
    assert after.profile(others).status_code == OK


def test_moving_again_adds_only_what_is_new(before, app_db, daemon):
    before.log_out(before.log_in())
    assert "errors: 0, replies: 1" in move(app_db, daemon)
    before.log_out(before.log_in())
    assert "errors: 0, replies: 2" in move(app_db, daemon)
    assert redis.Redis(port=daemon.port).scard("revoked") == 2

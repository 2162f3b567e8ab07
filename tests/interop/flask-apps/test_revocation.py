"""Log in, call, log out, at two workers of one application that share their revocations by the daemon alone."""

import signal
import subprocess

import jwt
import pytest

from worker import Worker

OK, UNAVAILABLE = 200, 503
REFUSED = {"app_jwt_extended": 401, "app_praetorian": 403}  # how each library answers to a revoked token


@pytest.fixture(params=REFUSED)
def application(request):
    return request.param


@pytest.fixture
def refused(application):
    return REFUSED[application]


@pytest.fixture
def workers(application, daemon):
    url = f"redis://127.0.0.1:{daemon.port}"
    with Worker(application, REVOCATIONS_URL=url) as first, Worker(application, REVOCATIONS_URL=url) as second:
        yield first, second


def statuses(workers, token):
    return [worker.profile_status(token) for worker in workers]


def test_token_passes_at_both_workers(workers):
    token = workers[0].log_in()
    assert statuses(workers, token) == [OK, OK]


def test_logging_out_at_one_worker_has_the_token_refused_by_both(workers, refused):
    token = workers[0].log_in()
    assert statuses(workers, token) == [OK, OK]
    assert workers[0].log_out(token) == OK
    assert statuses(workers, token) == [refused, refused]


def test_logging_out_ends_no_other_session(workers):
    token, other = workers[0].log_in(), workers[0].log_in()
    workers[0].log_out(token)
    assert statuses(workers, other) == [OK, OK]


def test_revocation_outlives_kill_9(workers, daemon, refused):
    token, other = workers[0].log_in(), workers[0].log_in()
    workers[0].log_out(token)
    daemon.kill()
    daemon.start()
    assert statuses(workers, token) == [refused, refused]
    assert statuses(workers, other) == [OK, OK]


def test_no_token_passes_while_the_daemon_is_down(workers, daemon):
    revoked, other = workers[0].log_in(), workers[0].log_in()
    workers[0].log_out(revoked)
    daemon.kill()
    assert statuses(workers, revoked) == [UNAVAILABLE, UNAVAILABLE]
    assert statuses(workers, other) == [UNAVAILABLE, UNAVAILABLE]


def test_no_token_passes_while_the_daemon_hangs(workers, daemon):
    token = workers[0].log_in()
    daemon.child.send_signal(signal.SIGSTOP)
    status = workers[0].profile_status(token)
    daemon.kill()
    assert status == UNAVAILABLE


def test_workers_recover_after_failing_closed(workers, daemon, refused):
    revoked, other = workers[0].log_in(), workers[0].log_in()
    workers[0].log_out(revoked)
    daemon.kill()
    assert statuses(workers, other) == [UNAVAILABLE, UNAVAILABLE]
    daemon.start()
    assert statuses(workers, other) == [OK, OK]
    assert statuses(workers, revoked) == [refused, refused]


def test_logging_out_is_not_confirmed_while_the_daemon_is_down(workers, daemon):
    token = workers[0].log_in()
    daemon.kill()
    assert workers[0].log_out(token) == UNAVAILABLE


def test_sqlite3_finds_the_revoked_token_while_the_daemon_runs(workers, daemon):
    token = workers[0].log_in()
    workers[0].log_out(token)
    jti = jwt.decode(token, options={"verify_signature": False})["jti"]
    query = f"SELECT database, key FROM revocations WHERE member = '{jti}'"
    found = subprocess.run(["sqlite3", daemon.data_file, query], capture_output=True, text=True, timeout=20)
    assert (found.stdout, found.stderr) == ("0|revoked\n", "")

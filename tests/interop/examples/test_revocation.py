"""Log in, call, log out, at two servers of each example that share their revocations by the daemon alone."""

import signal
import subprocess

import pytest
import redis

from daemon import Daemon, free_port
from loading import LoadingServer
from sites import claims, seconds_from_now, signed_with
from waiting import wait_until

OK, LOGGED_OUT, NOT_KNOWN = 200, 204, 503


def statuses(workers, tokens):
    return [worker.profile(tokens).status_code for worker in workers]


def known_statuses(workers, tokens):
    """Waits until all have found the daemon again: the first answer of each."""

    def known(worker):
        return wait_until(lambda: (status := worker.profile(tokens).status_code) != NOT_KNOWN and status)

    return [known(worker) for worker in workers]


def assert_not_known(response):
    assert (response.status_code, response.headers.get("Retry-After")) == (NOT_KNOWN, "1"), response.text


@pytest.fixture
def tokens(workers, daemon):
    """A log-in. The servers outlive the daemons of the tests, and have found this one."""
    tokens = workers[0].log_in()
    assert known_statuses(workers, tokens) == [OK, OK]
    return tokens


@pytest.fixture
def revoked_tokens(workers, tokens):
    tokens = workers[0].log_in()
    assert workers[0].log_out(tokens).status_code == LOGGED_OUT
    return tokens


@pytest.fixture
def refused(example):
    return [example.refused, example.refused]


def end_of_revocation(daemon, tokens):
    """In seconds since 1970, as the data file has it; fails if the token isn't there."""
    query = f"""
        SELECT unixepoch(expires) FROM revocations WHERE key = 'revoked' AND member = '{claims(tokens)["jti"]}'
        UNION ALL SELECT unixepoch(expires) FROM keys WHERE key = '{claims(tokens)["jti"]}'
    """
    found = subprocess.run(["sqlite3", daemon.data_file, query], capture_output=True, text=True, timeout=20)
    assert found.stderr == ""
    return int(found.stdout)


def test_logging_out_at_one_server_has_the_token_refused_by_both_and_no_other(workers, tokens, refused):
    revoked = workers[0].log_in()
    assert statuses(workers, revoked) == [OK, OK]
    assert workers[0].log_out(revoked).status_code == LOGGED_OUT
    assert statuses(workers, revoked) == refused
    assert statuses(workers, tokens) == [OK, OK]


def test_a_token_that_somebody_else_signed_is_refused_and_can_t_be_revoked(workers, tokens, daemon):
    forged = signed_with(tokens, key="a key that is not the same, and long enough")
    assert workers[0].profile(forged).status_code in (401, 422)
    assert workers[0].log_out(forged).status_code in (401, 422)
    assert redis.Redis(port=daemon.port).dbsize() == 0


def test_a_token_without_an_id_could_not_be_revoked_and_is_refused(workers, tokens):
    assert workers[0].profile(signed_with(tokens, jti=None)).status_code in (401, 403, 422, NOT_KNOWN)


def test_revocation_ends_with_the_token(daemon, tokens, revoked_tokens, example):
    end = claims(revoked_tokens)[example.last_claims[0]]
    assert end_of_revocation(daemon, revoked_tokens) == end + example.margin_s


def test_a_token_that_has_ended_is_forgotten_and_refused(workers, daemon, tokens, example, refused):
    short = signed_with(tokens, **dict.fromkeys(example.last_claims, seconds_from_now(2)))
    assert workers[0].log_out(short).status_code == LOGGED_OUT
    assert statuses(workers, short) == refused
    jti = claims(short)["jti"]
    with redis.Redis(port=daemon.port) as client:
        wait_until(lambda: client.sismember("revoked", jti) + client.exists(jti) == 0)
    assert statuses(workers, short) == [401, 401]
    assert statuses(workers, tokens) == [OK, OK]


def test_revocation_outlives_kill_9(workers, daemon, tokens, revoked_tokens, refused):
    daemon.kill()
    daemon.start()
    assert known_statuses(workers, revoked_tokens) == refused
    assert known_statuses(workers, tokens) == [OK, OK]


def test_without_the_daemon_no_token_passes_and_no_log_out_is_confirmed(workers, daemon, tokens, revoked_tokens, refused):
    daemon.kill()
    for worker in workers:
        assert_not_known(worker.profile(tokens))
        assert_not_known(worker.profile(revoked_tokens))
        assert_not_known(worker.log_out(tokens))
    daemon.start()
    assert known_statuses(workers, tokens) == [OK, OK]
    assert known_statuses(workers, revoked_tokens) == refused


def test_while_the_daemon_hangs_no_token_passes_and_no_log_out_is_confirmed(workers, daemon, tokens):
    daemon.child.send_signal(signal.SIGSTOP)
    try:
        assert_not_known(workers[0].profile(tokens))
        assert_not_known(workers[1].log_out(tokens))
    finally:
        daemon.kill()


def test_a_log_out_that_the_daemon_refuses_is_not_confirmed(workers, daemon, tokens, refused):
    with redis.Redis(port=daemon.port) as client:
        client.config_set("maxmemory", 1)
        assert_not_known(workers[0].log_out(tokens))
        assert statuses(workers, tokens) == [OK, OK]
        client.config_set("maxmemory", 0)
    assert workers[0].log_out(tokens).status_code == LOGGED_OUT
    assert statuses(workers, tokens) == refused


def test_from_before_the_daemon_is_there_until_it_is_ready_no_token_passes_and_no_log_out_is_confirmed(example, tmp_path):
    port = free_port()
    with example.serve(tmp_path, REVOKED_URL=f"redis://127.0.0.1:{port}") as early:
        tokens = early.log_in()
        assert_not_known(early.profile(tokens))
        with LoadingServer(port) as loading:
            wait_until(lambda: assert_not_known(early.profile(tokens)) or loading.has_said_so)
            assert_not_known(early.profile(tokens))
            assert_not_known(early.log_out(tokens))
        with Daemon(tmp_path, port=port):
            assert known_statuses([early], tokens) == [OK]


@pytest.mark.parametrize("example", ["django-rest-framework"], indirect=True)
def test_logging_out_has_the_refresh_token_refused_too(workers, daemon, tokens, revoked_tokens):
    assert [worker.refresh(tokens).status_code for worker in workers] == [OK, OK]
    assert [worker.refresh(revoked_tokens).status_code for worker in workers] == [401, 401]
    daemon.kill()
    assert_not_known(workers[0].refresh(tokens))


@pytest.mark.parametrize("example", ["flask-praetorian"], indirect=True)
def test_a_revoked_token_that_has_expired_can_t_be_refreshed(workers, tokens, revoked_tokens, example):
    def expired(tokens):
        return signed_with(tokens, exp=seconds_from_now(-1))

    assert [worker.refresh(expired(tokens)).status_code for worker in workers] == [OK, OK]
    assert [worker.refresh(expired(revoked_tokens)).status_code for worker in workers] == [example.refused] * 2


@pytest.mark.parametrize("example", ["nginx"], indirect=True)
def test_without_its_gate_nginx_lets_no_token_pass_and_confirms_no_log_out(example, url, daemon, tmp_path):
    with example.serve(tmp_path, REVOKED_URL=url) as site:
        tokens = site.log_in()
        assert known_statuses([site], tokens) == [OK]
        site.gate.kill()
        assert_not_known(site.profile(tokens))
        assert_not_known(site.log_out(tokens))

"""Expiry by redis-py, of strings and of sets alike."""

import time
from datetime import datetime, timedelta, timezone

import pytest
import redis

from waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")

LIFETIME_S = 600
LIFETIME_MS = LIFETIME_S * 1000

WAYS_TO_SET = {
    "SET EX": lambda client: client.set("key", "ada", ex=LIFETIME_S),
    "SET EX timedelta": lambda client: client.set("key", "ada", ex=timedelta(minutes=10)),
    "SET PX": lambda client: client.set("key", "ada", px=LIFETIME_MS),
    "SET EXAT": lambda client: client.set("key", "ada", exat=in_s(LIFETIME_S)),
    "SET PXAT": lambda client: client.set("key", "ada", pxat=in_ms(LIFETIME_MS)),
    "SET NX PX": lambda client: client.set("key", "ada", px=LIFETIME_MS, nx=True),
    "SETEX": lambda client: client.setex("key", LIFETIME_S, "ada"),
    "PSETEX": lambda client: client.psetex("key", LIFETIME_MS, "ada"),
}
WAYS_TO_EXPIRE = {
    "EXPIRE": lambda client, key: client.expire(key, LIFETIME_S),
    "PEXPIRE": lambda client, key: client.pexpire(key, LIFETIME_MS),
    "EXPIREAT": lambda client, key: client.expireat(key, in_s(LIFETIME_S)),
    "EXPIREAT datetime": lambda client, key: client.expireat(key, datetime.now(timezone.utc) + timedelta(minutes=10)),
    "PEXPIREAT": lambda client, key: client.pexpireat(key, in_ms(LIFETIME_MS)),
}
WAYS_TO_GET = {
    "GETEX EX": lambda client: client.getex("key", ex=LIFETIME_S),
    "GETEX PX": lambda client: client.getex("key", px=LIFETIME_MS),
    "GETEX EXAT": lambda client: client.getex("key", exat=in_s(LIFETIME_S)),
    "GETEX PXAT": lambda client: client.getex("key", pxat=in_ms(LIFETIME_MS)),
}


def in_s(seconds):
    return int(time.time()) + seconds


def in_ms(milliseconds):
    return int(time.time() * 1000) + milliseconds


def assert_lifetime(client, key="key", lifetime_s=LIFETIME_S):
    assert client.ttl(key) in range(lifetime_s - 2, lifetime_s + 1)
    assert (lifetime_s - 2) * 1000 < client.pttl(key) <= lifetime_s * 1000
    assert client.expiretime(key) in range(in_s(lifetime_s - 2), in_s(lifetime_s) + 2)
    assert client.pexpiretime(key) in range(in_ms((lifetime_s - 2) * 1000), in_ms(lifetime_s * 1000) + 1)


@pytest.mark.parametrize("set_with_lifetime", WAYS_TO_SET.values(), ids=WAYS_TO_SET)
def test_set_with_a_lifetime(client, set_with_lifetime):
    assert set_with_lifetime(client) is True
    assert client.get("key") == b"ada"
    assert_lifetime(client)


@pytest.mark.parametrize("expire", WAYS_TO_EXPIRE.values(), ids=WAYS_TO_EXPIRE)
def test_lifetime_of_what_is_there(client, expire):
    client.set("string", "ada")
    client.sadd("set", "a")
    for key in ("string", "set"):
        assert expire(client, key) is True
        assert_lifetime(client, key)
    assert expire(client, "missing") is False


@pytest.mark.parametrize("get_with_lifetime", WAYS_TO_GET.values(), ids=WAYS_TO_GET)
def test_get_can_set_the_lifetime(client, get_with_lifetime):
    client.set("key", "ada")
    assert get_with_lifetime(client) == b"ada"
    assert_lifetime(client)
    assert client.getex("key", persist=True) == b"ada"
    assert client.ttl("key") == -1


def test_lifetime_of_what_has_none(client):
    client.set("key", "ada")
    for ask in (client.ttl, client.pttl, client.expiretime, client.pexpiretime):
        assert [ask("key"), ask("missing")] == [-1, -2]


def test_conditions(client):
    client.set("key", "ada")
    assert client.expire("key", 100, xx=True) is False
    assert client.expire("key", 100, nx=True) is True
    assert client.expire("key", 200, nx=True) is False
    assert client.expire("key", 50, gt=True) is False
    assert client.expire("key", 200, gt=True) is True
    assert client.expire("key", 300, lt=True) is False
    assert client.expire("key", 100, lt=True) is True
    assert client.expire("key", 300, xx=True) is True
    assert_lifetime(client, lifetime_s=300)


def test_persist(client):
    client.set("key", "ada", ex=LIFETIME_S)
    assert [client.persist("key"), client.persist("key"), client.persist("missing")] == [True, False, False]
    assert client.ttl("key") == -1


def test_set_ends_the_lifetime_unless_told_to_keep_it(client):
    client.set("key", "ada", ex=LIFETIME_S)
    client.set("key", "grace", keepttl=True)
    assert_lifetime(client)
    client.set("key", "mary")
    assert client.ttl("key") == -1


def test_change_keeps_the_lifetime(client):
    client.set("tries", 1, ex=LIFETIME_S)
    client.incr("tries")
    client.append("tries", "0")
    client.sadd("revoked", "a")
    client.expire("revoked", LIFETIME_S)
    client.sadd("revoked", "b")
    client.srem("revoked", "a")
    for key in ("tries", "revoked"):
        assert_lifetime(client, key)


def test_time_that_is_over_deletes(client):
    for expire in (lambda: client.expire("key", -1), lambda: client.pexpireat("key", 1)):
        client.set("key", "ada")
        assert expire() is True
        assert client.exists("key") == 0


def test_lifetime_of_nothing_is_refused(client):
    with pytest.raises(redis.ResponseError, match="^invalid expire time in 'set' command$"):
        client.set("key", "ada", ex=0)
    with pytest.raises(redis.ResponseError, match="^invalid expire time in 'setex' command$"):
        client.setex("key", -1, "ada")
    assert client.exists("key") == 0


def test_nothing_shows_what_has_expired(client):
    client.set("string", "ada", px=50)
    client.sadd("set", "a")
    client.pexpire("set", 50)
    client.set("kept", "grace")
    wait_until(lambda: client.exists("string", "set") == 0)
    assert client.get("string") is None
    assert client.mget("string", "kept") == [None, b"grace"]
    assert [client.sismember("set", "a"), client.scard("set"), client.smembers("set")] == [0, 0, set()]
    assert [client.ttl("string"), client.type("set")] == [-2, b"none"]
    assert list(client.scan_iter()) == client.keys() == [b"kept"]
    assert client.set("string", "mary", nx=True) is True


def test_what_has_expired_is_no_longer_counted(client):
    client.set("string", "ada", px=50)
    client.sadd("set", "a")
    client.pexpire("set", 50)
    wait_until(lambda: client.dbsize() == 0)
    assert "db0" not in client.info("keyspace")


def test_set_that_expired_starts_anew(client):
    client.sadd("revoked", "a")
    client.pexpire("revoked", 50)
    wait_until(lambda: not client.exists("revoked"))
    assert client.sadd("revoked", "b") == 1
    assert client.smembers("revoked") == {b"b"}
    assert client.ttl("revoked") == -1


def test_lifetimes_outlive_kill_9(client, daemon):
    client.set("string", "ada", ex=LIFETIME_S)
    client.sadd("set", "a")
    client.expire("set", LIFETIME_S)
    client.set("persisted", "ada", ex=LIFETIME_S)
    client.persist("persisted")
    client.set("short", "ada", px=50)
    ends = {key: client.pexpiretime(key) for key in ("string", "set", "persisted")}
    daemon.kill()
    daemon.start()
    assert {key: client.pexpiretime(key) for key in ends} == ends
    wait_until(lambda: not client.exists("short"))


def test_transaction_fails_when_a_watched_key_expires(client):
    client.set("key", "ada", px=50)
    with client.pipeline() as pipe:
        pipe.watch("key")
        wait_until(lambda: not client.exists("key"))
        pipe.multi()
        pipe.set("other", "grace")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.exists("other") == 0

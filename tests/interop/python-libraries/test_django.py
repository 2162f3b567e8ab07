"""Django's cache and its sessions, by the two backends that there are: Django's own and django-redis's."""

import time
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test.utils import override_settings

from waiting import wait_until

BACKENDS = {
    "django": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
}
LONG_S = 60

settings.configure(SECRET_KEY="not a secret", SESSION_ENGINE="django.contrib.sessions.backends.cache")


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(autouse=True)
def cache_of_the_test(backend, url):
    with override_settings(CACHES={"default": {"BACKEND": BACKENDS[backend], "LOCATION": url}}):
        yield


@pytest.fixture
def lifetime_ms(server):
    """What is left of a key's life: -1 for ever, -2 there is no such key."""
    return lambda key: server.pttl(cache.make_key(key))


def in_seconds(lifetime_ms):
    return -(-lifetime_ms // 1000)


class TestCache:
    @pytest.mark.parametrize("value", ["ada", b"\0\r\n", "", 41, True, {"roles": {"admin"}}, None, "x" * 500_000])
    def test_value_comes_back_as_it_was(self, value):
        cache.set("user", value)
        assert cache.get("user", "none") == value

    def test_missing_one_is_the_default(self):
        assert cache.get("user") is None
        assert cache.get("user", "none") == "none"

    def test_set_replaces_value_and_lifetime(self, lifetime_ms):
        cache.set("user", "ada", timeout=LONG_S)
        cache.set("user", "grace", timeout=2 * LONG_S)
        assert cache.get("user") == "grace"
        assert in_seconds(lifetime_ms("user")) == 2 * LONG_S

    def test_lives_for_five_minutes_unless_told_otherwise(self, lifetime_ms):
        cache.set("user", "ada")
        assert in_seconds(lifetime_ms("user")) == 300

    def test_lives_for_ever_when_told_so(self, lifetime_ms):
        cache.set("user", "ada", timeout=None)
        assert lifetime_ms("user") == -1

    def test_timeout_of_0_deletes(self, lifetime_ms):
        cache.set("user", "ada")
        cache.set("user", "ada", timeout=0)
        assert lifetime_ms("user") == -2

    def test_is_gone_when_its_time_is_over(self, server):
        cache.set("user", "ada", timeout=1)
        wait_until(lambda: cache.get("user") is None)
        assert not cache.has_key("user")
        assert cache.get_many(["user"]) == {}
        assert server.dbsize() == 0

    def test_add_takes_a_free_key_alone(self, lifetime_ms):
        assert cache.add("user", "ada", timeout=LONG_S) is True
        assert cache.add("user", "grace", timeout=2 * LONG_S) is False
        assert cache.get("user") == "ada"
        assert in_seconds(lifetime_ms("user")) == LONG_S

    def test_add_takes_the_key_of_an_expired_one(self):
        cache.set("user", "ada", timeout=1)
        wait_until(lambda: cache.add("user", "grace"))
        assert cache.get("user") == "grace"

    def test_add_with_a_timeout_of_0_leaves_nothing(self):
        assert cache.add("user", "ada", timeout=0) is True
        assert cache.get("user") is None

    def test_touch_sets_the_lifetime_anew(self, lifetime_ms):
        cache.set("user", "ada", timeout=LONG_S)
        assert cache.touch("user", 2 * LONG_S) is True
        assert in_seconds(lifetime_ms("user")) == 2 * LONG_S
        assert cache.touch("user", None) is True
        assert lifetime_ms("user") == -1
        assert cache.touch("user", 0) is True
        assert lifetime_ms("user") == -2

    def test_touched_one_outlives_its_first_lifetime(self):
        cache.set("touched", "ada", timeout=1)
        cache.touch("touched", LONG_S)
        cache.set("other", "grace", timeout=1)
        wait_until(lambda: cache.get("other") is None)
        assert cache.get("touched") == "ada"

    def test_touch_of_a_missing_one_tells_so(self):
        assert cache.touch("user", LONG_S) is False

    def test_many_at_once(self, lifetime_ms):
        users = {f"user:{n}": {"number": n} for n in range(500)}
        cache.set_many(users, timeout=LONG_S)
        assert cache.get_many([*users, "missing"]) == users
        assert {in_seconds(lifetime_ms(key)) for key in users} == {LONG_S}
        cache.delete_many([*users, "missing"])
        assert cache.get_many(users) == {}

    def test_many_that_live_for_ever(self, lifetime_ms):
        cache.set_many({"a": 1, "b": 2}, timeout=None)
        assert [lifetime_ms("a"), lifetime_ms("b")] == [-1, -1]

    def test_delete_tells_whether_it_was_there(self):
        cache.set("user", "ada")
        assert [bool(cache.delete("user")), bool(cache.delete("user"))] == [True, False]

    def test_value_is_computed_once(self):
        assert cache.get_or_set("user", lambda: "ada", timeout=LONG_S) == "ada"
        assert cache.get_or_set("user", lambda: "grace", timeout=LONG_S) == "ada"

    def test_versions_are_apart(self):
        cache.set("user", "ada", version=1)
        cache.set("user", "grace", version=2)
        assert [cache.get("user"), cache.get("user", version=2)] == ["ada", "grace"]
        assert cache.incr_version("user", version=2) == 3
        assert [cache.get("user", version=2), cache.get("user", version=3)] == [None, "grace"]

    def test_clear_leaves_nothing(self, server):
        cache.set_many({"a": 1, "b": 2})
        cache.clear()
        assert server.dbsize() == 0

    def test_clear_leaves_the_other_databases_alone(self, server, backend, url):
        server.set("kept", "1")
        with override_settings(CACHES={"default": {"BACKEND": BACKENDS[backend], "LOCATION": f"{url}/3"}}):
            cache.set("user", "ada")
            cache.clear()
            assert cache.get("user") is None
        assert server.get("kept") == "1"

    def test_value_and_lifetime_outlive_kill_9(self, daemon, lifetime_ms):
        cache.set("user", "ada", timeout=LONG_S)
        cache.set("short", "grace", timeout=1)
        daemon.kill()
        daemon.start()
        assert cache.get("user") == "ada"
        assert 0 < lifetime_ms("user") <= LONG_S * 1000
        wait_until(lambda: cache.get("short") is None)


class TestDjangosOwn:
    @pytest.fixture
    def backend(self):
        return "django"

    def test_counts(self, lifetime_ms):
        cache.set("tries", 40, timeout=LONG_S)
        assert [cache.incr("tries"), cache.incr("tries", 10), cache.decr("tries", 9)] == [41, 51, 42]
        assert cache.get("tries") == 42
        assert in_seconds(lifetime_ms("tries")) == LONG_S

    def test_does_not_count_what_is_missing(self):
        with pytest.raises(ValueError, match="'.*tries' not found"):
            cache.incr("tries")


class TestDjangoRedis:
    """What django-redis has beyond Django's interface. Its `incr`, `decr` and `lock` are left out: they are Lua scripts."""

    @pytest.fixture
    def backend(self):
        return "django-redis"

    def test_lists_keys_that_match(self):
        cache.set_many({f"user:{n}": n for n in range(100)} | {f"session:{n}": n for n in range(100)})
        users = sorted(f"user:{n}" for n in range(100))
        assert sorted(cache.keys("user:*")) == users
        assert sorted(cache.iter_keys("user:*", itersize=10)) == users

    def test_deletes_keys_that_match(self):
        cache.set_many({f"user:{n}": n for n in range(100)} | {f"session:{n}": n for n in range(100)})
        assert cache.delete_pattern("user:*", itersize=10) == 100
        assert cache.delete_pattern("user:*") == 0
        assert len(cache.keys("*")) == 100

    def test_sets_only_what_is_there_when_told_so(self):
        assert cache.set("user", "ada", xx=True) is False
        assert cache.set("user", "ada", nx=True) is True
        assert cache.set("user", "grace", nx=True) is False
        assert cache.set("user", "grace", timeout=LONG_S, xx=True) is True
        assert cache.get("user") == "grace"

    def test_lifetimes_are_in_milliseconds(self):
        cache.set("user", "ada", timeout=LONG_S + 0.5)
        assert LONG_S * 1000 < cache.pttl("user") <= LONG_S * 1000 + 500

    def test_tells_the_lifetime(self):
        cache.set("user", "ada", timeout=LONG_S)
        cache.set("kept", "grace", timeout=None)
        assert LONG_S - 2 <= cache.ttl("user") <= LONG_S
        assert [cache.ttl("kept"), cache.ttl("missing"), cache.pttl("missing")] == [None, 0, 0]

    @pytest.mark.parametrize(
        "expire",
        [
            lambda key: cache.expire(key, LONG_S),
            lambda key: cache.pexpire(key, LONG_S * 1000),
            lambda key: cache.expire_at(key, datetime.now() + timedelta(seconds=LONG_S)),
            lambda key: cache.pexpire_at(key, int((time.time() + LONG_S) * 1000)),
        ],
        ids=["expire", "pexpire", "expire_at", "pexpire_at"],
    )
    def test_sets_a_lifetime(self, expire):
        cache.set("user", "ada", timeout=None)
        assert expire("user") is True
        assert (LONG_S - 2) * 1000 <= cache.pttl("user") <= LONG_S * 1000
        assert cache.persist("user") is True
        assert cache.ttl("user") is None
        assert expire("missing") is False

    def test_keeps_sets(self):
        assert cache.sadd("revoked", "a", "b", ("any", "value")) == 3
        assert cache.scard("revoked") == 3
        assert cache.smembers("revoked") == {"a", "b", ("any", "value")}
        assert [cache.sismember("revoked", "a"), cache.sismember("revoked", "c")] == [True, False]
        assert cache.smismember("revoked", "a", "c") == [True, False]
        assert cache.srem("revoked", "a", "c") == 1
        assert set(cache.sscan_iter("revoked", count=10)) == {"b", ("any", "value")}

    def test_takes_from_sets(self):
        cache.sadd("new", "a", "b", "c")
        assert cache.smove("new", "old", "a") is True
        assert cache.srandmember("new") in {"b", "c"}
        assert sorted(cache.srandmember("new", 5)) == ["b", "c"]
        assert cache.spop("new", 5) == {"b", "c"}
        assert cache.spop("new") is None
        assert cache.smembers("old") == {"a"}

    def test_compares_sets(self):
        cache.sadd("a", 1, 2, 3)
        cache.sadd("b", 2, 3, 4)
        assert [cache.sinter("a", "b"), cache.sdiff("a", "b"), cache.sunion("a", "b")] == [{2, 3}, {1}, {1, 2, 3, 4}]
        assert [cache.sinterstore("c", "a", "b"), cache.sdiffstore("d", "a", "b"), cache.sunionstore("e", "a", "b")] == [2, 1, 4]
        assert cache.smembers("c") == {2, 3}


class TestSessions:
    """Django's sessions in the cache: what is deleted at log-out must be refused from then on."""

    @pytest.fixture
    def session_store(self):
        return import_module(settings.SESSION_ENGINE).SessionStore

    def test_log_in_is_remembered(self, session_store, server):
        session = session_store()
        session["user"] = "ada"
        session.save()
        assert session_store(session.session_key)["user"] == "ada"
        (key,) = server.keys()
        assert server.ttl(key) in range(settings.SESSION_COOKIE_AGE - 2, settings.SESSION_COOKIE_AGE + 1)

    def test_log_out_is_remembered(self, session_store, daemon):
        session = session_store()
        session["user"] = "ada"
        session.save()
        old_key = session.session_key
        session.flush()
        daemon.kill()
        daemon.start()
        assert "user" not in session_store(old_key)

    def test_new_key_after_log_in_voids_the_old_one(self, session_store):
        session = session_store()
        session["user"] = "ada"
        session.save()
        old_key = session.session_key
        session.cycle_key()
        session.save()
        assert not session.exists(old_key)
        assert session_store(session.session_key)["user"] == "ada"

    def test_expires(self, session_store):
        session = session_store()
        session.set_expiry(1)
        session["user"] = "ada"
        session.save()
        wait_until(lambda: not session.exists(session.session_key))

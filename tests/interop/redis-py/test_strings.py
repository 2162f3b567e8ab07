"""Strings by redis-py: what an application keeps that revokes a token by a key of its own."""

import pytest
import redis

from binary import BINARY


@pytest.mark.parametrize("value", BINARY.values(), ids=BINARY)
def test_value_is_the_bytes_that_were_set(client, value):
    assert client.set("session", value) is True
    assert client.get("session") == value
    assert client.strlen("session") == len(value)


@pytest.mark.parametrize("key", BINARY.values(), ids=BINARY)
def test_takes_a_binary_key(client, key):
    client.set(key, "ada")
    assert client.get(key) == b"ada"
    assert client.keys() == [key]


def test_missing_one_is_none_and_an_empty_one_is_empty(client):
    client.set("empty", "")
    assert [client.get("empty"), client.get("missing")] == [b"", None]
    assert [client.exists("empty"), client.exists("missing")] == [1, 0]


def test_set_only_if_missing(client):
    assert client.set("session", "ada", nx=True) is True
    assert client.set("session", "grace", nx=True) is None
    assert client.setnx("session", "grace") is False
    assert client.get("session") == b"ada"


def test_set_only_if_there(client):
    assert client.set("session", "ada", xx=True) is None
    client.set("session", "ada")
    assert client.set("session", "grace", xx=True) is True
    assert client.get("session") == b"grace"


def test_set_gives_back_the_former(client):
    assert client.set("session", "ada", get=True) is None
    assert client.set("session", "grace", get=True) == b"ada"
    assert client.getset("session", "mary") == b"grace"
    assert client.set("session", "emmy", nx=True, get=True) == b"mary"
    assert client.get("session") == b"mary"


def test_get_and_delete(client):
    client.set("once", "ada")
    assert [client.getdel("once"), client.getdel("once")] == [b"ada", None]


def test_many_at_once(client):
    values = {f"session:{n}": f"user {n}" for n in range(1_000)}
    assert client.mset(values) is True
    assert client.mget([*values, "missing"]) == [value.encode() for value in values.values()] + [None]
    assert client.msetnx({"session:0": "other", "new": "other"}) is False
    assert client.exists("new") == 0
    assert client.delete(*values) == 1_000


def test_counts(client):
    assert [client.incr("tries"), client.incrby("tries", 41), client.decr("tries"), client.decrby("tries", 40)] == [
        1,
        42,
        41,
        1,
    ]
    assert client.get("tries") == b"1"


def test_does_not_count_what_is_no_number(client):
    client.set("session", "ada")
    with pytest.raises(redis.ResponseError, match="^value is not an integer or out of range$"):
        client.incr("session")
    client.set("tries", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="^increment or decrement would overflow$"):
        client.incr("tries")


def test_appends(client):
    assert [client.append("log", "ab"), client.append("log", "cd")] == [2, 4]
    assert client.getrange("log", 1, -2) == b"bc"
    assert client.setrange("log", 5, "f") == 6
    assert client.get("log") == b"abcd\0f"


def test_string_is_no_set_and_a_set_is_no_string(client):
    client.set("session", "ada")
    client.sadd("revoked", "a")
    wrong_type = "^WRONGTYPE Operation against a key holding the wrong kind of value$"
    with pytest.raises(redis.ResponseError, match=wrong_type):
        client.sismember("session", "ada")
    with pytest.raises(redis.ResponseError, match=wrong_type):
        client.get("revoked")
    assert client.mget("session", "revoked") == [b"ada", None]
    assert [client.type("session"), client.type("revoked")] == [b"string", b"set"]


def test_set_replaces_a_set(client):
    client.sadd("revoked", "a")
    assert client.set("revoked", "ada") is True
    assert client.type("revoked") == b"string"


def test_scan_tells_the_types_apart(client):
    pipe = client.pipeline(transaction=False)
    for n in range(500):
        pipe.set(f"session:{n}", "ada")
        pipe.sadd(f"revoked:{n}", "a")
    pipe.execute()
    assert set(client.scan_iter(_type="string", count=100)) == {b"session:%d" % n for n in range(500)}
    assert set(client.scan_iter("*:1*", _type="set")) == {b"revoked:%d" % n for n in range(500) if f"{n}"[0] == "1"}


def test_transaction_is_tried_again_when_a_watched_string_changes(client, daemon):
    client.set("balance", 10)
    tries = []

    def double(pipe):
        balance = int(pipe.get("balance"))
        tries.append(balance)
        if len(tries) == 1:
            with redis.Redis(port=daemon.port) as other:
                other.incr("balance")
        pipe.multi()
        pipe.set("balance", 2 * balance)

    assert client.transaction(double, "balance") == [True]
    assert tries == [10, 11]
    assert client.get("balance") == b"22"


def test_strings_outlive_kill_9(client, daemon):
    client.mset({"session:1": "ada", "session:2": "grace"})
    client.incrby("tries", 7)
    client.delete("session:2")
    daemon.kill()
    daemon.start()
    assert client.mget("session:1", "session:2", "tries") == [b"ada", None, b"7"]

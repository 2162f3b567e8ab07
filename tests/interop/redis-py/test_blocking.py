"""redis-py's blocking client. The same tests run with version 5 and with the newest, in protocol 2 and in 3."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from binary import BINARY
from daemon import Daemon

NO_RETRY = Retry(NoBackoff(), 0)


def test_hiredis_parses_the_replies():
    assert redis.utils.HIREDIS_AVAILABLE


def test_connects(client):
    assert client.ping() is True


def test_names_its_connection(daemon, protocol):
    with redis.Redis(port=daemon.port, protocol=protocol, client_name="worker-1", decode_responses=True) as client:
        assert client.client_getname() == "worker-1"


def test_add_counts_new_members(client):
    assert client.sadd("revoked", "a", "b") == 2
    assert client.sadd("revoked", "b", "c") == 1


def test_remove_counts_members_that_were_there(client):
    client.sadd("revoked", "a", "b")
    assert client.srem("revoked", "a", "x") == 1


def test_tells_members_from_others(client):
    client.sadd("revoked", "a")
    assert client.sismember("revoked", "a") == 1
    assert client.sismember("revoked", "b") == 0
    assert client.sismember("no such key", "a") == 0


def test_tells_many_members_from_others_at_once(client):
    client.sadd("revoked", "a", "c")
    assert client.smismember("revoked", ["a", "b", "c"]) == [1, 0, 1]


def test_members_are_the_bytes_that_were_added(client):
    client.sadd("revoked", *BINARY.values())
    assert client.smembers("revoked") == set(BINARY.values())


@pytest.mark.parametrize("member", BINARY.values(), ids=BINARY)
def test_finds_a_binary_member(client, member):
    client.sadd("revoked", member)
    assert client.sismember("revoked", member) == 1
    assert client.sismember("revoked", member + b"\0") == 0


@pytest.mark.parametrize("key", BINARY.values(), ids=BINARY)
def test_takes_a_binary_key(client, key):
    client.sadd(key, "a")
    assert client.keys() == [key]


def test_pipeline_answers_in_order(client):
    pipe = client.pipeline(transaction=False)
    for n in range(5_000):
        pipe.sadd("revoked", n)
        pipe.sismember("revoked", n)
        pipe.sismember("revoked", -1)
    assert pipe.execute() == [1, 1, 0] * 5_000
    assert client.scard("revoked") == 5_000


def test_pipeline_is_a_transaction_by_default(client):
    assert client.pipeline().sadd("revoked", "a").sismember("revoked", "a").scard("revoked").execute() == [1, 1, 1]


def test_transaction_is_tried_again_when_a_watched_key_changes(client, daemon):
    tries = []

    def revoke_both(pipe):
        tries.append(pipe.scard("revoked"))
        if len(tries) == 1:
            with redis.Redis(port=daemon.port) as other:
                other.sadd("revoked", "a")
        pipe.multi()
        pipe.sadd("revoked", "b", "c")

    assert client.transaction(revoke_both, "revoked") == [2]
    assert tries == [0, 1]


def test_one_command_adds_thousands(client):
    assert client.sadd("revoked", *range(20_000)) == 20_000


def test_sscan_yields_each_member(client):
    members = {b"%d" % n for n in range(3_000)}
    client.sadd("revoked", *members)
    assert set(client.sscan_iter("revoked", count=100)) == members


def test_scan_yields_each_key_that_matches(client):
    pipe = client.pipeline(transaction=False)
    for n in range(1_000):
        pipe.sadd(f"user:{n}", "a")
        pipe.sadd(f"session:{n}", "a")
    pipe.execute()
    assert set(client.scan_iter("user:*", count=100, _type="set")) == {b"user:%d" % n for n in range(1_000)}


def test_databases_are_apart(daemon, protocol, client):
    with redis.Redis(port=daemon.port, protocol=protocol, db=3) as third:
        third.sadd("revoked", "a")
        assert third.dbsize() == 1
    assert client.dbsize() == 0


def test_reads_info(client):
    client.sadd("revoked", "a")
    info = client.info()
    assert tuple(map(int, info["redis_version"].split("."))) >= (7, 0)
    assert info["connected_clients"] == 1
    assert info["db0"]["keys"] == 1


def test_lists_clients(client):
    client.client_setname("worker-1")
    assert [listed["name"] for listed in client.client_list()] == ["worker-1"]


def test_reads_the_configuration(client):
    assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_unknown_command_is_named(client):
    with pytest.raises(redis.ResponseError, match=r"^unknown command 'NOSUCH', with args beginning with: 'a' 'b'"):
        client.execute_command("NOSUCH", "a", "b")


def test_wrong_number_of_arguments_names_the_command(client):
    with pytest.raises(redis.ResponseError, match=r"^wrong number of arguments for 'sadd' command$"):
        client.execute_command("SADD", "revoked")


def test_error_in_a_pipeline_stands_in_its_place(client):
    pipe = client.pipeline(transaction=False)
    pipe.sadd("revoked", "a").execute_command("NOSUCH").sadd("revoked", "b")
    first, error, last = pipe.execute(raise_on_error=False)
    assert (first, last) == (1, 1)
    assert isinstance(error, redis.ResponseError)


def test_password_opens(tmp_path, protocol):
    with Daemon(tmp_path, "--requirepass", "secret") as daemon:
        with redis.Redis(port=daemon.port, protocol=protocol, password="secret") as client:
            assert client.sadd("revoked", "a") == 1


def test_wrong_password_is_refused(tmp_path, protocol):
    with Daemon(tmp_path, "--requirepass", "secret") as daemon:
        with redis.Redis(port=daemon.port, protocol=protocol, password="guess", retry=NO_RETRY) as client:
            with pytest.raises(redis.AuthenticationError):
                client.ping()


def test_no_password_is_refused(tmp_path, protocol):
    with Daemon(tmp_path, "--requirepass", "secret") as daemon:
        with redis.Redis(port=daemon.port, protocol=protocol, retry=NO_RETRY) as client:
            with pytest.raises(redis.AuthenticationError):
                client.ping()


def test_reconnects_by_itself_after_kill_9(daemon, client):
    client.sadd("revoked", "a")
    daemon.kill()
    daemon.start()
    assert client.sismember("revoked", "a") == 1


def test_kill_9_amid_writes_loses_nothing_acknowledged(daemon, client, protocol):
    writers = 4
    under_way = threading.Barrier(writers + 1, timeout=30)

    def write_until_cut_off():
        acknowledged = []
        with redis.Redis(port=daemon.port, protocol=protocol, retry=NO_RETRY) as own_client:
            try:
                while True:
                    member = str(uuid.uuid4())
                    own_client.sadd("revoked", member)
                    acknowledged.append(member)
                    if len(acknowledged) == 200:
                        under_way.wait()
            except redis.ConnectionError:
                return acknowledged

    with ThreadPoolExecutor(writers) as pool:
        results = [pool.submit(write_until_cut_off) for _ in range(writers)]
        under_way.wait()
        daemon.kill()
    daemon.start()

    acknowledged = [member for result in results for member in result.result()]
    assert len(acknowledged) >= writers * 200
    assert client.smismember("revoked", acknowledged) == [1] * len(acknowledged)

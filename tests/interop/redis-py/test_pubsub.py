"""redis-py's publish and subscribe, blocking and asyncio, and its monitor."""

import asyncio
import threading

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_S = 20


@pytest.fixture
def client(daemon, protocol):
    with redis.Redis(port=daemon.port, protocol=protocol, decode_responses=True) as client:
        yield client


def next_message(pubsub):
    message = pubsub.get_message(timeout=PATIENCE_S)
    assert message is not None
    return tuple(message[field] for field in ("type", "pattern", "channel", "data"))


def test_confirms_subscriptions_and_delivers_messages(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("revoked")
        assert next_message(pubsub) == ("subscribe", None, "revoked", 1)
        pubsub.psubscribe("rev*")
        assert next_message(pubsub) == ("psubscribe", None, "rev*", 2)
        assert client.publish("revoked", "token-1") == 2
        assert next_message(pubsub) == ("message", None, "revoked", "token-1")
        assert next_message(pubsub) == ("pmessage", "rev*", "revoked", "token-1")
        pubsub.unsubscribe()
        assert next_message(pubsub) == ("unsubscribe", None, "revoked", 1)
        pubsub.punsubscribe()
        assert next_message(pubsub) == ("punsubscribe", None, "rev*", 0)
        assert client.publish("revoked", "token-2") == 0


def test_delivers_messages_of_shard_channels(client):
    with client.pubsub() as pubsub:
        pubsub.ssubscribe("revoked")
        assert next_message(pubsub) == ("ssubscribe", None, "revoked", 1)
        assert client.spublish("revoked", "token-1") == 1
        assert client.publish("revoked", "token-1") == 0
        assert next_message(pubsub) == ("smessage", None, "revoked", "token-1")


def test_delivers_to_a_thread_with_a_handler(client):
    heard, is_complete = [], threading.Event()

    def hear(message):
        heard.append(message["data"])
        if len(heard) == 1_000:
            is_complete.set()

    with client.pubsub() as pubsub:
        pubsub.subscribe(revoked=hear)
        thread = pubsub.run_in_thread(sleep_time=0.01)
        try:
            for number in range(1_000):
                assert client.publish("revoked", number) == 1
            assert is_complete.wait(PATIENCE_S)
        finally:
            thread.stop()
            thread.join(PATIENCE_S)
    assert heard == [str(number) for number in range(1_000)]


def test_pings_while_subscribed(client, protocol):
    with client.pubsub() as pubsub:
        pubsub.subscribe("revoked")
        next_message(pubsub)
        pubsub.ping("still there")
        # In protocol 3 the reply is a plain string, as to anyone, which redis-py's get_message takes for a message.
        reply = pubsub.parse_response(block=False, timeout=PATIENCE_S)
        assert reply == ("still there" if protocol == 3 else ["pong", "still there"])


def test_tells_who_listens(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("revoked")
        pubsub.psubscribe("r*")
        next_message(pubsub)
        next_message(pubsub)
        assert client.pubsub_channels() == ["revoked"]
        assert client.pubsub_numsub("revoked", "other") == [("revoked", 1), ("other", 0)]
        assert client.pubsub_numpat() == 1


def test_delivers_to_asyncio(daemon, protocol):
    async def scenario():
        async with redis.asyncio.Redis(port=daemon.port, protocol=protocol) as client:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("revoked")
                await pubsub.get_message(timeout=PATIENCE_S)
                await asyncio.gather(*(client.publish("revoked", number) for number in range(50)))
                heard = [(await pubsub.get_message(timeout=PATIENCE_S))["data"] for _ in range(50)]
                assert sorted(int(data) for data in heard) == list(range(50))

    asyncio.run(scenario())


def test_subscribes_again_after_kill_9(daemon, protocol):
    # Redis-py 5 has to be told; later ones do so by themselves.
    retrying = {"retry": Retry(NoBackoff(), 3), "retry_on_error": [redis.ConnectionError]}
    with redis.Redis(port=daemon.port, protocol=protocol, decode_responses=True, **retrying) as client:
        with client.pubsub() as pubsub:
            pubsub.subscribe("revoked")
            next_message(pubsub)
            daemon.kill()
            daemon.start()
            assert next_message(pubsub)[:3] == ("subscribe", None, "revoked")
            assert client.publish("revoked", "token-1") == 1
            assert next_message(pubsub)[3] == "token-1"


def test_monitors(client):
    with client.monitor() as monitor:
        client.sismember("revoked", "token-1")
        commands = (monitor.next_command() for _ in range(10))
        shown = next(command for command in commands if command["command"].startswith("SISMEMBER"))
        assert shown["command"] == "SISMEMBER revoked token-1"
        assert shown["client_type"] == "tcp"


def test_kills_a_client(daemon, client):
    victim = redis.Redis(port=daemon.port, single_connection_client=True, retry=None)
    with victim:
        assert client.client_kill_filter(_id=victim.client_id()) == 1
        with pytest.raises(redis.ConnectionError):
            victim.connection.send_command("PING")
            victim.connection.read_response()

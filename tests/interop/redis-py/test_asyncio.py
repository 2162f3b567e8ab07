"""redis-py's asyncio client."""

import asyncio

import pytest
import redis.asyncio


def test_pipeline_answers_in_order(daemon, protocol):
    async def scenario():
        async with redis.asyncio.Redis(port=daemon.port, protocol=protocol) as client:
            pipe = client.pipeline(transaction=False)
            for n in range(2_000):
                pipe.sadd("revoked", n)
                pipe.sismember("revoked", n)
            assert await pipe.execute() == [1, 1] * 2_000

    asyncio.run(scenario())


def test_many_tasks_share_the_daemon(daemon, protocol):
    async def scenario():
        async with redis.asyncio.Redis(port=daemon.port, protocol=protocol) as client:
            assert await asyncio.gather(*(client.sadd("revoked", n) for n in range(100))) == [1] * 100
            assert await client.scard("revoked") == 100

    asyncio.run(scenario())


def test_members_are_the_bytes_that_were_added(daemon, protocol):
    members = {bytes(range(256)), b"", b"\r\n"}

    async def scenario():
        async with redis.asyncio.Redis(port=daemon.port, protocol=protocol) as client:
            await client.sadd("revoked", *members)
            assert {member async for member in client.sscan_iter("revoked")} == members

    asyncio.run(scenario())


def test_unknown_command_is_named(daemon, protocol):
    async def scenario():
        async with redis.asyncio.Redis(port=daemon.port, protocol=protocol) as client:
            await client.execute_command("NOSUCH")

    with pytest.raises(redis.ResponseError, match="^unknown command 'NOSUCH'"):
        asyncio.run(scenario())


def test_reconnects_by_itself_after_kill_9(daemon, protocol):
    async def scenario():
        async with redis.asyncio.Redis(port=daemon.port, protocol=protocol) as client:
            await client.sadd("revoked", "a")
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            assert await client.sismember("revoked", "a") == 1

    asyncio.run(scenario())

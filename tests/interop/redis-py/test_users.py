"""The pair of a revocation service, an issuer that may revoke and a gateway that may only check, as redis-py has it."""

import pytest
import redis


@pytest.fixture
def connect(daemon, protocol, client):
    client.acl_setuser("issuer", enabled=True, passwords=["+issue-it"], keys=["revoked"], commands=["+sadd", "+srem"])
    client.acl_setuser("gateway", enabled=True, passwords=["+check-it"], keys=["revoked"], commands=["+sismember"])

    def connect(username, password):
        return redis.Redis(port=daemon.port, protocol=protocol, username=username, password=password)

    return connect


def test_issuer_revokes_and_gateway_checks(connect):
    with connect("issuer", "issue-it") as issuer, connect("gateway", "check-it") as gateway:
        assert issuer.sadd("revoked", "a") == 1
        assert gateway.sismember("revoked", "a")
        with pytest.raises(redis.exceptions.NoPermissionError):
            gateway.srem("revoked", "a")
        with pytest.raises(redis.exceptions.NoPermissionError):
            gateway.sismember("other", "a")
        with pytest.raises(redis.exceptions.NoPermissionError):
            issuer.sadd("other", "a")
        with gateway.pipeline(transaction=False) as pipe:
            pipe.sismember("revoked", "a").sismember("other", "a").sismember("revoked", "b")
            first, second, third = pipe.execute(raise_on_error=False)
        assert (first, third) == (1, 0)
        assert isinstance(second, redis.exceptions.NoPermissionError)


def test_wrong_password(connect):
    with connect("gateway", "issue-it") as gateway, pytest.raises(redis.exceptions.AuthenticationError):
        gateway.ping()


def test_deleted_user_is_out(connect, client):
    with connect("gateway", "check-it") as gateway:
        gateway.sismember("revoked", "a")
        assert client.acl_deluser("gateway") == 1
        # Disconnected, or by then connected anew and not let in, which is a kind of the same.
        with pytest.raises(redis.exceptions.ConnectionError):
            gateway.sismember("revoked", "a")


def text(reply):
    return reply.decode() if isinstance(reply, bytes) else reply


def test_users_and_what_they_were_denied_are_shown(connect, client):
    assert [text(user) for user in client.acl_users()] == ["default", "gateway", "issuer"]
    gateway = client.acl_getuser("gateway")
    assert "on" in [text(flag) for flag in gateway["flags"]]
    assert [text(rule) for rule in gateway["commands"]] == ["+sismember"]
    with connect("gateway", "check-it") as denied, pytest.raises(redis.exceptions.NoPermissionError):
        denied.sadd("revoked", "a")
    # Behind it there may be the CLIENT SETINFO that the library sends by itself.
    entry = client.acl_log()[0]
    shown = {text(name): text(value) for name, value in entry.items()}
    assert (shown["reason"], shown["object"], shown["username"]) == ("command", "sadd", "gateway")
    assert len(client.acl_genpass()) == 64

"""FastAPI-Users' RedisStrategy: a log-in is a random token, which stands in the daemon for as long as it is valid."""

import asyncio
import uuid
from dataclasses import dataclass, field

import httpx
import redis.asyncio
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, RedisStrategy
from fastapi_users.db import BaseUserDatabase
from fastapi_users.password import PasswordHelper
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from waiting import wait_until

OK, NO_CONTENT, REFUSED = 200, 204, 401
LIFETIME_S = 3600
PASSWORD = "lovelace"


@dataclass
class User:
    email: str
    hashed_password: str = field(default_factory=lambda: PasswordHelper().hash(PASSWORD))
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    is_active: bool = True
    is_superuser: bool = False
    is_verified: bool = True


ADA = User("ada@example.org")


class Users(BaseUserDatabase[User, uuid.UUID]):  # stands for your table of users
    async def get(self, id):
        return ADA if id == ADA.id else None

    async def get_by_email(self, email):
        return ADA if email == ADA.email else None


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    pass


def application(client, lifetime_seconds):
    backend = AuthenticationBackend(
        name="redis",
        transport=BearerTransport(tokenUrl="login"),
        get_strategy=lambda: RedisStrategy(client, lifetime_seconds=lifetime_seconds),
    )
    fastapi_users = FastAPIUsers[User, uuid.UUID](lambda: UserManager(Users()), [backend])
    app = FastAPI()
    app.include_router(fastapi_users.get_auth_router(backend))

    @app.get("/profile")
    async def profile(user: User = Depends(fastapi_users.current_user(active=True))):
        return {"email": user.email}

    return app


class Browser:
    def __init__(self, http):
        self.http = http

    async def log_in(self):
        response = await self.http.post("/login", data={"username": ADA.email, "password": PASSWORD})
        assert response.status_code == OK, response.text
        return response.json()["access_token"]

    async def status(self, token):
        return (await self.http.get("/profile", headers={"Authorization": f"Bearer {token}"})).status_code

    async def log_out(self, token):
        return (await self.http.post("/logout", headers={"Authorization": f"Bearer {token}"})).status_code


def run(scenario, url, lifetime_seconds=LIFETIME_S):
    async def run():
        # By default, what is made from an URL does not try again when a restart has cut its connection meanwhile.
        retry = Retry(NoBackoff(), 1)
        async with redis.asyncio.from_url(url, decode_responses=True, retry=retry) as client:
            transport = httpx.ASGITransport(application(client, lifetime_seconds))
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
                await scenario(Browser(http))

    asyncio.run(run())


def test_logging_out_ends_that_log_in_alone(url, server):
    async def scenario(browser):
        token, other = await browser.log_in(), await browser.log_in()
        assert [await browser.status(token), await browser.status(other)] == [OK, OK]
        assert await browser.log_out(token) == NO_CONTENT
        assert [await browser.status(token), await browser.status(other)] == [REFUSED, OK]
        assert server.keys() == [f"fastapi_users_token:{other}"]

    run(scenario, url)


def test_unknown_token_is_refused(url):
    async def scenario(browser):
        assert await browser.status("guess") == REFUSED

    run(scenario, url)


def test_log_in_and_log_out_outlive_kill_9(url, daemon):
    async def scenario(browser):
        token, other = await browser.log_in(), await browser.log_in()
        await browser.log_out(token)
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)
        assert [await browser.status(token), await browser.status(other)] == [REFUSED, OK]

    run(scenario, url)


def test_token_has_the_lifetime_that_was_asked_for(url, server):
    async def scenario(browser):
        token = await browser.log_in()
        assert server.get(f"fastapi_users_token:{token}") == str(ADA.id)
        assert server.ttl(f"fastapi_users_token:{token}") in range(LIFETIME_S - 2, LIFETIME_S + 1)

    run(scenario, url)


def test_token_without_a_lifetime_stays(url, server):
    async def scenario(browser):
        token = await browser.log_in()
        assert server.ttl(f"fastapi_users_token:{token}") == -1

    run(scenario, url, lifetime_seconds=None)


def test_expired_token_is_refused(url, server):
    async def scenario(browser):
        token = await browser.log_in()
        await asyncio.to_thread(wait_until, lambda: server.dbsize() == 0)
        assert await browser.status(token) == REFUSED

    run(scenario, url, lifetime_seconds=1)

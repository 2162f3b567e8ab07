"""FastAPI with PyJWT: log-out revokes the token for all workers; where nobody knows, the answer is 503.

    REVOKED_URL=redis://127.0.0.1:6379 SECRET_KEY=... uvicorn --workers 8 app:app
"""

import logging
import os
import time
import uuid
from typing import Annotated

import jwt
import redis.asyncio as redis
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pwdlib import PasswordHash
from pydantic import BaseModel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

app = FastAPI()
SECRET_KEY, LIFETIME_S = os.environ["SECRET_KEY"], 900
hasher = PasswordHash.recommended()
PASSWORDS = {"ada": hasher.hash("lovelace")}  # stands for your table of users

# What takes more than a second is given up; what a restart of the daemon cut off is tried again.
pool = redis.BlockingConnectionPool.from_url(
    os.environ.get("REVOKED_URL", "redis://127.0.0.1:6379"),
    max_connections=20,
    timeout=1,
    socket_connect_timeout=1,
    socket_timeout=1,
    retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
)
revoked = redis.Redis(connection_pool=pool)


@app.exception_handler(redis.RedisError)
async def fail_closed(_request, error):
    """Not known is not the same as not revoked. A log-out that was not stored is not confirmed, either."""
    logging.error("revocations: %s", error)
    return JSONResponse({"error": "try again later"}, 503, {"Retry-After": "1"})


async def valid_token(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]):
    try:
        required = {"require": ["exp", "jti", "sub"]}
        token = jwt.decode(credentials.credentials, SECRET_KEY, algorithms=["HS256"], options=required)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "invalid token") from error
    if await revoked.sismember("revoked", token["jti"]):
        raise HTTPException(401, "revoked token")
    return token


Token = Annotated[dict, Depends(valid_token)]


class Credentials(BaseModel):
    username: str
    password: str


@app.post("/login")
def log_in(user: Credentials):
    if user.username not in PASSWORDS or not hasher.verify(user.password, PASSWORDS[user.username]):
        raise HTTPException(401, "wrong name or password")
    claims = {"sub": user.username, "jti": str(uuid.uuid4()), "exp": int(time.time()) + LIFETIME_S}
    return {"access": jwt.encode(claims, SECRET_KEY)}


@app.get("/profile")
async def profile(token: Token):
    return {"name": token["sub"]}


@app.post("/logout", status_code=204)
async def log_out(token: Token):
    await revoked.execute_command("SADDEXAT", "revoked", "GT", token["exp"], token["jti"])  # returns when it is on disk

"""flask-praetorian: log-out revokes the token for all workers; where nobody knows, the answer is 503.

    REVOKED_URL=redis://127.0.0.1:6379 SECRET_KEY=... gunicorn --workers 8 app:app
"""

import os
from dataclasses import dataclass

import redis
from flask import Flask, request
from flask_praetorian import Praetorian, auth_required, current_user
from redis.backoff import NoBackoff
from redis.retry import Retry

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]

# A pool of connections. What takes more than a second is given up; what a restart of the daemon cut off is tried again.
revoked = redis.Redis.from_url(
    os.environ.get("REVOKED_URL", "redis://127.0.0.1:6379"),
    socket_connect_timeout=1,
    socket_timeout=1,
    retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
)


def is_blacklisted(jti):
    return bool(revoked.sismember("revoked", jti))


@app.errorhandler(redis.RedisError)
def fail_closed(error):
    """Not known is not the same as not revoked. A log-out that was not stored is not confirmed, either."""
    app.logger.error("revocations: %s", error)
    return {"error": "try again later"}, 503, {"Retry-After": "1"}


@dataclass
class User:  # stands for your table of users
    identity: str
    password: str
    rolenames: tuple = ()

    @classmethod
    def lookup(cls, name):
        return USERS.get(name)

    identify = lookup


guard = Praetorian(app, User, is_blacklisted)
USERS = {"ada": User("ada", guard.hash_password("lovelace"))}


@app.post("/login")
def log_in():
    user = guard.authenticate(request.json["username"], request.json["password"])
    return {"access": guard.encode_jwt_token(user)}


@app.post("/refresh")
def refresh():
    return {"access": guard.refresh_jwt_token(guard.read_token())}


@app.get("/profile")
@auth_required
def profile():
    return {"name": current_user().identity}


@app.post("/logout")
@auth_required
def log_out():
    token = guard.extract_jwt_token(guard.read_token())
    # A refreshed token keeps its jti, and can be refreshed until the second `rf_exp` is over: not `exp`, which is earlier.
    revoked.execute_command("SADDEXAT", "revoked", "GT", token["rf_exp"] + 1, token["jti"])  # returns when it is on disk
    return "", 204

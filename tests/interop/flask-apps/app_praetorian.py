"""A Flask application whose log-out revokes the token: flask-praetorian, and revoked as the one list for all workers.

Run it with as many workers as you like, on as many machines:

    REVOCATIONS_URL=redis://127.0.0.1:6379 SECRET_KEY=... gunicorn --workers 8 app_praetorian:app
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

# A request waits a second at most. The retry is for a connection that a restart of the daemon has cut meanwhile.
revoked = redis.Redis.from_url(
    os.environ["REVOCATIONS_URL"], socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 1)
)


def is_blacklisted(jti):
    return revoked.sismember("revoked", jti)


@app.errorhandler(redis.RedisError)
def fail_closed(error):
    """Who can't ask whether a token is revoked must not take it for valid."""
    app.logger.error("cannot reach the revocations: %s", error)
    return {"error": "try again later"}, 503


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
    user = guard.authenticate(request.json["name"], request.json["password"])
    return {"token": guard.encode_jwt_token(user)}


@app.get("/profile")
@auth_required
def profile():
    return {"name": current_user().identity}


@app.post("/logout")
@auth_required
def log_out():
    revoked.sadd("revoked", guard.extract_jwt_token(guard.read_token())["jti"])  # returns when it is on disk
    return {"message": "logged out"}

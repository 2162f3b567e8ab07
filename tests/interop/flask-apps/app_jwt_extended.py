"""A Flask application whose log-out revokes the token: Flask-JWT-Extended, and revoked as the one list for all workers.

Run it with as many workers as you like, on as many machines:

    REVOCATIONS_URL=redis://127.0.0.1:6379 SECRET_KEY=... gunicorn --workers 8 app_jwt_extended:app
"""

import os

import redis
from flask import Flask, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt, get_jwt_identity, jwt_required
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.security import check_password_hash, generate_password_hash

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = os.environ["SECRET_KEY"]
jwt = JWTManager(app)

# A request waits a second at most. The retry is for a connection that a restart of the daemon has cut meanwhile.
revoked = redis.Redis.from_url(
    os.environ["REVOCATIONS_URL"], socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 1)
)


@jwt.token_in_blocklist_loader
def is_revoked(_header, claims):
    return revoked.sismember("revoked", claims["jti"])


@app.errorhandler(redis.RedisError)
def fail_closed(error):
    """Who can't ask whether a token is revoked must not take it for valid."""
    app.logger.error("cannot reach the revocations: %s", error)
    return {"error": "try again later"}, 503


PASSWORDS = {"ada": generate_password_hash("lovelace")}  # stands for your table of users


@app.post("/login")
def log_in():
    name, password = request.json["name"], request.json["password"]
    if name not in PASSWORDS or not check_password_hash(PASSWORDS[name], password):
        return {"error": "wrong name or password"}, 401
    return {"token": create_access_token(name)}


@app.get("/profile")
@jwt_required()
def profile():
    return {"name": get_jwt_identity()}


@app.post("/logout")
@jwt_required()
def log_out():
    revoked.sadd("revoked", get_jwt()["jti"])  # returns when it is on disk
    return {"message": "logged out"}

"""Flask-JWT-Extended: log-out revokes the token for all workers; where nobody knows, the answer is 503.

    REVOKED_URL=redis://127.0.0.1:6379 SECRET_KEY=... gunicorn --workers 8 app:app

As in Flask-JWT-Extended's own documentation, a revoked token is a key of its own, which ends with the token.
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

# A pool of connections. What takes more than a second is given up; what a restart of the daemon cut off is tried again.
revoked = redis.Redis.from_url(
    os.environ.get("REVOKED_URL", "redis://127.0.0.1:6379"),
    socket_connect_timeout=1,
    socket_timeout=1,
    retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
)


@jwt.token_in_blocklist_loader
def is_revoked(_header, claims):
    return bool(revoked.exists(claims["jti"]))


@app.errorhandler(redis.RedisError)
def fail_closed(error):
    """Not known is not the same as not revoked. A log-out that was not stored is not confirmed, either."""
    app.logger.error("revocations: %s", error)
    return {"error": "try again later"}, 503, {"Retry-After": "1"}


PASSWORDS = {"ada": generate_password_hash("lovelace")}  # stands for your table of users


@app.post("/login")
def log_in():
    name, password = request.json["username"], request.json["password"]
    if name not in PASSWORDS or not check_password_hash(PASSWORDS[name], password):
        return {"error": "wrong name or password"}, 401
    return {"access": create_access_token(name)}


@app.get("/profile")
@jwt_required()
def profile():
    return {"name": get_jwt_identity()}


@app.post("/logout")
@jwt_required()
def log_out():
    token = get_jwt()
    revoked.set(token["jti"], "", exat=token["exp"])  # returns when it is on disk
    return "", 204

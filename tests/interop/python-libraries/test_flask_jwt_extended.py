"""The blocklist in Redis that Flask-JWT-Extended's documentation shows, word for word where it matters: one string a
revoked token, empty, with the token's own lifetime."""

from datetime import timedelta

import pytest
import redis
from flask import Flask, jsonify
from flask_jwt_extended import JWTManager, create_access_token, decode_token, get_jwt, jwt_required

from waiting import wait_until

OK, REFUSED = 200, 401


class Application:
    def __init__(self, url, expires=timedelta(hours=1)):
        app = Flask(__name__)
        app.config["JWT_SECRET_KEY"] = "not a secret, but long enough for HMAC-SHA256"
        app.config["JWT_ACCESS_TOKEN_EXPIRES"] = expires
        jwt = JWTManager(app)
        jwt_redis_blocklist = redis.StrictRedis.from_url(url, decode_responses=True)

        @jwt.token_in_blocklist_loader
        def check_if_token_is_revoked(jwt_header, jwt_payload: dict):
            jti = jwt_payload["jti"]
            token_in_redis = jwt_redis_blocklist.get(jti)
            return token_in_redis is not None

        @app.post("/login")
        def login():
            return jsonify(access_token=create_access_token(identity="example_user"))

        @app.delete("/logout")
        @jwt_required()
        def logout():
            jti = get_jwt()["jti"]
            jwt_redis_blocklist.set(jti, "", ex=expires)
            return jsonify(msg="Access token revoked")

        @app.get("/protected")
        @jwt_required()
        def protected():
            return jsonify(hello="world")

        self.app = app
        self.client = app.test_client()

    def log_in(self):
        return self.client.post("/login").json["access_token"]

    def log_out(self, token):
        return self.client.delete("/logout", headers={"Authorization": f"Bearer {token}"}).status_code

    def status(self, token):
        return self.client.get("/protected", headers={"Authorization": f"Bearer {token}"}).status_code

    def jti(self, token):
        with self.app.app_context():
            return decode_token(token)["jti"]


@pytest.fixture
def application(url):
    return Application(url)


def test_revoked_token_is_refused(application):
    token, other = application.log_in(), application.log_in()
    assert [application.status(token), application.status(other)] == [OK, OK]
    assert application.log_out(token) == OK
    assert [application.status(token), application.status(other)] == [REFUSED, OK]


def test_all_workers_refuse_it(application, url):
    token = application.log_in()
    application.log_out(token)
    assert Application(url).status(token) == REFUSED


def test_is_refused_after_kill_9(application, daemon):
    token, other = application.log_in(), application.log_in()
    application.log_out(token)
    daemon.kill()
    daemon.start()
    assert [application.status(token), application.status(other)] == [REFUSED, OK]


def test_revocation_is_an_empty_string_with_the_lifetime_of_the_token(application, server):
    token = application.log_in()
    application.log_out(token)
    assert server.keys() == [application.jti(token)]
    assert server.get(application.jti(token)) == ""
    assert server.ttl(application.jti(token)) in range(3600 - 2, 3600 + 1)


def test_revocation_goes_when_the_token_would_have_expired(url, server):
    application = Application(url, expires=timedelta(seconds=1))
    token = application.log_in()
    assert application.log_out(token) == OK
    wait_until(lambda: server.dbsize() == 0)
    assert application.status(token) == REFUSED  # by its own `exp`

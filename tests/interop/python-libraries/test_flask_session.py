"""Flask-Session: the cookie holds an id, the session itself is in the daemon."""

import re

import pytest
import redis
from flask import Flask, session
from flask_session import Session

from waiting import wait_until

LIFETIME_S = 600


def application(url, **config):
    app = Flask(__name__)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis.from_url(url))
    app.config.update({"PERMANENT_SESSION_LIFETIME": LIFETIME_S} | config)
    Session(app)

    @app.post("/login/<name>")
    def log_in(name):
        session["name"] = name
        return "logged in"

    @app.get("/profile")
    def profile():
        return session.get("name", "")

    @app.post("/logout")
    def log_out():
        session.clear()
        return "logged out"

    return app


@pytest.fixture
def browser(url):
    return application(url).test_client()


def name(browser):
    return browser.get("/profile").text


def test_log_in_is_remembered(browser):
    assert name(browser) == ""
    browser.post("/login/ada")
    assert name(browser) == "ada"


def test_sessions_are_apart(url):
    app = application(url)
    first, second = app.test_client(), app.test_client()
    first.post("/login/ada")
    second.post("/login/grace")
    assert [name(first), name(second)] == ["ada", "grace"]


def test_workers_share_the_session(browser, url):
    browser.post("/login/ada")
    other = application(url).test_client()
    other.set_cookie("session", browser.get_cookie("session").value)
    assert name(other) == "ada"


def test_outlives_kill_9(browser, daemon):
    browser.post("/login/ada")
    daemon.kill()
    daemon.start()
    assert name(browser) == "ada"


def test_log_out_voids_the_cookie(browser, daemon, server):
    browser.post("/login/ada")
    cookie = browser.get_cookie("session").value
    browser.post("/logout")
    assert server.keys() == []
    daemon.kill()
    daemon.start()
    browser.set_cookie("session", cookie)
    assert name(browser) == ""


def test_each_use_sets_the_lifetime_anew(browser, server):
    browser.post("/login/ada")
    (key,) = server.keys()
    assert re.fullmatch(r"session:[\w-]+", key)
    assert server.ttl(key) in range(LIFETIME_S - 2, LIFETIME_S + 1)
    server.expire(key, 60)
    browser.get("/profile")
    assert server.ttl(key) in range(LIFETIME_S - 2, LIFETIME_S + 1)


def test_expires(url, server):
    # A session that is not permanent has a cookie without an end: it is the server that ends it.
    browser = application(url, SESSION_PERMANENT=False, PERMANENT_SESSION_LIFETIME=1).test_client()
    browser.post("/login/ada")
    wait_until(lambda: server.dbsize() == 0)
    assert name(browser) == ""


@pytest.mark.parametrize("serialization_format", ["msgpack", "json"])
def test_formats(url, serialization_format):
    browser = application(url, SESSION_SERIALIZATION_FORMAT=serialization_format).test_client()
    browser.post("/login/ada")
    assert name(browser) == "ada"

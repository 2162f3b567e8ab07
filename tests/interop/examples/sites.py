"""Each example served as in production, and what a user does there."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

import jwt
import requests

from daemon import Process, free_port
from waiting import wait_until

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"
SECRET_KEY = "the same for all processes, and long enough for HMAC-SHA256"
PASSWORD = "lovelace"
TIMEOUT_S = 20


class Site:
    """An application at an `address`. The tokens of a log-in are the dictionary that it answers."""

    def log_in(self):
        response = self._post("login", {"username": "ada", "password": PASSWORD})
        response.raise_for_status()
        return response.json()

    def profile(self, tokens):
        return requests.get(f"{self.address}/profile", headers=bearer(tokens), timeout=TIMEOUT_S)

    def log_out(self, tokens):
        return self._post("logout", tokens, bearer(tokens))

    def refresh(self, tokens):
        return self._post("refresh", tokens, bearer(tokens))

    def _post(self, path, json, headers=None):
        return requests.post(f"{self.address}/{path}", json=json, headers=headers, timeout=TIMEOUT_S)


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['access']}"}


def claims(tokens):
    return jwt.decode(tokens["access"], options={"verify_signature": False})


def signed_with(tokens, key=SECRET_KEY, **changes):
    """The same log-in, had its access token been issued so. A claim that is None is left out."""
    payload = {name: value for name, value in (claims(tokens) | changes).items() if value is not None}
    return tokens | {"access": jwt.encode(payload, key, algorithm="HS256")}


def seconds_from_now(seconds):
    return int(time.time()) + seconds


class Server(Process, Site):
    """A server in a process of its own, which says on stdout or stderr at which address it listens."""

    def __init__(self, folder, command, listening, **environment):
        super().__init__(
            ["sh", "-c", 'exec "$@" >&2', "sh", *command],
            ready=listening,
            cwd=folder,
            env=os.environ | {"SECRET_KEY": SECRET_KEY, "PORT": "0"} | environment,
        )

    def start(self):
        self.address = super().start()[1]
        wait_until(self.is_listening)  # uvicorn says so before its workers do

    def is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", urlsplit(self.address).port)) == 0


def gunicorn(application, workers=2):
    command = ["--workers", str(workers), "--bind", "127.0.0.1:0", "--no-control-socket", application]
    return [sys.executable, "-m", "gunicorn", *command], r"Listening at: (http://\S+)"


def uvicorn(application):
    return [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", "0", application], r"running on (http://[\w.:]+)"


def node(script):
    return ["node", script], r"listening at (http://[\w.:]+)"


def plain(name, server):
    return lambda _directory, **environment: Server(EXAMPLES / name, *server, **environment)


def django(directory, **environment):
    """With a table of users, which servers in one directory share."""
    folder, app_db = EXAMPLES / "django-rest-framework", directory / "app.db"
    environment |= {"APP_DB": str(app_db)}
    if not app_db.exists():
        create_ada = ["createsuperuser", "--noinput", "--username=ada", "--email=ada@example.org"]
        known = {"SECRET_KEY": SECRET_KEY, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        for command in ["migrate", "--verbosity=0"], create_ada:
            command = [sys.executable, "app.py", *command]
            subprocess.run(command, cwd=folder, env=os.environ | environment | known, check=True, timeout=TIMEOUT_S)
    return Server(folder, *gunicorn("app:application"), **environment)


class Nginx(Process, Site):
    def __init__(self, config, port, gate):
        super().__init__([os.environ["NGINX"], "-c", config], ready="start worker processes")
        self.address = f"http://127.0.0.1:{port}"
        self.gate = gate


@contextmanager
def nginx(directory, **environment):
    """nginx as Debian sets it up, but for its paths, before an application that takes every token."""
    port = free_port()
    directory = directory / f"nginx-{port}"
    directory.mkdir()
    with (
        Server(HERE, *gunicorn("app_behind_nginx:app")) as application,
        Server(EXAMPLES / "nginx", *node("gate.mjs"), **environment) as gate,
    ):
        config = (EXAMPLES / "nginx/revoked.conf").read_text()
        for written, here in {
            "listen 8080": f"listen 127.0.0.1:{port}",
            "server 127.0.0.1:8000": f"server {application.address.removeprefix('http://')}",
            "server 127.0.0.1:9000": f"server {gate.address.removeprefix('http://')}",
        }.items():
            assert config.count(written) == 1
            config = config.replace(written, here)
        (directory / "revoked.conf").write_text(config)
        temporary = "".join(
            f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (directory / "nginx.conf").write_text(
            f"daemon off; pid {directory}/pid; lock_file {directory}/lock; error_log stderr notice; worker_processes 1;"
            f"events {{}} http {{ access_log off; {temporary} include {directory}/revoked.conf; }}"
        )
        with Nginx(directory / "nginx.conf", port, gate) as nginx:
            yield nginx


@dataclass(frozen=True)
class Example:
    serve: Callable
    refused: int = 401  # how its library answers to a token that is revoked
    last_claims: tuple = ("exp",)  # those that say when a token is of no use any more, the last first
    margin_s: int = 0  # until then, and so much longer, the revocation stands


ALL = {
    "flask-jwt-extended": Example(plain("flask-jwt-extended", gunicorn("app:app"))),
    "flask-praetorian": Example(
        plain("flask-praetorian", gunicorn("app:app")), refused=403, last_claims=("rf_exp", "exp"), margin_s=1
    ),
    "fastapi": Example(plain("fastapi", uvicorn("app:app"))),
    "django-rest-framework": Example(django),
    "express": Example(plain("express", node("app.mjs"))),
    "fastify": Example(plain("fastify", node("app.mjs")), margin_s=1),
    "nginx": Example(nginx),
}

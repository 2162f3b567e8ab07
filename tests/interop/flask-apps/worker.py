"""A worker of one of the applications, in a process of its own, and what a user does with it."""

import os
import sys
from pathlib import Path

import requests

from daemon import Process

HERE = Path(__file__).parent
SECRET_KEY = "the same for all workers, and long enough for HMAC-SHA256"


class Worker(Process):
    def __init__(self, application, **environment):
        gunicorn = ["gunicorn", "--workers", "1", "--bind", "127.0.0.1:0", "--no-control-socket", f"{application}:app"]
        super().__init__(
            [sys.executable, "-m", *gunicorn],
            ready=r"Listening at: (http://\S+)",
            cwd=HERE,
            env=os.environ | {"SECRET_KEY": SECRET_KEY} | environment,
        )

    def start(self):
        self.address = super().start()[1]

    def log_in(self):
        response = requests.post(f"{self.address}/login", json={"name": "ada", "password": "lovelace"}, timeout=20)
        response.raise_for_status()
        return response.json()["token"]

    def profile_status(self, token):
        return requests.get(f"{self.address}/profile", headers=bearer(token), timeout=20).status_code

    def log_out(self, token):
        return requests.post(f"{self.address}/logout", headers=bearer(token), timeout=20).status_code


def bearer(token):
    return {"Authorization": f"Bearer {token}"}

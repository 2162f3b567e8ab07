"""An application that knows of no revocations, and looks at no signature: whom nginx lets through gets an answer."""

import os
import time
import uuid

import jwt
from flask import Flask, request

app = Flask(__name__)


@app.post("/login")
def log_in():
    claims = {"sub": request.json["username"], "jti": str(uuid.uuid4()), "exp": int(time.time()) + 900}
    return {"access": jwt.encode(claims, os.environ["SECRET_KEY"])}


@app.get("/profile")
def profile():
    return {"message": "let through"}

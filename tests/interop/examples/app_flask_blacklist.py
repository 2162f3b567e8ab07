"""examples/flask-praetorian as it may have been before: with flask-blacklist, whose revocations are in a table of the application.

Only for the test of moving away from it: two workers of this application would not know of each other's revocations.
"""

import os
from dataclasses import dataclass

from flask import Flask, request
from flask_blacklist import Blacklist, is_blacklisted
from flask_praetorian import Praetorian, auth_required, current_user
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["APP_DB"]
db = SQLAlchemy(app)
blacklist = Blacklist()


class Token(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    jti = db.Column(db.String, unique=True, nullable=False)

    def __getitem__(self, name):  # flask-blacklist reads token["jti"]
        return getattr(self, name)

    @classmethod
    def blacklist_jti(cls, jti):
        db.session.add(cls(jti=jti))
        db.session.commit()

    @classmethod
    def get_blacklisted(cls):
        return cls.query.all()


@dataclass
class User:
    identity: str
    password: str
    rolenames: tuple = ()

    @classmethod
    def lookup(cls, name):
        return USERS.get(name)

    identify = lookup


with app.app_context():
    db.create_all()
    blacklist.init_app(app, Token)
guard = Praetorian(app, User, is_blacklisted)
USERS = {"ada": User("ada", guard.hash_password("lovelace"))}


@app.post("/login")
def log_in():
    user = guard.authenticate(request.json["username"], request.json["password"])
    return {"access": guard.encode_jwt_token(user)}


@app.get("/profile")
@auth_required
def profile():
    return {"name": current_user().identity}


@app.post("/logout")
@auth_required
def log_out():
    blacklist.blacklist_jti(guard.extract_jwt_token(guard.read_token())["jti"])
    return "", 204

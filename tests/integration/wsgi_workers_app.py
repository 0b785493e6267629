"""The app of `workers_app`, in Flask."""

import os

import opsboard
from flask import Flask

flask = Flask("shop")


@flask.route("/items/<id>", methods=["GET", "POST"])
def item(id: str) -> str:
    return str(os.getpid())


@flask.get("/fails")
def fails() -> str:
    raise RuntimeError("a bug")


app = opsboard.WsgiLatencyMiddleware(flask, service="shop", to=os.environ["SHIP_TO"])

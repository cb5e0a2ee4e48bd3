"""A message from Flask: `flask --app app run`."""
# ruff: noqa: INP001 - programs, no package

from __future__ import annotations

from flask import Flask, Response, jsonify, request

from lark_provider import LarkServiceClient

app = Flask(__name__)
app.config.from_object("config.Config")


@app.route("/send-message", methods=["POST"])
def send_message() -> Response:
    """Send a message to the `receiver_id` of the JSON body, and answer with the message's id."""
    client = LarkServiceClient()  # one for each request costs nothing; several apps: app_id="cli_…"

    response = client.messaging.send_text(
        receiver_id=request.get_json()["receiver_id"], content=app.config["GREETING"]
    )

    return jsonify({"message_id": response.data["message_id"]})

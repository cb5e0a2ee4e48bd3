"""The guide's section 3: Django, Flask and FastAPI, by their own test clients.

Each in a process of its own, once with the guide's code and once with the program under `examples/`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lark_emulator import Emulator

from tests.guide.arrived import messages, open_id, read_texts, token_requests
from tests.guide.reader import CHECKOUT, Database, Reader

WHOSE = pytest.mark.parametrize("whose", ["guide", "example"])

DJANGO_SETTINGS = """
# settings.py
import os
from dotenv import load_dotenv

load_dotenv()

# Lark Service 配置
LARK_CONFIG = {
    'POSTGRES_HOST': os.getenv('POSTGRES_HOST', 'localhost'),
    'POSTGRES_PORT': os.getenv('POSTGRES_PORT', '5432'),
    'POSTGRES_DB': os.getenv('POSTGRES_DB', 'lark_service'),
    'POSTGRES_USER': os.getenv('POSTGRES_USER', 'lark'),
    'POSTGRES_PASSWORD': os.getenv('POSTGRES_PASSWORD'),
    'LARK_CONFIG_ENCRYPTION_KEY': os.getenv('LARK_CONFIG_ENCRYPTION_KEY'),
}
"""
DJANGO_VIEWS = """
# views.py
from django.http import JsonResponse  # the guide forgets it
from lark_provider import LarkServiceClient

def send_notification(request):
    client = LarkServiceClient(app_id="cli_your_app_id")
    
    response = client.messaging.send_text(
        receiver_id=request.user.lark_user_id,
        content="您有新的订单通知!"
    )
    
    return JsonResponse({"message_id": response.data['message_id']})
"""  # noqa: W293 - as the guide has it
DJANGO_USER = """
# The guide's users have a lark_user_id; those of this program get theirs here.
class WithLarkId:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.user.lark_user_id = "ou_xxxxxxxx"
        return self.get_response(request)

MIDDLEWARE = [*MIDDLEWARE, "settings.WithLarkId"]
"""
DJANGO = """
import os

import django
from django.test import Client
from django.test.runner import DiscoverRunner

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
runner = DiscoverRunner(verbosity=0)
runner.setup_test_environment()
runner.setup_databases()

from django.contrib.auth.models import User

client = Client()
assert client.get("/send-notification/").url.startswith("/admin/login/")
client.force_login(User.objects.create(username="alice", email="alice@example.com"))
answer = client.get("/send-notification/")
print(answer.status_code, answer.json()["message_id"])
"""

FLASK_CONFIG = """
# config.py
import os

class Config:
    POSTGRES_HOST = os.getenv('POSTGRES_HOST', 'localhost')
    POSTGRES_PORT = os.getenv('POSTGRES_PORT', '5432')
    POSTGRES_DB = os.getenv('POSTGRES_DB', 'lark_service')
    POSTGRES_USER = os.getenv('POSTGRES_USER', 'lark')
    POSTGRES_PASSWORD = os.getenv('POSTGRES_PASSWORD')
    LARK_CONFIG_ENCRYPTION_KEY = os.getenv('LARK_CONFIG_ENCRYPTION_KEY')
"""
FLASK_APP = """
# app.py
from flask import Flask, jsonify
from lark_provider import LarkServiceClient

app = Flask(__name__)
app.config.from_object('config.Config')

@app.route('/send-message', methods=['POST'])
def send_message():
    client = LarkServiceClient(app_id="cli_your_app_id")
    
    response = client.messaging.send_text(
        receiver_id="ou_xxxxxxxx",
        content="Hello from Flask!"
    )
    
    return jsonify({"message_id": response.data['message_id']})
"""  # noqa: W293 - as the guide has it
FLASK = """
from app import app

answer = app.test_client().post("/send-message", json={"receiver_id": "ou_xxxxxxxx"})
print(answer.status_code, answer.get_json()["message_id"])
"""

FASTAPI_MAIN = """
# main.py
from fastapi import FastAPI
from lark_provider import LarkServiceClient

app = FastAPI()
lark_client = LarkServiceClient(app_id="cli_your_app_id")

@app.post("/send-notification")
async def send_notification(user_id: str, message: str):
    response = lark_client.messaging.send_text(
        receiver_id=user_id,
        content=message
    )
    
    return {"message_id": response.data['message_id']}
"""  # noqa: W293 - as the guide has it
FASTAPI = """
import asyncio

import httpx
from fastapi.testclient import TestClient
from main import app

with TestClient(app) as client:
    answer = client.post("/send-notification", params={"user_id": "ou_xxxxxxxx", "message": "完成 ✅"})
print(answer.status_code, answer.json()["message_id"])

async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        sending = asyncio.ensure_future(
            client.post("/send-notification", params={"user_id": "ou_xxxxxxxx", "message": "Hello"})
        )
        await asyncio.sleep(0)  # it begins
        answer = await client.get("/openapi.json")
        print(answer.status_code, "sent before" if sending.done() else "still sending")
        print((await sending).json()["message_id"])

asyncio.run(main())
"""


def program(reader: Reader, framework: str, **guides: str) -> None:
    """Copy the example's files, and the guide's if any are given, into the reader's folder."""
    shutil.copytree(CHECKOUT / "examples" / framework, reader.folder, dirs_exist_ok=True)
    for name, text in guides.items():
        Path(reader.folder, f"{name}.py").write_text(text)


def assert_sent(printed: str, lark: Emulator, text: str) -> None:
    (message,) = messages(lark)
    assert printed.split() == ["200", message["message_id"]]
    assert (message["sender"], read_texts(lark)) == ("cli_your_app_id", [text])


@pytest.fixture(autouse=True)
def _one_app(apps: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the default app in the environment, because the examples name none."""
    monkeypatch.setenv("LARK_DEFAULT_APP_ID", "cli_your_app_id")


@WHOSE
def test_guide_23_django(whose: str, reader: Reader, lark: Emulator, upgraded: Database) -> None:
    program(reader, "django")
    if whose == "guide":
        user = DJANGO_USER.replace("ou_xxxxxxxx", open_id(lark))
        settings = (reader.folder / "settings.py").read_text() + DJANGO_SETTINGS + user
        program(reader, "django", settings=settings, views=DJANGO_VIEWS)
    assert_sent(reader.python(DJANGO).stdout, lark, "您有新的订单通知!")
    assert upgraded.ask("SELECT app_id FROM tokens") == [("cli_your_app_id",)]


@WHOSE
def test_guide_24_flask(whose: str, reader: Reader, lark: Emulator, upgraded: Database) -> None:
    receiver = open_id(lark)
    guides = {"config": FLASK_CONFIG, "app": FLASK_APP.replace("ou_xxxxxxxx", receiver)}
    program(reader, "flask", **(guides if whose == "guide" else {}))
    assert_sent(reader.python(FLASK.replace("ou_xxxxxxxx", receiver)).stdout, lark, "Hello from Flask!")
    assert upgraded.ask("SELECT app_id FROM tokens") == [("cli_your_app_id",)]


@pytest.mark.parametrize(("whose", "order"), [("guide", "sent before"), ("example", "still sending")])
def test_guide_27_fastapi(whose: str, order: str, reader: Reader, lark: Emulator, upgraded: Database) -> None:
    """The async client leaves the event loop to others.

    The guide's synchronous one, in an `async def`, lets nobody else in until Lark has answered.
    """
    program(reader, "fastapi", **({"main": FASTAPI_MAIN} if whose == "guide" else {}))
    lark.fault(path="*/messages", skip=1, delay_ms=1000)
    first, other, last = reader.python(FASTAPI.replace("ou_xxxxxxxx", open_id(lark))).stdout.splitlines()
    assert [first.split()[1], last] == [message["message_id"] for message in messages(lark)]
    assert (first.split()[0], other) == ("200", f"200 {order}")
    assert read_texts(lark) == ["完成 ✅", "Hello"]
    assert token_requests(lark) == 1
    assert upgraded.ask("SELECT app_id FROM tokens") == [("cli_your_app_id",)]

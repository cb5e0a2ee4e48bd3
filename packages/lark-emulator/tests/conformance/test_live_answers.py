"""What the real service was seen to answer, the emulator answers as well."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator import Emulator
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE = json.loads(Path(__file__).with_name("live_answers.json").read_text("utf-8"))["answers"]
CHAT = "oc_emulator_data_team"


class Scene:
    """An emulator with what the requests of the corpus are about; it is shared, so no request changes it."""

    def __init__(self, lark: Emulator) -> None:
        self.lark, self.api = lark, Api(lark)
        lark.settings(rate_limits=False)
        lark.add_app("cli_other", "s")
        lark.add_app("cli_botless", "s", bot=False)
        lark.add_chat("Elsewhere", chat_id="oc_elsewhere", users=["alice"])
        other = Api(lark, "cli_other", "s")
        sheet = other.data("POST", "/sheets/v3/spreadsheets", {"title": "Theirs"})["spreadsheet"]
        base = self.api.data("POST", "/bitable/v1/apps", {"name": "Base"})["app"]
        table = f"/bitable/v1/apps/{base['app_token']}/tables/{base['default_table_id']}"
        self.api.data("POST", f"{table}/fields", {"field_name": "When", "type": 5})
        webhook = "/open-apis/bot/v2/hook/"
        self.names = {
            "app": lark.app_id,
            "secret": lark.app_secret,
            "chat": CHAT,
            "foreign_chat": "oc_elsewhere",
            "other_open_id": "ou_other_alice",
            "foreign_sheet": sheet["spreadsheet_token"],
            "table": f"/open-apis{table}",
            "webhook": webhook + lark.add_webhook().rpartition("/")[2],
            "signed_webhook": webhook + lark.add_webhook(secret="s").rpartition("/")[2],
            "keyword_webhook": webhook + lark.add_webhook(keywords=["alarm"]).rpartition("/")[2],
            "now": str(int(lark.state(summary=True)["now"])),
            "recalled": self._send_message({"text": "a"}),
            "edited": self._send_message({"text": "a"}),
            "card2": self._send_message({"schema": "2.0", "body": {"elements": []}}, "interactive"),
        }
        self.api.data("DELETE", f"/im/v1/messages/{self.names['recalled']}")
        for number in range(20):
            body = {"msg_type": "text", "content": json.dumps({"text": str(number)})}
            self.api.data("PUT", f"/im/v1/messages/{self.names['edited']}", body)
        other.http.close()

    def _send_message(self, content: Any, kind: str = "text") -> str:
        body = {"receive_id": CHAT, "msg_type": kind, "content": json.dumps(content)}
        return str(self.api.data("POST", "/im/v1/messages", body, receive_id_type="chat_id")["message_id"])

    def fill(self, text: str) -> str:
        """Put what was made in the place of its name."""
        return re.sub(r"\$(\w+)", lambda name: self.names.get(name[1], name[0]), text)

    def choose_token(self, request: Any) -> str | None:
        """Return the token that a request is sent with; None = without a header."""
        if "token" in request:
            return None if request["token"] is None else str(request["token"])
        if "user" in request:
            return str(self.lark.user_token("alice", scopes=request["user"])["user_access_token"])
        app = self.lark.app_id
        if request.get("botless"):
            app = "cli_botless"
        elif "scopes" in request:
            app = self.lark.add_app(secret="s", scopes=request["scopes"])["app_id"]
        secret = self.lark.app_secret if app == self.lark.app_id else "s"
        api = Api(self.lark, app, secret)
        api.http.close()
        return api.http.headers["Authorization"].removeprefix("Bearer ")

    def ask(self, request: Any) -> tuple[int, Any]:
        """Send a request of the corpus and return status and body of the answer."""
        token = self.choose_token(request)
        body = request.get("body")
        answer = self.api.http.request(
            request["method"],
            self.fill(request["path"]),
            params=json.loads(self.fill(json.dumps(request.get("query") or {}))),
            content=None if body is None else self.fill(json.dumps(body)).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}" if token else ""},
        )
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Emulator() as lark:
        new_scene = Scene(lark)
        yield new_scene
        new_scene.api.http.close()


def fits(wanted: Any, actual: Any) -> bool:
    """Say whether an answer holds what was seen; what else it holds does not matter."""
    if isinstance(wanted, dict):
        if not wanted:
            return bool(actual == {})
        return isinstance(actual, dict) and all(
            fits(value, actual.get(name)) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(actual, list) and bool(actual) and all(fits(wanted[0], item) for item in actual)
    if isinstance(wanted, str):
        pattern = ".*".join(re.escape(part) for part in re.split(r"\*+", wanted))
        return actual is not None and re.fullmatch(pattern, str(actual), re.DOTALL) is not None
    return bool(actual == wanted)


@pytest.mark.parametrize("live", LIVE, ids=lambda case: case["what"])
def test_the_emulator_answers_as_lark_did(scene: Scene, live: Any) -> None:
    status, answer = scene.ask(live["request"])
    wanted = dict(live["answer"])
    assert wanted.pop("status") in (None, status), answer
    for name, value in wanted.items():
        assert fits(value, answer.get(name)), (live["source"], name, answer)


def test_the_corpus_names_its_sources() -> None:
    assert len(LIVE) >= 30
    assert all(
        case["source"].startswith("https://") and re.fullmatch(r"\d{4}-\d\d", case["seen"]) for case in LIVE
    )
    assert len({case["what"] for case in LIVE}) == len(LIVE)

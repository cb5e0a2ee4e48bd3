"""The custom bot as a notifier: it tells, it keeps its time, and it never makes things worse."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.lark import LarkHook
from lark_provider.notifications import LarkWebhookNotifier

TOKEN = "hook-token-0123456789"
PATH = "/open-apis/bot/v2/hook/:token"
Tell = Callable[..., None]


def context(error: BaseException | None = None) -> Any:
    ti = SimpleNamespace(
        dag_id="load", task_id="fill", run_id="r1", map_index=-1, try_number=1, max_tries=0, state="failed",
        log_url="http://airflow.example/dags/load/runs/r1/tasks/fill?try_number=1",
    )  # fmt: skip
    return {"ti": ti, "run_id": "r1", "exception": error or ValueError("no such column")}


def fail(text: str) -> None:
    raise ValueError(text)


@pytest.fixture(params=["notify", "async_notify"])
def tell(request: pytest.FixtureRequest, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Return a function that notifies as Airflow does, synchronously or asynchronously."""
    connection = {"conn_type": "lark_webhook", "password": lark.add_webhook(token=TOKEN)}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("lark_provider.engine.interpreter.random.random", lambda: 0.01)

    def run(about: Any = None, **settings: Any) -> None:
        about = about or context()
        if request.param == "notify":
            LarkWebhookNotifier(**settings)(about)
            return

        async def notify_async() -> None:
            await LarkWebhookNotifier(context=about, **settings)

        asyncio.run(notify_async())

    return run


def read_received(lark: Emulator) -> list[tuple[str, Any]]:
    return [
        (message["msg_type"], message["content"])
        for bot in lark.state()["webhooks"]
        for message in bot["messages"]
    ]


def test_a_failure_is_a_card_that_names_it(lark: Emulator, tell: Tell) -> None:
    tell(language="en", mentions=["ou_emulator0001_alice"])
    ((kind, card),) = read_received(lark)
    shown = json.dumps(card)
    assert kind == "interactive"
    for part in (
        "Task failed",
        "load.fill",
        "no such column",
        "/dags/load/runs/r1",
        "<at id=ou_emulator0001_alice></at>",
    ):
        assert part in shown


def test_a_text_of_ones_own_is_templated(lark: Emulator, tell: Tell) -> None:
    tell(content="{{ ti.task_id }} broke", msg_type="text")
    assert read_received(lark) == [("text", {"text": "fill broke"})]


@pytest.mark.parametrize("msg_type", ["interactive", "text", "post"])
def test_the_default_holds_the_bots_keyword(
    lark: Emulator, tell: Tell, monkeypatch: pytest.MonkeyPatch, msg_type: str
) -> None:
    url = lark.add_webhook(keywords=["ops-alert"])
    connection = {"conn_type": "lark_webhook", "password": url, "extra": {"keyword": "ops-alert"}}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(connection))
    tell(msg_type=msg_type)
    ((_, content),) = read_received(lark)
    assert "ops-alert" in json.dumps(content)


def test_a_long_traceback_is_shortened_to_what_a_bot_takes(lark: Emulator, tell: Tell) -> None:
    try:
        fail(("😱" * 60 + "\n") * 2_000)
    except ValueError as error:
        about = context(error)
    about["ti"].run_id = about["ti"].dag_id = "😱" * 600
    tell(about)
    ((_, card),) = read_received(lark)
    assert 5_000 < len(json.dumps(card, ensure_ascii=False).encode()) < 20_480


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({"status": 200, "code": 19001, "msg": "no"}, "check the webhook URL"),
        ({"status": 502, "body": "<html>Bad Gateway</html>"}, "may or may not have happened"),
        ({"drop": "after"}, "may or may not have happened"),
    ],
)
def test_a_failure_is_one_line_in_the_log(
    lark: Emulator, tell: Tell, capsys: pytest.CaptureFixture[str], plan: dict[str, Any], text: str
) -> None:
    lark.fault(method="POST", path=PATH, **plan)
    tell()
    printed = "".join(capsys.readouterr())
    (line,) = [line for line in printed.splitlines() if "Failed to send the notification" in line]
    assert 'receiver="the custom bot\'s group"' in line
    assert text in line
    assert TOKEN not in printed


def test_a_slow_lark_is_left_at_the_deadline(lark: Emulator, tell: Tell) -> None:
    hangs = 20
    lark.fault(method="POST", path=PATH, delay_ms=1000 * hangs, times=5)
    started = time.monotonic()
    tell(deadline=0.4)
    assert time.monotonic() - started < hangs


def test_a_connection_that_is_not_there(tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    tell(lark_webhook_conn_id="nothing")
    printed = "".join(capsys.readouterr())
    (line,) = [line for line in printed.splitlines() if "Failed to send the notification" in line]
    assert 'receiver="the custom bot\'s group"' in line
    assert "source=load.fill" in line
    assert re.search(r"error=.nothing: ", line)


def test_another_bot_steps_in(lark: Emulator, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"conn_type": "lark_webhook", "password": lark.add_webhook()}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))
    lark.fault(method="POST", path=PATH, status=200, code=19001, msg="no")
    tell(fallback_conn_id="other")
    first, second = lark.state()["webhooks"]
    assert (len(first["messages"]), len(second["messages"])) == (0, 1)


def test_another_bot_steps_in_for_one_whose_connection_hangs(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"conn_type": "lark_webhook", "password": lark.add_webhook()}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))
    hangs, original = threading.Event(), LarkHook.get_connection

    def get(conn_id: str) -> Any:
        return original(conn_id) if conn_id == "other" else hangs.wait(60)

    monkeypatch.setattr(LarkHook, "get_connection", staticmethod(get))
    LarkWebhookNotifier(fallback_conn_id="other", deadline=5)(context())
    hangs.set()
    assert len(read_received(lark)) == 1


def test_what_cannot_be_is_said_when_it_is_made() -> None:
    with pytest.raises(ConfigurationError, match="language"):
        LarkWebhookNotifier(language="fr")  # type: ignore[arg-type]


def test_owners_are_mentioned_if_the_connection_knows_them(
    lark: Emulator, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {
        "conn_type": "lark_webhook",
        "password": lark.add_webhook(),
        "extra": {"owners": {"alice": "ou_emulator0001_alice"}},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(connection))
    tell({**context(), "task": SimpleNamespace(owner="alice, carol")}, mentions=["owner", "bob"])
    ((_, card),) = [message for message in read_received(lark) if message]
    lines = [element["content"] for element in card["body"]["elements"]]
    assert lines[-2:] == ["@carol", "<at id=ou_emulator0001_alice></at> <at id=bob></at>"]


@pytest.mark.parametrize("setting", ["quiet_success", "idempotency_key", "receiver_id_type"])
def test_what_a_custom_bot_cannot_do_is_not_taken_silently(setting: str) -> None:
    with pytest.raises(TypeError, match=setting):
        LarkWebhookNotifier(**{setting: True})  # type: ignore[arg-type]  # the point


def test_a_lark_that_is_unreachable_is_named(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    connection = {"conn_type": "lark_webhook", "password": TOKEN, "host": "http://127.0.0.1:9"}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("lark_provider.engine.interpreter.random.random", lambda: 0.99)
    tell(deadline=4)
    assert "ConnectError" in "".join(capsys.readouterr())

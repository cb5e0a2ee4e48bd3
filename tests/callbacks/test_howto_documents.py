"""Pages for other programs than DAGs: their examples run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from lark_emulator import Emulator

from lark_provider.callbacks import CardClick
from lark_provider.core.storage.sqlite_storage import ApplicationManager
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.consuming import make_event, send
from tests.callbacks.serving import serve
from tests.package.pages import DOCS, python, run
from tests.protocol.callbacks import sender
from tests.services.postgres import Databases
from tests.storage import prepared

PATH = f"/lark/callbacks/{sender.APP}"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_APP_ID", sender.APP)
    monkeypatch.setenv("LARK_EVENT_ENCRYPT_KEY", sender.KEY)
    monkeypatch.setenv("LARK_EVENT_VERIFICATION_TOKEN", sender.TOKEN)


@pytest.fixture
def onclick(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    [handler] = python("how-to/web-frameworks.md")
    module = ModuleType("onclick")
    run("web-frameworks.md", handler, vars(module))
    monkeypatch.setitem(sys.modules, "onclick", module)
    return module


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    return url


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", "A" * 43 + "=")


def click() -> tuple[bytes, dict[str, str]]:
    now = time.time()
    body = sender.seal_body(sender.card({"value": {}, "tag": "button", "name": "publish"}, now=now))
    return body, sender.make_headers(body, timestamp=str(int(now)))


def test_stored_clicks_are_read_until_they_are_handled(databases: Databases) -> None:
    url = urls.parse(databases.make(), "test")
    prepared.upgrade(url)
    stored = [mq.click(event_id) for event_id in ("e1", "e2")]
    assert Inbox(url).store(stored) == 2
    page = (DOCS / "how-to/web-frameworks.md").read_text(encoding="utf-8")
    [query] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    [own_table] = re.findall(r"`(CREATE TABLE handled_clicks .*?)`", page)
    open_clicks = sa.text(query.replace("cli_…", stored[0].app_id))
    with get_engine(url).begin() as connection:
        connection.execute(sa.text(own_table))
        [(first, operator_id, payload), second] = connection.execute(open_clicks).all()
        assert (first, second[0], operator_id) == ("e1", "e2", stored[0].operator.open_id)
        assert json.loads(payload)["header"]["event_id"] == "e1"
        connection.execute(sa.text("INSERT INTO handled_clicks VALUES ('e1')"))
        assert [row[0] for row in connection.execute(open_clicks)] == ["e2"]


def in_django(namespace: dict[str, Any]) -> bytes:
    import django
    from django.conf import settings
    from django.test import Client, override_settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="k")
        django.setup()
    module = ModuleType("urls")
    module.urlpatterns = namespace["urlpatterns"]  # type: ignore[attr-defined]
    body, headers = click()
    with override_settings(ROOT_URLCONF=module):
        client = Client(enforce_csrf_checks=True)
        answer: bytes = client.post(PATH, data=body, content_type="application/json", headers=headers).content
    return answer


def in_flask(namespace: dict[str, Any]) -> bytes:
    body, headers = click()
    answer: bytes = namespace["app"].test_client().post(PATH, data=body, headers=headers).data
    return answer


def in_fastapi(namespace: dict[str, Any]) -> bytes:
    body, headers = click()
    return TestClient(namespace["app"]).post(PATH, content=body, headers=headers).content


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("page", "ask"), [("django", in_django), ("flask", in_flask), ("fastapi", in_fastapi)]
)
def test_a_click_reaches_each_framework(
    page: str, ask: Callable[[dict[str, Any]], bytes], onclick: ModuleType
) -> None:
    namespace = run(page, python(f"how-to/{page}.md")[0])
    assert json.loads(ask(namespace))["toast"]["content"] == "Thank you for 'publish'."
    assert list(onclick.seen.values()) == [sender.card()["event"]["operator"]["open_id"]]


def test_messages_of_web_applications(lark: Emulator) -> None:
    for page in ("django", "flask"):
        run(page, python(f"how-to/{page}.md")[1])
    namespace = run("fastapi", python("how-to/fastapi.md")[1])

    async def tell() -> None:
        await namespace["shipped"]("alice@example.com")
        await namespace["lark"].aclose()

    asyncio.run(tell())
    assert lark.state(summary=True)["by_endpoint"]["POST /open-apis/im/v1/messages"] == 3


def test_a_click_is_answered_by_the_handler() -> None:
    [code] = python("how-to/click-handlers.md")
    handler = run("click-handlers.md", code)["on_click"]

    def make_click(name: str) -> CardClick:
        from lark_provider.protocol.callbacks import read

        delivery = read(sender.card({"value": {}, "tag": "button", "name": name}))
        assert isinstance(delivery, CardClick)
        return delivery

    assert json.loads(handler(make_click("help")))["toast"]["content"] == "Ask the data team."
    assert b"Dropped." in handler(make_click("drop"))
    assert handler(make_click("publish")) is None


@pytest.mark.usefixtures("database")
def test_the_gateway_of_the_page_answers(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card, app = python("how-to/gateway.md")
    run("gateway.md", card)
    message_id = capsys.readouterr().out.strip()
    monkeypatch.setenv("LARK_EVENT_ENCRYPT_KEY", "key-from-the-console")
    namespace = run("gateway.md", app)
    with serve(namespace["app"]) as url:
        lark.set_callback(f"{url}/lark/callbacks/{lark.app_id}", encrypt_key="key-from-the-console")
        answer = lark.click(message_id, "alice", component="publish")
    assert "Received" in str(answer)


def test_events_reach_the_function(rabbitmq: str, tmp_path: Path) -> None:
    code = python("how-to/events.md")[0]
    (tmp_path / "consumer.py").write_text(code)
    content = {"message": {"message_id": "om_2", "content": '{"text": "hi 你好"}'}}
    send(rabbitmq, *(make_event(f"e{n}", "im.message.receive_v1", **content) for n in range(2)))
    env = {**os.environ, "RABBITMQ_URL": rabbitmq, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(tmp_path / "consumer.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        assert process.stdout.readline() == "e0 hi 你好\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""  # the second one is the same message
    assert process.returncode == 0


def example(page: str, **replaced: str) -> None:
    code = python(f"how-to/{page}.md")[0]
    for name, value in replaced.items():
        assert name in code
        code = code.replace(name, value)
    run(page, code)


@pytest.mark.usefixtures("database")
def test_a_client_has_credentials_and_finds_people(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    example("credentials")
    example("people")
    example("backup-and-retention")
    printed = capsys.readouterr().out
    assert "Emulator bot" in printed
    assert "ou_emulator0001_alice" in printed
    assert lark.state(summary=True)["by_endpoint"]["POST /open-apis/im/v1/messages"] == 1


@pytest.mark.usefixtures("registry")
def test_apps_of_a_registry_are_named(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example("app-registry")
    assert capsys.readouterr().out == "['cli_reports']\n"
    for name in ("orders", "reports"):
        lark.add_app(f"cli_{name}", secret="s")
        ApplicationManager().create_application(f"cli_{name}", "s", base_url=lark.base_url)
    monkeypatch.delenv("LARK_APP_ID")
    monkeypatch.delenv("LARK_APP_SECRET")
    monkeypatch.setenv("LARK_DEFAULT_APP_ID", "cli_orders")
    example("several-apps")
    assert len(capsys.readouterr().out.split()) >= 2


@pytest.mark.usefixtures("database")
def test_a_store_app_acts_for_a_tenant(lark: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    lark.add_app("cli_store", secret="s", store=True, tenant_keys=["acme"])
    url = f"{lark.base_url}/open-apis/auth/v3/app_ticket/resend"
    assert httpx2.post(url, json={"app_id": "cli_store", "app_secret": "s"}).json()["code"] == 0
    example("store-apps", **{"http://127.0.0.1:8765": lark.base_url})
    assert capsys.readouterr().out.strip()


@pytest.mark.usefixtures("lark")
def test_sql_runs_on_the_pool(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = databases.make()
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    example("pgbouncer")
    example("health-and-doctor")
    assert "healthy" in capsys.readouterr().out


@pytest.mark.usefixtures("lark")
def test_log_lines_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    example("logs")
    assert "Request completed" in (tmp_path / "log" / "lark.log").read_text()

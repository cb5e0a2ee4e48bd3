"""What a refused call leaves behind: few frames of ours, none of which shows a secret."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lark_emulator import Emulator

import lark_provider
from lark_provider import AsyncLarkServiceClient, LarkServiceClient, LarkWebhookClient
from lark_provider.core.storage.sqlite_storage import ApplicationManager
from lark_provider.engine import http
from lark_provider.errors import ConfigurationError, LarkAPIError, LarkError
from lark_provider.protocol.callbacks import CallbackKeys, receive
from lark_provider.protocol.callbacks.incoming import Incoming
from lark_provider.protocol.webhook import locate
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from tests.canary import shown_secrets
from tests.client.conftest import CHAT, TOKENS, Do, count
from tests.client.raw_server import TOKEN, raw_server
from tests.client.raw_server import http as http_answer
from tests.client.test_processes import _until_asked_for_a_token

OURS = str(Path(lark_provider.__file__).parent)
MOST = 8


def frames(error: BaseException) -> list[str]:
    """Return the names of this package's functions in the complete traceback of an error."""
    stack = traceback.walk_tb(error.__traceback__)
    return [frame.f_code.co_qualname for frame, _ in stack if frame.f_code.co_filename.startswith(OURS)]


REFUSED: dict[str, Callable[[Any], Any]] = {
    "an operation": lambda c: c.messaging.send_text("oc_not_there", "x"),
    "any endpoint": lambda c: c.call("GET", "/im/v1/chats/oc_not_there"),
    "no token": lambda c: c.bot.info(),
}


@pytest.mark.parametrize("what", ["an operation", "any endpoint"])
def test_a_refused_call_shows_few_frames(lark: Emulator, do: Do, what: str) -> None:
    with pytest.raises(LarkAPIError) as refused:
        do(REFUSED[what])
    assert len(frames(refused.value)) <= MOST, frames(refused.value)


@pytest.mark.parametrize("what", REFUSED)
def test_a_call_that_is_interrupted_shows_no_secret(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As by Ctrl-C or by a task's timeout, in the middle of what the HTTP library does."""
    client = LarkServiceClient(lark.app_id, lark.app_secret)
    if what != "no token":
        client.bot.info()

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    import httpcore2

    monkeypatch.setattr(httpcore2._sync.http11.HTTP11Connection, "_receive_response_headers", interrupt)
    with pytest.raises(KeyboardInterrupt) as stopped:
        REFUSED[what](client)
    assert shown_secrets(stopped.value) == []


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "502 Bad Gateway"])
def test_a_page_that_quotes_the_request_shows_no_secret(status: str) -> None:
    """As proxies answer that are being debugged."""
    page = http_answer(f"<html>Authorization: Bearer {TOKEN['tenant_access_token']}</html>".encode(), status)
    with raw_server(lambda _: page) as server:
        client = LarkServiceClient("cli_a", "s", base_url=server.url, max_retries=0)
        with pytest.raises(LarkError) as refused:
            client.call("POST", "/im/v1/chats", json={})
    assert "t-raw" not in str(refused.value)
    assert shown_secrets(refused.value) == []


@pytest.mark.parametrize("invalid", ["URL", "pool"])
@pytest.mark.parametrize("setting", ["registry", "database"])
def test_an_invalid_setting_of_a_database_shows_no_password(
    lark: Emulator, do: Do, monkeypatch: pytest.MonkeyPatch, setting: str, invalid: str
) -> None:
    url = f"postgresql://lark:hunter2xyz@127.0.0.1:{'abc' if invalid == 'URL' else '1'}/db"
    if invalid == "pool":
        monkeypatch.setenv("LARK_DB_POOL_SIZE", "many")
    if setting == "registry":
        monkeypatch.setenv("LARK_REGISTRY_PATH", url)
        monkeypatch.delenv("LARK_APP_SECRET")  # which only the registry has then
    options = {"database_url": url} if setting == "database" else {}
    with pytest.raises(ConfigurationError, match=r"Next: ") as refused:
        do(lambda c: c.messaging.send_text(CHAT, "x"), **options)
    assert frames(refused.value)
    assert shown_secrets(refused.value) == []


def test_a_task_that_is_cancelled_shows_no_secret(lark: Emulator) -> None:
    lark.fault(path="*", delay_ms=60_000)

    async def call_and_cancel() -> None:
        task = asyncio.ensure_future(AsyncLarkServiceClient(lark.app_id, lark.app_secret).bot.info())
        await _until_asked_for_a_token(lark)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as stopped:
            await task
        assert shown_secrets(stopped.value) == []

    asyncio.run(call_and_cancel())


def test_a_thousand_cold_tasks_fetch_one_token(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With httpx2, that is: httpx by itself does not get a thousand requests at a time through its pool."""
    monkeypatch.setattr(http, "choose_library", lambda: httpx2)
    lark.settings(rate_limits=False, receiver_qps=0)

    async def crowd() -> list[Any]:
        clients = [AsyncLarkServiceClient(deadline=300.0) for _ in range(1000)]
        answers: list[Any] = await asyncio.gather(
            *(client.bot.info() for client in clients), return_exceptions=True
        )
        return answers

    answers = asyncio.run(crowd())
    assert [answer for answer in answers if isinstance(answer, LarkError)] == []
    assert count(lark, TOKENS) == 1


KEYS = EncryptionKeys(generate_key())
LEAKS: dict[str, Callable[[], Any]] = {
    "a webhook of another service": lambda: locate("https://open.feishu.cn/elsewhere/secret-AAA"),
    "a webhook with a wrong token": lambda: locate(
        "https://open.feishu.cn/open-apis/bot/v2/hook/secret-AAA!"
    ),
    "a callback for another app": lambda: receive(
        Incoming({}, b'{"schema":"2.0","header":{"token":"verify-CCC","app_id":"cli_b"},"event":{}}'),
        CallbackKeys("cli_a", verification_token="verify-CCC"),
        0.0,
    ),
    "a callback with a wrong token": lambda: receive(
        Incoming({}, b'{"type":"url_verification","token":"verify-CCC","challenge":"x"}'),
        CallbackKeys("cli_a", verification_token="another"),
        0.0,
    ),
    "a secret as bytes": lambda: LarkServiceClient("cli_a", b"secret-AAA"),  # type: ignore[arg-type]
    "an app with a secret as bytes": lambda: ApplicationManager(keys=KEYS).create_application(
        "cli_a",
        b"secret-AAA",  # type: ignore[arg-type]
    ),
    "a client of a wrong webhook": lambda: LarkWebhookClient(
        "https://open.feishu.cn/elsewhere/secret-AAA", secret="secret-AAA"
    ),
    "a client of a webhook with a wrong setting": lambda: LarkWebhookClient(
        "https://open.feishu.cn/open-apis/bot/v2/hook/secret-AAA", secret="secret-AAA", timeout=-1
    ),
    "a client of a webhook as bytes": lambda: LarkWebhookClient(b"secret-AAA"),  # type: ignore[arg-type]
    "a setting of an app": lambda: ApplicationManager(keys=KEYS).update_application(
        "cli_a", app_secret="secret-AAA", encrypt_key="encrypt-BBB", verification_token="verify CCC"
    ),
}


@pytest.mark.parametrize("what", LEAKS)
def test_what_is_refused_before_the_network_shows_no_secret(what: str) -> None:
    with pytest.raises(LarkError) as refused:
        LEAKS[what]()
    assert frames(refused.value)
    assert shown_secrets(refused.value) == []

"""What is counted of calls is what the local Lark has seen."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.errors import LarkError, OutcomeUnknownError, PermissionDeniedError, TokenAcquisitionError
from lark_provider.storage import urls
from tests.metrics.conftest import Counted
from tests.runtimes import own_tokens
from tests.storage import prepared

CHAT = "oc_emulator_data_team"
MESSAGES = "/open-apis/im/v1/messages"
TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"
REQUESTS = "lark_requests_total"


@pytest.fixture(autouse=True)
def _no_limits(lark: Emulator) -> None:
    lark.settings(rate_limits=False)


def test_counts_by_operation_and_code_are_those_of_the_request_log(lark: Emulator, counted: Counted) -> None:
    with LarkServiceClient() as client:
        sent = [client.messaging.send_text(CHAT, f"{n}").data["message_id"] for n in range(7)]
        for message_id in sent[:3]:
            client.messaging.recall(message_id)
        for receiver in ("oc_nothing", "ou_nobody"):
            with pytest.raises(LarkError):
                client.messaging.send_text(receiver, "no")
        lark.fault(path=MESSAGES, status=502, body="<html>bad gateway</html>", times=2)
        client.messaging.send_text(CHAT, "again", idempotency_key="k")
        lark.fault(path=MESSAGES, code=99991400, status=429, headers={"x-ogw-ratelimit-reset": "0"}, times=3)
        client.messaging.send_text(CHAT, "slower")
        lark.revoke_tokens()
        client.messaging.send_text(CHAT, "with a new token")
    seen = Counter(
        "http_5xx" if request["status"] == 502 else str(request["code"]) for request in lark.requests()
    )
    assert {code: counted(REQUESTS, code=code) for code in seen} == seen
    assert counted(REQUESTS) == len(lark.requests())
    by_operation = Counter(
        str(request["route"]).partition(" ")[2].replace(":", "") for request in lark.requests()
    )
    ours = Counter[str]()
    for labels in counted.series(REQUESTS):
        operation = labels["operation"].replace("{", "").replace("}", "")
        ours[operation] += int(counted(REQUESTS, **labels))
    assert ours == by_operation
    assert counted("lark_request_duration_seconds_count") == len(lark.requests())
    assert counted("lark_retries_total", reason="server_error") == 2
    assert counted("lark_retries_total", reason="rate_limit") == 3
    assert counted("lark_retries_total", reason="token") == 1
    assert counted("lark_rate_limit_wait_seconds_count", app=lark.app_id) == 3
    assert counted("lark_token_refreshes_total", source="lark", outcome="ok") == 2
    # 13 messages and recalls that went well, and both tokens; two that did not.
    assert counted("lark_calls_total", outcome="ok") == 7 + 3 + 3 + 2
    assert counted("lark_calls_total", outcome="refused") == 2


def test_the_asynchronous_client_is_counted_alike(lark: Emulator, counted: Counted) -> None:
    async def work() -> None:
        async with AsyncLarkServiceClient() as client:
            await asyncio.gather(*(client.messaging.send_text(CHAT, f"{n}") for n in range(20)))

    asyncio.run(work())
    assert counted(REQUESTS, operation=MESSAGES, code="0", app=lark.app_id) == 20
    assert counted(REQUESTS, operation=TOKEN) == 1
    # One fetches; the other 19 wait for its token.
    assert counted("lark_token_wait_seconds_count") == 19


def test_an_answer_that_is_lost_has_no_code_and_an_unknown_outcome(lark: Emulator, counted: Counted) -> None:
    with LarkServiceClient() as client:
        client.messaging.send_text(CHAT, "first")
        lark.fault(path=MESSAGES, drop="after")
        with pytest.raises(OutcomeUnknownError):
            client.messaging.send_text(CHAT, "lost")
    assert counted(REQUESTS, operation=MESSAGES, code="none") == 1
    assert counted("lark_calls_total", outcome="outcome_unknown") == 1


def test_a_call_whose_deadline_comes_is_no_refusal(lark: Emulator, counted: Counted) -> None:
    with LarkServiceClient() as client:
        client.messaging.send_text(CHAT, "first")
    with LarkServiceClient(deadline=0.5) as client:
        lark.fault(path="/open-apis/im/v1/chats/*", delay_ms=3000)
        with pytest.raises(LarkError):
            client.call("GET", f"/im/v1/chats/{CHAT}")
    assert counted("lark_calls_total", outcome="deadline") == 1
    assert counted(REQUESTS, operation="/open-apis/im/v1/chats/{}", code="none") == 1


def test_a_wrong_secret_is_a_failed_refresh(lark: Emulator, counted: Counted) -> None:
    with LarkServiceClient(lark.app_id, "wrong") as client, pytest.raises(TokenAcquisitionError):
        client.messaging.send_text(CHAT, "no")
    assert counted("lark_token_refreshes_total", app=lark.app_id, source="lark", outcome="failed") == 1


def test_a_missing_scope_is_told_apart(lark: Emulator, counted: Counted) -> None:
    with LarkServiceClient() as client:
        client.messaging.send_text(CHAT, "first")
        lark.fault(path=MESSAGES, code=99991672, status=400)
        with pytest.raises(PermissionDeniedError):
            client.messaging.send_text(CHAT, "no")
    assert counted(REQUESTS, code="99991672") == 1
    assert counted("lark_calls_total", outcome="permission_denied") == 1


def test_a_token_from_the_database_is_no_request(
    lark: Emulator, counted: Counted, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.upgrade(urls.parse(database_url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    for _ in range(3):
        with LarkServiceClient() as client:
            own_tokens(client)
            client.messaging.send_text(CHAT, "hello")
    assert counted("lark_token_refreshes_total", source="lark", outcome="ok") == 1
    assert counted("lark_token_refreshes_total", source="database", outcome="ok") == 2
    assert counted("lark_database_connections", state="in_use") == 0
    assert counted("lark_database_connections", state="idle") >= 1


def test_requests_of_loads_and_syncs_are_counted_as_those_of_calls(
    lark: Emulator, counted: Counted, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.upgrade(urls.parse(database_url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    with LarkServiceClient() as client:
        bitable = client.clouddoc.bitable
        base = bitable.create_app("Counted").data["app"]["app_token"]
        fields: list[Any] = [{"field_name": "Name", "type": 1}, {"field_name": "No", "type": 2}]
        table = bitable.create_table(base, "Rows", fields=fields).data["table_id"]
        lark.fault(path="*/records/batch_create", status=502, body="<html>bad gateway</html>")
        lark.fault(path="*/records/batch_create", code=1254290, status=429, times=2)
        lark.fault(path="*/records/batch_create", drop="after")
        lark.revoke_tokens()
        rows = [{"No": n, "Name": f"{n}"} for n in range(50)]
        bitable.bulk_insert(base, table, rows, chunk_size=10, idempotency_key="counted", settle_after=0.3)
        lark.revoke_tokens()
        bitable.sync(base, table, [{"No": n, "Name": f"{n % 7}"} for n in range(60)], key_fields="No")
    assert counted(REQUESTS) == len(lark.requests())
    assert counted(REQUESTS, code="1254290") == counted("lark_retries_total", reason="rate_limit") == 2
    assert counted(REQUESTS, code="http_5xx") == counted("lark_retries_total", reason="server_error") == 1
    assert counted(REQUESTS, code="none") == 1
    assert counted("lark_retries_total", reason="token") == 2
    assert counted("lark_token_refreshes_total", source="lark", outcome="ok") == 3


def test_no_id_is_a_label_whatever_path_a_caller_writes(lark: Emulator, counted: Counted) -> None:
    with LarkServiceClient() as client:
        for n in range(30):
            with pytest.raises(LarkError):
                client.call("GET", f"/im/v1/messages/om_{n:032x}")
            with pytest.raises(LarkError):
                client.messaging.recall(f"om_{n:032x}")
    operations = {labels["operation"] for labels in counted.series(REQUESTS)}
    assert operations == {TOKEN, f"{MESSAGES}/{{}}", f"{MESSAGES}/{{message_id}}"}


def test_a_scrape_under_load_neither_fails_nor_loses_a_count(lark: Emulator, counted: Counted) -> None:
    from lark_provider import metrics

    done, scrapes, failures = threading.Event(), [0], list[BaseException]()

    def scrape() -> None:
        try:
            while not done.is_set():
                metrics.render()
                scrapes[0] += 1
        except BaseException as error:  # noqa: BLE001 - for the assertion below
            failures.append(error)

    scraping = threading.Thread(target=scrape)
    scraping.start()

    async def work() -> None:
        async with AsyncLarkServiceClient() as client:
            for _ in range(10):
                await asyncio.gather(*(client.messaging.send_text(CHAT, f"{n}") for n in range(30)))

    asyncio.run(work())
    done.set()
    scraping.join(30)
    assert failures == []
    assert scrapes[0] > 1
    assert counted(REQUESTS, operation=MESSAGES, code="0") == 300

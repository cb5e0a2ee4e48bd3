"""Who is measured: our client, the official SDK in its two ways, httpx2 + orjson by hand, a community client.

Each does the same three things, in the way its documents show, and imports only what it needs.
"""

from __future__ import annotations

import importlib
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from benchmarks.flights import BATCH, convert_row

APP_ID, SECRET, RECEIVER, BASE, TABLE = "cli_bench", "secret", "ou_bench", "bascnbench", "tblbench"
Row = dict[str, Any]


class Contender(Protocol):
    """A client that is measured."""

    def send_text(self, text: str) -> None:
        """Send a text."""

    async def send_text_async(self, text: str) -> None:
        """Send a text from an event loop."""

    def insert(self, rows: Iterable[Row], *, convert: bool) -> None:
        """Write rows, a thousand a request; with `convert`, from Python's own types."""


def _batches(rows: Iterable[Row], *, convert: bool) -> Iterator[list[Row]]:
    """Yield batches of rows as hand-written code makes them: cut, and converted where asked."""
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        yield [convert_row(row) for row in batch] if convert else batch


class Ours:
    """`LarkServiceClient` and `AsyncLarkServiceClient`."""

    def __init__(self, url: str) -> None:
        from lark_provider import AsyncLarkServiceClient, LarkServiceClient

        self._client = LarkServiceClient(APP_ID, SECRET, base_url=url)
        self._async_client = AsyncLarkServiceClient(APP_ID, SECRET, base_url=url)

    def send_text(self, text: str) -> None:
        """Send a text."""
        self._client.messaging.send_text(RECEIVER, text)

    async def send_text_async(self, text: str) -> None:
        """Send a text from an event loop."""
        await self._async_client.messaging.send_text(RECEIVER, text)

    def insert(self, rows: Iterable[Row], *, convert: bool) -> None:
        """Write rows."""
        self._client.clouddoc.bitable.bulk_insert(BASE, TABLE, rows, convert=convert, keep_ids=False)


class ByHand:
    """httpx2 and orjson, with one token and one check of the answer: the least that can work."""

    def __init__(self, url: str) -> None:
        import httpx2
        import orjson

        self._dumps, self._loads = orjson.dumps, orjson.loads
        self._url = url + "/open-apis"
        content = self._dumps({"app_id": APP_ID, "app_secret": SECRET})
        token = httpx2.post(f"{self._url}/auth/v3/tenant_access_token/internal", content=content).json()
        headers = {
            "Authorization": f"Bearer {token['tenant_access_token']}",
            "Content-Type": "application/json; charset=utf-8",
        }
        self._client = httpx2.Client(headers=headers)
        self._async_client: Callable[[], httpx2.AsyncClient] = lambda: httpx2.AsyncClient(headers=headers)
        self._opened: httpx2.AsyncClient | None = None

    def _build_request(self, text: str) -> dict[str, Any]:
        inner = self._dumps({"text": text}).decode()
        content = {"receive_id": RECEIVER, "msg_type": "text", "content": inner}
        return {
            "url": f"{self._url}/im/v1/messages",
            "params": {"receive_id_type": "open_id"},
            "content": self._dumps(content),
        }

    def _check_answer(self, content: bytes) -> Any:
        answer = self._loads(content)
        if answer["code"]:
            raise RuntimeError(answer["msg"])
        return answer["data"]

    def send_text(self, text: str) -> None:
        """Send a text."""
        self._check_answer(self._client.post(**self._build_request(text)).content)

    async def send_text_async(self, text: str) -> None:
        """Send a text from an event loop."""
        if self._opened is None:
            self._opened = self._async_client()
        self._check_answer((await self._opened.post(**self._build_request(text))).content)

    def insert(self, rows: Iterable[Row], *, convert: bool) -> None:
        """Write rows."""
        url = f"{self._url}/bitable/v1/apps/{BASE}/tables/{TABLE}/records/batch_create"
        for batch in _batches(rows, convert=convert):
            content = self._dumps({"records": [{"fields": row} for row in batch]})
            answer = self._client.post(url, params={"client_token": str(uuid.uuid4())}, content=content)
            if len(self._check_answer(answer.content)["records"]) != len(batch):
                raise RuntimeError("records are missing")


class OfficialTyped:
    """`lark_oapi` with its typed models, as its documents show."""

    def __init__(self, url: str) -> None:
        import lark_oapi as lark
        from lark_oapi.api.bitable import v1 as bitable
        from lark_oapi.api.im import v1 as im

        self._lark, self._im, self._bitable = lark, im, bitable
        builder = lark.Client.builder().app_id(APP_ID).app_secret(SECRET).domain(url)
        self._client = builder.log_level(lark.LogLevel.CRITICAL).build()

    @staticmethod
    def _check_answer(answer: Any) -> Any:
        if not answer.success():
            raise RuntimeError(answer.msg)
        return answer

    def _build_request(self, text: str) -> Any:
        body = self._im.CreateMessageRequestBody.builder().receive_id(RECEIVER).msg_type("text")
        body = body.content(self._lark.JSON.marshal({"text": text})).build()
        return self._im.CreateMessageRequest.builder().receive_id_type("open_id").request_body(body).build()

    def send_text(self, text: str) -> None:
        """Send a text."""
        self._check_answer(self._client.im.v1.message.create(self._build_request(text)))

    async def send_text_async(self, text: str) -> None:
        """Send a text from an event loop."""
        self._check_answer(await self._client.im.v1.message.acreate(self._build_request(text)))

    def insert(self, rows: Iterable[Row], *, convert: bool) -> None:
        """Write rows."""
        for batch in _batches(rows, convert=convert):
            records = [self._bitable.AppTableRecord.builder().fields(row).build() for row in batch]
            body = self._bitable.BatchCreateAppTableRecordRequestBody.builder().records(records).build()
            builder = self._bitable.BatchCreateAppTableRecordRequest.builder().app_token(BASE).table_id(TABLE)
            request = builder.client_token(str(uuid.uuid4())).request_body(body).build()
            answer = self._check_answer(self._client.bitable.v1.app_table_record.batch_create(request))
            if len(answer.data.records) != len(batch):
                raise RuntimeError("records are missing")


class OfficialPlain(OfficialTyped):
    """`lark_oapi` with `BaseRequest` and dicts, which its documents show for what has no model."""

    def _request(self, uri: str, query: dict[str, str], body: Any) -> Any:
        lark = self._lark
        request = lark.BaseRequest.builder().http_method(lark.HttpMethod.POST).uri(f"/open-apis{uri}")
        request = request.token_types({lark.AccessTokenType.TENANT}).queries(list(query.items()))
        return self._check_answer(self._client.request(request.body(body).build()))

    def send_text(self, text: str) -> None:
        """Send a text."""
        content = self._lark.JSON.marshal({"text": text})
        body = {"receive_id": RECEIVER, "msg_type": "text", "content": content}
        self._request("/im/v1/messages", {"receive_id_type": "open_id"}, body)

    async def send_text_async(self, text: str) -> None:
        """Raise NotImplementedError: `arequest` reports success for calls that failed, so it is not timed."""
        raise NotImplementedError

    def insert(self, rows: Iterable[Row], *, convert: bool) -> None:
        """Write rows."""
        uri = f"/bitable/v1/apps/{BASE}/tables/{TABLE}/records/batch_create"
        for batch in _batches(rows, convert=convert):
            body = {"records": [{"fields": row} for row in batch]}
            answer = self._request(uri, {"client_token": str(uuid.uuid4())}, body)
            if len(self._lark.JSON.unmarshal(answer.raw.content, dict)["data"]["records"]) != len(batch):
                raise RuntimeError("records are missing")


class Community:
    """`feishu_bot_sdk`, as its documents show, without the limit of 5 calls a second that it sets itself."""

    def __init__(self, url: str) -> None:
        sdk: Any = importlib.import_module("feishu_bot_sdk")  # not in this project's environment
        config = sdk.FeishuConfig(
            app_id=APP_ID, app_secret=SECRET, base_url=f"{url}/open-apis", rate_limit_enabled=False
        )
        self._client, self._async_client = sdk.FeishuClient(config), sdk.AsyncFeishuClient(config)
        self._bitable = sdk.BitableService(self._client)

    def send_text(self, text: str) -> None:
        """Send a text."""
        self._client.send_text_message(RECEIVER, "open_id", text)

    async def send_text_async(self, text: str) -> None:
        """Send a text from an event loop."""
        await self._async_client.send_text_message(RECEIVER, "open_id", text)

    def insert(self, rows: Iterable[Row], *, convert: bool) -> None:
        """Write rows."""
        for batch in _batches(rows, convert=convert):
            records = [{"fields": row} for row in batch]
            answer = self._bitable.batch_create_records(BASE, TABLE, records, client_token=str(uuid.uuid4()))
            if len(answer["records"]) != len(batch):
                raise RuntimeError("records are missing")


CONTENDERS: dict[str, Callable[[str], Contender]] = {
    "ours": Ours,
    "typed": OfficialTyped,
    "plain": OfficialPlain,
    "hand": ByHand,
    "community": Community,
}

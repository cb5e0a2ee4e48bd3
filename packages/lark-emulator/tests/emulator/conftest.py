"""Plain HTTP against a fresh emulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator import Emulator


class Api:
    """An app's view of the emulator: JSON in, (status, JSON) out."""

    def __init__(self, lark: Emulator, app_id: str | None = None, secret: str | None = None) -> None:
        self.http = httpx.Client(base_url=lark.base_url, timeout=60)
        self.credentials = {"app_id": app_id or lark.app_id, "app_secret": secret or lark.app_secret}
        self.login()

    def login(self) -> str:
        answer = self.http.post(
            "/open-apis/auth/v3/tenant_access_token/internal", json=self.credentials
        ).json()
        self.http.headers["Authorization"] = f"Bearer {answer['tenant_access_token']}"
        return str(answer["tenant_access_token"])

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the parsed answer, with the HTTP status as `http`."""
        answer = self.http.request(method, f"/open-apis{path}", params=query, json=body)
        return {**answer.json(), "http": answer.status_code}

    def data(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self(method, path, body, **query)
        assert answer["code"] == 0, answer
        return answer["data"]

    def send(self, receiver: str = "oc_emulator_data_team", text: str = "hi", **more: Any) -> Any:
        kind = "chat_id" if receiver.startswith("oc_") else "user_id"
        body = {"receive_id": receiver, "msg_type": "text", "content": json.dumps({"text": text}), **more}
        return self("POST", "/im/v1/messages", body, receive_id_type=kind)


@pytest.fixture
def api(lark: Emulator) -> Iterator[Api]:
    api_client = Api(lark)
    yield api_client
    api_client.http.close()


@pytest.fixture
def stranger(lark: Emulator) -> Iterator[Api]:
    """Yield a client of another app, whose bot is in no group."""
    lark.add_app("cli_stranger", "s")
    api_client = Api(lark, "cli_stranger", "s")
    yield api_client
    api_client.http.close()


class Sheet:
    """The first table of a new base, for a test; `sheet` has one text field and no rows."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.app = api.data("POST", "/bitable/v1/apps", {"name": "Test"})["app"]
        self.base = f"/bitable/v1/apps/{self.app['app_token']}"
        self.path = f"{self.base}/tables/{self.app['default_table_id']}"

    def add_field(self, name: str, kind: int, **more: Any) -> Any:
        return self.api("POST", f"{self.path}/fields", {"field_name": name, "type": kind, **more})

    def add(self, fields: Any, **query: Any) -> Any:
        return self.api("POST", f"{self.path}/records", {"fields": fields}, **query)

    def add_many(self, rows: Any, **query: Any) -> Any:
        return self.api("POST", f"{self.path}/records/batch_create", {"records": rows}, **query)

    def search(self, body: Any = None, **query: Any) -> Any:
        return self.api("POST", f"{self.path}/records/search", body or {}, **query)


@pytest.fixture
def sheet(lark: Emulator, api: Api) -> Sheet:
    lark.settings(new_base="bare")
    return Sheet(api)

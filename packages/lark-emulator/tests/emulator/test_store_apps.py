from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator

AUTH = "/open-apis/auth/v3"


class StoreApp:
    """A store app in two tenants, over plain HTTP."""

    def __init__(self, lark: Emulator) -> None:
        self.lark = lark
        app = lark.add_app("cli_store", store=True, tenant_keys=["a", "b"])
        self.secrets = {"app_id": app["app_id"], "app_secret": app["app_secret"]}
        self.http = httpx.Client(base_url=lark.base_url, timeout=60)

    @property
    def shown(self) -> Any:
        return self.lark.state(summary=True)["apps"][-1]

    def post(self, path: str, body: Any) -> Any:
        answer = self.http.post(AUTH + path, json=body)
        assert answer.status_code == 200
        return answer.json()

    def resend(self) -> Any:
        return self.post("/app_ticket/resend", self.secrets)

    def app_token(self, **changes: Any) -> Any:
        body = {**self.secrets, "app_ticket": self.shown["app_ticket"], **changes}
        return self.post("/app_access_token", body)

    def tenant_token(self, tenant_key: str, **changes: Any) -> Any:
        body = {"app_access_token": self.app_token().get("app_access_token"), "tenant_key": tenant_key}
        return self.post("/tenant_access_token", {**body, **changes})

    def bot(self, token: str) -> int:
        answer = self.http.get("/open-apis/bot/v3/info", headers={"Authorization": f"Bearer {token}"})
        return int(answer.json()["code"])


@pytest.fixture
def store(lark: Emulator) -> Iterator[StoreApp]:
    app = StoreApp(lark)
    app.resend()
    yield app
    app.http.close()


def test_the_ticket_comes_when_asked_for_and_every_hour(lark: Emulator) -> None:
    store = StoreApp(lark)
    seen = [store.shown["app_ticket"]]
    assert store.resend() == {"code": 0, "msg": "success"}
    seen.append(store.shown["app_ticket"])
    lark.advance(3599)
    assert store.shown["app_ticket"] == seen[-1]
    for _ in range(2):
        lark.advance(3600)
        seen.append(store.shown["app_ticket"])
    store.http.close()
    assert seen[0] is None
    assert len(set(seen)) == 4


def test_the_ticket_is_also_there_when_the_emulator_is_stopped(lark: Emulator) -> None:
    lark.add_app("cli_store", store=True)
    lark.stop()
    lark.advance(3600)
    assert lark.state()["apps"][-1]["app_ticket"]


def test_an_old_ticket_is_refused(store: StoreApp) -> None:
    old = store.shown["app_ticket"]
    assert store.app_token()["code"] == 0
    store.resend()
    assert store.app_token(app_ticket=old)["code"] == 10012
    assert store.app_token()["code"] == 0


def test_tokens_are_the_same_while_they_are_fresh_and_differ_by_tenant(store: StoreApp) -> None:
    assert store.app_token()["app_access_token"] == store.app_token()["app_access_token"]
    a, b, again = (store.tenant_token(key)["tenant_access_token"] for key in "aba")
    assert a == again != b
    assert [store.bot(token) for token in (a, b)] == [0, 0]
    store.lark.advance(7200 - 1799)
    assert store.tenant_token("a")["tenant_access_token"] != a
    assert store.bot(a) == 0


def test_an_app_token_opens_no_door_of_a_tenant(store: StoreApp) -> None:
    assert store.bot(store.app_token()["app_access_token"]) == 99991664


@pytest.mark.parametrize("token", ["a-unknown", "t-unknown"])
def test_a_tenant_token_needs_an_app_token(store: StoreApp, token: str) -> None:
    assert store.tenant_token("a", app_access_token=token)["code"] == 10013
    own = store.tenant_token("a")["tenant_access_token"]
    assert store.tenant_token("a", app_access_token=own)["code"] == 10013


def test_an_expired_app_token_is_none(store: StoreApp) -> None:
    token = store.app_token()["app_access_token"]
    store.lark.advance(7200)
    assert store.tenant_token("a", app_access_token=token)["code"] == 10013


def test_a_tenant_that_removed_the_app(store: StoreApp) -> None:
    a, b = (store.tenant_token(key)["tenant_access_token"] for key in "ab")
    store.lark.change_app("cli_store", tenant_keys=["b"])
    assert [store.bot(token) for token in (a, b)] == [99991673, 0]
    assert store.tenant_token("a")["code"] == 10013
    assert store.tenant_token("c")["code"] == 10013


def test_tokens_of_one_tenant_can_be_revoked(store: StoreApp) -> None:
    a, b = (store.tenant_token(key)["tenant_access_token"] for key in "ab")
    assert store.lark.revoke_tokens("cli_store", tenant_key="a") == 1
    assert [store.bot(token) for token in (a, b)] == [99991663, 0]
    assert store.lark.revoke_tokens("cli_store") == 2  # the app's, and the other tenant's


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/app_access_token", {"app_id": "cli_store", "app_secret": "x"}),
        ("/tenant_access_token", {"app_access_token": "a-x"}),
        ("/tenant_access_token", {"app_access_token": "a-x", "tenant_key": 1}),
        ("/app_ticket/resend", {"app_id": "cli_store"}),
    ],
)
def test_missing_members_are_invalid(store: StoreApp, path: str, body: Any) -> None:
    assert store.post(path, body) == {"code": 10003, "msg": "invalid param", "data": {}}


def test_a_wrong_secret(store: StoreApp) -> None:
    assert store.app_token(app_secret="x")["code"] == 10014
    assert store.post("/app_ticket/resend", {**store.secrets, "app_secret": "x"})["code"] == 10014


def test_each_kind_of_app_has_its_own_endpoints(store: StoreApp) -> None:
    custom = {"app_id": store.lark.app_id, "app_secret": store.lark.app_secret, "app_ticket": "x"}

    def codes() -> list[int]:
        calls = [
            ("/tenant_access_token/internal", store.secrets),
            ("/app_access_token/internal", store.secrets),
            ("/app_access_token", custom),
        ]
        return [store.post(path, body)["code"] for path, body in calls]

    assert codes() == [10005] * 3
    store.lark.settings(app_type_mismatch="10014")
    assert codes() == [10014] * 3


def test_a_disabled_store_app_gets_no_tokens(store: StoreApp) -> None:
    token = store.app_token()["app_access_token"]
    store.lark.change_app("cli_store", enabled=False)
    assert store.app_token()["code"] == 10014
    assert store.tenant_token("a", app_access_token=token)["code"] == 10014


def test_tenants_do_not_share_a_rate_limit(store: StoreApp) -> None:
    store.lark.settings(rate_limit_overrides={"GET /open-apis/bot/v3/info": [[1, 60]]})
    a, b = (store.tenant_token(key)["tenant_access_token"] for key in "ab")
    assert [store.bot(token) for token in (a, b, a)] == [0, 0, 99991400]


def test_every_answer_names_the_tenant_of_the_token(store: StoreApp) -> None:
    store.lark.add_chat("With the store app", bots=["cli_store"])
    token = store.tenant_token("b")["tenant_access_token"]
    answer = store.http.get("/open-apis/im/v1/chats", headers={"Authorization": f"Bearer {token}"}).json()
    assert [chat["tenant_key"] for chat in answer["data"]["items"]] == ["b"]
    assert store.lark.requests()[-1]["tenant_key"] == "b"

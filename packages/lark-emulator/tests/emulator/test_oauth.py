"""Tokens of users: the authorization page, the token endpoints, and what a user's token may do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator

BACK = "https://app.example/back?from=lark"
PAGE = "/open-apis/authen/v1/authorize"
TOKEN = "/open-apis/authen/v2/oauth/token"
DAY = 24 * 3600


class Browser:
    """What an app does with a user's browser, and then with the code."""

    def __init__(self, lark: Emulator, app_id: str | None = None, secret: str | None = None) -> None:
        self.base = lark.base_url
        self.client = {
            "client_id": app_id or lark.app_id,
            "client_secret": secret or lark.app_secret,
        }

    def open_page(self, path: str = PAGE, **query: Any) -> httpx.Response:
        params = {
            "client_id": self.client["client_id"],
            "redirect_uri": BACK,
            "response_type": "code",
            **query,
        }
        return httpx.get(f"{self.base}{path}", params={k: v for k, v in params.items() if v is not None})

    def code(self, **query: Any) -> str:
        return back(self.open_page(**query))["code"]

    def request_token(self, **body: Any) -> Any:
        answer = httpx.post(f"{self.base}{TOKEN}", json={**self.client, **body})
        return {**answer.json(), "http": answer.status_code}

    def exchange(self, code: str, **more: Any) -> Any:
        return self.request_token(grant_type="authorization_code", code=code, **more)

    def refresh(self, token: str, **more: Any) -> Any:
        return self.request_token(grant_type="refresh_token", refresh_token=token, **more)

    def get(self, token: str, path: str, **query: Any) -> Any:
        return self.call(token, "GET", path, None, **query)

    def call(self, token: str, method: str, path: str, body: Any, **query: Any) -> Any:
        answer = httpx.request(
            method,
            f"{self.base}/open-apis{path}",
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {token}"},
        )
        return {**answer.json(), "http": answer.status_code}


def back(answer: httpx.Response) -> dict[str, str]:
    """Return the query that the browser is sent back with, besides that of the address itself."""
    assert answer.status_code == 302, answer.text
    query = {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert query.pop("from") == "lark"
    return query


@pytest.fixture
def browser(lark: Emulator) -> Browser:
    return Browser(lark)


def test_the_whole_way(lark: Emulator, browser: Browser) -> None:
    lark.authorize_as("bob")
    sent = back(browser.open_page(scope="offline_access contact:user.email:readonly", state="s p/ä"))
    assert sent["state"] == "s p/ä"
    assert len(sent["code"]) <= 64
    tokens = browser.exchange(sent["code"], redirect_uri=BACK)
    assert (tokens["http"], tokens["code"], tokens["token_type"]) == (200, 0, "Bearer")
    assert tokens["scope"].split() == [
        *("auth:user.id:read", "contact:user.email:readonly", "offline_access", "user_profile"),
    ]
    assert (tokens["expires_in"], tokens["refresh_token_expires_in"]) == (7200, 7 * DAY)
    assert 1000 < len(tokens["access_token"]) < 2048
    me = browser.get(tokens["access_token"], "/authen/v1/user_info")["data"]
    assert (me["name"], me["user_id"], me["email"]) == ("韩梅梅", "bob", "bob@example.com")
    assert me["open_id"] == "ou_emulator0001_bob"

    again = browser.refresh(tokens["refresh_token"])
    assert again["code"] == 0
    for token in (tokens["access_token"], again["access_token"]):  # the old one lives on
        assert browser.get(token, "/authen/v1/user_info")["code"] == 0
    used = browser.refresh(tokens["refresh_token"])
    assert (used["http"], used["code"], used["error"]) == (400, 20073, "invalid_grant")
    assert used["error_description"].startswith("The refresh token has been used.")
    lark.settings(refresh_token_reuse="20064")
    assert browser.refresh(tokens["refresh_token"])["code"] == 20064
    assert browser.exchange(sent["code"])["code"] == 20065


def test_no_refresh_token_without_offline_access(browser: Browser) -> None:
    assert "refresh_token" not in browser.exchange(browser.code())


def test_a_user_who_refuses(lark: Emulator, browser: Browser) -> None:
    lark.authorize_as("alice", deny=True)
    assert back(browser.open_page(state="x")) == {"error": "access_denied", "state": "x"}
    with pytest.raises(ValueError, match="no user 'nobody'"):
        lark.authorize_as("nobody")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"client_id": "cli_none"}, 20028),
        ({"redirect_uri": None}, 20029),
        ({"redirect_uri": "javascript:alert(1)"}, 20029),
        ({"redirect_uri": "https://a.example/\r\nX-Injected: 1"}, 20029),
        ({"response_type": "token"}, 20001),
        ({"code_challenge": "x", "code_challenge_method": "S512"}, 20001),
        ({"scope": " ".join(f"s:{number}" for number in range(51))}, 20001),
    ],
)
def test_what_the_page_refuses(browser: Browser, query: dict[str, Any], code: int) -> None:
    answer = browser.open_page(**query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "location" not in answer.headers


def test_the_page_knows_the_scopes_and_addresses_of_an_app(lark: Emulator) -> None:
    app = lark.add_app("cli_small", "s", scopes=["im:message"], redirect_urls=[BACK])
    browser = Browser(lark, app["app_id"], "s")
    assert browser.open_page(scope="drive:drive").json()["code"] == 20027
    assert browser.open_page(redirect_uri="https://elsewhere.example/").json()["code"] == 20029
    assert browser.exchange(browser.code(scope="im:message"))["code"] == 0


def test_the_older_address_of_the_page(lark: Emulator, browser: Browser) -> None:
    sent = back(
        browser.open_page("/open-apis/authen/v1/index", client_id=None, app_id=lark.app_id, scope=None)
    )
    assert browser.exchange(sent["code"])["code"] == 0


VERIFIER = "v" * 43
S256 = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("challenge", "verifier", "code"),
    [
        ({"code_challenge": S256, "code_challenge_method": "S256"}, VERIFIER, 0),
        ({"code_challenge": S256, "code_challenge_method": "S256"}, S256, 20049),
        ({"code_challenge": VERIFIER}, VERIFIER, 0),
        ({"code_challenge": VERIFIER}, "w" * 43, 20049),
        ({"code_challenge": VERIFIER}, None, 20049),
        ({}, VERIFIER, 0),
    ],
)
def test_pkce(browser: Browser, challenge: dict[str, str], verifier: str | None, code: int) -> None:
    more = {} if verifier is None else {"code_verifier": verifier}
    assert browser.exchange(browser.code(**challenge), **more)["code"] == code


@pytest.mark.parametrize(
    ("changes", "code", "error"),
    [
        ({"client_id": "cli_none"}, 20048, "invalid_client"),
        ({"client_secret": "x"}, 20002, "invalid_client"),
        ({"client_secret": None}, 20001, "invalid_request"),
        ({"code": "x"}, 20003, "invalid_grant"),
        ({"code": None}, 20001, "invalid_request"),
        ({"code": 5}, 20063, "invalid_request"),
        ({"grant_type": "password"}, 20036, "unsupported_grant_type"),
        ({"redirect_uri": "https://app.example/other"}, 20071, "invalid_grant"),
        ({"scope": "offline_access offline_access"}, 20067, "invalid_scope"),
        ({"scope": "drive:drive"}, 20068, "invalid_scope"),
        ({"scope": "offline_access"}, 0, None),
    ],
)
def test_the_token_endpoint_refuses(
    browser: Browser, changes: dict[str, Any], code: int, error: str | None
) -> None:
    body = {"grant_type": "authorization_code", "code": browser.code(scope="offline_access"), **changes}
    answer = browser.request_token(**body)
    assert (answer["code"], answer.get("error")) == (code, error)
    assert answer["http"] == (400 if code else 200)
    assert "msg" not in answer


def test_codes_and_tokens_expire(lark: Emulator, browser: Browser) -> None:
    code = browser.code()
    lark.advance(301)
    assert browser.exchange(code)["code"] == 20004
    tokens = browser.exchange(browser.code(scope="offline_access"))
    lark.advance(7201)
    expired = browser.get(tokens["access_token"], "/authen/v1/user_info")
    assert (expired["code"], expired["http"]) == (99991677, 400)
    lark.settings(user_info_bad_token="20005")
    for token in (tokens["access_token"], "u-unknown"):
        answer = browser.get(token, "/authen/v1/user_info")
        assert (answer["code"], answer["http"]) == (20005, 200)
    lark.advance(7 * DAY)
    assert browser.refresh(tokens["refresh_token"])["code"] == 20037


def test_a_consent_ends_after_a_year_however_often_it_is_refreshed(lark: Emulator, browser: Browser) -> None:
    lark.settings(refresh_token_life=100.0 * DAY)
    tokens = browser.exchange(browser.code(scope="offline_access"))
    for _ in range(4):
        lark.advance(90 * DAY)
        tokens = browser.refresh(tokens["refresh_token"])
        assert tokens["code"] == 0
    lark.advance(6 * DAY)
    assert browser.refresh(tokens["refresh_token"])["code"] == 20037


@pytest.mark.parametrize(("status", "code"), [("resigned", 20066), ("frozen", 20066), ("unjoin", 0)])
def test_the_status_of_the_user(lark: Emulator, browser: Browser, status: str, code: int) -> None:
    lark.authorize_as("carol")
    auth_code = browser.code()
    lark.change_user("carol", status=status)
    assert browser.exchange(auth_code)["code"] == code


def test_other_apps_and_absent_ones(lark: Emulator, browser: Browser) -> None:
    lark.add_app("cli_other", "s")
    other = Browser(lark, "cli_other", "s")
    code = browser.code(scope="offline_access")
    assert other.exchange(code)["code"] == 20024
    refresh = browser.exchange(code)["refresh_token"]
    assert other.refresh(refresh)["code"] == 20024
    lark.change_app(available_to=["bob"])
    assert browser.refresh(refresh)["code"] == 20010
    lark.change_app(tenant_keys=[])
    assert browser.refresh(refresh)["code"] == 20009
    lark.change_app(enabled=False)
    assert browser.refresh(refresh)["code"] == 20069


def test_forms_and_basic_authentication(lark: Emulator, browser: Browser) -> None:
    url = f"{lark.base_url}{TOKEN}"
    basic = (lark.app_id, lark.app_secret)
    form = {"grant_type": "authorization_code", "code": browser.code()}
    both = httpx.post(url, data={**browser.client, **form}, auth=basic).json()
    assert (both["code"], both["error"]) == (20070, "invalid_request")
    assert httpx.post(url, data=form, auth=basic).json()["code"] == 0
    tenant = f"{lark.base_url}/open-apis/auth/v3/tenant_access_token/internal"
    secrets = {"app_id": lark.app_id, "app_secret": lark.app_secret}
    assert httpx.post(tenant, data=secrets).json()["code"] == 0
    lark.settings(form_token_requests="refused")
    assert httpx.post(url, data={**browser.client, **form}).json()["code"] == 20063
    assert httpx.post(tenant, data=secrets).json()["code"] == 10003
    assert httpx.post(url, content=b"{").json()["code"] == 20063


def test_scopes_add_up_and_are_asked_for(lark: Emulator, browser: Browser) -> None:
    first = browser.exchange(browser.code(scope="im:message"))["access_token"]
    refused = browser.get(first, "/contact/v3/users/ou_emulator0001_bob")
    assert (refused["code"], refused["http"]) == (99991679, 400)
    assert (
        "required one of these privileges under the user identity: [contact:contact.base:readonly"
        in refused["msg"]
    )
    violation = refused["error"]["permission_violations"][0]
    assert violation == {"type": "action_privilege_required", "subject": "contact:contact.base:readonly"}
    second = browser.exchange(browser.code(scope="contact:contact.base:readonly"))
    assert "im:message" in second["scope"].split()
    assert browser.get(second["access_token"], "/contact/v3/users/ou_emulator0001_bob")["code"] == 0
    lark.authorize_as("bob")
    assert browser.exchange(browser.code())["scope"] == "auth:user.id:read user_profile"
    lark.settings(scopeless_authorization="all")
    everything = browser.exchange(browser.code())["access_token"]
    assert browser.get(everything, "/contact/v3/users/ou_emulator0001_bob")["code"] == 0


def test_which_endpoint_takes_which_token(lark: Emulator, api: Api, browser: Browser) -> None:
    token = lark.user_token("alice")["user_access_token"]
    for path in ("/bot/v3/info", "/application/v6/scopes"):
        refused = browser.get(token, path)
        assert (refused["code"], refused["msg"]) == (99991668, "user access token not support")
    tenant = api("GET", "/authen/v1/user_info")
    assert (tenant["code"], tenant["msg"]) == (99991663, "tenant access token not support")
    assert browser.get("u-x", "/im/v1/chats")["msg"].startswith("Invalid access token")
    assert lark.revoke_tokens(user_id="bob") == 0
    assert lark.revoke_tokens(user_id="alice") == 1
    assert browser.get(token, "/im/v1/chats")["code"] == 99991668


def test_revoking_ends_the_refresh_token_too(lark: Emulator, browser: Browser) -> None:
    refresh = lark.user_token("alice", scopes=["offline_access"])["refresh_token"]
    lark.revoke_tokens(user_id="alice")
    assert browser.refresh(refresh)["code"] == 20064
    assert browser.refresh("unknown")["code"] == 20026


def test_a_user_writes_and_reads_as_themselves(lark: Emulator, api: Api, browser: Browser) -> None:
    lark.add_chat("Without carol", chat_id="oc_two", users=["alice", "bob"])
    token = lark.user_token("alice")["user_access_token"]

    def send(receive_id: str, kind: str, as_: str = token) -> Any:
        body = {"receive_id": receive_id, "msg_type": "text", "content": '{"text": "hi"}'}
        return browser.call(as_, "POST", "/im/v1/messages", body, receive_id_type=kind)

    sent = send("oc_two", "chat_id")["data"]
    assert sent["sender"] == {
        "id": "ou_emulator0001_alice",
        "id_type": "open_id",
        "sender_type": "user",
        "tenant_key": "emulator0tenant0",
    }
    outside = send("oc_two", "chat_id", lark.user_token("carol")["user_access_token"])
    assert (outside["code"], outside["msg"]) == (230002, "Bot/User can NOT be out of the chat.")
    assert api.send("oc_two")["code"] == 230002  # nor is the bot in it
    chats = browser.get(token, "/im/v1/chats")["data"]["items"]
    assert [chat["chat_id"] for chat in chats] == ["oc_emulator_data_team", "oc_two"]

    direct = send("ou_emulator0001_bob", "open_id")["data"]
    answered = send("alice", "user_id", lark.user_token("bob")["user_access_token"])["data"]
    assert direct["chat_id"] == answered["chat_id"]

    path = f"/im/v1/messages/{sent['message_id']}"
    bob = lark.user_token("bob")["user_access_token"]
    assert browser.get(bob, path)["data"]["items"][0]["sender"]["id"] == "ou_emulator0001_alice"
    assert browser.call(bob, "DELETE", path, None)["code"] == 230026
    assert browser.call(token, "DELETE", path, None)["code"] == 0


def test_documents_belong_to_the_user(lark: Emulator, api: Api, browser: Browser) -> None:
    alice, bob = (lark.user_token(name)["user_access_token"] for name in ("alice", "bob"))
    base = browser.call(alice, "POST", "/bitable/v1/apps", {"name": "Mine"})["data"]["app"]
    table = f"/bitable/v1/apps/{base['app_token']}/tables/{base['default_table_id']}"
    added = browser.call(alice, "POST", f"{table}/records", {"fields": {"Text": "a"}})
    assert added["code"] == 0, added
    records = browser.call(alice, "POST", f"{table}/records/search", {"automatic_fields": True})["data"][
        "items"
    ]
    assert records[0]["created_by"]["id"] == "ou_emulator0001_alice"
    for refused in (browser.get(bob, f"{table}/records"), api("GET", f"{table}/records")):
        assert refused["code"] == 91403
    root = browser.get(alice, "/drive/explorer/v2/root_folder/meta")["data"]
    assert root["user_id"] == "ou_emulator0001_alice"
    files = browser.get(alice, "/drive/v1/files")["data"]["files"]
    assert [(file["name"], file["owner_id"]) for file in files] == [("Mine", "ou_emulator0001_alice")]
    shared = f"/drive/v1/permissions/{base['app_token']}/members"
    member = {"member_type": "openid", "member_id": "ou_emulator0001_bob", "perm": "view"}
    assert browser.call(alice, "POST", shared, member, type="bitable")["code"] == 0
    assert browser.get(bob, f"{table}/records")["code"] == 0
    assert browser.call(bob, "POST", f"{table}/records", {"fields": {}})["code"] == 1254302


def test_no_token_shows(lark: Emulator, browser: Browser) -> None:
    tokens = browser.exchange(browser.code(scope="offline_access"))
    code = browser.code(code_challenge="challenge-of-a-test")
    shown = json.dumps(lark.state()) + json.dumps(lark.requests())
    for secret in (code, tokens["access_token"], tokens["refresh_token"], "challenge-of-a-test"):
        assert secret not in shown


def test_integer_timestamps_of_signed_webhooks(lark: Emulator) -> None:

    url = lark.add_webhook(secret="s")
    now = int(lark.state()["now"])
    key = f"{now}\ns".encode()
    sign = base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
    body = {"msg_type": "text", "content": {"text": "hi"}, "timestamp": now, "sign": sign}
    assert httpx.post(url, json=body).json()["code"] == 0
    lark.settings(webhook_timestamps="strings")
    assert httpx.post(url, json=body).json()["code"] == 19021
    assert httpx.post(url, json={**body, "timestamp": str(now)}).json()["code"] == 0

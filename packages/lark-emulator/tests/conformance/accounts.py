"""What the official SDK does about apps, tokens, scopes and people; the parts of `test_every_endpoint`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def good(answer: Any) -> Any:
    """Assert that the SDK saw a success, and return what it made of the data."""
    assert answer.success(), (answer.code, answer.msg, answer.raw.content)
    assert answer.get_log_id()
    return getattr(answer, "data", None)


def tokens(lark: Emulator, sdk: Sdk, client: Any) -> None:
    secrets = {"app_id": lark.app_id, "app_secret": lark.app_secret}
    tenant = client.auth.v3.tenant_access_token.internal(
        sdk.request(sdk.auth, "InternalTenantAccessToken", secrets)
    )
    app = client.auth.v3.app_access_token.internal(sdk.request(sdk.auth, "InternalAppAccessToken", secrets))
    good(tenant)
    good(app)
    flat = json.loads(tenant.raw.content)
    assert flat["tenant_access_token"].startswith("t-")
    assert 0 < flat["expire"] <= 7200
    assert json.loads(app.raw.content)["tenant_access_token"] == flat["tenant_access_token"]


def ticket(lark: Emulator, app_id: str) -> Any:
    """Look up the newest ticket of a store app."""
    return next(app["app_ticket"] for app in lark.state()["apps"] if app["app_id"] == app_id)


def store_tokens(lark: Emulator, sdk: Sdk, client: Any) -> None:
    app = lark.add_app(store=True, tenant_keys=["tenant-a"])
    secrets = {"app_id": app["app_id"], "app_secret": app["app_secret"]}
    good(client.auth.v3.app_ticket.resend(sdk.request(sdk.auth, "ResendAppTicket", secrets)))
    body = {**secrets, "app_ticket": ticket(lark, app["app_id"])}
    answer = client.auth.v3.app_access_token.create(sdk.request(sdk.auth, "CreateAppAccessToken", body))
    good(answer)
    flat = json.loads(answer.raw.content)
    assert flat["app_access_token"].startswith("a-")
    body = {"app_access_token": flat["app_access_token"], "tenant_key": "tenant-a"}
    answer = client.auth.v3.tenant_access_token.create(sdk.request(sdk.auth, "CreateTenantAccessToken", body))
    good(answer)
    assert json.loads(answer.raw.content)["tenant_access_token"].startswith("t-")


def code(lark: Emulator) -> str:
    """Return the code with which the authorization page sends a user back."""
    query = {"client_id": lark.app_id, "redirect_uri": "https://app.example/", "scope": "offline_access"}
    answer = httpx.get(f"{lark.base_url}/open-apis/authen/v1/authorize", params=query)
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def user_tokens(lark: Emulator, sdk: Sdk, client: Any) -> None:
    lark.authorize_as("bob")
    people = sdk.client_for_users(lark)
    for api, access, refresh in (
        (client.authen.v1.access_token, "CreateAccessToken", "CreateRefreshAccessToken"),
        (client.authen.v1.oidc_access_token, "CreateOidcAccessToken", "CreateOidcRefreshAccessToken"),
    ):
        body = {"grant_type": "authorization_code", "code": code(lark)}
        first = good(api.create(sdk.request(sdk.authen, access, body)))
        assert first.access_token.startswith("u-")
        body = {"grant_type": "refresh_token", "refresh_token": first.refresh_token}
        oidc = "oidc" in access.lower()
        renew = client.authen.v1.oidc_refresh_access_token if oidc else client.authen.v1.refresh_access_token
        second = good(renew.create(sdk.request(sdk.authen, refresh, body)))
        assert second.refresh_token != first.refresh_token
        again = renew.create(sdk.request(sdk.authen, refresh, body))
        assert (again.code, again.raw.status_code) == (20038, 200)
        if not oidc:
            assert (first.name, first.open_id) == ("韩梅梅", "ou_emulator0001_bob")
        option = sdk.lark.RequestOption.builder().user_access_token(second.access_token).build()
        me = good(people.authen.v1.user_info.get(sdk.authen.GetUserInfoRequest.builder().build(), option))
        assert (me.user_id, me.open_id) == ("bob", "ou_emulator0001_bob")
    token = lark.user_token("alice")["user_access_token"]
    option = sdk.lark.RequestOption.builder().user_access_token(token).build()
    body = {"receive_id": "bob", "msg_type": "text", "content": json.dumps({"text": "from alice"})}
    request = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id")
    sender = good(people.im.v1.message.create(request, option)).sender
    assert (sender.sender_type, sender.id) == ("user", "ou_emulator0001_alice")


def bot(sdk: Sdk, client: Any) -> None:
    answer = client.request(sdk.bot_info())
    good(answer)
    shown = json.loads(answer.raw.content)["bot"]
    assert shown["open_id"].startswith("ou_")
    assert shown["app_name"]


def scopes(sdk: Sdk, client: Any) -> None:
    listed = good(client.application.v6.scope.list(sdk.request(sdk.application, "ListScope"))).scopes
    assert ("im:message:send_as_bot", 1) in [(scope.scope_name, scope.grant_status) for scope in listed]


def contact(sdk: Sdk, client: Any) -> None:
    users = client.contact.v3.user
    matches = good(
        users.batch_get_id(
            sdk.request(
                sdk.contact,
                "BatchGetIdUser",
                {"emails": ["alice@example.com", "nobody@example.com"], "mobiles": ["+8613800000002"]},
                user_id_type="open_id",
            )
        )
    ).user_list
    assert [entry.user_id for entry in matches] == ["ou_emulator0001_alice", None, "ou_emulator0001_bob"]
    alice = good(
        users.get(
            sdk.request(sdk.contact, "GetUser", user_id="ou_emulator0001_alice", user_id_type="open_id")
        )
    ).user
    assert (alice.user_id, alice.en_name, alice.mobile) == ("alice", "Alice", "+8613800000001")
    assert (alice.status.is_activated, alice.status.is_resigned) == (True, False)
    many = good(
        users.batch(sdk.request(sdk.contact, "BatchUser", user_ids=["carol", "bob"], user_id_type="user_id"))
    ).items
    assert [(user.open_id, user.email) for user in many] == [
        ("ou_emulator0001_carol", "carol@example.com"),
        ("ou_emulator0001_bob", "bob@example.com"),
    ]

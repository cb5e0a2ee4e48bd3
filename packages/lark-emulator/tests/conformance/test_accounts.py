"""Apps, their tokens and scopes, and people, as the official SDK meets them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.accounts import good, ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def in_tenant(sdk: Sdk, tenant_key: str, app_ticket: str) -> Any:
    return sdk.lark.RequestOption.builder().tenant_key(tenant_key).app_ticket(app_ticket).build()


def test_a_store_app_goes_from_ticket_to_tenant(lark: Emulator, sdk: Sdk) -> None:
    app = lark.add_app(store=True, tenant_keys=["a", "b"])
    client = sdk.client(lark, app["app_id"], app["app_secret"], store=True)
    lark.advance(3600)
    for tenant in ("a", "b", "a"):
        good(client.request(sdk.bot_info(), in_tenant(sdk, tenant, ticket(lark, app["app_id"]))))
    assert [entry["tenant_key"] for entry in lark.requests() if "bot" in entry["path"]] == ["a", "b", "a"]
    shown = lark.state(summary=True)["apps"][-1]
    assert shown["token_requests"] == 3  # the app's, and one for each tenant


@pytest.mark.parametrize(("tenant_key", "app_ticket", "code"), [("a", "old", 10012), ("z", None, 10013)])
def test_a_store_app_with_a_bad_ticket_or_in_a_strange_tenant(
    lark: Emulator, sdk: Sdk, tenant_key: str, app_ticket: str | None, code: int
) -> None:
    app = lark.add_app(store=True, tenant_keys=["a"])
    lark.advance(3600)
    client = sdk.client(lark, app["app_id"], app["app_secret"], store=True)
    sent_ticket = app_ticket or ticket(lark, app["app_id"])
    with pytest.raises(Exception, match="access token failed") as refused:
        client.request(sdk.bot_info(), in_tenant(sdk, tenant_key, sent_ticket))
    assert getattr(refused.value, "code", None) == code


def test_a_custom_app_gets_no_ticket(lark: Emulator, sdk: Sdk) -> None:
    secrets = {"app_id": lark.app_id, "app_secret": lark.app_secret}
    answer = sdk.client(lark).auth.v3.app_ticket.resend(sdk.request(sdk.auth, "ResendAppTicket", secrets))
    assert (answer.code, answer.msg, answer.raw.status_code) == (10016, "app resend fail", 200)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enabled": False}, 99991662),
        ({"tenant_keys": []}, 99991673),
        ({"scopes": []}, 99991672),
        ({"bot": False}, 232025),
    ],
)
def test_an_app_that_may_not_any_more(lark: Emulator, sdk: Sdk, change: dict[str, Any], code: int) -> None:
    client = sdk.client(lark)
    chats = sdk.request(sdk.im, "ListChat")
    good(client.im.v1.chat.list(chats))
    lark.change_app(**change)
    answer = client.im.v1.chat.list(chats)
    assert (answer.code, answer.raw.status_code) == (code, 400)


def test_scopes_granted_and_applied_for_agree_with_the_refusals(lark: Emulator, sdk: Sdk) -> None:
    lark.change_app(scopes=["im:chat:read"], pending_scopes=["im:message", "im:chat:read"])
    client = sdk.client(lark)
    listed = good(client.application.v6.scope.list(sdk.request(sdk.application, "ListScope"))).scopes
    assert [(scope.scope_name, scope.grant_status) for scope in listed] == [
        ("im:chat:read", 1),
        ("im:message", 2),
    ]
    good(client.im.v1.chat.list(sdk.request(sdk.im, "ListChat")))
    answer = client.im.v1.message.list(
        sdk.request(sdk.im, "ListMessage", container_id_type="chat", container_id="oc_emulator_data_team")
    )
    assert answer.code == 99991672
    violations = json.loads(answer.raw.content)["error"]["permission_violations"]
    assert "im:message" in [violation["subject"] for violation in violations]


def test_chats_page_by_page(lark: Emulator, sdk: Sdk) -> None:
    for number in range(4):
        lark.add_chat(f"Chat {number}", bots=[lark.app_id])
    client, names, token = sdk.client(lark), [], None
    while token != "":
        parts: dict[str, Any] = {"page_size": 2, **({"page_token": token} if token else {})}
        page = good(client.im.v1.chat.list(sdk.request(sdk.im, "ListChat", **parts)))
        names += [chat.name for chat in page.items]
        assert page.has_more is bool(page.page_token)
        token = page.page_token
    assert names == ["Data team", "Chat 0", "Chat 1", "Chat 2", "Chat 3"]


def test_users_show_what_the_scopes_allow(lark: Emulator, sdk: Sdk) -> None:
    lark.change_app(scopes=["contact:contact.base:readonly", "contact:user.email:readonly"])
    user = good(
        sdk.client(lark).contact.v3.user.get(
            sdk.request(sdk.contact, "GetUser", user_id="ou_emulator0001_alice", user_id_type="open_id")
        )
    ).user
    assert (user.open_id, user.union_id, user.email) == (
        "ou_emulator0001_alice",
        "on_emulator_alice",
        "alice@example.com",
    )
    assert (user.name, user.user_id, user.mobile, user.status) == (None, None, None, None)


@pytest.mark.parametrize("ask", ["one", "many"])
@pytest.mark.parametrize(
    ("user_id", "kind", "code"),
    [
        ("ou_emulator0001_nobody", "open_id", 99992351),
        ("ou_other_alice", "open_id", 99992361),
        ("nobody", "user_id", 99992360),
        ("on_nobody", "union_id", 99992363),
    ],
)
def test_users_who_are_not_there(
    lark: Emulator, sdk: Sdk, ask: str, user_id: str, kind: str, code: int
) -> None:
    lark.add_app("cli_other")
    users = sdk.client(lark).contact.v3.user
    requests: dict[str, Callable[[], Any]] = {
        "one": lambda: users.get(sdk.request(sdk.contact, "GetUser", user_id=user_id, user_id_type=kind)),
        "many": lambda: users.batch(
            sdk.request(sdk.contact, "BatchUser", user_ids=[user_id], user_id_type=kind)
        ),
    }
    answer = requests[ask]()
    assert (answer.code, answer.raw.status_code) == (code, 400)

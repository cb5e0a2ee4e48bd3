from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

TOKEN = "/auth/v3/tenant_access_token/internal"


def test_a_disabled_app_is_refused_with_the_token_it_has_and_gets_no_other(api: Api, lark: Emulator) -> None:
    assert lark.change_app(enabled=False)["enabled"] is False
    answer = api("POST", "/im/v1/messages", {})
    assert (answer["code"], answer["msg"], answer["http"]) == (99991662, "app not in use", 400)
    assert api("POST", TOKEN, api.credentials)["code"] == 10014
    lark.settings(disabled_app_token="given")
    assert api("POST", TOKEN, api.credentials)["code"] == 0
    lark.change_app(enabled=True)
    assert api("GET", "/bot/v3/info")["code"] == 0


def test_an_app_that_is_not_installed(api: Api, lark: Emulator) -> None:
    lark.change_app(tenant_keys=[])
    assert api("GET", "/application/v6/scopes")["code"] == 99991673
    assert api("POST", TOKEN, api.credentials)["code"] == 0
    lark.change_app(tenant_keys=None)
    assert api("GET", "/application/v6/scopes")["code"] == 0


def test_a_changed_secret_is_the_only_one_that_counts(api: Api, lark: Emulator) -> None:
    lark.change_app(secret="new")
    assert api("POST", TOKEN, api.credentials)["msg"] == "app secret invalid"
    assert api("POST", TOKEN, {**api.credentials, "app_secret": "new"})["code"] == 0
    assert "new" not in api.http.get("/_emulator/state").text


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/bot/v3/info", 11205),
        ("POST", "/im/v1/messages", 230006),
        ("POST", "/im/v1/images", 234007),
        ("POST", "/im/v1/files", 234007),
        ("GET", "/im/v1/chats/oc_emulator_data_team/members", 232025),
        ("POST", "/bitable/v1/apps", 0),
    ],
)
def test_an_app_without_the_bot_ability(api: Api, lark: Emulator, method: str, path: str, code: int) -> None:
    lark.change_app(bot=False)
    assert api(method, path, {"name": "x"})["code"] == code


def test_an_app_that_may_do_everything_lists_all_scopes(api: Api) -> None:
    listed = api.data("GET", "/application/v6/scopes")["scopes"]
    names = [scope["scope_name"] for scope in listed]
    assert {"im:message:send_as_bot", "contact:user.employee_id:readonly", "bitable:app"} <= set(names)
    assert len(set(names)) == len(names)
    assert {(scope["grant_status"], scope["scope_type"]) for scope in listed} == {(1, "tenant")}


def test_scopes_can_be_taken_and_given_back(api: Api, lark: Emulator) -> None:
    lark.change_app(scopes=["im:message:readonly"])
    assert api("POST", "/im/v1/messages", {})["code"] == 99991672
    lark.change_app(scopes=None)
    assert api("POST", "/im/v1/messages", {})["code"] == 99992402


def test_token_requests_are_counted_for_each_app(api: Api, lark: Emulator) -> None:
    lark.add_app("cli_other")
    api.login()
    for app_id in ("cli_other", "cli_nobody"):
        assert api("POST", TOKEN, {"app_id": app_id, "app_secret": "wrong"})["code"] == 10014
    state = lark.state(summary=True)
    assert [(app["app_id"], app["token_requests"]) for app in state["apps"]] == [
        (lark.app_id, 2),
        ("cli_other", 1),
    ]
    assert (state["token_requests"], state["tokens_issued"]) == (4, 1)


def test_only_the_token_endpoint_can_be_slow(api: Api, lark: Emulator) -> None:
    lark.fault("POST", "*/tenant_access_token/internal", times=1000, delay_ms=60_000)
    api("GET", "/bot/v3/info")
    with pytest.raises(Exception, match="timed out"):
        api.http.post(f"/open-apis{TOKEN}", json=api.credentials, timeout=0.05)
    assert api("GET", "/bot/v3/info")["code"] == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"app_id": "cli_none"}, "cli_none"),
        ({"colour": "red"}, "colour"),
        ({"enabled": "no"}, "enabled"),
        ({"tenant_keys": "a"}, "tenant_keys"),
        ({"scopes": [1]}, "scopes"),
    ],
)
def test_bad_changes_are_named_and_change_nothing(
    api: Api, lark: Emulator, changes: dict[str, Any], named: str
) -> None:
    before = lark.state(summary=True)["apps"]
    answer = api.http.post("/_emulator/apps/change", json={"app_id": lark.app_id, "name": "New", **changes})
    assert (answer.status_code, named in answer.json()["error"]) == (400, True)
    assert lark.state(summary=True)["apps"] == before

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator

TOKEN = "/auth/v3/tenant_access_token/internal"


def expire(api: Api) -> int:
    return int(api("POST", TOKEN, api.credentials)["expire"])


def test_the_same_token_with_less_time_left(api: Api, lark: Emulator) -> None:
    first = api.login()
    lark.advance(2633)
    assert api.login() == first
    assert expire(api) in (4566, 4567)


def test_below_the_overlap_a_new_token_is_issued_and_the_old_one_lives_on(api: Api, lark: Emulator) -> None:
    old = api.login()
    lark.advance(7200 - 1800 + 1)
    new = api.login()
    assert new != old
    assert expire(api) == 7200

    def code(token: str) -> int:
        api.http.headers["Authorization"] = f"Bearer {token}"
        return int(api("GET", "/bot/v3/info")["code"])

    assert (code(old), code(new)) == (0, 0)
    lark.advance(1800)
    assert (code(old), code(new)) == (99991663, 0)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", ["tenant", "app"])
def test_token_endpoints_take_a_trailing_slash(api: Api, kind: str, slash: str) -> None:
    answer = api("POST", f"/auth/v3/{kind}_access_token/internal{slash}", api.credentials)
    assert answer[f"{kind}_access_token"].startswith("t-")
    assert "data" not in answer


@pytest.mark.parametrize(
    ("body", "code", "msg"),
    [
        ({"app_id": "cli_none", "app_secret": "x"}, 10014, "app id not exists"),
        ({"app_id": "cli_1a2b3c4d5e6f0001", "app_secret": "x"}, 10014, "app secret invalid"),
        ({"app_id": "cli_1a2b3c4d5e6f0001"}, 10003, "invalid param"),
        (None, 10003, "invalid param"),
        ([], 10003, "invalid param"),
    ],
)
def test_token_refusals_are_http_200(api: Api, body: Any, code: int, msg: str) -> None:
    answer = api("POST", TOKEN, body)
    assert (answer["code"], answer["msg"], answer["http"]) == (code, msg, 200)
    assert "error" not in answer


def test_the_status_of_a_wrong_secret_is_a_setting(api: Api, lark: Emulator) -> None:
    lark.settings(wrong_secret_status=400)
    assert api("POST", TOKEN, {**api.credentials, "app_secret": "x"})["http"] == 400


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, 99991661),
        ("Basic x", 99991661),
        ("Bearer", 99991661),
        ("Bearer x", 99991671),
        ("Bearer t-x", 99991663),
        ("Bearer a-x", 99991664),
        ("Bearer u-x", 99991668),
        ("Bearer eyJx", 99991668),
    ],
)
def test_authentication_comes_before_validation(api: Api, header: str | None, code: int) -> None:
    del api.http.headers["Authorization"]
    if header:
        api.http.headers["Authorization"] = header
    answer = api("POST", "/im/v1/messages", {})
    assert (answer["code"], answer["http"]) == (code, 400)
    assert answer["error"]["log_id"]


def test_scopes(lark: Emulator) -> None:
    app = lark.add_app(scopes=["im:message:readonly"])
    api = Api(lark, app["app_id"], app["app_secret"])
    answer = api("POST", "/im/v1/messages", {})
    assert (answer["code"], answer["http"]) == (99991672, 400)
    assert api("GET", "/im/v1/messages", container_id_type="chat")["code"] == 99992402
    api.http.close()


@pytest.mark.parametrize(
    ("scope", "is_enough"), [("docs:permission.member:create", True), ("im:chat", False)]
)
def test_a_fine_grained_scope_is_enough(lark: Emulator, scope: str, is_enough: bool) -> None:
    app = lark.add_app(scopes=[scope])
    api = Api(lark, app["app_id"], app["app_secret"])
    answer = api("POST", "/drive/v1/permissions/none/members", {}, type="docx")
    assert (answer["code"] != 99991672) is is_enough
    api.http.close()


def test_a_limit_trips_with_headers_and_opens_again(api: Api, lark: Emulator) -> None:
    lark.settings(rate_limit_overrides={"GET /open-apis/bot/v3/info": [[2, 1], [3, 60]]})

    def statuses(count: int) -> list[int]:
        return [api.http.get("/open-apis/bot/v3/info").status_code for _ in range(count)]

    assert statuses(3) == [200, 200, 429]
    answer = api.http.get("/open-apis/bot/v3/info")
    assert answer.json()["code"] == 99991400
    assert answer.headers["x-ogw-ratelimit-limit"] == "2"
    assert 0 < float(answer.headers["x-ogw-ratelimit-reset"]) <= 1
    lark.advance(1)
    assert statuses(2) == [200, 429]
    lark.advance(60)
    assert statuses(1) == [200]


def test_documented_limits_are_on_by_default_and_can_be_switched_off(api: Api, lark: Emulator) -> None:
    codes = [api("POST", "/bitable/v1/apps", {"name": "x"})["code"] for _ in range(21)]
    assert codes == [0] * 20 + [99991400]
    lark.settings(rate_limits=False)
    assert api("POST", "/bitable/v1/apps", {"name": "x"})["code"] == 0


def test_limits_are_per_app(api: Api, lark: Emulator) -> None:
    lark.settings(rate_limit_overrides={"GET /open-apis/bot/v3/info": [[1, 60]]})
    app = lark.add_app()
    other = Api(lark, app["app_id"], app["app_secret"])
    assert [client("GET", "/bot/v3/info")["code"] for client in (api, other, api)] == [0, 0, 99991400]
    other.http.close()


def test_receivers_are_protected_from_all_bots_together(api: Api, lark: Emulator) -> None:
    app = lark.add_app()
    other = Api(lark, app["app_id"], app["app_secret"])
    codes = [(api, other)[n % 2].send("alice")["code"] for n in range(6)]
    assert codes == [0] * 5 + [230020]
    assert api.send("bob")["code"] == 0
    lark.advance(1)
    assert api.send("alice")["code"] == 0
    other.http.close()

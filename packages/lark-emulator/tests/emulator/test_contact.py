from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator

USERS = "/contact/v3/users"


def find_ids(api: Api, body: Any, **query: Any) -> list[Any]:
    user_list = api.data("POST", f"{USERS}/batch_get_id", body, **query)["user_list"]
    return [entry.get("user_id") for entry in user_list]


def emails(count: int) -> list[str]:
    return [f"user{number}@example.com" for number in range(count)]


@pytest.mark.parametrize(
    ("id_type", "expected"),
    [
        ("open_id", "ou_emulator0001_alice"),
        ("union_id", "on_emulator_alice"),
        ("user_id", "alice"),
    ],
)
def test_ids_of_each_type(api: Api, id_type: str, expected: str) -> None:
    assert find_ids(api, {"emails": ["alice@example.com"]}, user_id_type=id_type) == [expected]


def test_every_address_gets_an_entry_and_unknown_ones_no_id(api: Api) -> None:
    user_list = api.data(
        "POST",
        f"{USERS}/batch_get_id",
        {"emails": ["nobody@example.com"], "mobiles": ["13800000001", "+8613800000001", "+13800000001"]},
    )["user_list"]
    alice = "ou_emulator0001_alice"
    assert user_list == [
        {"email": "nobody@example.com"},
        {"mobile": "13800000001", "user_id": alice},
        {"mobile": "+8613800000001", "user_id": alice},
        {"mobile": "+13800000001"},
    ]


def test_an_empty_number_is_nobody(api: Api, lark: Emulator) -> None:
    lark.add_user("dave")
    assert find_ids(api, {"mobiles": [""]}) == [None]


@pytest.mark.parametrize("kind", ["emails", "mobiles"])
def test_at_most_fifty_of_a_kind(api: Api, kind: str) -> None:
    assert len(find_ids(api, {"emails": emails(50), "mobiles": emails(50)})) == 100
    answer = api("POST", f"{USERS}/batch_get_id", {kind: emails(51)})
    assert (answer["code"], answer["error"]["field_violations"][0]["field"]) == (99992402, kind)


@pytest.mark.parametrize("body", [{"include_resigned": "true"}, {"emails": "a"}, {"mobiles": [1]}])
def test_ill_typed_members_are_violations(api: Api, body: Any) -> None:
    assert api("POST", f"{USERS}/batch_get_id", body)["code"] == 99992402


def test_who_has_left_is_found_only_on_demand(api: Api, lark: Emulator) -> None:
    lark.change_user("alice", status="resigned")
    body = {"emails": ["alice@example.com"]}
    assert find_ids(api, body) == [None]
    (entry,) = api.data("POST", f"{USERS}/batch_get_id", {**body, "include_resigned": True})["user_list"]
    assert entry["user_id"] == "ou_emulator0001_alice"
    assert [name for name, value in entry["status"].items() if value] == ["is_resigned"]


def test_who_is_out_of_range_is_not_found(api: Api, lark: Emulator) -> None:
    lark.change_app(available_to=["bob"])
    assert find_ids(api, {"emails": ["alice@example.com", "bob@example.com"]}) == [
        None,
        "ou_emulator0001_bob",
    ]
    alice = api("GET", f"{USERS}/alice", user_id_type="user_id")
    assert (alice["code"], alice["http"]) == (41050, 400)
    for method, body, http in (("PATCH", {}, 400), ("DELETE", None, 403)):
        refused = api(method, f"{USERS}/alice", body, user_id_type="user_id")
        assert (refused["code"], refused["msg"], refused["http"]) == (41050, "no user authority error", http)
    many = api.data("GET", f"{USERS}/batch", user_ids=["alice", "bob"], user_id_type="user_id")["items"]
    assert [user["user_id"] for user in many] == ["bob"]


def test_user_ids_need_a_scope_of_their_own(api: Api, lark: Emulator) -> None:
    lark.change_app(scopes=["contact:user.id:readonly"])
    body = {"emails": ["alice@example.com"], "include_resigned": True}
    assert find_ids(api, body, user_id_type="user_id") == [None]
    (entry,) = api.data("POST", f"{USERS}/batch_get_id", body)["user_list"]
    assert entry == {"email": "alice@example.com", "user_id": "ou_emulator0001_alice"}


ALWAYS = {"union_id", "open_id", "mobile_visible"}
BASE = {"name", "en_name", "avatar"}
EMPLOYEE = {"employee_no", "status", "is_tenant_manager", "employee_type", "job_title", "enterprise_email"}


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        ("contact:contact.base:readonly", set()),
        ("contact:user.employee_id:readonly", {"user_id"}),
        ("contact:user.base:readonly", BASE),
        ("contact:user.email:readonly", {"email"}),
        ("contact:user.phone:readonly", {"mobile"}),
        ("contact:user.gender:readonly", {"gender"}),
        ("contact:user.department:readonly", {"department_ids", "leader_user_id"}),
        ("contact:user.employee:readonly", EMPLOYEE),
        ("contact:contact:readonly_as_app", {*BASE, *EMPLOYEE, "gender", "department_ids", "leader_user_id"}),
    ],
)
def test_fields_appear_with_their_scopes(api: Api, lark: Emulator, scope: str, fields: set[str]) -> None:
    lark.change_app(scopes=["contact:contact.base:readonly", scope])
    user = api.data("GET", f"{USERS}/ou_emulator0001_alice")["user"]
    (same,) = api.data("GET", f"{USERS}/batch", user_ids="ou_emulator0001_alice")["items"]
    assert set(user) == ALWAYS | fields
    assert user == same


def test_reading_users_needs_a_scope(api: Api, lark: Emulator) -> None:
    lark.change_app(scopes=["contact:contact:readonly"])  # enough for one, not for many
    assert api("GET", f"{USERS}/ou_emulator0001_alice")["code"] == 0
    assert api("GET", f"{USERS}/batch", user_ids="ou_emulator0001_alice")["code"] == 99991672


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "user_ids"),
        ({"user_ids": [f"ou_{number}" for number in range(51)]}, "user_ids"),
        ({"user_ids": "x", "user_id_type": "lark_id"}, "user_id_type"),
        ({"user_ids": "x", "department_id_type": "x"}, "department_id_type"),
    ],
)
def test_bad_batches_are_violations(api: Api, query: dict[str, Any], field: str) -> None:
    answer = api("GET", f"{USERS}/batch", **query)
    assert (answer["code"], answer["error"]["field_violations"][0]["field"]) == (99992402, field)


def test_fifty_users_at_once_in_the_order_asked_for(api: Api, lark: Emulator) -> None:
    for number in range(50):
        lark.add_user(f"u{number}")
    user_ids = [f"u{number}" for number in reversed(range(50))]
    users = api.data("GET", f"{USERS}/batch", user_ids=user_ids, user_id_type="user_id")["items"]
    assert [user["user_id"] for user in users] == user_ids


def test_unknown_ids_are_named_or_answered_by_the_endpoint(api: Api, lark: Emulator) -> None:
    known, unknown = "ou_emulator0001_alice", "ou_emulator0001_nobody"
    many = api("GET", f"{USERS}/batch", user_ids=[known, unknown])
    assert (many["code"], unknown in many["msg"], known in many["msg"]) == (99992351, True, False)
    lark.settings(unknown_user_ids="endpoint")
    assert api("GET", f"{USERS}/{unknown}")["code"] == 41012
    users = api.data("GET", f"{USERS}/batch", user_ids=[known, unknown])["items"]
    assert [user["open_id"] for user in users] == [known]


def test_ids_of_another_app_are_refused(api: Api, lark: Emulator) -> None:
    lark.add_app("cli_other")
    for path, query in ((f"{USERS}/ou_other_alice", {}), (f"{USERS}/batch", {"user_ids": "ou_other_alice"})):
        assert api("GET", path, **query)["code"] == 99992361


def test_store_apps_know_no_user_ids(lark: Emulator) -> None:
    app = lark.add_app("cli_store", store=True, tenant_keys=["a"])
    api = Api(lark)
    ticket = api(
        "POST", "/auth/v3/app_ticket/resend", {"app_id": "cli_store", "app_secret": app["app_secret"]}
    )
    assert ticket["code"] == 0
    body = {
        "app_id": "cli_store",
        "app_secret": app["app_secret"],
        "app_ticket": lark.state()["apps"][-1]["app_ticket"],
    }
    app_token = api("POST", "/auth/v3/app_access_token", body)["app_access_token"]
    body = {"app_access_token": app_token, "tenant_key": "a"}
    token = api("POST", "/auth/v3/tenant_access_token", body)["tenant_access_token"]
    api.http.headers["Authorization"] = f"Bearer {token}"
    assert find_ids(api, {"emails": ["alice@example.com"]}, user_id_type="user_id") == [None]
    assert "user_id" not in api.data("GET", f"{USERS}/ou_store_alice")["user"]
    assert api("GET", f"{USERS}/alice", user_id_type="user_id")["code"] == 99992360
    api.http.close()


def test_users_can_be_changed(api: Api, lark: Emulator) -> None:
    shown = lark.change_user("alice", mobile="+12025550100", name="Alice Liddell")
    assert (shown["mobile"], shown["name"], shown["email"]) == (
        "+12025550100",
        "Alice Liddell",
        "alice@example.com",
    )
    assert find_ids(api, {"mobiles": ["+12025550100", "13800000001"]}) == ["ou_emulator0001_alice", None]
    assert lark.change_user("alice", email="")["email"] == ""
    assert find_ids(api, {"emails": ["alice@example.com", ""]}) == [None, None]
    for changes in ({"status": "asleep"}, {"age": "7"}):
        with pytest.raises(ValueError, match=r"asleep|age"):
            lark.change_user("alice", **changes)

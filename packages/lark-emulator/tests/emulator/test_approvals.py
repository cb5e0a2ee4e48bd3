"""Native approvals: forms, steps, what is refused, and the events that tell of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.app_server import PATIENT, AppServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

WIDGETS: list[dict[str, Any]] = [
    {"id": "text", "custom_id": "why", "type": "input", "name": "Reason", "required": True},
    {"id": "count", "type": "number", "name": "Count"},
    {
        "id": "env",
        "type": "radioV2",
        "name": "Environment",
        "option": [{"value": "k1", "text": "Production"}, {"value": "k2", "text": "Staging"}],
    },
    {
        "id": "parts",
        "type": "checkboxV2",
        "name": "Parts",
        "option": [{"value": "p1", "text": "API"}, {"value": "p2", "text": "Web"}],
    },
    {"id": "phone", "type": "telephone", "name": "Phone"},
    {"id": "span", "type": "dateInterval", "name": "Span"},
    {"id": "nr", "type": "serialNumber", "name": "Number"},
    {
        "id": "rows",
        "type": "fieldList",
        "name": "Rows",
        "children": [{"id": "item", "type": "input", "name": "Item"}],
    },
]


def define(lark: Emulator, node_type: str = "AND", people: tuple[str, ...] = ("bob",), **more: Any) -> str:
    nodes = [{"node_type": node_type, "approvers": list(people), "name": "Lead"}]
    return lark.add_approval("Deploy", form=WIDGETS, nodes=nodes, **more)


def ask(api: Api, code: str, *widgets: dict[str, Any], **more: Any) -> Any:
    form = json.dumps(list(widgets))
    return api(
        "POST", "/approval/v4/instances", {"approval_code": code, "user_id": "alice", "form": form, **more}
    )


def test_values_go_in_and_come_out_in_other_shapes(lark: Emulator, api: Api) -> None:
    answer = ask(
        api,
        define(lark),
        {"id": "why", "type": "input", "value": "because"},
        {"id": "env", "type": "radioV2", "value": "k1"},
        {"id": "parts", "type": "checkboxV2", "value": ["p2", "p1"]},
        {
            "id": "phone",
            "type": "telephone",
            "value": {"countryCode": "+86", "nationalNumber": "13800000000"},
        },
        {"id": "rows", "type": "fieldList", "value": [[{"id": "item", "type": "input", "value": "a"}]]},
    )
    instance = answer["data"]["instance_code"]
    form = json.loads(api.data("GET", f"/approval/v4/instances/{instance}")["form"])
    assert {widget["id"]: widget["value"] for widget in form if widget["id"] != "rows"} == {
        "text": "because",
        "env": "Production",
        "parts": ["Web", "API"],
        "phone": {"country_code": "+86", "national_number": "13800000000"},
    }
    assert form[-1]["value"][0][0]["name"] == "Item"


@pytest.mark.parametrize(
    ("widget", "named"),
    [
        ({"id": "none", "type": "input", "value": "x"}, "none"),
        ({"id": "text", "type": "textarea", "value": "x"}, "text"),
        ({"id": "text", "type": "input"}, "text"),
        ({"id": "text", "type": "input", "value": 5}, "text"),
        ({"id": "count", "type": "number", "value": "5"}, "count"),
        ({"id": "env", "type": "radioV2", "value": "Production"}, "env"),
        ({"id": "parts", "type": "checkboxV2", "value": ["none"]}, "parts"),
        ({"id": "phone", "type": "telephone", "value": {"country_code": "+86"}}, "phone"),
        ({"id": "span", "type": "dateInterval", "value": {"start": "2026-01-01T00:00:00Z"}}, "span"),
        ({"id": "nr", "type": "serialNumber", "value": "1"}, "nr"),
        ({"id": "rows", "type": "fieldList", "value": [[{"id": "x", "type": "input", "value": ""}]]}, "x"),
    ],
)
def test_a_widget_that_is_refused_is_named(
    lark: Emulator, api: Api, widget: dict[str, Any], named: str
) -> None:
    answer = ask(api, define(lark), widget)
    assert (answer["code"], answer["http"]) == (1390001, 400)
    assert f"控件={named} " in answer["msg"]
    assert lark.approvals()["instances"] == []


@pytest.mark.parametrize("status", [400, 200])
def test_a_uuid_is_used_once_in_the_tenant(lark: Emulator, api: Api, status: int) -> None:
    lark.settings(approval_uuid_status=str(status))
    code = define(lark)
    first = ask(api, code, uuid="Run-1")["data"]["instance_code"]
    again = ask(api, code, uuid="rUN-1")
    assert (again["code"], again["http"]) == (60012, status)
    assert api.data("GET", "/approval/v4/instances/RUN-1")["instance_code"] == first


@pytest.mark.parametrize(
    ("node_type", "decisions", "tasks", "status"),
    [
        ("AND", ["approve"], ["APPROVED", "PENDING"], "PENDING"),
        ("AND", ["approve", "approve"], ["APPROVED", "APPROVED"], "APPROVED"),
        ("AND", ["approve", "reject"], ["APPROVED", "REJECTED"], "REJECTED"),
        ("AND", ["reject"], ["REJECTED", "DONE"], "REJECTED"),
        ("OR", ["approve"], ["APPROVED", "DONE"], "APPROVED"),
        ("OR", ["reject"], ["REJECTED", "DONE"], "REJECTED"),
        ("SEQUENTIAL", [], ["PENDING"], "PENDING"),
        ("SEQUENTIAL", ["approve"], ["APPROVED", "PENDING"], "PENDING"),
        ("SEQUENTIAL", ["approve", "approve"], ["APPROVED", "APPROVED"], "APPROVED"),
        ("AND", ["withdraw"], ["DONE", "DONE"], "CANCELED"),
        ("AND", ["delete"], ["DONE", "DONE"], "DELETED"),
    ],
)
def test_steps(
    lark: Emulator, api: Api, node_type: str, decisions: list[str], tasks: list[str], status: str
) -> None:
    instance = ask(api, define(lark, node_type, ("bob", "carol")))["data"]["instance_code"]
    for decision in decisions:
        lark.decide_approval(instance, decision)
    read = api.data("GET", f"/approval/v4/instances/{instance}")
    assert ([task["status"] for task in read["task_list"]], read["status"]) == (tasks, status)
    assert (read["end_time"] == "0") == (status == "PENDING")


def test_a_task_is_decided_once_and_by_its_person(lark: Emulator, api: Api) -> None:
    code = define(lark)
    instance = ask(api, code)["data"]["instance_code"]
    (task,) = api.data("GET", f"/approval/v4/instances/{instance}")["task_list"]
    body = {"approval_code": code, "instance_code": instance, "task_id": task["id"]}

    def approve(who: str) -> int:
        path = "/approval/v4/tasks/approve"
        return int(api("POST", path, {**body, "user_id": who}, user_id_type="user_id")["code"])

    assert [approve(who) for who in ("carol", "nobody", "bob", "bob")] == [1390009, 1390004, 0, 1390010]


def test_a_task_sends_an_instance_back_to_a_step_that_was_passed(lark: Emulator, api: Api) -> None:
    people = (("bob", "SEQUENTIAL"), ("carol", "AND"), ("alice", "AND"))
    nodes = [
        {"node_type": kind, "approvers": [who, "carol"] if kind == "SEQUENTIAL" else [who], "name": who}
        for who, kind in people
    ]
    code = lark.add_approval("Deploy", form=WIDGETS, nodes=nodes)
    instance = ask(api, code)["data"]["instance_code"]

    def read() -> Any:
        return api.data("GET", f"/approval/v4/instances/{instance}", user_id_type="user_id")

    def pending() -> list[tuple[str, str]]:
        return [
            (task["user_id"], task["node_name"])
            for task in read()["task_list"]
            if task["status"] == "PENDING"
        ]

    def back(*keys: str, who: str = "alice", **changes: Any) -> int:
        (task,) = (candidate for candidate in read()["task_list"] if candidate["status"] == "PENDING")
        body = {"user_id": who, "task_id": int(task["id"]), "task_def_key_list": list(keys), **changes}
        path = "/approval/v4/instances/specified_rollback"
        return int(api("POST", path, body, user_id_type="user_id")["code"])

    for _ in range(3):
        lark.decide_approval(instance)
    first, second, third = (task["node_id"] for task in read()["task_list"][1:])
    assert (first, second) != (second, third)
    assert back() == back(third) == back("nonsense") == 1390001
    assert (back(second, who="bob"), back(second, task_id="1")) == (1390009, 1390010)
    assert pending() == [("alice", "alice")]
    assert back(second, reason="once more") == 0
    assert pending() == [("carol", "carol")]
    entry = read()["timeline"][-1]
    assert (entry["type"], entry["comment"]) == ("ROLLBACK_SELECTED", "once more")
    lark.decide_approval(instance)
    assert back(second, first) == 0
    assert pending() == [("bob", "bob")]
    for _ in range(3):  # the first step is decided by both of its people again
        lark.decide_approval(instance)
    assert pending() == [("alice", "alice")]
    assert back("START") == 0
    assert pending() == [("alice", "Submit")]


def test_who_may_withdraw_and_how_long(lark: Emulator, api: Api) -> None:
    code = define(lark, revert_s=60, may_withdraw=False)
    instance = ask(api, code)["data"]["instance_code"]
    body = {"approval_code": code, "instance_code": instance, "user_id": "alice"}

    def cancel(**changes: str) -> Any:
        answer = api("POST", "/approval/v4/instances/cancel", body | changes, user_id_type="user_id")
        return answer["code"]

    assert cancel() == cancel(user_id="bob") == 1390009
    lark.decide_approval(instance)
    assert cancel() == 0
    read = api.data("GET", f"/approval/v4/instances/{instance}")
    assert (read["status"], read["reverted"]) == ("CANCELED", True)
    assert cancel() == 1390009


def test_what_is_not_there_or_not_open(lark: Emulator, api: Api) -> None:
    code = define(lark)
    assert ask(api, "NONE")["code"] == 1390002
    assert api("GET", "/approval/v4/instances/none")["code"] == 1390003
    assert ask(api, code, user_id="nobody")["code"] == 1390004
    for status, refused in (("INACTIVE", 1390015), ("DELETED", 1390016)):
        lark.change_approval(code, status=status)
        assert ask(api, code)["code"] == refused
    lark.change_approval(code, visible_to=[])
    assert api("GET", f"/approval/v4/approvals/{code}")["code"] == 60009


def test_lists_and_a_late_query(lark: Emulator, api: Api) -> None:
    lark.settings(approval_query_lag_s=60, approval_list_span="refused")
    code = define(lark)
    first = ask(api, code)["data"]["instance_code"]
    lark.decide_approval(first)
    start = int(lark.state(summary=True)["now"] * 1000) - 5000
    span = {"approval_code": code, "start_time": start, "end_time": start + 10_000}
    assert api.data("GET", "/approval/v4/instances", **span)["instance_code_list"] == [first]
    long = {**span, "end_time": start + 11 * 3_600_000}
    assert api("GET", "/approval/v4/instances", **long)["code"] == 1390001

    def list_statuses() -> list[str]:
        data = api.data("POST", "/approval/v4/instances/query", {"approval_code": code})
        return [entry["instance"]["status"] for entry in data["instance_list"]]

    assert list_statuses() == []
    lark.advance(61)
    assert list_statuses() == ["approved"]
    lark.decide_approval(first, "revert")
    lark.advance(61)
    assert list_statuses() == []


@pytest.fixture
def app(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as server:
        lark.set_callback("", event_url=server.url, verification_token="vt")
        server.received.clear()
        yield server


def list_events(app: AppServer) -> list[tuple[str, str]]:
    events = [came.json["event"] for came in app.received]
    return [(event["type"].removeprefix("approval_"), event["status"]) for event in events]


def subscribe(api: Api, code: str, verb: str = "subscribe") -> int:
    return int(api("POST", f"/approval/v4/approvals/{code}/{verb}")["code"])


def test_events_come_in_order_and_only_after_a_subscription(lark: Emulator, api: Api, app: AppServer) -> None:
    code = define(lark, "AND", ("bob", "carol"))
    ask(api, code)
    lark.advance(0)
    assert list_events(app) == []
    assert [subscribe(api, code) for _ in range(2)] == [0, 1390007]
    instance = ask(api, code, uuid="run-1")["data"]["instance_code"]
    lark.decide_approval(instance, user_id="bob")
    lark.decide_approval(instance, "transfer", user_id="carol", to="alice")
    lark.decide_approval(instance, user_id="alice")
    lark.decide_approval(instance, "revert")
    lark.advance(0)
    assert list_events(app) == [
        ("instance", "PENDING"),
        *[("task", word) for word in ("PENDING", "PENDING", "APPROVED", "TRANSFERRED", "PENDING")],
        *[("task", "APPROVED"), ("instance", "APPROVED"), ("instance", "REVERTED")],
    ]
    first, last = app.received[0].json, app.received[-1].json["event"]
    assert first["event"]["uuid"] == "run-1" != first["uuid"]
    assert isinstance(first["event"]["operate_time"], str)
    assert isinstance(last["operate_time"], int)
    assert [subscribe(api, code, "unsubscribe") for _ in range(2)] == [0, 1390007]


def test_an_event_that_is_not_acknowledged_blocks_those_of_its_instance(
    lark: Emulator, api: Api, app: AppServer
) -> None:
    code = define(lark)
    subscribe(api, code)
    app.answer_with({}, status=500)
    stuck = ask(api, code)["data"]["instance_code"]
    lark.advance(0)
    app.answer_with({})
    lark.decide_approval(stuck)
    lark.advance(1)
    assert list_events(app) == [("instance", "PENDING")]
    other = ask(api, code)["data"]["instance_code"]
    lark.advance(1)
    assert [came.json["event"]["instance_code"] for came in app.received] == [stuck, other, other]
    lark.advance(14)
    assert list_events(app)[3:] == [
        *[("instance", "PENDING"), ("task", "PENDING"), ("task", "APPROVED"), ("instance", "APPROVED")]
    ]


def test_events_in_reverse_doubled_late_or_lost(lark: Emulator, api: Api, app: AppServer) -> None:
    code = define(lark)
    subscribe(api, code)
    lark.settings(approval_events="reversed", approval_event_copies=2, approval_event_delay_s=10)
    ask(api, code)
    lark.advance(9)
    assert list_events(app) == []
    lark.advance(2)
    assert sorted(list_events(app)) == [("instance", "PENDING")] * 2 + [("task", "PENDING")] * 2
    app.received.clear()
    lark.settings(approval_events="lost")
    ask(api, code)
    lark.advance(60)
    assert list_events(app) == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"form": [{"id": "x"}]}, "needs an 'id' and a 'type'"),
        ({"nodes": [{"node_type": "XOR"}]}, "'node_type' must be one of"),
        ({"nodes": [{"approvers": ["nobody"]}]}, "no user 'nobody'"),
        ({"status": "OFF"}, "'status' must be one of"),
        ({"revert_s": -1}, "'revert_s' must be"),
    ],
)
def test_definitions_that_cannot_be_added(lark: Emulator, spec: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        lark.add_approval("Deploy", **spec)
    assert lark.approvals()["definitions"] == []


def test_decisions_that_cannot_be_made(lark: Emulator, api: Api) -> None:
    instance = ask(api, define(lark))["data"]["instance_code"]
    for spec, text in (
        ({"instance": "none"}, "no instance 'none'"),
        ({"instance": instance, "decision": "think"}, "'decision' must be one of"),
        ({"instance": instance, "user_id": "carol"}, "has no pending task of carol"),
        ({"instance": instance, "decision": "revert"}, "is PENDING, not APPROVED"),
    ):
        with pytest.raises(ValueError, match=text):
            lark.decide_approval(**spec)

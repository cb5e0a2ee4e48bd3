"""Native approvals over HTTP: asked for once, read, listed, withdrawn, commented."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.approval import Instance, Status
from lark_provider.api.approval.instances import list_instances
from lark_provider.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from lark_provider.protocol.calls import LarkResponse
from lark_provider.protocol.effects import Now
from tests.client.conftest import Do, count

CREATE = "POST /open-apis/approval/v4/instances"
LIST = "GET /open-apis/approval/v4/instances"
ALICE, BOB, CAROL = (f"ou_emulator0001_{who}" for who in ("alice", "bob", "carol"))
CHINA = dt.timezone(dt.timedelta(hours=8))
MORNING = dt.datetime(2026, 1, 31, 8, 0, tzinfo=CHINA)


def widget(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"widget_{kind}", "custom_id": f"my_{kind}", "type": kind, "name": name, **more}


OPTIONS = [{"value": "k1", "text": "Production"}, {"value": "k2", "text": "Staging"}]
FORM = [
    widget("input", "Reason", required=True),
    widget("textarea", "Details"),
    widget("number", "Count"),
    widget("amount", "Price", option=[{"value": "CNY", "text": "CNY"}]),
    widget("date", "Day"),
    widget("dateInterval", "Window"),
    widget("radioV2", "Environment", option=OPTIONS),
    widget("checkboxV2", "Systems", option=OPTIONS),
    widget("contact", "People"),
    widget("department", "Department"),
    widget("connect", "Earlier"),
    widget("document", "Plan"),
    widget("attachmentV2", "Files"),
    widget("imageV2", "Pictures"),
    widget("telephone", "Phone"),
    widget("address", "Address"),
    widget("fieldList", "Steps", children=[widget("input", "Step"), widget("number", "Minutes")]),
    widget("serialNumber", "Number"),
]


@pytest.fixture
def code(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    nodes = [{"node_type": "AND", "approvers": ["bob"], "name": "Lead"}]
    return lark.add_approval("Deploy", form=FORM, nodes=nodes)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("Reason", "because", "because"),
        ("Details", "two\nlines", "two\nlines"),
        ("Count", 2.5, 2.5),
        ("Price", 12, (12, "CNY")),
        ("Price", (12.5, "CNY"), (12.5, "CNY")),
        ("Day", MORNING, MORNING),
        ("Day", dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, tzinfo=CHINA)),
        ("Day", "2026-01-31T08:00:00+08:00", MORNING),
        ("Window", (MORNING, MORNING + dt.timedelta(1)), (MORNING, MORNING + dt.timedelta(1))),
        ("Environment", "Staging", "Staging"),
        ("Environment", "k1", "Production"),
        ("Systems", ["Staging", "k1"], ["Staging", "Production"]),
        ("People", [ALICE, BOB], [ALICE, BOB]),
        ("Department", "od-1", [{"open_id": "od-1"}]),
        ("Earlier", ["CODE"], ["CODE"]),
        ("Files", ["c1"], ["https://emulator.invalid/approval/c1"]),
        ("Pictures", "c2", ["https://emulator.invalid/approval/c2"]),
        ("Phone", ("+86", "13800000000"), ("+86", "13800000000")),
        ("Address", [{"id": "110000", "detailAddress": "Road 1"}], "110000/Road 1"),
        ("Steps", [{"Step": "a", "Minutes": 3}, {"Step": "b"}], [{"Step": "a", "Minutes": 3}, {"Step": "b"}]),
    ],
)
def test_values_both_ways(code: str, name: str, value: Any, read: Any) -> None:
    with LarkServiceClient() as client:
        instance = client.approval.create_instance(code, {name: value}, submitter=ALICE, zone="Asia/Shanghai")
    assert instance.form == {name: read}


def test_an_approval_from_its_definition_to_its_end(lark: Emulator, do: Do, code: str) -> None:
    definition = do(lambda c: c.approval.get_definition(code))
    assert (definition.name, definition.status, definition.nodes[0].name) == ("Deploy", "ACTIVE", "Lead")
    instance = do(lambda c: c.approval.create_instance(code, {"my_input": "because"}, submitter="alice"))
    assert (instance.status, instance.is_final, instance.open_id) == (Status.PENDING, False, ALICE)
    assert [(task.open_id, task.status, task.ended_at) for task in instance.tasks] == [(BOB, "PENDING", None)]
    lark.decide_approval(instance.code, comment="fine")
    ended = do(lambda c: c.approval.get_instance(instance.uuid.upper()))
    assert (ended.code, ended.status, ended.is_final) == (instance.code, Status.APPROVED, True)
    assert ended.value("my_input") == ended.value("Reason") == "because"
    assert ended.started_at <= ended.ended_at <= dt.datetime.now(dt.UTC)
    lark.decide_approval(instance.code, "revert")
    reverted = do(lambda c: c.approval.get_instance(instance.code))
    assert (reverted.status, reverted.is_reverted) == (Status.CANCELED, True)


@pytest.mark.parametrize(
    "submitter", ["alice", ALICE, "on_emulator_alice", "alice@example.com", "+8613800000001"]
)
def test_who_asks_is_named_by_any_id(code: str, submitter: str) -> None:
    with LarkServiceClient() as client:
        assert client.approval.create_instance(code, {}, submitter=submitter).open_id == ALICE


def test_people_of_steps_are_named_by_any_id_and_steps_by_their_names(lark: Emulator, do: Do) -> None:
    nodes = [
        {"node_type": "AND", "name": "Peers", "need_approver": True},
        {"node_type": "OR", "name": "Lead", "custom_node_id": "lead", "need_approver": True},
    ]
    code = lark.add_approval("Deploy", form=FORM, nodes=nodes)
    people = {"Peers": ["bob", "carol@example.com"], "lead": "alice"}
    instance = do(lambda c: c.approval.create_instance(code, {}, submitter="alice", approvers=people))
    assert [task.open_id for task in instance.tasks] == [BOB, CAROL]
    with pytest.raises(InvalidRequestError, match=r"no step 'Boss'.*Next: use one of .*\(Peers\)"):
        do(lambda c: c.approval.create_instance(code, {}, submitter="alice", approvers={"Boss": ["bob"]}))


def read_instances(lark: Emulator) -> list[dict[str, Any]]:
    return list(lark.approvals()["instances"])


@pytest.mark.parametrize("status", ["400", "200"])
def test_a_key_gives_the_same_instance(lark: Emulator, do: Do, code: str, status: str) -> None:
    lark.settings(approval_uuid_status=status)

    def ask() -> Instance:
        instance: Instance = do(
            lambda c: c.approval.create_instance(code, {}, submitter=ALICE, idempotency_key="run 1")
        )
        return instance

    first = ask()
    lark.decide_approval(first.code)
    again = ask()
    assert (again.code, again.status) == (first.code, Status.APPROVED)
    assert len(read_instances(lark)) == 1


def test_a_key_names_one_request(lark: Emulator, do: Do, code: str) -> None:
    other = lark.add_approval("Other", form=FORM, nodes=[])

    def ask(of: str, who: str) -> Any:
        return do(lambda c: c.approval.create_instance(of, {}, submitter=who, idempotency_key="run 1"))

    ask(code, ALICE)
    for of, who in ((other, ALICE), (code, BOB)):
        with pytest.raises(ConflictError, match="another definition or another person"):
            ask(of, who)
    assert len(read_instances(lark)) == 1


@pytest.mark.parametrize("drop", ["after", "before"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_answer_creates_one_instance(lark: Emulator, do: Do, code: str, drop: str, times: int) -> None:
    lark.fault("POST", "/open-apis/approval/v4/instances", drop=drop, times=times)
    instance = do(lambda c: c.approval.create_instance(code, {}, submitter=ALICE))
    assert [stored["code"] for stored in read_instances(lark)] == [instance.code]


def test_an_overload_is_read_before_it_is_asked_again(lark: Emulator, do: Do, code: str) -> None:
    lark.fault(
        "POST",
        "/open-apis/approval/v4/instances",
        status=400,
        code=1395001,
        msg="There have been some errors",
    )
    instance = do(lambda c: c.approval.create_instance(code, {}, submitter=ALICE))
    assert [stored["code"] for stored in read_instances(lark)] == [instance.code]


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"status": 400, "code": 1390003, "msg": "gone"}])
def test_an_instance_that_cannot_be_read_after_its_creation_is_named(
    lark: Emulator, do: Do, code: str, fault: dict[str, Any]
) -> None:
    lark.fault("GET", "/open-apis/approval/v4/instances/*", times=100, **fault)
    with pytest.raises(OutcomeUnknownError, match="was created, but could not be read") as caught:
        do(lambda c: c.approval.create_instance(code, {}, submitter=ALICE), deadline=3)
    (stored,) = read_instances(lark)
    assert f"get_instance({stored['code']!r})" in str(caught.value)
    assert str(caught.value).count("Next:") == 1
    assert caught.value.__cause__ is not None


def test_an_instance_that_cannot_be_looked_up_after_a_lost_answer_is_named_by_its_uuid(
    lark: Emulator, do: Do, code: str
) -> None:
    lark.fault("POST", "/open-apis/approval/v4/instances", drop="after", times=1)
    lark.fault("GET", "/open-apis/approval/v4/instances/*", drop="before", times=100)
    with pytest.raises(OutcomeUnknownError, match="may have been created, but could not be read") as caught:
        do(lambda c: c.approval.create_instance(code, {}, submitter=ALICE), deadline=3)
    (stored,) = read_instances(lark)
    assert f"get_instance({stored['uuid']!r})" in str(caught.value)


def test_two_at_once_create_one_instance(lark: Emulator, code: str) -> None:
    def ask(_: int) -> str:
        with LarkServiceClient() as client:
            instance = client.approval.create_instance(code, {}, submitter=ALICE, idempotency_key="run 1")
            return instance.code

    with ThreadPoolExecutor(4) as pool:
        codes = set(pool.map(ask, range(4)))
    assert codes == {stored["code"] for stored in read_instances(lark)}
    assert len(codes) == 1


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"None": 1}, "has no field 'None'.*Next: use one of widget_input"),
        ({"Count": "5"}, r"Field 'Count' of the form of approval 'Deploy' must be a finite number, got '5'"),
        ({"Environment": "Test"}, "must be one of Production, Staging"),
        ({"Price": (1, "EUR")}, "must have one of the currencies CNY"),
        ({"Day": dt.datetime(2026, 1, 1)}, "must have a time zone"),  # noqa: DTZ001 - that is refused
        ({"Window": (MORNING, MORNING - dt.timedelta(1))}, "must not end before it starts"),
        ({"Phone": "+8613800000000"}, "must be a country code and a number"),
        ({"Number": "1"}, "is a serialNumber, which no request can fill in"),
        ({"Reason": "a", "my_input": "b"}, "must be named once"),
        ({"Steps": [{"Minutes": "x"}]}, "row 1 must be a finite number"),
        ("text", "form must be a dict"),
    ],
)
def test_a_form_that_does_not_fit_is_not_sent(
    lark: Emulator, do: Do, code: str, form: Any, text: str
) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        do(lambda c: c.approval.create_instance(code, form, submitter=ALICE))
    assert count(lark, CREATE) == 0


def test_lark_names_the_widget_of_a_raw_form(lark: Emulator, do: Do, code: str) -> None:
    raw = [{"id": "widget_number", "type": "number", "value": "5"}]
    with pytest.raises(InvalidRequestError, match="控件=widget_number"):
        do(lambda c: c.approval.create_instance(code, raw, submitter=ALICE))


def test_what_is_not_there(lark: Emulator, do: Do, code: str) -> None:
    with pytest.raises(NotFoundError):
        do(lambda c: c.approval.get_definition("NONE"))
    with pytest.raises(NotFoundError):
        do(lambda c: c.approval.get_instance("NONE"))
    with pytest.raises(NotFoundError):
        do(lambda c: c.approval.create_instance(code, {}, submitter="nobody"))
    lark.change_approval(code, visible_to=[])
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.approval.get_definition(code, max_age=0))


def test_a_subscription_is_made_and_ended_once(lark: Emulator, do: Do, code: str) -> None:
    assert [do(lambda c: c.approval.subscribe(code)) for _ in range(2)] == [True, False]
    assert lark.approvals()["subscriptions"] == [f"{lark.app_id} {code}"]
    assert [do(lambda c: c.approval.unsubscribe(code)) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_subscription_is_made_and_ended_although_the_answers_are_lost(
    lark: Emulator, do: Do, code: str, drop: str
) -> None:
    lark.fault("POST", "*/subscribe", drop=drop)
    assert do(lambda c: c.approval.subscribe(code)) is True
    assert lark.approvals()["subscriptions"] == [f"{lark.app_id} {code}"]
    lark.fault("POST", "*/unsubscribe", drop=drop)
    assert do(lambda c: c.approval.unsubscribe(code)) is True
    assert lark.approvals()["subscriptions"] == []


def test_instances_are_listed_ten_hours_at_a_time(lark: Emulator, do: Do, code: str) -> None:
    lark.settings(approval_list_span="refused")
    start = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    with LarkServiceClient() as client:
        codes = [client.approval.create_instance(code, {}, submitter=ALICE).code for _ in range(3)]
    end = start + dt.timedelta(hours=25)
    assert do(lambda c: _all(c.approval.list_instances(code, start, end))) == codes
    assert count(lark, LIST) == 3
    before = start - dt.timedelta(hours=12)
    assert do(lambda c: _all(c.approval.list_instances(code, before, start))) == []
    with pytest.raises(InvalidRequestError, match="start must be a datetime with a time zone"):
        do(lambda c: _all(c.approval.list_instances(code, dt.datetime(2026, 1, 1))))  # noqa: DTZ001


def test_a_listing_without_an_end_ends_now_by_the_clock_of_the_driver() -> None:
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    procedure = list_instances("CODE", start).page(None)
    assert next(procedure) == Now()
    call: Any = procedure.send((start + dt.timedelta(minutes=1)).timestamp())
    assert int(call.params["end_time"]) - int(call.params["start_time"]) == 60_000


def test_no_window_of_a_listing_is_longer_than_ten_hours_where_summer_time_ends() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start, end = dt.datetime(2026, 10, 24, 12, tzinfo=berlin), dt.datetime(2026, 10, 25, 12, tzinfo=berlin)
    listing, token, windows = list_instances("CODE", start, end), None, []
    while True:
        procedure = listing.page(token)
        call: Any = next(procedure)
        windows.append((int(call.params["start_time"]), int(call.params["end_time"])))
        with pytest.raises(StopIteration) as stopped:
            procedure.send(LarkResponse(0, "", {"instance_code_list": [], "has_more": False}, None))
        token = stopped.value.value.next_token
        if token is None:
            break
    hours = [round((ends - begins + 1) / 3_600_000, 3) for begins, ends in windows]
    assert hours == [10, 10, 5]
    assert [windows[0][0], windows[-1][1]] == [int(moment.timestamp() * 1000) for moment in (start, end)]
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(windows))


def _all(listing: Any) -> Any:
    return listing if hasattr(listing, "__aiter__") else list(listing)


def test_withdrawing(lark: Emulator, do: Do, code: str) -> None:
    def ask() -> Instance:
        instance: Instance = do(lambda c: c.approval.create_instance(code, {}, submitter="alice"))
        return instance

    running = ask()
    assert do(lambda c: c.approval.cancel_instance(running.code)).status == Status.CANCELED
    assert do(lambda c: c.approval.cancel_instance(running.code)).status == Status.CANCELED
    approved = ask()
    lark.decide_approval(approved.code)
    # An approved one would be reverted: that is not what withdrawing means.
    assert do(lambda c: c.approval.cancel_instance(approved.code)).status == Status.APPROVED
    lost = ask()
    lark.fault("POST", "*/instances/cancel", drop="after")
    assert do(lambda c: c.approval.cancel_instance(lost.uuid)).status == Status.CANCELED
    lark.change_approval(code, may_withdraw=False)
    kept = ask()
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.approval.cancel_instance(kept.code))


def test_comments(do: Do, code: str) -> None:
    instance = do(lambda c: c.approval.create_instance(code, {}, submitter="alice"))

    def comment(text: str, c: Any) -> Any:
        return c.approval.add_comment(instance.code, text, author="alice@example.com")

    ids = [do(partial(comment, text)) for text in ("why?", "why now?")]
    do(lambda c: c.approval.remove_comment(instance.code, ids[0], author="alice"))
    comments = do(lambda c: _all(c.approval.list_comments(instance.code, reader="alice")))
    assert [(posted.id, posted.text, posted.is_deleted) for posted in comments] == [
        (ids[0], "why?", True),
        (ids[1], "why now?", False),
    ]
    assert comments[0].author in (ALICE, "alice")
    with pytest.raises(InvalidRequestError, match="non-empty string"):
        do(lambda c: c.approval.add_comment(instance.code, " ", author="alice"))


def test_an_outcome_that_stays_unknown_says_so(lark: Emulator, code: str) -> None:
    lark.fault("POST", "/open-apis/approval/v4/instances", drop="before", times=100)
    with LarkServiceClient(deadline=3) as client, pytest.raises((OutcomeUnknownError, LarkAPIError)):
        client.approval.create_instance(code, [], submitter=ALICE)
    assert json.dumps(read_instances(lark)) == "[]"

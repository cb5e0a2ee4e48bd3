"""Departments, people, calendars, tasks: what Lark refuses, pages, and who may see what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator

DEPARTMENTS, USERS = "/contact/v3/departments", "/contact/v3/users"
CALENDARS, TASKS, LISTS = "/calendar/v4/calendars", "/task/v2/tasks", "/task/v2/tasklists"


def test_departments_have_their_refusals(api: Api, lark: Emulator) -> None:
    team = lark.add_department("Team", users=["alice"])
    where = f"{DEPARTMENTS}/{team['open_department_id']}"
    below = lark.add_department("Loads", parent=team["department_id"])
    assert api("GET", f"{DEPARTMENTS}/od-none")["code"] == 40015
    own_type = api("GET", f"{DEPARTMENTS}/{team['department_id']}", department_id_type="department_id")
    assert own_type["data"]["department"]["name"] == "Team"
    assert api("GET", f"{DEPARTMENTS}/0/children", page_size=51)["code"] == 40011
    assert api("GET", f"{DEPARTMENTS}/0/children", page_token="x")["code"] == 40012
    assert api("DELETE", where)["code"] == 43012
    assert api("DELETE", f"{DEPARTMENTS}/{below['open_department_id']}")["code"] == 0
    assert api("DELETE", where)["code"] == 43011
    assert api("DELETE", f"{DEPARTMENTS}/0")["code"] == 40002
    assert api("POST", DEPARTMENTS, {"name": "Team", "parent_department_id": "0"})["code"] == 43022
    assert api("POST", DEPARTMENTS, {"name": "X"})["code"] == 44101
    assert api("POST", DEPARTMENTS, {"parent_department_id": "0"})["code"] == 40018
    assert api("PATCH", where, {"parent_department_id": team["open_department_id"]})["code"] == 40018
    lark.change_app(available_to=["bob"])
    assert (api("GET", where)["code"], api("GET", where)["http"]) == (40004, 403)
    assert api.data("GET", f"{DEPARTMENTS}/0/children")["items"] == []


def test_a_repeated_token_of_what_was_deleted_makes_it_again(api: Api) -> None:
    team = {"name": "Team", "parent_department_id": "0"}
    departments = [api.data("POST", DEPARTMENTS, team, client_token="t")["department"] for _ in range(2)]
    first, again = (department["open_department_id"] for department in departments)
    assert first == again
    api.data("DELETE", f"{DEPARTMENTS}/{first}")
    later = api.data("POST", DEPARTMENTS, team, client_token="t")["department"]["open_department_id"]
    assert later != first


def test_people_come_in_pages_of_their_department(api: Api, lark: Emulator) -> None:
    team = lark.add_department("Team", users=["alice", "bob"])
    query = {"department_id": team["open_department_id"], "page_size": 1}
    first = api.data("GET", f"{USERS}/find_by_department", **query)
    rest = api.data("GET", f"{USERS}/find_by_department", **query, page_token=first["page_token"])
    assert [part["items"][0]["user_id"] for part in (first, rest)] == ["alice", "bob"]
    assert api("GET", f"{USERS}/find_by_department")["code"] == 99992402
    assert api("GET", f"{USERS}/find_by_department", department_id="0", page_size=0)["code"] == 40011
    lark.change_user("alice", status="resigned")
    left = api.data("GET", f"{USERS}/find_by_department", department_id=team["open_department_id"])["items"]
    assert [user["user_id"] for user in left] == ["bob"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ""}, 41006),
        ({"mobile": None}, 41010),
        ({"mobile": "13800000001"}, 41001),
        ({"email": "alice@example.com"}, 41002),
        ({"user_id": "alice"}, 41011),
        ({"department_ids": []}, 41017),
        ({"department_ids": ["od-none"]}, 40015),
        ({"gender": 9}, 99992402),
        ({"leader_user_id": "nobody"}, 41012),
    ],
)
def test_people_who_are_not_hired(api: Api, lark: Emulator, changes: Any, code: int) -> None:
    body = {"name": "Dan", "mobile": "+8613900000009", "department_ids": ["0"], "employee_type": 1}
    query = {"user_id_type": "user_id"}
    assert api("POST", USERS, {**body, **changes}, **query)["code"] == code
    assert len(lark.state()["users"]) == 3
    assert api("POST", USERS, body, **query, client_token="t")["code"] == 0
    assert api("POST", USERS, body, **query, client_token="t")["code"] == 0
    assert len(lark.state()["users"]) == 4


def test_who_is_let_go_leaves_the_groups(api: Api, lark: Emulator) -> None:
    api.data("DELETE", f"{USERS}/bob", user_id_type="user_id")
    assert lark.state()["chats"][0]["users"] == ["alice", "carol"]
    assert api.send("bob")["code"] == 230029


def test_calendars_are_those_of_their_owner(api: Api, stranger: Api, lark: Emulator) -> None:
    calendar = api.data("POST", CALENDARS, {"summary": "Mine"})["calendar"]
    where = f"{CALENDARS}/{calendar['calendar_id']}"
    assert stranger.data("GET", where)["role"] == "free_busy_reader"
    assert stranger("GET", f"{where}/events")["code"] == stranger("PATCH", where, {})["code"] == 191002
    api.data("PATCH", where, {"permissions": "public"})
    assert stranger("GET", f"{where}/events")["code"] == 0
    api.data("PATCH", where, {"permissions": "private"})
    assert stranger("GET", where)["code"] == 191002
    assert api("GET", f"{CALENDARS}/nonsense")["code"] == 191001
    assert api("GET", f"{CALENDARS}/x@group.calendar.feishu.cn")["http"] == 404
    assert api("DELETE", f"{CALENDARS}/primary")["code"] == 191004
    assert api("GET", CALENDARS, page_size=10)["code"] == 99992402
    assert api("POST", CALENDARS, {"color": 2**31})["code"] == 190002
    assert api("POST", CALENDARS, {"summary": "x" * 256})["code"] == 99992402
    assert api("POST", f"{CALENDARS}/primary", user_id_type="user_id")["code"] == 190002
    api.data("DELETE", where)
    assert api("GET", where)["code"] == 191003
    lark.change_app(bot=False)
    assert (api("GET", CALENDARS)["code"], api("GET", CALENDARS)["http"]) == (190007, 404)


AT = {"start_time": {"timestamp": "1795690800"}, "end_time": {"timestamp": "1795694400"}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**AT, "end_time": {"timestamp": "1"}},
        {**AT, "start_time": {"timestamp": "1", "date": "2026-11-26"}},
        {**AT, "start_time": {"date": "2026-11-26"}},
        {**AT, "start_time": {"timestamp": 1795690800}},
        {"start_time": {"date": "2026-13-01"}, "end_time": {"date": "2026-13-02"}},
    ],
)
def test_events_without_a_time(api: Api, lark: Emulator, body: Any) -> None:
    assert api("POST", f"{CALENDARS}/primary/events", body)["code"] == 190002
    assert lark.state()["calendars"][0]["events"] == []


def test_events_and_attendees_have_their_refusals(api: Api, lark: Emulator) -> None:
    events = f"{CALENDARS}/primary/events"
    first = api.data("POST", events, AT, idempotency_key="k" * 32)["event"]
    assert api.data("POST", events, AT, idempotency_key="k" * 32)["event"] == first
    assert api("POST", events, AT, idempotency_key="short")["code"] == 190002
    where = f"{events}/{first['event_id']}"
    assert api("GET", f"{events}/none_0")["code"] == 193001
    people = [{"type": "user", "user_id": "ou_emulator0001_bob"}]
    (bob,) = api.data("POST", f"{where}/attendees", {"attendees": people * 2})["attendees"]
    assert api("POST", f"{where}/attendees", {"attendees": [{"type": "cat"}]})["code"] == 194004
    unknown = [{"type": "user", "user_id": "ou_emulator0001_nobody"}]
    assert api("POST", f"{where}/attendees", {"attendees": unknown})["code"] == 195100
    delete = f"{where}/attendees/batch_delete"
    assert api("POST", delete, {"attendee_ids": ["none"]})["code"] == 194000
    assert api("POST", delete, {})["code"] == 190002
    assert api("POST", delete, {"attendee_ids": [bob["attendee_id"]]})["code"] == 0
    api.data("DELETE", where)
    assert api("GET", where)["code"] == 193003


def view(api: Api, where: str, start: int, end: int) -> list[dict[str, Any]]:
    data = api.data("GET", f"{where}/instance_view", start_time=str(start), end_time=str(end))
    return list(data["items"])


def test_recurring_events_are_shown_one_by_one(api: Api, lark: Emulator) -> None:
    where = f"{CALENDARS}/primary/events"
    monday = 1795395600  # 2026-11-23, 09:00 in Shanghai
    day, week = 86_400, 604_800
    times = {name: {"timestamp": str(monday + add)} for name, add in (("start_time", 0), ("end_time", 3600))}
    rule = {"recurrence": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;COUNT=5"}
    series = api.data("POST", where, times | rule)["event"]
    uid = series["event_id"].removesuffix("_0")
    begins = [monday, monday + day, monday + 2 * week, monday + 2 * week + day, monday + 4 * week]
    shown = view(api, where, monday - week, monday - week + 39 * day)
    assert [event["event_id"] for event in shown] == [f"{uid}_{begin}" for begin in begins]
    assert {event["recurring_event_id"] for event in shown} == {series["event_id"]}
    assert shown[2]["start_time"]["timestamp"] == str(begins[2])
    assert "recurrence" not in shown[0]
    assert len(view(api, where, monday + 3599, monday + 3601)) == 1
    assert view(api, where, monday + 3600, monday + 3601) == []
    people = [{"type": "user", "user_id": "ou_emulator0001_bob"}]
    api.data("POST", f"{where}/{series['event_id']}/attendees", {"attendees": people})
    listed = api.data("GET", f"{where}/{shown[3]['event_id']}/attendees")["items"]
    assert [attendee["user_id"] for attendee in listed] == ["ou_emulator0001_bob"]
    assert api("POST", f"{where}/{shown[3]['event_id']}/attendees", {"attendees": people})["code"] == 193001


@pytest.mark.parametrize(
    ("rule", "dates"),
    [
        ("", ["23"]),
        ("FREQ=DAILY;UNTIL=20261126T000000Z", ["23", "24", "25", "26"]),
        ("RRULE:FREQ=DAILY;INTERVAL=3", ["23", "26", "29"]),
        ("FREQ=MONTHLY", ["23"]),
        ("FREQ=DAILY;INTERVAL=0", ["23"]),
        ("nonsense", ["23"]),
    ],
)
def test_whole_days_recur_by_their_rule(api: Api, rule: str, dates: list[str]) -> None:
    where = f"{CALENDARS}/primary/events"
    day = {"date": "2026-11-23"}
    api.data("POST", where, {"start_time": day, "end_time": day, "recurrence": rule})
    shown = view(api, where, 1795305600, 1795305600 + 10 * 86_400)
    assert [event["start_time"]["date"] for event in shown] == [f"2026-11-{date}" for date in dates]
    assert [event["end_time"]["date"] for event in shown] == [f"2026-11-{date}" for date in dates]


def test_a_view_has_its_refusals(api: Api, stranger: Api) -> None:
    calendar = api.data("POST", CALENDARS, {"permissions": "public"})["calendar"]
    where = f"{CALENDARS}/{calendar['calendar_id']}/events"
    event = api.data("POST", where, AT)["event"]
    for span in (("0", "1"), ("5", "5"), ("0", str(40 * 86_400)), ("x", "1"), ("", "")):
        answer = api("GET", f"{where}/instance_view", start_time=span[0], end_time=span[1])
        assert (answer["code"] == 190002) is (span != ("0", "1"))
    assert len(view(stranger, where, 1795690000, 1795700000)) == 1
    assert stranger("GET", f"{where}/{event['event_id']}/attendees")["code"] == 193002
    late = {"start_time": {"timestamp": "16725225601"}, "end_time": {"timestamp": "16725225602"}}
    assert api("POST", where, late)["code"] == 190002


def busy(api: Api, **changes: Any) -> Any:
    body = {
        "time_min": "2026-11-26T00:00:00+08:00",
        "time_max": "2026-11-27T00:00:00+08:00",
        "user_id": "bob",
        **changes,
    }
    return api("POST", "/calendar/v4/freebusy/list", body, user_id_type="user_id")


def test_who_is_busy_when(api: Api, lark: Emulator) -> None:
    lark.add_calendar_event("bob", "2026-11-25T23:30:00+08:00", "2026-11-26T00:30:00+08:00")
    lark.add_calendar_event(
        "bob", "2026-11-26T10:00:00+08:00", "2026-11-26T11:00:00+08:00", free_busy_status="free"
    )
    lark.add_calendar_event("bob", "2026-11-27T00:00:00+08:00", "2026-11-27T01:00:00+08:00")
    spans = busy(api, need_rsvp_status=True)["data"]["freebusy_list"]
    assert spans == [
        {
            "start_time": "2026-11-25T23:30:00+08:00",
            "end_time": "2026-11-26T00:30:00+08:00",
            "rsvp_status": "accept",
        }
    ]
    assert len(busy(api, only_busy=False)["data"]["freebusy_list"]) == 2
    for changes in (
        {"time_min": "yesterday"},
        {"time_min": "2026-11-26T00:00:00"},
        {"time_max": "2026-11-25T00:00:00+08:00"},
        {"time_max": "2027-11-25T00:00:00+08:00"},
        {"user_id": ""},
    ):
        assert busy(api, **changes)["code"] == 190002
    assert busy(api, user_id="nobody")["code"] == 195100


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"summary": "x" * 3001},
        {"summary": "x", "due": {"timestamp": 1}},
        {"summary": "x", "due": {"timestamp": "1"}, "start": {"timestamp": "2"}},
        {"summary": "x", "due": {"timestamp": "1", "is_all_day": True}, "start": {"timestamp": "0"}},
        {"summary": "x", "reminders": [{"relative_fire_minute": 5}]},
        {"summary": "x", "members": [{"id": "nobody", "role": "assignee"}]},
        {"summary": "x", "members": [{"id": "alice", "role": "boss"}]},
        {"summary": "x", "client_token": "short"},
        {"summary": "x", "mode": 3},
    ],
)
def test_tasks_that_are_not_made(api: Api, lark: Emulator, body: Any) -> None:
    answer = api("POST", TASKS, body, user_id_type="user_id")
    assert (answer["code"], answer["http"]) == (1470400, 400)
    assert lark.state()["tasks"] == []


def test_tasks_are_seen_by_whom_they_concern(api: Api, stranger: Api, lark: Emulator) -> None:
    task = api.data("POST", TASKS, {"summary": "Load"})["task"]
    where = f"{TASKS}/{task['guid']}"
    assert (stranger("GET", where)["code"], stranger("GET", where)["http"]) == (1470403, 403)
    assert (api("GET", f"{TASKS}/none")["code"], api("GET", f"{TASKS}/none")["http"]) == (1470404, 404)
    listed = api.data("POST", LISTS, {"name": "L", "members": [{"id": "cli_stranger", "type": "app"}]})[
        "tasklist"
    ]
    api.data("POST", f"{where}/add_tasklist", {"tasklist_guid": listed["guid"]})
    assert stranger.data("GET", where)["task"]["summary"] == "Load"
    change = {"task": {"summary": "Mine"}, "update_fields": ["summary"]}
    assert stranger("PATCH", where, change)["code"] == 1470403
    comment = {"resource_id": task["guid"], "content": "seen"}
    theirs = stranger.data("POST", "/task/v2/comments", comment)["comment"]
    assert api("DELETE", f"/task/v2/comments/{theirs['id']}")["code"] == 1470403
    assert stranger("DELETE", f"{LISTS}/{listed['guid']}")["code"] == 1470403
    assert api("PATCH", where, {"task": {}, "update_fields": ["summary"]})["code"] == 1470400
    assert api("PATCH", where, {"task": {}, "update_fields": ["nonsense"]})["code"] == 1470400
    done = {"task": {"completed_at": "5"}, "update_fields": ["completed_at"]}
    assert [api("PATCH", where, done)["code"] for _ in range(2)] == [0, 1470400]
    undone = {"task": {"completed_at": "0"}, "update_fields": ["completed_at"]}
    assert api.data("PATCH", where, undone)["task"]["status"] == "todo"
    api.data("DELETE", f"{LISTS}/{listed['guid']}")
    assert api.data("GET", where)["task"]["tasklists"] == []
    api.data("DELETE", where)
    assert lark.state()["tasks"] == []


def test_applications_of_others_need_a_scope(api: Api, lark: Emulator) -> None:
    where = "/application/v6/applications"
    lark.add_app("cli_two", "s")
    assert api.data("GET", f"{where}/cli_two", lang="en_us")["app"]["app_id"] == "cli_two"
    assert api("GET", f"{where}/cli_none", lang="en_us")["code"] == 210504
    assert api("GET", f"{where}/nonsense", lang="en_us")["code"] == 210503
    lark.change_app(scopes=["application:application:self_manage"])
    assert api("GET", f"{where}/cli_two", lang="en_us")["code"] == 210508
    assert api("GET", f"{where}/me", lang="en_us")["code"] == 0


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"name": ""}, "'name' is required"),
        ({"name": "X", "parent": "od-none"}, "no department 'od-none'"),
        ({"name": "X", "users": ["nobody"]}, "nobody"),
        ({"name": "X", "leader": "nobody"}, "nobody"),
    ],
)
def test_departments_that_cannot_be_seeded(lark: Emulator, spec: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        lark.add_department(**spec)
    assert lark.state()["departments"] == []


def test_recordings_and_searches_have_their_refusals(api: Api, stranger: Api, lark: Emulator) -> None:
    assert api("GET", "/minutes/v1/minutes/short")["code"] == 2091001
    assert api("GET", f"/minutes/v1/minutes/{'x' * 24}")["http"] == 404
    token = lark.add_minute("Weekly", "alice")
    lark.change_app(available_to=["bob"])
    assert api("GET", f"/minutes/v1/minutes/{token}")["code"] == 2091005
    assert api("POST", "/mail/v1/users/query", {})["code"] == 99992402
    search = "/im/v2/chats/search"
    assert api("POST", search, {})["code"] == 232001
    assert api("POST", search, {"query": "x", "filter": {"search_types": ["nonsense"]}})["code"] == 232001
    assert api("POST", search, {"query": "x" * 65})["code"] == 99992402
    assert api.data("POST", search, {"query": '"data"'})["total"] == 1
    assert api.data("POST", search, {"query": "carol"})["total"] == 1
    named = {"query": "carol", "filter": {"disable_search_by_user": True}}
    assert api.data("POST", search, named)["total"] == 0
    assert stranger.data("POST", search, {"query": "data"})["items"] == []

"""What the official SDK does with people, calendars, tasks and the tenant; parts of `test_every_endpoint`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def drive(lark: Emulator, sdk: Sdk, client: Any) -> None:
    _check_departments(sdk, client.contact.v3.department)
    _check_people(lark, sdk, client.contact.v3)
    _check_calendars(lark, sdk, client.calendar.v4)
    _check_tasks(sdk, client.task.v2)
    _check_tenant(lark, sdk, client)


def _check_departments(sdk: Sdk, departments: Any) -> None:
    def create(name: str, parent: str) -> Any:
        body = {"name": name, "parent_department_id": parent}
        request = sdk.request(sdk.contact, "CreateDepartment", body, model="Department")
        return good(departments.create(request)).department

    data = create("Data", "0")
    loads = create("Loads", data.open_department_id)
    ids = {"department_id": loads.open_department_id}
    got = good(departments.get(sdk.request(sdk.contact, "GetDepartment", **ids))).department
    assert (got.name, got.parent_department_id) == ("Loads", data.open_department_id)
    below = sdk.request(sdk.contact, "ChildrenDepartment", department_id="0", fetch_child=True)
    assert [department.name for department in good(departments.children(below)).items] == ["Data", "Loads"]
    listed = good(departments.list(sdk.request(sdk.contact, "ListDepartment", fetch_child=False))).items
    assert [department.name for department in listed] == ["Data"]
    above = good(departments.parent(sdk.request(sdk.contact, "ParentDepartment", **ids))).items
    assert [department.name for department in above] == ["Data"]
    both = [data.open_department_id, loads.open_department_id]
    many = good(departments.batch(sdk.request(sdk.contact, "BatchDepartment", department_ids=both))).items
    assert len(many) == 2
    body: dict[str, Any] = {"name": "Syncs", "parent_department_id": "0"}
    request = sdk.request(sdk.contact, "UpdateDepartment", body, model="Department", **ids)
    assert good(departments.update(request)).department.name == "Syncs"
    request = sdk.request(sdk.contact, "PatchDepartment", {"order": "7"}, model="Department", **ids)
    assert good(departments.patch(request)).department.order == "7"
    good(departments.delete(sdk.request(sdk.contact, "DeleteDepartment", **ids)))


def _check_people(lark: Emulator, sdk: Sdk, api: Any) -> None:
    team = lark.add_department("Team", department_id="team", users=["alice"])
    where = {"department_id": team["open_department_id"]}
    results = good(api.user.find_by_department(sdk.request(sdk.contact, "FindByDepartmentUser", **where)))
    assert [user.user_id for user in results.items] == ["alice"]
    assert results.items[0].department_ids == [team["open_department_id"]]
    listed = good(api.user.list(sdk.request(sdk.contact, "ListUser", department_id="0"))).items
    assert [user.user_id for user in listed] == ["bob", "carol"]
    body: dict[str, Any] = {
        "name": "Dan",
        "user_id": "dan",
        "mobile": "+8613900000009",
        "department_ids": [team["open_department_id"]],
        "employee_type": 1,
    }
    created = good(api.user.create(sdk.request(sdk.contact, "CreateUser", body, model="User"))).user
    assert (created.user_id, created.status.is_activated) == ("dan", True)
    ids = {"user_id": "dan", "user_id_type": "user_id"}
    request = sdk.request(sdk.contact, "PatchUser", {"job_title": "Pilot"}, model="User", **ids)
    assert good(api.user.patch(request)).user.job_title == "Pilot"
    request = sdk.request(sdk.contact, "UpdateUser", {**body, "name": "Daniel"}, model="User", **ids)
    assert good(api.user.update(request)).user.name == "Daniel"
    names = sdk.request(sdk.contact, "BasicBatchUser", {"user_ids": ["dan"]}, user_id_type="user_id")
    assert [user.name for user in good(api.user.basic_batch(names)).users] == ["Daniel"]
    good(api.user.delete(sdk.request(sdk.contact, "DeleteUser", {}, **ids)))
    assert good(api.scope.list(sdk.request(sdk.contact, "ListScope"))).department_ids == ["0"]


def _check_calendars(lark: Emulator, sdk: Sdk, api: Any) -> None:
    kit = importlib.import_module("lark_oapi.api.calendar.v4")
    own = good(api.calendar.primary(sdk.request(kit, "PrimaryCalendar"))).calendars[0].calendar
    assert (own.type, own.role) == ("primary", "owner")
    created = good(
        api.calendar.create(sdk.request(kit, "CreateCalendar", {"summary": "Loads"}, model="Calendar"))
    ).calendar
    where = {"calendar_id": created.calendar_id}
    patched = sdk.request(kit, "PatchCalendar", {"permissions": "public"}, model="Calendar", **where)
    assert good(api.calendar.patch(patched)).calendar.permissions == "public"
    assert good(api.calendar.get(sdk.request(kit, "GetCalendar", **where))).summary == "Loads"
    listed = good(api.calendar.list(sdk.request(kit, "ListCalendar"))).calendar_list
    assert [calendar.calendar_id for calendar in listed] == [own.calendar_id, created.calendar_id]
    _check_events(lark, sdk, api, kit, where)
    good(api.calendar.delete(sdk.request(kit, "DeleteCalendar", **where)))


def _check_events(lark: Emulator, sdk: Sdk, api: Any, kit: Any, where: dict[str, str]) -> None:
    events = api.calendar_event
    body: dict[str, Any] = {
        "summary": "Release",
        "start_time": {"timestamp": "1795690800"},
        "end_time": {"timestamp": "1795694400"},
    }
    event = good(
        events.create(sdk.request(kit, "CreateCalendarEvent", body, model="CalendarEvent", **where))
    ).event
    which = {**where, "event_id": event.event_id}
    patched = sdk.request(
        kit, "PatchCalendarEvent", {"summary": "Big release"}, model="CalendarEvent", **which
    )
    assert good(events.patch(patched)).event.summary == "Big release"
    got = good(events.get(sdk.request(kit, "GetCalendarEvent", **which))).event
    assert (got.summary, got.start_time.timestamp) == ("Big release", "1795690800")
    (listed,) = good(events.list(sdk.request(kit, "ListCalendarEvent", **where))).items
    assert listed.event_id == event.event_id
    span = {"start_time": "1795690000", "end_time": "1795700000"}
    (listed,) = good(
        events.instance_view(sdk.request(kit, "InstanceViewCalendarEvent", **where, **span))
    ).items
    assert (listed.event_id, listed.summary) == (event.event_id, "Big release")
    attendees = api.calendar_event_attendee
    body = {
        "attendees": [
            {"type": "user", "user_id": "bob"},
            {"type": "chat", "chat_id": "oc_emulator_data_team"},
        ]
    }
    added = good(
        attendees.create(
            sdk.request(kit, "CreateCalendarEventAttendee", body, user_id_type="user_id", **which)
        )
    ).attendees
    assert [attendee.type for attendee in added] == ["user", "chat"]
    lark.add_calendar_event("bob", "2026-11-26T09:00:00+08:00", "2026-11-26T10:00:00+08:00")
    body = {
        "time_min": "2026-11-26T00:00:00+08:00",
        "time_max": "2026-11-27T00:00:00+08:00",
        "user_id": "bob",
    }
    busy = good(
        api.freebusy.list(sdk.request(kit, "ListFreebusy", body, user_id_type="user_id"))
    ).freebusy_list
    assert [slot.start_time for slot in busy] == ["2026-11-26T09:00:00+08:00", "2026-11-26T19:00:00+08:00"]
    body = {"attendee_ids": [added[1].attendee_id]}
    good(attendees.batch_delete(sdk.request(kit, "BatchDeleteCalendarEventAttendee", body, **which)))
    left = good(attendees.list(sdk.request(kit, "ListCalendarEventAttendee", **which))).items
    assert [attendee.attendee_id for attendee in left] == [added[0].attendee_id]
    good(events.delete(sdk.request(kit, "DeleteCalendarEvent", **which)))


def _check_tasks(sdk: Sdk, api: Any) -> None:
    kit = importlib.import_module("lark_oapi.api.task.v2")
    body: dict[str, Any] = {"name": "Releases", "members": [{"id": "alice", "role": "editor"}]}
    tasklist = good(
        api.tasklist.create(
            sdk.request(kit, "CreateTasklist", body, model="InputTasklist", user_id_type="user_id")
        )
    ).tasklist
    assert (tasklist.owner.type, tasklist.members[0].id) == ("app", "alice")
    ids = {"tasklist_guid": tasklist.guid, "user_id_type": "user_id"}
    body = {"tasklist": {"name": "Releases 2026"}, "update_fields": ["name"]}
    assert (
        good(api.tasklist.patch(sdk.request(kit, "PatchTasklist", body, **ids))).tasklist.name[-4:] == "2026"
    )
    assert good(api.tasklist.get(sdk.request(kit, "GetTasklist", **ids))).tasklist.name == "Releases 2026"
    assert len(good(api.tasklist.list(sdk.request(kit, "ListTasklist"))).items) == 1
    body = {"members": [{"id": "bob", "type": "user", "role": "viewer"}]}
    added = good(api.tasklist.add_members(sdk.request(kit, "AddMembersTasklist", body, **ids)))
    assert [member.id for member in added.tasklist.members] == ["alice", "bob"]
    good(api.tasklist.remove_members(sdk.request(kit, "RemoveMembersTasklist", body, **ids)))
    body = {
        "summary": "Load the flights",
        "due": {"timestamp": "1795690800000", "is_all_day": False},
        "members": [{"id": "bob", "role": "assignee"}],
        "client_token": "0123456789",
    }
    request = sdk.request(kit, "CreateTask", body, model="InputTask", user_id_type="user_id")
    task = good(api.task.create(request)).task
    assert good(api.task.create(request)).task.guid == task.guid
    which = {"task_guid": task.guid, "user_id_type": "user_id"}
    body = {"tasklist_guid": tasklist.guid}
    good(api.task.add_tasklist(sdk.request(kit, "AddTasklistTask", body, **which)))
    assert (
        len(good(api.task.tasklists(sdk.request(kit, "TasklistsTask", task_guid=task.guid))).tasklists) == 1
    )
    inside = good(api.tasklist.tasks(sdk.request(kit, "TasksTasklist", completed=False, **ids))).items
    assert [listed.summary for listed in inside] == ["Load the flights"]
    good(api.task.remove_tasklist(sdk.request(kit, "RemoveTasklistTask", body, **which)))
    body = {"members": [{"id": "carol", "role": "follower"}]}
    more = good(api.task.add_members(sdk.request(kit, "AddMembersTask", body, **which))).task
    assert [(member.id, member.role) for member in more.members] == [
        ("bob", "assignee"),
        ("carol", "follower"),
    ]
    good(api.task.remove_members(sdk.request(kit, "RemoveMembersTask", body, **which)))
    body = {"task": {"completed_at": "1795690900000"}, "update_fields": ["completed_at", "due"]}
    done = good(api.task.patch(sdk.request(kit, "PatchTask", body, **which))).task
    assert (done.status, done.completed_at, done.due) == ("done", "1795690900000", None)
    assert good(api.task.get(sdk.request(kit, "GetTask", **which))).task.summary == "Load the flights"
    _check_comments(sdk, api.comment, kit, task.guid)
    good(api.task.delete(sdk.request(kit, "DeleteTask", task_guid=task.guid)))
    good(api.tasklist.delete(sdk.request(kit, "DeleteTasklist", tasklist_guid=tasklist.guid)))


def _check_comments(sdk: Sdk, comments: Any, kit: Any, guid: str) -> None:
    body: dict[str, Any] = {"content": "late again", "resource_type": "task", "resource_id": guid}
    comment = good(comments.create(sdk.request(kit, "CreateComment", body, model="InputComment"))).comment
    ids = {"comment_id": comment.id}
    body = {"comment": {"content": "on time"}, "update_fields": ["content"]}
    assert good(comments.patch(sdk.request(kit, "PatchComment", body, **ids))).comment.content == "on time"
    assert good(comments.get(sdk.request(kit, "GetComment", **ids))).comment.content == "on time"
    listed = sdk.request(kit, "ListComment", resource_type="task", resource_id=guid)
    assert len(good(comments.list(listed)).items) == 1
    good(comments.delete(sdk.request(kit, "DeleteComment", **ids)))


def _check_tenant(lark: Emulator, sdk: Sdk, client: Any) -> None:
    kit = importlib.import_module("lark_oapi.api.tenant.v2")
    tenant = good(client.tenant.v2.tenant.query(sdk.request(kit, "QueryTenant"))).tenant
    assert tenant.tenant_key == lark.state()["tenant_key"]
    request = sdk.request(sdk.application, "GetApplication", app_id="me", lang="en_us")
    assert good(client.application.v6.application.get(request)).app.app_name == "Emulator bot"
    kit = importlib.import_module("lark_oapi.api.event.v1")
    listed = good(client.event.v1.outbound_ip.list(sdk.request(kit, "ListOutboundIp")))
    assert listed.ip_list == ["127.0.0.1"]
    kit = importlib.import_module("lark_oapi.api.minutes.v1")
    token = lark.add_minute("Weekly", "alice", duration_ms=314_000)
    request = sdk.request(kit, "GetMinute", minute_token=token, user_id_type="user_id")
    minute = good(client.minutes.v1.minute.get(request)).minute
    assert (minute.title, minute.owner_id, minute.duration) == ("Weekly", "alice", "314000")
    kit = importlib.import_module("lark_oapi.api.mail.v1")
    lark.change_user("alice", enterprise_email="alice@corp.example")
    addresses = ["alice@corp.example", "x@corp.example", "x@none.example", "x"]
    results = good(client.mail.v1.user.query(sdk.request(kit, "QueryUser", {"email_list": addresses})))
    assert [user.status for user in results.user_list] == [4, 3, 2, 1]
    kit = importlib.import_module("lark_oapi.api.im.v2")
    body: dict[str, Any] = {"query": "data", "filter": {"search_types": ["private"], "member_ids": ["alice"]}}
    request = sdk.request(kit, "SearchChat", body, user_id_type="user_id")
    chats = good(client.im.v2.chat.search(request))
    assert [(chat.id, chat.meta_data.name) for chat in chats.items] == [
        ("oc_emulator_data_team", "Data team")
    ]

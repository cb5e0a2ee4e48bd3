"""What `airflow check` finds in rotas that a calendar holds, against a local Lark."""

from __future__ import annotations

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.routes.reading import read_routes
from lark_provider.bridge.escalation_check import list_faults
from tests.bridge.escalations.scene import CHAT, add_calendar

ROUTES = """
defaults: {{timezone: Asia/Shanghai}}
routes:
  - name: calendar
    what: failures
    to: {chat}
    escalation: {{rota: {rota}, steps: [{{after: 5}}]}}
"""


@pytest.fixture(autouse=True)
def unlimited(lark: Emulator) -> None:
    lark.settings(rate_limits=False)


def check_rota(rota: str) -> list[str]:
    route = read_routes(ROUTES.format(chat=CHAT, rota=rota)).routes[0]
    with LarkServiceClient() as client:
        texts = list_faults(client, [(route, route.receivers)], {})
    assert all(text.startswith("line 4, calendar: ") for text in texts)
    return [text.removeprefix("line 4, calendar: ") for text in texts]


def test_a_calendar_that_works(lark: Emulator) -> None:
    calendar = add_calendar(lark, ("ann@example.com", "bob"))
    assert check_rota(f"{{calendar: {calendar}}}") == []


def test_each_fault_is_named(lark: Emulator) -> None:
    lark.add_user("eve", email="eve@example.com")
    calendar = add_calendar(lark, ("On call: eve@example.com", "bob"))
    assert check_rota(f"{{calendar: {calendar}, person: title}}") == [
        f"eve@example.com is not in the chat {CHAT}"
    ]
    (unknown,) = check_rota(f"{{calendar: {add_calendar(lark, ('x@example.com', 'bob'))}, person: title}}")
    assert unknown == "no user visible to the app is x@example.com"
    empty = add_calendar(lark)
    assert check_rota(f"{{calendar: {empty}}}") == ["nobody is on duty now, by its rota"]
    assert check_rota(f"{{calendar: {empty}, otherwise: bob@example.com}}") == []
    gone, absent = check_rota("{calendar: x@group.calendar.feishu.cn, otherwise: eve@example.com}")
    assert gone.startswith("its rota cannot be read: ")
    assert "its settings" in gone
    assert absent == f"eve@example.com is not in the chat {CHAT}"


def test_a_calendar_wants_a_scope_and_its_guests_an_organizer(lark: Emulator) -> None:
    calendar = add_calendar(lark, ("bob@example.com", "bob"))
    lark.fault("GET", path="*/attendees", status=403, body='{"code": 193002, "msg": "no permission"}')
    (hidden,) = check_rota(f"{{calendar: {calendar}}}")
    assert "the titles of events need neither" in hidden
    having = ["im:message", "im:chat", "contact:user.id:readonly", "im:message.urgent"]
    lark.change_app(scopes=having)
    lacking, unread = check_rota(f"{{calendar: {calendar}}}")
    assert lacking == "the app lacks the scope calendar:calendar.event:read for the calendar of its rota"
    assert unread.startswith("its rota cannot be read: ")
    lark.change_app(scopes=[*having, "calendar:calendar:readonly"])
    assert check_rota(f"{{calendar: {calendar}, person: title}}") == []

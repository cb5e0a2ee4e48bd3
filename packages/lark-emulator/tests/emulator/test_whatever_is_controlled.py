"""Whatever stands in a request to the control plane, it is done or refused with a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator.control.plane import OPERATIONS
from lark_emulator.control.seed_file import Seed
from lark_emulator.lark import Lark
from lark_emulator.settings import Settings
from tests.emulator.test_whatever_is_sent import ODD, places, with_odd

if TYPE_CHECKING:
    from pathlib import Path

    from lark_emulator import Emulator
    from tests.emulator.conftest import Api, Sheet

CHAT = "oc_emulator_data_team"
#: Odd values beyond those that JSON bodies get elsewhere.
NUMBERS = (1e300, -1e300, 10**18, 0.5, 1_700_000_000_000_000_000)


def bodies(lark: Emulator, api: Api, sheet: Sheet) -> list[tuple[str, str, Any]]:
    """Return a good request for each operation that takes members."""
    text = api.send()["data"]["message_id"]
    base = {"app_token": sheet.app["app_token"], "table_id": sheet.app["default_table_id"]}
    record = sheet.add({"Text": "a"})["data"]["record"]["record_id"]
    book = api.data("POST", "/sheets/v3/spreadsheets", {"title": "S"})["spreadsheet"]["spreadsheet_token"]
    worksheet = api.data("GET", f"/sheets/v3/spreadsheets/{book}/sheets/query")["sheets"][0]["sheet_id"]
    rows = [
        {"do": "edit", "records": [record], "fields": {"Text": "b"}},
        {"do": "add", "rows": [{"Text": "c"}]},
    ]
    cell = {"do": "type", "cell": "A1", "values": [["x", 1]]}
    form = [{"id": "w1", "type": "input", "name": "Reason"}]
    code = lark.add_approval("Deploy", form=form, nodes=[{"approvers": ["bob"]}])
    match = {"method": "GET", "path": "/open-apis/x", "query": {"a": "b"}, "headers": {"X-A": "b"}}
    span = {"start": "2026-11-26T09:00:00+08:00", "end": "2026-11-26T10:00:00+08:00"}
    stub = {"match": match, "answer": {"status": 200, "json": {"code": 0}}, "times": 1}
    return [
        ("GET", "state", {"only": "users,apps", "limit": "5"}),
        ("GET", "state", {"only": "users", "after": "alice"}),
        ("GET", "requests", {"method": "GET", "path": "/x*", "after": "0", "limit": "5"}),
        ("GET", "view/overview", {}),
        ("GET", "view/messages", {"chat_id": CHAT}),
        ("GET", "view/records", {**base, "start": "0", "limit": "5", "sort": "Text", "order": "desc"}),
        ("GET", "view/sheet", {"token": book, "sheet_id": worksheet, "start": "0", "limit": "5"}),
        ("GET", "view/approvals", {}),
        ("GET", "view/requests", {}),
        ("POST", "faults", {"path": "/x", "times": 1, "skip": 0, "status": 500, "headers": {"A": "b"}}),
        ("POST", "faults", {"path": "/x", "code": 1254290, "msg": "m", "delay_ms": 1, "body": None}),
        ("POST", "stubs", {"stubs": [stub]}),
        ("POST", "tokens/revoke", {"app_id": lark.app_id, "tenant_key": "none"}),
        ("POST", "tokens/user", {"user_id": "alice"}),
        ("POST", "clock", {"advance": 1}),
        ("POST", "apps", {"app_id": "cli_a", "name": "A", "scopes": ["im:message"], "available_to": ["bob"]}),
        (
            "POST",
            "apps/change",
            {"app_id": lark.app_id, "enabled": True, "tenant_keys": ["emulator0tenant0"]},
        ),
        ("POST", "users", {"user_id": "dave", "name": "D", "email": "d@example.com", "status": "activated"}),
        ("POST", "users/change", {"user_id": "bob", "mobile": "+861", "status": "activated"}),
        ("POST", "chats", {"chat_id": "oc_a", "name": "A", "users": ["alice"], "bots": [lark.app_id]}),
        ("POST", "chats/change", {"chat_id": CHAT, "add_users": ["alice"], "remove_bots": []}),
        ("POST", "messages/change", {"message_id": text, "age_s": 5, "recalled": False}),
        (
            "POST",
            "messages/say",
            {"chat_id": CHAT, "user": "alice", "text": "hi", "mentions": ["all"], "copies": 1},
        ),
        ("POST", "messages/react", {"message_id": text, "user": "alice", "emoji_type": "OK"}),
        ("POST", "messages/read", {"message_id": text, "user": "alice"}),
        ("POST", "messages/pin", {"message_id": text, "user": "alice"}),
        ("POST", "departments", {"name": "Team", "users": ["alice"], "leader": "bob"}),
        ("POST", "calendar/events", {"user": "alice", "summary": "s", **span}),
        ("POST", "minutes", {"title": "M", "user": "alice", "duration_ms": 5}),
        ("POST", "webhooks", {"name": "W", "token": "hook0123", "secret": "s", "keywords": ["k"]}),
        ("POST", "bases/share", {"app_token": base["app_token"], "app_id": lark.app_id}),
        ("POST", "bases/limit", {"app_token": base["app_token"], "app_id": lark.app_id, "sees": "all"}),
        ("POST", "records/add", {**base, "user_id": "alice", "rows": [{"Text": "a"}]}),
        ("POST", "records/add", {**base, "count": 2, "fields": {"Text": {"cycle": ["a", "b"]}}}),
        ("POST", "records/edit", {**base, "user_id": "alice", "seed": 1, "edits": rows}),
        ("GET", "sheets", {"token": book}),
        ("POST", "sheets/edit", {"token": book, "user_id": "alice", "edits": [cell]}),
        ("POST", "sheets/edit", {"token": book, "edits": [{"do": "insert_rows", "at": 1, "count": 1}]}),
        ("POST", "sheets/edit", {"token": book, "edits": [{"do": "delete_columns", "at": 1, "count": 1}]}),
        ("POST", "sheets/plans", {"token": book, "edits": [cell]}),
        ("POST", "documents", {"type": "docx", "title": "D", "owner": "user:alice"}),
        ("GET", "documents/access", {"token": book}),
        ("POST", "documents/share", {"token": book, "with": "user:alice", "perm": "view"}),
        ("GET", "medias", {}),
        (
            "POST",
            "pages",
            {**base, "page": 1, "times": 1, "items": 1, "ends": True, "total": "stale", "edits": rows},
        ),
        ("POST", "callbacks", {"app_id": lark.app_id, "url": "http://127.0.0.1:9/x", "verify": False}),
        ("POST", "wiki/nodes", {"title": "T", "obj_type": "sheet", "obj_token": book, "shared_with": []}),
        ("POST", "wiki/spaces", {"name": "Space", "description": "d", "members": ["user:alice"]}),
        ("GET", "approvals", {}),
        (
            "POST",
            "approvals",
            {"name": "Deploy", "form": form, "nodes": [{"name": "n", "approvers": ["bob"]}]},
        ),
        (
            "POST",
            "approvals/change",
            {"code": code, "status": "ACTIVE", "revert_s": 5, "visible_to": [lark.app_id]},
        ),
    ]


def test_malformed_requests_to_the_control_plane(lark: Emulator, api: Api, sheet: Sheet) -> None:
    wrong = []
    for method, path, body in bodies(lark, api, sheet):
        first = ask(api, method, path, body)
        assert first.status_code == 200, (method, path, first.text)
        for place in places(body):
            for odd in (*ODD, *NUMBERS):
                answer = ask(api, method, path, with_odd(body, place, odd))
                refused = answer.status_code == 400 and len(answer.json()["error"]) > 10
                if not refused and answer.status_code != 200:
                    wrong.append((method, path, place, str(odd)[:50], answer.text))
                lark.clear_faults()
    assert not wrong
    assert lark.state(summary=True)["crashes"] == 0


def ask(api: Api, method: str, path: str, body: Any) -> Any:
    if method == "GET":
        query = {name: str(value)[:200] for name, value in body.items()} if isinstance(body, dict) else {}
        return api.http.get(f"/_emulator/{path}", params=query)
    return api.http.request(method, f"/_emulator/{path}", json=body)


@pytest.mark.parametrize("name", sorted(Settings().to_dict()))
def test_a_setting_is_changed_or_refused(lark: Emulator, api: Api, name: str) -> None:
    before = lark.settings()
    for odd in (*ODD, *NUMBERS):
        answer = api.http.post("/_emulator/settings", json={name: odd})
        if answer.status_code == 200:
            lark.reset()  # an accepted value may change how the server answers
            continue
        assert answer.status_code == 400, (name, odd, answer.text)
        assert any(word in answer.json()["error"] for word in (name, "nested too deeply"))
        assert lark.settings() == before


SEED = {
    "settings": {"write_ms": 1},
    "apps": [{"app_id": "cli_a", "name": "A", "scopes": ["im:message"]}],
    "change_apps": [{"app_id": "cli_a", "enabled": True}],
    "users": [{"user_id": "dave", "email": "d@example.com"}],
    "change_users": [{"user_id": "dave", "status": "activated"}],
    "chats": [{"name": "On call", "users": ["dave"], "bots": ["cli_a"]}],
    "webhooks": [{"name": "W", "keywords": ["k"]}],
    "bases": [
        {
            "name": "B",
            "app_token": "bascnseed",
            "tables": [
                {
                    "name": "T",
                    "fields": [{"field_name": "Name", "type": 1}, {"field_name": "Size", "type": 2}],
                    "rows": [{"Name": "a", "Size": 1}],
                }
            ],
        }
    ],
    "documents": [{"type": "docx", "title": "D", "owner": "user:dave"}],
    "pages": [{"page": 1, "items": 1}],
    "faults": [{"path": "/x", "status": 500}],
    "stubs": [{"stubs": [{"match": {"path": "/open-apis/x"}, "answer": {"status": 200, "json": {}}}]}],
}


def test_a_malformed_seed_is_refused_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "seed.json"
    wrong = []
    for place in ((), *places(SEED)):
        for odd in (*ODD, *NUMBERS) if place else (None,):
            file.write_text(json.dumps(with_odd(SEED, place, odd) if place else SEED))
            try:
                Seed.read(file).sow(Lark())
            except ValueError as error:
                if not place or str(file) not in str(error):  # as it is, it is good
                    wrong.append((place, str(odd)[:50], str(error)))
            except Exception as error:  # noqa: BLE001 - any is wrong, and all are shown
                wrong.append((place, str(odd)[:50], repr(error)))
    assert not wrong


def test_every_operation_is_known_here(lark: Emulator, api: Api, sheet: Sheet) -> None:
    tried = {(method, path) for method, path, _ in bodies(lark, api, sheet)}
    elsewhere = {
        (method, path)
        for method, path in OPERATIONS
        if path.startswith("connections") or method == "DELETE" or ":" in path
    }
    without = {"reset", "settings", "faults", "stubs", "late", "records/edits", "sheets/plans", "documents"}
    without |= {
        "pages",
        "wiki/spaces",
        "view/settings",
        "stubs/reset",
        "authorize",
        "events",
        "approvals/decide",
    }
    left = {(method, path) for method, path in OPERATIONS.keys() - tried - elsewhere if path not in without}
    assert left == {("GET", "documents/content")}

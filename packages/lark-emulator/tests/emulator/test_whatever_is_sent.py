"""Whatever a client sends in the place of whatever it should send, Lark answers; it does not break."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api, Sheet

CHAT = "oc_emulator_data_team"
ALICE = "ou_emulator0001_alice"
CARD = {
    "schema": "2.0",
    "config": {"update_multi": True},
    "header": {"title": {"tag": "plain_text", "content": "t"}},
    "body": {
        "elements": [
            {"tag": "markdown", "content": "<at id=all></at>"},
            {
                "tag": "form",
                "name": "f",
                "elements": [
                    {"tag": "input", "name": "i"},
                    {"tag": "button", "name": "b", "form_action_type": "submit"},
                ],
            },
            {"tag": "table", "columns": [{"name": "a"}], "rows": [{"a": "x"}]},
            {"tag": "chart", "chart_spec": {"axes": []}},
            {"tag": "person_list", "persons": [{"id": "alice"}]},
        ]
    },
}
POST = {
    "zh_cn": {"title": "t", "content": [[{"tag": "text", "text": "a"}, {"tag": "img", "image_key": "k"}]]}
}
FILTER = {
    "conjunction": "and",
    "conditions": [
        {"field_name": "Size", "operator": "isGreater", "value": ["0"]},
        {"field_name": "Day", "operator": "is", "value": ["ExactDate", "1700000000000"]},
    ],
    "children": [{"conjunction": "or", "conditions": [{"field_name": "Text", "operator": "contains"}]}],
}
ROW = {
    "Text": "a",
    "Size": 1,
    "Kind": "x",
    "Day": 1,
    "Who": [{"id": ALICE}],
    "Site": {"link": "l", "text": "t"},
}


def nest(depth: int) -> Any:
    nested: Any = "x"
    for _ in range(depth):
        nested = [nested]
    return nested


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**63 - 1,
    "",
    "\0",
    "²",
    "--5",
    "1" * 5000,
    [],
    {},
    [[{}]],
    {"tag": []},
    nest(400),
)
ODD_TEXTS = tuple(value for value in ODD if isinstance(value, str))


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all places in a JSON value, that of the whole value first."""
    yield place
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*place, key))


def with_odd(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    changed = copy.deepcopy(value)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = odd
    return changed


@pytest.fixture
def table(lark: Emulator, sheet: Sheet) -> Sheet:
    lark.settings(rate_limits=False)
    for name, kind in (("Size", 2), ("Kind", 3), ("Day", 5), ("Who", 11), ("Site", 15), ("Number", 1005)):
        assert sheet.add_field(name, kind)["code"] == 0
    assert sheet.add_many([{"fields": ROW}] * 2)["code"] == 0
    return sheet


def bodies(api: Api, table: Sheet, text: str, card: str) -> list[tuple[str, str, dict[str, str], Any]]:
    to_chat = {"receive_id_type": "chat_id"}
    record = table.search()["data"]["items"][0]["record_id"]
    messages = [
        ("POST", "/im/v1/messages", to_chat, {"receive_id": CHAT, "msg_type": kind, "content": content})
        for kind, content in (("text", {"text": "t"}), ("post", POST), ("interactive", CARD))
    ]
    property_ = {"options": [{"name": "x", "color": 1}]}
    sort = [{"field_name": name, "desc": True} for name in ("Number", "Who", "Site", "Kind")]
    return [
        *messages,
        ("POST", f"/im/v1/messages/{text}/reply", {}, {"msg_type": "text", "content": {"text": "t"}}),
        ("PUT", f"/im/v1/messages/{text}", {}, {"msg_type": "text", "content": {"text": "t"}}),
        ("PATCH", f"/im/v1/messages/{card}", {}, {"content": CARD}),
        ("POST", "/im/v1/chats", {}, {"name": "n", "user_id_list": [ALICE], "bot_id_list": []}),
        ("POST", "/contact/v3/users/batch_get_id", {}, {"emails": ["a@b.c"], "include_resigned": True}),
        ("POST", f"{table.base}/tables", {}, {"table": {"name": "n", "fields": [{"field_name": "a"}]}}),
        ("POST", f"{table.path}/fields", {}, {"field_name": "n", "type": 3, "property": property_}),
        ("POST", f"{table.path}/records", {}, {"fields": ROW}),
        ("PUT", f"{table.path}/records/{record}", {}, {"fields": ROW}),
        ("POST", f"{table.path}/records/batch_create", {}, {"records": [{"fields": ROW}]}),
        (
            "POST",
            f"{table.path}/records/batch_update",
            {},
            {"records": [{"record_id": record, "fields": ROW}]},
        ),
        ("POST", f"{table.path}/records/batch_delete", {}, {"records": ["rec0"]}),
        ("POST", f"{table.path}/records/batch_get", {}, {"record_ids": [record]}),
        (
            "POST",
            f"{table.path}/records/search",
            {},
            {"filter": FILTER, "sort": sort, "field_names": ["Text"]},
        ),
        ("POST", "/interactive/v1/card/update", {}, {"token": "c-x", "card": CARD}),
        ("POST", "/auth/v3/tenant_access_token/internal", {}, {"app_id": "a", "app_secret": "b"}),
    ]


def office_bodies(api: Api, table: Sheet) -> list[tuple[str, str, dict[str, str], Any]]:
    """Return requests that change fields, views, documents and spreadsheets."""
    link = {
        "table_id": table.app["default_table_id"],
        "multiple": True,
        "back_field_name": "b",
        "back_field_id": "fld0",
    }
    field_id = api("GET", f"{table.path}/fields")["data"]["items"][0]["field_id"]
    view = api("POST", f"{table.path}/views", {"view_name": "v"})["data"]["view"]["view_id"]
    condition = {"field_id": field_id, "operator": "is", "value": '["a"]'}
    view_property = {
        "filter_info": {"conjunction": "and", "conditions": [condition]},
        "hidden_fields": [field_id],
        "hierarchy_config": {"field_id": field_id},
    }
    document = api("POST", "/docx/v1/documents", {"title": "t"})["data"]["document"]["document_id"]
    blocks = [
        {"block_type": 2, "text": {"elements": [{"text_run": {"content": "t"}}], "style": {"align": 1}}},
        {"block_type": 20, "chat_card": {"chat_id": CHAT, "align": 1}},
        {"block_type": 31, "table": {"property": {"row_size": 1, "column_size": 1}}},
        {"block_type": 24, "grid": {"column_size": 2}},
    ]
    book = api("POST", "/sheets/v3/spreadsheets", {"title": "t"})["data"]["spreadsheet"]["spreadsheet_token"]
    listed = api("GET", f"/sheets/v3/spreadsheets/{book}/sheets/query")["data"]["sheets"]
    sheet_id = listed[0]["sheet_id"]
    changes = [
        {"addSheet": {"properties": {"title": "n", "index": 1}}},
        {"copySheet": {"source": {"sheetId": sheet_id}, "destination": {"title": "c"}}},
        {"updateSheet": {"properties": {"sheetId": sheet_id, "title": "u", "frozenRowCount": 1}}},
    ]
    values = {"valueRange": {"range": f"{sheet_id}!A1:B1", "values": [["a", {"type": "url", "text": "t"}]]}}
    return [
        ("POST", f"{table.path}/fields", {}, {"field_name": "l", "type": 21, "property": link}),
        ("POST", f"{table.path}/fields", {}, {"field_name": "l", "type": 18, "property": link}),
        ("PATCH", f"{table.path}/views/{view}", {}, {"view_name": "v", "property": view_property}),
        *(
            ("POST", f"/docx/v1/documents/{document}/blocks/{document}/children", {}, {"children": [block]})
            for block in blocks
        ),
        *(
            ("POST", f"/sheets/v2/spreadsheets/{book}/sheets_batch_update", {}, {"requests": [change]})
            for change in changes
        ),
        ("PUT", f"/sheets/v2/spreadsheets/{book}/values", {}, values),
    ]


def test_odd_values_in_a_document(lark: Emulator, api: Api, table: Sheet) -> None:
    for method, path, query, body in office_bodies(api, table):
        assert api(method, path, body, **query)["http"] < 500, (method, path)
        for place in places(body):
            for odd in (*ODD, ["x"]):
                changed = with_odd(body, place, odd)
                assert api(method, path, changed, **query)["http"] < 500, (method, path, place, odd)
    assert lark.state(summary=True)["crashes"] == 0


def test_odd_values_anywhere_in_a_body(lark: Emulator, api: Api, table: Sheet) -> None:
    text = api.send()["data"]["message_id"]
    sent = {"msg_type": "interactive", "content": json.dumps(CARD)}
    card = api.send(**sent)["data"]["message_id"]
    for method, path, query, body in bodies(api, table, text, card):
        for place in places(body):
            for odd in ODD:
                changed = with_odd(body, place, odd)
                if (
                    "/messages" in path
                    and isinstance(changed, dict)
                    and isinstance(changed.get("content"), dict)
                ):
                    changed = {**changed, "content": json.dumps(changed["content"])}
                assert api(method, path, changed, **query)["http"] < 500, (method, path, place, odd)
    assert lark.state(summary=True)["crashes"] == 0


def test_odd_values_in_a_query(api: Api, table: Sheet) -> None:
    listed = {"page_size": "2", "page_token": ""}
    for method, path, query in (
        (
            "GET",
            "/im/v1/messages",
            {"container_id_type": "chat", "container_id": CHAT, "start_time": "1", **listed},
        ),
        ("GET", "/im/v1/chats", listed),
        ("GET", f"/im/v1/chats/{CHAT}/members", listed),
        ("GET", f"{table.base}/tables", listed),
        ("GET", f"{table.path}/fields", {"view_id": "", **listed}),
        ("POST", f"{table.path}/records/search", {"user_id_type": "open_id", **listed}),
    ):
        assert api(method, path, None, **query)["code"] == 0
        for name in query:
            for odd in (*ODD_TEXTS, "cGFnZTotNQ==", "cGFnZTrCsg=="):
                assert api(method, path, None, **{**query, name: odd})["http"] < 500, (path, name, odd)


def test_odd_values_to_a_custom_bot(lark: Emulator, api: Api) -> None:
    lark.settings(rate_limits=False)
    signed = {"msg_type": "text", "content": {"text": "t"}, "timestamp": "1", "sign": "s"}
    for secret, body in (
        ("s", signed),
        (None, {"msg_type": "post", "content": {"post": POST}}),
        (None, {"msg_type": "interactive", "card": CARD}),
    ):
        path = lark.add_webhook(secret=secret, keywords=["t"]).partition("/open-apis")[2]
        for place in places(body):
            for odd in ODD:
                assert api("POST", path, with_odd(body, place, odd))["http"] < 500, (place, odd)

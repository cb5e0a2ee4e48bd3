"""The official SDK drives every endpoint that the coverage list claims, and understands each answer."""

from __future__ import annotations

import io
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from lark_emulator.routes import ROUTES
from tests.conformance import (
    accounts,
    approvals,
    card_entities,
    conversations,
    documents,
    drive_and_tasks,
    offices,
    official_clients,
    spreadsheets,
)
from tests.conformance.accounts import good
from tests.emulator.app_server import PATIENT, AppServer

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16


def test_the_official_sdk_drives_every_claimed_endpoint(lark: Emulator, sdk: Sdk) -> None:
    client = sdk.client(lark)
    accounts.tokens(lark, sdk, client)
    accounts.store_tokens(lark, sdk, client)
    accounts.user_tokens(lark, sdk, client)
    accounts.scopes(sdk, client)
    accounts.bot(sdk, client)
    accounts.contact(sdk, client)
    messages(sdk, client)
    files(sdk, client)
    card_update(lark, sdk, client)
    chats(sdk, client)
    bitable(sdk, client)
    wiki(lark, sdk, client)
    spreadsheets.drive(sdk, client)
    documents.drive(sdk, client)
    approvals.drive(lark, sdk, client)
    drive_and_tasks.drive(lark, sdk, client)
    drive_and_tasks.task(lark, sdk, client)
    conversations.drive(lark, sdk, client)
    card_entities.drive(sdk, client)
    offices.drive(lark, sdk, client)
    _check_long_connection(lark)
    driven = {entry["route"] for entry in lark.requests() if entry["code"] == 0}
    assert driven == {route.name for route in ROUTES if route.evidence == "sdk + documentation"}


def _check_long_connection(lark: Emulator) -> None:
    config = {"app_id": lark.app_id, "secret": lark.app_secret}
    with official_clients.python(lark, config) as client:
        deadline = time.monotonic() + official_clients.SECONDS
        while not lark.connections():
            assert time.monotonic() < deadline, client.is_silent or client.says()
            time.sleep(0.01)


def messages(sdk: Sdk, client: Any) -> None:
    api = client.im.v1.message

    def send(receive_id: str, kind: str, msg_type: str, content: dict[str, Any]) -> Any:
        body = {
            "receive_id": receive_id,
            "msg_type": msg_type,
            "content": json.dumps(content),
            "uuid": str(uuid.uuid4()),
        }
        return good(api.create(sdk.request(sdk.im, "CreateMessage", body, receive_id_type=kind)))

    text = {"text": '<at user_id="ou_emulator0001_bob">Bob</at> loaded'}
    sent = send("oc_emulator_data_team", "chat_id", "text", text)
    assert sent.mentions[0].id == "ou_emulator0001_bob"
    assert json.loads(sent.body.content) == {"text": "@_user_1 loaded"}
    assert (sent.sender.id_type, sent.chat_id) == ("app_id", "oc_emulator_data_team")
    for kind, receiver in (
        ("open_id", "ou_emulator0001_alice"),
        ("union_id", "on_emulator_alice"),
        ("user_id", "alice"),
        ("email", "alice@example.com"),
    ):
        p2p = send(receiver, kind, "text", {"text": kind})
    card_json = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "go?"}]}}
    card = send("alice", "user_id", "interactive", card_json)
    answer = good(
        api.reply(
            sdk.request(
                sdk.im,
                "ReplyMessage",
                {"msg_type": "text", "content": '{"text":"done"}', "reply_in_thread": True},
                message_id=sent.message_id,
            )
        )
    )
    assert (answer.parent_id, answer.root_id) == (sent.message_id, sent.message_id)
    assert answer.thread_id.startswith("omt_")
    edited = good(
        api.update(
            sdk.request(
                sdk.im,
                "UpdateMessage",
                {"msg_type": "text", "content": '{"text":"loaded twice"}'},
                message_id=sent.message_id,
            )
        )
    )
    assert edited.updated is True
    good(
        api.patch(
            sdk.request(
                sdk.im, "PatchMessage", {"content": json.dumps(card_json)}, message_id=card.message_id
            )
        )
    )
    (read,) = good(api.get(sdk.request(sdk.im, "GetMessage", message_id=sent.message_id))).items
    assert json.loads(read.body.content) == {"text": "loaded twice"}
    good(api.delete(sdk.request(sdk.im, "DeleteMessage", message_id=p2p.message_id)))
    listed = good(
        api.list(
            sdk.request(
                sdk.im,
                "ListMessage",
                container_id_type="chat",
                container_id=p2p.chat_id,
                sort_type="ByCreateTimeDesc",
                page_size=2,
            )
        )
    )
    assert [m.message_id for m in listed.items] == [card.message_id, p2p.message_id]
    assert listed.items[1].deleted is True
    assert listed.has_more is True


def card_update(lark: Emulator, sdk: Sdk, client: Any) -> None:
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "go?"}]}}
    body = {"receive_id": "carol", "msg_type": "interactive", "content": json.dumps(card)}
    request = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id")
    sent = good(client.im.v1.message.create(request))
    lark.settings(**PATIENT)
    with AppServer() as app:
        lark.set_callback(app.url)
        token = lark.click(sent.message_id, "carol", action={"tag": "button"})["token"]
    card["body"] = {"elements": [{"tag": "markdown", "content": "gone"}]}
    good(
        client.request(
            sdk.plain("POST", "/open-apis/interactive/v1/card/update", {"token": token, "card": card})
        )
    )
    shown = sdk.request(
        sdk.im, "GetMessage", message_id=sent.message_id, card_msg_content_type="user_card_content"
    )
    (read,) = good(client.im.v1.message.get(shown)).items
    assert json.loads(read.body.content) == card


def files(sdk: Sdk, client: Any) -> None:
    parts = {"image_type": "message", "image": io.BytesIO(PNG)}
    image = good(client.im.v1.image.create(sdk.request(sdk.im, "CreateImage", parts)))
    parts = {"file_type": "stream", "file_name": "日报.csv", "file": io.BytesIO(b"a,b")}
    file = good(client.im.v1.file.create(sdk.request(sdk.im, "CreateFile", parts)))
    for kind, name, key, content in (
        ("image", f"{image.image_key}.png", image.image_key, PNG),
        ("file", "日报.csv", file.file_key, b"a,b"),
    ):
        body = {"receive_id": "bob", "msg_type": kind, "content": json.dumps({f"{kind}_key": key})}
        request = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id")
        sent = good(client.im.v1.message.create(request))
        download = client.im.v1.message_resource.get(
            sdk.request(sdk.im, "GetMessageResource", message_id=sent.message_id, file_key=key, type=kind)
        )
        good(download)
        assert (download.file.read(), download.file_name) == (content, name)


def chats(sdk: Sdk, client: Any) -> None:
    api, members = client.im.v1.chat, client.im.v1.chat_members
    chat = good(
        api.create(
            sdk.request(
                sdk.im,
                "CreateChat",
                {"name": "Loads", "user_id_list": ["ou_emulator0001_alice"]},
                user_id_type="open_id",
                uuid=str(uuid.uuid4()),
            )
        )
    )
    added = good(
        members.create(
            sdk.request(
                sdk.im,
                "CreateChatMembers",
                {"id_list": ["bob", "nobody"]},
                chat_id=chat.chat_id,
                member_id_type="user_id",
                succeed_type=1,
            )
        )
    )
    assert added.not_existed_id_list == ["nobody"]
    listed = good(
        members.get(
            sdk.request(
                sdk.im, "GetChatMembers", chat_id=chat.chat_id, member_id_type="user_id", page_size=100
            )
        )
    )
    assert [m.member_id for m in listed.items] == ["alice", "bob"]
    assert listed.member_total == 2
    assert good(
        members.is_in_chat(sdk.request(sdk.im, "IsInChatChatMembers", chat_id=chat.chat_id))
    ).is_in_chat
    shown = good(api.get(sdk.request(sdk.im, "GetChat", chat_id=chat.chat_id)))
    assert (shown.name, str(shown.user_count)) == ("Loads", "2")
    names = [c.name for c in good(api.list(sdk.request(sdk.im, "ListChat", page_size=100))).items]
    assert names == ["Data team", "Loads"]


def bitable(sdk: Sdk, client: Any) -> None:
    api = client.bitable.v1
    app = good(api.app.create(sdk.request(sdk.bitable, "CreateApp", {"name": "Flights"}, model="ReqApp"))).app
    token = app.app_token
    renamed = good(
        api.app.update(sdk.request(sdk.bitable, "UpdateApp", {"name": "Flights 2026"}, app_token=token))
    )
    assert renamed.app.name == "Flights 2026"
    assert good(api.app.get(sdk.request(sdk.bitable, "GetApp", app_token=token))).app.name == "Flights 2026"
    table_id = _check_tables(sdk, api, token, app.default_table_id)
    _check_fields(sdk, api, token, table_id)
    _check_records(sdk, api, token, table_id)


def _check_tables(sdk: Sdk, api: Any, token: str, default_table: str) -> str:
    tables = api.app_table
    spec = {
        "table": {
            "name": "Legs",
            "default_view_name": "All",
            "fields": [
                {"field_name": "Flight", "type": 1},
                {"field_name": "Delay", "type": 2},
                {"field_name": "Carrier", "type": 3, "property": {"options": [{"name": "UA"}]}},
            ],
        }
    }
    created = good(tables.create(sdk.request(sdk.bitable, "CreateAppTable", spec, app_token=token)))
    assert len(created.field_id_list) == 3
    more = good(
        tables.batch_create(
            sdk.request(
                sdk.bitable,
                "BatchCreateAppTable",
                {"tables": [{"name": "A"}, {"name": "B"}]},
                app_token=token,
            )
        )
    )
    patched = good(
        tables.patch(
            sdk.request(
                sdk.bitable, "PatchAppTable", {"name": "A2"}, app_token=token, table_id=more.table_ids[0]
            )
        )
    )
    assert patched.name == "A2"
    good(tables.delete(sdk.request(sdk.bitable, "DeleteAppTable", app_token=token, table_id=default_table)))
    doomed = good(
        tables.create(sdk.request(sdk.bitable, "CreateAppTable", {"table": {"name": "C"}}, app_token=token))
    )
    gone = {"table_ids": [doomed.table_id]}
    good(tables.batch_delete(sdk.request(sdk.bitable, "BatchDeleteAppTable", gone, app_token=token)))
    listed = good(tables.list(sdk.request(sdk.bitable, "ListAppTable", app_token=token)))
    assert [t.name for t in listed.items] == ["Legs", "A2", "B"]
    assert listed.total == 3
    return str(created.table_id)


def _check_fields(sdk: Sdk, api: Any, token: str, table_id: str) -> None:
    fields, where = api.app_table_field, {"app_token": token, "table_id": table_id}
    field = good(
        fields.create(
            sdk.request(
                sdk.bitable,
                "CreateAppTableField",
                {"field_name": "Onn time", "type": 7},
                model="AppTableField",
                client_token=str(uuid.uuid4()),
                **where,
            )
        )
    ).field
    changed = good(
        fields.update(
            sdk.request(
                sdk.bitable,
                "UpdateAppTableField",
                {"field_name": "On time", "type": 7},
                model="AppTableField",
                field_id=field.field_id,
                **where,
            )
        )
    ).field
    assert changed.field_name == "On time"
    doomed = good(
        fields.create(
            sdk.request(
                sdk.bitable,
                "CreateAppTableField",
                {"field_name": "Doomed", "type": 5},
                model="AppTableField",
                **where,
            )
        )
    ).field
    gone = good(
        fields.delete(sdk.request(sdk.bitable, "DeleteAppTableField", field_id=doomed.field_id, **where))
    )
    assert gone.deleted is True
    listed = good(fields.list(sdk.request(sdk.bitable, "ListAppTableField", page_size=100, **where)))
    assert [f.field_name for f in listed.items] == ["Flight", "Delay", "Carrier", "On time"]
    assert [f.is_primary for f in listed.items] == [True, False, False, False]
    assert listed.items[2].property.options[0].name == "UA"


def _check_records(sdk: Sdk, api: Any, token: str, table_id: str) -> None:
    records, where = api.app_table_record, {"app_token": token, "table_id": table_id}
    row = {"Flight": "UA1", "Delay": 3.5, "Carrier": "UA", "On time": False}
    first = good(
        records.create(
            sdk.request(
                sdk.bitable,
                "CreateAppTableRecord",
                {"fields": row},
                model="AppTableRecord",
                client_token=str(uuid.uuid4()),
                **where,
            )
        )
    ).record
    assert first.fields == row
    batch = [{"fields": {"Flight": f"B6{n}", "Delay": n, "Carrier": "B6"}} for n in range(3)]
    more = good(
        records.batch_create(
            sdk.request(
                sdk.bitable,
                "BatchCreateAppTableRecord",
                {"records": batch},
                client_token=str(uuid.uuid4()),
                **where,
            )
        )
    ).records
    ids = [record.record_id for record in more]
    good(
        records.update(
            sdk.request(
                sdk.bitable,
                "UpdateAppTableRecord",
                {"fields": {"Delay": 9}},
                model="AppTableRecord",
                record_id=first.record_id,
                **where,
            )
        )
    )
    good(
        records.batch_update(
            sdk.request(
                sdk.bitable,
                "BatchUpdateAppTableRecord",
                {"records": [{"record_id": ids[0], "fields": {"Delay": 7}}]},
                **where,
            )
        )
    )
    condition = {"field_name": "Delay", "operator": "isGreater", "value": ["1"]}
    results = good(
        records.search(
            sdk.request(
                sdk.bitable,
                "SearchAppTableRecord",
                {
                    "filter": {"conjunction": "and", "conditions": [condition]},
                    "sort": [{"field_name": "Delay", "desc": True}],
                    "automatic_fields": True,
                },
                **where,
            )
        )
    )
    assert [item.fields["Delay"] for item in results.items] == [9, 7, 2]
    assert results.items[0].fields["Flight"] == [{"text": "UA1", "type": "text"}]
    assert results.items[0].created_by.id.startswith("ou_")
    got = good(
        records.batch_get(
            sdk.request(
                sdk.bitable, "BatchGetAppTableRecord", {"record_ids": [first.record_id, "recnone"]}, **where
            )
        )
    )
    assert got.absent_record_ids == ["recnone"]
    legacy = good(records.list(sdk.request(sdk.bitable, "ListAppTableRecord", page_size=500, **where)))
    assert (legacy.total, legacy.items[0].fields["Flight"]) == (4, "UA1")
    shown = good(
        records.get(sdk.request(sdk.bitable, "GetAppTableRecord", record_id=first.record_id, **where))
    )
    assert shown.record.fields["Flight"] == "UA1"
    deleted = good(
        records.delete(sdk.request(sdk.bitable, "DeleteAppTableRecord", record_id=ids[0], **where))
    )
    assert deleted.deleted is True
    emptied = good(
        records.batch_delete(
            sdk.request(sdk.bitable, "BatchDeleteAppTableRecord", {"records": ids[1:]}, **where)
        )
    )
    assert [record.deleted for record in emptied.records] == [True, True]


def wiki(lark: Emulator, sdk: Sdk, client: Any) -> None:
    token = lark.add_wiki_node("docx", "doxcn1", title="Plan")
    node = good(client.wiki.v2.space.get_node(sdk.request(sdk.wiki, "GetNodeSpace", token=token))).node
    assert (node.obj_type, node.obj_token, node.title) == ("docx", "doxcn1", "Plan")

"""Read by two type checkers, never run: what the public signatures promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, assert_type

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.bot import BotInfo
from lark_provider.api.cards import Button, Card2, Markdown, notice_card
from lark_provider.api.clouddoc.bitable import BaseAnswer, FieldAnswer
from lark_provider.api.clouddoc.bulk import BulkResult
from lark_provider.api.clouddoc.drive import Grant, Share
from lark_provider.api.clouddoc.drive.listing import DriveFile
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.records import DeletedAnswer, Record, RecordAnswer
from lark_provider.api.clouddoc.sheets import Formula, Link, SpreadsheetInfo, Worksheet, Written
from lark_provider.api.contact import User
from lark_provider.api.messaging import Downloaded, Message
from lark_provider.protocol.calls import LarkResponse

c = LarkServiceClient("cli_1", "s")
a = AsyncLarkServiceClient("cli_1", "s")

assert_type(c.messaging.send_text("ou_1", "hi", receiver_id_type="chat_id"), LarkResponse[Message])
text = a.messaging.send_text("ou_1", "hi")
_text = assert_type(text, Coroutine[Any, Any, LarkResponse[Message]])
assert_type(c.messaging.send_text("ou_1", "hi").data["message_id"], str)
assert_type(c.messaging.send_card("ou_1", {"elements": []}), LarkResponse[Message])
assert_type(c.messaging.send("+8613800000001", "hi", receiver_id_type="mobile"), LarkResponse[Message])
assert_type(c.messaging.send_image("+8613800000001", b""), LarkResponse[Message])
assert_type(c.messaging.send_post("ou_1", "**hi**", title="T"), LarkResponse[Message])
assert_type(c.messaging.send_file("ou_1", Path("x.csv"), file_type="xls"), LarkResponse[Message])
assert_type(c.messaging.upload_image("x.png").data["image_key"], str)
assert_type(c.messaging.upload_file(b"x", file_name="x").data["file_key"], str)
assert_type(c.messaging.reply("om_1", "hi", in_thread=True), LarkResponse[Message])
assert_type(c.messaging.edit("om_1", "hi", msg_type="post"), LarkResponse[Message])
assert_type(c.messaging.update_card("om_1", {"elements": []}), LarkResponse[dict[str, Any]])
assert_type(c.messaging.recall("om_1"), LarkResponse[dict[str, Any]])
assert_type(c.messaging.urgent("om_1", ["ou_1"], kind="sms"), LarkResponse[dict[str, Any]])
assert_type(c.messaging.get("om_1").data["items"][0], Message)
assert_type(c.messaging.list("oc_1", newest_first=True), Iterator[Message])
assert_type(a.messaging.list("oc_1"), AsyncIterator[Message])
assert_type(c.messaging.download("om_1", "file_1", "x").data, Downloaded)
sent = a.messaging.send_file("ou_1", b"x", file_name="x")
_sent = assert_type(sent, Coroutine[Any, Any, LarkResponse[Message]])
assert_type(c.contact.find_by_email(["a@b.example"]), dict[str, str | None])
assert_type(c.contact.find_by_mobile("+8613800000001", max_age=0), dict[str, str | None])
assert_type(c.contact.get_id("a@b.example", user_id_type="union_id"), str | None)
assert_type(c.contact.get_user("ou_1"), User | None)
users = a.contact.get_users({"ou_1"})
_users = assert_type(users, Coroutine[Any, Any, dict[str, User | None]])
assert_type(c.bot.info(), LarkResponse[BotInfo])
assert_type(c.clouddoc.bitable.create_app("x"), LarkResponse[BaseAnswer])
assert_type(c.clouddoc.bitable.create_record("a", "t", {"x": 1}), LarkResponse[RecordAnswer])
record = a.clouddoc.bitable.create_record("a", "t", {"x": 1})
_record = assert_type(record, Coroutine[Any, Any, LarkResponse[RecordAnswer]])
assert_type(c.clouddoc.bitable.update_record("a", "t", "r", {"x": None}), LarkResponse[RecordAnswer])
assert_type(c.clouddoc.bitable.delete_record("a", "t", "r"), LarkResponse[DeletedAnswer])
assert_type(
    c.clouddoc.bitable.search_records("a", "t", filter=[("x", "is", 1)], sort=["-x"]), Iterator[Record]
)
assert_type(a.clouddoc.bitable.search_records("a"), AsyncIterator[Record])
assert_type(c.clouddoc.bitable.create_table("a", "t").data["table_id"], str)
assert_type(c.clouddoc.bitable.create_field("a", "t", "x", 1), LarkResponse[FieldAnswer])
assert_type(c.clouddoc.bitable.bulk_update("a", "t", [("r", {"x": 1})]), BulkResult)
assert_type(c.clouddoc.bitable.bulk_delete("a", "t", ["r"], chunk_size=100), BulkResult)
changed = a.clouddoc.bitable.bulk_update("a", None, iter([("r", {"x": 1})]))
_changed = assert_type(changed, Coroutine[Any, Any, BulkResult])
assert_type(c.clouddoc.bitable.bulk_insert("a", "t", []), BulkResult)
load = a.clouddoc.bitable.bulk_insert("a", "t", [])
_load = assert_type(load, Coroutine[Any, Any, BulkResult])
assert_type(c.clouddoc.bitable.list_fields("a", "t"), Iterator[Field])
assert_type(a.clouddoc.bitable.list_fields("a", "t"), AsyncIterator[Field])
assert_type(c.clouddoc.sheets.create("x", share_with=[Share("ou_1", "edit")]), SpreadsheetInfo)
assert_type(c.clouddoc.sheets.read("t", "A1:B2"), list[list[Any]])
assert_type(c.clouddoc.sheets.read_rows("t"), Iterator[list[Any]])
book = c.clouddoc.sheets.open("t")
assert_type(book["Sheet1"].read((1, 1, 2, 2), typed=False), list[list[Any]])
assert_type(book[0].write("A1", [[1, Formula("=A1"), Link("x", "https://x.example")]]), Written)
assert_type(book[0].read_rows("A:C"), Iterator[list[Any]])
assert_type(book.list_sheets(), list[Worksheet])
assert_type(book.share([Share("oc_1")]), list[Grant])
sheet = a.clouddoc.sheets.open("t")["Sheet1"]
_pending_cells = assert_type(sheet.read("A1"), Coroutine[Any, Any, list[list[Any]]])
assert_type(sheet.read_rows(), AsyncIterator[list[Any]])
assert_type(c.clouddoc.drive.permissions.add("t", "ou_1", "view", type="sheet"), Grant)
assert_type(c.clouddoc.drive.ensure_folder("Reports/2026-11"), str)
assert_type(c.clouddoc.drive.list_files(), Iterator[DriveFile])
assert_type(c.call("GET", "/im/v1/chats"), LarkResponse[dict[str, Any]])
assert_type(c.call("GET", "/contact/v3/users/batch", params={"user_ids": ["a", "b"]}).log_id, str | None)
assert_type(notice_card("T", level="error"), Card2)
c.messaging.send_card("oc_1", Card2([Markdown("hi"), {"tag": "hr"}, Button("Open", url="https://x.example")]))

Share("ou_1", "owner")  # type: ignore[arg-type]  # no such role
book["Sheet1"].write("A1", [1])  # type: ignore[list-item]  # rows of values
book["Sheet1"].read(1)  # type: ignore[arg-type]  # no range
c.messaging.send_text("ou_1", "hi", receiver_id_type="phone")  # type: ignore[arg-type]  # no such kind
c.messaging.edit("om_1", "hi", msg_type="image")  # type: ignore[arg-type]  # only text and post
c.messaging.upload_file(b"x", file_type="exe")  # type: ignore[arg-type]  # no such type
c.clouddoc.bitable.bulk_update("a", "t", [{"x": 1}])  # type: ignore[list-item]  # pairs of id and values
notice_card("T", level="bad")  # type: ignore[arg-type]  # no such level
c.messaging.send_text(1, "hi")  # type: ignore[arg-type]  # an id is a text
c.messaging.send_text("ou_1", "hi", keyy="x")  # type: ignore[call-arg]  # no such option
c.contact.get_id("a@b.example", user_id_type="email")  # type: ignore[arg-type]  # no id
c.contact.get_users([1])  # type: ignore[list-item]  # an id is a text

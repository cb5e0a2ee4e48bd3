"""Read by two type checkers, never run: what the public signatures promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.bot import BotInfo
from lark_provider.api.clouddoc.bitable import BaseAnswer
from lark_provider.api.clouddoc.bulk import BulkResult
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.records import RecordAnswer
from lark_provider.api.contact import User
from lark_provider.api.messaging import Message
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
assert_type(c.clouddoc.bitable.bulk_insert("a", "t", []), BulkResult)
load = a.clouddoc.bitable.bulk_insert("a", "t", [])
_load = assert_type(load, Coroutine[Any, Any, BulkResult])
assert_type(c.clouddoc.bitable.list_fields("a", "t"), Iterator[Field])
assert_type(a.clouddoc.bitable.list_fields("a", "t"), AsyncIterator[Field])
assert_type(c.call("GET", "/im/v1/chats"), LarkResponse[dict[str, Any]])

c.messaging.send_text("ou_1", "hi", receiver_id_type="phone")  # type: ignore[arg-type]  # no such kind
c.messaging.send_text(1, "hi")  # type: ignore[arg-type]  # an id is a text
c.messaging.send_text("ou_1", "hi", keyy="x")  # type: ignore[call-arg]  # no such option
c.contact.get_id("a@b.example", user_id_type="email")  # type: ignore[arg-type]  # no id
c.contact.get_users([1])  # type: ignore[list-item]  # an id is a text

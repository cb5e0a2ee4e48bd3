"""What can be known to be wrong is said before Lark is asked, with the next step; in both clients alike."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import InvalidRequestError
from tests.client.conftest import CHAT, Do

DAY = dt.date(2026, 1, 1)
Work = Callable[[Any], Any]

MESSAGES: dict[str, Work] = {
    "a number as text": lambda m: m.send_text(CHAT, 5),
    "half a character": lambda m: m.send_text(CHAT, "\ud800"),
    "a mention that is not a list": lambda m: m.send_text(CHAT, "x", mentions="ou_1"),
    "a content without its text": lambda m: m.send(CHAT, {"txt": "x"}),
    "an image without its key": lambda m: m.send(CHAT, {"image": "x"}, msg_type="image"),
    "a chat to share without its id": lambda m: m.send(CHAT, '{"id": "oc_1"}', msg_type="share_chat"),
    "a post within a post": lambda m: m.send(CHAT, {"post": {"zh_cn": {"content": []}}}, msg_type="post"),
    "a post without lines": lambda m: m.send_post(CHAT, {"zh_cn": {"content": "x"}}),
    "a post without lines, with mentions": lambda m: m.send_post(
        CHAT, {"zh_cn": {"content": None}}, mentions=["all"]
    ),
    "a post of mixed keys": lambda m: m.send_post(CHAT, {1: 2, "a": 3}),
    "no message to answer": lambda m: m.reply("", "x"),
    "no words to edit": lambda m: m.edit("om_1", None),
    "a card to edit": lambda m: m.edit("om_1", "x", msg_type="interactive"),
    "no message to recall": lambda m: m.recall(None),
    "no chat to list": lambda m: m.list(""),
    "a container of no kind": lambda m: m.list(CHAT, container_id_type="folder"),
    "a moment as datetime": lambda m: m.list(CHAT, start_time=dt.datetime.now(dt.UTC)),
    "a moment in milliseconds": lambda m: m.list(CHAT, end_time=1_700_000_000_000),
    "an end before the start": lambda m: m.list(CHAT, start_time=10, end_time=5),
    "a thread with a start": lambda m: m.list("omt_1", container_id_type="thread", start_time=1),
}
FILES: dict[str, Work] = {
    "no image": lambda m: m.send_image(CHAT, None),
    "a list as image": lambda m: m.send_image(CHAT, [1]),
    "an empty image": lambda m: m.send_image(CHAT, b""),
    "a folder": lambda m: m.send_image(CHAT, "/"),
    "a path that cannot be": lambda m: m.send_image(CHAT, "a\0b"),
    "an image that is too large": lambda m: m.upload_image(bytes(10 * 1024 * 1024 + 1)),
    "a closed file": lambda m: m.upload_file(_make_closed_file(), file_name="x"),
    "a name that is an int": lambda m: m.upload_file(b"x", file_name=5),
    "a kind that Lark does not know": lambda m: m.send_file(CHAT, b"x", file_name="a", file_type="exe"),
    "a sound as file": lambda m: m.send_file(CHAT, b"x", file_name="a.opus", file_type="opus"),
    "a duration that cannot be": lambda m: m.upload_file(b"x", file_name="a.mp4", duration=-1),
    "a download of no kind": lambda m: m.download("om_1", "img_1", "x", type="video"),
    "a download to nowhere": lambda m: m.download("om_1", "img_1", None),
}
CALLS: dict[str, Work] = {
    "no path": lambda c: c.call("GET", None),
    "a path with a line break": lambda c: c.call("GET", "/im\r\nX: y"),
    "a method that there is not": lambda c: c.call("FETCH", "/im/v1/chats"),
    "parameters that are none": lambda c: c.call("GET", "/im/v1/chats", params=[1]),
}
RECORDS: dict[str, Callable[[Any, str, str], Any]] = {
    "no fields": lambda b, a, t: b.create_record(a, t, None),
    "no fields, as they are": lambda b, a, t: b.create_record(a, t, [1], convert=False),
    "no record to change": lambda b, a, t: b.update_record(a, t, "", {"No": "1"}),
    "no fields to change": lambda b, a, t: b.update_record(a, t, "rec1", None, convert=False),
    "no record to delete": lambda b, a, t: b.delete_record(a, t, None),
    "dicts to change": lambda b, a, t: b.bulk_update(a, t, [{"record_id": "rec1", "fields": {}}]),
    "ids to change": lambda b, a, t: b.bulk_update(a, t, ["rec1"]),
    "a change of no record": lambda b, a, t: b.bulk_update(a, t, [("rec1", {"No": "1"}), (None, {})]),
    "a change of nothing": lambda b, a, t: b.bulk_update(a, t, [("rec1", None)]),
    "dicts to delete": lambda b, a, t: b.bulk_delete(a, t, ["rec1", {"record_id": "rec2"}]),
    "chunks beyond Lark's": lambda b, a, t: b.bulk_delete(a, t, ["rec1"], chunk_size=501),
    "pages of text": lambda b, a, t: b.search_records(a, t, page_size="5"),
    "a sort that is not a list": lambda b, a, t: b.search_records(a, t, sort="No"),
    "columns that are not a list": lambda b, a, t: b.search_records(a, t, field_names="No"),
    "a sort by a number": lambda b, a, t: b.search_records(a, t, sort=[1]),
    "a condition alone": lambda b, a, t: b.search_records(a, t, filter=("No", "is", 1)),
    "half a condition": lambda b, a, t: b.search_records(a, t, filter=[("No", "is")]),
    "an operator that Lark only lists": lambda b, a, t: b.search_records(a, t, filter=[("No", "like", "x")]),
    "a comparison with nothing": lambda b, a, t: b.search_records(a, t, filter=[("No", "is", None)]),
    "emptiness of a value": lambda b, a, t: b.search_records(a, t, filter=[("No", "isEmpty", 1)]),
    "dates at least": lambda b, a, t: b.search_records(a, t, filter=[("No", "isGreaterEqual", DAY)]),
    "too many conditions": lambda b, a, t: b.search_records(a, t, filter=[("No", "is", 1)] * 51),
    "too many values": lambda b, a, t: b.search_records(a, t, filter=[("No", "is", ["1"] * 11)]),
    "a column that is not there": lambda b, a, t: b.search_records(a, t, field_names=["no"]),
    "a table without a name": lambda b, a, _: b.create_table(a, " "),
    "a table of words": lambda b, a, _: b.create_table(a, "x", "No"),
    "a field without a name": lambda b, a, t: b.create_field(a, t, "", fields.TEXT),
    "a type by name": lambda b, a, t: b.create_field(a, t, "x", "Text"),
}


def _make_closed_file() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


@pytest.mark.parametrize("name", [*MESSAGES, *FILES, *CALLS])
def test_nothing_is_asked(lark: Emulator, do: Do, name: str) -> None:
    def work(client: Any) -> Any:
        return CALLS[name](client) if name in CALLS else (MESSAGES | FILES)[name](client.messaging)

    with pytest.raises(InvalidRequestError, match=r"Next: "):
        list(do(work))  # listings begin when they are walked through
    assert lark.state(summary=True)["requests"] == 0


@pytest.mark.parametrize("name", RECORDS)
def test_no_record_is_asked_for(lark: Emulator, do: Do, name: str) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    app = bitable.create_app("B").data["app"]
    response = bitable.create_table(app["app_token"], "T", [fields.Field(field_name="No", type=fields.TEXT)])
    where = (app["app_token"], response.data["table_id"])
    list(bitable.list_fields(*where))
    before = lark.state(summary=True)["by_endpoint"]
    with pytest.raises(InvalidRequestError, match=r"Next: "):
        list(do(lambda c: RECORDS[name](c.clouddoc.bitable, *where)))
    after = lark.state(summary=True)["by_endpoint"]
    endpoints = {endpoint for endpoint in after if after[endpoint] != before.get(endpoint)}
    assert endpoints <= {"GET /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields"}

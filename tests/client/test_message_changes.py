"""Replies, edits, cards that change, recalls, reading, files: over HTTP with both clients."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from tests.client.conftest import CHAT, Do, messages

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "before"}]}}
AFTER = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "after"}]}}


@pytest.fixture
def first(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    return LarkServiceClient().messaging.send_text(CHAT, "first").data["message_id"]


@pytest.fixture
def theirs(lark: Emulator) -> str:
    """Send a message as another app, and return its id."""
    lark.settings(rate_limits=False)
    lark.add_app("cli_other", "other-secret")
    chat = lark.add_chat("Shared", users=["alice"], bots=[lark.app_id, "cli_other"])
    other = LarkServiceClient("cli_other", "other-secret")
    return other.messaging.send_text(chat["chat_id"], "theirs").data["message_id"]


def test_replies(lark: Emulator, do: Do, first: str) -> None:
    for _ in range(2):
        do(lambda c: c.messaging.reply(first, "second", idempotency_key="k", mentions=["all"]))
    do(lambda c: c.messaging.reply(first, CARD, msg_type="interactive", in_thread=True))
    do(lambda c: c.messaging.reply(first, "**third**", msg_type="post"))
    texts = messages(lark)[1:]
    assert [reply["parent_id"] for reply in texts] == [first] * 3
    assert [reply["msg_type"] for reply in texts] == ["text", "interactive", "post"]
    assert texts[1]["thread_id"]
    with pytest.raises(LarkAPIError, match="Next: "):
        do(lambda c: c.messaging.reply("om_unknown", "x"))


def test_a_lost_reply_without_a_key(lark: Emulator, do: Do, first: str) -> None:
    lark.fault(path="*/reply", drop="after")
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.messaging.reply(first, "x"))
    assert len(messages(lark)) == 2


def test_edits(lark: Emulator, do: Do, first: str, theirs: str) -> None:
    lark.fault(method="PUT", path="*/messages/*", drop="after")
    do(lambda c: c.messaging.edit(first, "changed"))
    assert messages(lark)[0]["content"] == {"text": "changed"}
    with pytest.raises(PermissionDeniedError, match="edit it with the app that sent it"):
        do(lambda c: c.messaging.edit(theirs, "x"))
    with pytest.raises(InvalidRequestError, match="update_card"):
        do(lambda c: c.messaging.edit(first, "{}", msg_type="interactive"))
    for number in range(18):  # after the one above, which was performed twice
        LarkServiceClient().messaging.edit(first, str(number))
    with pytest.raises(ConflictError, match="20 edits"):
        do(lambda c: c.messaging.edit(first, "once more"))


def test_cards_change(lark: Emulator, do: Do, first: str) -> None:
    card = do(lambda c: c.messaging.send_card(CHAT, CARD)).data["message_id"]
    do(lambda c: c.messaging.update_card(card, AFTER))
    assert messages(lark)[1]["content"] == AFTER
    with pytest.raises(InvalidRequestError, match="must be JSON"):
        do(lambda c: c.messaging.update_card(card, "{"))
    with pytest.raises(LarkAPIError, match="Next: "):
        do(lambda c: c.messaging.update_card(first, AFTER))
    lark.advance(15 * 86400)
    with pytest.raises(ConflictError, match="14 days"):
        do(lambda c: c.messaging.update_card(card, AFTER))


def test_recalls(lark: Emulator, do: Do, first: str, theirs: str) -> None:
    do(lambda c: c.messaging.recall(first))
    assert messages(lark)[0]["deleted"]
    with pytest.raises(ConflictError, match="recalled already"):
        do(lambda c: c.messaging.recall(first))
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.messaging.recall(theirs))
    late = do(lambda c: c.messaging.send_text(CHAT, "late")).data["message_id"]
    lark.advance(2 * 86400)
    with pytest.raises(ConflictError, match="time for recalling"):
        do(lambda c: c.messaging.recall(late))


def test_reading(lark: Emulator, do: Do, first: str) -> None:
    for number in range(120):
        LarkServiceClient().messaging.send_text(CHAT, str(number))

    def list_messages(client: Any) -> Any:
        listing = client.messaging.list(CHAT, newest_first=True)
        return list(listing) if isinstance(listing, Iterator) else listing

    everything = do(list_messages)
    assert len(everything) == 121
    assert everything[-1]["message_id"] == first
    assert do(lambda c: c.messaging.get(first)).data["items"][0]["body"]["content"] == '{"text":"first"}'


@pytest.mark.parametrize("kind", ["path", "bytes", "file"])
def test_files_and_images_go_up_and_come_down(lark: Emulator, do: Do, tmp_path: Path, kind: str) -> None:
    report = tmp_path / '日报 "1".csv'
    report.write_bytes(b"a,b\n" * 50_000)
    image = tmp_path / "chart.png"
    image.write_bytes(PNG)
    sources: dict[str, Any] = {
        "path": (report, str(image)),
        "bytes": (report.read_bytes(), PNG),
        "file": (io.BytesIO(report.read_bytes()), io.BytesIO(PNG)),
    }
    file, picture = sources[kind]
    name = None if kind == "path" else "日报.csv"
    sent = do(lambda c: c.messaging.send_file(CHAT, file, file_name=name, idempotency_key="f"))
    shown = do(lambda c: c.messaging.send_image(CHAT, picture))
    file_key, image_key = (message["content"] for message in messages(lark))
    target = tmp_path / "down.csv"
    answer = do(lambda c: c.messaging.download(sent.data["message_id"], file_key["file_key"], target))
    assert target.read_bytes() == report.read_bytes()
    assert answer.data["bytes"] == 200_000
    again = do(lambda c: c.messaging.send_image(CHAT, image_key["image_key"]))
    assert again.data["message_id"] != shown.data["message_id"]


def test_a_download_that_breaks_leaves_nothing(lark: Emulator, do: Do, tmp_path: Path) -> None:
    sent = LarkServiceClient().messaging.send_file(CHAT, b"x" * 10, file_name="x.bin").data["message_id"]
    key = messages(lark)[0]["content"]["file_key"]
    with pytest.raises(LarkAPIError):
        do(lambda c: c.messaging.download(sent, "file_unknown", tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []
    lark.fault(path="*/resources/*", drop="before")
    do(lambda c: c.messaging.download(sent, key, tmp_path / "x"))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_download_has_the_rights_of_any_new_file(
    lark: Emulator, do: Do, tmp_path: Path, umask: int
) -> None:
    sent = LarkServiceClient().messaging.send_file(CHAT, b"x", file_name="x.bin").data["message_id"]
    key = messages(lark)[0]["content"]["file_key"]
    name = "长" * 60 + ".bin"  # as long as a name in UTF-8 may be, more or less
    before = os.umask(umask)
    try:
        do(lambda c: c.messaging.download(sent, key, tmp_path / name))
        (tmp_path / "other").touch()
    finally:
        os.umask(before)
    assert (tmp_path / name).stat().st_mode == (tmp_path / "other").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_a_json_file_is_a_file(lark: Emulator, do: Do, tmp_path: Path) -> None:
    content = b'{"code": 1254045, "msg": "x", "data": {}}'
    sent = LarkServiceClient().messaging.send_file(CHAT, content, file_name="a.json").data["message_id"]
    key, target = messages(lark)[0]["content"]["file_key"], tmp_path / "a.json"
    assert do(lambda c: c.messaging.download(sent, key, target)).data["bytes"] == len(content)
    assert target.read_bytes() == content


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("/no/such/file.csv", "cannot be read: No such file"),
        (b"", "must not be empty"),
        (b"x" * (30 * 1024 * 1024 + 1), "at most 31457280 bytes"),
        (io.StringIO("x"), "open in binary mode"),
    ],
)
def test_uploads_that_cannot_be_are_refused_before_the_network(
    lark: Emulator, do: Do, source: Any, text: str
) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        do(lambda c: c.messaging.send_file(CHAT, source, file_name="x.csv"))
    with pytest.raises(InvalidRequestError, match="must have a name"):
        do(lambda c: c.messaging.send_file(CHAT, b"x"))
    assert lark.state(summary=True)["requests"] == 0
    with pytest.raises(InvalidRequestError, match="234011"):
        do(lambda c: c.messaging.send_image(CHAT, b"no image"))


def test_wiki_links_are_resolved_once(lark: Emulator, do: Do) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    base = bitable.create_app("B").data["app"]
    node = lark.add_wiki_node("bitable", base["app_token"], title="B")
    token = node if isinstance(node, str) else node["node_token"]
    link = f"https://x.feishu.cn/wiki/{token}?table={base['default_table_id']}"
    for _ in range(2):
        do(lambda c: c.clouddoc.bitable.create_record(link, None, {}))
    calls = lark.state(summary=True)["by_endpoint"]["GET /open-apis/wiki/v2/spaces/get_node"]
    assert calls == 1

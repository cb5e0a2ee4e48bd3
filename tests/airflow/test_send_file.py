"""LarkSendFileOperator: files and images of any storage, once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import InvalidRequestError
from lark_provider.operators import LarkSendFileOperator, object_storage
from tests.airflow.conftest import CHAT

Context = Callable[..., Any]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


def read_messages(lark: Emulator) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = lark.state()["chats"][0]["messages"]
    return messages


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_arrives_once(lark: Emulator, context: Context, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(b"no,paid\nA-1,1\n")
    send = LarkSendFileOperator(task_id="t", receiver_id=CHAT, file=f"{scheme}{{{{ params.file }}}}")
    send.render_template_fields({"params": {"file": str(file)}})
    message_id = send.execute(context())
    assert send.execute(context(try_number=2)) == message_id
    [message] = read_messages(lark)
    assert (message["message_id"], message["msg_type"]) == (message_id, "file")
    assert CHAT in send.chat_link
    back = tmp_path / "back"
    LarkServiceClient().messaging.download(message_id, message["content"]["file_key"], back)
    assert back.read_bytes() == file.read_bytes()
    assert send.execute(context(try_number=3, max_tries=4)) != message_id  # cleared


def test_an_image_is_shown(lark: Emulator, context: Context, tmp_path: Path) -> None:
    file = tmp_path / "chart.png"
    file.write_bytes(PNG)
    LarkSendFileOperator(task_id="t", receiver_id=CHAT, file=file.as_uri(), msg_type="image").execute(
        context()
    )
    assert [message["msg_type"] for message in read_messages(lark)] == ["image"]


def test_a_path_of_pathlib_and_a_name_that_is_not_unicode(
    lark: Emulator, context: Context, tmp_path: Path
) -> None:
    """Names of files are bytes: one from a GBK share has no UTF-8."""
    file = tmp_path / os.fsdecode(b"\xb6\xa9.csv")
    file.write_text("a,b")
    for path in (file, str(file)):
        LarkSendFileOperator(
            task_id="t", receiver_id=CHAT, file=path, file_name="orders.csv", idempotency_key=repr(path)
        ).execute(context())
    assert len(read_messages(lark)) == 2
    with pytest.raises(AirflowFailException, match="must be one that can be written"):
        LarkSendFileOperator(task_id="t", receiver_id=CHAT, file="\ud800").execute(context())


def test_what_no_retry_can_mend_fails_at_once(
    lark: Emulator, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, large = tmp_path / "empty", tmp_path / "large"
    empty.touch()
    large.write_bytes(b"x" * 11)
    with pytest.raises(AirflowFailException, match="Cannot read the file"):
        LarkSendFileOperator(task_id="t", receiver_id=CHAT, file=str(tmp_path)).execute(context())
    monkeypatch.setattr(object_storage, "MAX_FILE_BYTES", 10)
    for file, text in (
        (tmp_path / "missing", "Cannot read the file"),
        (empty, "empty"),
        (large, "has 11 bytes; the limit is 10"),
    ):
        with pytest.raises(AirflowFailException, match=text):
            LarkSendFileOperator(task_id="t", receiver_id=CHAT, file=str(file)).execute(context())
    assert read_messages(lark) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"msg_type": "audio"}, "msg_type must be"),
        ({"msg_type": "image", "file_name": "x"}, "file_name must be"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        LarkSendFileOperator(task_id="t", receiver_id=CHAT, file="x", **changes)

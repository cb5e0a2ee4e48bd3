"""What the official SDK sees of an endpoint that is not emulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import gaps

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def test_the_sentence_and_a_code_that_is_not_larks(sdk: Sdk, lark: Emulator) -> None:
    client = sdk.client(lark)
    for answer in (
        client.drive.v1.file_version.list(sdk.request(sdk.drive, "ListFileVersion", file_token="t")),
        client.im.v1.chat_moderation.get(sdk.request(sdk.im, "GetChatModeration", chat_id="c")),
    ):
        assert (answer.code, answer.msg.startswith("not emulated: GET /open-apis/")) == (gaps.CODE, True)

from __future__ import annotations

import asyncio
import os

import lark_oapi as lark
from feishu_streaming_card import StreamingCard


async def main() -> None:
    client = lark.Client.builder().app_id(os.environ["APP_ID"]).app_secret(os.environ["APP_SECRET"]).build()
    card = await StreamingCard.open(client=client, chat_id=os.environ["CHAT_ID"], receive_id_type="chat_id")
    for text in ("flow", "flow, word", "flow, word by word"):
        await card.push(text, force=True)
    assert await card.close(), "the card was not replaced"


asyncio.run(main())

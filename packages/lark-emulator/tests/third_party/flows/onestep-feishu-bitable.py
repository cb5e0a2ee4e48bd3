from __future__ import annotations

import asyncio
import os

from onestep.envelope import Envelope
from onestep_feishu_bitable import FeishuBitableConnector


async def main() -> None:
    feishu = FeishuBitableConnector(app_id=os.environ["APP_ID"], app_secret=os.environ["APP_SECRET"])
    table = {"app_token": os.environ["BASE"], "table_id": os.environ["TABLE"]}
    sink = feishu.table_sink(**table, match_fields=["Name"])
    await sink.open()
    for _ in range(2):  # the second time it finds its record
        await sink.send(Envelope({"Name": "flow"}))
    await sink.close()
    source = feishu.incremental(**table, cursor_field="Name")
    await source.open()
    read = await source.fetch(10)
    names = [delivery.envelope.body["fields"]["Name"] for delivery in read]
    assert names == [[{"text": "flow", "type": "text"}]], names


asyncio.run(main())

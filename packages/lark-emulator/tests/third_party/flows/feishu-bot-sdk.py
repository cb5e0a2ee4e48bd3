from __future__ import annotations

import os

from feishu_bot_sdk.bitable import BitableService
from feishu_bot_sdk.bot import BotService
from feishu_bot_sdk.config import FeishuConfig
from feishu_bot_sdk.feishu import FeishuClient

client = FeishuClient(FeishuConfig(app_id=os.environ["APP_ID"], app_secret=os.environ["APP_SECRET"]))
client.send_text_message(os.environ["CHAT_ID"], "chat_id", "flow")
BotService(client)
bases = BitableService(client)
bases.create_record(os.environ["BASE"], os.environ["TABLE"], {"Name": "flow"})
assert len(bases.list_records(os.environ["BASE"], os.environ["TABLE"])["items"]) == 1

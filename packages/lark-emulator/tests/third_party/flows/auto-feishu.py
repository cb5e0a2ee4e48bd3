from __future__ import annotations

import os

os.environ["FEISHU_APP_ID"] = os.environ["APP_ID"]
os.environ["FEISHU_APP_SECRET"] = os.environ["APP_SECRET"]
from feishu import FeiShuBot

FeiShuBot(chat_id=os.environ["CHAT_ID"]).send_text("flow")

from __future__ import annotations

import os

from LarkBot.LarkBot import Bot

bot = Bot(os.environ["APP_ID"], os.environ["APP_SECRET"])
sent = bot.textMessage(chat_id=os.environ["CHAT_ID"], text="flow").json()
assert sent["data"]["message_id"].startswith("om_"), sent

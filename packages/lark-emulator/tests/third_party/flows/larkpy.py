from __future__ import annotations

import os

from larkpy.im import LarkMessage
from larkpy.webhook import LarkWebhook

LarkWebhook(os.environ["WEBHOOK"]).send_text("webhook flow")
api = LarkMessage(os.environ["APP_ID"], os.environ["APP_SECRET"], receive_id=os.environ["CHAT_ID"])
api.send("flow")
assert api.messages(os.environ["CHAT_ID"])

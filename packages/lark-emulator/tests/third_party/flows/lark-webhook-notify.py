from __future__ import annotations

import os

from lark_webhook_notify import send_alert

webhook = {"webhook_url": os.environ["SIGNED_WEBHOOK"], "webhook_secret": os.environ["SIGNED_WEBHOOK_SECRET"]}
answer = send_alert("flow", "a signed card", severity="critical", **webhook)
assert answer["code"] == 0, answer

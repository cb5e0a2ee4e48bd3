from __future__ import annotations

import os

from feishu_card_notify.notifier import Notifier

result = Notifier(webhook=os.environ["WEBHOOK"]).error("flow", "failed")
assert result.success, result

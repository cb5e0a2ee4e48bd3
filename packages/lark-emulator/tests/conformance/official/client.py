"""An app on the official Python SDK's long connection, unchanged; it says on stdout what it receives.

Run with one argument, JSON: `base_url`, `app_id`, `secret`; `answer` (to card callbacks); `first` (what the
first calls of a handler do: `raise`, or a number of seconds to wait).
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import lark_oapi as lark

config = json.loads(sys.argv[1])
response = importlib.import_module(
    "lark_oapi.event.callback.model.p2_card_action_trigger"
).P2CardActionTriggerResponse
firsts = config.get("first", [])


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def misbehave() -> None:
    first = firsts.pop(0) if firsts else None
    if first == "raise":
        raise RuntimeError("the handler fails")
    if first:
        time.sleep(first)


def handle_message(event: Any) -> None:
    say(got="event", event_id=event.header.event_id, content=event.event.message.content)
    misbehave()


def handle_click(event: Any) -> Any:
    say(got="click", event_id=event.header.event_id, value=event.event.action.value)
    misbehave()
    return response(config["answer"]) if config.get("answer") else None


handler = (
    lark.EventDispatcherHandler.builder("", "")
    .register_p2_im_message_receive_v1(handle_message)
    .register_p2_card_action_trigger(handle_click)
    .build()
)
client = lark.ws.Client(
    config["app_id"],
    config["secret"],
    event_handler=handler,
    domain=config["base_url"],
    log_level=lark.LogLevel.CRITICAL,
)
try:
    client.start()
except Exception as error:  # noqa: BLE001 - the test looks at it
    say(error=str(error))

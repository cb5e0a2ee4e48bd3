"""Print what people write to the bot; replace the handler by yours."""

from __future__ import annotations

import json
import os

from lark_provider.callbacks import Event
from lark_provider.callbacks.broker.consumer import consume


def handle(event: Event) -> None:
    """Handle one event; a second delivery of it does not come here."""
    if event.type == "im.message.receive_v1":
        message = event.event["message"]
        print(message["chat_id"], json.loads(message["content"]).get("text", ""), flush=True)  # noqa: T201 - the example's work


if __name__ == "__main__":
    consume(
        handle,
        consumer="answering-machine",
        probe_port=int(os.environ.get("PROBE_PORT", "8782")),
        probe_host="0.0.0.0",  # noqa: S104 - the pod's own network, where the kubelet asks
    )

"""Messages with a key under every failure at once: each arrives, and none twice. What many clients hold."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import LarkAPIError, TransportError

COUNT = 250
TRIES = 10
"""Enough for any message: a few are lost on every try of the client's own, and are sent again."""


@pytest.mark.parametrize("seed", [1, 2])
def test_every_keyed_message_arrives_once(lark: Emulator, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a plan of failures, to be repeated
    for _ in range(COUNT // 4):
        kinds: list[dict[str, Any]] = [
            {"drop": "before"},
            {"drop": "after"},
            {"status": 503, "body": "<html>"},
            {"status": 429, "code": 99991400, "headers": {"x-ogw-ratelimit-reset": "0"}},
            {"code": 99991663, "msg": "token invalid"},
        ]
        lark.fault("POST", "/open-apis/im/v1/messages", skip=chance.randrange(COUNT), **chance.choice(kinds))

    chats = [
        lark.add_chat(f"{number}", bots=[lark.app_id])["chat_id"] for number in range(25)
    ]  # 5 messages a second in each

    def send(number: int) -> None:
        chat = chats[number % len(chats)]
        with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
            for left in reversed(range(TRIES)):
                try:
                    client.messaging.send_text(chat, f"message {number}", idempotency_key=f"{seed}-{number}")
                except (TransportError, LarkAPIError):
                    if left == 0:
                        raise
                else:
                    return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(COUNT)))
    arrived = Counter(
        message["content"]["text"] for chat in lark.state()["chats"] for message in chat["messages"]
    )
    assert len(arrived) == COUNT
    assert set(arrived.values()) == {1}
    assert (
        len([request for request in lark.requests() if request["path"].endswith("/messages")]) > COUNT
    )  # there were repeats


CLIENTS = """
import gc, sys, tracemalloc
from lark_provider import LarkServiceClient

def send(count):
    for _ in range(count):
        LarkServiceClient(*sys.argv[1:3], base_url=sys.argv[3]).bot.info()
    gc.collect()

send(50)
tracemalloc.start()
send(50)
before, _ = tracemalloc.get_traced_memory()
send(300)
after, _ = tracemalloc.get_traced_memory()
print((after - before) / 300)
"""


def test_many_clients_hold_no_memory(lark: Emulator) -> None:
    command = [sys.executable, "-c", CLIENTS, lark.app_id, lark.app_secret, lark.base_url]
    held = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603 - ours
    assert held < 200, f"{held:.0f} bytes a client"

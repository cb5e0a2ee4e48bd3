"""What arrived at the local Lark."""

from __future__ import annotations

from typing import Any

import httpx
from lark_emulator import Emulator


def open_id(lark: Emulator, app_id: str = "cli_your_app_id", user_id: str = "alice") -> str:
    """The `ou_…` under which an app knows a user."""
    (user,) = (user for user in lark.state()["users"] if user["user_id"] == user_id)
    return str(user["open_ids"][app_id])


def messages(lark: Emulator) -> list[dict[str, Any]]:
    """All messages, the oldest first."""
    unsorted = [message for chat in lark.state()["chats"] for message in chat["messages"]]
    return sorted(unsorted, key=lambda message: int(message["create_time"]))


def texts(lark: Emulator) -> list[str]:
    """Their texts."""
    return [message["content"]["text"] for message in messages(lark)]


def token_requests(lark: Emulator) -> int:
    """How often a token was asked for."""
    return int(lark.state(summary=True)["token_requests"])


def request_token(lark: Emulator, app_id: str = "cli_your_app_id") -> str:
    """The token that an app has: Lark hands out the same one until half an hour of its life remains."""
    url = f"{lark.base_url}/open-apis/auth/v3/tenant_access_token/internal"
    answer = httpx.post(url, json={"app_id": app_id, "app_secret": "your_app_secret"})
    return str(answer.json()["tenant_access_token"])

"""What arrived at the local Lark."""

from __future__ import annotations

from typing import Any

import httpx
from lark_emulator import Emulator


def open_id(lark: Emulator, app_id: str = "cli_your_app_id", user_id: str = "alice") -> str:
    """Return the open_id under which an app knows a user."""
    (user,) = (user for user in lark.state()["users"] if user["user_id"] == user_id)
    return str(user["open_ids"][app_id])


def messages(lark: Emulator) -> list[dict[str, Any]]:
    """Return all messages, the oldest first."""
    unsorted = [message for chat in lark.state()["chats"] for message in chat["messages"]]
    return sorted(unsorted, key=lambda message: int(message["create_time"]))


def read_texts(lark: Emulator) -> list[str]:
    """Return the texts of all messages, the oldest first."""
    return [message["content"]["text"] for message in messages(lark)]


def token_requests(lark: Emulator) -> int:
    """Return how often a token was requested."""
    return int(lark.state(summary=True)["token_requests"])


def request_token(lark: Emulator, app_id: str = "cli_your_app_id") -> str:
    """Request an app's token; Lark returns the same one until half an hour of its lifetime remains."""
    url = f"{lark.base_url}/open-apis/auth/v3/tenant_access_token/internal"
    answer = httpx.post(url, json={"app_id": app_id, "app_secret": "your_app_secret"})
    return str(answer.json()["tenant_access_token"])

"""The demo's second half: a card asks a question; a user who may not answer clicks, then one who may.

The first click comes through the gateway, as from the internet; the second one over the long connection.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from lark_provider.cli.demo.processes import CHAT_ID, LocalLark

DAG_ID = "approve_publish"
APPROVER, APPROVER_ID, STRANGER = "alice", "ou_emulator0001_alice", "bob"
_BUTTON, _NOTE = "Publish", "Looks right."
_WAYS = {STRANGER: "http", APPROVER: "long_connection"}
_SHOWN = {STRANGER: "through the gateway", APPROVER: "over the long connection"}


class Clicker:
    """Act for the users in the chat: click on the card as soon as it is there."""

    def __init__(self, lark: LocalLark) -> None:
        self._lark = lark
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._click, daemon=True)
        self.toasts: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _click(self) -> None:
        while not self._over.wait(0.2):
            asking = [one for one in messages(self._lark.state()) if _BUTTON in _labels(one["content"])]
            if asking:
                break
        else:
            return
        for user, way in _WAYS.items():
            self._lark.control("apps/change", app_id=self._lark.app_id, callback_mode=way)
            path = f"cards/{asking[0]['message_id']}/click"
            clicked = self._lark.control(path, user=user, component=_BUTTON, form_value={"note": _NOTE})
            self.toasts[user] = (clicked["toast"] or {}).get("content", clicked["error"])


def messages(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of the demo's chat."""
    (chat,) = [one for one in state["chats"] if one["chat_id"] == CHAT_ID]
    found: list[dict[str, Any]] = chat["messages"]
    return found


def report(state: dict[str, Any], clicker: Clicker) -> bool:
    """Print the clicks and their outcome, and return whether it is the expected one."""
    print("\nAsked on a card:")
    for user, toast in clicker.toasts.items():
        print(f"  {user} clicked {_BUTTON!r} {_SHOWN[user]} and read {toast!r}")
    card, confirmation = messages(state)[-2:]
    print(f"{state['click_count']} clicks · {len(_labels(card['content']))} buttons left on the card")
    is_decided = not _labels(card["content"]) and APPROVER_ID in str(card["content"])
    return is_decided and confirmation["content"].get("text") == f"Published. {_NOTE}"


def _labels(part: Any) -> list[str]:
    """Return the labels of a card's buttons."""
    found: list[str] = []
    if isinstance(part, dict):
        if part.get("tag") == "button":
            found.append(str(part.get("text", {}).get("content")))
        part = list(part.values())
    for one in part if isinstance(part, list) else ():
        found += _labels(one)
    return found

"""The demo's second half: somebody is asked on a card, a stranger clicks, then somebody who may."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from lark_provider.cli.demo.processes import CHAT_ID, LocalLark

DAG_ID = "approve_publish"
APPROVER, APPROVER_ID, STRANGER = "alice", "ou_emulator0001_alice", "bob"
_BUTTON, _NOTE = "Publish", "Looks right."


class Clicker:
    """Stands for the people in the chat: clicks on the card as soon as it is there."""

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
        for user in (STRANGER, APPROVER):
            path = f"cards/{asking[0]['message_id']}/click"
            clicked = self._lark.control(path, user=user, component=_BUTTON, form_value={"note": _NOTE})
            self.toasts[user] = (clicked["toast"] or {}).get("content", clicked["error"])


def messages(state: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in the demo's chat."""
    (chat,) = [one for one in state["chats"] if one["chat_id"] == CHAT_ID]
    found: list[dict[str, Any]] = chat["messages"]
    return found


def report(state: dict[str, Any], clicker: Clicker) -> bool:
    """Print who clicked and what came of it, and say whether that is what should have."""
    print("\nAsked on a card:")
    for user, toast in clicker.toasts.items():
        print(f"  {user} clicked {_BUTTON!r} and read {toast!r}")
    card, told = messages(state)[-2:]
    print(f"{state['click_count']} clicks · {len(_labels(card['content']))} buttons left on the card")
    is_decided = not _labels(card["content"]) and APPROVER_ID in str(card["content"])
    return is_decided and told["content"].get("text") == f"Published. {_NOTE}"


def _labels(part: Any) -> list[str]:
    """What stands on the buttons of a card."""
    found: list[str] = []
    if isinstance(part, dict):
        if part.get("tag") == "button":
            found.append(str(part.get("text", {}).get("content")))
        part = list(part.values())
    for one in part if isinstance(part, list) else ():
        found += _labels(one)
    return found

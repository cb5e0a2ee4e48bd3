"""The demo's second half: Airflow's own `ApprovalOperator` asks, on a card that nothing in its DAG sends.

A person who is not linked to a user of Airflow clicks first, through the gateway, as from the internet; then
one who is, over the long connection.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from lark_provider.cli.demo.airflow_services import AirflowServices
from lark_provider.cli.demo.processes import CHAT_ID, LocalLark
from lark_provider.errors import LarkError

DAG_ID = "approve_deploy"
APPROVER, STRANGER = "alice", "bob"
_BUTTON, _NOTE, _VERSION = "Approve", "Looks right.", "2.1"
_WAYS = {STRANGER: "http", APPROVER: "long_connection"}
_SHOWN = {STRANGER: "through the gateway", APPROVER: "over the long connection"}
_RUN_SECONDS = 180.0


class DemoClicker:
    """Act for the people in the chat: click on the card as soon as it is there."""

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
            asking = [
                message
                for message in list_chat_messages(self._lark.read_snapshot())
                if _BUTTON in list_labels(message["content"])
            ]
            if asking:
                break
        else:
            return
        for user, way in _WAYS.items():
            self._lark.control("apps/change", app_id=self._lark.app_id, callback_mode=way)
            path = f"cards/{asking[0]['message_id']}/click"
            entered = {"param:note": _NOTE}
            clicked = self._lark.control(path, user=user, component=_BUTTON, form_value=entered)
            self.toasts[user] = (clicked["toast"] or {}).get("content", clicked["error"])


def run(airflow: AirflowServices) -> dict[str, Any]:
    """Run the DAG, and return the question as Airflow records it, answered.

    Args:
        airflow: The services of Airflow.

    Raises:
        LarkError: The run failed, or took too long.
    """
    conf = {"chat_id": CHAT_ID, "version": _VERSION}
    run_id = airflow.trigger(DAG_ID, conf)
    until, state = time.monotonic() + _RUN_SECONDS, ""
    while state not in {"success", "failed"}:
        if time.monotonic() > until:
            raise LarkError(f"Run {run_id} must end in {_RUN_SECONDS:g} s, and is {state!r}.")
        time.sleep(0.5)
        state = airflow.call("GET", f"/dags/{DAG_ID}/dagRuns/{run_id}")["state"]
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/ask/-1/hitlDetails"
    answered: dict[str, Any] = airflow.call("GET", path)
    return answered


def list_chat_messages(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a chat."""
    (chat,) = [chat for chat in state["chats"] if chat["chat_id"] == CHAT_ID]
    chat_messages: list[dict[str, Any]] = chat["messages"]
    return chat_messages


def report(state: dict[str, Any], clicker: DemoClicker, answered: dict[str, Any]) -> bool:
    """Print the clicks and their outcome, and return whether it is as expected."""
    print("\nAsked by Airflow's ApprovalOperator, on a card:")
    for user, toast in clicker.toasts.items():
        print(f"  {user} clicked {_BUTTON!r} {_SHOWN[user]} and read {toast!r}")
    notices = [
        message
        for chat in state["chats"]
        if chat["chat_id"] != CHAT_ID
        for message in chat["messages"]
        if "Airflow" in str(message["content"])
    ]
    for notice in notices:
        words = str(notice["content"].get("text") or join_texts(notice["content"]))
        print(f"  {STRANGER} was told alone: {words.splitlines()[0]}")
    person = (answered["responded_by_user"] or {}).get("name")
    print(f"  Airflow recorded: {', '.join(answered['chosen_options'])}, by {person}")
    card, confirmation = list_chat_messages(state)[-2:]
    print(f"{state['click_count']} clicks · {len(list_labels(card['content']))} buttons left on the card")
    is_answered = person == APPROVER and answered["chosen_options"] == [_BUTTON] and bool(notices)
    is_closed = not list_labels(card["content"]) and APPROVER in str(card["content"])
    return (
        is_answered and is_closed and confirmation["content"].get("text") == f"Deployed {_VERSION}. {_NOTE}"
    )


def list_labels(part: Any) -> list[str]:
    """Return the labels of a card's buttons."""
    button_labels: list[str] = []
    if isinstance(part, dict) and part.get("tag") == "button":
        button_labels.append(str(part.get("text", {}).get("content")))
    children = list(part.values()) if isinstance(part, dict) else part
    for child in children if isinstance(children, list) else ():
        button_labels += list_labels(child)
    return button_labels


def join_texts(part: Any) -> str:
    """Return the texts of a card in one line."""
    if isinstance(part, dict):
        own = str(part["content"]) if isinstance(part.get("content"), str) else ""
        return " ".join(filter(None, (own, *map(join_texts, part.values()))))
    return " ".join(filter(None, map(join_texts, part))) if isinstance(part, list) else ""

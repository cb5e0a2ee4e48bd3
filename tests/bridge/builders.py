"""Questions, cards and clicks for tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.api.routes.model import RouteReceiver
from lark_provider.outbox.delivering import replaces_cards
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.model import Assignee, HitlQuestion, TaskInstance
from lark_provider.storage import migrate
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.hitl_cards import NewCard

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def question(ti_id: str | None = None, **changes: Any) -> HitlQuestion:
    task = TaskInstance(ti_id or str(uuid.uuid4()), "d", "r", "t")
    content = {"options": ("Approve", "Reject"), "assignees": (Assignee("bob", "Bob"),)} | changes
    return HitlQuestion(task, "Deploy?", **content)


def card(ti_id: str, receiver: str = "ou_bob", app_id: str = "cli_a", **changes: Any) -> NewCard:
    return NewCard(ti_id, app_id, receiver, "open_id", "en", **changes)


def click(key: str, event_id: str, app_id: str = "cli_a", open_id: str = "ou_bob", **form: str) -> CardClick:
    action: dict[str, Any] = {"tag": "button", "value": make_button_value(key, "answer", option="Approve")}
    if form:
        action["form_value"] = form
    card_click = read(
        {
            "schema": "2.0",
            "header": {
                "event_id": event_id,
                "event_type": "card.action.trigger",
                "app_id": app_id,
                "tenant_key": "tenant",
                "create_time": "1795694400000000",
                "token": "",
            },
            "event": {
                "operator": {"open_id": open_id, "tenant_key": "tenant"},
                "action": action,
                "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"},
            },
        }
    )
    assert isinstance(card_click, CardClick)
    return card_click


def execute(url: URL, statement: str, **parameters: Any) -> list[Any]:
    with hold_transaction(migrate.prepare_engine(url)) as connection:
        result = connection.execute(sa.text(statement), parameters)
        return list(result) if result.returns_rows else []


class NoRoutes:
    """No routes: every question goes to its assignees."""

    def for_question(self, question: HitlQuestion) -> Sequence[RouteReceiver]:  # noqa: ARG002 - the protocol's
        return ()

    def open_ids(self, names: Iterable[str]) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - the protocol's
        return {}

    def replaces_lost(self) -> bool:
        return replaces_cards()

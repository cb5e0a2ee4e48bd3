"""Waits that version 0.1 began end after an upgrade."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowSensorTimeout,
)
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.protocol.waits import Wait
from lark_provider.storage.inbox import Inbox
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.card_callbacks.clicks_and_cards import BOSS, messages
from tests.airflow.conftest import CHAT
from tests.airflow.questions.question_tasks import Start, approval, read_card, run_until_fired


def legacy_card(lark: Emulator) -> tuple[str, dict[str, Any]]:
    """Send a card of version 0.1, and return its message id and the wait that its trigger stored."""
    from lark_provider.api.cards.approval import make_approval_card

    options = {"approve": "Approve", "reject": "Reject"}
    card = make_approval_card("Publish?", "", options, correlation="an old correlation", approvers=["alice"])
    with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
        message_id = client.messaging.send_card(CHAT, card).data["message_id"]
    wait = {
        "key": "an old key",
        "message_ids": [],
        "every": False,
        "correlation": "an old correlation",
        "actions": ["approve", "reject"],
        "operators": ["alice"],
        "app_id": lark.app_id,
    }
    return message_id, wait


@pytest.mark.parametrize("is_old_event", [False, True])
def test_a_wait_that_version_0_1_began_still_ends(
    is_old_event: bool,
    lark: Emulator,
    gateway: None,
    url: URL,
    start: Start,
) -> None:
    message_id, wait = legacy_card(lark)
    context = start()
    context["ti"].xcom_push("lark_message_id", message_id)
    trigger = LarkCardCallbackTrigger(wait=wait, database_id=Inbox(url).read_database_id())
    assert lark.click(message_id, "bob", "Approve")["toast"]["type"] == "warning"
    assert lark.click(message_id, "alice", "Approve")["toast"]["type"] == "success"
    event = run_until_fired(trigger)
    if is_old_event:
        event = {"status": "answered"}
    operator = approval(approvers=["alice"])
    decided = operator.resume_execution("execute_complete", {"event": event}, context)
    assert (decided["decision"], decided["operator"]["open_id"]) == ("approve", BOSS)
    assert len(messages(lark)) == 1
    assert "**Approve**" in read_card(lark)


def test_a_wait_that_version_0_1_began_still_times_out(lark: Emulator, url: URL, start: Start) -> None:
    message_id, _ = legacy_card(lark)
    context = start()
    context["ti"].xcom_push("lark_message_id", message_id)
    with pytest.raises(AirflowSensorTimeout):
        approval().resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert "⌛" in read_card(lark)
    assert Wait.from_dict(legacy_card(lark)[1]).until is None

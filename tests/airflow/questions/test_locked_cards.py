"""Lark locks a card while a click on it waits for its answer; the decision is shown all the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.storage.waits import Waits
from tests.airflow.card_callbacks.clicks_and_cards import buttons, messages
from tests.airflow.questions.conftest import serve_gateway
from tests.airflow.questions.question_tasks import Start, approval, defer, read_card, read_question
from tests.failures.waiting import SECONDS, wait_until


def read_updates(lark: Emulator) -> list[str]:
    updates = lark.requests("PATCH", "/open-apis/im/v1/messages/:message_id")
    return [str(update["response_json"]["msg"]) for update in updates]


def test_a_decision_is_shown_though_its_click_still_waits_for_the_answer(
    lark: Emulator, url: URL, database_url: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    lark.settings(callback_timeout=SECONDS)

    def answer_late(_: object) -> None:
        wait_until(lambda: read_updates(lark))

    with (
        serve_gateway(lark, database_url, handler=answer_late, deadline=SECONDS),
        ThreadPoolExecutor() as pool,
    ):
        defer(approval(), start())
        (card,) = messages(lark)
        clicking = pool.submit(lark.click, card["message_id"], "alice", "Approve")
        wait_until(lambda: Waits(url).settle([read_question(url)]))
        decided = approval().resume_execution("__fail__", {"error": "Trigger timeout"}, start())
        assert clicking.result(SECONDS)["toast"]["type"] == "success"
    assert decided["decision"] == "approve"
    first, *_, last = read_updates(lark)
    assert "ErrCode: 11310; ErrMsg: card action is lock" in first
    assert last == "success"
    assert not list(buttons(messages(lark)[0]["content"]))
    assert "Approve" in read_card(lark)
    assert "Failed to update a card" not in caplog.text

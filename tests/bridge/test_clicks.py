"""Clicks while Airflow is unavailable: they wait, and at last the person is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.cards import QuestionCardSender
from lark_provider.bridge.clicks import ClickDelivery
from lark_provider.bridge.errors import AirflowUnavailableError
from lark_provider.bridge.lark import Apps
from lark_provider.bridge.questions import QuestionPoller
from lark_provider.bridge.receivers import NoRoutes, Recipients
from lark_provider.bridge.results import ClickResultDisplay
from lark_provider.bridge.settings import Credentials, Settings
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.storage.api_servers import ApiServers
from lark_provider.storage.applied_clicks import AppliedClicks
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.people import People
from lark_provider.storage.question_cards import QuestionCards
from lark_provider.storage.questions import Questions
from lark_provider.support.secret import Secret
from lark_provider.support.throttle import Throttle
from tests.bridge.making import NOW, card, click, execute, question
from tests.services.processes import free_port

PASSWORD = "a-password-of-airflow"


@pytest.fixture
def credentials() -> Credentials:
    return Credentials(f"http://127.0.0.1:{free_port()}", "watcher", Secret(PASSWORD))


def test_an_unreachable_airflow_is_named_without_secrets(credentials: Credentials) -> None:
    async def read() -> None:
        api = AirflowApi(credentials)
        assert PASSWORD not in repr(api) + repr(credentials)
        try:
            await api.get("/version")
        finally:
            await api.close()

    with pytest.raises(AirflowUnavailableError, match="must answer POST /auth/token") as unreachable:
        asyncio.run(read())
    assert PASSWORD not in str(unreachable.value)


def test_a_click_waits_for_airflow_and_its_person_is_told_after_a_day(
    sqlite: URL, lark: Emulator, credentials: Credentials
) -> None:
    questions, cards, clicks = Questions(sqlite), QuestionCards(sqlite), AppliedClicks(sqlite)
    (user,) = (one for one in lark.state()["users"] if one["user_id"] == "bob")
    bob, asked = user["open_ids"][lark.app_id], question()
    sent = card(asked.task.ti_id, bob, lark.app_id)
    questions.record({sent.ti_id: NOW}, [asked], None)
    questions.open({sent.ti_id: [sent]})
    cards.sent(sent.key, "om_1", None, "asked")
    Inbox(sqlite).store([click(sent.key, "e1", lark.app_id, bob)])

    async def work() -> int:
        settings, warnings = Settings(credentials, BridgeSecrets("s" * 32)), Throttle()
        api, apps = AirflowApi(credentials), Apps()
        delivery = ClickDelivery(api, clicks, settings.secrets, warnings)
        recipients = Recipients(NoRoutes(), People(sqlite), lark.app_id)
        sender = QuestionCardSender(questions, cards, recipients, apps, settings, warnings)
        display = ClickResultDisplay(
            clicks, questions, cards, ApiServers(sqlite), QuestionPoller(api, questions, settings), sender,
            delivery, apps,
        )  # fmt: skip
        await delivery.find()
        done = await delivery.work()
        await display.work()
        await api.close()
        return done

    def messages() -> list[dict[str, Any]]:
        return [one for chat in lark.state()["chats"] for one in chat["messages"]]

    assert asyncio.run(work()) == 0
    (waiting,) = execute(sqlite, "SELECT state, attempts, shown_at FROM applied_clicks")
    assert (waiting.state, waiting.attempts, waiting.shown_at) == ("due", 1, None)
    assert messages() == []
    execute(
        sqlite,
        "UPDATE applied_clicks SET created_at = :old, next_at = :old",
        old="2020-01-01 00:00:00.000000",
    )
    assert asyncio.run(work()) == 1
    assert asyncio.run(work()) == 0
    (over,) = execute(sqlite, "SELECT state, shown_at FROM applied_clicks")
    assert (over.state, bool(over.shown_at)) == ("given_up", True)
    (told,) = messages()
    assert "could not process this click" in str(told["content"])

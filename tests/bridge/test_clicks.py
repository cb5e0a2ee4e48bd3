"""Clicks while Airflow is unavailable: they wait, and at last the person is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.audit_log import AuditLog
from lark_provider.bridge.cards import QuestionCardSender
from lark_provider.bridge.clicks import ClickDelivery
from lark_provider.bridge.errors import AirflowUnavailableError
from lark_provider.bridge.holds import Holds
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.question_ends import QuestionEnds
from lark_provider.bridge.receivers import Recipients
from lark_provider.bridge.results import ClickResultDisplay
from lark_provider.bridge.settings import BridgeSettings, Credentials
from lark_provider.protocol.hitl.delivery import ClickResult
from lark_provider.protocol.hitl.model import End
from lark_provider.protocol.hitl.proof import MAX_BODY_BYTES, BridgeSecrets
from lark_provider.protocol.language import Language
from lark_provider.storage.api_servers import ApiServers
from lark_provider.storage.applied_clicks import AppliedClicks
from lark_provider.storage.hitl_cards import QuestionCards
from lark_provider.storage.hitl_questions import Questions
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.people import People
from lark_provider.support.secret import Secret
from lark_provider.support.throttle import Throttle
from tests.bridge.builders import NOW, NoRoutes, card, click, execute, question
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

    with pytest.raises(
        AirflowUnavailableError, match=r"Cannot reach Airflow at .* on POST /auth/token"
    ) as unreachable:
        asyncio.run(read())
    assert PASSWORD not in str(unreachable.value)


class Bench:
    """An open question with a card, and the bridge's work on clicks on it; Airflow is unreachable."""

    def __init__(self, url: URL, lark: Emulator, credentials: Credentials) -> None:
        self.url, self.lark, self._credentials = url, lark, credentials
        self.questions, self.cards, self._clicks = Questions(url), QuestionCards(url), AppliedClicks(url)
        self.bob, hitl_question = self.open_id("bob"), question()
        self.card = card(hitl_question.task.ti_id, self.bob, lark.app_id)
        self.questions.record({self.card.ti_id: NOW}, [hitl_question])
        self.questions.open({self.card.ti_id: [self.card]})

    def open_id(self, name: str) -> str:
        (user,) = (user for user in self.lark.state()["users"] if user["user_id"] == name)
        open_id: str = user["open_ids"][self.lark.app_id]
        return open_id

    def store(self, open_id: str, *, card: str = "", **form: str) -> None:
        Inbox(self.url).store([click(card or self.card.key, "e1", self.lark.app_id, open_id, **form)])

    def work(self, *, sends: bool = False, language: Language = "zh") -> int:
        return asyncio.run(self._work(sends=sends, language=language))

    async def _work(self, *, sends: bool, language: Language) -> int:
        settings, warnings = BridgeSettings(self._credentials, BridgeSecrets("s" * 32)), Throttle()
        api, apps, url = AirflowApi(self._credentials), BridgeClients(), self.url
        delivery = ClickDelivery(api, self._clicks, settings.secrets, warnings)
        recipients = Recipients(NoRoutes(), People(url), self.lark.app_id)
        holds = Holds(ApiServers(url), settings.hold_seconds)
        sender = QuestionCardSender(self.questions, self.cards, recipients, apps, settings, holds, warnings)
        display = ClickResultDisplay(
            self._clicks, self.questions, self.cards, ApiServers(url),
            QuestionEnds(api, self.questions, AuditLog(api, self.questions)), sender, delivery, apps,
            warnings, language=language,
        )  # fmt: skip
        if sends:
            await sender.work()
        await delivery.find()
        done = await delivery.work()
        await display.work()
        await api.close()
        return done

    def read_applied(self) -> Any:
        (row,) = execute(self.url, "SELECT state, status, attempts, result, shown_at FROM applied_clicks")
        return row

    def messages(self) -> list[dict[str, Any]]:
        return [message for chat in self.lark.state()["chats"] for message in chat["messages"]]


@pytest.fixture
def bench(sqlite: URL, lark: Emulator, credentials: Credentials) -> Bench:
    lark.settings(rate_limits=False)
    return Bench(sqlite, lark, credentials)


def test_a_click_waits_for_airflow_and_its_person_is_told_after_a_day(bench: Bench) -> None:
    bench.cards.record_sent(bench.card.key, "om_1", None, "asked")
    bench.store(bench.bob)
    assert bench.work() == 0
    waiting = bench.read_applied()
    assert (waiting.state, waiting.attempts, waiting.shown_at) == ("due", 1, None)
    assert bench.messages() == []
    execute(
        bench.url,
        "UPDATE applied_clicks SET created_at = :old, next_at = :old",
        old="2020-01-01 00:00:00.000000",
    )
    assert bench.work() == 1
    assert bench.work() == 0
    assert (bench.read_applied().state, bool(bench.read_applied().shown_at)) == ("given_up", True)
    (message,) = bench.messages()
    assert "could not process this click" in str(message["content"])


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "未能处理这次点击"), ("en", "could not process this click")]
)
def test_who_clicked_on_a_card_without_a_language_is_told_in_that_of_the_bridge(
    bench: Bench, language: Language, words: str
) -> None:
    bench.store(bench.bob, card="a failure's card, or none")
    bench.work(language=language)
    execute(
        bench.url,
        "UPDATE applied_clicks SET created_at = :old, next_at = :old",
        old="2020-01-01 00:00:00.000000",
    )
    assert bench.work(language=language) == 1
    (message,) = bench.messages()
    assert words in str(message["content"])


def test_a_click_whose_row_is_damaged_or_missing_is_given_up_and_holds_up_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    clicks = [click(bench.card.key, f"e{number}", bench.lark.app_id, bench.bob) for number in (1, 2, 3)]
    Inbox(bench.url).store(clicks)
    applied = AppliedClicks(bench.url)
    assert applied.find() == 3
    execute(bench.url, "DELETE FROM card_callbacks WHERE event_id = 'e1'")
    execute(bench.url, "UPDATE card_callbacks SET payload = '{' WHERE event_id = 'e2'")
    assert [claimed.event_id for claimed in applied.claim(10, 60.0)] == ["e3"]
    rows = execute(bench.url, "SELECT event_id, state, attempts FROM applied_clicks ORDER BY event_id")
    assert list(rows) == [("e1", "given_up", 0), ("e2", "given_up", 0), ("e3", "due", 1)]
    assert applied.count_due() == 1
    assert applied.claim_unshown(10, 60.0) == []
    given_up = [
        record for record in caplog.records if record.message.startswith("Click given up; its stored row")
    ]
    assert {vars(record)["event_id"] for record in given_up} == {"e1", "e2"}


def test_the_clicks_of_two_apps_with_one_id_are_apart(bench: Bench) -> None:
    """Event ids are unique within an app only."""
    applied = AppliedClicks(bench.url)
    for app_id in (bench.lark.app_id, "cli_other"):
        Inbox(bench.url).store([click(bench.card.key, "e1", app_id, bench.bob)])
        assert applied.find() == 1
    assert len(applied.claim(1, 60.0)) == 1
    assert len(applied.claim(1, 60.0)) == 1, "the other one is not taken with it"


def test_a_click_that_is_too_large_is_refused_and_told(bench: Bench) -> None:
    bench.store(bench.bob, text="x" * MAX_BODY_BYTES)
    assert bench.work(sends=True) == 1
    assert (bench.read_applied().state, bench.read_applied().status) == ("done", 400)
    # The card cannot show such an answer again.
    assert bench.read_applied().shown_at is not None
    assert "too long" in str(bench.messages()[-1]["content"])
    bench.questions.end({bench.card.ti_id: End("withdrawn")})
    bench.work(sends=True)
    (state,) = execute(bench.url, "SELECT state FROM hitl_cards")
    assert state.state == "over"


def test_a_click_of_another_company_is_not_told_again_and_again(bench: Bench) -> None:
    bench.cards.record_sent(bench.card.key, "om_1", None, "asked")
    bench.lark.add_user("eve", tenant_key="tenant-other")
    bench.store(bench.open_id("eve"))
    bench.work()
    execute(
        bench.url,
        "UPDATE applied_clicks SET state = 'done', status = 403, result = :result, next_at = created_at",
        result=ClickResult("foreign_tenant", {"zh": "no", "en": "no"}).dump(for_record=True),
    )
    bench.work()
    assert bench.messages() == []
    assert bench.read_applied().shown_at is not None


def test_what_a_plugin_of_a_newer_version_answered_is_told(bench: Bench) -> None:
    bench.store(bench.bob, card="a failure's card")
    bench.work()
    newer = {"outcome": "handed_on", "message": {"zh": "已转交", "en": "carol decides now"}, "to": "carol"}
    execute(
        bench.url,
        "UPDATE applied_clicks SET state = 'done', status = 200, result = :result, next_at = created_at",
        result=json.dumps(newer),
    )
    bench.work(language="en")
    (message,) = bench.messages()
    assert message["content"] == {"text": "carol decides now"}
    assert bench.read_applied().shown_at is not None

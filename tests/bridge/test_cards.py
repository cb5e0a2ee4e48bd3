"""Cards of questions in Lark: sent once, ended, given up when they are gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.bridge import holds as holds_module
from lark_provider.bridge.cards import QuestionCardSender
from lark_provider.bridge.holds import Holds
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.receivers import Recipients
from lark_provider.bridge.settings import HOLD_SECONDS, BridgeSettings, Credentials
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.hitl.model import End
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.storage.api_servers import ApiServer, ApiServers
from lark_provider.storage.clicked_cards import find_question_cards
from lark_provider.storage.hitl_cards import NewCard, QuestionCards
from lark_provider.storage.hitl_questions import Questions
from lark_provider.storage.people import Account, People, Person
from lark_provider.support.secret import Secret
from lark_provider.support.throttle import Throttle
from tests.airflow.conftest import CHAT
from tests.bridge.builders import NOW, NoRoutes, execute, question

ANSWERED = End("answered", ("Approve",), person="bob", at=NOW)


class Bench:
    """A sender of cards, on a database and an emulator."""

    def __init__(self, url: URL, lark: Emulator) -> None:
        self.url, self.lark = url, lark
        self.questions, self.cards, self.people = Questions(url), QuestionCards(url), People(url)
        (user,) = (user for user in lark.state()["users"] if user["user_id"] == "bob")
        self.bob = user["open_ids"][lark.app_id]
        self.replaces = False

    def link(self, open_id: str | None = None) -> None:
        person = Person(self.lark.app_id, "tenant", open_id or self.bob)
        self.people.link_person(person, Account("simple", "bob", "bob", {"sub": "bob"}))

    def ask(self) -> str:
        hitl_question = question()
        self.questions.record({hitl_question.task.ti_id: NOW}, [hitl_question])
        return hitl_question.task.ti_id

    def work(self, do: Callable[[QuestionCardSender], Any]) -> Any:
        """Call `do` with a new sender in an event loop of its own, as a new process would."""
        credentials = Credentials("http://airflow", "watcher", Secret("watcher"))
        sender = QuestionCardSender(
            self.questions,
            self.cards,
            Recipients(NoRoutes(), self.people, self.lark.app_id, "en"),
            BridgeClients(),
            BridgeSettings(credentials, BridgeSecrets("s" * 32)),
            Holds(ApiServers(self.url), HOLD_SECONDS),
            Throttle(),
            lambda: self.replaces,
        )

        async def run() -> Any:
            return await do(sender)

        return asyncio.run(run())

    def messages(self) -> list[dict[str, Any]]:
        return [message for chat in self.lark.state()["chats"] for message in chat["messages"]]

    def states(self) -> list[tuple[str, str | None]]:
        rows = execute(self.url, "SELECT state, reason FROM hitl_cards ORDER BY round, key")
        return [(row.state, row.reason) for row in rows]

    def hurry(self) -> None:
        """Make the next attempt due at once."""
        execute(self.url, "UPDATE hitl_cards SET next_at = NULL")


@pytest.fixture
def bench(sqlite: URL, lark: Emulator, key: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    lark.settings(rate_limits=False)
    workbench = Bench(sqlite, lark)
    workbench.link()
    return workbench


@pytest.mark.parametrize("rejected", [False, True])
def test_people_of_a_route_are_mentioned_or_named(bench: Bench, *, rejected: bool) -> None:
    """An e-mail address was given up with its card, and so was a person who has left the tenant."""
    ti_id, mentions = bench.ask(), ("bob@example.com", "all")
    card = NewCard(ti_id, bench.lark.app_id, CHAT, "chat_id", "en", mentions)
    bench.questions.open({ti_id: [card]})
    if rejected:
        body = '{"code": 230099, "msg": "ErrCode: 100290; ErrMsg: invalid mention"}'
        bench.lark.fault(path="/open-apis/im/v1/messages", status=400, body=body)
    bench.work(QuestionCardSender.work)
    (message,) = bench.messages()
    shown = json.dumps(message["content"], ensure_ascii=False)
    assert ("<at id=all></at> <at email=bob@example.com></at>" in shown) is not rejected
    assert ("@all @bob@example.com" in shown) is rejected


def test_a_card_is_sent_after_the_hold_and_shows_the_end(bench: Bench) -> None:
    ti_id = bench.ask()
    assert bench.work(lambda sender: sender.release(NOW + timedelta(seconds=14))) == 0
    assert bench.work(lambda sender: sender.release(NOW + timedelta(seconds=15))) == 1
    bench.work(QuestionCardSender.work)
    (message,) = bench.messages()
    assert "Approve" in json.dumps(message)
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    (ended,) = bench.messages()
    assert ended["message_id"] == message["message_id"]
    assert "lark_wait" not in json.dumps(ended)
    assert bench.states() == [("over", None)]
    bench.work(QuestionCardSender.work)
    assert bench.messages() == [ended]


def test_a_question_that_is_asked_again_gets_a_new_card_that_says_so(bench: Bench) -> None:
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(NOW + timedelta(seconds=15)))
    bench.work(QuestionCardSender.work)
    bench.questions.end({ti_id: ANSWERED})
    hitl_question = question(ti_id)
    assert bench.questions.ask_again(NOW, [hitl_question]) == []  # Its card does not show the end yet.
    bench.work(QuestionCardSender.work)
    (ended,) = bench.messages()
    assert bench.questions.ask_again(NOW, [hitl_question]) == [ti_id]
    assert bench.questions.ask_again(NOW, [hitl_question]) == []
    assert bench.work(lambda sender: sender.release(NOW + timedelta(seconds=15))) == 1
    bench.work(QuestionCardSender.work)
    first, again = bench.messages()
    assert first == ended
    assert "An earlier answer does not count any more" in json.dumps(again)
    assert "lark_wait" in json.dumps(again)
    old, new = execute(bench.url, "SELECT key, round FROM hitl_cards ORDER BY round")
    assert [find_question_cards(bench.url, [row.key])[row.key].is_earlier for row in (old, new)] == [
        True,
        False,
    ]
    assert bench.work(lambda sender: sender.look_for_receivers()) == 0
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    assert "lark_wait" not in json.dumps(bench.messages())


def test_a_question_that_is_asked_again_waits_for_a_receiver(bench: Bench) -> None:
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(NOW + timedelta(seconds=15)))
    bench.work(QuestionCardSender.work)
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    bench.people.revoke(bench.bob)
    bench.questions.ask_again(NOW, [question(ti_id)])
    assert bench.work(lambda sender: sender.release(NOW + timedelta(seconds=15))) == 0
    bench.link()
    assert bench.work(lambda sender: sender.look_for_receivers()) == 1


def test_a_card_waits_for_as_long_as_the_api_servers_hold_answers(bench: Bench) -> None:
    bench.ask()
    servers = ApiServers(bench.url)
    for name, seconds in (("a", 20.0), ("b", 45.0), ("c", None)):
        servers.record(ApiServer(name, name, "1", "3.3", guarded=True, hold_seconds=seconds))
    assert bench.work(lambda sender: sender.release(NOW + timedelta(seconds=44))) == 0
    assert bench.work(lambda sender: sender.release(NOW + timedelta(seconds=46))) == 1


def test_the_hold_stays_while_no_api_server_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds_module, "_CACHE_SECONDS", 0.0)
    servers = ApiServers(bench.url)
    holds = Holds(servers, 15.0)
    assert holds.read_seconds() == 15
    servers.record(ApiServer("a", "a", "1", "3.3", guarded=True, hold_seconds=45.0))
    assert holds.read_seconds() == 45
    execute(bench.url, "DELETE FROM api_servers")
    assert holds.read_seconds() == 45
    servers.record(ApiServer("b", "b", "1", "3.3", guarded=True, hold_seconds=5.0))
    assert holds.read_seconds() == 15


def test_a_card_whose_row_was_lost_on_the_way_is_sent_once(bench: Bench) -> None:
    bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    # As after a SIGKILL between Lark's answer and the commit: another process sends it again.
    execute(bench.url, "UPDATE hitl_cards SET state = 'due', message_id = NULL, shown = NULL, next_at = NULL")
    bench.work(QuestionCardSender.work)
    assert len(bench.messages()) == 1
    assert bench.states() == [("sent", None)]


def test_a_card_that_was_sent_by_a_killed_process_shows_the_end(bench: Bench) -> None:
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    execute(
        bench.url,
        "UPDATE hitl_cards SET state = 'due', message_id = NULL, shown = NULL, "
        "next_at = '2020-01-01 00:00:00.000000'",
    )
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    (ended,) = bench.messages()
    assert "lark_wait" not in json.dumps(ended)
    assert bench.states() == [("over", None)]


def test_a_notice_is_not_shown_in_place_of_the_end(bench: Bench) -> None:
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    (row,) = execute(bench.url, "SELECT key FROM hitl_cards")
    (card,) = bench.cards.read([row.key])
    assert bench.work(lambda sender: sender.notice(card, "Not a number", None))
    assert "Not a number" in json.dumps(bench.messages())
    # The question ends after the click was read, and before its result is shown.
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    (ended,) = bench.messages()
    assert not bench.work(lambda sender: sender.notice(card, "Not a number either", None))
    assert bench.messages() == [ended]
    assert "lark_wait" not in json.dumps(ended)


def test_a_notice_that_lark_did_not_take_leaves_the_card_to_others(bench: Bench) -> None:
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    (row,) = execute(bench.url, "SELECT key FROM hitl_cards")
    (card,) = bench.cards.read([row.key])
    bench.lark.fault("PATCH", status=400, code=230002)
    with pytest.raises(LarkError):
        bench.work(lambda sender: sender.notice(card, "Not a number", None))
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    assert bench.states() == [("over", None)]


def test_an_unavailable_lark_is_tried_again(bench: Bench) -> None:
    bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.lark.fault("POST", "/open-apis/im/v1/messages", status=503, times=50)
    bench.work(QuestionCardSender.work)
    ((state, reason),) = bench.states()
    assert (state, bool(reason)) == ("due", True)
    bench.lark.clear_faults()
    bench.hurry()
    bench.work(QuestionCardSender.work)
    assert bench.states() == [("sent", None)]


def test_a_recalled_card_is_given_up_with_the_reason(bench: Bench) -> None:
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    (message,) = bench.messages()
    LarkServiceClient().messaging.recall(message["message_id"])
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    ((state, reason),) = bench.states()
    assert state == "given_up"
    assert "230011" in str(reason)


def test_a_lost_card_has_one_new_card_by_setting(bench: Bench) -> None:
    bench.replaces = True
    ti_id = bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    (message,) = bench.messages()
    LarkServiceClient().messaging.recall(message["message_id"])
    bench.questions.end({ti_id: ANSWERED})
    bench.work(QuestionCardSender.work)
    bench.work(QuestionCardSender.work)
    shown = [
        sent_message
        for sent_message in bench.messages()
        if sent_message["message_id"] != message["message_id"]
    ]
    assert len(shown) == 1
    assert "lark_wait" not in json.dumps(shown)
    assert "Approve" in json.dumps(shown)
    lost, new = bench.states()
    assert (lost[0], new) == ("given_up", ("over", None))
    assert "230011" in str(lost[1])
    before = bench.messages()
    bench.work(QuestionCardSender.work)
    assert bench.messages() == before


@pytest.mark.parametrize(
    ("change", "code"),
    [({"dissolved": True}, "232009"), ({"remove_bots": True}, "230002")],
    ids=["dissolved", "removed"],
)
def test_where_no_card_can_be_sent_the_old_one_is_given_up_with_the_reason(
    bench: Bench, change: dict[str, Any], code: str
) -> None:
    bench.replaces = True
    hitl_question = question()
    ti_id = hitl_question.task.ti_id
    bench.questions.record({ti_id: NOW}, [hitl_question])
    bench.questions.open({ti_id: [NewCard(ti_id, bench.lark.app_id, CHAT, "chat_id", "en")]})
    bench.work(QuestionCardSender.work)
    assert bench.states() == [("sent", None)]
    changes = change | ({"remove_bots": [bench.lark.app_id]} if "remove_bots" in change else {})
    bench.lark.change_chat(CHAT, **changes)
    bench.questions.end({ti_id: ANSWERED})
    # A permission may be granted within an hour; then it is given up.
    execute(bench.url, "UPDATE hitl_questions SET updated_at = '2020-01-01 00:00:00.000000'")
    execute(bench.url, "UPDATE hitl_cards SET created_at = '2020-01-01 00:00:00.000000'")
    bench.work(QuestionCardSender.work)
    ((state, reason),) = bench.states()
    assert state == "given_up"
    assert code in str(reason)


def test_a_question_without_a_receiver_waits_for_one_who_links(bench: Bench) -> None:
    bench.people.revoke(bench.bob)
    bench.ask()
    assert bench.work(lambda sender: sender.release(datetime.now(UTC))) == 0
    assert bench.work(QuestionCardSender.look_for_receivers) == 0
    bench.link()
    assert bench.work(QuestionCardSender.look_for_receivers) == 1
    assert bench.work(QuestionCardSender.look_for_receivers) == 0
    bench.work(QuestionCardSender.work)
    assert len(bench.messages()) == 1


def test_a_card_that_soon_takes_no_more_clicks_is_replaced(bench: Bench) -> None:
    bench.ask()
    bench.work(lambda sender: sender.release(datetime.now(UTC)))
    bench.work(QuestionCardSender.work)
    execute(bench.url, "UPDATE hitl_cards SET sent_at = '2020-01-01 00:00:00.000000'")
    assert bench.work(QuestionCardSender.send_again) == 1
    bench.work(QuestionCardSender.work)
    old, new = bench.messages()
    assert "lark_wait" not in json.dumps(old)
    assert "lark_wait" in json.dumps(new)
    assert [state for state, _ in bench.states()] == ["over", "sent"]

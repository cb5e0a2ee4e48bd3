"""Answers: in time, and true. The time is the loop's own, so that it can be asserted."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import orjson
import pytest

from lark_provider.callbacks.http.answers import NOTHING, Answer, card_update, toast
from lark_provider.callbacks.http.endpoint import FAILED, NOT_ALLOWED, UNAVAILABLE, Endpoint
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CallbackKeys, CardClick
from lark_provider.protocol.waits import mark
from tests.callbacks.logs import format_lines, read_lines
from tests.callbacks.parts import KEYS, OK, FakeSink, KnownKeys, deliver, gateway, request, stubborn
from tests.callbacks.virtual import never, run_to_end
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN, seal_body

# --- storing ---


def test_what_is_stored_is_answered_at_once() -> None:
    queue, table = FakeSink("queue"), FakeSink("table")
    assert deliver(gateway(queue, table)) == (OK, 0)
    assert len(queue.stored) == 1
    assert isinstance(queue.stored[0], CardClick)
    assert table.calls == []


def test_an_event_is_stored_and_answered_with_nothing() -> None:
    queue = FakeSink()
    assert deliver(gateway(queue), sender.make_event()) == (Answer(200, b"{}"), 0)
    assert len(queue.stored) == 1


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        (0.5, 0, 0.5),  # in time
        (1.0, 0.1, 0.9),  # overtaken
        (1.0, 0.5, 1.0),  # after all
        (ConnectionError("lost"), 0.1, 0.1),
        (never, 0, 0.8),
        (never, 1.6, 2.4),
        (never, ConnectionError("lost"), 2.5),
        (never, never, 2.5),
        (stubborn, stubborn, 2.5),
        (stubborn, 0, 0.8),
    ],
)
def test_the_first_sink_that_stores_it_decides(first: Any, second: Any, seconds: float) -> None:
    queue, table = FakeSink("queue", first), FakeSink("table", second)
    answer, took = deliver(gateway(queue, table))
    kept = seconds < 2.5
    assert answer == (OK if kept else Answer(200, FAILED))
    assert took == pytest.approx(seconds)
    assert len(queue.stored) + len(table.stored) == kept


def test_the_next_sink_is_begun_after_the_timeout_of_a_sink() -> None:
    queue, table = FakeSink("queue", never), FakeSink("table")
    answer, took = deliver(gateway(queue, table, sink_timeout=0.2))
    assert (answer, round(took, 3)) == (OK, 0.2)


def test_the_default_answer_to_a_click_can_be_replaced() -> None:
    own = toast("info", "noted")
    assert deliver(gateway(endpoint={"received": own}))[0] == Answer(200, own)


def test_the_slower_sink_is_cancelled() -> None:
    queue, table = FakeSink("queue", never), FakeSink("table")
    assert deliver(gateway(queue, table))[0] == OK
    assert (queue.cancelled, len(queue.calls), len(table.calls)) == (1, 1, 1)


def test_a_sink_that_is_down_comes_last() -> None:
    queue, table = FakeSink("queue", is_up=False), FakeSink("table")
    assert deliver(gateway(queue, table)) == (OK, 0)
    assert (queue.calls, len(table.stored)) == ([], 1)


def test_a_sink_that_failed_is_retried() -> None:
    lost = ConnectionError("lost")
    queue = FakeSink("queue", lost, lost, 0)
    answer, took = deliver(gateway(queue))
    assert answer == OK
    assert took == pytest.approx(0.5)
    assert len(queue.calls) == 3


def test_a_sink_with_a_permanent_error_is_not_retried() -> None:
    never_ = ConfigurationError("Events are not kept here. Next: nothing.")
    queue, table = FakeSink("queue", never_), FakeSink("table", ConnectionError("lost"), 0)
    assert deliver(gateway(queue)) == (Answer(200, FAILED), 0)
    assert len(queue.calls) == 1
    answer, took = deliver(gateway(queue, table))
    assert answer == OK
    assert took == pytest.approx(0.25)
    assert (len(queue.calls), len(table.calls)) == (2, 2)


def test_a_sink_that_is_cancelled_from_within_has_failed() -> None:
    queue = FakeSink("queue", asyncio.CancelledError(), 0)
    answer, took = deliver(gateway(queue))
    assert answer == OK
    assert took == pytest.approx(0.25)


def test_a_delivery_that_no_sink_stores_is_an_error_to_people_and_to_lark(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = FakeSink("queue", ConnectionError("lost"))
    answer, took = deliver(gateway(queue))
    assert answer == Answer(200, FAILED)
    assert took == pytest.approx(2.5)
    assert json.loads(answer.body)["toast"]["type"] == "error"
    assert len(queue.calls) == 10
    answer, took = deliver(gateway(queue), sender.make_event())
    assert answer.status == 503, "Lark repeats an event"
    assert took == pytest.approx(2.5)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert all("queue: lost" in vars(record)["error"] for record in caplog.records)


def test_an_outage_is_logged_once_and_counted_when_the_gateway_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    over = gateway(FakeSink("queue", ConnectionError("lost")), deadline=0.01)

    async def fail_thrice() -> None:
        running = asyncio.ensure_future(over.run())
        for _ in range(3):
            assert await over.answer(*request(sender.card())) == Answer(200, FAILED)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_to_end(fail_thrice)
    lost = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [vars(record)["suppressed"] for record in lost] == [0, 1]


@pytest.mark.parametrize("content", [sender.card(), sender.make_event(), sender.make_event_1()])
def test_a_repeated_delivery_is_stored_once(content: dict[str, Any]) -> None:
    queue = FakeSink()
    over = gateway(queue)
    first, again = deliver(over, content), deliver(over, content)
    assert first[0].status == again[0].status == 200
    assert len(queue.calls) == 1


def test_what_was_not_stored_is_not_a_duplicate() -> None:
    queue = FakeSink("queue", *[ConnectionError("lost")] * 10, 0)
    over = gateway(queue)
    assert deliver(over)[0] == Answer(200, FAILED)
    assert deliver(over)[0] == OK
    assert len(queue.stored) == 1


def test_two_apps_may_use_the_same_ids() -> None:
    queue = FakeSink()
    keys = [KEYS, CallbackKeys("cli_other", KEY, TOKEN)]
    over = Gateway(KnownKeys(*keys), [queue], endpoint=Endpoint(clock=lambda: NOW))
    for app_keys in keys:
        body = seal_body(sender.card(app_id=app_keys.app_id))

        async def work(app_id: str = app_keys.app_id, body: bytes = body) -> Answer:
            return await over.answer(app_id, sender.make_headers(body), body)

        assert run_to_end(work) == (OK, 0)
    assert {kept.app_id for kept in queue.stored} == {APP, "cli_other"}


# --- refusing ---


def test_nothing_that_is_refused_is_stored_or_explained(caplog: pytest.LogCaptureFixture) -> None:
    queue = FakeSink()
    over = gateway(queue)
    body = seal_body(sender.card({"value": "in the body"}))
    plain, other = sender.dump(sender.card()), seal_body(sender.card(app_id="cli_other"))
    for app_id, headers, content, status in [
        (APP, {}, body, 401),
        (APP, sender.make_headers(body, key="guess"), body, 401),
        (APP, sender.make_headers(body, timestamp="1"), body, 401),
        (APP, sender.make_headers(plain), plain, 400),
        (APP, {}, b"in the body", 400),
        (APP, {}, b"x" * (1024 * 1024 + 1), 413),
        (APP, sender.make_headers(other), other, 403),
        ("cli_other", sender.make_headers(body), body, 404),
        ("\n../%s" * 100, sender.make_headers(body), body, 404),
    ]:

        async def work(args: tuple[Any, ...] = (app_id, headers, content)) -> Answer:
            return await over.answer(*args)

        answer, _ = run_to_end(work)
        assert answer.status == status
        assert json.loads(answer.body) == {"msg": "not found" if status == 404 else "refused"}
    assert queue.calls == []
    for secret in (
        KEY,
        TOKEN,
        "in the body",
        "xxxx",
        sender.make_headers(body)["X-Lark-Signature"],
        "ou_3c14",
    ):
        assert secret not in read_lines(caplog)
    source = "WARNING lark_provider.callbacks.http.refusals: "
    assert f"{source}Request refused status=401 app_id=cli_a5fb0ae6a4000001 " in read_lines(caplog)
    assert all(len(line) < 500 for line in format_lines(caplog))


def test_nothing_secret_is_logged_of_what_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    over = gateway(handler=lambda _: toast("info", "to the person"))
    for content in (sender.card({"value": "in the body"}), sender.make_event(), sender.challenge()):
        body = seal_body(content)
        answer = asyncio.run(over.answer(APP, sender.make_headers(body), body))
        assert answer.status == 200
    assert "event_id=f7984f25108f8137722bb63c00000001 sink=queue" in read_lines(caplog)
    for secret in (KEY, TOKEN, "in the body", "c-295ee", "ou_3c14", "to the person", "ajls384k"):
        assert secret not in read_lines(caplog)


def test_a_challenge_is_answered_though_no_sink_is_up() -> None:
    answer, took = deliver(gateway(FakeSink("queue", never)), sender.challenge())
    assert (json.loads(answer.body), took) == ({"challenge": "ajls384k-你好"}, 0)


# --- who may answer ---


def test_a_click_of_a_user_who_may_not_answer_is_stored_all_the_same() -> None:
    value = mark({"decision": "approve"}, "wait-1", ["ou_somebody_else"])
    queue = FakeSink()
    assert deliver(gateway(queue), sender.card({"value": value}))[0] == Answer(200, NOT_ALLOWED)
    assert len(queue.stored) == 1
    value = mark({}, "wait-1", ["ou_3c14f3a59eaf2825dbe25359f15768aa"])
    assert deliver(gateway(queue), sender.card({"value": value}))[0] == OK


def test_an_old_click_is_answered_as_old_clicks_are() -> None:
    body = sender.dump(sender.old_card())
    headers = sender.make_headers(body, key=TOKEN, algorithm="sha1")
    for place, expected in ((FakeSink(), Answer(200, b"{}")), (FakeSink("queue", never), None)):
        over = gateway(place, endpoint={"accept_old_cards": True})

        async def work(over: Gateway = over) -> Answer:
            return await over.answer(APP, headers, body)

        answer, _ = run_to_end(work)
        assert answer == expected if expected else answer.status == 503


CARD_2 = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "published"}]}}
TEMPLATE = {"type": "template", "data": {"template_id": "AAqk1"}}


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (card_update(CARD_2), CARD_2),
        (toast("info", "done", card=CARD_2), CARD_2),
        (toast("info", "done"), {}),
        (orjson.dumps(CARD_2), CARD_2),
        (NOTHING, {}),
        (card_update(TEMPLATE), TEMPLATE),
    ],
)
def test_a_handlers_card_is_shown_on_an_old_click(returned: bytes, expected: dict[str, Any]) -> None:
    """The answer to `card.action.trigger_v1` is the card itself; it was wrapped as for the new callback."""
    body = sender.dump(sender.old_card())
    headers = sender.make_headers(body, key=TOKEN, algorithm="sha1")
    over = gateway(FakeSink(), endpoint={"accept_old_cards": True}, handler=lambda _: returned)
    answer, _ = run_to_end(lambda: over.answer(APP, headers, body))
    assert (answer.status, orjson.loads(answer.body)) == (200, expected)


def test_a_gateway_needs_a_sink() -> None:
    with pytest.raises(ConfigurationError, match="There is no place to store clicks"):
        Gateway(KnownKeys(KEYS), [])


def test_a_request_that_ran_out_of_time_is_said_to_have(caplog: pytest.LogCaptureFixture) -> None:
    class SlowKeys(KnownKeys):
        async def get(self, app_id: str) -> CallbackKeys | None:
            await asyncio.sleep(1)
            return await super().get(app_id)

    over = Gateway(SlowKeys(KEYS), [FakeSink()], endpoint=Endpoint(clock=lambda: NOW))

    async def late() -> Answer:
        return await over.answer(*request(), began=asyncio.get_running_loop().time() - 2)

    assert run_to_end(late)[0] == UNAVAILABLE
    assert "not judged in time: the gateway is overloaded. Next: start more gateways" in read_lines(caplog)
    assert "not loaded" not in read_lines(caplog)

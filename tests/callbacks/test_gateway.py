"""Answers: in time, true, and by whom. The time is the loop's own, so that it can be asserted."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lark_provider.callbacks.answers import Answer, card_update, toast
from lark_provider.callbacks.endpoint import FAILED, RECEIVED, STRANGER, UNKNOWN, Endpoint
from lark_provider.callbacks.gateway import Gateway
from lark_provider.callbacks.keys import KeyRing, KeysUnknownError, by_app
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CallbackKeys, CardClick
from lark_provider.protocol.waits import marked
from tests.callbacks.parts import KEYS, KnownKeys, Place, gateway, request
from tests.callbacks.virtual import never, timed
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN, sealed

OK = Answer(200, RECEIVED)
HELD = toast("info", "held")


async def stubborn() -> None:
    """Waits for ever, and does not let itself be cancelled; only once, so that the test can end."""
    try:
        await never()
    except asyncio.CancelledError:
        await never()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - nothing tells when a thread is done
        await asyncio.sleep(0)


def ask(over: Gateway, content: Any = None) -> tuple[Answer, float]:
    async def work() -> Answer:
        return await over.answer(*request(content))

    return timed(work)


# --- keeping ---


def test_what_is_kept_is_answered_at_once() -> None:
    queue, table = Place("queue"), Place("table")
    assert ask(gateway(queue, table)) == (OK, 0)
    assert len(queue.kept) == 1
    assert isinstance(queue.kept[0], CardClick)
    assert table.calls == []


def test_an_event_is_kept_and_answered_with_nothing() -> None:
    queue = Place()
    assert ask(gateway(queue), sender.event()) == (Answer(200, b"{}"), 0)
    assert len(queue.kept) == 1


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
def test_the_first_place_to_keep_it_decides(first: Any, second: Any, seconds: float) -> None:
    queue, table = Place("queue", first), Place("table", second)
    answer, took = ask(gateway(queue, table))
    kept = seconds < 2.5
    assert answer == (OK if kept else Answer(200, FAILED))
    assert took == pytest.approx(seconds)
    assert len(queue.kept) + len(table.kept) == kept


def test_the_one_that_lost_is_given_up() -> None:
    queue, table = Place("queue", never), Place("table")
    assert ask(gateway(queue, table))[0] == OK
    assert (queue.cancelled, len(queue.calls), len(table.calls)) == (1, 1, 1)


def test_a_place_that_is_down_comes_last() -> None:
    queue, table = Place("queue", is_up=False), Place("table")
    assert ask(gateway(queue, table)) == (OK, 0)
    assert (queue.calls, len(table.kept)) == ([], 1)


def test_a_place_that_failed_is_tried_again() -> None:
    lost = ConnectionError("lost")
    queue = Place("queue", lost, lost, 0)
    answer, took = ask(gateway(queue))
    assert answer == OK
    assert took == pytest.approx(0.5)
    assert len(queue.calls) == 3


def test_a_place_that_will_never_keep_it_is_not_tried_again() -> None:
    never_ = ConfigurationError("Events are not kept here. Next: nothing.")
    queue, table = Place("queue", never_), Place("table", ConnectionError("lost"), 0)
    assert ask(gateway(queue)) == (Answer(200, FAILED), 0)
    assert len(queue.calls) == 1
    answer, took = ask(gateway(queue, table))
    assert answer == OK
    assert took == pytest.approx(0.25)
    assert (len(queue.calls), len(table.calls)) == (2, 2)


def test_a_place_that_is_cancelled_from_within_has_failed() -> None:
    queue = Place("queue", asyncio.CancelledError(), 0)
    answer, took = ask(gateway(queue))
    assert answer == OK
    assert took == pytest.approx(0.25)


def test_what_nobody_keeps_is_said_to_people_and_to_lark(caplog: pytest.LogCaptureFixture) -> None:
    queue = Place("queue", ConnectionError("lost"))
    answer, took = ask(gateway(queue))
    assert answer == Answer(200, FAILED)
    assert took == pytest.approx(2.5)
    assert json.loads(answer.body)["toast"]["type"] == "error"
    assert len(queue.calls) == 10
    answer, took = ask(gateway(queue), sender.event())
    assert answer.status == 503, "Lark repeats an event"
    assert took == pytest.approx(2.5)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "queue: lost" in caplog.text


@pytest.mark.parametrize("content", [sender.card(), sender.event(), sender.event_1()])
def test_a_repeated_delivery_is_kept_once(content: dict[str, Any]) -> None:
    queue = Place()
    over = gateway(queue)
    first, again = ask(over, content), ask(over, content)
    assert first[0].status == again[0].status == 200
    assert len(queue.calls) == 1


def test_what_was_not_kept_is_not_known() -> None:
    queue = Place("queue", *[ConnectionError("lost")] * 10, 0)
    over = gateway(queue)
    assert ask(over)[0] == Answer(200, FAILED)
    assert ask(over)[0] == OK
    assert len(queue.kept) == 1


def test_two_apps_may_use_the_same_ids() -> None:
    queue = Place()
    keys = [KEYS, CallbackKeys("cli_other", KEY, TOKEN)]
    over = Gateway(KnownKeys(*keys), [queue], endpoint=Endpoint(clock=lambda: NOW))
    for one in keys:
        body = sealed(sender.card(app_id=one.app_id))

        async def work(app_id: str = one.app_id, body: bytes = body) -> Answer:
            return await over.answer(app_id, sender.headers(body), body)

        assert timed(work) == (OK, 0)
    assert {kept.app_id for kept in queue.kept} == {APP, "cli_other"}


# --- refusing ---


def test_nothing_that_is_refused_is_kept_or_told_why(caplog: pytest.LogCaptureFixture) -> None:
    queue = Place()
    over = gateway(queue)
    body = sealed(sender.card({"value": "in the body"}))
    plain, other = sender.dump(sender.card()), sealed(sender.card(app_id="cli_other"))
    for app_id, headers, content, status in [
        (APP, {}, body, 401),
        (APP, sender.headers(body, key="guess"), body, 401),
        (APP, sender.headers(body, timestamp="1"), body, 401),
        (APP, sender.headers(plain), plain, 400),
        (APP, {}, b"in the body", 400),
        (APP, {}, b"x" * (1024 * 1024 + 1), 413),
        (APP, sender.headers(other), other, 403),
        ("cli_other", sender.headers(body), body, 404),
        ("\n../%s" * 100, sender.headers(body), body, 404),
    ]:

        async def work(one: tuple[Any, ...] = (app_id, headers, content)) -> Answer:
            return await over.answer(*one)

        answer, _ = timed(work)
        assert answer.status == status
        assert json.loads(answer.body) == {"msg": "not found" if status == 404 else "refused"}
    assert queue.calls == []
    for secret in (KEY, TOKEN, "in the body", "xxxx", sender.headers(body)["X-Lark-Signature"], "ou_3c14"):
        assert secret not in caplog.text
    assert "Refused with 401 for cli_a5fb0ae6a4000001" in caplog.text
    assert all(len(record.getMessage()) < 400 for record in caplog.records)


def test_nothing_secret_is_logged_of_what_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    over = gateway(handler=lambda _: toast("info", "to the person"))
    for content in (sender.card({"value": "in the body"}), sender.event(), sender.challenge()):
        body = sealed(content)
        answer = asyncio.run(over.answer(APP, sender.headers(body), body))
        assert answer.status == 200
    assert "Kept f7984f25108f8137722bb63c00000001 in queue" in caplog.text
    for secret in (KEY, TOKEN, "in the body", "c-295ee", "ou_3c14", "to the person", "ajls384k"):
        assert secret not in caplog.text


def test_a_challenge_is_answered_though_nothing_could_be_kept() -> None:
    answer, took = ask(gateway(Place("queue", never)), sender.challenge())
    assert (json.loads(answer.body), took) == ({"challenge": "ajls384k-你好"}, 0)


# --- who may answer ---


def test_a_stranger_is_told_so_and_kept_all_the_same() -> None:
    value = marked({"decision": "approve"}, "wait-1", ["ou_somebody_else"])
    queue = Place()
    assert ask(gateway(queue), sender.card({"value": value}))[0] == Answer(200, STRANGER)
    assert len(queue.kept) == 1
    value = marked({}, "wait-1", ["ou_3c14f3a59eaf2825dbe25359f15768aa"])
    assert ask(gateway(queue), sender.card({"value": value}))[0] == OK


def test_an_old_click_is_answered_as_old_clicks_are() -> None:
    body = sender.dump(sender.old_card())
    headers = sender.headers(body, key=TOKEN, algorithm="sha1")
    for place, expected in ((Place(), Answer(200, b"{}")), (Place("queue", never), None)):
        over = gateway(place, endpoint={"accept_old_cards": True})

        async def work(over: Gateway = over) -> Answer:
            return await over.answer(APP, headers, body)

        answer, _ = timed(work)
        assert answer == expected if expected else answer.status == 503


# --- the handler ---


async def held(click: CardClick) -> bytes:
    assert click.action.name == "approve"
    return HELD


async def slow(_: CardClick) -> bytes:
    await asyncio.sleep(2)
    return HELD


async def failing(_: CardClick) -> bytes:
    raise LookupError("at the handler")


async def silent(_: CardClick) -> None:
    return None


async def wrong(_: CardClick) -> dict[str, str]:
    return {"toast": "words"}


async def hanging(_: CardClick) -> bytes:
    await stubborn()
    return HELD


@pytest.mark.parametrize(
    ("handler", "expected", "seconds"),
    [
        (held, HELD, 0),
        (slow, HELD, 2),
        (failing, RECEIVED, 0),
        (silent, RECEIVED, 0),
        (wrong, RECEIVED, 0),
        (hanging, RECEIVED, 2.5),
    ],
)
def test_a_handler_answers_or_does_not(handler: Any, expected: bytes, seconds: float) -> None:
    answer, took = ask(gateway(handler=handler))
    assert answer == Answer(200, expected)
    assert took == pytest.approx(seconds)


def test_a_handler_has_what_is_left_of_the_time() -> None:
    queue = Place("queue", 1.0)
    answer, took = ask(gateway(queue, handler=slow))
    assert answer == OK
    assert took == pytest.approx(2.5)


def test_a_handler_is_called_once_and_only_for_what_is_kept() -> None:
    seen: list[CardClick] = []

    async def handler(click: CardClick) -> bytes:
        assert queue.kept
        seen.append(click)
        return HELD

    queue = Place("queue", *[ConnectionError("lost")] * 10, 0)
    over = gateway(queue, handler=handler)
    assert ask(over)[0] == Answer(200, FAILED)
    assert seen == []
    assert ask(over)[0] == Answer(200, HELD)
    assert ask(over)[0] == OK, "a repeated delivery"
    assert ask(over, sender.event())[0] == Answer(200, b"{}")
    assert len(seen) == 1


def test_a_handler_may_answer_with_a_card() -> None:
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}

    async def handler(_: CardClick) -> bytes:
        return card_update(card)

    answer, _ = ask(gateway(handler=handler))
    assert json.loads(answer.body) == {"card": {"type": "raw", "data": card}}


def test_a_plain_function_runs_beside_the_loop_and_may_hang() -> None:
    free, names = threading.Event(), []

    def handler(_: CardClick) -> bytes:
        names.append(threading.current_thread().name)
        if len(names) > 1:
            free.wait()
        return HELD

    async def both() -> list[Answer]:
        over = gateway(handler=handler, deadline=0.3)
        fine = await over.answer(*request())
        second = sender.card()
        second["header"]["event_id"] = "another"
        return [fine, await over.answer(*request(second))]

    try:
        assert asyncio.run(both()) == [Answer(200, HELD), OK]
    finally:
        free.set()
    assert threading.current_thread().name not in names


def test_hanging_handlers_do_not_pile_up(caplog: pytest.LogCaptureFixture) -> None:
    free, began = threading.Event(), threading.Semaphore(0)

    def handler(_: CardClick) -> None:
        began.release()
        free.wait()

    def click(number: int) -> tuple[str, dict[str, str], bytes]:
        content = sender.card()
        content["header"]["event_id"] = f"click-{number}"
        return request(content)

    async def many() -> list[Answer]:
        over = gateway(handler=handler, deadline=0.3)
        return list(await asyncio.gather(*(over.answer(*click(number)) for number in range(40))))

    try:
        assert asyncio.run(many()) == [OK] * 40
        assert sum(began.acquire(blocking=False) for _ in range(40)) == 32
        assert caplog.text.count("32 calls of it have not come back") == 8
    finally:
        free.set()


def test_a_handler_is_found_by_its_path() -> None:
    assert ask(gateway(handler=f"{__name__}.held"))[0] == Answer(200, HELD)


@pytest.mark.parametrize(
    "path", ["", "held", "nowhere.at_all", "json.nothing", "json.__name__", 7, ".", "os."]
)
def test_a_handler_that_cannot_be_found_is_an_error_at_once(path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"handler .* Next: "):
        gateway(handler=path)


def test_a_gateway_needs_a_place() -> None:
    with pytest.raises(ConfigurationError, match="Next: configure RABBITMQ_URL"):
        Gateway(KnownKeys(KEYS), [])


# --- keys ---


class Loading:
    """Loads keys as it is told, and counts."""

    def __init__(self, *results: Any) -> None:
        self.results, self.calls, self.now = list(results), 0, 0.0

    def __call__(self) -> Any:
        self.calls += 1
        result = self.results.pop(0)
        if isinstance(result, Callable):  # type: ignore[arg-type]
            result = result()
        if isinstance(result, Exception):
            raise result
        return result

    def ring(self) -> KeyRing:
        return KeyRing(self, clock=lambda: self.now)


def test_keys_are_loaded_once_for_all_who_ask() -> None:
    loading = Loading(by_app(KEYS))

    async def work() -> Any:
        ring = loading.ring()
        return await asyncio.gather(*(ring.get(name) for name in (APP, APP, "cli_no", "\n")))

    assert asyncio.run(work()) == [KEYS, KEYS, None, None]
    assert loading.calls == 1


def test_keys_are_loaded_anew_after_a_while_without_anybody_waiting() -> None:
    changed = CallbackKeys(APP, "another key")
    free = threading.Event()

    def later() -> Any:
        free.wait()
        return by_app(changed)

    loading = Loading(by_app(KEYS), later)

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        loading.now = 31
        assert await ring.get(APP) == KEYS
        free.set()

        async def new() -> bool:
            return await ring.get(APP) == changed

        await until(new)
        assert loading.calls == 2

    asyncio.run(work())


def test_old_keys_serve_while_new_ones_cannot_be_loaded(caplog: pytest.LogCaptureFixture) -> None:
    loading = Loading(by_app(KEYS), OSError("no database"), by_app())

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        loading.now = 31

        async def warned() -> bool:
            assert await ring.get(APP) == KEYS
            return bool(caplog.records)

        await until(warned)
        assert "could not be loaded: no database" in caplog.text
        assert await ring.get(APP) == KEYS
        assert loading.calls == 2, "not again at once"
        loading.now = 37

        async def gone() -> bool:
            return await ring.get(APP) is None

        await until(gone)

    asyncio.run(work())


def test_while_no_keys_are_known_requests_are_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    loading = Loading(OSError("no database"), by_app(KEYS))

    async def work() -> None:
        ring = loading.ring()
        over = Gateway(ring, [Place()], endpoint=Endpoint(clock=lambda: NOW))
        assert (await over.answer(*request())).status == 503
        with pytest.raises(KeysUnknownError):
            await ring.get(APP)
        assert (await over.answer(*request())).status == 503
        assert loading.calls == 1, "not again at once"
        loading.now = 6
        assert await over.answer(*request()) == OK
        assert await over.answer("cli_other", {}, b"") == UNKNOWN

    asyncio.run(work())
    assert "no database" in caplog.text


def test_who_gives_up_waiting_for_keys_takes_them_from_nobody() -> None:
    free = threading.Event()
    loading = Loading(lambda: free.wait() and by_app(KEYS))

    async def work() -> None:
        ring = loading.ring()
        impatient, patient = (asyncio.create_task(ring.get(APP)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        free.set()
        assert await patient == KEYS

    try:
        asyncio.run(work())
    finally:
        free.set()


def test_a_request_does_not_wait_for_keys_for_ever() -> None:
    free = threading.Event()
    loading = Loading(lambda: free.wait() and by_app(KEYS))

    async def work() -> Answer:
        over = Gateway(loading.ring(), [Place()], deadline=0.2)
        return await over.answer(*request())

    try:
        assert asyncio.run(work()).status == 503
    finally:
        free.set()

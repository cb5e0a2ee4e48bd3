"""The user's code at the gateway: it answers clicks, and holds nothing up."""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
from typing import Any

import pytest

from lark_provider.callbacks.http.answers import Answer, card_update, toast
from lark_provider.callbacks.http.endpoint import FAILED, RECEIVED
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CardClick
from lark_provider.support import threads
from tests.callbacks.parts import OK, FakeSink, deliver, gateway, hide_coroutine_function, request, stubborn
from tests.protocol.callbacks import sender

HELD = toast("info", "held")


async def hold(click: CardClick) -> bytes:
    assert click.action.name == "approve"
    return HELD


async def slow(_: CardClick) -> bytes:
    await asyncio.sleep(2)
    return HELD


async def failing(_: CardClick) -> bytes:
    raise LookupError("at the handler")


def exiting(_: CardClick) -> bytes:
    argparse.ArgumentParser("order", exit_on_error=True).parse_args(["--wrong"])
    return HELD


async def exiting_later(click: CardClick) -> bytes:
    await asyncio.sleep(0)
    return exiting(click)


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
        (hold, HELD, 0),
        (slow, HELD, 2),
        (failing, RECEIVED, 0),
        (exiting_later, RECEIVED, 0),
        (silent, RECEIVED, 0),
        (wrong, RECEIVED, 0),
        (hanging, RECEIVED, 2.5),
    ],
)
def test_a_handler_answers_or_does_not(handler: Any, expected: bytes, seconds: float) -> None:
    answer, took = deliver(gateway(handler=handler))
    assert answer == Answer(200, expected)
    assert took == pytest.approx(seconds)


def test_a_handler_has_what_is_left_of_the_time() -> None:
    queue = FakeSink("queue", 1.0)
    answer, took = deliver(gateway(queue, handler=slow))
    assert answer == OK
    assert took == pytest.approx(2.5)


def test_a_handler_is_called_once_and_only_for_what_is_kept() -> None:
    seen: list[CardClick] = []

    async def handler(click: CardClick) -> bytes:
        assert queue.stored
        seen.append(click)
        return HELD

    queue = FakeSink("queue", *[ConnectionError("lost")] * 10, 0)
    over = gateway(queue, handler=handler)
    assert deliver(over)[0] == Answer(200, FAILED)
    assert seen == []
    assert deliver(over)[0] == Answer(200, HELD)
    assert deliver(over)[0] == OK, "a repeated delivery"
    assert deliver(over, sender.make_event())[0] == Answer(200, b"{}")
    assert len(seen) == 1


def test_a_handler_may_answer_with_a_card() -> None:
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}

    async def handler(_: CardClick) -> bytes:
        return card_update(card)

    answer, _ = deliver(gateway(handler=handler))
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


@pytest.mark.parametrize(
    ("handler", "expected", "deadline"),
    [
        (exiting, RECEIVED, 60.0),
        (hide_coroutine_function(hold), HELD, 60.0),
        (hide_coroutine_function(exiting_later), RECEIVED, 60.0),
        (hide_coroutine_function(hanging), RECEIVED, 0.3),
    ],
)
def test_a_plain_function_may_return_a_coroutine_or_exit(
    handler: Any, expected: bytes, deadline: float
) -> None:
    """By a clock that runs, since a thread takes time of its own."""

    async def answer() -> Answer:
        return await gateway(handler=handler, deadline=deadline).answer(*request())

    assert asyncio.run(answer()) == Answer(200, expected)


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
        answers = await asyncio.gather(*(over.answer(*click(number)) for number in range(40)))
        over.endpoint.handler_failures._throttle.flush(everything=True)
        return list(answers)

    try:
        assert asyncio.run(many()) == [OK] * 40
        assert sum(began.acquire(blocking=False) for _ in range(40)) == 32
        said = "32 calls of the handler are still running"
        busy = [record for record in caplog.records if said in caplog.handler.format(record)]
        assert sum(1 + record.suppressed for record in busy) == 8  # type: ignore[attr-defined]  # a field of `extra`
    finally:
        free.set()


def test_a_handler_is_found_by_its_path() -> None:
    assert deliver(gateway(handler=f"{__name__}.hold"))[0] == Answer(200, HELD)


@pytest.mark.parametrize(
    "path", ["", "held", "nowhere.at_all", "json.nothing", "json.__name__", 7, ".", "os."]
)
def test_a_handler_that_cannot_be_found_is_an_error_at_once(path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"handler .* Next: "):
        gateway(handler=path)


def test_a_thread_that_cannot_be_started_does_not_count_as_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threads, "start", fail)
        for _ in range(40):
            assert deliver(gateway(handler=lambda _: HELD))[0] == OK

    async def answer() -> Answer:
        return await gateway(handler=lambda _: HELD, deadline=60.0).answer(*request())

    assert asyncio.run(answer()) == Answer(200, HELD)

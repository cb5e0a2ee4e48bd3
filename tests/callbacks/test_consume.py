"""Events reach a plain function at least once, and as a rule once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import dedup
from lark_provider.callbacks.broker.consumer import consume
from lark_provider.callbacks.broker.topology import DEAD, EVENTS
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import Event
from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.tables import handled_events
from tests.callbacks import mq
from tests.callbacks.consuming import Seen, consuming, fail, make_event, send
from tests.callbacks.parts import hide_coroutine_function
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender

# --- handled ---


def test_each_event_is_handed_over_and_gone(rabbitmq: str) -> None:
    names = [f"e{n}" for n in range(500)]
    send(rabbitmq, *map(make_event, names), sender.make_event_1())
    seen = Seen()
    with consuming(rabbitmq, seen):
        wait_until(lambda: len(seen.ids) == 501)
        send(rabbitmq, make_event("later", "im.chat.updated_v1", chat_id="oc_1"))
        wait_until(lambda: seen.ids[501:] == ["later"])
    assert seen.ids[:500] == names
    assert mq.drain(rabbitmq, EVENTS) == []


def test_what_a_handler_gets_is_typed(rabbitmq: str) -> None:
    got: list[Event] = []
    send(rabbitmq, make_event("e1", "im.chat.updated_v1", chat_id="oc_1"))
    with consuming(rabbitmq, got.append):
        wait_until(lambda: got)
    assert (got[0].type, got[0].app_id, got[0].event) == (
        "im.chat.updated_v1",
        sender.APP,
        {"chat_id": "oc_1"},
    )


def test_a_repeat_is_known_in_this_process(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "_REMEMBERED", 2)
    send(rabbitmq, *map(make_event, ["a", "a", "b", "b", "c", "a"]))
    seen = Seen()
    with consuming(rabbitmq, seen):
        wait_until(lambda: seen.ids == ["a", "b", "c", "a"])  # as far as it remembers
    assert mq.drain(rabbitmq, EVENTS) == []


def test_a_message_is_known_by_its_own_id(rabbitmq: str) -> None:
    def make_message(event_id: str, message_id: object) -> dict[str, Any]:
        return make_event(event_id, "im.message.receive_v1", message={"message_id": message_id})

    odd = make_event("e6", "im.message.receive_v1", message="none")
    of_another_type = make_event("e7", "im.message.read_v1", message={"message_id": "om_1"})
    send(rabbitmq, make_message("e1", "om_1"), make_message("e2", "om_1"), make_message("e3", "om_2"))
    send(
        rabbitmq,
        make_message("e4", None),
        make_message("e4", None),
        make_message("e5", 5),
        odd,
        of_another_type,
    )
    seen = Seen()
    with consuming(rabbitmq, seen):
        wait_until(lambda: seen.ids == ["e1", "e3", "e4", "e5", "e6", "e7"])


@pytest.fixture(params=["postgres", "sqlite"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lark.db"
    url: URL = request.getfixturevalue("database")
    return url.render_as_string(hide_password=False)


def test_a_repeat_is_known_to_the_next_process_through_the_database(rabbitmq: str, either: str) -> None:
    for expected in (["a", "b", "first"], ["second"]):
        send(rabbitmq, *map(make_event, ["a", "b", "a", expected[-1]]))
        seen = Seen()
        with consuming(rabbitmq, seen, database_url=either):
            wait_until(lambda seen=seen, last=expected[-1:]: seen.ids[-1:] == last)  # type: ignore[misc]  # bound
        assert seen.ids == expected
    assert mq.drain(rabbitmq, EVENTS) == []
    send(rabbitmq, make_event("a"))
    another = Seen()
    with consuming(rabbitmq, another, database_url=either, consumer="another"):
        wait_until(lambda: another.ids == ["a"])
    with engines.get_engine(urls.parse(either, "test")).connect() as connection:
        query = sa.select(handled_events.c.consumer, handled_events.c.event_id)
        rows = [(row.consumer, row.event_id) for row in connection.execute(query)]
        app_id = make_event("a")["header"]["app_id"]  # ids of events are unique in an app, not across apps
        of_default = {("default", f"{app_id}:{name}") for name in ("a", "b", "first", "second")}
        assert set(rows) == {*of_default, ("another", f"{app_id}:a")}


# --- failing ---


def test_a_handler_that_raises_is_called_again_while_others_go_on(rabbitmq: str) -> None:
    send(rabbitmq, *map(make_event, ["bad", "good", "slow"]))
    tries: Counter[str] = Counter()

    def handle(event: Event) -> None:
        tries[event.event_id] += 1
        if event.event_id == "bad" and tries["bad"] < 3:
            fail()
        done.append(event.event_id)

    done: list[str] = []
    with consuming(rabbitmq, handle, pause=0.2):
        wait_until(lambda: done == ["good", "slow", "bad"])
    assert tries == {"bad": 3, "good": 1, "slow": 1}
    assert mq.drain(rabbitmq, EVENTS) == []
    assert mq.drain(rabbitmq, DEAD) == []


def test_what_never_succeeds_is_dead_lettered_with_the_reason(
    rabbitmq: str, caplog: pytest.LogCaptureFixture
) -> None:
    send(rabbitmq, *map(make_event, ["bad", "good"]))
    seen = Seen(lambda event: fail() if event.event_id == "bad" else None)
    with consuming(rabbitmq, seen, tries=3, pause=0.01):
        wait_until(lambda: Counter(seen.ids) == {"bad": 3, "good": 1})
        dead: list[Any] = []
        while not dead:
            dead = mq.drain(rabbitmq, DEAD)
        send(rabbitmq, make_event("bad"))  # nothing says that it was handled
        wait_until(lambda: seen.ids.count("bad") == 6)
    [(properties, content)] = dead
    assert content == make_event("bad")
    headers = properties.headers or {}
    assert headers["reason"] == "The handler has failed 3 times. ValueError: app_secret=*** is not liked"
    assert headers["queue"] == EVENTS.name
    assert mq.drain(rabbitmq, EVENTS) == []
    assert "Handler failed; retrying" in caplog.text


def test_an_error_that_quotes_half_an_emoji_is_dead_lettered(rabbitmq: str) -> None:
    def refuse(event: Event) -> None:
        raise ValueError("unknown command \ud83d")

    send(rabbitmq, make_event("bad"))
    dead: list[Any] = []
    with consuming(rabbitmq, refuse, tries=1):
        while not dead:
            dead = mq.drain(rabbitmq, DEAD)
    [(properties, _)] = dead
    reason = (properties.headers or {})["reason"]
    assert reason == "The handler has failed 1 times. ValueError: unknown command \\ud83d"


def test_what_is_not_an_event_is_dead_lettered(rabbitmq: str) -> None:
    poison = [b"\xff", [1], {"schema": "2.0"}, mq.card("click"), make_event("e\0"), make_event("e" * 300)]
    send(rabbitmq, *poison, make_event("good"))
    seen = Seen()
    with consuming(rabbitmq, seen):
        wait_until(lambda: seen.ids == ["good"])
    reasons = [str((properties.headers or {})["reason"]) for properties, _ in mq.drain(rabbitmq, DEAD)]
    assert [reason.split(".")[0].split(":")[0] for reason in reasons] == [
        "The message is not JSON",
        "The message is not a JSON object but of type list",
        "header must be an object, got nothing",
        "The message is a click, not an event",
        "header",
        "header",
    ]
    assert mq.drain(rabbitmq, EVENTS) == []


# --- settings ---


async def coroutine_function(_: Event) -> None:
    pass


@pytest.mark.parametrize("handler", [coroutine_function, "module.function", None])
def test_a_handler_that_is_no_plain_function_is_refused(handler: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"The handler must be a plain function, got .*Next: define it with def"
    ):
        consume(handler, broker="amqp://127.0.0.1:1")


def test_a_handler_that_returns_a_coroutine_ends_it_and_the_event_stays(rabbitmq: str) -> None:
    """Such as a lambda that calls a coroutine function: the event would count as handled."""
    send(rabbitmq, make_event("a"))
    stop = threading.Event()
    timer = threading.Timer(20, stop.set)  # It would not end otherwise, if the coroutine was taken.
    timer.start()
    with pytest.raises(ConfigurationError, match=r"returned a coroutine, which was not run\. Next: "):
        consume(hide_coroutine_function(coroutine_function), broker=rabbitmq, stop=stop)
    timer.cancel()
    assert [content for _, content in mq.drain(rabbitmq, EVENTS)] == [make_event("a")]


def test_settings_that_are_invalid_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"consumer must be .*, got ''. Next: pass a short name"):
        consume(print, broker="amqp://127.0.0.1:1", consumer="")
    with pytest.raises(ConfigurationError, match="RabbitMQ must be configured"):
        consume(print)
    with pytest.raises(ConfigurationError, match="database_url must be the URL"):
        consume(print, broker="amqp://127.0.0.1:1", database_url="mysql://x")


def test_an_event_is_what_lark_sent(rabbitmq: str) -> None:
    sent = make_event("e1", "im.chat.updated_v1", text="你好 \u0000 \U0001f600", number=1.5)
    send(rabbitmq, json.dumps(sent).encode())
    got: list[Event] = []
    with consuming(rabbitmq, got.append):
        wait_until(lambda: got)
    assert got[0].raw == sent

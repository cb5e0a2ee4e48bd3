"""`LarkNotifier` ends at its deadline, whatever hangs."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.hooks.lark import LarkHook
from tests.airflow.notifier.contexts import (
    DEADLINE,
    HANGS,
    Shelf,
    context,
    make_notifier,
    read_logged,
    read_messages,
    titles,
)


@pytest.mark.parametrize("path", ["*/tenant_access_token/internal", "*/messages"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_slow_lark_is_left_at_the_deadline(
    lark: Emulator, capsys: pytest.CaptureFixture[str], path: str, how: str
) -> None:
    lark.fault(path=path, times=100, delay_ms=1000 * HANGS)
    notify, started = make_notifier(deadline=0.4), time.perf_counter()
    if how == "sync":
        notify.notify(context())
    else:
        asyncio.run(notify.async_notify(DEADLINE))  # type: ignore[arg-type]  # a deadline's context is a part
    assert 0.3 < time.perf_counter() - started < HANGS
    (line,) = read_logged(capsys, "Failed to send the notification")
    # Of the 0.4 s, those that were left when the preparation was done; a busy machine takes some.
    assert re.search(r"no answer within 0\.[1-4] s, so it may or may not have arrived", line)


def test_a_secrets_backend_that_hangs_is_left_and_another_connection_helps(
    lark: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, get_connection = threading.Event(), LarkHook.get_connection

    def get(conn_id: str) -> Any:
        return hangs.wait(HANGS) if conn_id == "lark_hangs" else get_connection(conn_id)

    monkeypatch.setattr(LarkHook, "get_connection", staticmethod(get))
    for changes, arrived in (({}, 0), ({"fallback_conn_id": "lark_default"}, 1)):
        started = time.perf_counter()
        make_notifier(lark_conn_id="lark_hangs", deadline=5, **changes)(context())
        assert time.perf_counter() - started < HANGS
        assert len(read_messages(lark)) == arrived
    hangs.set()
    (line,) = read_logged(capsys, "Failed to send the notification")
    # Of the 5 s, those that were left when the preparation was done.
    assert re.search(r"no answer within (5\.0|[0-4]\.[0-9]) s", line)


@pytest.mark.parametrize("what", ["get", "set"])
def test_variables_that_hang_cost_the_shared_card_and_not_the_message(
    lark: Emulator,
    capsys: pytest.CaptureFixture[str],
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(shelf, what, lambda *_args, **_kwargs: hangs.wait(HANGS))
    started = time.perf_counter()
    for task_id in ("a", "b"):
        make_notifier(deadline=5, fallback_conn_id="lark_other")(context(task_id=task_id))
    assert time.perf_counter() - started < HANGS
    hangs.set()
    assert titles(lark) == ["Task failed · d.a", "Task failed · d.b"]
    assert len(read_logged(capsys, "Notification sent")) == 2


def test_a_memory_that_fails_after_the_message_sends_no_second_one(
    lark: Emulator, shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    known = shelf.set

    def set_(key: str, value: str, description: str) -> None:
        if read_messages(lark):
            hangs.wait(HANGS)
        known(key, value, description)

    monkeypatch.setattr(shelf, "set", set_)
    make_notifier(deadline=5, fallback_conn_id="lark_other")(context())
    hangs.set()
    assert titles(lark) == ["Task failed · d.t"]
    printed = capsys.readouterr().out
    assert "Notification sent" in printed
    assert "over the fallback connection" not in printed
    assert "later events may get separate cards" in printed


def test_a_long_wait_that_lark_asks_for_ends_at_the_deadline(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    lark.fault(
        path="*/messages", times=9, status=429, code=99991400, headers={"x-ogw-ratelimit-reset": f"{HANGS}"}
    )
    started = time.perf_counter()
    make_notifier(deadline=0.5)(context())
    assert time.perf_counter() - started < HANGS
    assert len(read_logged(capsys, "Failed to send the notification")) == 1


def test_another_connection_helps_within_the_time(
    lark: Emulator, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as slow:
        slow.fault(times=100, delay_ms=1000 * HANGS)
        connect("primary", host=slow.base_url)
        started = time.perf_counter()
        make_notifier(lark_conn_id="primary", fallback_conn_id="lark_default", deadline=5)(context())
        assert time.perf_counter() - started < HANGS
    assert len(read_messages(lark)) == 1
    (line,) = read_logged(capsys, "Notification sent over the fallback connection")
    assert re.search(r"error=.primary: no answer within (3\.0|[0-2]\.[0-9]) s", line)


def test_the_reported_task_is_cancelled_with_the_loop(lark: Emulator) -> None:
    async def notify_and_cancel() -> None:
        job = asyncio.create_task(make_notifier().async_notify(DEADLINE))  # type: ignore[arg-type]  # a deadline's context is a part
        await asyncio.sleep(0)
        job.cancel()
        await job

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(notify_and_cancel())


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_template_that_hangs_is_left_at_the_deadline(
    lark: Emulator, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    hangs, options = threading.Event(), {"deadline": 0.4, "content": "{{ ask() }}", "msg_type": "text"}
    task_context, started = {**context(), "ask": lambda: hangs.wait(HANGS)}, time.perf_counter()
    if how == "sync":
        make_notifier(**options)(task_context)
    else:

        async def notify_async() -> None:
            await make_notifier(context=task_context, **options)

        asyncio.run(notify_async())
    assert 0.3 < time.perf_counter() - started < HANGS
    hangs.set()
    assert re.search(
        r"no answer within 0\.[1-4] s", read_logged(capsys, "Failed to send the notification")[0]
    )
    assert read_messages(lark) == []

"""`LarkNotifier` with a database: recorded first, and delivered from here if there is time."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider.hooks.lark import LarkHook
from lark_provider.storage import bridge_tables as tables
from lark_provider.storage import engine as engines
from lark_provider.storage import migrate, urls
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.outbox import Outbox
from tests.airflow.conftest import connection
from tests.airflow.notifier.contexts import context, make_dag_context, make_notifier, read_messages, titles
from tests.failures.waiting import wait_until
from tests.outbox import work
from tests.storage import prepared

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def lark(lark: Emulator, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Yield the emulator, with its connection and an upgraded database for the outbox configured."""
    prepared.upgrade(urls.parse(database_url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    lark.settings(rate_limits=False)
    yield lark
    while engines._engines:
        engines._engines.popitem()[1].dispose()


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


def states() -> list[str]:
    with hold_transaction(get_engine(urls.database()), reading=True) as connected:
        return sorted(connected.scalars(sa.select(tables.outbox.c.state)))


def test_failures_share_a_card_that_recovers(lark: Emulator, output: Callable[[], str]) -> None:
    notify = make_notifier()
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    assert titles(lark) == ["Task failed · d"]
    notify(context("success", task_id="a"))
    assert titles(lark) == ["Task failed · d"] or titles(lark) == ["Partly recovered · d"]
    notify(context("success", task_id="b"))
    assert titles(lark) == ["Recovered · d"]
    notify(context(task_id="a", try_number=2))
    assert titles(lark) == ["Recovered · d", "Task failed · d.a"]  # an incident of its own
    notify(make_dag_context("task_failure"))
    assert titles(lark) == ["Recovered · d", "DAG run failed · d"]
    assert set(states()) <= {"delivered", "superseded"}
    assert "No database is configured" not in output()


def test_a_repeated_callback_changes_nothing(lark: Emulator) -> None:
    make_notifier()(context())
    make_notifier()(context())
    assert len(states()) == 1
    plain = make_notifier(content="{{ ti.task_id }} broke", msg_type="text")
    plain(context())
    plain(context())
    assert [content.get("text") for content in read_messages(lark)] == [None, "t broke"]


def make_failed_run(clears: int, *, started: datetime = START) -> Any:
    """Return the context of a DAG whose task has no callback; the DAG processor makes a new one each time."""
    ti = {"dag_id": "d", "run_id": "r", "task_id": "a", "map_index": -1, "try_number": 1 + clears}
    states = {"r": {"a": "failed"}}
    last = SimpleNamespace(**ti, state="failed", get_task_states=lambda **_: states)
    run = SimpleNamespace(start_date=started + timedelta(hours=clears), clear_number=clears)
    return make_dag_context("task_failure") | {"ti": last, "dag_run": run}


def test_a_cleared_run_that_fails_again_is_reported_again(lark: Emulator) -> None:
    notify = make_notifier()
    notify(make_failed_run(0))
    notify(make_failed_run(0))
    assert len(states()) == 1
    assert "failures" not in str(read_messages(lark))
    notify(make_failed_run(1))
    notify(make_failed_run(1))
    assert len(states()) == 2
    assert "2 failures" in str(read_messages(lark))


def test_a_message_of_ones_own_is_sent_for_each_failure_of_a_run(lark: Emulator) -> None:
    """A run that times out twice, and one that is deleted and made again under the same id."""
    plain = make_notifier(content="broke", msg_type="text")
    for run in (
        make_failed_run(0),
        make_failed_run(1),
        make_failed_run(0, started=START + timedelta(days=1)),
    ):
        run["ti"].try_number = 1  # The last task has not begun.
        plain(run)
        plain(run)
    assert len(read_messages(lark)) == 3


def test_a_message_of_ones_own_is_sent_for_each_task_instance(lark: Emulator) -> None:
    plain = make_notifier(content="broke", msg_type="text")
    for ti_id in ("019b-1", "019b-1", "019b-2"):
        plain(context(id=ti_id))
    assert len(read_messages(lark)) == 2


def test_each_notifier_of_a_list_sends_its_message(lark: Emulator) -> None:
    for text in ("See the runbook.", "Call Ann."):
        make_notifier(content=text, msg_type="text")(context())
    assert [content.get("text") for content in read_messages(lark)] == ["See the runbook.", "Call Ann."]


def test_tasks_that_fail_in_the_same_moment_share_one_card(lark: Emulator) -> None:
    threads = [threading.Thread(target=make_notifier(), args=(context(task_id=f"t{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (card,) = read_messages(lark)
    assert "8 failures" in str(card)


def test_what_is_awaited_shares_the_card_too(lark: Emulator) -> None:
    notify = make_notifier()
    asyncio.run(notify.async_notify(context(task_id="a")))
    asyncio.run(notify.async_notify(context(task_id="b")))
    (card,) = read_messages(lark)
    assert "2 failures" in str(card)


def test_a_loop_is_not_blocked_by_a_database_that_does_not_answer(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(
        "lark_provider.storage.incidents.Incidents.open", lambda *_: release.wait(20) and None
    )

    async def ticking() -> int:
        ticks = 0
        task = asyncio.ensure_future(make_notifier(deadline=3.0).async_notify(context()))
        while not task.done():
            await asyncio.sleep(0.02)
            ticks += 1
        return ticks

    assert asyncio.run(ticking()) > 20
    release.set()
    assert len(read_messages(lark)) == 1  # directly


def deliver(lark: Emulator) -> None:
    """Deliver what is due, as another process that has the app's secret."""
    app = {"LARK_APP_ID": lark.app_id, "LARK_APP_SECRET": lark.app_secret, "LARK_BASE_URL": lark.base_url}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in app.items():
            patch.setenv(name, value)
        wait_until(lambda: work.deliver() or Outbox.from_config().measure_backlog()[0] == 0)


def has_ended() -> bool:
    """Return whether no thread of a notifier runs any more."""
    return not any(thread.name == "lark-notifier-call" for thread in threading.enumerate())


@pytest.mark.parametrize("options", [{}, {"content": "broke", "msg_type": "text"}], ids=["card", "text"])
def test_a_database_that_commits_late_does_not_double_the_notification(
    lark: Emulator, output: Callable[[], str], options: dict[str, Any]
) -> None:
    with hold_transaction(get_engine(urls.database())) as connected:
        connected.execute(sa.text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
        make_notifier(deadline=3.0, **options)(context())
        assert not has_ended()
    assert "Outbox unavailable; sending the notification directly" in output()
    wait_until(has_ended)
    deliver(lark)
    assert states() == []
    assert len(read_messages(lark)) == 1


def test_a_commit_that_has_begun_is_waited_for(lark: Emulator, output: Callable[[], str]) -> None:
    with hold_transaction(get_engine(urls.database())) as connected:
        connected.exec_driver_sql(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(4); RETURN NULL; END $$"
        )
        connected.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    make_notifier(deadline=6.0)(context())
    assert "Outbox unavailable" not in output()
    wait_until(has_ended)
    deliver(lark)
    assert states() == ["delivered"]
    assert len(read_messages(lark)) == 1


def test_a_dag_processor_that_answers_late_is_no_lost_notification(
    lark: Emulator, output: Callable[[], str]
) -> None:
    make_notifier()(context(task_id="a"))
    release = threading.Event()
    ti = {"dag_id": "d", "run_id": "r", "task_id": "a", "map_index": -1, "try_number": 1, "state": "failed"}
    slow = SimpleNamespace(**ti, get_task_states=lambda **_: release.wait(20) and {"r": {}})
    make_notifier(deadline=4.0)(make_dag_context("task_failure") | {"ti": slow})
    release.set()
    assert titles(lark) == ["DAG run failed · d"]
    assert "task states timed out" in output()


def test_an_unavailable_lark_is_no_lost_notification(lark: Emulator, output: Callable[[], str]) -> None:
    lark.fault("POST", "*/messages", times=100, status=503, body="<html>")
    make_notifier(deadline=3.0)(context())
    printed = output()
    (line,) = [
        line for line in printed.splitlines() if "Notification recorded; it is delivered later" in line
    ]
    assert "dag_id=d " in line
    assert "Failed to send the notification" not in printed
    assert states() == ["due"]
    lark.clear_faults()
    deliver(lark)
    assert len(read_messages(lark)) == 1


def test_a_refusal_is_an_error_and_tried_over_the_fallback(
    lark: Emulator, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = lark.add_app(scopes=None)
    fallback = connection(lark, login=app["app_id"], password=app["app_secret"])
    monkeypatch.setenv("AIRFLOW_CONN_LARK_OTHER", fallback)
    lark.fault("POST", "*/messages", status=400, code=230002, msg="Bot is out of the chat")
    make_notifier(receiver_id="alice@example.com", fallback_conn_id="lark_other")(context())
    (line,) = [line for line in output().splitlines() if "Notification sent over the fallback" in line]
    assert re.search(r"error=.lark_default: LarkError: ", line)
    assert states() == ["delivered", "given_up"]
    lark.fault("POST", "*/messages", status=400, code=230002, msg="Bot is out of the chat")
    make_notifier()(context(task_id="u"))
    assert "Failed to send the notification" in output()


def test_without_the_tables_it_is_sent_directly(lark: Emulator, output: Callable[[], str]) -> None:
    migrate.downgrade(urls.database(), "0004")
    make_notifier()(context())
    assert "Outbox unavailable; sending the notification directly" in output()
    assert len(read_messages(lark)) == 1


def test_a_muted_task_is_not_reported(lark: Emulator, output: Callable[[], str]) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    with hold_transaction(get_engine(urls.database())) as connected:
        row = {"dag_id": "d", "task_id": "t", "muted_by": "{}", "until": until}
        connected.execute(tables.mutes.insert().values(row))
    make_notifier()(context())
    make_notifier()(context(task_id="u"))
    assert titles(lark) == ["Task failed · d.u"]
    (line,) = [line for line in output().splitlines() if "Task is muted; not notified" in line]
    assert re.search(r" dag_id=d .*task_id=t$", line)


def test_the_database_may_be_named_in_airflows_configuration(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.delenv("LARK_DATABASE_URL")
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database_url)
    assert LarkHook().client is not None
    make_notifier()(context())
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    assert states() == ["delivered"]

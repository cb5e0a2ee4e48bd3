"""Digests: which day they are about, what they say, and that each is sent once and not too late."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.api.cards.airflow.digest import Digest, make_card
from lark_provider.api.routes.reading import read_routes
from lark_provider.bridge.digest_reading import (
    FinishedRun,
    compute_latest_period,
    is_dag_in_digest,
    make_digest,
    read_run,
)
from lark_provider.bridge.reading import Dag
from lark_provider.outbox.apps import OutboxApps as Senders
from lark_provider.outbox.delivering import Deliverer
from lark_provider.outbox.outgoing import Outgoing
from lark_provider.protocol.tokens import App
from lark_provider.storage.digests import Digests
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.outbox_rows import OutboxEntry
from tests.bridge.builders import execute

CHAT = "oc_emulator_data_team"
ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
moments = st.integers(1767312000, 1830000000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(st.times(), st.sampled_from(ZONES), moments)
def test_days_follow_each_other_without_gap_or_overlap(at: time, zone: str, now: datetime) -> None:
    at = at.replace(second=0, microsecond=0, tzinfo=None, fold=0)
    period = compute_latest_period(at, zone, now)
    assert period.begin < period.end <= now
    before = compute_latest_period(at, zone, period.end - timedelta(microseconds=1))
    assert (before.end, before.day) == (period.begin, period.day - timedelta(days=1))
    after = compute_latest_period(at, zone, now + timedelta(days=2))
    assert after.end > now


def test_the_day_on_which_the_clocks_are_changed_is_shorter() -> None:
    period = compute_latest_period(time(9), "Europe/Berlin", datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert (period.day, period.end - period.begin) == (date(2026, 3, 29), timedelta(hours=23))


END = datetime(2026, 11, 26, 1, tzinfo=UTC)
PERIOD = compute_latest_period(time(9), "Asia/Shanghai", END)


def run(dag_id: str, run_id: str, state: str, minutes: float, seconds: float = 60) -> FinishedRun:
    end = END - timedelta(minutes=minutes)
    return read_run(
        {
            "dag_id": dag_id, "dag_run_id": run_id, "state": state, "end_date": end.isoformat(),
            "start_date": (end - timedelta(seconds=seconds)).isoformat(),
        }
    )  # fmt: skip


def test_a_digest_counts_the_runs_of_its_period() -> None:
    runs = [
        run("a", "1", "failed", 500),
        run("a", "2", "failed", 400),
        run("a", "3", "success", 300, seconds=7200),
        run("b", "1", "success", 200),
        run("b", "2", "failed", 100),
        run("b", "2", "failed", 100),  # listed twice, as pages overlap when runs are deleted
        run("c", "1", "failed", 24 * 60 + 1),  # the day before
        run("c", "2", "failed", 0),  # the day after
    ]
    summary = make_digest("r", PERIOD, runs, {"a", "old"}, "http://airflow", "Asia/Shanghai")
    assert (summary.runs, list(summary.failed)) == (5, [("a", 2), ("b", 1)])
    assert list(summary.broken) == ["b", "old"]  # a's last run went well
    assert (summary.slowest[0].dag_id, summary.slowest[0].run_id) == ("a", "3")
    shown = json.dumps(make_card(summary, "en"), ensure_ascii=False)
    for text in ("**5** runs ended, **3** failed", "a: 2", "2 h 0 min", "🔴 old", "/dags/a/runs/3", "CST"):
        assert text in shown


def test_a_quiet_day_and_a_hostile_one_have_a_card() -> None:
    quiet = Digest("r", PERIOD.begin, PERIOD.end, "Asia/Shanghai")
    assert "结束的运行 **0** 次" in json.dumps(make_card(quiet, "zh"), ensure_ascii=False)
    assert make_card(quiet, "en")["header"]["template"] == "green"
    name = "<at id=all></at>" * 200
    many = Digest(
        name, PERIOD.begin, PERIOD.end, "UTC", 999, [(f"{name}{n}", n) for n in range(999)], (), [name] * 999
    )
    shown = json.dumps(make_card(many, "en"), ensure_ascii=False)
    assert len(shown.encode()) < 28 * 1024
    body = json.dumps(make_card(many, "en")["body"])
    assert "<at" not in body
    assert "and 989 more" in body


def test_a_digest_has_the_dags_whose_failures_the_route_is_told() -> None:
    routes = read_routes(
        "routes:\n"
        "  - {name: own, owner: data, task: load*, to: oc_1, timezone: UTC, digest: '09:00'}\n"
        "  - {task: 'noisy', mute: true}\n"
        "  - {tag: test, mute: true}\n"
        "  - {name: all, to: oc_2, timezone: UTC, digest: '09:00'}\n"
    )
    own, _, _, all_ = routes.routes
    dags = Dag(("data",), ()), Dag(("x",), ("test",)), Dag(("x",), ())
    assert [is_dag_in_digest(routes, own, "d", dag, None) for dag in dags] == [True, False, False]
    assert [is_dag_in_digest(routes, all_, "d", dag, None) for dag in dags] == [True, False, True]


def entry(text: str, **more: Any) -> OutboxEntry:
    content = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": text}]}}
    message = Outgoing(CHAT, "chat_id", "interactive", content)
    return OutboxEntry(f"{text:x<64}", CHAT, message.to_json(), **more)


def test_a_digest_is_recorded_once_for_a_route_and_day(url: URL) -> None:
    app = App("https://open.feishu.cn", "cli_a", "secret")
    digests, others = Digests(url, "http://a"), Digests(url, "http://b")
    day = date(2026, 11, 26)
    assert digests.record("r", day, "recorded", [(app, entry("one"))])
    assert not digests.record("r", day, "recorded", [(app, entry("two"))])
    assert not digests.record("r", day, "skipped")
    assert digests.record("r", day + timedelta(days=1), "skipped")
    assert others.find_recorded([("r", day)]) == set()
    wanted = [("r", day), ("r", day + timedelta(days=1)), ("s", day)]
    assert digests.find_recorded(wanted) == set(wanted[:2])
    assert len(execute(url, "SELECT id FROM outbox")) == 1


@pytest.mark.parametrize("late", [False, True])
def test_what_is_too_late_is_given_up(url: URL, lark: Emulator, late: bool) -> None:
    app = App(lark.base_url, lark.app_id, lark.app_secret)
    outbox = Outbox(url)
    expires = datetime.now(UTC) + timedelta(hours=-1 if late else 1)
    outbox.add(app, entry("digest", expires_at=expires))
    outbox.add(app, entry("waits", not_before=datetime.now(UTC) + timedelta(hours=1)))
    asyncio.run(Deliverer(outbox, Senders(url.render_as_string(hide_password=False))).deliver_due())
    chats = {chat["chat_id"]: chat for chat in lark.state()["chats"]}
    assert len(chats[CHAT]["messages"]) == (0 if late else 1)
    state = outbox.read_state(entry("digest").id)
    assert state is not None
    assert state[0] == ("given_up" if late else "delivered")
    assert outbox.read_state(entry("waits").id) == ("due", None, None)

"""The card of a failure fits into what Lark takes, whatever has failed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lark_provider.api.cards.airflow import failure
from lark_provider.api.cards.airflow.limits import MAX_BYTES
from lark_provider.protocol.incidents.event import EVENT_KINDS, RunEvent
from lark_provider.protocol.incidents.model import (
    CardAction,
    Claim,
    EscalationRecord,
    Failure,
    Incident,
    Mute,
)
from lark_provider.protocol.language import LANGUAGES

AT = "2026-11-26T10:00:00+00:00"
# One, three and four bytes; what Markdown, JSON and a link escape; what JSON cannot hold.
CHARACTERS = ("x", "任", "😀", "&", "`", "<", "(", '"', "\\", "\x01", "\n", " ", "\udcff")


def generate_texts(longest: int) -> st.SearchStrategy[str]:
    alike = st.builds(str.__mul__, st.sampled_from(CHARACTERS), st.integers(0, longest))
    return alike | st.text(st.sampled_from(CHARACTERS) | st.characters(), max_size=60)


def links(longest: int) -> st.SearchStrategy[str]:
    return st.just("") | st.builds("https://airflow.example.com/{}".format, generate_texts(longest))


EVENTS = st.builds(
    RunEvent,
    kind=st.sampled_from(EVENT_KINDS),
    dag_id=generate_texts(300),
    run_id=generate_texts(300),
    task_id=generate_texts(300),
    try_number=st.integers(0, 99),
    tries=st.none() | st.integers(1, 99),
    state=generate_texts(700),
    owners=st.lists(generate_texts(300), max_size=4).map(tuple),
    reason=generate_texts(700),
    error_type=generate_texts(700),
    error=generate_texts(5_000),
    traceback=generate_texts(50_000),
    log_url=links(20_000),
    run_url=links(20_000),
    answer_url=links(20_000),
    deadline=generate_texts(700),
)
FAILURES = st.builds(
    Failure,
    label=generate_texts(300),
    try_number=st.integers(0, 99),
    error=generate_texts(1_000),
    log_url=links(700),
    recovered=st.booleans(),
    ti_id=st.just("a-uuid") | st.just(""),
    task_id=generate_texts(300),
)
INCIDENTS = st.builds(
    Incident,
    count=st.integers(0, 10_000),
    # Several alike: what is too large is a list of what is long.
    failures=st.builds(
        lambda some, times: tuple(
            replace(failed, task_id=f"{place}{failed.task_id}") for place, failed in enumerate(some * times)
        ),
        st.lists(FAILURES, max_size=4),
        st.integers(1, 25),
    ),
    run_failed=st.booleans(),
    over=st.booleans(),
    claim=st.none() | st.builds(Claim, st.just("ou_1"), generate_texts(600), st.just(AT)),
    mutes=st.lists(st.builds(Mute, generate_texts(300), generate_texts(600), st.just(AT)), max_size=20).map(
        tuple
    ),
    has_actions=st.booleans(),
    deeds=st.lists(st.builds(CardAction, generate_texts(600), st.just(AT), st.just("e")), max_size=5).map(
        tuple
    ),
    more=st.just({}) | st.just({"digest": 1}),
    urged=st.lists(
        st.builds(
            EscalationRecord,
            st.integers(1, 9),
            st.sampled_from(["app", "sms", "phone"]),
            generate_texts(600),
            st.just(AT),
            st.sampled_from(["done", "failed", "unknown", "skipped"]),
            generate_texts(600),
        ),
        max_size=9,
    ).map(tuple),
)
LONGEST = Incident(
    count=99,
    failures=(
        Failure("\x01" * 300, 9, "\x01" * 300, "https://" + "\x01" * 150, ti_id="u", task_id="\x01" * 90),
    )
    * 100,
    mutes=(Mute("\x01" * 300, "\x01" * 300, AT),) * 20,
    has_actions=True,
)  # fmt: skip


def size(card: dict[str, Any]) -> int:
    return len(json.dumps(card, ensure_ascii=False).encode())


@settings(deadline=None, max_examples=150)
@given(EVENTS, INCIDENTS, st.sampled_from(LANGUAGES))
@example(
    RunEvent(
        "retry", *("\x01" * 300,) * 3, owners=("\x01" * 700,), error="\x01" * 700, traceback="\x01" * 9_000,
        log_url="\x01" * 200, run_url="\x01" * 200, answer_url="\x01" * 200,
    ),
    LONGEST,
    "en",
)  # fmt: skip
def test_no_card_is_too_large(event: RunEvent, incident: Incident, language: Any) -> None:
    assert size(failure.make_card(event, language, incident, "k" * 64)) <= MAX_BYTES
    assert size(failure.make_card(event, language, max_bytes=16 * 1024)) <= 16 * 1024


def long_failures(count: int) -> tuple[Failure, ...]:
    error = "数据库连接失败：" + "连接超时" * 40
    url = "https://airflow.example.com/" + "%E4%BB%BB" * 62
    return tuple(
        Failure(f"{n:02}" + "任务" * 60, 1, error, url, ti_id=str(n), task_id=f"{n:02}" + "任务" * 60)
        for n in range(count)
    )


@pytest.mark.parametrize(("count", "most"), [(25, 20), (100, 20)])
def test_a_list_that_is_too_long_is_shortened_and_the_rest_is_counted(count: int, most: int) -> None:
    event = RunEvent("failure", "每日报表", "r", "t", try_number=1, traceback="出错\n" * 2_000)
    card = failure.make_card(event, "en", Incident(count=count, failures=long_failures(count)), "k" * 64)
    assert size(card) <= MAX_BYTES
    (listed,) = [
        element["content"]
        for element in card["body"]["elements"]
        if "Failed tasks" in element.get("content", "")
    ]
    shown = len(re.findall("❌", listed))
    assert 5 <= shown <= most
    assert listed.endswith(f"… and {count - shown} more")
    assert f"({count})" in listed
    assert "连接超时" in listed


def test_what_fits_is_not_shortened() -> None:
    event = RunEvent("failure", "d", "r", "t", try_number=1, traceback="出错\n" * 100)
    incident = Incident(count=20, failures=tuple(replace(failed, log_url="") for failed in long_failures(12)))
    shown = json.dumps(failure.make_card(event, "zh", incident, "k" * 64), ensure_ascii=False)
    assert shown.count("❌") == 12
    assert "出错\\n" * 100 in shown

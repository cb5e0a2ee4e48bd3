"""Contexts become events, and events become cards. Neither needs Airflow nor Lark."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lark_provider.api.cards import MAX_CARD_BYTES
from lark_provider.api.cards.airflow import failure as cards
from lark_provider.api.cards.airflow import failure_texts as texts
from lark_provider.api.cards.airflow.limits import MAX_BYTES
from lark_provider.api.cards.airflow.markup import fence
from lark_provider.api.cards.airflow.mentions import Mentions, resolve
from lark_provider.notifications.run_event import read
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import MAX_FAILURES, Failure, Incident
from lark_provider.protocol.language import LANGUAGES
from lark_provider.protocol.redact import redact
from lark_provider.support.text import clip, shorten

LOG = "http://airflow/dags/d/runs/r%2B1/tasks/t?try_number=2"


def ti(**changes: Any) -> SimpleNamespace:
    known = {"dag_id": "d", "run_id": "r+1", "task_id": "t", "map_index": -1, "try_number": 2, "max_tries": 2}
    return SimpleNamespace(**(known | {"state": None, "start_date": "now", "log_url": LOG} | changes))


def make_raised(text: str = "boom") -> ValueError:
    try:
        raise ValueError(text)  # noqa: TRY301 - for its traceback
    except ValueError as error:
        return error


def render(card: Any) -> str:
    return json.dumps(card, ensure_ascii=False)


DEADLINE = {
    "dag_run": {"dag_id": "d", "dag_run_id": "r+1", "state": "running"},
    "deadline": {"id": "7", "deadline_time": "2026-01-01T00:00:00Z"},
}


@pytest.mark.parametrize(
    ("context", "event"),
    [
        ({"ti": ti(state="failed"), "exception": make_raised()}, "failure"),
        ({"ti": ti(state="up_for_retry"), "exception": make_raised()}, "retry"),
        ({"ti": ti(state="success")}, "success"),
        ({"ti": ti(), "exception": "the worker died"}, "failure"),
        ({"ti": ti(start_date=None)}, "retry"),  # a vanished worker with a try left
        ({"ti": ti(start_date=None, try_number=3)}, "failure"),
        ({"ti": ti(state="running")}, "notice"),
        ({"ti": ti()}, "notice"),
        ({"ti": ti(state="failed"), "reason": "task_failure"}, "dag_failure"),
        ({"ti": ti(state="success"), "reason": "success"}, "dag_success"),
        ({"dag": SimpleNamespace(dag_id="d"), "run_id": "r+1", "reason": "timed_out"}, "dag_failure"),
        (DEADLINE, "deadline"),
    ],
)
def test_the_event_is_told_from_the_context(context: dict[str, Any], event: str) -> None:
    run_event = read(context, base_url="http://airflow/")
    assert (run_event.kind, run_event.dag_id, run_event.run_id) == (event, "d", "r+1")
    assert run_event.run_url == "http://airflow/dags/d/runs/r%2B1"
    assert read(context, event="notice").kind == "notice"


def test_an_owner_is_the_tasks_or_for_a_dag_everybodys() -> None:
    task, dag = SimpleNamespace(owner="alice"), SimpleNamespace(owner="bob, alice", dag_id="d")
    assert read({"ti": ti(state="failed"), "task": task, "dag": dag}).owners == ("alice",)
    assert read({"ti": ti(), "task": task, "dag": dag, "reason": "task_failure"}).owners == ("alice", "bob")


class Unprintable(Exception):  # noqa: N818 - it is not raised by us
    def __str__(self) -> str:
        raise RuntimeError("no")


class HoldsAValue(Exception):  # noqa: N818 - it is not raised by us
    value = "not what it says"


def test_an_exception_says_what_it_says() -> None:
    assert read({"ti": ti(), "exception": HoldsAValue("too many rows")}).error == "too many rows"


class Broken:
    dag_id = "d"

    @property
    def log_url(self) -> str:
        raise RuntimeError("no API server")


def test_what_cannot_be_read_is_left_out() -> None:
    run_event = read({"ti": Broken(), "exception": Unprintable()})
    assert (run_event.dag_id, run_event.log_url, run_event.error_type) == ("d", "", "Unprintable")
    assert read({}).dag_id == ""
    assert cards.make_card(read({}), "en")["schema"] == "2.0"


def test_the_traceback_begins_where_the_task_runner_calls_other_code() -> None:
    runner = {"__name__": "airflow.sdk.execution_time.task_runner"}
    exec("def run(call):\n    call()\n", runner)  # noqa: S102 - a function that claims to be Airflow's
    try:
        exec("run(raised_by_us)", {**runner, "raised_by_us": lambda: int("x")})  # noqa: S102 - a function that claims to be Airflow's
    except ValueError as error:
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
        trace = read({"ti": ti(), "exception": error}).traceback
    assert "in run" not in trace
    assert "int(" in trace


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "event", ["failure", "retry", "success", "dag_failure", "dag_success", "deadline", "notice"]
)
def test_every_event_has_a_card_and_lines_in_each_language(language: Any, event: Any) -> None:
    run_event = RunEvent(
        event, "d", "r+1", "t", owners=("alice",), try_number=2, tries=3, log_url=LOG, run_url="http://run"
    )
    card = cards.make_card(run_event, language)
    assert texts.translate(language, event) in card["header"]["title"]["content"]
    assert "alice" in render(card)
    assert "(http://run)" in render(card)
    assert ("[Log]" in render(card) or "[查看日志]" in render(card)) == (
        event not in {"deadline", "dag_success"}
    )
    assert cards.format_lines(run_event, language).startswith(texts.translate(language, event))


def test_a_failure_card_says_what_one_needs() -> None:
    context = {
        "ti": ti(state="failed"),
        "exception": make_raised("boom"),
        "task": SimpleNamespace(owner="alice"),
    }
    card = cards.make_card(read(context), "en")
    assert card["header"]["template"] == "red"
    for part in ("**Owner** alice", "**Try** 2 of 3", "ValueError: boom", "Traceback", f"[Log]({LOG})"):
        assert part in render(card)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"line {number}" for number in range(20_000)),
        "x" * 200_000,
        "中文\n" * 50_000,
        '"\\\x00' * 30_000,
    ],
)
def test_a_long_traceback_keeps_head_and_tail_and_fits(text: str) -> None:
    context = {"ti": ti(state="failed", task_id="t" * 250), "exception": make_raised(f"HEAD{text}TAIL")}
    run_event = read(context)
    many = tuple(Failure(f"task_{n}" * 12, 1, "e" * 160, LOG + "x" * 500) for n in range(MAX_FAILURES))
    card = cards.make_card(run_event, "zh", Incident(count=99, failures=many))
    size = len(json.dumps(card, ensure_ascii=False).encode())
    assert 3_000 < size <= MAX_BYTES < MAX_CARD_BYTES
    assert "Traceback" in render(card)
    assert "TAIL" in render(card)
    assert "省略" in render(card)


def test_what_is_not_looked_at_is_counted_all_the_same() -> None:
    error = make_raised("\n".join(f"line {number}" for number in range(10_000)))
    trace = read({"ti": ti(state="failed"), "exception": error}).traceback
    text = shorten(trace, 4_000, "{lines} lines left out")
    kept = [line for line in text.splitlines() if line.startswith(("line ", "ValueError: line "))]
    assert f"{10_000 - len(kept)} lines left out" in text


def test_shortening() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    short = shorten(text, 100, "{lines} left out")
    assert short.startswith("line 0\n")
    assert short.endswith("line 99")
    kept = [line for line in short.splitlines() if line.startswith("line")]
    assert f"{100 - len(kept)} left out" in short
    assert shorten("short", 100, "") == "short"
    assert clip("a\n b", 10) == "a b"
    assert clip("x" * 20, 10) == "x" * 9 + "…"


def test_foreign_words_are_no_markup() -> None:
    evil = "</font> <at id=all></at> [x](http://evil) ``` ![y](img_1)"
    card = cards.make_card(
        read({"ti": ti(state="failed", task_id=evil), "exception": make_raised(evil)}), "en"
    )
    contents = [element["content"] for element in card["body"]["elements"]]
    assert not any(
        "<at" in content or "](http://evil)" in content.replace("&#", "") for content in contents[:1]
    )
    assert "<at" not in contents[1]
    assert contents[1].count("```") == 2
    assert fence("a <module> b") == "```\na <\u200bmodule> b\n```"


def test_secrets_are_masked() -> None:
    context = {"ti": ti(state="failed"), "exception": make_raised("app_secret=abcdef and t-0123456789abcdef")}
    card = render(cards.make_card(read(context, clean=redact), "en"))
    assert "***" in card
    assert "abcdef" not in card


def failure(label: str = "t", number: int = 1, event: Any = "failure") -> RunEvent:
    return RunEvent(event, "d", "r", label, try_number=number, error="boom", log_url=LOG)


def test_failures_add_up_and_recover() -> None:
    incident = apply_event(None, failure("a", event="retry"), {})
    assert incident is not None
    incident = apply_event(incident.with_cards("om_1"), failure("a", 2), {})
    assert incident is not None
    assert apply_event(incident, failure("a", 2), {}) == incident  # called twice for one try
    two = apply_event(
        incident, failure("b"), {"a": "failed", "c": "failed", "d": "running", "e": "upstream_failed"}
    )
    assert two is not None
    assert (two.count, [task_failure.label for task_failure in two.failures], two.cards) == (
        3,
        ["a", "c", "b"],
        ("om_1",),
    )
    failed = apply_event(two, failure("", event="dag_failure"), {})
    assert failed is not None
    assert (failed.count, failed.run_failed) == (3, True)
    partly = apply_event(failed, failure("a", 3, "success"), {"c": "success", "b": "failed"})
    assert partly is not None
    assert [(task_failure.label, task_failure.recovered) for task_failure in partly.failures] == [
        ("a", True),
        ("c", True),
        ("b", False),
    ]
    assert (partly.over, partly.run_failed) == (False, False)
    assert apply_event(partly, failure("stranger", event="success"), {}) is None
    whole = apply_event(partly, failure("b", 2, "success"), {})
    assert whole is not None
    assert whole.over
    run = apply_event(two, failure("", event="dag_success"), {})
    assert run is not None
    assert run.over
    assert all(task_failure.recovered for task_failure in run.failures)


def test_a_success_without_a_failure_is_none_of_its_business() -> None:
    assert apply_event(None, failure(event="success"), {}) is None
    assert apply_event(None, failure(event="dag_success"), {}) is None
    assert apply_event(None, failure(event="deadline"), {}) is None


def test_an_incident_survives_being_stored_and_stays_small() -> None:
    many = apply_event(None, failure(), {f"task_{number}": "failed" for number in range(200)})
    assert many is not None
    assert len(many.failures) == MAX_FAILURES
    assert many.count == 201
    assert Incident.from_json(json.loads(json.dumps(many.to_json()))) == many


def test_the_card_of_an_incident_lists_its_tasks() -> None:
    now = Incident(
        ("om_1",), 3, (Failure("a", 2, "E: boom", LOG), Failure("b", recovered=True)), run_failed=False
    )
    text = render(cards.make_card(failure("a"), "en", now))
    assert "3 failures" in text
    assert "❌ a (Try 2) E: boom [Log]" in text
    assert "✅ ~~b~~" in text
    over = cards.make_card(
        failure("b", event="success"), "zh", Incident(("om_1",), 3, now.failures, over=True)
    )
    assert over["header"]["template"] == "green"
    assert "已恢复" in over["header"]["title"]["content"]


def test_whom_a_notification_names() -> None:
    known = {
        "alice": "ou_1",
        "bob": "bob@example.com",
        "team": ["ou_2", "ou_1"],
        "odd": 5,
        "evil": "x><at id=all",
    }
    assert resolve("owner", ["alice", "bob", "carol"], known) == Mentions(
        ("ou_1",), ("bob@example.com",), ("carol",)
    )
    assert resolve(["team", "all", "ou_9"], (), known).ids == ("ou_2", "ou_1", "all", "ou_9")
    assert resolve(["odd", "evil"], (), known) == Mentions(names=("odd", "evil"))
    assert resolve((), ["alice"], known) == Mentions()
    assert (
        Mentions(("on_1", "ou_1")).render_markdown() == "<at id=ou_1></at> @on_1"
    )  # a card takes no union_id
    line = Mentions(("ou_1",), ("a@b.c",), ("<x>",)).render_markdown()
    assert line == "<at id=ou_1></at> <at email=a@b.c></at> @&#60;x&#62;"

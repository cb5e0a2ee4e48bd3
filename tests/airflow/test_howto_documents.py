"""Pages for authors of DAGs: their examples run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.fields import NUMBER, TEXT
from lark_provider.get_provider_info import get_provider_info
from lark_provider.triggers import LarkEventTrigger
from tests.airflow.sql import table
from tests.package.pages import DOCS, LINK, python, run

Context = Callable[..., Any]


@pytest.fixture
def bot(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"conn_type": "lark_webhook", "password": lark.add_webhook()}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(settings))


def read_messages(lark: Emulator) -> list[Any]:
    return [message["content"] for bot in lark.state()["webhooks"] for message in bot["messages"]]


@pytest.mark.usefixtures("bot")
def test_messages_are_sent_and_changed(lark: Emulator, context: Context) -> None:
    dag, operator, notifier = python("how-to/messages-in-a-dag.md")
    namespace = run("messages-in-a-dag.md", dag)
    message_id = namespace["begun"].execute(context(task_id="begun"))
    namespace["done"].message_id = message_id
    assert namespace["done"].execute(context(task_id="done")) == message_id
    card = LarkServiceClient().messaging.get(message_id).data["items"][0]["body"]["content"]
    assert "Loaded" in card
    assert namespace["many"].is_mapped
    group = operator.replace("LarkWebhookOperator(task_id", "tell = LarkWebhookOperator(task_id")
    run("messages-in-a-dag.md", group)["tell"].execute(context())
    assert "Loaded" in str(read_messages(lark))
    assert "on_failure" not in str(run("messages-in-a-dag.md", notifier)["tell_group"].template_fields)


def test_a_run_without_a_logical_date_renders_the_messages(context: Context) -> None:
    """A DAG without a schedule is triggered, and `ds` is missing in a run that has no logical date."""
    dag, operator, _ = python("how-to/messages-in-a-dag.md")
    group = operator.replace("LarkWebhookOperator(task_id", "tell = LarkWebhookOperator(task_id")
    begun, tell = run("messages-in-a-dag.md", dag)["begun"], run("messages-in-a-dag.md", group)["tell"]
    values = context() | {"dag_run": SimpleNamespace(run_after=datetime(2026, 1, 2, tzinfo=UTC))}
    for task in (begun, tell):
        task.render_template_fields(values)
    assert "Loading 2026-01-02" in str(begun.content)
    assert tell.content == "Loaded 2026-01-02."


def test_records_are_read(lark: Emulator, context: Context) -> None:
    link = table([("No", TEXT), ("Paid", NUMBER), ("Status", TEXT)])
    rows = [{"No": "A-1", "Paid": 12.5, "Status": "open"}, {"No": "A-2", "Paid": 7, "Status": "paid"}]
    LarkServiceClient().clouddoc.bitable.bulk_insert(link, None, rows)
    search, frame = (code.replace(LINK, link) for code in python("how-to/read-a-table.md"))
    namespace = run(
        "read-a-table.md",
        search.replace("LarkBitableSearchOperator(\n", "search = LarkBitableSearchOperator(\n"),
    )
    [record] = namespace["search"].execute(context())
    assert record["fields"] == {"No": "A-1", "Paid": 12.5}
    assert run("read-a-table.md", frame)["analyse"].function() == 2


@pytest.mark.parametrize(
    ("page", "dag_id", "tasks"),
    [
        ("clicks-in-a-dag.md", "wait_for_click", ["send", "wait"]),
        ("ask-on-a-card.md", "publish", ["ask", "publish", "explain"]),
    ],
)
def test_waits_are_dags(page: str, dag_id: str, tasks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import DAG

    dags: list[DAG] = []
    leave: Any = DAG.__exit__

    def exit_(self: DAG, *error: Any) -> None:
        dags.append(self)
        leave(self, *error)

    monkeypatch.setattr(DAG, "__exit__", exit_)
    dag, answer = python(f"how-to/{page}")
    run(page, dag)
    assert [(parsed_dag.dag_id, sorted(parsed_dag.task_ids)) for parsed_dag in dags] == [
        (dag_id, sorted(tasks))
    ]
    result = eval(answer)  # noqa: S307 - the page's own text
    assert result["operator"]["open_id"] == "ou_emulator0001_alice"


def test_events_start_dags() -> None:
    _, watcher, queue = python("how-to/events.md")
    namespace = run("events.md", watcher)
    assert isinstance(namespace["messages"].watchers[0].trigger, LarkEventTrigger)
    trigger = run("events.md", queue)["trigger"]
    assert trigger.serialize()[0] == "lark_provider.triggers.events.LarkEventTrigger"


def test_connections_name_and_redirect(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("NAMES", "TESTS"):
        monkeypatch.setenv(f"AIRFLOW_CONN_LARK_{name}", "")  # to be put back afterwards
    for code in python("how-to/connections.md"):
        run("connections.md", code)
    message_id, receiver = capsys.readouterr().out.splitlines()[-2:]
    assert LarkServiceClient().messaging.get(message_id).data["items"][0]["chat_id"] == receiver
    assert receiver == "oc_emulator_data_team"


def test_the_page_of_connections_has_each_field() -> None:
    text = (DOCS / "how-to" / "connections.md").read_text("utf-8")
    kinds: Any = get_provider_info()["connection-types"]
    assert len(kinds) == 2
    for kind in kinds:
        section = text.partition(f": `{kind['connection-type']}`\n")[2].partition("\n## ")[0]
        rows = " ".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))
        assert kind["conn-fields"].keys() == set(re.findall(r"`(\w+)`", rows)), kind["connection-type"]

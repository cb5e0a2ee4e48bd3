"""LarkReportOperator: a query, its spreadsheet, and one card that is updated with it; templates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import InvalidRequestError, LarkError
from lark_provider.operators import LarkSendMessageOperator
from lark_provider.storage import urls
from lark_provider.transfers import LarkReportOperator
from tests.airflow.conftest import CHAT, connection
from tests.airflow.sql import Database
from tests.storage import prepared

Context = Callable[..., Any]
ALICE, TEMPLATE = "ou_emulator0001_alice", "AAqkTest1"


@pytest.fixture(autouse=True)
def _ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", url)


@pytest.fixture
def orders(sqlite: Database) -> Database:
    sqlite.run(
        "CREATE TABLE orders (no TEXT, paid INTEGER)", "INSERT INTO orders VALUES ('A-1', 1), ('A-2', 2)"
    )
    return sqlite


def report(orders: Database, **changes: Any) -> LarkReportOperator:
    usual = {"sql": "SELECT no, paid FROM orders", "sql_conn_id": orders.conn_id, "title": "Orders"}
    return LarkReportOperator(**({"task_id": "t", "receiver_id": CHAT} | usual | changes))


def cards(lark: Emulator, chat: str = CHAT) -> list[dict[str, Any]]:
    [chat_state] = [candidate for candidate in lark.state()["chats"] if candidate["chat_id"] == chat]
    return [message for message in chat_state["messages"] if message["msg_type"] == "interactive"]


def test_one_card_a_key_is_updated_and_its_readers_may_open_the_sheet(
    lark: Emulator, context: Context, orders: Database
) -> None:
    daily = report(
        orders, key="orders 2026-11-26", text="{{ report.rows_written }} orders in {{ report.range }}"
    )
    first = daily.execute(context())
    [card] = cards(lark)
    assert [card["message_id"]] == first["message_ids"]
    assert "2 orders in A1:B3" in str(card["content"])
    assert first["url"] in str(card["content"])
    grants = LarkServiceClient().clouddoc.drive.permissions.list(first["url"])
    assert {grant.id: grant.role for grant in grants}[CHAT] == "view"

    orders.run("INSERT INTO orders VALUES ('A-3', 3)")
    again = daily.execute(context(run_id="next", try_number=2))
    assert (again["url"], again["message_ids"]) == (first["url"], first["message_ids"])
    [card] = cards(lark)
    assert "3 orders in A1:B4" in str(card["content"])
    other = daily.chat_link
    assert CHAT in other

    report(orders).execute(context())
    report(orders).execute(context(run_id="next"))
    assert len(cards(lark)) == 3  # without a key, one card a run


def test_a_card_whose_answer_was_lost_is_not_sent_twice(
    lark: Emulator, context: Context, orders: Database
) -> None:
    lark.fault("POST", "*/im/v1/messages", drop="after")
    lark.fault("POST", "*/im/v1/messages", status=400, code=424242, msg="?")
    with pytest.raises(LarkError):
        report(orders, text="first").execute(context())
    report(orders, text="second").execute(context(try_number=2))
    [card] = cards(lark)
    assert "second" in str(card["content"])


def test_a_recalled_card_is_followed_by_a_new_one(lark: Emulator, context: Context, orders: Database) -> None:
    first = report(orders).execute(context())
    LarkServiceClient().messaging.recall(first["message_ids"][0])
    second = report(orders).execute(context(try_number=2))
    third = report(orders).execute(context(try_number=3))
    assert first["message_ids"] != second["message_ids"] == third["message_ids"]


def test_several_receivers_mentions_and_a_redirected_connection(
    lark: Emulator, context: Context, orders: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = report(orders, receiver_id=[CHAT, ALICE], mentions=[ALICE], language="zh").execute(context())
    assert len(sent["message_ids"]) == 2
    [card] = cards(lark)
    assert f"<at id={ALICE}></at>" in str(card["content"])
    assert "打开表格" in str(card["content"])
    redirected = connection(lark, extra={"redirect_all_to": CHAT, "receivers": {"boss": "oc_nowhere"}})
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", redirected)
    report(orders, receiver_id="boss").execute(context(task_id="other"))
    assert "[→ boss]" in str(cards(lark)[-1]["content"])


def test_a_template_shows_the_report(lark: Emulator, context: Context, orders: Database) -> None:
    lark.settings(card_templates=[TEMPLATE])
    variables = {"link": "{{ report.url }}", "rows": ["{{ report.rows_written }}"]}
    done = report(orders, template_id=TEMPLATE, template_variable=variables).execute(context())
    [card] = cards(lark)
    data = {"template_id": TEMPLATE, "template_variable": {"link": done["url"], "rows": ["2"]}}
    assert card["content"] == {"type": "template", "data": data}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("customer", ["{{ 1 + 1 }}", "{% x"])
def test_what_a_rendered_title_contains_is_no_template(
    lark: Emulator, context: Context, orders: Database, customer: str, native: bool
) -> None:
    """Whoever may trigger the DAG could read its connections."""
    with DAG("d", schedule=None, render_template_as_native_obj=native):
        by_title = report(orders, title="Orders of {{ params.customer }}", text="**{{ params.customer }}**")
    by_title.render_template_fields({"params": {"customer": customer}})
    done = by_title.execute(context() | {"params": {"customer": customer}})
    [card] = cards(lark)
    assert card["content"]["header"]["title"]["content"] == f"Orders of {customer}"
    assert f"**{customer}**" in str(card["content"])
    [spreadsheet] = LarkServiceClient().clouddoc.drive.list_files()
    assert (spreadsheet["name"], spreadsheet["url"]) == (f"Orders of {customer}", done["url"])


def test_the_outputs_of_tasks_are_waited_for(orders: Database) -> None:
    with DAG("d", schedule=None):
        summary: Any = BaseOperator(task_id="summary").output
        card = report(orders, task_id="card", card_title=summary, text=summary)
        template = report(
            orders, task_id="template", template_id=TEMPLATE, template_variable={"rows": [summary]}
        )
        version = report(orders, task_id="version", template_id=summary, template_version=summary)
    assert [task.upstream_task_ids for task in (card, template, version)] == [{"summary"}] * 3


def test_an_output_is_sent_as_it_is(lark: Emulator, context: Context, orders: Database) -> None:
    class Output:
        """As much of a task's output as rendering uses."""

        def resolve(self, _context: Any) -> str:
            return "{{ 1 + 1 }}"

    output: Any = Output()
    lark.settings(card_templates=[TEMPLATE])
    shown = report(orders, card_title=output, text=output)
    shown.render_template_fields(context())
    shown.execute(context())
    filled = report(orders, task_id="u", template_id=TEMPLATE, template_variable={"a": output})
    filled.render_template_fields(context())
    filled.execute(context(task_id="u"))
    [card, template] = cards(lark)
    assert str(card["content"]).count("{{ 1 + 1 }}") == 2
    assert template["content"]["data"]["template_variable"] == {"a": "{{ 1 + 1 }}"}


def test_a_receiver_that_another_task_picks(orders: Database) -> None:
    with DAG("d", schedule=None):
        chat: Any = BaseOperator(task_id="pick_chat").output
        tasks = [report(orders, task_id="one", receiver_id=chat), report(orders, task_id="many",
                 receiver_id=[CHAT, chat])]  # fmt: skip
    assert [task.upstream_task_ids for task in tasks] == [{"pick_chat"}] * 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"receiver_id": ""}, "receiver_id must name who"),
        ({"title": None, "sheet": "shtcn1"}, "card_title must be given"),
        ({"template_variable": {}}, "must come with template_id"),
        ({"template_id": TEMPLATE, "text": "x"}, "must not come with template_id"),
        ({"language": "fr"}, "language must be one of"),
    ],
)
def test_wrong_arguments_of_a_report_are_refused(changes: dict[str, Any], text: str) -> None:
    usual: dict[str, Any] = {"task_id": "t", "sql": "SELECT 1", "sql_conn_id": "x", "title": "T"}
    with pytest.raises(InvalidRequestError, match=text):
        LarkReportOperator(**(usual | {"receiver_id": CHAT} | changes))


def test_a_message_from_a_template(lark: Emulator, context: Context) -> None:
    lark.settings(card_templates=[TEMPLATE])
    operator = LarkSendMessageOperator(
        task_id="t",
        receiver_id=CHAT,
        template_id="{{ params.id }}",
        template_variable={"day": "{{ ds }}", "count": 3},
        template_version="1.0.3",
    )
    operator.render_template_fields({"params": {"id": TEMPLATE}, "ds": "2026-11-26"})
    operator.execute(context())
    [card] = cards(lark)
    assert card["content"]["data"] == {
        "template_id": TEMPLATE,
        "template_version_name": "1.0.3",
        "template_variable": {"day": "2026-11-26", "count": 3},
    }
    unknown = LarkSendMessageOperator(task_id="t", receiver_id=CHAT, template_id="AAqkOther")
    with pytest.raises(AirflowFailException, match="200380"):
        unknown.execute(context(task_id="other"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Either content or template_id"),
        ({"content": "x", "template_id": TEMPLATE}, "Either content or template_id"),
        ({"content": "x", "template_variable": {}}, "must come with template_id"),
        ({"template_id": TEMPLATE, "mentions": ["all"]}, "without mentions"),
        ({"template_id": TEMPLATE, "msg_type": "post"}, "without mentions"),
    ],
)
def test_wrong_arguments_of_a_template_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        LarkSendMessageOperator(task_id="t", receiver_id=CHAT, **changes)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"template_id": ""}, "template_id must be"),
        ({"template_id": "AAqk x"}, "template_id must be"),
        ({"template_id": 7}, "template_id must be"),
        ({"template_id": TEMPLATE, "template_version": "1"}, "template_version must be"),
        ({"template_id": TEMPLATE, "template_variable": ["x"]}, "template_variable must be"),
        ({"template_id": TEMPLATE, "template_variable": {"x": None}}, r"template_variable\['x'\] must be"),
        ({"template_id": TEMPLATE, "template_variable": {7: "x"}}, "name of a template variable"),
        ({"template_id": TEMPLATE, "template_variable": {"x": object()}}, "the card"),
        ({"template_id": TEMPLATE, "template_variable": {"x": "y" * 40_000}}, "bytes"),
    ],
)
def test_an_invalid_template_is_refused_before_it_is_sent(
    lark: Emulator, arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        LarkServiceClient().messaging.send_card_template(CHAT, **arguments)
    assert cards(lark) == []

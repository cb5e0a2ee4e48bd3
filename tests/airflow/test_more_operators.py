"""Updating, searching, data frames, links and lineage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import orjson
import pandas as pd
import polars as pl
import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import ConfigurationError, InvalidRequestError
from lark_provider.hooks.lark import LarkHook
from lark_provider.operators import (
    LarkBitableBulkInsertOperator,
    LarkBitableSearchOperator,
    LarkSendMessageOperator,
    LarkUpdateMessageOperator,
)
from lark_provider.operators.links import LarkBitableLink, LarkChatLink, make_bitable_url, make_chat_url
from tests.airflow.conftest import CHAT, connection

Context = Callable[..., Any]
CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}


@pytest.fixture
def table(lark: Emulator) -> dict[str, Any]:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    kinds = (("Name", fields.TEXT), ("No", fields.NUMBER), ("Note", fields.TEXT))
    columns = [fields.Field(field_name=name, type=kind) for name, kind in kinds]
    table_id = bitable.create_table(app_token, "T", columns).data["table_id"]
    bitable.bulk_insert(app_token, table_id, [{"Name": f"n{number}", "No": number} for number in range(5)])
    return {"app_token": app_token, "table_id": table_id}


def test_messages_are_changed(lark: Emulator, context: Context) -> None:
    card = LarkSendMessageOperator(task_id="a", receiver_id=CHAT, content=CARD, msg_type="interactive")
    text = LarkSendMessageOperator(task_id="b", receiver_id=CHAT, content="old")
    new = {"schema": "2.0", "body": {"elements": []}}
    ids = [card.execute(context()), text.execute(context(task_id="b"))]
    LarkUpdateMessageOperator(task_id="c", message_id=ids[0], content=new).execute(context())
    LarkUpdateMessageOperator(task_id="d", message_id=ids[1], content="new", msg_type="text").execute(
        context()
    )
    assert [message["content"] for message in lark.state()["chats"][0]["messages"]] == [new, {"text": "new"}]
    with pytest.raises(AirflowFailException):
        LarkUpdateMessageOperator(task_id="e", message_id="om_unknown", content=new).execute(context())
    with pytest.raises(AirflowFailException, match="mentions must be empty when a card"):
        LarkUpdateMessageOperator(task_id="f", message_id=ids[0], content=new, mentions=["all"]).execute(
            context()
        )


def test_records_are_searched(lark: Emulator, context: Context, table: dict[str, Any]) -> None:
    search = LarkBitableSearchOperator(
        task_id="t", filter=[("No", "isGreater", 1)], sort=["-No"], field_names=["No"], limit=2, **table
    )
    assert [record["fields"] for record in search.execute(context())] == [{"No": 4}, {"No": 3}]
    with pytest.raises(AirflowFailException, match="NotFoundError"):
        LarkBitableSearchOperator(task_id="t", app_token=table["app_token"], table_id="tblno").execute(
            context()
        )


def test_a_table_is_a_data_frame(lark: Emulator, table: dict[str, Any]) -> None:
    frame = LarkHook().get_df(table["app_token"], table["table_id"])
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["Name", "No", "Note"]
    assert frame["No"].tolist() == [0, 1, 2, 3, 4]
    other = LarkHook().get_df(
        **table, df_type="polars", filter=[("No", "isLess", 2)], field_names=["No", "Name"]
    )
    assert isinstance(other, pl.DataFrame)
    assert other.rows() == [(0, "n0"), (1, "n1")]
    with pytest.raises(ConfigurationError, match="df_type must be 'pandas' or 'polars', got 'arrow'"):
        LarkHook().get_df(**table, df_type="arrow")  # type: ignore[arg-type]  # no such frame


def test_rows_of_a_csv_file_are_loaded(lark: Emulator, context: Context, table: dict[str, Any]) -> None:
    rows = [{"Name": "csv", "No": ""}]
    with pytest.raises(AirflowFailException, match="empty_as_none=True"):
        LarkBitableBulkInsertOperator(task_id="a", records=rows, **table).execute(context())
    load = LarkBitableBulkInsertOperator(task_id="b", records=rows, empty_as_none=True, **table)
    assert load.execute(context(task_id="b"))["written"] == 1


@pytest.mark.parametrize("df_type", ["pandas", "polars"])
def test_lookups_and_formulas_in_a_data_frame(
    lark: Emulator, table: dict[str, Any], df_type: Literal["pandas", "polars"]
) -> None:
    def plan(endpoint: str, items: list[dict[str, Any]]) -> None:
        body = orjson.dumps({"code": 0, "msg": "ok", "data": {"has_more": False, "items": items}}).decode()
        lark.fault(path=f"*/{endpoint}", status=200, body=body, times=2)

    words = [{"type": "text", "text": "Ann"}, {"type": "text", "text": "Bob"}]
    kinds = (("Names", fields.LOOKUP), ("Sum", fields.FORMULA))
    plan("fields", [{"field_name": name, "type": kind} for name, kind in kinds])
    cells = [
        {"Names": {"type": 1, "value": words}, "Sum": {"type": 2, "value": [42]}},
        {"Names": {"type": 1, "value": []}, "Sum": {"type": 2, "value": [1.5]}},
        {},
    ]
    plan("records/search", [{"record_id": f"rec{n}", "fields": values} for n, values in enumerate(cells)])
    frame = LarkHook().get_df(**table, df_type=df_type)
    if df_type == "polars":
        assert frame.schema == {"Names": pl.List(pl.String), "Sum": pl.Float64}
        assert frame.rows() == [(["Ann", "Bob"], 42.0), ([], 1.5), (None, None)]
    else:
        assert frame["Names"].tolist()[:2] == [["Ann", "Bob"], []]
        assert frame["Sum"].tolist()[:2] == [42, 1.5]
        assert frame.isna().iloc[2].all()


@pytest.mark.parametrize("limit", [0, -1, "5", True])
def test_a_limit_that_cannot_be_is_refused_when_the_dag_is_parsed(table: dict[str, Any], limit: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"limit must .*\. Next: "):
        LarkBitableSearchOperator(task_id="t", limit=limit, **table)


def test_arguments_of_a_source_that_are_none_are_named(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    load = LarkBitableBulkInsertOperator(task_id="t", records=list, records_kwargs="x", **table)  # type: ignore[arg-type]  # as said
    with pytest.raises(AirflowFailException, match="records_kwargs must be a dict, got 'x'"):
        load.execute(context())


def test_a_used_up_source_is_refused_when_the_dag_is_parsed(table: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="pass the function"):
        LarkBitableBulkInsertOperator(task_id="t", records=({"No": n} for n in range(3)), **table)


def test_links_lead_to_the_table(lark: Emulator, context: Context, table: dict[str, Any]) -> None:
    pasted = f"https://x.feishu.cn/base/{table['app_token']}?table={table['table_id']}"
    load = LarkBitableBulkInsertOperator(task_id="t", records=[{"No": 9}], app_token=pasted)
    (link,) = load.operator_extra_links
    assert isinstance(link, LarkBitableLink)
    assert link.get_link(load, ti_key=None) == ""
    load.execute(context())
    assert link.get_link(load, ti_key=None) == pasted


def test_every_lark_gets_a_link_and_a_private_one_none_to_the_public_one(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    load = LarkBitableBulkInsertOperator(task_id="t", records=[{"No": 9}], **table)
    load.execute(context())
    place = f"/base/{table['app_token']}?table={table['table_id']}"
    assert LarkBitableLink().get_link(load, ti_key=None) == lark.base_url + place
    search = LarkBitableSearchOperator(task_id="t", **table)
    search.execute(context())
    assert LarkBitableLink().get_link(search, ti_key=None) == lark.base_url + place


@pytest.mark.parametrize(
    ("base_url", "web_domain", "chat", "base"),
    [
        ("https://open.feishu.cn", "", "https://applink.feishu.cn", "https://www.feishu.cn"),
        ("https://open.larksuite.com/", "", "https://applink.larksuite.com", "https://www.larksuite.com"),
        (
            "https://lark.example.com:8443",
            "",
            "https://lark.example.com:8443",
            "https://lark.example.com:8443",
        ),
        ("https://10.0.0.7/x", "", "https://10.0.0.7", "https://10.0.0.7"),
        ("http://egress:8080", "feishu.cn", "https://applink.feishu.cn", "https://www.feishu.cn"),
        ("http://[::1]:80", "", "http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_links_of_any_base_url(base_url: str, web_domain: str, chat: str, base: str) -> None:
    assert make_chat_url(base_url, "oc_1", web_domain) == f"{chat}/client/chat/open?openChatId=oc_1"
    assert make_bitable_url(base_url, "app", "tbl", web_domain) == f"{base}/base/app?table=tbl"
    assert make_chat_url(base_url, "", web_domain) == ""


@pytest.mark.parametrize("named", ["feishu.cn", " https://feishu.cn/ "])
def test_the_connection_names_where_pages_are(
    lark: Emulator, context: Context, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"web_domain": named}))
    send = LarkSendMessageOperator(task_id="t", receiver_id=CHAT, content="hi")
    send.execute(context())
    assert LarkChatLink().get_link(send, ti_key=None) == make_chat_url("https://open.feishu.cn", CHAT)


@pytest.mark.parametrize("msg_type", ["text", "post", "interactive"])
def test_a_changed_message_links_its_chat(lark: Emulator, context: Context, msg_type: Any) -> None:
    content = CARD if msg_type == "interactive" else "old"
    send = LarkSendMessageOperator(task_id="a", receiver_id=CHAT, content=content, msg_type=msg_type)
    change = LarkUpdateMessageOperator(
        task_id="b", message_id=send.execute(context()), content=content, msg_type=msg_type
    )
    (link,) = change.operator_extra_links
    assert link.get_link(change, ti_key=None) == ""
    change.execute(context())
    assert link.get_link(change, ti_key=None) == f"{lark.base_url}/client/chat/open?openChatId={CHAT}"


def test_a_card_that_may_not_be_read_is_changed_all_the_same(lark: Emulator, context: Context) -> None:
    sent = LarkSendMessageOperator(task_id="a", receiver_id=CHAT, content=CARD, msg_type="interactive")
    message_id = sent.execute(context())
    new = {"schema": "2.0", "body": {"elements": []}}
    change = LarkUpdateMessageOperator(task_id="b", message_id=message_id, content=new)
    lark.fault(method="GET", path=f"*/messages/{message_id}", status=400, code=99991672, msg="Access denied")
    assert change.execute(context()) == message_id
    assert change.chat_link == ""
    assert lark.state()["chats"][0]["messages"][-1]["content"] == new


def test_links_open_the_right_lark() -> None:
    assert make_chat_url("https://open.feishu.cn", "oc_1") == (
        "https://applink.feishu.cn/client/chat/open?openChatId=oc_1"
    )
    assert (
        make_bitable_url("https://open.larksuite.com", "app", "tbl")
        == "https://www.larksuite.com/base/app?table=tbl"
    )
    assert (
        make_bitable_url("https://x", "https://x.feishu.cn/base/app?table=t", "")
        == "https://x.feishu.cn/base/app?table=t"
    )
    assert LarkChatLink().name == "Lark chat"


def test_the_load_names_its_output_for_openlineage(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    load = LarkBitableBulkInsertOperator(task_id="t", records=[{"No": 9}], **table)
    lineage: Any = load.get_openlineage_facets_on_complete(None)
    (output,) = lineage.outputs
    assert output.name == f"{table['app_token']}/{table['table_id']}"
    assert output.namespace == f"lark://{lark.base_url.removeprefix('http://')}"
    pasted = f"https://x.feishu.cn/base/{table['app_token']}?table={table['table_id']}"
    same = LarkBitableBulkInsertOperator(task_id="t", records=[{"No": 9}], app_token=pasted)
    lineage = same.get_openlineage_facets_on_complete(None)
    assert [dataset.name for dataset in lineage.outputs] == [output.name]


def test_an_answer_goes_below_its_message(lark: Emulator, context: Context) -> None:
    first = LarkSendMessageOperator(task_id="a", receiver_id=CHAT, content="first").execute(context())
    answer = LarkSendMessageOperator(task_id="b", reply_to=first, content="second", mentions=["all"])
    for attempt in (1, 2):
        answer.execute(context(task_id="b", try_number=attempt))
    texts = lark.state()["chats"][0]["messages"]
    assert [message["parent_id"] for message in texts] == ["", first]
    (link,) = answer.operator_extra_links
    answer.chat_link = make_chat_url("https://open.feishu.cn", CHAT)
    assert CHAT in link.get_link(answer, ti_key=None)
    with pytest.raises(AirflowFailException, match="receiver_id"):
        LarkSendMessageOperator(task_id="c", content="to nobody").execute(context())

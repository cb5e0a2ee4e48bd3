"""The demo's first half: a day of flights is loaded into a table, and a chat is notified."""

from __future__ import annotations

from typing import Any

import orjson

from lark_provider.api.clouddoc import fields
from lark_provider.cli.demo.processes import CHAT_ID, LocalLark, find_example_dags
from lark_provider.client import LarkServiceClient

DAG_ID = "etl_to_lark"
COLUMNS = [
    fields.Field(field_name=name, type=kind)
    for name, kind in (
        ("Flight", fields.TEXT),
        ("Hour", fields.DATE),
        ("Carrier", fields.SINGLE_SELECT),
        ("From", fields.SINGLE_SELECT),
        ("To", fields.TEXT),
        ("Departure delay", fields.NUMBER),
        ("Arrival delay", fields.NUMBER),
        ("Miles", fields.NUMBER),
        ("Cancelled", fields.CHECKBOX),
    )
]
_FIRST_ROWS = 3


def make_table(lark: LocalLark) -> tuple[str, str]:
    """Create the table that a user has before the DAG first runs."""
    bitable = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url).clouddoc.bitable
    app_token = bitable.create_app("Flights").data["app"]["app_token"]
    return app_token, bitable.create_table(app_token, "1 January 2013", COLUMNS).data["table_id"]


def report(state: dict[str, Any], app_token: str, table_id: str) -> bool:
    """Print what a local Lark holds, and return whether it matches the source."""
    (chat,) = [chat for chat in state["chats"] if chat["chat_id"] == CHAT_ID]
    (base,) = [base for base in state["bitables"] if base["app_token"] == app_token]
    (table,) = [table for table in base["tables"] if table["table_id"] == table_id]
    records = [record["fields"] for record in table["records"]]
    with (find_example_dags() / "data" / "flights_2013-01-01.csv").open() as file:
        source = sum(1 for _ in file) - 1
    # A flight number may leave from two airports on one day; all fields together tell records apart.
    duplicates = len(records) - len({orjson.dumps(record, option=orjson.OPT_SORT_KEYS) for record in records})

    print(f"\nChat {chat['name']!r}:")
    for message in chat["messages"]:
        print(f"  [{message['msg_type']}] {get_message_text(message['content'])}")
    print(f"\nTable {table['name']!r}, first rows:")
    for record in records[:_FIRST_ROWS]:
        print(f"  {record}")
    tokens = state["token_requests"]
    print(f"\n{source} source = {len(records)} table · {duplicates} duplicates")
    print(f"{len(chat['messages'])} messages · {state['requests']} requests, {tokens} of them for tokens")
    kinds = [message["msg_type"] for message in chat["messages"]][:2]
    return len(records) == source and duplicates == 0 and kinds == ["text", "interactive"]


def get_message_text(content: dict[str, Any]) -> str:
    """Return a message's text; of a card, title and texts."""
    if "text" in content:
        return str(content["text"])
    title = content.get("header", {}).get("title", {}).get("content", "")
    texts = [element.get("content", "") for element in content.get("body", {}).get("elements", [])]
    return "\n    ".join([str(title), *(line for text in texts for line in str(text).splitlines())])

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import OutcomeUnknownError, RateLimitError
from lark_provider.hooks.task import make_attempt_key
from lark_provider.operators import LarkBitableBulkInsertOperator, LarkSendMessageOperator
from tests.airflow.conftest import CHAT, connection

Context = Callable[..., Any]


def read_messages(lark: Emulator) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = lark.state()["chats"][0]["messages"]
    return messages


def tell(**changes: Any) -> LarkSendMessageOperator:
    return LarkSendMessageOperator(**({"task_id": "t", "receiver_id": CHAT, "content": "hi"} | changes))


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("text", "你好"),
        ("post", "**hi**"),
        ("interactive", {"schema": "2.0", "body": {"elements": []}}),
        ("share_chat", {"chat_id": CHAT}),
    ],
)
def test_messages_of_each_type(lark: Emulator, context: Context, msg_type: Any, content: Any) -> None:
    message_id = tell(msg_type=msg_type, content=content).execute(context())
    assert [(message["message_id"], message["msg_type"]) for message in read_messages(lark)] == [
        (message_id, msg_type)
    ]


def test_a_retry_is_the_same_message_and_a_cleared_task_another(lark: Emulator, context: Context) -> None:
    first = tell().execute(context(try_number=1, max_tries=2))
    assert tell().execute(context(try_number=2, max_tries=2)) == first
    assert tell().execute(context(try_number=3, max_tries=4)) != first
    assert len(read_messages(lark)) == 2


@pytest.mark.parametrize(("retries", "try_number"), [(0, 1), (1, 1), (9, 1), (9, 2), (3, 3)])
def test_a_file_with_other_retries_does_not_send_again(
    lark: Emulator, context: Context, retries: int, try_number: int
) -> None:
    first = tell().execute(context(retries=2))
    assert tell().execute(context(retries=retries, max_tries=2, try_number=try_number)) == first
    assert len(read_messages(lark)) == 1


@pytest.mark.parametrize("change", [{"run_id": "r2"}, {"task_id": "t2"}, {"map_index": 1}, {"dag_id": "d2"}])
def test_another_run_task_or_map_index_is_another_message(
    lark: Emulator, context: Context, change: dict[str, Any]
) -> None:
    tell().execute(context())
    tell().execute(context(**change))
    assert len(read_messages(lark)) == 2


def test_the_key_names_app_and_lark(context: Context) -> None:
    key = make_attempt_key(context(), LarkServiceClient("cli_1", "s"), "message")
    other = make_attempt_key(context(), LarkServiceClient("cli_2", "s"), "message")
    elsewhere = make_attempt_key(context(), LarkServiceClient("cli_1", "s", base_url="lark"), "message")
    assert len({key, other, elsewhere}) == 3


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"receiver_id": ""}, "InvalidRequestError: receiver_id"),
        ({"content": "{no", "msg_type": "interactive"}, "The card must be JSON"),
        ({"receiver_id": "oc_unknown"}, "Next: "),
        ({"lark_conn_id": "broken"}, "TokenAcquisitionError: Failed to get token: 10014"),
    ],
)
def test_what_no_retry_can_mend_fails_the_task_at_once(
    lark: Emulator, context: Context, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], text: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", connection(lark, password="wrong-secret"))
    with pytest.raises(AirflowFailException, match=text):
        tell(**changes).execute(context())


def test_what_a_retry_can_mend_is_left_to_airflow(lark: Emulator, context: Context) -> None:
    slow = {"x-ogw-ratelimit-reset": "3600"}
    lark.fault(path="*/messages", status=429, code=99991400, msg="slow", headers=slow)
    with pytest.raises(RateLimitError):
        tell().execute(context())
    lark.fault(path="*/messages", drop="after")
    lark.fault(path="*/messages", status=400, code=424242, msg="?")
    with pytest.raises(OutcomeUnknownError):
        tell().execute(context())
    tell().execute(context(try_number=2))
    assert len(read_messages(lark)) == 1


@pytest.fixture
def table(lark: Emulator) -> dict[str, Any]:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    columns = [
        fields.Field(field_name="No", type=fields.NUMBER),
        fields.Field(field_name="Name", type=fields.TEXT),
    ]
    return {
        "app_token": app_token,
        "table_id": bitable.create_table(app_token, "T", columns[::-1]).data["table_id"],
    }


def make_rows(first: int = 0, last: int = 3) -> Iterator[dict[str, Any]]:
    """Return rows numbered from `first` to below `last`; a test refers to this function by its path."""
    return ({"No": number} for number in range(first, last))


def records(lark: Emulator, table: dict[str, Any]) -> list[int]:
    (base,) = [bitable for bitable in lark.state()["bitables"] if bitable["app_token"] == table["app_token"]]
    (stored_table,) = [
        candidate for candidate in base["tables"] if candidate["table_id"] == table["table_id"]
    ]
    return [record["fields"]["No"] for record in stored_table["records"]]


@pytest.mark.parametrize(
    "source", [[{"No": 0}, {"No": 1}, {"No": 2}], make_rows, "tests.airflow.test_operators.make_rows"]
)
def test_records_come_from_a_list_a_callable_or_a_path(
    lark: Emulator, context: Context, table: dict[str, Any], source: Any
) -> None:
    load = LarkBitableBulkInsertOperator(task_id="t", records=source, chunk_size=2, **table)
    assert load.execute(context()) == {"written": 3, "replayed": 0, "chunks": 2}
    assert records(lark, table) == [0, 1, 2]


def test_a_callable_takes_arguments_and_shows_no_address(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    load = LarkBitableBulkInsertOperator(
        task_id="t", records=make_rows, records_kwargs={"first": 5, "last": 7}, **table
    )
    load.execute(context())
    assert records(lark, table) == [5, 6]
    assert repr(load.records).endswith("test_operators.make_rows")


def test_a_load_that_is_retried_adds_nothing_and_one_that_is_cleared_does(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    load = LarkBitableBulkInsertOperator(task_id="t", records=make_rows, **table)
    lark.fault(path="*/records/batch_create", drop="after")
    load.execute(context())
    load.execute(context(try_number=2))
    assert records(lark, table) == [0, 1, 2]
    load.execute(context(try_number=3, max_tries=4))
    assert records(lark, table) == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("no.such.module.rows", "must name an importable function"),
        ("[{'No': 1}]", "render_template_as_native_obj"),
        ("os.sep", "must be a callable"),
        (5, "records must be an iterable of dicts, got int"),
        ({"No": 1}, "records must be an iterable of dicts, got dict"),
        ([{"No": "x"}], "row 1, field 'No': must be a number, got 'x'"),
        (["x"], "row 1"),
    ],
)
def test_records_that_cannot_be_loaded_are_named(
    lark: Emulator, context: Context, table: dict[str, Any], source: Any, text: str
) -> None:
    with pytest.raises(AirflowFailException, match=text):
        LarkBitableBulkInsertOperator(task_id="t", records=source, **table).execute(context())
    assert records(lark, table) == []


def test_a_half_finished_load_names_the_cause(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    lark.fault(path="*/records/batch_create", skip=1, code=1254302, msg="Permission denied")
    load = LarkBitableBulkInsertOperator(task_id="t", records=make_rows, chunk_size=1, **table)
    with pytest.raises(AirflowFailException, match="PermissionDeniedError: 1 records are written"):
        load.execute(context())

"""SqlToLarkMessageOperator: rows as a table on a card, and as a file where they do not fit."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator
from openpyxl import load_workbook  # type: ignore[import-untyped]

from lark_provider import LarkServiceClient
from lark_provider.errors import InvalidRequestError
from lark_provider.storage import urls
from lark_provider.transfers import SqlToLarkMessageOperator, sql_to_message
from tests.airflow.conftest import CHAT
from tests.airflow.sql import Database
from tests.storage import prepared

Context = Callable[..., Any]
MANY = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
SELECT i AS "no", '00' || i AS "code" FROM n ORDER BY i"""


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", url)


def refuse_upload(lark: Emulator, operator: SqlToLarkMessageOperator, context: Any) -> None:
    """Run a try that sends its card, and whose file Lark refuses."""
    lark.fault("POST", "*/im/v1/files", status=400, code=424242, msg="?")
    with pytest.raises(AirflowFailException, match="424242"):
        operator.execute(context)


def read_messages(lark: Emulator) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = lark.state()["chats"][0]["messages"]
    return messages


def read_rows(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for element in message["content"]["body"]["elements"] for row in element.get("rows", ())]


def tell(database: Database, count: int = 2, **changes: Any) -> SqlToLarkMessageOperator:
    usual: dict[str, Any] = {
        "task_id": "t", "sql": MANY.format(count=count), "sql_conn_id": database.conn_id, "receiver_id": CHAT,
        "title": "Orders",
    }  # fmt: skip
    return SqlToLarkMessageOperator(**(usual | changes))


def test_few_rows_are_a_card(lark: Emulator, context: Context, database: Database) -> None:
    done = tell(database, text="of {{ params.day }}").execute(context())
    [message] = read_messages(lark)
    assert done == {"rows": 2, "message_ids": [message["message_id"]]}
    assert [list(row.values()) for row in read_rows(message)] == [[1, "001"], [2, "002"]]


def test_many_rows_are_a_file_as_well_and_arrive_once(
    lark: Emulator, context: Context, sqlite: Database, tmp_path: Path
) -> None:
    operator = tell(sqlite, 2_000, max_rows=7)
    done = operator.execute(context())
    assert operator.execute(context(try_number=2)) == done
    [card, file] = read_messages(lark)
    assert (done["rows"], len(read_rows(card)), "1,993" in str(card["content"])) == (2_000, 7, True)
    assert done["message_ids"] == [card["message_id"], file["message_id"]]
    back = tmp_path / "back.csv"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    lines = back.read_text("utf-8-sig").splitlines()
    assert (lines[:2], lines[-1], len(lines)) == (["no,code", "1,001"], "2000,002000", 2_001)
    tell(sqlite, 2_000, attach=False).execute(context(task_id="other"))
    assert [message["msg_type"] for message in read_messages(lark)] == ["interactive", "file", "interactive"]


@pytest.mark.parametrize("has_ledger", [False, True])
def test_a_retry_that_reads_other_rows_shows_them(
    lark: Emulator, context: Context, sqlite: Database, tmp_path: Path, request: pytest.FixtureRequest,
    has_ledger: bool,
) -> None:  # fmt: skip
    if has_ledger:
        request.getfixturevalue("ledger")
    refuse_upload(lark, tell(sqlite, 150, max_rows=7), context())
    done = tell(sqlite, 130, max_rows=7).execute(context(try_number=2))
    [card, file] = read_messages(lark)
    assert done == {"rows": 130, "message_ids": [card["message_id"], file["message_id"]]}
    assert (len(read_rows(card)), "123" in str(card["content"])) == (7, True)  # 123 more
    back = tmp_path / "back.csv"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    assert len(back.read_text("utf-8-sig").splitlines()) == 131
    # The same rows in another order are the same file; other rows are another one.
    turned = MANY.format(count=130) + " DESC"
    assert tell(sqlite, sql=turned, max_rows=7).execute(context(try_number=3)) == done
    assert (
        tell(sqlite, 131, max_rows=7).execute(context(try_number=3))["message_ids"][0] == card["message_id"]
    )
    assert tell(sqlite, 5).execute(context(try_number=3)) == {"rows": 5, "message_ids": [card["message_id"]]}
    [card, *files] = read_messages(lark)
    assert ([message["msg_type"] for message in files], len(read_rows(card))) == (["file", "file"], 5)


@pytest.mark.usefixtures("ledger")
def test_a_key_of_ones_own_names_one_card(lark: Emulator, context: Context, sqlite: Database) -> None:
    for run, count in enumerate((2, 3)):
        tell(sqlite, count, idempotency_key="orders").execute(context(run_id=str(run)))
    [card] = read_messages(lark)
    assert len(read_rows(card)) == 3


@pytest.mark.usefixtures("ledger")
def test_a_card_is_updated_where_a_retry_finds_no_rows(
    lark: Emulator, context: Context, sqlite: Database
) -> None:
    none: dict[str, Any] = {"sql": "SELECT 1 AS no WHERE 1 = 0", "skip_empty": True}
    assert tell(sqlite, **none).execute(context(task_id="u", try_number=2))["message_ids"] == []
    assert tell(sqlite, **none).execute(context(task_id="u", try_number=3))["message_ids"] == []
    assert read_messages(lark) == []
    refuse_upload(lark, tell(sqlite, 150), context())
    done = tell(sqlite, **none).execute(context(try_number=2))
    [card] = read_messages(lark)
    assert done == {"rows": 0, "message_ids": [card["message_id"]]}
    assert read_rows(card) == []
    # Where nothing was sent before, rows that come later are.
    tell(sqlite).execute(context(task_id="u", try_number=4))
    assert len(read_messages(lark)) == 2


def test_a_workbook_has_types_and_text_stays_text(
    lark: Emulator, context: Context, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = """SELECT 7 AS "no", '007' AS "code", '=1+1' AS "formula", 123456789012345678 AS "id",
              0.5 AS "part", NULL AS "none" UNION ALL SELECT i, 'x', 'y', i, i, 'z' FROM n"""
    many = MANY.format(count=300).partition("SELECT i AS")[0]
    operator = tell(sqlite, sql=f"{many} {rows}", max_rows=7, file_format="xlsx")
    done = operator.execute(context())
    [card, file] = read_messages(lark)
    assert (done["rows"], card["msg_type"], file["msg_type"]) == (301, "interactive", "file")
    back = tmp_path / "back.xlsx"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    book = load_workbook(back)
    [header, first, *others] = book.active.values
    assert (header, len(others)) == (("no", "code", "formula", "id", "part", "none"), 300)
    assert first == (7, "007", "=1+1", "123456789012345678", 0.5, None)
    assert book.active["C2"].data_type == "s"  # no formula
    book.close()
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(AirflowFailException, match=r"install 'airflow-provider-lark\[xlsx\]', or use CSV"):
        operator.execute(context(task_id="without"))
    assert len(read_messages(lark)) == 2
    with pytest.raises(InvalidRequestError, match="file_format"):
        tell(sqlite, file_format="xls")


def test_small_decimals_have_all_their_digits(
    lark: Emulator, context: Context, postgres: Database, tmp_path: Path
) -> None:
    sql = 'SELECT avg(n - n) AS "zero", 1e-8 AS "small" FROM generate_series(1, 3) AS n'
    digits = ["0.00000000000000000000", "0.00000001"]
    tell(postgres, sql=f"{sql} UNION ALL {sql}", max_rows=1).execute(context())
    [card, file] = read_messages(lark)
    assert [list(row.values()) for row in read_rows(card)] == [digits]
    back = tmp_path / "back.csv"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    assert back.read_text("utf-8-sig").splitlines() == ["zero,small", *2 * [",".join(digits)]]


def test_bytes_are_shown_as_the_database_shows_them(
    lark: Emulator, context: Context, postgres: Database, tmp_path: Path
) -> None:
    sql = r"""SELECT '\x00ff'::bytea AS "hash" UNION ALL SELECT '\x00ff'"""
    tell(postgres, sql=sql, max_rows=1).execute(context())
    [card, file] = read_messages(lark)
    assert [list(row.values()) for row in read_rows(card)] == [[r"\x00ff"]]
    back = tmp_path / "back.csv"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    assert back.read_text("utf-8-sig").splitlines() == ["hash", r"\x00ff", r"\x00ff"]


def test_arrays_and_json_are_text_in_a_workbook(
    lark: Emulator, context: Context, postgres: Database, tmp_path: Path
) -> None:
    sql = """SELECT ARRAY[1.5, 2] AS "parts", '{"a": "ü"}'::jsonb AS "more", INTERVAL '1 day' AS "span"
             UNION ALL SELECT '{}', '{}', NULL"""
    tell(postgres, sql=sql, max_rows=1, file_format="xlsx").execute(context())
    [_, file] = read_messages(lark)
    back = tmp_path / "back.xlsx"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    book = load_workbook(back)
    assert list(book.active.values)[1] == ("[1.5, 2]", '{"a": "ü"}', "1 day, 0:00:00")
    book.close()


def test_what_json_cannot_hold_and_negative_intervals_are_written_as_postgres_does(
    lark: Emulator, context: Context, postgres: Database, tmp_path: Path
) -> None:
    """`[NaN]` is not JSON, and `-1 day, 23:00:00` is not how anybody writes minus an hour."""
    sql = """SELECT ARRAY['NaN', 'Infinity', '-Infinity', 1]::float8[] AS "parts",
                    ARRAY['NaN', 1]::numeric[] AS "exact", INTERVAL '-1 hour' AS "hour",
                    INTERVAL '-25 hours' AS "more", INTERVAL '-2 days' AS "days",
                    ARRAY[INTERVAL '-1 second'] AS "several" """
    tell(postgres, sql=f"{sql} UNION ALL {sql}", max_rows=1, file_format="csv").execute(context())
    [_, file] = read_messages(lark)
    back = tmp_path / "back.csv"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    _, row, _ = csv.reader(back.read_text("utf-8-sig").splitlines())
    assert [json.loads(cell) for cell in row[:2]] == [["NaN", "Infinity", "-Infinity", 1.0], ["NaN", 1]]
    assert row[2:5] == ["-1:00:00", "-1 day, -1:00:00", "-2 days, 0:00:00"]
    assert json.loads(row[5]) == ["-0:00:01"]


def test_what_excel_cannot_hold_is_text_in_a_workbook(
    lark: Emulator, context: Context, postgres: Database, tmp_path: Path
) -> None:
    sql = r"""SELECT TIME WITH TIME ZONE '09:30+08' AS "time", E'a\uFFFE' AS "text", 1e310 AS "number",
              TIMESTAMP '2026-01-31 23:59:59.999999' AS "end",
              TIMESTAMP '9999-12-31 23:59:59.999999' AS "never" """
    tell(postgres, sql=f"{sql} UNION ALL {sql}", max_rows=1, file_format="xlsx").execute(context())
    [_, file] = read_messages(lark)
    back = tmp_path / "back.xlsx"
    LarkServiceClient().messaging.download(file["message_id"], file["content"]["file_key"], back)
    book = load_workbook(back)
    time, text, number, *moments = list(book.active.values)[1]
    book.close()
    assert (time, text, number) == ("09:30:00+08:00", "a\N{REPLACEMENT CHARACTER}", "1" + "0" * 310)
    assert [str(moment)[:19] for moment in moments] == ["2026-01-31 23:59:59", "9999-12-31 23:59:59"]


def test_no_rows(lark: Emulator, context: Context, sqlite: Database) -> None:
    none: dict[str, Any] = {"sql": "SELECT 1 AS a WHERE 1 = 0"}
    assert tell(sqlite, skip_empty=True, **none).execute(context()) == {"rows": 0, "message_ids": []}
    assert read_messages(lark) == []
    assert tell(sqlite, **none).execute(context())["rows"] == 0
    assert len(read_messages(lark)) == 1


def test_what_no_retry_can_mend(
    lark: Emulator, context: Context, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match="max_rows must be"):
        tell(sqlite, max_rows=101)
    with pytest.raises(AirflowFailException, match="receiver_id"):
        tell(sqlite, receiver_id="").execute(context())
    monkeypatch.setattr(sql_to_message, "MAX_FILE_BYTES", 100)
    with pytest.raises(AirflowFailException, match="the limit is 100"):
        tell(sqlite, 2_000).execute(context())
    assert read_messages(lark) == []


def test_a_text_that_no_cell_of_a_workbook_takes_is_named(
    lark: Emulator, context: Context, sqlite: Database
) -> None:
    query = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        SELECT i AS no, CASE i WHEN 2 THEN replace(hex(zeroblob(16384)), '00', 'ab') ELSE 'a' END AS note
        FROM n ORDER BY i"""  # 32,768 characters in the second row
    words = r"at most 32,767 characters, and the text in row 2, column 'note' .* Next: shorten it"
    with pytest.raises(AirflowFailException, match=words):
        tell(sqlite, sql=query, max_rows=7, file_format="xlsx").execute(context())
    assert read_messages(lark) == []
    assert tell(sqlite, sql=query, max_rows=7).execute(context())["rows"] == 300  # CSV takes it
    few = query.replace("ORDER BY i", "WHERE i > 2 OR i < 2 ORDER BY i")
    assert (
        tell(sqlite, sql=few, max_rows=7, file_format="xlsx").execute(context(task_id="few"))["rows"] == 299
    )

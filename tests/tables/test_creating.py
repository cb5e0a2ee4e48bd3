"""A new spreadsheet is created once for a key, and shared when it is complete."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.drive.sharing import Share
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.procedure import TableResult, write_with_options
from lark_provider.errors import InvalidRequestError, LarkAPIError, OutcomeUnknownError
from tests.failures.waiting import wait_until
from tests.tables.conftest import HEADER, make_rows, table

pytestmark = pytest.mark.usefixtures("database", "lark")
CREATE = "/open-apis/sheets/v3/spreadsheets"


def write(key: str = "report", **arguments: Any) -> TableResult:
    options = TableOptions(look_after=0.2, lease_seconds=1.0, settle_after=0.3)
    client = LarkServiceClient(max_retries=2)
    result: TableResult = client.perform(
        write_with_options(None, make_rows(3), options, (1, 1), key=key, **arguments)
    )
    return result


def count(lark: Emulator) -> int:
    """Return how many spreadsheets were ever made."""
    return len([document for document in lark.documents() if document["type"] == "sheet"])


def spreadsheets(lark: Emulator) -> list[dict[str, Any]]:
    return [
        document for document in lark.documents() if document["type"] == "sheet" and not document["deleted"]
    ]


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "after"},
        {"drop": "before"},
        {"status": 502, "body": "<html>", "perform": "first"},
        {"status": 502, "body": "<html>"},
        {"drop": "late", "late_s": 0.1},
        {"code": 1310217, "status": 400},
        {"status": 429, "code": 99991400, "headers": {"x-ogw-ratelimit-reset": "0.1"}},
    ],
)
def test_there_is_one_spreadsheet_whatever_became_of_the_request(
    lark: Emulator, fault: dict[str, Any]
) -> None:
    lark.settings(list_lag_s=0.1)
    lark.fault("POST", CREATE, **fault)
    first = write(title="Daily")
    again = write(title="Daily")
    assert first.spreadsheet_token == again.spreadsheet_token
    (spreadsheet,) = spreadsheets(lark)
    assert spreadsheet["title"] == "Daily"
    assert lark.sheet(spreadsheet["token"])["values"] == [HEADER, *table(3)]
    assert first.url == spreadsheet["url"]


def test_a_late_request_leaves_no_second_spreadsheet(lark: Emulator) -> None:
    """Its answer is lost, three looks in 0.4 s find nothing, and it takes effect while the next runs."""
    for late_s in (0.8, 1.5, 2.5, 4.0, 8.0):
        before = count(lark)
        lark.clear_faults()
        lark.fault("POST", CREATE, drop="late", late_s=late_s)
        lark.fault("POST", CREATE, delay_ms=round(1000 * late_s))
        result = write(f"key {late_s}", title=f"Daily {late_s}")
        wait_until(lambda: all(request["performed"] for request in lark.late_requests()))
        added = count(lark) - before
        if added > 1:
            break  # else a look has found it: on a busy machine they take longer
    assert added == 2, "it was not late enough"
    assert [spreadsheet["token"] for spreadsheet in spreadsheets(lark)][-1] == result.spreadsheet_token
    assert len({spreadsheet["title"] for spreadsheet in spreadsheets(lark)}) == len(spreadsheets(lark))


def test_where_no_request_is_answered_it_is_sent_three_times(lark: Emulator) -> None:
    lark.fault("POST", CREATE, drop="before", times=9)
    for _ in range(2):
        before = lark.state(summary=True)["by_endpoint"].get(f"POST {CREATE}", 0)
        with pytest.raises(OutcomeUnknownError, match=r"no request was answered\. Next: call again"):
            write()
        assert lark.state(summary=True)["by_endpoint"][f"POST {CREATE}"] - before == 3
    assert spreadsheets(lark) == []
    lark.clear_faults()
    write()
    assert len(spreadsheets(lark)) == 1


def test_each_key_has_its_own(lark: Emulator) -> None:
    assert write("monday").spreadsheet_token != write("tuesday").spreadsheet_token
    assert sorted(spreadsheet["title"] for spreadsheet in spreadsheets(lark)) == ["monday", "tuesday"]


def test_a_refusal_creates_nothing_and_may_be_repeated(lark: Emulator) -> None:
    lark.fault("POST", CREATE, code=1310213, status=400)
    with pytest.raises(LarkAPIError):
        write()
    assert spreadsheets(lark) == []
    write()
    assert len(spreadsheets(lark)) == 1


def write_titled(titles: dict[str, str]) -> None:
    options = TableOptions(columns=titles)
    LarkServiceClient().perform(write_with_options(None, [[1, 2]], options, (1, 1), key="k", title="Totals"))


def test_two_columns_of_one_title_are_refused_before_anything_is_created(lark: Emulator) -> None:
    """`get_sheet_df` and `lark-provider sheet export` refuse such a worksheet afterwards."""
    for titles in ({"a": "Total", "b": "Total"}, {"a": "Total", "b": " Total "}):
        with pytest.raises(InvalidRequestError, match="columns must give each column a title of its own"):
            write_titled(titles)
    assert spreadsheets(lark) == []
    write_titled({"a": "", "b": ""})  # Columns without a title are read by their places.


def test_a_file_of_the_same_title_is_left_alone(lark: Emulator) -> None:
    client = LarkServiceClient()
    theirs = client.clouddoc.sheets.create("report")
    assert write().spreadsheet_token != theirs.token
    assert lark.sheet(theirs.token)["values"] == []


def test_it_is_made_in_a_folder_and_shared_with_people(lark: Emulator) -> None:
    share = Share("alice@example.com", "view")
    with pytest.raises(InvalidRequestError):
        write(share_with=[Share("alice@example.com", "all")])  # type: ignore[arg-type]
    assert spreadsheets(lark) == []
    result = write(folder="Reports/2026-11", share_with=[share])
    write(folder="Reports/2026-11", share_with=[share])
    (spreadsheet,) = spreadsheets(lark)
    folder = next(
        document for document in lark.documents() if document["token"] == spreadsheet["folder_token"]
    )
    assert folder["title"] == "2026-11"
    assert lark.openers(result.spreadsheet_token)["user:alice"] == "view"


def test_a_spreadsheet_that_was_deleted_is_made_again(lark: Emulator) -> None:
    sheets = LarkServiceClient().clouddoc.sheets
    tokens = []
    for _ in range(3):
        results = [sheets.write_table(None, [{"a": 1}], key="daily", title="Report") for _ in range(2)]
        assert results[0].spreadsheet_token == results[1].spreadsheet_token
        tokens.append(results[0].spreadsheet_token)
        LarkServiceClient().clouddoc.drive.delete(results[0].url)
    assert len(set(tokens)) == 3
    assert [document["title"] for document in lark.documents() if document["type"] == "sheet"] == [
        "Report"
    ] * 3

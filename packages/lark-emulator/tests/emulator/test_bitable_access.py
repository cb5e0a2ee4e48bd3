"""Who may change a base and its tables, and the HTTP statuses that differ from page to page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api, Sheet


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", {"name": "x"}),
        ("POST", "/tables", {"table": {"name": "x"}}),
        ("POST", "/tables/batch_create", {"tables": [{"name": "x"}]}),
        ("PATCH", "/tables/:table_id", {"name": "x"}),
    ],
)
def test_viewers_change_neither_base_nor_tables(
    lark: Emulator, sheet: Sheet, stranger: Api, method: str, path: str, body: Any
) -> None:
    where = sheet.base + path.replace(":table_id", sheet.app["default_table_id"])
    lark.share_document(sheet.app["app_token"], "app:cli_stranger", "view")
    refused = stranger(method, where, body)
    assert (refused["code"], refused["http"]) == (1254302, 403)
    lark.share_document(sheet.app["app_token"], "app:cli_stranger", "edit")
    assert stranger(method, where, body)["code"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "http"),
    [
        ("GET", ":table/views", None, 1254041, 200),
        ("POST", ":table/views", {"view_name": "A"}, 1254041, 200),
        ("POST", "/views", {"view_name": "A", "view_type": "map"}, 1254019, 200),
        ("POST", "/views", {"view_name": "Grid"}, 1254020, 200),
        ("POST", "/views", {"view_name": ""}, 1254021, 200),
        ("POST", "/views", {"view_name": "[x]"}, 1254022, 200),
        ("DELETE", "/views/vewnone", None, 1254042, 200),
        ("DELETE", "/views/:view_id", None, 1254023, 200),
        ("GET", "/views/vewnone", None, 1254042, 404),
        ("PATCH", "/views/vewnone", {"view_name": "A"}, 1254042, 404),
        ("PATCH", "/views/:view_id", {"view_name": "[x]"}, 1254022, 400),
    ],
)
def test_statuses_of_views_are_those_of_each_page(
    sheet: Sheet, method: str, path: str, body: Any, code: int, http: int
) -> None:
    (view,) = sheet.api.data("GET", f"{sheet.path}/views")["items"]
    where = f"{sheet.base}/tables/tblnone" if path.startswith(":table") else sheet.path
    path = path.removeprefix(":table").replace(":view_id", view["view_id"])
    answer = sheet.api(method, where + path, body)
    assert (answer["code"], answer["http"]) == (code, http)


def test_a_copy_answers_400_to_a_body_that_cannot_be_parsed(sheet: Sheet) -> None:
    answer = sheet.api.http.post(f"/open-apis{sheet.base}/copy", content=b"{")
    assert (answer.json()["code"], answer.status_code) == (1254000, 400)

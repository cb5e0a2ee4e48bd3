from __future__ import annotations

import pytest
from airflow.sdk import Asset

from lark_provider.assets.lark import bitable_asset, sheet_asset


def test_a_table_is_an_asset() -> None:
    assert bitable_asset("bascn1", "tbl1").uri == "lark://bitable/bascn1/tbl1"
    assert Asset("lark://bitable/bascn1/tbl1/").uri == "lark://bitable/bascn1/tbl1"


def test_a_spreadsheet_is_an_asset() -> None:
    assert sheet_asset("shtcn1").uri == "lark://sheet/shtcn1"
    assert sheet_asset("shtcn1", "Q7PlXT").uri == "lark://sheet/shtcn1/Q7PlXT"
    assert Asset("lark://sheet/shtcn1/").uri == "lark://sheet/shtcn1"


@pytest.mark.parametrize(
    "uri",
    [
        "lark://sheet",
        "lark://sheet/a/b/c",
        "lark://bitable/bascn1",
        "lark://chat/oc_1/x",
        "lark://bitable/a/b/c",
    ],
)
def test_an_asset_that_names_no_table_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="must name a table"):
        Asset(uri)

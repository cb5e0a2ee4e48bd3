from __future__ import annotations

import pytest
from airflow.sdk import Asset

from lark_provider.assets.lark import bitable_asset


def test_a_table_is_an_asset() -> None:
    assert bitable_asset("bascn1", "tbl1").uri == "lark://bitable/bascn1/tbl1"
    assert Asset("lark://bitable/bascn1/tbl1/").uri == "lark://bitable/bascn1/tbl1"


@pytest.mark.parametrize("uri", ["lark://bitable/bascn1", "lark://chat/oc_1/x", "lark://bitable/a/b/c"])
def test_an_asset_that_names_no_table_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="must name a table"):
        Asset(uri)

"""docs/en/how-to/loads.md: its programs run, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lark_provider import LarkServiceClient
from lark_provider.cli.__main__ import main
from tests.loads.conftest import LoadTable

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "loads.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
LINK = "https://example.feishu.cn/base/bascn…?table=tbl…"
pytestmark = pytest.mark.usefixtures("database")


def test_the_load_of_the_page_happens_once(capsys: pytest.CaptureFixture[str], place: LoadTable) -> None:
    url = f"/bitable/v1/apps/{place.app_token}/tables/{place.table_id}/fields"
    for name in ("Order", "Status"):
        kind = 2 if name == "Order" else 1
        LarkServiceClient().call("POST", url, json={"field_name": name, "type": kind})
    link = f"https://example.feishu.cn/base/{place.app_token}?table={place.table_id}"
    code = compile(BLOCKS[0].replace(LINK, link), "loads.md", "exec")
    for _ in range(2):
        exec(code, {})  # noqa: S102 - the page's own program
    assert capsys.readouterr().out == "5000 0\n5000 5000\n"
    assert "# 5000 0; called again: 5000 5000" in BLOCKS[0]
    assert len(place.list_ids()) == 5000


def test_the_operator_of_the_page_is_made() -> None:
    namespace: dict[str, Any] = {}
    exec(compile(BLOCKS[1], "loads.md", "exec"), namespace)  # noqa: S102 - the page's own program
    assert namespace["load"].on_clear == "resume"


def test_the_dag_that_loads_rejected_rows_again_is_made() -> None:
    code = BLOCKS[2].replace(
        "    LarkBitableBulkInsertOperator(", "    load = LarkBitableBulkInsertOperator("
    )
    namespace: dict[str, Any] = {}
    exec(compile(code, "loads.md", "exec"), namespace)  # noqa: S102 - the page's own program
    assert "retry_rejects" in namespace["load"].template_fields
    assert "params.rejects" in namespace["load"].retry_rejects
    assert namespace["load"].dag.params["rejects"] == ""


def test_the_commands_of_the_page_exist(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^\$ lark-provider (ledger \w+)", PAGE, re.MULTILINE)
    assert commands == ["ledger list", "ledger show", "ledger forget"]
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), "--help"])
        assert ended.value.code == 0

"""docs/en/how-to/sync.md: its examples run, and it names each setting as it is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.api.clouddoc.sync.procedure import sync
from lark_provider.operators import LarkBitableSyncOperator
from lark_provider.operators.tables import WritingOperator

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "sync.md").read_text()
KINDS = (("No", fields.TEXT), ("Paid", fields.NUMBER), ("Status", fields.SINGLE_SELECT))
LINK = "https://example.feishu.cn/base/bascn…?table=tbl…"


def test_the_examples_run(lark: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Orders").data["app"]["app_token"]
    columns = [fields.Field(field_name=name, type=kind) for name, kind in KINDS]
    table_id = bitable.create_table(app_token, "T", columns).data["table_id"]
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 3
    names: dict[str, Any] = {}
    for example in examples:
        own = example.replace(LINK, f"https://example.feishu.cn/base/{app_token}?table={table_id}")
        exec(compile(own, "sync.md", "exec"), names)  # noqa: S102 - the page's own text
    printed = capsys.readouterr().out.splitlines()  # among Airflow's log lines
    assert "2 created" in printed
    assert any(line.startswith("0 creates, 0 updates, 0 deletes, 2 unchanged; about 0") for line in printed)


def test_the_page_names_settings_that_exist() -> None:
    known = {
        *inspect.signature(sync).parameters,
        *inspect.signature(LarkBitableSyncOperator.__init__).parameters,
        *inspect.signature(WritingOperator.__init__).parameters,
    }
    named = set(re.findall(r"`(\w+)=", PAGE)) | {"token_window", "table_wait", "max_rejects", "rejects_path"}
    assert named <= known

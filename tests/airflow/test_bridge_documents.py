"""The DAGs that the documents of the bridge show are DAGs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "en" / "how-to"
PYTHON = r"```python\n(.*?)```"
FILE = r"^cat > airflow/dags/asks.py <<'END'\n(.*?)^END$"


@pytest.mark.parametrize(
    ("page", "where", "wanted"),
    [
        ("every-dag-reports.md", PYTHON, {"orders": ["load"]}),
        ("which-question.md", PYTHON, {"deploy_by_airflow": ["ask"], "deploy_by_lark": ["ask"]}),
        ("answer-in-lark.md", FILE, {"deploy": ["ask"]}),
    ],
)
def test_the_dags_are_made(
    page: str, where: str, wanted: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import DAG

    dags: list[DAG] = []
    leave: Any = DAG.__exit__

    def exit_(self: DAG, *error: Any) -> None:
        dags.append(self)
        leave(self, *error)

    monkeypatch.setattr(DAG, "__exit__", exit_)
    for code in re.findall(where, (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(code, page, "exec"), {})  # noqa: S102 - the page's own text
    assert {dag.dag_id: list(dag.task_ids) for dag in dags} == wanted

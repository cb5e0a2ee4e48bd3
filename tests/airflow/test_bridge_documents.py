"""The DAGs that the documents of the bridge show are DAGs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
WANTED = {
    "every-dag-reports": {"orders": ["load"]},
    "which-question": {"deploy_by_airflow": ["ask"], "deploy_by_lark": ["ask"]},
}


@pytest.mark.parametrize("name", WANTED)
def test_the_dags_are_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import DAG

    made: list[DAG] = []
    leave = DAG.__exit__

    def exit_(self: DAG, *error: Any) -> None:
        made.append(self)
        leave(self, *error)

    monkeypatch.setattr(DAG, "__exit__", exit_)
    for code in re.findall(r"```python\n(.*?)```", (DOCS / f"{name}.md").read_text("utf-8"), re.DOTALL):
        exec(compile(code, name, "exec"), {})  # noqa: S102 - the page's own text
    assert {one.dag_id: list(one.task_ids) for one in made} == WANTED[name]


def test_the_dag_of_the_trial_is_made(tmp_path: Path) -> None:
    page = (DOCS / "answer-in-lark.md").read_text("utf-8")
    [code] = re.findall(r"^cat > airflow/dags/asks.py <<'END'\n(.*?)^END$", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(code, "asks.py", "exec"), names)  # noqa: S102 - the page's own text
    assert "ApprovalOperator" in names

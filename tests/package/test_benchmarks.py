"""In what the benchmarks measure: nothing that the documentation does not say to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import chinese
from benchmarks.environments import WANTED, Environments
from benchmarks.processes import cold, environment
from tests.package.environments import ROOT, run
from website.twins import without_mark

_LOOK = """
import importlib.util, sys
print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))
"""
LOOKED_FOR = (
    "httpx2",
    "orjson",
    "sqlalchemy",
    "pika",
    "lark_oapi",
    "httptools",
    "uvicorn",
    "airflow",
    "pytest",
)


def test_an_environment_has_what_its_row_speaks_of_and_no_more(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    for name, packages in {
        "hand": "httpx2 orjson",
        "ours": "httpx2 orjson sqlalchemy pika",
        "gateway": "httpx2 orjson sqlalchemy pika httptools uvicorn",
    }.items():
        assert run(environments.python(name), "-I", "-c", _LOOK, *LOOKED_FOR).split() == packages.split()
    assert environments.python("hand") == environments.python("hand")
    assert len(list(tmp_path.glob("environment-*"))) == 3


def test_an_environment_that_cannot_be_made_leaves_a_column_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WANTED, "community", ("httpx==0.0.0.1",))
    assert not Environments(tmp_path).has("community")
    assert "community could not be installed, so its column stays empty" in capsys.readouterr().err


def test_the_chinese_page_has_the_figures_of_the_english_one() -> None:
    docs = Path(__file__).parents[2] / "docs"
    english, twin = (
        (docs / name / "reference" / "benchmarks.md").read_text("utf-8") for name in ("en", "zh")
    )
    assert without_mark(twin) == chinese.translate_document(english)
    rows = [line.strip("|").split(" | ") for line in english.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows if row[0].strip() and chinese.label(row[0].strip()) is None] == []


def test_what_is_measured_is_installed_and_does_not_lie_beside_what_measures(tmp_path: Path) -> None:
    code = "import sys, benchmarks; found = {'path': sys.path}"
    result = cold(environment(str(tmp_path)), code, Path(sys.base_prefix) / "bin" / "python3")
    assert not {"", str(ROOT)} & set(result["path"])

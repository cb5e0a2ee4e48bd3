"""What `make release-check` finds, and what it lets pass."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import lark_emulator
import pytest

import lark_provider
from tests.package.environments import EMULATOR, ROOT


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


check = script("release_check")


def change_wheel(wheel: Path, folder: Path, name: str, old: str, new: str) -> Path:
    """Return a copy of a wheel in which a text of a file is another one."""
    copy = folder / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(copy, "w") as target:
        for path in source.namelist():
            text = source.read(path)
            if path.endswith(name):
                assert old.encode() in text
                text = text.replace(old.encode(), new.encode())
            target.writestr(path, text)
    return copy


def test_both_wheels_may_be_released(wheel: Path, emulator_wheel: Path) -> None:
    for path, name in ((wheel, "airflow-provider-lark"), (emulator_wheel, "lark-emulator")):
        check.check_metadata(path, name)
        check.check_contents(path)


def test_all_distributions_are_built_into_one_folder_also_a_relative_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "packages" / "one"
    (project / "one").mkdir(parents=True)
    (project / "one" / "__init__.py").touch()
    (project / "pyproject.toml").write_text('[project]\nname = "one"\nversion = "1"\n')
    monkeypatch.chdir(tmp_path)
    wheel, sdist = check.build(project, Path("dist"))
    assert wheel.is_file()
    assert sdist.is_file()
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {wheel.name, sdist.name}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Classifier: Typing :: Typed", "Classifier: Typing :: Tped", "unknown classifier Typing :: Tped"),
        ("Name: airflow-provider-lark\n", "Name: airflow-lark\n", "the name is airflow-lark"),
        ("License-Expression: Apache-2.0", "License-Expression: Apache-Two", "Apache-Two"),
        ("](https://github.com", "](docs", "a link that leads nowhere"),
        ("Requires-Python: >=3.11", "Requires-Pyton: >=3.11", "unknown field requires-pyton"),
    ],
)
def test_metadata_that_the_index_would_refuse(
    wheel: Path, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    with pytest.raises(check.ReleaseError, match=re.escape(problem)):
        check.check_metadata(change_wheel(wheel, tmp_path, "METADATA", old, new), "airflow-provider-lark")


@pytest.mark.parametrize(
    "name", ["lark_provider/tests/test_a.py", "lark_provider/.env", "lark_provider/a.pyc"]
)
def test_what_must_stay_here_is_found(wheel: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copy(wheel, tmp_path))
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(check.ReleaseError, match=re.escape(name)):
        check.check_contents(copy)


def test_vendored_files_have_their_licences(tmp_path: Path) -> None:
    vendored = check.list_vendored(EMULATOR)
    assert {(part.name, part.licence) for part in vendored} == {
        ("Preact", "MIT"), ("Preact hooks", "MIT"), ("htm", "Apache-2.0"),
    }  # fmt: skip
    vendor = tmp_path / "src" / "vendor"
    shutil.copytree(EMULATOR / "src" / "lark_emulator" / "page" / "static" / "vendor", vendor)
    (vendor / "new.js").touch()
    with pytest.raises(check.ReleaseError, match=r"new\.js is in no table"):
        check.list_vendored(tmp_path)
    (vendor / "new.js").unlink()
    (vendor / "LICENSE.htm").unlink()
    with pytest.raises(check.ReleaseError, match=r"lacks LICENSE\.htm"):
        check.list_vendored(tmp_path)


def test_the_bill_of_materials_is_valid_and_names_vendored_parts() -> None:
    bill: dict[str, Any] = check.bill_of_materials(Path(sys.executable), check.list_vendored(EMULATOR))
    components = {component["name"]: component for component in bill["components"]}
    assert {"pika", "SQLAlchemy", "Preact", "htm"} <= components.keys()
    assert components["Preact"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert bill["metadata"]["component"]["version"] == lark_provider.__version__
    assert str(ROOT) not in json.dumps(bill)
    with pytest.raises(check.ReleaseError, match="invalid"):
        check.validate({**bill, "components": [{"type": "library"}]})


def test_both_have_the_version_of_the_newest_section_of_the_changelog() -> None:
    release = script("release")
    assert lark_provider.__version__ == lark_emulator.__version__
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == lark_provider.__version__
    assert release.notes(lark_provider.__version__)
    with pytest.raises(SystemExit, match="no dated section 9"):
        release.notes("9.0.0")

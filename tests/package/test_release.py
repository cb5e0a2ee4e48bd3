"""What `make release-check` finds, and what it lets pass."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import lark_emulator
import pytest
import yaml

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
        ("Metadata-Version: 2.4", "Metadata-Version: 2.5", "metadata 2.5, which the publishing action"),
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
    with pytest.raises(SystemExit, match=r"and not with 9\.0\.0 and a date"):
        release.notes("9.0.0")


@pytest.mark.parametrize(
    ("changelog", "tag", "problem"),
    [
        ("## 1.2.0 - 2027-01-01\n\n- New.\n\n## 1.1.0 - 2026-12-01\n\n- Old.\n", "v1.2.0", None),
        ("## Unreleased\n\n## 1.2.0 - 2027-01-01\n\n- New.\n", "v1.2.0", None),
        ("## Unreleased\n\n- More.\n\n## 1.2.0 - 2027-01-01\n\n- New.\n", "v1.2.0", "'Unreleased'"),
        ("## 1.2.0 (unreleased)\n\n- New.\n", "v1.2.0", "unreleased"),
        ("## 1.1.0 - 2026-12-01\n\n- Old.\n", "v1.2.0", "begins with the section '1.1.0"),
        ("## 1.2.0 - 2027-01-01\n\n- New.\n", "v1.2.1", "names version 1.2.0, and the tag 1.2.1"),
        ("## 1.2.0 - 2027-01-01\n\n- New.\n", "1.2.0", "usage"),
    ],
)
def test_a_tag_is_the_version_of_both_packages_and_of_the_changelog(
    changelog: str,
    tag: str,
    problem: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    release = script("release")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    for name in release.VERSIONS:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog}")
    if problem is not None:
        with pytest.raises(SystemExit, match=re.escape(problem)):
            release.main(["check", tag])
        return
    for action, printed in (("check", "1.2.0 can be released.\n"), ("notes", "- New.\n")):
        release.main([action, tag])
        assert capsys.readouterr().out == printed


@pytest.fixture
def built(wheel: Path, emulator_wheel: Path, tmp_path: Path) -> Path:
    """Return a folder of built files; the source distributions are no real ones."""
    folder = tmp_path / "dist"
    for name, path in (("airflow-provider-lark", wheel), ("lark-emulator", emulator_wheel)):
        (folder / name).mkdir(parents=True)
        shutil.copy(path, folder / name)
        stem = path.name.removesuffix("-py3-none-any.whl")
        (folder / name / f"{stem}.tar.gz").write_bytes(b"x")
    return folder


def test_the_folder_holds_exactly_what_is_released(built: Path) -> None:
    assert list(check.find_built(built)) == ["airflow-provider-lark", "lark-emulator"]
    extra = built / "lark-emulator" / "sub" / "old.whl"
    extra.parent.mkdir()
    extra.touch()
    with pytest.raises(check.ReleaseError, match=r"old\.whl must not be there"):
        check.find_built(built)
    shutil.rmtree(extra.parent)
    (built / "lark-emulator" / f"lark_emulator-{lark_emulator.__version__}.tar.gz").unlink()
    with pytest.raises(check.ReleaseError, match=r"tar\.gz is missing"):
        check.find_built(built)


def test_a_source_distribution_that_builds_another_wheel_is_found(tmp_path: Path) -> None:
    project = tmp_path / "one"
    (project / "one").mkdir(parents=True)
    (project / "one" / "__init__.py").touch()
    (project / "one" / "data.json").touch()
    (project / "pyproject.toml").write_text('[project]\nname = "one"\nversion = "1"\n')
    wheel, sdist = check.build(project, tmp_path)
    check.check_source(sdist, wheel)
    with (project / "pyproject.toml").open("a") as settings:
        settings.write('[tool.hatch.build.targets.sdist]\nexclude = ["data.json"]\n')
    _, sdist = check.build(project, tmp_path)
    with pytest.raises(check.ReleaseError, match=r"builds a wheel that differs .* in one/data\.json"):
        check.check_source(sdist, wheel)


def steps(job: str) -> list[dict[str, Any]]:
    """Return the steps of a job of the workflow that releases."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    listed: list[dict[str, Any]] = workflow["jobs"][job]["steps"]
    return listed


@pytest.mark.parametrize("job", ["publish-emulator", "publish-provider"])
def test_only_the_files_that_were_checked_are_published(job: str, built: Path) -> None:
    """The step before the upload is run, on files that are as they were checked and on others."""
    (built / check.SUMS).write_text(check.format_sums(built, check.find_built(built)))
    _, verify, upload = steps(job)
    folder = Path(upload["with"]["packages-dir"])
    assert (built.parent / folder).is_dir()

    def is_accepted() -> bool:
        command = ["bash", "-e", "-o", "pipefail", "-c", verify["run"]]  # as GitHub runs it
        return subprocess.run(command, cwd=built.parent, capture_output=True, check=False).returncode == 0  # noqa: S603 - ours

    assert is_accepted()
    more = built / folder.name / "more.whl"
    more.touch()
    assert not is_accepted()
    more.unlink()
    [wheel] = (built / folder.name).glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"x")
    assert not is_accepted()


def test_the_workflow_builds_once() -> None:
    runs = [step.get("run", "") for step in steps("build")]
    assert [run.count("--build") + run.count("pyproject-build") for run in runs if "build" in run] == [1]

"""What needs no Airflow on the oldest versions that are allowed; the long connection on the newest."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import floors
from tests.package.environments import EMULATOR, ROOT, environment, read_locked, run

EXTRAS = ("emulator", "gateway", "listen", "pandas", "polars", "sdk")
PACKAGES = (
    "api/test_bulk.py",
    "api/test_fields.py",
    "client/test_bitable.py",
    "client/test_bitable_loads.py",
    "client/test_contact.py",
    "client/test_drive.py",
    "client/test_failures.py",
    "client/test_frames.py",
    "client/test_messages.py",
    "client/test_processes.py",
    "client/test_sdk.py",
    "client/test_sheets.py",
    "client/test_webhook.py",
    "client/test_wire.py",
    "engine",
    "callbacks/longconn/test_listener.py",
    "callbacks/longconn/test_silence.py",
    "callbacks/longconn/test_state.py",
    "callbacks/test_amqp_tls.py",
    "callbacks/test_app.py",
    "callbacks/test_hostile.py",
    "callbacks/test_publisher.py",
    "cli/test_stdout.py",
    "storage/test_engine.py",
    "storage/test_migrations.py",
    "storage/test_registry.py",
)
"""What is about a dependency. `scripts/test-wheels.sh none lowest` runs the rest, too."""
WARNINGS = ("websockets", "datetime.datetime.utcfromtimestamp")
"""What lark-oapi and pika at their floors use, and is deprecated."""
TOOLS = ("httpx", "hypothesis", "pendulum", "pycryptodome", "pytest", "pyyaml", "tzdata")


def pythons() -> list[str]:
    """Return this interpreter, and the newest one on this machine that the package is made for."""
    text = (ROOT / "pyproject.toml").read_text()
    minors = sorted(map(int, re.findall(r"Python :: 3\.(\d+)", text)), reverse=True)
    candidates = (shutil.which(f"python3.{minor}") for minor in minors)
    newest = next(
        (candidate for candidate in candidates if candidate is not None and _runs(candidate)), sys.executable
    )
    mine = f"python3.{sys.version_info.minor}"
    return [sys.executable] if Path(newest).name == mine else [sys.executable, newest]


def _runs(python: str) -> bool:  # a shim on PATH may lead to nothing
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0  # noqa: S603


@pytest.mark.takes_minutes
@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_what_needs_no_airflow_works_on_the_oldest_versions(
    wheel: Path, emulator_wheel: Path, tmp_path: Path, python: str
) -> None:
    requirements = (f"{wheel}[{','.join(EXTRAS)}]", emulator_wheel, *TOOLS)
    lowest = floors.read_floors(EXTRAS)
    pins = read_locked() | {name: f"{name}=={version}" for name, version in lowest.items()}
    del pins["httpcore2"]  # httpx2 names the one version of it that it works with
    bin_ = environment(tmp_path / "floors", *requirements, pins=pins, python=python)
    assert "in their lowest versions" in run(bin_ / "python", floors.__file__, "check", ",".join(EXTRAS))
    for name in ("tests", "docs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, tmp_path)
    folders = [f"tests/{name}" for name in PACKAGES]
    ignored = [f"-Wignore:{text}:DeprecationWarning" for text in WARNINGS]
    printed = run(bin_ / "python", "-P", "-m", "pytest", *ignored, *folders, cwd=tmp_path)
    assert " skipped" not in printed
    assert re.search(r"\d+ passed|100%", printed)


def test_the_long_connection_works_on_the_newest_websockets(
    wheel: Path, emulator_wheel: Path, tmp_path: Path
) -> None:
    """Both extras without `sdk` take it; the lock has an older one, which lark-oapi wants."""
    pins = read_locked()
    del pins["websockets"]
    bin_ = environment(
        tmp_path / "newest", f"{wheel}[emulator,listen]", emulator_wheel, *TOOLS, "psycopg2-binary", pins=pins
    )
    theirs = EMULATOR.relative_to(ROOT) / "tests"
    for name in ("tests", theirs):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, tmp_path)
    ignored = "-Wignore:connect() must be used as a context manager:DeprecationWarning"  # by the tests
    modules = (
        theirs / "emulator/test_long_connection_opening.py",
        theirs / "emulator/long_connection_failures/test_odd_frames.py",
        "tests/callbacks/longconn/test_listener.py",
    )
    printed = run(bin_ / "python", "-P", "-m", "pytest", ignored, *modules, cwd=tmp_path)
    assert " skipped" not in printed
    assert re.search(r"\d+ passed|100%", printed)


def test_a_dependency_above_its_floor_is_found() -> None:
    lowest = floors.read_floors(EXTRAS)
    assert lowest["websockets"] == "15.0"  # of `listen`; the emulator's own is lower
    assert floors.read_floors(["gateway"])["websockets"] == "13.1"
    [line] = floors.list_differences({"pytest": "1.0"})
    assert re.fullmatch(r"pytest: \d.*, and not 1\.0", line)
    assert floors.list_differences({"no-such-package": "1.0"}) == [
        "no-such-package: not installed, and not 1.0"
    ]
    assert floors.list_differences({"pytest": f"{pytest.__version__}.0"}) == []

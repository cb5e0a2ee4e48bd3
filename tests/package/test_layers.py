"""The contracts in pyproject.toml: each one breaks on the import that it forbids."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRONG = {
    "Imports go down only": ("protocol/retry.py", "import lark_provider.client"),
    "What Lark can do and how calls proceed is pure": ("api/bot.py", "import time"),
    "Only the Airflow rooms import Airflow": ("core/config.py", "import airflow"),
    "The Airflow rooms reach Lark only through the client": (
        "operators/message.py",
        "import lark_provider.core.session",
    ),
    "The official SDK stays out: it costs 170 MB and over a second": (
        "client/clients.py",
        "import lark_oapi",
    ),
    "Databases stay in their room: nobody pays for SQLAlchemy who has none": (
        "client/clients.py",
        "import sqlalchemy",
    ),
    "RabbitMQ is spoken to in one room": ("core/config.py", "import pika"),
    "A web framework is known to its adapter alone": ("callbacks/gateway.py", "import starlette"),
    "The emulator shares nothing with the product": (
        "emulator/clock.py",
        "import lark_provider.protocol.codes",
    ),
    "In the emulator, too, imports go down only": (
        "emulator/world/chats.py",
        "import lark_provider.emulator.im.messages",
    ),
    "No two rooms need each other": ("core/threads.py", "import lark_provider.core.drivers"),
    "The product does not know the emulator; only the command line starts it": (
        "core/session.py",
        "import lark_provider.emulator",
    ),
}


def lint(root: Path) -> dict[str, str]:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    found = re.findall(r"^(.+) (KEPT|BROKEN)", done.stdout, flags=re.MULTILINE)
    assert found, done.stdout + done.stderr
    return dict(found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "lark_provider", tmp_path / "lark_provider", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_tried_and_kept(copy: Path) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == set(WRONG)
    assert lint(copy) == dict.fromkeys(WRONG, "KEPT")


@pytest.mark.parametrize("contract", WRONG)
def test_a_wrong_import_breaks_its_contract(copy: Path, contract: str) -> None:
    file, line = WRONG[contract]
    path = copy / "lark_provider" / file
    path.write_text(path.read_text() + f"\n{line}\n")
    assert lint(copy)[contract] == "BROKEN"

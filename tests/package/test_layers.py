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
    "Imports go down only": ("lark_provider/protocol/retry.py", "import lark_provider.client"),
    "In callbacks, too, imports go down only": (
        "lark_provider/callbacks/broker/amqp.py",
        "import lark_provider.callbacks.http.gateway",
    ),
    "Support imports nothing of ours": (
        "lark_provider/support/futures.py",
        "import lark_provider.protocol.errors",
    ),
    "What Lark can do and how calls proceed is pure": ("lark_provider/api/bot.py", "import time"),
    "Only the Airflow packages import Airflow": ("lark_provider/config.py", "import airflow"),
    "The Airflow packages reach Lark only through the client": (
        "lark_provider/operators/message.py",
        "import lark_provider.engine.session",
    ),
    "The official SDK stays out: it costs 170 MB and over a second": (
        "lark_provider/client/clients.py",
        "import lark_oapi",
    ),
    "Databases stay in storage: a program without one never loads SQLAlchemy": (
        "lark_provider/client/clients.py",
        "import sqlalchemy",
    ),
    "Only callbacks.broker imports pika": ("lark_provider/callbacks/http/gateway.py", "import pika"),
    "prometheus_client is loaded only where metrics are started": (
        "lark_provider/metrics/__init__.py",
        "import prometheus_client",
    ),
    "OpenTelemetry is used where it is loaded, and never imported": (
        "lark_provider/engine/tracing.py",
        "import opentelemetry.trace",
    ),
    "Only callbacks.websocket imports websockets": (
        "lark_provider/callbacks/http/gateway.py",
        "import websockets",
    ),
    "A web framework is known to its adapter alone": (
        "lark_provider/callbacks/http/gateway.py",
        "import starlette",
    ),
    "The emulator shares nothing with the product": (
        "lark_emulator/clock.py",
        "import lark_provider.protocol.codes",
    ),
    "In the emulator, too, imports go down only": (
        "lark_emulator/world/chats.py",
        "import lark_emulator.im.messages",
    ),
    "No two packages need each other": (
        "lark_provider/support/threads.py",
        "import lark_provider.engine.drivers.blocking",
    ),
    "The product does not know the emulator; only the command line starts it": (
        "lark_provider/engine/session.py",
        "import lark_emulator",
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
    contracts = re.findall(r"^(.+) (KEPT|BROKEN)", done.stdout, flags=re.MULTILINE)
    assert contracts, done.stdout + done.stderr
    return dict(contracts)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__")
    for package in (ROOT / "lark_provider", ROOT / "packages" / "lark-emulator" / "src" / "lark_emulator"):
        shutil.copytree(package, tmp_path / package.name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_tried_and_kept(copy: Path) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == set(WRONG)
    assert lint(copy) == dict.fromkeys(WRONG, "KEPT")


@pytest.mark.parametrize("contract", WRONG)
def test_a_wrong_import_breaks_its_contract(copy: Path, contract: str) -> None:
    file, line = WRONG[contract]
    path = copy / file
    path.write_text(path.read_text() + f"\n{line}\n")
    assert lint(copy)[contract] == "BROKEN"


def test_a_package_that_no_contract_lists_may_import_nothing_that_is_guarded(copy: Path) -> None:
    new = copy / "lark_provider" / "unlisted"
    new.mkdir()
    (new / "__init__.py").write_text(
        "import airflow, django, lark_oapi, pika, sqlalchemy, websockets\nimport lark_emulator\n"
    )
    broken = {contract for contract, verdict in lint(copy).items() if verdict == "BROKEN"}
    assert broken == {
        "Imports go down only",
        "Only the Airflow packages import Airflow",
        "The official SDK stays out: it costs 170 MB and over a second",
        "Databases stay in storage: a program without one never loads SQLAlchemy",
        "Only callbacks.broker imports pika",
        "Only callbacks.websocket imports websockets",
        "A web framework is known to its adapter alone",
        "The product does not know the emulator; only the command line starts it",
    }

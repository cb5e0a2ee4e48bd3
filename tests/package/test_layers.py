"""The contracts in pyproject.toml and the lists of imports: each breaks on what it forbids."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.package import import_lists

ROOT = Path(__file__).parents[2]
WRONG = {
    "Imports go down only": ("lark_provider/protocol/retry.py", "import lark_provider.client"),
    "In callbacks, too, imports go down only": (
        "lark_provider/callbacks/broker/amqp.py",
        "import lark_provider.callbacks.http.gateway",
    ),
    "What Lark can do and how calls proceed is pure": ("lark_provider/api/bot.py", "import time"),
    "Only the Airflow packages import Airflow": ("lark_provider/config.py", "import airflow"),
    "Lark is reached through the client; only these know the engine": (
        "lark_provider/operators/message.py",
        "import lark_provider.engine.session",
    ),
    "Only the engine makes attempts": (
        "lark_provider/hooks/lark.py",
        "import lark_provider.protocol.attempts",
    ),
    "Only the engine speaks HTTP; the plugin calls its own API server": (
        "lark_provider/engine/drivers/blocking.py",
        "import httpx",
    ),
    "Only these know the database; operators and hooks reach it through the client": (
        "lark_provider/transfers/target.py",
        "import lark_provider.storage.engine",
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


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("lark_provider/support/futures.py", "import lark_provider.protocol.errors"),
        ("lark_provider/support/futures.py", "import lark_provider.get_provider_info"),
        ("lark_provider/core/storage/__init__.py", "import lark_provider.engine.session"),
    ],
)
def test_an_import_of_a_higher_layer_breaks_the_order(copy: Path, file: str, line: str) -> None:
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    assert lint(copy)["Imports go down only"] == "BROKEN"


def test_a_package_that_no_contract_lists_may_import_nothing_that_is_guarded(copy: Path) -> None:
    new = copy / "lark_provider" / "unlisted"
    new.mkdir()
    (new / "__init__.py").write_text(
        "import airflow, django, httpx, lark_oapi, pika, sqlalchemy, websockets\nimport lark_emulator\n"
        "import lark_provider.engine.session, lark_provider.protocol.attempts, lark_provider.storage.engine\n"
    )
    broken = {contract for contract, verdict in lint(copy).items() if verdict == "BROKEN"}
    assert broken == {
        "Imports go down only",
        "Only the Airflow packages import Airflow",
        "Lark is reached through the client; only these know the engine",
        "Only the engine makes attempts",
        "Only the engine speaks HTTP; the plugin calls its own API server",
        "Only these know the database; operators and hooks reach it through the client",
        "The official SDK stays out: it costs 170 MB and over a second",
        "Databases stay in storage: a program without one never loads SQLAlchemy",
        "Only callbacks.broker imports pika",
        "Only callbacks.websocket imports websockets",
        "A web framework is known to its adapter alone",
        "The product does not know the emulator; only the command line starts it",
    }


def list_unlisted(root: Path) -> list[str]:
    packages = (root / "lark_provider", root / "lark_emulator")
    return [line for package in packages for line in import_lists.find_unlisted(package)]


def test_every_folder_and_library_is_listed() -> None:
    assert [line for package in import_lists.PACKAGES for line in import_lists.find_unlisted(package)] == []


def test_a_new_folder_is_refused_at_any_depth(copy: Path) -> None:
    new = [
        "lark_provider/api/clouddoc/newpkg",
        "lark_provider/engine/newpkg",
        "lark_provider/newpkg",
        "lark_emulator/im/newpkg",
        "lark_emulator/newpkg",
    ]
    for folder in new:
        (copy / folder).mkdir()
        (copy / folder / "__init__.py").write_text("import httpx, requests, urllib.request\n")
    assert list_unlisted(copy) == [f"{folder}: folder is not listed" for folder in new]


def test_a_library_that_is_not_listed_is_refused(copy: Path) -> None:
    imports = {
        "lark_provider/api/bot.py": "aiohttp httpx requests subprocess",
        "lark_provider/callbacks/hub.py": "pika redis",
        "lark_provider/engine/session.py": "requests socket urllib.request urllib3",
        "lark_provider/protocol/retry.py": "aiohttp redis requests socket urllib.request",
        "lark_provider/support/text.py": "airflow requests ssl",
        "lark_emulator/clock.py": (
            "airflow fastapi httpx lark_oapi lark_provider pika requests sqlalchemy urllib.request"
        ),
    }
    expected = []
    for file, names in imports.items():
        code = (copy / file).read_text()
        (copy / file).write_text(code + "".join(f"import {name}\n" for name in names.split()))
        lines = enumerate(names.split(), len(code.splitlines()) + 1)
        expected += [f"{file}:{line}: import of {name} is not listed" for line, name in lines]
    assert list_unlisted(copy) == expected


def test_what_is_listed_and_gone_is_reported(copy: Path) -> None:
    shutil.rmtree(copy / "lark_emulator" / "reach")
    (copy / "lark_provider" / "client" / "sdk.py").unlink()
    assert list_unlisted(copy) == [
        "lark_provider/client: listed imports do not exist: lark_oapi",
        "lark_emulator/reach: listed folder does not exist",
    ]


def test_the_emulator_imports_its_declared_dependencies_alone() -> None:
    project = tomllib.loads((ROOT / "packages" / "lark-emulator" / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["tls"]]
    declared = {re.split(r"[<>=;\[ ]", line)[0] for line in needed}
    imported = {
        name
        for folder, names in import_lists.FOLDERS.items()
        if folder.startswith("lark_emulator")
        for name in names - import_lists.GUARDED
    }
    # pytest is there whenever the plugin is loaded: pytest loads it.
    assert imported | import_lists.EVERYWHERE == declared | {"pytest"}

"""The guide's section 1: a library, which needs no server process of its own; and its installation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import __version__
from tests.guide.arrived import open_id, read_texts
from tests.guide.reader import CHECKOUT, Reader
from tests.package.environments import build_wheel, read_locked, run

ALONE = """
import sys

touched = []
watched = ("socket.bind", "socket.listen", "subprocess.", "os.fork", "os.posix_spawn", "sqlite3.")
sys.addaudithook(lambda event, _: touched.append(event) if event.startswith(watched) else None)

from lark_provider import LarkServiceClient

with LarkServiceClient("cli_your_app_id", "your_app_secret") as client:
    client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello")
assert not touched, touched
assert not {"sqlalchemy", "psycopg2", "pika", "airflow"} & sys.modules.keys()
"""
WORKS = """
import importlib.util
import lark_provider
from lark_provider import LarkServiceClient

assert "site-packages" in lark_provider.__file__, lark_provider.__file__
assert importlib.util.find_spec("airflow") is None
with LarkServiceClient("cli_your_app_id", "your_app_secret") as client:
    print(client.messaging.send_text(receiver_id="alice@example.com", content="Hello").data["message_id"])
"""


def test_guide_01_a_library_that_starts_no_server(lark: Emulator, reader: Reader) -> None:
    """A message is sent with nothing but Lark there, and nothing is listened on, started or stored."""
    reader.python(ALONE.replace("ou_xxxxxxxx", open_id(lark)))
    assert read_texts(lark) == ["Hello"]
    assert [path.name for path in reader.folder.iterdir()] == ["your_app.py"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout, and download those of its dependencies with pip as configured."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel = build_wheel(CHECKOUT, folder)
    constraints = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    constraints.write_text("\n".join(read_locked().values()))
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder)
    run(*pip, "--constraint", constraints, wheel)
    return folder


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_guide_02_installs_with_pip_and_with_uv(
    installer: str, wheels: Path, tmp_path: Path, lark: Emulator
) -> None:
    clean = tmp_path / "clean"
    run(sys.executable, "-m", "venv", "--without-pip", clean)
    python = clean / "bin" / "python"
    install = {
        "pip": (sys.executable, "-m", "pip", "--python", python, "install", "--no-user"),
        "uv": (sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--python", python),
    }
    run(*install[installer], "--quiet", "--no-index", "--find-links", wheels, "airflow-provider-lark")
    answer = run(python, "-c", WORKS, LARK_BASE_URL=lark.base_url)
    assert answer.startswith("om_")
    command = run(clean / "bin" / "lark-provider", "--version")
    assert command.strip() == f"airflow-provider-lark {__version__}"
    assert read_texts(lark) == ["Hello"]


def test_guide_03_reports_its_version(reader: Reader) -> None:
    printed = reader.python(
        "from importlib.metadata import version\n"
        "import lark_provider\n"
        "print(lark_provider.__version__, version('airflow-provider-lark'))\n"
    )
    assert printed.stdout.split() == [__version__, __version__]
    said = reader.run("python -m lark_provider.cli --version").stdout
    assert said == f"airflow-provider-lark {__version__}\n"

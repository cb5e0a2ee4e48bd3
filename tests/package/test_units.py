"""The units of systemd are valid, and what they start starts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lark_emulator import Emulator

from lark_provider import config
from lark_provider.bridge import settings as bridge_settings
from lark_provider.cli.__main__ import make_parser
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.hitl.proof import SECRET_VARIABLE
from lark_provider.storage import urls
from lark_provider.storage.crypto import generate_key
from tests.deploy.running import Deployed, as_text, run
from tests.deploy.running import start as running
from tests.services.processes import free_port

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
GUIDE = Path(__file__).parents[2] / "docs" / "en" / "how-to" / "running.md"
UNITS = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")])
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
PROGRAM = "/opt/lark/venv/bin/lark-provider"


def read_start_command(unit: Path) -> list[str]:
    """Return the words of a unit's ExecStart."""
    [line] = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    return shlex.split(line)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Write the units into a folder, with this checkout's programs and the user root; return the folder."""
    for unit in UNITS:
        here = unit.read_text().replace("/opt/lark/venv/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(here.replace("User=lark", "User=root"))
    return tmp_path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_accepts_them(installed: Path) -> None:
    names = [unit.name.replace("@.", "@example.") for unit in UNITS]
    for unit in list(installed.glob("*@.service")):
        unit.rename(unit.with_name(unit.name.replace("@.", "@example.")))
    done = subprocess.run(  # noqa: S603 - a fixed command
        ["systemd-analyze", "verify", "--man=no", *(str(installed / name) for name in names)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if "lark" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_command_lines_are_understood(unit: Path) -> None:
    program, *words = read_start_command(unit)
    if program != PROGRAM:
        assert (program, words) == ("/opt/lark/venv/bin/python", ["/opt/lark/consumers/%i.py"])
        return
    assert callable(make_parser().parse_args(words).run)


def test_prometheus_scrapes_the_ports_of_the_units() -> None:
    scraped = (FOLDER.parent / "prometheus" / "prometheus.yml").read_text()
    ports = {}
    for name, command in (
        ("lark-gateway", "callbacks serve"),
        ("lark-pump", "callbacks pump"),
        ("lark-listen", "callbacks listen"),
        ("lark-bridge", "airflow bridge"),
    ):
        words = read_start_command(FOLDER / f"{name}.service")
        ports[name] = words[words.index("--metrics-port") + 1]
        job = scraped.partition(f"job_name: {name}\n")[2].partition("job_name")[0]
        assert f'["127.0.0.1:{ports[name]}"]' in job
        assert f"{command} --metrics-port {ports[name]}" in job
    # Those that the guide starts, and no other: one that does not run raises an alert.
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in yaml.safe_load(scraped)["scrape_configs"]
    }
    enabled = re.findall(r"^\$ systemctl enable --now (.*)$", GUIDE.read_text(), re.MULTILINE)
    started = {name for line in enabled for name in line.split() if name in ports}
    expected = {name: [f"127.0.0.1:{port}"] if name in started else [] for name, port in ports.items()}
    assert targets == {"lark-apps": [], **expected}
    assert len(set(ports.values())) == len(ports)
    extras = re.search(r"lark/venv/bin/pip install 'airflow-provider-lark\[(.*)\]'", GUIDE.read_text())
    assert extras is not None
    assert {"bridge", "gateway", "listen", "metrics"} <= set(extras[1].split(","))


def settings(name: str = "lark.env") -> dict[str, str]:
    """Return what is set in an example of an environment file."""
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_settings_of_the_bridge_are_read_and_its_secret_must_be_replaced() -> None:
    variables = settings("bridge.env")
    known = {
        bridge_settings.URL, bridge_settings.USERNAME, bridge_settings.PASSWORD, SECRET_VARIABLE,
        "LARK_APP_ID",
    }  # fmt: skip
    assert variables.keys() == known
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32"):
        bridge_settings.load(environ=variables)
    loaded = bridge_settings.load(environ=variables | {SECRET_VARIABLE: "ab" * 32})
    assert (loaded.airflow.url, loaded.airflow.username) == ("https://airflow.example.com", "lark-bridge")


def test_only_the_bridge_reads_its_secret() -> None:
    readers = [unit.stem for unit in SERVICES if "/etc/lark/bridge.env" in unit.read_text()]
    assert readers == ["lark-bridge"]
    assert SECRET_VARIABLE not in settings()


@pytest.fixture
def environ(database_url: str, rabbitmq: str, lark: Emulator, tmp_path: Path) -> dict[str, str]:
    """Migrate the tables, add an app to the registry, and return what lark.env sets, for this machine."""
    url = as_text(urls.parse(database_url, "test"))
    environ = {
        "LARK_DATABASE_URL": url,
        "LARK_REGISTRY_PATH": url,
        "RABBITMQ_URL": rabbitmq,
        "LARK_CONFIG_ENCRYPTION_KEY": generate_key(),
        "LOG_LEVEL": "INFO",
        config.ROUTES_VARIABLE: str(FOLDER.parent / "kubernetes" / "lark.yaml"),
    }
    assert environ.keys() == settings().keys()
    environ["LARK_BASE_URL"] = lark.base_url
    run(("db", "upgrade"), environ, tmp_path)
    words = ("app", "add", "--app-id", lark.app_id, "--app-secret", "env:SECRET", "--encrypt-key", "env:KEY")
    run((*words, "--name", "a"), environ | {"SECRET": lark.app_secret, "KEY": "of-the-console"}, tmp_path)
    return environ


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a folder in place of /var/lib/lark, in which no service of ours leaves anything."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "option"),
    [("lark-gateway", "--port"), ("lark-pump", "--probe-port"), ("lark-listen", "--probe-port")],
)
def test_what_they_start_becomes_ready_and_ends_with_0(
    name: str, option: str, environ: dict[str, str], state: Path
) -> None:
    words = read_start_command(FOLDER / f"{name}.service")[1:]
    service = Deployed(tuple(words), environ, int(words[words.index(option) + 1]))
    with running(service, state) as answer:
        assert answer["sinks"].items() >= {"rabbitmq": True, "database": True}.items()


def test_the_consumer_of_a_unit_becomes_ready_and_ends_with_0(environ: dict[str, str], state: Path) -> None:
    program = FOLDER.parent / "kubernetes" / "consumers" / "answering_machine.py"
    port = free_port()
    service = Deployed((), environ | {"PROBE_PORT": str(port)}, port)
    with running(service, state, (sys.executable, str(program))) as answer:
        assert answer["sinks"] == {"rabbitmq": True, "database": True}


def test_the_purge_ends_with_0(environ: dict[str, str], state: Path) -> None:
    words = read_start_command(FOLDER / "lark-purge.service")[1:]
    assert "Deleted: 0 from tokens" in run(words, environ, state)

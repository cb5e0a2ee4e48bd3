"""deploy/compose: what it promises, and each of its services run on real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider.cli.__main__ import make_parser
from lark_provider.storage import urls
from lark_provider.storage.crypto import EncryptionKeys
from tests.deploy.composed import FILE, FOLDER, IMAGE, UnsetError, secrets, services, settings
from tests.deploy.running import Deployed, run, start
from tests.services import compose
from tests.services.finding import UnavailableError
from tests.services.plugin import StartServer
from tests.services.postgres import OwnPostgres

ROOT = FILE.parents[2]
PROFILES = {
    "postgres", "rabbitmq", "gateway", "pump", "listen", "bridge", "emulator", "airflow", "prometheus",
    "grafana",
}  # fmt: skip
SERVICES = ("gateway", "pump", "listen", "bridge")
REQUIRED = sorted(set(re.findall(r"\$\{(\w+):\?", FILE.read_text())))


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run secrets.sh, and return the variables that it writes."""
    return secrets(tmp_path_factory.mktemp("compose"))


def find_probed_port(service: dict[str, Any]) -> int:
    """Return the port that the health check of a service asks."""
    [port] = re.findall(r"127\.0\.0\.1:(\d+)/readyz", " ".join(service["healthcheck"]["test"]))
    return int(port)


def read_service(name: str, env: dict[str, str]) -> Deployed:
    service = services(env)[name]
    return Deployed(tuple(service["command"]), service["environment"], find_probed_port(service))


def test_each_part_is_a_profile(env: dict[str, str]) -> None:
    by_name = services(env)
    assert {profile for part in by_name.values() for profile in part["profiles"]} == PROFILES | {"purge"}
    assert all(part["profiles"] for part in by_name.values())  # one without would always run
    assert set(env["COMPOSE_PROFILES"].split(",")) <= PROFILES
    for (
        service
    ) in by_name.values():  # what is needed runs in each profile of what needs it, or is not required
        for name, need in service.get("depends_on", {}).items():
            assert set(service["profiles"]) <= {*by_name[name]["profiles"]} | {"purge"} or not need.get(
                "required", True
            )


@pytest.mark.parametrize("name", REQUIRED)
def test_no_password_has_a_default(name: str, env: dict[str, str]) -> None:
    assert settings(FOLDER / ".env.example")[name] == ""
    for without in ({**env, name: ""}, {key: value for key, value in env.items() if key != name}):
        with pytest.raises(UnsetError, match=name):
            services(without)


def test_what_is_secret_is_required_and_what_is_required_is_generated(env: dict[str, str]) -> None:
    example = settings(FOLDER / ".env.example")
    assert [name for name, value in example.items() if value == "" and name not in REQUIRED] == [
        "LARK_APP_ID", "LARK_APP_SECRET", "LARK_EVENT_ENCRYPT_KEY", "LARK_EVENT_VERIFICATION_TOKEN",
    ]  # fmt: skip
    generated = [env[name] for name in REQUIRED]
    assert len(set(generated)) == len(generated)
    assert all(len(value) >= 44 and re.fullmatch(r"[\w=-]+", value) for value in generated)
    EncryptionKeys(env["LARK_CONFIG_ENCRYPTION_KEY"])
    EncryptionKeys(env["AIRFLOW_FERNET_KEY"])
    known = set(re.findall(r"\$\{(\w+)", FILE.read_text())) | {"COMPOSE_PROFILES"}
    assert example.keys() <= known
    assert known - example.keys() == {"LARK_IMAGE", "AIRFLOW_IMAGE", "EMULATOR_IMAGE"}


def test_secrets_are_written_once_and_for_nobody_else(tmp_path: Path) -> None:
    secrets(tmp_path)
    before = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Exception, match="returned non-zero"):
        secrets(tmp_path)
    assert (tmp_path / ".env").read_text() == before
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_ports_are_on_loopback_and_containers_have_few_rights(env: dict[str, str]) -> None:
    by_name = services(env)
    assert [
        port
        for part in by_name.values()
        for port in part.get("ports", [])
        if not port.startswith("127.0.0.1:")
    ] == []
    for name, service in by_name.items():
        assert "no-new-privileges:true" in service.get("security_opt", []) or name == "airflow-volumes"
        assert re.search(r":(?!latest$).+$", service["image"])
        if service["image"] == IMAGE:
            assert (service["user"], service["read_only"], service["cap_drop"]) == (
                "10001:10001",
                True,
                ["ALL"],
            )
    assert [
        name for name, part in by_name.items() if part["environment" if "environment" in part else "image"]
    ] == list(by_name)


def test_the_bridges_secret_goes_to_the_bridge_and_to_airflows_api_server_alone(env: dict[str, str]) -> None:
    secret = env["LARK_BRIDGE_SECRET"]
    assert {name for name, service in services(env).items() if secret in str(service)} == {
        "bridge",
        "airflow-api-server",
    }
    assert {
        name for name, service in services(env).items() if env["AIRFLOW_ADMIN_PASSWORD"] in str(service)
    } == {"airflow-init"}


@pytest.mark.parametrize("name", ["airflow-api-server", "gateway", "listen"])
def test_what_reads_lark_yaml_has_the_file_of_the_bridge(name: str, env: dict[str, str]) -> None:
    service, bridge = services(env)[name], services(env)["bridge"]
    assert service["environment"]["LARK_ROUTES_PATH"] == bridge["environment"]["LARK_ROUTES_PATH"]
    assert set(bridge["volumes"]) <= set(service["volumes"])


def test_the_api_server_has_the_dags_and_logs_of_the_other_parts_of_airflow(env: dict[str, str]) -> None:
    by_name = services(env)
    assert set(by_name["airflow-scheduler"]["volumes"]) <= set(by_name["airflow-api-server"]["volumes"])


def test_the_triggerer_takes_events_from_the_same_rabbitmq_as_the_services(env: dict[str, str]) -> None:
    by_name = services(env)
    mine, other = by_name["airflow-triggerer"]["environment"], by_name["pump"]["environment"]
    names = {name for name in other if name.startswith("RABBITMQ_")}
    assert {name: mine[name] for name in names} == {name: other[name] for name in names}
    assert mine.keys() >= by_name["airflow-scheduler"]["environment"].keys()


def test_its_servers_are_those_of_the_file_at_the_top(env: dict[str, str]) -> None:
    top = yaml.safe_load(compose.FILE.read_text())
    for name in ("postgres", "rabbitmq"):
        mine, other = services(env)[name], top["services"][name]
        for part in ("image", "volumes", "configs", "healthcheck", "hostname"):
            assert mine.get(part) == other.get(part), part
        assert [f"127.0.0.1:{port}" for port in other["ports"]] == mine["ports"]
    own = yaml.safe_load(FILE.read_text())
    assert own["configs"] == top["configs"]
    assert own["volumes"].items() >= top["volumes"].items()


def test_each_file_that_it_mounts_or_builds_from_is_there(env: dict[str, str]) -> None:
    for service in services(env).values():
        if "build" in service:
            context = FOLDER / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert "/" not in source or (FOLDER / source).exists(), source


def test_prometheus_and_grafana_find_what_runs(env: dict[str, str]) -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job["dns_sd_configs"] for job in scraped["scrape_configs"]}
    ports = {f"lark-{name}": read_service(name, env).ports["--metrics-port"] for name in SERVICES}
    assert {job: [(discovery["names"], discovery["port"])] for job, [discovery] in jobs.items()} == {
        job: [([job.removeprefix("lark-")], port)] for job, port in ports.items()
    }
    plain = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    assert {job for job in re.findall(r"job_name: (\S+)", plain) if job != "lark-apps"} == jobs.keys()
    source = yaml.safe_load((FOLDER / "grafana" / "datasource.yml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


@pytest.mark.parametrize("name", [*SERVICES, "migrate", "purge"])
def test_the_command_lines_are_understood_and_health_is_asked_where_it_is_answered(
    name: str, env: dict[str, str]
) -> None:
    service = services(env)[name]
    assert callable(make_parser().parse_args(service["command"]).run)
    if name in SERVICES:
        deployed = read_service(name, env)
        assert deployed.probe in {deployed.ports.get("--probe-port"), deployed.ports.get("--port")}


def test_docker_compose_reads_the_same(env: dict[str, str], say: Callable[[str], None]) -> None:
    try:
        command = [*compose.command(), "--file", str(FILE)]
    except UnavailableError as reason:
        say(f"deploy/compose/compose.yml was parsed, but not read by Docker Compose ({reason})")
        return
    every = ",".join(sorted(PROFILES | {"purge"}))
    config = [*command, "config", "--format", "json"]
    read = json.loads(compose.run(config, {**env, "COMPOSE_PROFILES": every}))["services"]
    mine = services(env)
    assert read.keys() == mine.keys()
    for name, service in mine.items():
        for part in ("environment", "command", "healthcheck"):
            theirs = json.loads(json.dumps(read[name].get(part)).replace("$$", "$"))
            if part == "healthcheck":
                theirs, own = (theirs or {}).get("test"), service.get(part, {}).get("test")
            else:
                own = service.get(part)
            assert theirs == own, (name, part)
    for profile in sorted(PROFILES):
        alone = json.loads(compose.run(config, {**env, "COMPOSE_PROFILES": profile}))["services"]
        assert {name for name, candidate in mine.items() if profile in candidate["profiles"]} == alone.keys()
    with pytest.raises(
        UnavailableError, match="POSTGRES_PASSWORD is missing a value: Run deploy/compose/secrets"
    ):
        compose.run(config, {**env, "POSTGRES_PASSWORD": ""})


@pytest.fixture
def here(env: dict[str, str], database_url: str, rabbitmq: str, lark: Emulator) -> dict[str, str]:
    """Return an .env that points to this machine's servers, as to any outside of Docker Compose."""
    database, broker = make_url(database_url), make_url(rabbitmq)
    return env | {
        "POSTGRES_HOST": str(database.host),
        "POSTGRES_PORT": str(database.port or 5432),
        "POSTGRES_DB": str(database.database),
        "POSTGRES_USER": str(database.username),
        "POSTGRES_PASSWORD": str(database.password or "trusted"),
        "RABBITMQ_HOST": str(broker.host),
        "RABBITMQ_PORT": str(broker.port or 5672),
        "RABBITMQ_USER": str(broker.username),
        "RABBITMQ_PASSWORD": str(broker.password),
        "RABBITMQ_VHOST": str(broker.database or "/"),
        "LARK_BASE_URL": lark.base_url,
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_EVENT_ENCRYPT_KEY": "of-the-developer-console",
    }


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_the_tables_are_migrated_and_purged(here: dict[str, str], empty: Path) -> None:
    by_name = services(here)
    run(by_name["migrate"]["command"], by_name["migrate"]["environment"], empty)
    assert "(head)" in run(["db", "check"], by_name["migrate"]["environment"], empty)
    assert "Deleted: 0 from tokens" in run(
        by_name["purge"]["command"], by_name["purge"]["environment"], empty
    )
    assert list(empty.iterdir()) == []


def test_the_gateway_beside_the_local_lark_has_the_app_of_the_page(
    here: dict[str, str], lark: Emulator, empty: Path
) -> None:
    page = (ROOT / "docs" / "en" / "how-to" / "deploy.md").read_text("utf-8")
    tried = page.partition("To try it without a tenant")[2].partition("```\n\n")[0]
    named = dict(re.findall(r"`(LARK_\w+)=([^`]+)`", tried))
    without_app = {name: "" for name in here if name.startswith(("LARK_APP_", "LARK_EVENT_"))}
    env = here | without_app | named | {"LARK_BASE_URL": lark.base_url}
    migrate = services(env)["migrate"]
    run(migrate["command"], migrate["environment"], empty)
    with start(read_service("gateway", env), empty):
        assert run(["doctor", "--uses", "messages"], read_service("gateway", env).environ, empty)
    [body] = re.findall(r"/_emulator/callbacks --json '(.*)'", tried)
    sent = json.loads(body)
    assert (sent["app_id"], sent["encrypt_key"]) == (named["LARK_APP_ID"], named["LARK_EVENT_ENCRYPT_KEY"])
    words = make_parser().parse_args(services(env)["gateway"]["command"])
    assert sent["url"] == f"http://gateway:{words.port}/lark/callbacks/{sent['app_id']}"
    answer = httpx.post(f"{lark.base_url}/_emulator/callbacks", json={**sent, "verify": False})
    assert answer.is_success


def test_a_password_may_contain_what_a_url_may_not(
    here: dict[str, str], start_postgres: StartServer[OwnPostgres], empty: Path
) -> None:
    server, password = start_postgres().server, "p@ss/w:rd%#?+ 1"
    server.execute(f"CREATE ROLE lark LOGIN PASSWORD '{password}'")
    server.execute("CREATE DATABASE lark_service OWNER lark")
    place = {"POSTGRES_HOST": server.host, "POSTGRES_PORT": str(server.port)}
    account = {"POSTGRES_USER": "lark", "POSTGRES_DB": "lark_service", "POSTGRES_PASSWORD": password}
    migrate = services(here | place | account)["migrate"]
    run(migrate["command"], migrate["environment"], empty)
    assert run(["app", "list"], migrate["environment"], empty) == ""
    urls_in_use = urls.database(environ=migrate["environment"]), urls.registry(environ=migrate["environment"])
    assert urls_in_use[0] == urls_in_use[1]  # else each process would have two pools of connections
    wrong = migrate["environment"] | {"PGPASSWORD": "another"}
    with pytest.raises(AssertionError, match="password authentication failed"):
        run(["app", "list"], wrong, empty)


@pytest.mark.parametrize(
    ("name", "sinks"),
    [
        ("gateway", {"rabbitmq": True, "database": True}),
        ("pump", {"rabbitmq": True, "database": True}),
        ("listen", {"rabbitmq": True, "database": True}),
    ],
)
def test_what_it_starts_becomes_ready_writes_nowhere_and_drains(
    name: str, sinks: dict[str, bool], here: dict[str, str], empty: Path
) -> None:
    migrate = services(here)["migrate"]
    run(migrate["command"], migrate["environment"], empty)
    with start(read_service(name, here), empty) as answer:
        assert answer["sinks"].items() >= sinks.items()

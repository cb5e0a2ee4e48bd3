"""docker-compose.yml: the two services as the guide has them, and no password that anybody could know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.services import compose
from tests.services.finding import UnavailableError

PASSWORDS = {"POSTGRES_PASSWORD": "p$1", "RABBITMQ_PASSWORD": "p#2"}


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    document = yaml.safe_load(compose.FILE.read_text())
    assert isinstance(document, dict)
    return document


def test_postgres_is_as_the_guide_has_it(parsed: dict[str, Any]) -> None:
    postgres = parsed["services"]["postgres"]
    assert (postgres["image"], postgres["container_name"]) == ("postgres:15-alpine", "lark-postgres")
    assert postgres["environment"].items() > {"POSTGRES_DB": "lark_service", "POSTGRES_USER": "lark"}.items()
    assert postgres["ports"] == ["5432:5432"]
    assert postgres["volumes"] == ["lark_postgres_data:/var/lib/postgresql/data"]
    assert "pg_isready" in postgres["healthcheck"]["test"]


def test_pgcrypto_is_created_when_the_volume_is_new(parsed: dict[str, Any]) -> None:
    (script,) = parsed["services"]["postgres"]["configs"]
    assert re.fullmatch(r"/docker-entrypoint-initdb\.d/\w+\.sql", script["target"])
    assert parsed["configs"][script["source"]] == {"content": "CREATE EXTENSION IF NOT EXISTS pgcrypto;"}


def test_rabbitmq_is_as_the_guide_has_it(parsed: dict[str, Any]) -> None:
    rabbitmq = parsed["services"]["rabbitmq"]
    assert (rabbitmq["image"], rabbitmq["container_name"]) == (
        "rabbitmq:3-management-alpine",
        "lark-rabbitmq",
    )
    assert rabbitmq["environment"]["RABBITMQ_DEFAULT_USER"] == "lark"
    assert rabbitmq["ports"] == ["5672:5672", "15672:15672"]
    assert rabbitmq["volumes"] == ["lark_rabbitmq_data:/var/lib/rabbitmq"]
    assert rabbitmq["hostname"], "without one, a new container would not find the data of the old one"
    assert "rabbitmq-diagnostics" in rabbitmq["healthcheck"]["test"]


def test_volumes_have_the_guides_names_whatever_the_folder_is_called(parsed: dict[str, Any]) -> None:
    names = ["lark_postgres_data", "lark_rabbitmq_data"]
    assert parsed["volumes"] == {name: {"name": name} for name in names}


def test_passwords_come_from_the_environment_and_have_no_default(parsed: dict[str, Any]) -> None:
    passwords = {
        name: value
        for service in parsed["services"].values()
        for name, value in service["environment"].items()
        if "PASS" in name
    }
    wanted = {"POSTGRES_PASSWORD": "POSTGRES_PASSWORD", "RABBITMQ_DEFAULT_PASS": "RABBITMQ_PASSWORD"}
    assert passwords.keys() == wanted.keys()
    for name, variable in wanted.items():
        assert re.fullmatch(
            rf"\$\{{{variable}:\?Set it in the environment or in \.env[^}}]*\}}", passwords[name]
        )


def test_docker_compose_reads_it_and_asks_for_passwords(say: Callable[[str], None]) -> None:
    """Where Docker Compose cannot be had, the run says so: the tests above have parsed the file."""
    try:
        command = [*compose.command(), "--file", str(compose.FILE)]
    except UnavailableError as reason:
        say(f"docker-compose.yml was parsed, but not read by Docker Compose ({reason})")
        return
    config = [*command, "config", "--format", "json", "postgres", "rabbitmq"]
    services = json.loads(compose.run(config, PASSWORDS))["services"]
    assert services.keys() == {"postgres", "rabbitmq"}
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"].replace("$$", "$") == "p$1"
    assert services["rabbitmq"]["environment"]["RABBITMQ_DEFAULT_PASS"] == "p#2"
    for missing in PASSWORDS:
        with pytest.raises(
            UnavailableError, match=rf"{missing} is missing a value: Set it in the environment"
        ):
            compose.run(config, {**PASSWORDS, missing: ""})


def test_a_test_run_changes_ports_and_names_so_that_it_meets_nobody(say: Callable[[str], None]) -> None:
    try:
        compose.command()
    except UnavailableError as reason:
        say(f"compose.override.yml was not read by Docker Compose ({reason})")
        return
    project = json.loads(compose.compose("config", "--format", "json"))
    for service in project["services"].values():
        assert "container_name" not in service
        assert not [
            port for port in service["ports"] if port.get("published") or port["host_ip"] != "127.0.0.1"
        ]
    assert all(volume["name"].startswith("lark-tests-") for volume in project["volumes"].values())
